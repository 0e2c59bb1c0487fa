//! The decision on a Stage: named checks in a fixed order.

use jiff::Timestamp;

use super::{
    Snapshot,
    candidate::candidate,
    delete::{add_finalizer, delete},
    execute::{execute, failure_text},
    fence::close,
    gate::{gate, latch, moved},
    plan::{plan, same_for_this_stage},
    targets::watched,
};
use crate::{
    api::{CloseReason, Closed, Reason, ReleaseRef},
    effect::{Pace, Seen},
    gate::{PlanView, owned_key},
    verdict::{Need, Phase, Verdict, fold},
};

/// What comes next for this Stage. Pure and total: the same snapshot and time always decide the same.
#[must_use]
pub fn decide(s: &Snapshot<'_>, now: Timestamp) -> Verdict {
    delete(s, now)
        .or_else(|| add_finalizer(s, now))
        .or_else(|| under_way(s, now))
        .unwrap_or_else(|| towards_the_candidate(s, now))
}

/// What the newest plan demands, whichever release the stage should have.
fn under_way(s: &Snapshot<'_>, now: Timestamp) -> Option<Verdict> {
    let plan = s.newest()?;
    if let Some(v) = latch(s, plan, now) {
        return Some(v);
    }
    if plan.closed.is_some() || plan.is_complete() {
        return None;
    }
    if plan.is_claimed() {
        return Some(execute(s, plan, now));
    }
    plan.rejected()
        .map(|d| close(s, plan, CloseReason::Rejected, &format!("rejected {}", d.told()), true, now))
}

fn towards_the_candidate(s: &Snapshot<'_>, now: Timestamp) -> Verdict {
    let release = match candidate(s) {
        Ok(r) => r,
        Err(Need::Wait(reason @ (Reason::AwaitingUpstream | Reason::AwaitingAssembly), message, _)) => {
            return Verdict::rest(Phase::Waiting(reason), &message).waiting_for(message);
        }
        Err(need) => return fold(vec![need], Reason::Planning, "looking for a release"),
    };
    let Some(newest) = s.newest() else { return plan(s, &release, now) };
    let same = newest.is_for(&release, s.stage.spec.cdk_stage.as_deref());
    match &newest.closed {
        Some(closed) => after_closing(s, newest, closed, &release, same, now),
        None if newest.is_complete() => after_completion(s, newest, &release, same, now),
        None if same => gate(s, newest, now),
        None => same_for_this_stage(s, newest, &release, now).unwrap_or_else(|| {
            let why = format!("release {} takes its place", release.name);
            close(s, newest, CloseReason::Superseded, &why, false, now)
        }),
    }
}

fn after_completion(
    s: &Snapshot<'_>,
    newest: &PlanView,
    release: &ReleaseRef,
    same: bool,
    now: Timestamp,
) -> Verdict {
    if !same || moved_since(s, newest).is_some() {
        return plan(s, release, now);
    }
    let watch = newest.proposal().stacks.iter().map(|p| watched(p, Pace::Slow));
    Verdict::rest(Phase::Done(Reason::Deployed), format!("release {} is deployed", release.name))
        .watching(watch)
}

fn after_closing(
    s: &Snapshot<'_>,
    newest: &PlanView,
    closed: &Closed,
    release: &ReleaseRef,
    same: bool,
    now: Timestamp,
) -> Verdict {
    let watch = newest.proposal().stacks.iter().map(|p| watched(p, Pace::Slow));
    match closed.reason {
        CloseReason::Rejected if same && moved(s, newest).is_none() => Verdict::rest(
            Phase::Waiting(Reason::Rejected),
            format!("change {} was {}; it stays so: make a new release", newest.id(), closed.message),
        )
        .waiting_for("a new release")
        .watching(watch),
        CloseReason::Failed if same && moved_since(s, newest).is_none() => {
            let reason = newest.failed().next().map_or(Reason::RolledBack, |x| match x.outcome {
                crate::api::SettledAs::RolledBack => Reason::RolledBack,
                crate::api::SettledAs::Succeeded
                | crate::api::SettledAs::Failed
                | crate::api::SettledAs::Gone => Reason::RollbackFailed,
            });
            let what = newest.failed().next().map_or_else(|| closed.message.clone(), failure_text);
            Verdict::rest(Phase::Stalled(reason), format!("{what}; mend the cause and make a new release"))
                .waiting_for("a new release")
                .watching(watch)
        }
        CloseReason::Rejected
        | CloseReason::Failed
        | CloseReason::Superseded
        | CloseReason::Withdrawn
        | CloseReason::Expired => plan(s, release, now),
    }
}

/// What has changed since we last left the stacks, as far as anybody has seen.
fn moved_since(s: &Snapshot<'_>, newest: &PlanView) -> Option<String> {
    let owned = newest.owned_now();
    newest.proposal().stacks.iter().find_map(|p| {
        let key = p.key();
        let left = owned.iter().find(|o| owned_key(o) == key)?;
        match s.row(&key) {
            Seen::Unknown => None,
            Seen::Absent(_) => Some(format!("stack {key} is gone")),
            Seen::Present(row, _) => {
                let same =
                    row.id == left.stack_id && left.updated_time.as_ref().is_none_or(|t| t.0 == row.updated);
                (!same).then(|| format!("stack {key} was changed by somebody else"))
            }
        }
    })
}
