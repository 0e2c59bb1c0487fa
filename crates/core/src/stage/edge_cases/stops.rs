//! What stops is recorded, whoever may sign it, as often as it is needed, and whatever others have filled the ledger with.

use super::*;

const REJECT: &str = "gate.stackgate.dev/reject";

#[test]
fn whoever_the_policies_take_for_a_person_stops_a_change() {
    let case = Case::new(&[said("Approve", "alice")]).on_plan(REJECT, &format!("{C1};by=system:admin"));
    assert_eq!(case.recorded(9), ["Reject system:admin Verified"]);
}

const REVOKE: &str = "gate.stackgate.dev/revoke.alice";

fn again(by: &str) -> Value {
    let mut again = said("Approve", by);
    again["decided"]["slot"] = json!("again");
    again
}

#[rstest]
#[case::the_first(&[said("Approve", "alice")], &["Revoke alice Verified"])]
#[case::that_stands_still(&[said("Approve", "alice"), said("Revoke", "alice")], &[])]
#[case::after_another_approval(&[said("Approve", "alice"), said("Revoke", "alice"), again("alice")], &["Revoke alice Verified"])]
#[case::that_took_that_back_too(&[said("Approve", "alice"), said("Revoke", "alice"), again("alice"), said("Revoke", "alice")], &[])]
#[case::after_an_approval_of_another(&[said("Approve", "alice"), said("Revoke", "alice"), again("bob")], &[])]
#[case::after_an_override(&[said("Revoke", "alice"), said("Override", "alice")], &["Revoke alice Verified"])]
fn a_revoke_in_the_same_words(#[case] ledger: &[Value], #[case] recorded: &[&str]) {
    let case = Case::new(ledger).on_plan(REVOKE, &format!("{C1};by=alice"));
    assert_eq!(case.recorded(9), recorded);
}

#[test]
fn a_revoke_that_stands_takes_back_a_new_approval_and_the_message_says_so() {
    let case = Case::new(&[said("Approve", "alice"), said("Revoke", "alice")])
        .on_plan(REVOKE, &format!("{C1};by=alice"));
    let message = case.decided(9).message;
    assert!(message.contains("until it is taken away: kubectl -n shop annotate plan"), "{message}");
    assert!(message.contains(&format!("{REVOKE}-")), "{message}");
    let approved = case.on_plan("gate.stackgate.dev/approve.again", &format!("{C1};by=alice"));
    assert_eq!(approved.recorded(9), ["Approve alice Verified", "Revoke alice Verified"]);
}

#[test]
fn a_replay_of_an_approval_that_was_taken_back_has_no_effect() {
    let case = Case::new(&[said("Approve", "alice"), said("Revoke", "alice")])
        .on_plan(APPROVE, &format!("{C1};by=alice"));
    assert_eq!(case.recorded(9), [""; 0]);
}
