//! Annotations.

use stackgate_testbed::scenario::Waiting;

/// The slot for what stands in git.
pub const APPROVE_GIT: &str = "gate.stackgate.dev/approve.git";

/// The key that the printed command for a Stage writes.
pub fn slot_of(waiting: &Waiting) -> String {
    let annotation = waiting.approve_on_stage().pop().unwrap_or_default();
    annotation.split_once('=').map_or(String::new(), |(key, _)| key.to_owned())
}

/// What an approval of this plan says: its id, with what is to be acknowledged.
pub fn approval_of(waiting: &Waiting) -> String {
    let annotation = waiting.approve_on_stage().pop().unwrap_or_default();
    annotation.split_once('=').map_or(String::new(), |(_, value)| value.to_owned())
}
