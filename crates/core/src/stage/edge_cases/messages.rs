//! What people are told to do, and that it works.

use super::*;

/// What the newest plan shows.
fn plan_says(case: &Case, now: i64) -> String {
    let status = plan_status(&case.seen(), at(now));
    status.conditions.into_iter().find(|c| c.type_ == "Waiting").unwrap().message
}

#[test]
fn a_plan_names_a_slot_that_is_free() {
    let two = |ledger: &[Value]| Case::new(ledger).with(|c| c.gate = json!({ "approvals": 2 }));
    assert!(plan_says(&two(&[]), 5).contains(&format!("approve={C1}")));
    let once = plan_says(&two(&[said_in_no_slot("Approve", "alice")]), 5);
    assert!(once.contains(&format!("approve.again-2={C1}")), "{once}");
    let elsewhere = plan_says(&two(&[said("Approve", "alice")]), 5);
    assert!(elsewhere.contains(&format!("approve={C1}")), "{elsewhere}");
}

#[test]
fn a_slot_that_something_else_stands_in_is_not_free() {
    let free = |case: &Case, key: &str| {
        let (stage, plan) = (case.decided(5).message, plan_says(case, 5));
        assert!(stage.contains(&format!("/{key}={C1}")), "{stage}");
        plan
    };
    let yes = Case::new(&[]).on_plan("gate.stackgate.dev/approve", "yes");
    let said = free(&yes, "approve.again-2");
    assert!(said.contains(&format!("/approve.again-2={C1}")), "{said}");
    let digits = &C1[3..11];
    free(&yes, &format!("approve.{digits}"));
    let late = format!("{C1};until=2020-01-01T00:00:00Z");
    let on_stage = Case::new(&[]).on_stage(&format!("gate.stackgate.dev/approve.{digits}"), &late);
    free(&on_stage, "approve");
    free(&on_stage, &format!("approve.{digits}-2"));
    // What somebody rejects by does not stand in the way of an approval.
    free(&Case::new(&[]).on_plan("gate.stackgate.dev/reject", "no"), "approve");
}

/// What of a message a condition carries.
fn carried(message: &str) -> String {
    message.chars().take(1023).collect()
}

#[test]
fn a_command_is_not_cut_off_however_much_does_not_count() {
    let unproven = |n: usize| {
        let mut entry =
            said_in_no_slot("Approve", &format!("arn:aws:sts::111111111111:assumed-role/deployers/{n:040}"));
        entry["decided"]["identity"] = json!("Unverified");
        entry
    };
    let case = Case::new(&(0..12).map(unproven).collect::<Vec<_>>());
    let message = case.decided(20).message;
    let told = carried(&message);
    assert!(told.contains(&format!("approve.again-2={C1}")), "{told}");
    assert!(told.contains("with the right to write Stages"), "{told}");
    assert!(message.contains("… and 8 more"), "{message}");
}

#[test]
fn a_command_is_not_cut_off_however_many_freezes_there_are() {
    let many = (0..12).map(|n| {
        let mut freeze = freeze(json!({}));
        freeze.metadata.name = Some(format!("freeze-{n:02}"));
        freeze.spec.reason = "a".repeat(200);
        freeze
    });
    let case = Case::new(&[said("Approve", "alice")]).with(|c| c.freezes = many.collect());
    let verdict = case.decided(9);
    assert_eq!(verdict.phase, Phase::Waiting(Reason::Frozen));
    assert!(carried(&verdict.message).contains(&format!("override={C1}")), "{}", verdict.message);
}

#[test]
fn whoever_approves_during_a_freeze_is_told_that_it_starts_later() {
    let case = Case::new(&[]).with(|c| c.freezes = vec![freeze(json!({}))]);
    let verdict = case.decided(9);
    assert_eq!(verdict.phase, Phase::Waiting(Reason::AwaitingApproval));
    for said in [&verdict.message, &plan_says(&case, 9)] {
        assert!(said.contains("once approved it waits") && said.contains("Freeze inc-1"), "{said}");
    }
    assert!(!Case::new(&[]).decided(9).message.contains("once approved"));
}

#[test]
fn nothing_comes_of_a_new_release_where_a_stage_is_pinned_to_a_rejected_one() {
    let rejected = || Case::new(&[said("Reject", "bob"), closed("Rejected")]);
    let said = rejected().decided(9);
    assert!(said.message.ends_with("make a new release"), "{}", said.message);
    let pinned = rejected().with(|c| c.pin = Some(Digest::of("release").to_string())).decided(9);
    assert!(pinned.message.contains("rollback prod --unpin"), "{}", pinned.message);
}

#[test]
fn where_nothing_signs_for_people_the_command_does() {
    let case = Case::new(&[]).with(|c| c.enforcement.unsigned = true);
    let by = "by=$(kubectl auth whoami -o jsonpath={.status.userInfo.username})";
    let message = case.decided(5).message;
    assert!(carried(&message).contains(&format!("/approve=\"{C1};{by}\"")), "{message}");
    assert!(!message.contains("the right to write Stages"), "{message}");
    let said = plan_says(&case, 5);
    assert!(said.contains(&format!("/approve=\"{C1};{by}\"")), "{said}");
}
