//! Approvals that go over to another plan: of a change that is tried again, and of a release that was approved before its
//! change was known.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Snapshot, fence::baseline, plan::Planned, remove::Removals, targets::Target};
use crate::{
    api::{Action, CloseReason, Decided, Identity, PlannedAs, ProposedStack, SettledAs},
    change::Baseline,
    drive::Prepared,
    gate::{PlanView, Recorded},
    words::{DecisionId, ReleaseId},
};

/// What was approved before and counts for what is planned now.
pub(super) fn carried(
    s: &Snapshot<'_>,
    planned: &[Planned<'_>],
    removals: &Removals,
    a1: &ReleaseId,
) -> impl Iterator<Item = Decided> {
    let again = retried(s, planned, removals);
    let mut found = beforehand(s, a1);
    found.retain(|d| !again.iter().any(|known| known.says_the_same(d)));
    again.into_iter().chain(found)
}

/// The approvals of the change that failed and is tried again, if what is planned now is equal but for the baseline that
/// our own roll back moved.
fn retried(s: &Snapshot<'_>, planned: &[Planned<'_>], removals: &Removals) -> Vec<Decided> {
    let failed = |p: &&PlanView| p.closed.as_ref().is_some_and(|c| c.reason == CloseReason::Failed);
    let Some(plan) = s.newest().filter(failed) else { return Vec::new() };
    let stacks = &plan.proposal().stacks;
    // What is deleted is gone, or is there as it was.
    let (removed, stacks): (Vec<_>, Vec<_>) = stacks.iter().partition(|p| p.plan == PlannedAs::Removed);
    let told =
        |stack: &ProposedStack| removed.iter().any(|old| old.key() == stack.key() && old.leaf == stack.leaf);
    let equal = stacks.len() == planned.len()
        && removals.stacks.iter().all(|(stack, _)| told(stack))
        && planned.iter().all(|x| {
            stacks
                .iter()
                .find(|old| old.key() == x.t.key)
                .is_some_and(|old| is_told_as_before(old, x) && is_equal(s, plan, old, x.t, &x.p))
        });
    if plan.retried(s.gate.identity.value).is_none() || plan.rejected().is_some() || !equal {
        return Vec::new();
    }
    let old = DecisionId::Change(plan.id().clone());
    let decisions = plan.decisions.iter().filter(|r| match r.decided.action {
        // What came during the run is no word on what failed.
        Action::Approve => !plan.is_too_late(r),
        Action::Revoke => true,
        // It was for the emergency of that time: a Freeze that came since holds what is tried again.
        Action::Override | Action::Reject | Action::Retry => false,
    });
    decisions
        .map(|r| Decided { under: r.decided.under.clone().or_else(|| Some(old.clone())), ..dated(r) })
        .collect()
}

/// Whether nothing is told of a stack besides its change set that was not told before.
fn is_told_as_before(old: &ProposedStack, x: &Planned<'_>) -> bool {
    (x.protection.is_none() || old.switches_protection) && x.warnings().all(|w| old.warnings.contains(w))
}

fn is_equal(s: &Snapshot<'_>, plan: &PlanView, old: &ProposedStack, t: &Target, p: &Prepared) -> bool {
    match plan.settled.get(&t.key).map(|x| x.outcome) {
        // Were it to be done again, somebody else would have undone it: also where that is the same change.
        Some(SettledAs::Succeeded) => return p.plan == PlannedAs::Unchanged,
        // Somebody has deleted it meanwhile, and may have meant it.
        Some(SettledAs::Gone) => return false,
        // Of what was made something is left, unless somebody has deleted that.
        Some(SettledAs::RolledBack) if p.baseline == Baseline::None => return false,
        Some(SettledAs::RolledBack | SettledAs::Failed) | None => {}
    }
    match p.plan {
        PlannedAs::Unchanged => old.plan == PlannedAs::Unchanged,
        PlannedAs::Removed => false,
        PlannedAs::Deferred => old.plan == PlannedAs::Deferred && old.leaf == p.leaf,
        // The stack was new, and is so again.
        PlannedAs::Recreated => {
            baseline(old) == Baseline::None && old.input == t.digest && is_where_we_left_it(s, t, &p.baseline)
        }
        PlannedAs::Prepared => {
            old.plan == PlannedAs::Prepared
                && old.input == t.digest
                && p.leaf_on(&t.key, &t.digest, &baseline(old)) == Some(old.leaf)
                && (baseline(old) == p.baseline || is_where_we_left_it(s, t, &p.baseline))
        }
    }
}

/// Whether a stack is as our own operation left it.
fn is_where_we_left_it(s: &Snapshot<'_>, t: &Target, baseline: &Baseline) -> bool {
    match baseline {
        Baseline::None => false,
        Baseline::Stack(id, at) => s
            .owned()
            .get(&t.key)
            .is_some_and(|o| o.stack_id == *id && o.updated_time.as_ref().is_some_and(|left| left.0 == *at)),
    }
}

/// People whose approvals beforehand go over to one plan, the newest: what it takes of others has room beside them.
const MAX_CARRIED: usize = 32;

/// The approvals of this release that were given before this change was known and that no execution has used up: of each person
/// the newest, which is the one that holds.
pub(super) fn beforehand(s: &Snapshot<'_>, a1: &ReleaseId) -> Vec<Decided> {
    let named = |r: &&Recorded| matches!(&r.decided.under, Some(DecisionId::Release(id)) if id == a1);
    let mut found: Vec<(Timestamp, Decided)> = Vec::new();
    for plan in s.plans.iter().rev() {
        let unspent = plan.decisions.iter().filter(|r| plan.is_unspent(r));
        // Who revokes on the plan that keeps it takes it back, too: that of the release is not there yet.
        let stands = |r: &&Recorded| !plan.has_taken_back(&r.decided);
        // Within one ledger the later place is somebody's later word, also where the clock was set back.
        let mut latest: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for recorded in plan.beforehand.iter().chain(unspent).filter(named).filter(stands) {
            let latest = latest.entry(&recorded.decided.by).or_insert(recorded.since);
            *latest = recorded.since.max(*latest);
            let latest = *latest;
            let decided = dated(recorded);
            match found.iter_mut().find(|(_, d)| d.says_the_same(&decided)) {
                Some((at, known)) => {
                    *at = latest.min(*at);
                    known.since = known.since.clone().min(decided.since);
                }
                None => found.push((latest, decided)),
            }
        }
    }
    found.sort_by_key(|(at, _)| *at);
    // Before those that are used up are left out: an older word does not come back.
    let mut last: Vec<Decided> = Vec::new();
    for (_, decided) in found {
        last.retain(|d| (&d.by, d.identity) != (&decided.by, decided.identity));
        last.push(decided);
    }
    // One that was used up anywhere, by an earlier opening too, is used up; and one that was taken back stays so.
    let of_this = s.plans.iter().filter(|p| p.proposal().a1.as_ref() == Some(a1));
    last.retain(|d| !of_this.clone().any(|p| p.has_used_up(d) || p.has_taken_back(d)));
    // What nothing proves takes nobody's place.
    let mut surplus = last.len().saturating_sub(MAX_CARRIED);
    for counts_less in [Identity::Unverified, Identity::Git] {
        last.retain(|d| {
            let goes = surplus > 0 && d.identity == counts_less;
            surplus -= usize::from(goes);
            !goes
        });
    }
    last.split_off(surplus)
}

fn dated(recorded: &Recorded) -> Decided {
    Decided { since: Some(Time(recorded.since)), ..recorded.decided.clone() }
}
