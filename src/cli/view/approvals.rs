//! Who has decided, until when that counts, and what is missing.

use jiff::{SignedDuration, Timestamp};
use stackgate_core::{
    api::{Action, Identity, user_name},
    gate::{InForce, PlanView, Recorded, Tally},
    words::DecisionId,
};

use super::{
    State,
    report::{Approvals, DecisionShown},
};

/// How long an approval of a release counts that was given before its plan existed, at most (`gate/tally.rs` of the core).
const BEFOREHAND_TTL: SignedDuration = SignedDuration::from_hours(24);

/// The count, as it is shown.
pub(super) fn approvals(view: &PlanView, tally: &Tally, state: State) -> Approvals {
    // What was claimed had all that its gate wanted then, whatever it wants by now.
    let then = view.claimed;
    Approvals {
        passes: then || tally.passes(),
        rule: tally.by_rule.or_else(|| rule_of_then(view).filter(|_| !state.is_open())).map(Into::into),
        had: tally.had(),
        needed: view.claimed_with.unwrap_or(tally.needed),
        by: tally.counted.iter().map(|by| user_name(by).into()).collect(),
        acks_missing: if then { Vec::new() } else { tally.acks_missing.clone() },
        missing: if then { String::new() } else { tally.missing() }.into(),
        not_counted: tally.not_counted.iter().map(Into::into).collect(),
        overridden: tally.overridden,
    }
}

/// The rule that let through what has run, whatever the gate asks for since.
fn rule_of_then(view: &PlanView) -> Option<&str> {
    let by_rule =
        |r: &&Recorded| r.decided.identity == Identity::System && r.decided.action == Action::Approve;
    view.decisions.iter().find(by_rule)?.decided.reason.as_deref()
}

/// The decisions that no execution has used up. Where nothing comes after they last no time; those of a failed plan may go over
/// to what is tried again.
pub(super) fn decisions(view: &PlanView, gate: Option<&InForce>) -> Vec<DecisionShown> {
    let gate = gate.filter(|_| !view.is_complete() && view.rejected().is_none());
    view.decisions.iter().map(|r| decision(r, gate)).collect()
}

fn decision(r: &Recorded, gate: Option<&InForce>) -> DecisionShown {
    let d = &r.decided;
    DecisionShown {
        action: d.action,
        by: d.who().into(),
        identity: d.identity,
        time: r.since,
        until_time: ends(r, gate),
        acks: d.acks.clone(),
        reason: d.reason.as_ref().map(Into::into),
    }
}

fn ends(r: &Recorded, gate: Option<&InForce>) -> Option<Timestamp> {
    let d = &r.decided;
    let lasts = match (d.action, &d.under) {
        (Action::Reject | Action::Revoke | Action::Retry, _) => return None,
        (Action::Approve, Some(DecisionId::Release(_))) => {
            gate.map(|g| g.approval_ttl.value.min(BEFOREHAND_TTL))
        }
        (Action::Approve | Action::Override, _) => gate.map(|g| g.approval_ttl.value),
    };
    let end = lasts.map(|l| r.since.saturating_add(l).unwrap_or(Timestamp::MAX));
    match (end, d.until.as_ref().map(|t| t.0)) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// What proves who it was.
pub(super) fn how(identity: Identity) -> &'static str {
    match identity {
        Identity::Verified => "verified",
        Identity::Git => "in git",
        Identity::Unverified => "unverified",
        Identity::System => "by rule",
    }
}
