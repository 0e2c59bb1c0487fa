//! What a reject takes back beyond its own plan: approvals of the release, whatever its change turns out to be; those of that very
//! change that went over to another plan; and the leave that a rule gives. Otherwise it would run by itself as soon as it is planned anew.
//! And what a revoke does: on whichever plan of the object it stands, all that its author has approved before and that is kept or carried
//! over for another plan.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use super::{Annotation, Decision, PlanView, Recorded, parse_annotation};
use crate::{
    api::{Action, DecisionSource, Identity},
    change::c1_once_more,
    words::{ChangeId, DecisionId, Digest, ReleaseId, StageChangeId},
};

/// What was rejected by the plans of one object.
#[derive(Default)]
struct Rejected {
    changes: BTreeSet<ChangeId>,
    /// By which plans, and when last.
    releases: BTreeMap<ReleaseId, (Vec<Arc<PlanView>>, Timestamp)>,
    /// The same by what the release holds, whatever values it gets: when last.
    archives: BTreeMap<Digest, Timestamp>,
}

impl Rejected {
    fn of(plans: &[Arc<PlanView>]) -> Self {
        let mut rejected = Self::default();
        for plan in plans {
            let Some(at) = plan.rejects().map(|r| r.since).max() else { continue };
            rejected.changes.insert(plan.id().clone());
            if let Some(a1) = &plan.proposal().a1 {
                let (by, last) = rejected.releases.entry(a1.clone()).or_insert_with(|| (Vec::new(), at));
                by.push(Arc::clone(plan));
                *last = at.max(*last);
            }
            for archive in &plan.archives {
                let last = rejected.archives.entry(*archive).or_insert(at);
                *last = at.max(*last);
            }
        }
        rejected
    }

    /// A plan that is rejected records no approvals of its own any more, so what it holds came before. Times of a ledger have whole
    /// seconds: what came in the same one does not count.
    fn takes_back(&self, plan: &PlanView, recorded: &Recorded) -> bool {
        if !recorded.is_carried() {
            return false;
        }
        // It went over from a change that has failed, perhaps by way of others, or from an earlier opening.
        let of_change = |id: &ChangeId| {
            let release = plan.proposal().a1.as_ref().and_then(|a1| self.releases.get(a1));
            self.changes.contains(id) || release.is_some_and(|(_, last)| recorded.since <= *last)
        };
        match &recorded.decided.under {
            None => of_change(plan.id()),
            Some(DecisionId::Change(id)) => of_change(id),
            Some(DecisionId::Release(a1)) => self.releases.get(a1).is_some_and(|(by, last)| {
                // Another plan has kept it before there was the one that was rejected, whatever the clocks said.
                let is_of_another = plan.proposal().a1.as_ref() != Some(a1);
                let is_kept = is_of_another && by.iter().any(|p| p.order > plan.order);
                is_kept || recorded.since <= *last || by.iter().any(|p| p.has_recorded(&recorded.decided))
            }),
        }
    }

    /// When the release of a plan was rejected last, if it was.
    fn release(&self, plan: &PlanView) -> Option<Timestamp> {
        let as_id = plan.proposal().a1.as_ref().and_then(|a1| self.releases.get(a1)).map(|(_, last)| *last);
        let as_archive = plan.release.as_ref().and_then(|r| self.archives.get(&r.digest)).copied();
        as_id.max(as_archive)
    }
}

/// Leaves out of the plans of one object what its author has revoked since on another plan. Times of a ledger have whole seconds: what
/// came in the same one does not count. What was claimed meanwhile runs with what it had then.
fn take_back_revoked(plans: &mut [Arc<PlanView>]) {
    let mut revoked: BTreeMap<String, BTreeSet<(Timestamp, Timestamp)>> = BTreeMap::new();
    for (by, times) in plans.iter().flat_map(|p| &p.revoked) {
        revoked.entry(by.clone()).or_default().extend(times);
    }
    if revoked.is_empty() {
        return;
    }
    for plan in plans {
        let first_since = |r: &Recorded| {
            let times = revoked.get(&r.decided.by).filter(|_| r.is_carried())?;
            times.range((r.since, Timestamp::MIN)..).map(|(_, recorded)| *recorded).min()
        };
        let claimed = plan.is_claimed().then_some(plan.claimed_time);
        let took = |at: Timestamp| claimed.is_none_or(|claimed| at < claimed);
        leave_out(plan, |r| first_since(r).is_some_and(took), |r| first_since(r).is_some());
    }
}

/// Leaves out of plans that wait what was approved of their release, once another plan of that release has run with it: one approval counts
/// for one execution, wherever a copy of it was kept.
fn take_back_used_up(plans: &mut [Arc<PlanView>]) {
    let is_of_release = |r: &Recorded| matches!(r.decided.under, Some(DecisionId::Release(_)));
    for place in 0..plans.len() {
        let Some(plan) = plans.get(place) else { continue };
        if plan.is_claimed() || !plan.decisions.iter().any(is_of_release) {
            continue;
        }
        let others: Vec<Arc<PlanView>> = plans
            .iter()
            .filter(|p| p.name != plan.name && p.proposal().a1 == plan.proposal().a1)
            .cloned()
            .collect();
        let as_it_was = Arc::clone(plan);
        // What it took first is used up by any claim; a copy by those that came after it was made.
        let since = |r: &Recorded| match r.decided.since {
            None => Timestamp::MIN,
            Some(_) => as_it_was.recorded_at(r),
        };
        let is_used_up =
            |r: &Recorded| is_of_release(r) && others.iter().any(|p| p.has_run_with(r, since(r)));
        if let Some(plan) = plans.get_mut(place) {
            leave_out(plan, is_used_up, |_| false);
        }
    }
}

/// Leaves out of the plans of one object what rejects and revokes on any of them have taken back, and what executions have used up.
pub fn take_back(plans: &mut [Arc<PlanView>]) {
    take_back_rejected(plans);
    take_back_revoked(plans);
    take_back_used_up(plans);
}

/// Whether a revoke of this person on one of the plans of an object would take back what any of them keeps for another one or carries over,
/// or what stands on the object and is in no ledger yet. The plans are those that nothing was taken back of ([`take_back`]).
#[must_use]
pub fn is_given_elsewhere(
    on: &PlanView,
    plans: &[Arc<PlanView>],
    annotations: Option<&BTreeMap<String, String>>,
    by: &str,
) -> bool {
    let is_heard_of = |given: &Decision| {
        let recorded = given.recorded(DecisionSource::Stage, Identity::Unverified, on.id());
        plans.iter().any(|p| p.has_recorded(&recorded))
    };
    plans.iter().any(|p| p.carries_of(by))
        || annotations.into_iter().flatten().any(|(key, value)| match parse_annotation(key, value) {
            Some(Ok(Annotation::Decision(d))) => {
                let is_beforehand = matches!(d.id, DecisionId::Release(_)) && d.action == Action::Approve;
                is_beforehand && d.by == by && !is_heard_of(&d)
            }
            Some(Ok(Annotation::Report(_)) | Err(_)) | None => false,
        })
}

/// Without these of its decisions, and these of what it keeps for others.
fn leave_out(plan: &mut Arc<PlanView>, own: impl Fn(&Recorded) -> bool, kept: impl Fn(&Recorded) -> bool) {
    if !plan.decisions.iter().any(&own) && !plan.beforehand.iter().any(&kept) {
        return;
    }
    let PlanView { decisions, beforehand, taken_back, .. } = Arc::make_mut(plan);
    taken_back.extend(decisions.extract_if(.., |r| own(r)));
    taken_back.extend(beforehand.extract_if(.., |r| kept(r)));
}

/// Leaves out of the plans of one object what was approved before it was rejected, whoever rejected it, and marks those that no rule
/// lets run any more. What was claimed meanwhile runs with what it had.
fn take_back_rejected(plans: &mut [Arc<PlanView>]) {
    reject_successors(plans);
    let rejected = Rejected::of(plans);
    if rejected.changes.is_empty() {
        return;
    }
    // After a reject somebody has signed for whatever was claimed.
    let let_run: BTreeSet<Digest> = plans
        .iter()
        .filter(|p| {
            p.is_claimed()
                && p.claim_is_proven
                && rejected.release(p).is_some_and(|last| p.claimed_time > last)
        })
        .filter_map(|p| Some(p.release.as_ref()?.digest))
        .collect();
    for plan in plans {
        let is_let_run = plan.release.as_ref().is_some_and(|r| let_run.contains(&r.digest));
        if !plan.is_claimed() && rejected.release(plan).is_some() && !is_let_run {
            Arc::make_mut(plan).release_rejected = true;
        }
        let as_it_was = Arc::clone(plan);
        let took = |r: &Recorded| rejected.takes_back(&as_it_was, r);
        leave_out(plan, |r| !as_it_was.is_claimed() && took(r), took);
    }
}

/// A change that goes on in another plan, since the ledger of the one before had no room, is the same: it is rejected with that.
fn reject_successors(plans: &mut [Arc<PlanView>]) {
    let reject = |p: &Arc<PlanView>| match p.id() {
        ChangeId::Stage(id) => Some((id.clone(), p.rejects().max_by_key(|r| r.since)?.clone())),
        ChangeId::Bootstrap(_) => None,
    };
    let rejected: Vec<(StageChangeId, Recorded)> = plans.iter().filter_map(reject).collect();
    for (mut id, reject) in rejected {
        loop {
            id = c1_once_more(&id);
            let is_next = |p: &&mut Arc<PlanView>| *p.id() == ChangeId::Stage(id.clone());
            let Some(next) = plans.iter_mut().find(is_next) else { break };
            if next.rejected().is_none() {
                Arc::make_mut(next).rejected_before = Some(reject.clone());
            }
        }
    }
}

impl PlanView {
    /// Whether it keeps or carries an approval of this person that a revoke on any plan would take back.
    #[must_use]
    pub fn carries_of(&self, by: &str) -> bool {
        let unspent = self.decisions.iter().filter(|r| self.is_unspent(r));
        self.beforehand.iter().chain(unspent).any(|r| r.is_carried() && r.decided.by == by)
    }

    /// The places of the approvals of it that rejects, and revokes on other plans, have taken back, of all that the plan itself says.
    #[must_use]
    pub fn taken_back_from(&self, whole: &Self) -> Vec<u32> {
        let stands = |r: &&Recorded| self.decisions.iter().any(|d| d.place == r.place);
        whole.decisions.iter().filter(|r| !stands(r)).map(|r| r.place).collect()
    }

    /// The same as the controller sees it, which knows of all plans.
    #[must_use]
    pub fn without(mut self, taken_back: &[u32], release_rejected: bool) -> Self {
        let gone = self.decisions.extract_if(.., |r| taken_back.contains(&r.place));
        self.taken_back.extend(gone);
        self.release_rejected = release_rejected;
        self
    }
}
