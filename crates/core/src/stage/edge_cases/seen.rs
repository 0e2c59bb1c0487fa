//! What a look at a stack tells that is older than what the plan says of it: another leader has changed the stack since.

use std::collections::BTreeSet;

use super::*;
use crate::{
    effect::Seen,
    stack::{StackRow, StackStatus},
};

/// The stack as it was at minute 0, before what the plan did to it at minute 2.
fn before() -> StackRow {
    StackRow {
        id: ID.parse().unwrap(),
        status: StackStatus::UpdateComplete,
        updated: at(0),
        exports: BTreeSet::new(),
        parameters: BTreeSet::new(),
        masked: BTreeSet::new(),
        protected: false,
        drift: None,
        role: None,
        change_sets: None,
    }
}

/// A plan that was carried out: opened in minute 0, settled in minute 3.
fn carried_out() -> Case {
    Case::new(&[said("Approve", "alice"), claim(), succeeded()])
}

/// Whether the Stage is ready, and what comes next, where this was seen in that minute.
fn told(case: Case, seen: Seen<StackRow>) -> (bool, Phase) {
    let key = case.plans[0].spec.proposal.stacks[0].key();
    let case = case.with(|c| c.facts.learn_stack(&key, seen));
    let (s, verdict) = (case.seen(), case.decided(9));
    let status = status(&s, &verdict, at(9));
    (status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True"), verdict.phase)
}

#[test]
fn what_has_run_is_shown_with_the_approvals_that_its_gate_wanted_then() {
    let mut claim = claim();
    claim["claimed"]["approvals"] = json!(1);
    let ran = Case::new(&[said("Approve", "alice"), claim, succeeded()]);
    let case = ran.with(|c| c.gate = json!({ "approvals": 3 }));
    assert_eq!(plan_status(&case.seen(), at(9)).approvals.as_deref(), Some("1/1"));
}

#[test]
fn what_was_seen_before_a_plan_was_settled_is_no_change_by_somebody_else() {
    let deployed = (true, Phase::Done(Reason::Deployed));
    assert_eq!(told(carried_out(), Seen::Present(before(), at(1))), deployed);
    assert_eq!(told(carried_out(), Seen::Absent(at(1))), deployed);
    // In the second of the record, which holds whole seconds: that may be before and after.
    let then = at(3).saturating_add(SignedDuration::from_millis(500)).unwrap();
    assert_eq!(told(carried_out(), Seen::Absent(then)), deployed);
}

#[test]
fn what_is_seen_after_a_plan_was_settled_is_one() {
    for seen in [Seen::Present(before(), at(4)), Seen::Absent(at(4))] {
        let (ready, phase) = told(carried_out(), seen);
        assert!(!ready && !matches!(phase, Phase::Done(_)), "{phase:?}");
    }
}

#[test]
fn what_was_seen_before_a_plan_was_opened_does_not_close_it() {
    // It is to be made, and was there in the minute before: somebody has deleted it.
    let opened_later = || Case::new(&[closed("Superseded"), reopened(2)]);
    let waits = Phase::Waiting(Reason::AwaitingApproval);
    assert_eq!(told(opened_later(), Seen::Present(before(), at(1))).1, waits);
    let closes = Phase::Working(Reason::Withdrawing);
    assert_eq!(told(opened_later(), Seen::Present(before(), at(3))).1, closes);
}
