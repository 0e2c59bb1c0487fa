//! What stops is recorded, whoever may sign it, as often as it is needed, and whatever others have filled the ledger with.

use super::*;

const REJECT: &str = "gate.stackgate.dev/reject";

#[test]
fn whoever_the_policies_take_for_a_person_stops_a_change() {
    let case = Case::new(&[said("Approve", "alice")]).on_plan(REJECT, &format!("{C1};by=system:admin"));
    assert_eq!(case.recorded(9), ["Reject system:admin Verified"]);
}
