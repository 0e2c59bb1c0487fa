//! Waits until the controller has recorded what was signed: from then on it counts, whatever becomes of the annotation.

use std::time::Duration;

use jiff::SignedDuration;
use stackgate_core::{
    api::{Action, Decided, DecisionSource, Identity, IdentityNeeded},
    gate::PlanView,
};
use tokio::time::{Instant, sleep};

use super::{Order, sign::Signed};
use crate::cli::{
    desk::Desk,
    fail::Fail,
    look::Sight,
    view::{GOOD, State, WARN},
};

/// How long it is waited where nobody says otherwise.
const PATIENCE: SignedDuration = SignedDuration::from_secs(10);
/// What a reject does besides what it stops.
const AFTERWARDS: &str = "Should its release or this change come back, also by a retry or a rule, it waits for approvals that are given \
                          after this.\n";
/// How often it is looked.
const EVERY: Duration = Duration::from_millis(300);

/// Waits, and says what came of it.
pub(super) async fn wait(
    desk: &Desk,
    shown: &Sight,
    order: &Order<'_>,
    signed: &Signed,
    patience: Option<SignedDuration>,
) -> Result<(), Fail> {
    let wait = patience.unwrap_or(PATIENCE);
    if wait.is_zero() {
        return Ok(());
    }
    let until = Instant::now() + Duration::try_from(wait).unwrap_or_default();
    // What was said of that key before may be about another annotation, until the controller has looked again.
    let said_before = ignored(shown, signed);
    loop {
        let is_over = Instant::now() >= until;
        // It is signed: that a look fails changes nothing of that.
        if let Ok(now) = desk.look_again(shown).await {
            if let Some(decided) = entry(&now.view, order, signed) {
                return told(desk, &now, order, decided);
            }
            if let Some(why) = ignored(&now, signed)
                && (is_over || said_before.as_ref() != Some(&why))
            {
                return Err(Fail::new(format!("signed, but the controller does not record it: {why}")));
            }
        }
        if is_over {
            return not_yet(desk, shown, patience.is_some());
        }
        sleep(EVERY).await;
    }
}

fn entry<'a>(view: &'a PlanView, order: &Order<'_>, signed: &Signed) -> Option<&'a Decided> {
    let new = view.plan.spec.ledger.iter().skip(signed.seen).filter_map(|e| e.decided.as_ref());
    new.into_iter().find(|d| {
        d.action == order.wish.action
            && d.source == signed.source
            && d.slot == signed.slot
            && d.by == order.by
    })
}

/// Why the controller says that it does not heed what was signed.
fn ignored(now: &Sight, signed: &Signed) -> Option<String> {
    let on_plan = || now.view.plan.status.as_ref().map(|s| &s.ignored);
    let on_stage = || now.stage.as_ref()?.status.as_ref().map(|s| &s.ignored);
    let list = match signed.source {
        DecisionSource::ChangePlan => on_plan(),
        DecisionSource::Stage => on_stage(),
        DecisionSource::Rule => None,
    };
    let of_this = format!("{}: ", signed.key);
    list?.iter().find(|line| line.starts_with(&of_this)).cloned()
}

fn told(desk: &Desk, now: &Sight, order: &Order<'_>, decided: &Decided) -> Result<(), Fail> {
    let proven = match decided.identity {
        Identity::Verified => format!("{GOOD}recorded, verified{GOOD:#}"),
        Identity::Git => format!("{GOOD}recorded, as a decision in git{GOOD:#}"),
        Identity::Unverified => format!("{WARN}recorded, unverified{WARN:#}"),
        Identity::System => "recorded".to_owned(),
    };
    let follows = match order.wish.action {
        // This plan stays as it is.
        Action::Retry => {
            let stage = now.view.proposal().name.as_str();
            let status = desk.invoked.ours(now.report.namespace.as_str(), &["status", stage]);
            let approvals = if now.view.rejected().is_some() {
                "since it was rejected, another change waits for new approvals, and the very same stays rejected"
            } else {
                "approvals go over to the new plan where nothing else has changed since"
            };
            format!("it is planned again; {approvals}: {status}")
        }
        Action::Approve | Action::Reject | Action::Revoke | Action::Override => {
            format!("{}: {}", now.report.state.as_str(), now.report.message)
        }
    };
    desk.say(&format!("{proven}: {follows}\n"))?;
    if order.wish.action == Action::Reject
        && let Some(stays) = stays(now.report.state)
    {
        desk.say(&format!("{stays} {AFTERWARDS}"))?;
    }
    if order.wish.action == Action::Revoke
        && matches!(now.report.state, State::Executing | State::Failing)
        && !now.view.is_going_out()
    {
        desk.say("What runs goes on with what it was approved with; should it fail and be tried again, your approval does not count.\n")?;
    }
    let missing = now.report.approvals.as_ref().filter(|_| order.wish.action == Action::Approve);
    for class in missing.map(|a| a.acks_missing.as_slice()).unwrap_or_default() {
        desk.say(&format!(
            "{WARN}still needs an acknowledgement of {class}, by somebody with ack-{class}{WARN:#}\n"
        ))?;
    }
    let wants_proof = now.gate.as_ref().is_some_and(|(g, _)| g.identity.value == IdentityNeeded::Verified);
    let counts = match (order.wish.action, decided.identity) {
        // Stops count whoever signed them.
        (Action::Reject | Action::Revoke, _) | (_, Identity::Verified | Identity::Git | Identity::System) => {
            true
        }
        (Action::Approve | Action::Retry | Action::Override, Identity::Unverified) => !wants_proof,
    };
    if counts {
        return Ok(());
    }
    Err(Fail::new(format!(
        "it does not count: the gate wants proof of who decides, and nothing proves it; see ApprovalsEnforced of the Stage or \
         Bootstrap, and sign {} again when the policies are in force",
        order.wish.action.as_str()
    )))
}

/// What a reject leaves as it is; `None`: it stops all of it.
fn stays(state: State) -> Option<&'static str> {
    match state {
        State::Executing | State::Failing => {
            Some("What CloudFormation has begun goes on to its end, and no other stack is begun.")
        }
        State::Succeeded
        | State::Superseded
        | State::Withdrawn
        | State::Failed
        | State::Expired
        | State::Unproven => Some("What has ended stays as it is."),
        State::Rejected
        | State::AwaitingApproval
        | State::Observing
        | State::Approved
        | State::Frozen
        | State::Suspended
        | State::PoliciesNotInForce
        | State::Pending => None,
    }
}

fn not_yet(desk: &Desk, shown: &Sight, was_asked_for: bool) -> Result<(), Fail> {
    let look = desk.invoked.ours(shown.report.namespace.as_str(), &["plan", shown.view.name.as_str()]);
    let line = format!("signed, but not recorded yet (does the controller run?); look later: {look}");
    if was_asked_for {
        return Err(Fail::new(line));
    }
    desk.say(&format!("{WARN}{line}{WARN:#}\n"))
}
