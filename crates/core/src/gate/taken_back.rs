//! What a reject takes back beyond its own plan: approvals of the release, whatever its change turns out to be. Otherwise it would
//! run by itself as soon as it is planned anew.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use super::{PlanView, Recorded};
use crate::{
    api::Action,
    words::{DecisionId, ReleaseId},
};

/// A release that was rejected: by which plans, and when last.
type Rejected = BTreeMap<ReleaseId, (Vec<Arc<PlanView>>, Timestamp)>;

/// Leaves out of the plans of one object what was approved of releases (a1) before they were rejected, whoever rejected them. What
/// was claimed meanwhile runs with what it had.
pub(crate) fn take_back_rejected(plans: &mut [Arc<PlanView>]) {
    let mut rejected = Rejected::new();
    for plan in plans.iter() {
        let rejects = plan.decisions.iter().filter(|r| r.decided.action == Action::Reject);
        if let (Some(at), Some(a1)) = (rejects.map(|r| r.since).max(), &plan.proposal().a1) {
            let (by, last) = rejected.entry(a1.clone()).or_insert_with(|| (Vec::new(), at));
            by.push(Arc::clone(plan));
            *last = at.max(*last);
        }
    }
    if rejected.is_empty() {
        return;
    }
    let taken_back = |r: &Recorded| is_taken_back(r, &rejected);
    for plan in plans {
        if !plan.is_claimed() && plan.decisions.iter().any(taken_back) {
            Arc::make_mut(plan).decisions.retain(|r| !taken_back(r));
        }
        if plan.beforehand.iter().any(taken_back) {
            Arc::make_mut(plan).beforehand.retain(|r| !taken_back(r));
        }
    }
}

/// A plan that is rejected records no approvals any more, so what it holds came before. Times of a ledger have whole seconds: what
/// came in the same one does not count.
fn is_taken_back(recorded: &Recorded, rejected: &Rejected) -> bool {
    let Some(DecisionId::Release(a1)) = &recorded.decided.under else { return false };
    recorded.decided.action == Action::Approve
        && rejected.get(a1).is_some_and(|(by, last)| {
            recorded.since <= *last || by.iter().any(|p| p.has_recorded(&recorded.decided))
        })
}
