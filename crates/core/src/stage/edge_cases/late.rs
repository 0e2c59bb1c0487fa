//! What is approved while a plan is over: it is recorded then, and is no younger when the plan is opened again.

use super::*;
use crate::latch::{Latched, late_approvals};

/// The plan that made way, under a newest one, and what stands on it.
fn made_way(ledger: &[Value], action: &str, live: bool) -> Case {
    let mut old = plan(OTHER, A1, 0, ledger);
    let key = format!("gate.stackgate.dev/{action}");
    old.metadata.annotations = Some([(key, format!("{OTHER};by=bob"))].into());
    Case::new(&[]).with(|c| {
        c.plans = vec![plan(C1, NEXT_A1, 1, &[]), old];
        if !live {
            c.enforcement = Enforcement::default();
        }
    })
}

#[rstest]
#[case::an_approval("approve", &[closed("Superseded")], true)]
#[case::an_override("override", &[closed("Expired")], true)]
#[case::of_what_has_run("approve", &[claim(), succeeded()], true)]
#[case::of_what_is_rejected("approve", &[said("Reject", "carol"), closed("Rejected")], false)]
#[case::that_is_recorded("approve", &[said_in_no_slot("Approve", "bob"), closed("Superseded")], false)]
#[case::a_retry("retry", &[closed("Failed")], false)]
fn on_a_plan_that_has_made_way(#[case] action: &str, #[case] ledger: &[Value], #[case] is_recorded: bool) {
    let case = made_way(ledger, action, true);
    let s = case.seen();
    let found = late_approvals(&s.owner(), at(9));
    // Nothing proves yet who that was: the API server is asked first.
    assert_eq!(found.as_ref().map(|(plan, _)| plan.order), is_recorded.then_some(0));
    if let Some((_, Latched::Certain(_))) = found {
        panic!("nobody has looked")
    }
    // While nobody knows whether the policies are in force, nothing waits for it.
    let case = made_way(ledger, action, false);
    assert!(late_approvals(&case.seen().owner(), at(9)).is_none());
}

/// Whether the plan may run at that minute, where nothing is approved but by this ledger and it was opened last in minute 100.
fn runs(ledger: &[Value], gate: Value, minute: i64) -> bool {
    let mut plan = plan(C1, A1, 1, &[ledger, &[reopened(2)]].concat());
    plan.spec.ledger.last_mut().unwrap().time.0 = at(100);
    seal(&mut plan);
    let case = Case::new(&[]).with(|c| {
        c.gate = gate;
        c.plans = vec![plan];
    });
    case.decided(minute).phase == Phase::Working(Reason::Executing)
}

#[test]
fn it_is_as_old_as_it_is_when_the_plan_is_opened_again() {
    // It was seen in minute 2.
    let late = [closed("Superseded"), said("Approve", "alice")];
    let hours = |h: u32| json!({ "approvalTTL": format!("{h}h") });
    assert!(runs(&late, hours(2), 121));
    assert!(!runs(&late, hours(2), 122), "it grew old");
    assert!(!runs(&late, hours(1), 101), "it was old before");
}

#[test]
fn it_counts_for_the_next_execution_where_the_last_one_has_failed_and_for_none_where_it_came_through() {
    let always = || json!({});
    let failed = [said("Approve", "alice"), claimed(), closed("Failed")];
    let after = |end: &[Value], more: &[Value]| runs(&[end, more].concat(), always(), 101);
    assert!(!after(&failed, &[]), "one approval counts for one execution");
    assert!(after(&failed, &[said("Approve", "bob")]));
    assert!(!after(&failed, &[said("Approve", "bob"), said("Revoke", "bob")]));
    let done = [said("Approve", "alice"), claim(), succeeded()];
    assert!(!after(&done, &[said("Approve", "bob")]), "nobody asked for that");
    assert!(!after(&[closed("Superseded")], &[said("Approve", "bob"), said("Revoke", "bob")]));
}

#[test]
fn who_approves_what_is_closed_is_told_so_until_it_is_open_again() {
    let told = |ledger: &[Value]| {
        let case = Case::new(ledger).on_plan(APPROVE, &format!("{C1};by=alice"));
        plan_status(&case.seen(), at(9)).ignored
    };
    let late = [closed("Superseded"), said("Approve", "alice")];
    assert!(told(&late).iter().any(|line| line.contains("it was closed before")), "{:?}", told(&late));
    let again = [late.as_slice(), &[reopened(2)]].concat();
    assert!(told(&again).is_empty(), "{:?}", told(&again));
    let before = [said("Approve", "alice"), closed("Superseded")];
    assert!(told(&before).is_empty(), "{:?}", told(&before));
}
