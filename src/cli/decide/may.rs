//! Whether a decision would change anything in the state that the plan is in.

use std::collections::BTreeMap;

use stackgate_core::{
    api::{Action, Decided, DecisionSource, Identity, ProposalKind},
    gate::{PlanView, is_given_elsewhere},
};

use crate::cli::{
    desk::Desk,
    fail::Fail,
    look::Sight,
    view::{State, is_orphaned},
};

/// Refuses what would change nothing, and says what would.
pub(super) fn may(desk: &Desk, action: Action, sight: &Sight, by: &str) -> Result<(), Fail> {
    let report = &sight.report;
    let ours = |args: &[&str]| desk.invoked.ours(report.namespace.as_str(), args);
    let no = |what: &str, todo: &str| {
        Err(Fail::new(format!("nothing was signed: plan {} {what}{todo}", report.name)))
    };
    let might_go_on = report.state.is_open() || matches!(report.state, State::Failed | State::Expired);
    if might_go_on && is_orphaned(&sight.view, sight.stage.as_deref()) {
        return no("can never run", ": its Stage is gone, or was made anew under that name");
    }
    let opens = matches!(action, Action::Approve | Action::Override | Action::Retry);
    if let Some(full) = sight.view.refuses(&[], action, by).filter(|_| opens) {
        return no("would not record it", &format!(": {full}"));
    }
    let rule = report.approvals.as_ref().and_then(|a| a.rule.as_ref());
    match (action, report.state) {
        (Action::Approve | Action::Override, State::Observing) => no(report.message.as_str(), ""),
        (Action::Approve | Action::Override, state) if state.is_open() => match (rule, action) {
            (Some(rule), Action::Approve) => no(&format!("needs no approval ({rule})"), ""),
            (_, _) => Ok(()),
        },
        (Action::Revoke, state) if takes_back(sight, state, by) => Ok(()),
        (Action::Revoke, state) => match approved_before(sight, by) {
            Some(other) => no(
                "carries no approval of yours that counts",
                &format!(", and {other} does: {}", ours(&["revoke", other])),
            ),
            None if !may_run_yet(state) && has_decided(&sight.view, sight, by) => {
                no(&format!("is {}", state.as_str()), ": nothing runs any more by what you approved")
            }
            None => no("carries no approval of yours", ", so there is nothing to take back"),
        },
        // A change of toolkit stacks goes out stack by stack.
        (Action::Override, State::Executing | State::Failing) if sight.view.is_going_out() => Ok(()),
        (Action::Reject, state) if state.is_open() => Ok(()),
        // What has not started stays so.
        (Action::Reject, State::Executing | State::Failing) => Ok(()),
        // The release, or this very change, may come back.
        (
            Action::Reject,
            State::Failed
            | State::Superseded
            | State::Withdrawn
            | State::Expired
            | State::Succeeded
            | State::Unproven,
        ) => Ok(()),
        (Action::Retry, State::Failed) => match &sight.newer {
            None => Ok(()),
            Some(newer) => {
                no("is not the newest", &format!(": read the newer one: {}", ours(&["plan", newer])))
            }
        },
        (Action::Retry, state) => {
            no(&format!("is {}, and only what has failed is tried again", state.as_str()), "")
        }
        (_, State::Superseded | State::Withdrawn) => match &sight.newer {
            Some(newer) => no("is superseded", &format!(": read the newer one: {}", ours(&["plan", newer]))),
            None => no(&format!("is {}: {}", report.state.as_str(), report.message), "; it is planned anew"),
        },
        (_, State::Executing | State::Failing) => no(&format!("runs already ({})", report.message), ""),
        (_, State::Succeeded) => no("was carried out already", ""),
        (_, State::Unproven) => {
            let todo = report.next.first().map(|n| format!("; {}: {}", n.what, n.command));
            no("cannot run", &format!(": {}{}", report.message, todo.unwrap_or_default()))
        }
        (_, State::Rejected) if sight.view.proposal().kind == ProposalKind::Bootstrap => {
            no(&format!("is {}", report.message), ": a reject is final, so give the Bootstrap another spec")
        }
        (_, State::Rejected) => {
            let is_pinned = sight.stage.as_ref().is_some_and(|stage| stage.spec.pin.is_some());
            let stage = sight.view.proposal().name.as_str();
            let unpin = ours(&["rollback", stage, "--unpin"]);
            let and = if is_pinned { format!(", and take the pin away: {unpin}") } else { String::new() };
            no(&format!("is {}", report.message), &format!(": a reject is final, so make a new release{and}"))
        }
        (_, State::Failed) => match &sight.newer {
            Some(newer) => {
                no("was tried and failed", &format!(": read the newer one: {}", ours(&["plan", newer])))
            }
            None => no("was tried and failed", &format!(": {}", ours(&["retry", report.name.as_str()]))),
        },
        (_, State::Expired) => {
            let next = report.next.first().map(|n| format!("; plan it again: {}", n.command));
            no("has expired", &next.unwrap_or_default())
        }
        (
            _,
            State::AwaitingApproval
            | State::Approved
            | State::Frozen
            | State::Suspended
            | State::Observing
            | State::PoliciesNotInForce
            | State::Pending,
        ) => no(&format!("cannot be decided on by {}", action.as_str()), ""),
    }
}

/// Whether a revoke would take something back: of this plan, or beforehand, whichever plan keeps it.
fn takes_back(sight: &Sight, state: State, by: &str) -> bool {
    is_given_elsewhere(&sight.view, &sight.plans, on_stage(sight), by)
        || (may_run_yet(state) && has_decided(&sight.view, sight, by))
}

/// Another plan of the Stage that this person has approved, and that would run with that if its very change came back.
fn approved_before<'a>(sight: &'a Sight, by: &str) -> Option<&'a str> {
    let is_unspent = |p: &PlanView| !p.is_complete() && !p.is_claimed() && p.rejected().is_none();
    let mut others = sight.plans.iter().filter(|p| p.name != sight.view.name);
    others.find(|p| is_unspent(p) && has_decided(p, sight, by)).map(|p| p.name.as_str())
}

/// Whether what was approved of the plan may run yet: where it waits; where the very change comes back; where it is tried again.
fn may_run_yet(state: State) -> bool {
    match state {
        State::AwaitingApproval
        | State::Observing
        | State::Approved
        | State::Frozen
        | State::Suspended
        | State::PoliciesNotInForce
        | State::Pending
        | State::Executing
        | State::Failing
        | State::Failed
        | State::Superseded
        | State::Withdrawn
        | State::Expired
        | State::Unproven => true,
        State::Succeeded | State::Rejected => false,
    }
}

/// The annotations of the Stage.
fn on_stage(sight: &Sight) -> Option<&BTreeMap<String, String>> {
    sight.stage.as_ref().and_then(|stage| stage.metadata.annotations.as_ref())
}

/// Whether this person lets it run, recorded or not yet.
fn has_decided(view: &PlanView, sight: &Sight, by: &str) -> bool {
    let opens = |action: Action| matches!(action, Action::Approve | Action::Override);
    let stands = |d: &Decided| opens(d.action) && d.by == by && !view.has_taken_back(d);
    let sources = [
        (DecisionSource::ChangePlan, view.plan.metadata.annotations.as_ref()),
        (DecisionSource::Stage, on_stage(sight)),
    ];
    view.decisions.iter().any(|r| stands(&r.decided))
        || sources.into_iter().any(|(source, annotations)| {
            let marks = view.marks(annotations).decisions;
            marks.iter().any(|(_, _, d)| stands(&d.recorded(source, Identity::Unverified, view.id())))
        })
}
