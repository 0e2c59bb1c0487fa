//! What was approved beforehand, whatever the change turns out to be, does not outlive a reject.

use super::*;
use crate::{change::c1_once_more, words::StageChangeId};

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
fn an_older_word_that_another_ledger_has_kept_does_not_come_back_after_the_reject_of_the_last_one() {
    // The clock was set back between the two, and the reject came before the time that the first one has.
    let mut wide = anew("alice");
    wide["decided"]["slot"] = json!("wide");
    let filler = || said("Revoke", "carol");
    let ledger = [filler(), filler(), filler(), filler(), filler(), wide, {
        let mut narrow = beforehand("alice");
        narrow["decided"]["since"] = json!(at(1).to_string());
        narrow
    }];
    let keeps = plan(OTHER, NEXT_A1, 0, &ledger);
    let carried = Case::new(&[]).with(|c| c.plans = vec![keeps.clone()]).carried(A1);
    assert_eq!(carried.iter().map(|d| d.slot.as_str()).collect::<Vec<_>>(), ["alice"]);
    let goes_over: Vec<Value> = carried.iter().map(|d| json!({ "decided": d })).collect();
    let rejected = plan(C1, A1, 1, &[goes_over, vec![said("Reject", "bob"), closed("Rejected")]].concat());
    let case = Case::new(&[]).with(|c| c.plans = vec![rejected, keeps]);
    assert!(case.carried(A1).is_empty(), "{:?}", case.carried(A1));
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
    let ignored = |case: &Case| status(&case.seen(), &case.decided(9), at(9)).ignored;
    let told = format!(
        "{APPROVE}: taken back by the reject on plan prod-{}; approve again, in another slot",
        &OTHER[3..]
    );
    assert_eq!(ignored(&same), std::slice::from_ref(&told));
    let anew = same.on_stage("gate.stackgate.dev/approve.anew", &format!("{A1};by=alice"));
    assert_eq!(anew.recorded(9), ["Approve alice Verified under a1-1"]);
    assert_eq!(ignored(&anew), [told]);
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

#[test]
fn each_reject_writes_down_what_stands_by_then() {
    let case = Case::new(&[said("Reject", "bob"), closed("Rejected")])
        .on_stage("gate.stackgate.dev/approve.late", &format!("{A1};by=alice"))
        .on_plan("gate.stackgate.dev/reject.again", &format!("{C1};by=carol"));
    let told = ["Approve alice Unverified under a1-1", "Reject carol Verified"];
    assert_eq!(recorded(case.latched(at(9))), told);
}

/// A plan of the first release that has made way for one of another, with this annotation on it.
fn made_way(ledger: &[Value], key: &str, value: &str) -> Case {
    let mut old = plan(OTHER, A1, 0, ledger);
    old.metadata.annotations = Some([(key.to_owned(), format!("{OTHER};by={value}"))].into());
    Case::new(&[]).with(|c| {
        c.plans = vec![plan(C1, NEXT_A1, 1, &[]), old];
    })
}

#[rstest]
#[case::a_reject("gate.stackgate.dev/reject", &[closed("Superseded")], &["Reject bob Verified"])]
#[case::one_that_is_recorded("gate.stackgate.dev/reject", &[json!({ "decided": { "action": "Reject", "by": "bob",
    "identity": "Verified", "source": "ChangePlan", "slot": "" } }), closed("Rejected")], &[])]
#[case::of_what_has_failed("gate.stackgate.dev/reject", &[closed("Failed")], &["Reject bob Verified"])]
#[case::of_what_has_run("gate.stackgate.dev/reject", &[claim(), succeeded()], &["Reject bob Verified"])]
#[case::a_revoke("gate.stackgate.dev/revoke", &[closed("Superseded")], &["Revoke bob Verified"])]
#[case::an_approval("gate.stackgate.dev/approve", &[closed("Superseded")], &[])]
fn what_stops_is_recorded_on_a_plan_that_has_made_way(
    #[case] key: &str,
    #[case] ledger: &[Value],
    #[case] told: &[&str],
) {
    let case = made_way(ledger, key, "bob");
    let s = case.seen();
    let found = late_stops(&s.owner(), at(9)).map(|(plan, ledger)| (plan.order, ledger.entries()));
    let decided: Vec<_> = found.iter().flat_map(|(_, e)| e).filter_map(|e| e.decided.as_ref()).collect();
    assert_eq!(decided.iter().map(|d| super::case::told(d)).collect::<Vec<_>>(), told);
    assert!(found.is_none_or(|(order, _)| order == 0));
}

#[test]
fn a_reject_of_what_has_failed_stops_what_is_tried_again_with_its_approvals() {
    let mut carried = said("Approve", "alice");
    carried["decided"]["under"] = json!(OTHER);
    let decided = |failed: &[Value]| {
        let case = Case::new(&[carried.clone()]).with(|c| c.plans.push(plan(OTHER, A1, 0, failed)));
        case.decided(9).phase
    };
    assert_eq!(decided(&[said("Approve", "alice"), closed("Failed")]), Phase::Working(Reason::Executing));
    let rejected = [said("Approve", "alice"), closed("Failed"), said("Reject", "bob")];
    assert_eq!(decided(&rejected), Phase::Waiting(Reason::AwaitingApproval));
}

#[rstest]
#[case::the_same_release(A1)]
#[case::with_other_values(NEXT_A1)]
fn no_rule_lets_a_release_run_that_somebody_has_rejected(#[case] a1: &str) {
    let decided = |others: &[ChangePlan], ledger: &[Value], rule: &str| {
        let case = Case::new(ledger).with(|c| {
            c.gate = json!({ "requireApproval": rule });
            c.plans.extend_from_slice(others);
        });
        case.decided(9).phase
    };
    let rejected = plan(OTHER, a1, 0, &[said("Reject", "bob"), closed("Rejected")]);
    for rule in ["OnRisk", "Never"] {
        assert_eq!(decided(&[], &[], rule), Phase::Working(Reason::Executing));
        assert_eq!(
            decided(std::slice::from_ref(&rejected), &[], rule),
            Phase::Waiting(Reason::AwaitingApproval)
        );
        let signed = [said("Approve", "alice")];
        assert_eq!(
            decided(std::slice::from_ref(&rejected), &signed, rule),
            Phase::Working(Reason::Executing)
        );
        // Somebody has signed for it since.
        let has_run =
            plan(C3, a1, 0, &[said("Approve", "a"), said("Approve", "b"), claimed(), closed("Failed")]);
        assert_eq!(decided(&[rejected.clone(), has_run], &[], rule), Phase::Working(Reason::Executing));
    }
}

#[test]
fn who_revokes_on_the_plan_that_keeps_an_approval_of_a_release_to_come_takes_it_back() {
    let keeps = |ledger: &[Value]| plan(C1, NEXT_A1, 1, ledger);
    let carried = |ledger: &[Value]| {
        let case = Case::new(&[]).with(|c| c.plans = vec![keeps(ledger)]);
        case.carried(A1).len()
    };
    assert_eq!(carried(&[beforehand("alice")]), 1);
    assert_eq!(carried(&[beforehand("alice"), said("Revoke", "bob")]), 1);
    assert_eq!(carried(&[beforehand("alice"), said("Revoke", "alice")]), 0);
}

#[test]
fn what_nobody_knows_the_controller_to_have_proposed_does_not_run() {
    let decided = |change: fn(&mut ChangePlan)| {
        let case = Case::new(&[said("Approve", "alice")]).with(|c| change(&mut c.plans[0]));
        case.decided(9)
    };
    assert_eq!(decided(|_| {}).phase, Phase::Working(Reason::Executing));
    let other = decided(|p| p.spec.proposal.stacks[0].count.add = 0);
    assert_eq!(other.phase, Phase::Stalled(Reason::PlanFailed));
    assert!(other.message.contains("An administrator deletes it"), "{}", other.message);
    let ran = [said("Approve", "alice"), claim(), closed("Failed")];
    let case = Case::new(&ran).with(|c| c.plans[0].spec.proposal.stacks[0].count.add = 0);
    let s = case.seen();
    assert!(gate::not_as_written(&s, s.newest().unwrap()).message.ends_with("make a new release"));
}

#[test]
fn no_rule_lets_a_release_run_whose_change_was_rejected_in_the_plan_before() {
    let decided = |next: &[ChangePlan]| {
        let case = Case::new(&[]).with(|c| {
            c.gate = json!({ "requireApproval": "Never" });
            c.plans.push(with_release(plan(OTHER, NEXT_A1, 0, &[said("Reject", "bob"), closed("Rejected")])));
            c.plans.extend_from_slice(next);
        });
        case.decided(9).phase
    };
    assert_eq!(decided(&[]), Phase::Working(Reason::Executing), "another release was rejected");
    let next = c1_once_more(&OTHER.parse().unwrap()).to_string();
    let goes_on = plan(&next, NEXT_A1, 0, &[closed("Rejected")]);
    assert_eq!(decided(&[goes_on]), Phase::Waiting(Reason::AwaitingApproval), "as that of this one");
}

/// A plan that was opened for another release.
fn with_release(mut plan: ChangePlan) -> ChangePlan {
    let opened = plan.spec.ledger[0].opened.as_mut().unwrap();
    opened.release.as_mut().unwrap().digest = Digest::of("another release");
    seal(&mut plan);
    plan
}

/// The ledger of a plan had no room, and its change goes on in another one, which two people have approved by now.
#[rstest]
#[case::there(said("Approve", "x"), Phase::Working(Reason::Executing))]
#[case::rejected_by_whoever_still_reads_the_first_one(
    said("Reject", "carol"),
    Phase::Working(Reason::Withdrawing)
)]
fn a_change_that_goes_on_in_another_plan_is_one_change(#[case] on_the_first: Value, #[case] phase: Phase) {
    let first: StageChangeId = C1.parse().unwrap();
    let next = c1_once_more(&c1_once_more(&first));
    let between = plan(&c1_once_more(&first).to_string(), A1, 1, &[closed("Superseded")]);
    let case = Case::new(&[]).with(|c| {
        let last = plan(&next.to_string(), A1, 2, &[said("Approve", "alice"), said("Approve", "bob")]);
        c.plans = vec![last, between, plan(C1, A1, 0, &[on_the_first, closed("Superseded")])];
    });
    assert_eq!(case.decided(9).phase, phase, "{}", case.decided(9).message);
}
