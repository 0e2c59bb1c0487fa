//! What was approved beforehand, whatever the change turns out to be, does not outlive a reject.

use super::*;

const REJECT: &str = "gate.stackgate.dev/reject";

/// The release in another slot.
fn anew(by: &str) -> Value {
    let mut anew = beforehand(by);
    anew["decided"]["slot"] = json!("anew");
    anew
}

fn unverified(mut entry: Value) -> Value {
    entry["decided"]["identity"] = json!("Unverified");
    entry
}

/// An older plan of the same release, which has been rejected at minute 2.
fn rejected(reject: Value) -> ChangePlan {
    plan(OTHER, A1, 0, &[beforehand("alice"), reject, closed("Rejected")])
}

#[rstest]
#[case::before_it(said("Reject", "bob"), &[beforehand("alice")], 0)]
#[case::by_nobody_knows_whom(unverified(said("Reject", "bob")), &[beforehand("alice")], 0)]
#[case::at_the_same_time(said("Reject", "bob"), &[said("Revoke", "carol"), anew("alice")], 0)]
#[case::after_it(said("Reject", "bob"), &[said("Revoke", "carol"), said("Revoke", "carol"), anew("alice")], 1)]
#[case::in_the_same_words(said("Reject", "bob"), &[said("Revoke", "carol"), said("Revoke", "carol"), beforehand("alice")], 0)]
fn an_approval_of_a_release_that_was_rejected_goes_over_if_it_was_given(
    #[case] reject: Value,
    #[case] ledger: &[Value],
    #[case] carried: usize,
) {
    let case = Case::new(ledger).with(|c| c.plans.push(rejected(reject)));
    assert_eq!(case.carried(A1).len(), carried);
}

#[test]
fn what_another_ledger_has_kept_of_a_rejected_release_goes_over_no_more() {
    let keeps = plan(C3, NEXT_A1, 2, &[anew("alice")]);
    let case = Case::new(&[]).with(|c| c.plans.extend([rejected(said("Reject", "bob")), keeps]));
    assert!(case.carried(A1).is_empty());
}

#[test]
fn the_reject_of_another_release_takes_nothing_back() {
    let other = plan(OTHER, NEXT_A1, 0, &[said("Revoke", "carol"), said("Reject", "bob")]);
    let case = Case::new(&[beforehand("alice")]).with(|c| c.plans.push(other));
    assert_eq!(case.carried(A1).len(), 1);
}

#[test]
fn what_stood_on_the_stage_before_the_reject_is_not_taken_for_new() {
    let case = Case::new(&[]).with(|c| c.plans.push(rejected(said("Reject", "bob"))));
    let same = case.on_stage(APPROVE, &format!("{A1};by=alice"));
    assert_eq!(same.recorded(9), [""; 0]);
    let anew = same.on_stage("gate.stackgate.dev/approve.anew", &format!("{A1};by=alice"));
    assert_eq!(anew.recorded(9), ["Approve alice Verified under a1-1"]);
}

// What is not recorded by then could not be told from what is written later.
#[test]
fn what_stands_unproven_when_a_reject_comes_is_recorded_with_it() {
    let case = Case::new(&[])
        .on_stage(APPROVE, &format!("{A1};by=alice"))
        .on_stage("gate.stackgate.dev/approve.b", &format!("{C1};by=bob"))
        .on_plan(REJECT, &format!("{C1};by=carol"));
    let told = ["Reject carol Verified", "Approve alice Unverified under a1-1"];
    assert_eq!(recorded(case.latched(at(9))), told);
    let unknown = case.with(|c| c.enforcement = Enforcement::default());
    let told = ["Reject carol Unverified", "Approve alice Unverified under a1-1"];
    assert_eq!(recorded(unknown.latched(at(9))), told);
}

#[test]
fn a_plan_that_comes_back_does_not_rest_on_what_the_release_had_before_it_was_rejected() {
    // It was approved at minute 1, made way, and is wanted again.
    let back = |kind: fn(&str) -> Value| [kind("alice"), closed("Superseded"), reopened(5)];
    let decided = |ledger: &[Value]| {
        let case = Case::new(ledger).with(|c| c.plans.push(rejected(said("Reject", "bob"))));
        case.decided(9).phase
    };
    let shown = |ledger: &[Value]| {
        let case = Case::new(ledger).with(|c| c.plans.push(rejected(said("Reject", "bob"))));
        plan_status(&case.seen(), at(9)).approvals
    };
    assert_eq!(decided(&back(beforehand)), Phase::Waiting(Reason::AwaitingApproval));
    assert_eq!(shown(&back(beforehand)).as_deref(), Some("0/1"));
    assert_eq!(shown(&back(|by| said("Approve", by))).as_deref(), Some("1/1"));
    assert_eq!(
        decided(&back(|by| said("Approve", by))),
        Phase::Working(Reason::Executing),
        "this very change"
    );
}

#[test]
fn what_runs_already_rests_on_what_it_was_claimed_with() {
    let ledger = [beforehand("alice"), claimed()];
    let case = Case::new(&ledger).with(|c| c.plans.push(rejected(said("Reject", "bob"))));
    assert_eq!(case.seen().newest().unwrap().decisions.len(), 1);
}
