//! The decision on a Stage: named checks in a fixed order.

use jiff::Timestamp;
use kube::ResourceExt;

use super::{
    Snapshot,
    candidate::{Candidate, candidate},
    coming::announced,
    delete::{add_finalizer, delete},
    drift,
    execute::execute,
    failure::{failure_text, reason_of},
    fence::close,
    gate::{gate, moved, or_unpin},
    given::{self, given},
    outputs::outputs,
    plan::{plan, same_for_this_stage},
    record::{record, written},
    remove,
    targets::watched,
    verify::unverified,
};
use crate::{
    api::{ANNOTATION_REQUESTED_AT, Action, CloseReason, Closed, PlannedAs, Reason, ReleaseRef},
    effect::{Pace, Seen},
    gate::{PlanView, owned_key},
    latch::{latch, late_stops},
    plan::stray,
    verdict::{Need, Phase, Verdict, fold},
};

/// What comes next for this Stage. Pure and total: the same snapshot and time always decide the same.
#[must_use]
pub fn decide(s: &Snapshot<'_>, now: Timestamp) -> Verdict {
    delete(s, now).or_else(|| add_finalizer(s, now)).unwrap_or_else(|| {
        let v = under_way(s, now).unwrap_or_else(|| towards_the_candidate(s, now));
        let v = announced(s, v, now);
        let v = drift::looked_for(s, v, now);
        given::read_again_at(s, now).map_or(v.clone(), |at| v.until(at))
    })
}

/// What the newest plan demands, whichever release the stage should have.
fn under_way(s: &Snapshot<'_>, now: Timestamp) -> Option<Verdict> {
    let plan = s.newest()?;
    if let Some((plan, ledger)) = late_stops(&s.owner(), now) {
        return Some(written(s, plan, ledger, now));
    }
    if let Some(latched) = latch(&s.owner(), plan, now) {
        return Some(record(s, plan, latched, now));
    }
    if plan.is_claimed() && !plan.is_over() {
        return Some(execute(s, plan, now));
    }
    if let Some(stray) = stray(&s.plans) {
        let why = format!("plan {} was opened beside it", plan.name);
        return Some(close(s, stray, CloseReason::Superseded, &why, false, now));
    }
    if plan.is_over() {
        return None;
    }
    plan.rejected()
        .map(|d| close(s, plan, CloseReason::Rejected, &format!("rejected {}", d.told()), true, now))
}

pub(super) fn towards_the_candidate(s: &Snapshot<'_>, now: Timestamp) -> Verdict {
    if s.stage.spec.suspend {
        return slowly(
            s,
            Verdict::rest(
                Phase::Waiting(Reason::Suspended),
                "spec.suspend holds this stage: nothing is planned, nothing starts",
            ),
        )
        .waiting_for("spec.suspend");
    }
    let candidate = match candidate(s, now) {
        Ok(c) => c,
        Err(Need::Wait(reason @ (Reason::AwaitingUpstream | Reason::Soaking), message, at)) => {
            return held_upstream(s, reason, message, at, now);
        }
        Err(Need::Wait(Reason::AwaitingAssembly, message, at)) => {
            let v = Verdict::rest(Phase::Waiting(Reason::AwaitingAssembly), &message).waiting_for(message);
            return slowly(s, at.map_or(v.clone(), |at| v.until(at)));
        }
        Err(need) => return fold(vec![need], Reason::Planning, "looking for a release"),
    };
    let v = towards(s, &candidate, now);
    match &candidate.soaking {
        // It takes the place of whatever waits here.
        Some((_, at)) => v.until(*at),
        None => v,
    }
}

/// Nothing is let go upstream, or not what is deployed here in part. A plan that waits here for a release that is let go no more would take
/// approvals and keep still: it makes way, and keeps what was decided for when it is opened again.
fn held_upstream(
    s: &Snapshot<'_>,
    reason: Reason,
    message: String,
    at: Option<Timestamp>,
    now: Timestamp,
) -> Verdict {
    if let Some(open) = s.newest().filter(|p| !p.is_over()) {
        return close(s, open, CloseReason::Superseded, &message, false, now);
    }
    let failed = s.newest().filter(|p| p.closed.as_ref().is_some_and(|c| c.reason == CloseReason::Failed));
    let v = match failed.and_then(|p| p.failed().next()) {
        // What is awaited mends nothing here.
        Some(x) => Verdict::rest(Phase::Stalled(reason_of(x)), format!("{}; {message}", failure_text(x))),
        None => Verdict::rest(Phase::Waiting(reason), &message),
    };
    slowly(s, at.map_or(v.clone(), |at| v.until(at))).waiting_for(message)
}

fn towards(s: &Snapshot<'_>, candidate: &Candidate, now: Timestamp) -> Verdict {
    let given = match given(s, now) {
        Ok(g) => given::digest(s, &g),
        Err(need) => return fold(vec![need], Reason::Planning, "reading parameter values"),
    };
    let release = &candidate.release;
    let Some(newest) = s.newest() else { return plan(s, release, now) };
    let same_values = newest.parameters == given;
    // What it would delete may be wanted to stay.
    let same_removals = s.stage.spec.removes() || !newest.removes();
    let same = newest.is_for(release, s.stage.spec.cdk_stage.as_deref()) && same_values && same_removals;
    match &newest.closed {
        Some(closed) => after_closing(s, newest, closed, release, same, now),
        None if newest.is_complete() => after_completion(s, newest, candidate, same, now),
        // Somebody else has written that it was carried out.
        None if newest.is_over() => plan(s, release, now),
        None if same => gate(s, newest, now),
        None => same_for_this_stage(s, newest, release, now).filter(|_| same_removals).unwrap_or_else(|| {
            let values = if same_values { "" } else { " with other parameter values" };
            let why = format!("release {}{values} takes its place", release.name);
            close(s, newest, CloseReason::Superseded, &why, false, now)
        }),
    }
}

/// Has the stacks of the newest plan watched now and then.
fn slowly(s: &Snapshot<'_>, v: Verdict) -> Verdict {
    let stacks = s.newest().into_iter().flat_map(|p| &p.proposal().stacks);
    let kept = stacks.filter(|p| p.plan != PlannedAs::Removed);
    v.watching(kept.map(|p| watched(p, Pace::Slow)))
}

fn after_completion(
    s: &Snapshot<'_>,
    newest: &PlanView,
    candidate: &Candidate,
    same: bool,
    now: Timestamp,
) -> Verdict {
    let release = &candidate.release;
    if !same || moved_since(s, newest).is_some() || remove::is_wanted(s, newest) {
        return plan(s, release, now);
    }
    if let Some(v) = outputs(s, newest, now) {
        return slowly(s, v);
    }
    if let Some(v) = unverified(s, newest, now) {
        return slowly(s, v);
    }
    if let Some((newer, at)) = &candidate.soaking {
        let message =
            format!("release {} soaks upstream until {at}; release {} is deployed", newer.name, release.name);
        return slowly(s, Verdict::rest(Phase::Waiting(Reason::Soaking), message))
            .waiting_for(format!("release {} to soak until {at}", newer.name))
            .until(*at);
    }
    let here = format!("release {} is deployed", release.name);
    let Some(older) = &candidate.passed_over else {
        return slowly(s, Verdict::rest(Phase::Done(Reason::Deployed), here));
    };
    let message = format!(
        "{here}; release {}, which comes from upstream, is older than that, as far as this Stage can tell: it takes a pin",
        older.name
    );
    slowly(s, Verdict::rest(Phase::Done(Reason::Deployed), message))
        .waiting_for(format!("a newer release, or a pin of release {}", older.name))
}

fn after_closing(
    s: &Snapshot<'_>,
    newest: &PlanView,
    closed: &Closed,
    release: &ReleaseRef,
    same: bool,
    now: Timestamp,
) -> Verdict {
    match closed.reason {
        CloseReason::Rejected if same && moved(s, newest).is_none() => slowly(
            s,
            Verdict::rest(
                Phase::Waiting(Reason::Rejected),
                format!(
                    "change {} was {}; it stays so: make a new release{}",
                    newest.id(),
                    closed.message,
                    or_unpin(s)
                ),
            )
            .waiting_for(if s.stage.spec.pin.is_some() { "another pin, or none" } else { "a new release" }),
        ),
        CloseReason::Failed
            if same && newest.retried(s.gate.identity.value).is_none() && moved_since(s, newest).is_none() =>
        {
            let reason = newest.failed().next().map_or(Reason::RolledBack, reason_of);
            let what = newest.failed().next().map_or_else(|| closed.message.clone(), failure_text);
            let rejected = newest.rejected().map(|d| {
                format!(
                    "; since it was rejected {}, what is tried again waits for new approvals, or stays rejected where it is the very same change",
                    d.told()
                )
            });
            let message = format!(
                "{what}{}; mend the cause, then make a new release, or try this one again: kubectl -n {} annotate plan {} {}={}",
                rejected.unwrap_or_default(),
                s.namespace,
                newest.name,
                newest.next_key(Action::Retry),
                s.enforcement.value(newest.id(), "")
            );
            slowly(s, Verdict::rest(Phase::Stalled(reason), message).waiting_for("retry, or a new release"))
        }
        CloseReason::Expired if same && newest.request == s.request() && !s.stage.spec.observes() => slowly(
            s,
            Verdict::rest(
                Phase::Waiting(Reason::Expired),
                format!(
                    "change {} {}; to plan it again: kubectl -n {} annotate --overwrite cdkstage {} {ANNOTATION_REQUESTED_AT}=\"$(date)\"",
                    newest.id(),
                    closed.message,
                    s.namespace,
                    s.stage.name_any()
                ),
            )
            .waiting_for("a request, or a new release"),
        ),
        CloseReason::Rejected
        | CloseReason::Failed
        | CloseReason::Superseded
        | CloseReason::Withdrawn
        | CloseReason::Expired => plan(s, release, now),
    }
}

/// What has changed since we last left the stacks, as far as anybody has seen.
pub(super) fn moved_since(s: &Snapshot<'_>, newest: &PlanView) -> Option<String> {
    let owned = newest.owned_now();
    newest.proposal().stacks.iter().find_map(|p| {
        let key = p.key();
        let left = owned.iter().find(|o| owned_key(o) == key)?;
        match s.row_since(&key, newest.settled_time) {
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
