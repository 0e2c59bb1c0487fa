//! What is approved while a plan is closed, and comes back with it. Nobody knows how old that is.

use super::*;

/// A plan that is over, with one annotation on it, and one on its Stage.
fn standing(ledger: &[Value], on_plan: &str, on_stage: &str) -> usize {
    let key = |action: &str| format!("gate.stackgate.dev/{action}");
    let case = Case::new(ledger).on_plan(&key(on_plan), &format!("{C1};by=bob"));
    let case = case.on_stage(&key("approve"), &format!("{on_stage};by=bob"));
    let s = case.seen();
    s.newest().unwrap().standing_while_closed(s.stage.metadata.annotations.as_ref()).len()
}

#[rstest]
#[case::on_both("approve", C1, &[closed("Superseded")], 2)]
#[case::an_override("override", OTHER, &[closed("Expired")], 1)]
#[case::what_stops_or_retries("retry", OTHER, &[closed("Failed")], 0)]
#[case::what_is_recorded("approve", OTHER, &[said_in_no_slot("Approve", "bob"), closed("Superseded")], 0)]
#[case::that_runs("approve", C1, &[claim()], 0)]
#[case::that_has_run("approve", C1, &[claim(), succeeded()], 2)]
#[case::that_is_open("approve", C1, &[], 0)]
// Of a release it is recorded when it comes, whatever has become of its plan.
#[case::of_the_release("revoke", A1, &[closed("Superseded")], 0)]
fn when_a_plan_is_opened_again(
    #[case] on_plan: &str,
    #[case] on_stage: &str,
    #[case] ledger: &[Value],
    #[case] found: usize,
) {
    assert_eq!(standing(ledger, on_plan, on_stage), found);
}

/// A plan that was closed and is open again, where this came meanwhile.
fn back(value: &str) -> Case {
    let digest = annotation_digest("plan-1", APPROVE, value).to_string();
    let mut again = reopened(2);
    again["opened"]["stood"] = json!([digest]);
    Case::new(&[closed("Superseded"), again]).on_plan(APPROVE, value)
}

#[test]
fn it_does_not_count_and_its_author_is_told_so() {
    let value = format!("{C1};by=alice");
    let case = back(&value).looked();
    assert!(case.recorded(9).is_empty(), "{:?}", case.recorded(9));
    let told = plan_status(&case.seen(), at(9)).ignored;
    assert!(matches!(told.as_slice(), [line] if line.contains("sign again, in another slot")), "{told:?}");
    // Likewise where it is opened once more, also if that was taken away and is put back.
    let opened = crate::plan::opened_on(
        case.seen().newest().unwrap(),
        crate::api::Opened {
            owned: Vec::new(),
            ..serde_json::from_value(reopened(3)["opened"].clone()).unwrap()
        },
        None,
    );
    assert_eq!(opened.stood.len(), 1);
    // As they are told to do.
    let again = back(&value).on_plan("gate.stackgate.dev/approve.alice-2", &value).looked();
    assert_eq!(again.recorded(9), ["Approve alice Verified"]);
    // A revoke reaches it as any other.
    let revoked = back(&value).on_plan("gate.stackgate.dev/revoke", &value).looked();
    assert_eq!(revoked.recorded(9), ["Approve alice Unverified", "Revoke alice Verified"]);
}

/// Who has approved the release and goes over to what is planned of it next.
fn goes_over(ledger: &[Value]) -> Vec<String> {
    Case::new(ledger).carried(A1).into_iter().map(|d| d.by).collect()
}

#[test]
fn of_a_release_what_came_after_the_failure_goes_over_and_what_came_before_or_meanwhile_is_used_up() {
    let (alice, bob, carol) = (beforehand("alice"), beforehand("bob"), beforehand("carol"));
    let failed = [alice, claimed(), bob, closed("Failed"), carol];
    assert_eq!(goes_over(&failed), ["carol"]);
    let taken_back = [failed.as_slice(), &[said("Revoke", "carol")]].concat();
    assert!(goes_over(&taken_back).is_empty());
    // Likewise once it has come through: somebody may change a stack, and wants the release again.
    assert_eq!(
        goes_over(&[beforehand("alice"), claim(), beforehand("bob"), succeeded(), beforehand("carol")]),
        ["carol"]
    );
}

#[rstest]
#[case::superseded(&[closed("Superseded")])]
#[case::failed(&[claimed(), closed("Failed")])]
#[case::running(&[claim()])]
#[case::done(&[claim(), succeeded()])]
fn of_a_release_it_is_recorded_when_it_comes(#[case] ledger: &[Value]) {
    let case = Case::new(ledger).on_stage(APPROVE, &format!("{A1};by=alice")).looked();
    assert_eq!(case.recorded(9), ["Approve alice Verified under a1-1"]);
    // Likewise where another plan is the newest.
    let other = case.with(|c| c.plans = vec![plan(OTHER, NEXT_A1, 2, &[]), plan(C1, A1, 1, ledger)]).looked();
    let waits_for_it = !PlanView::new(Arc::new(other.plans[1].clone())).unwrap().is_over();
    assert_eq!(other.recorded(9).is_empty(), waits_for_it, "{:?}", other.recorded(9));
}

#[test]
fn what_the_plan_keeps_itself_is_not_given_to_it_again() {
    let view = |ledger: &[Value]| PlanView::new(Arc::new(plan(C1, A1, 1, ledger))).unwrap();
    let lacks = |ledger: &[Value]| {
        let view = view(ledger);
        let all = view.decisions.iter().map(|r| r.decided.clone());
        view.lacks(all).map(|d| format!("{:?} {}", d.action, d.by)).collect::<Vec<_>>()
    };
    assert!(lacks(&[said("Approve", "alice"), closed("Superseded")]).is_empty());
    let failed =
        [said("Approve", "alice"), said("Approve", "carol"), claimed(), closed("Failed"), beforehand("bob")];
    assert_eq!(lacks(&failed), ["Approve alice", "Approve carol"]);
    // One that is written down anew would come after the newer word of the same person.
    let anew = [said("Approve", "alice"), claimed(), closed("Failed"), beforehand("alice")];
    assert!(lacks(&anew).is_empty());
    // Likewise after its revoke.
    let taken_back = [failed.as_slice(), &[said("Revoke", "alice"), said("Retry", "bob")]].concat();
    assert_eq!(lacks(&taken_back), ["Approve carol"]);
}

/// Whether the only plan, rejected and closed, is told of as it was claimed.
#[test]
fn what_came_during_a_run_is_no_part_of_it_once_that_has_failed() {
    let two = json!({ "approvals": 2 });
    let run = [said("Approve", "alice"), claimed(), beforehand("carol"), closed("Failed")];
    let case = Case::new(&run).with(|c| c.gate = two);
    assert_eq!(plan_status(&case.seen(), at(9)).approvals.as_deref(), Some("1/2"));
}

#[test]
fn a_command_names_no_slot_that_may_have_been_used_while_the_plan_was_closed() {
    let value = format!("{C1};by=alice");
    let wiped = back(&value).with(|c| c.plans[0].metadata.annotations = None);
    let view = PlanView::new(Arc::new(wiped.plans[0].clone())).unwrap();
    assert_eq!(view.next_key(Action::Approve), "gate.stackgate.dev/approve.again-2");
    assert_eq!(view.free_slot(None, Action::Approve, "alice"), "alice-2");
}

#[test]
fn what_another_plan_of_the_release_has_run_with_is_used_up_in_every_copy() {
    let again = || {
        let mut entry = beforehand("alice");
        entry["decided"]["since"] = json!(at(1).to_string());
        entry
    };
    let kept = [beforehand("alice"), closed("Superseded"), reopened(3)];
    let ran = |ledger: &[Value]| plan(C3, A1, 2, ledger);
    let phase = |other: ChangePlan| {
        let case = Case::new(&[]).with(|c| c.plans = vec![plan(C1, A1, 1, &kept), other]);
        case.decided(9).phase
    };
    let waits = Phase::Waiting(Reason::AwaitingApproval);
    assert_eq!(phase(ran(&[again(), claim(), succeeded()])), waits);
    // A newer word of hers, and nobody else's.
    assert_eq!(phase(ran(&[beforehand("alice"), claim(), succeeded()])), waits);
    assert_ne!(phase(ran(&[beforehand("bob"), claim(), succeeded()])), waits);
    assert_ne!(phase(ran(&[again(), closed("Superseded")])), waits);
}

/// Who has approved of the release, and goes over to what is planned of it next: the reject is older than what the plan of another keeps.
#[test]
fn what_is_signed_after_a_reject_counts_where_another_plan_keeps_it() {
    let rejected = || plan(OTHER, A1, 0, &[said("Reject", "bob"), closed("Rejected")]);
    let newest = |ledger: &[Value], order: u64| plan(C3, NEXT_A1, order, ledger);
    let carried = |newest: ChangePlan, rejected: ChangePlan| {
        Case::new(&[]).with(|c| c.plans = vec![newest, rejected]).carried(A1).len()
    };
    let late = [said("Retry", "carol"), said("Retry", "dave"), beforehand("alice")];
    assert_eq!(carried(newest(&late, 2), rejected()), 1);
    // At the same time, or before, whatever the clock said.
    assert_eq!(carried(newest(&[beforehand("alice")], 2), rejected()), 0);
    let mut younger = rejected();
    younger.spec.ledger[0].opened.as_mut().unwrap().order = 3;
    seal(&mut younger);
    assert_eq!(carried(newest(&late, 2), younger), 0);
}

#[test]
fn who_approves_a_release_whose_plan_is_rejected_is_told_so() {
    let case = Case::new(&[said("Reject", "bob"), closed("Rejected")]);
    let case = case.on_stage(APPROVE, &format!("{A1};by=alice")).looked();
    assert!(case.recorded(9).is_empty());
    let told = status(&case.seen(), &case.decided(9), at(9)).ignored;
    assert!(told.iter().any(|line| line.contains("this plan is rejected")), "{told:?}");
}

#[test]
fn what_git_goes_on_carrying_of_a_release_that_has_run_is_nothing_to_speak_of() {
    let value = format!("{A1};by=alice");
    let told = |ledger: &[Value], value: &str, other: Option<ChangePlan>| {
        let case = Case::new(ledger).on_stage(APPROVE, value).with(|c| c.plans.extend(other));
        status(&case.seen(), &case.decided(9), at(9)).ignored
    };
    // What was ignored when it was opened: who signed again was heard.
    let mut ignored = reopened(2);
    ignored["opened"]["stood"] = json!([annotation_digest(UID, APPROVE, &value).to_string()]);
    let open = [closed("Superseded"), ignored];
    let lines = told(&open, &value, None);
    assert!(matches!(lines.as_slice(), [line] if line.contains("sign again")), "{lines:?}");
    let done = [open.as_slice(), &[said("Approve", "alice"), claim(), succeeded()]].concat();
    assert_eq!(told(&done, &value, None), Vec::<String>::new());
    // What another plan of it has recorded, and is over since.
    let value = format!("{A1};by=alice;until=2026-11-24T00:05:00Z");
    let mut entry = beforehand("alice");
    entry["decided"]["until"] = json!("2026-11-24T00:05:00Z");
    let other = plan(OTHER, A1, 0, &[entry, claim(), succeeded()]);
    for ledger in [vec![], vec![said("Approve", "bob"), claim(), succeeded()]] {
        assert_eq!(told(&ledger, &value, Some(other.clone())), Vec::<String>::new());
    }
}
