//! `Stage`: which release it should have, what that changes, whether it may, and whether it did.
//!
//! `decide` is an ordered list of checks, a file each; the first that has something to say decides.

mod adopt;
mod candidate;
mod carry;
mod coming;
mod decide;
mod delete;
mod drift;
#[cfg(test)]
mod edge_cases;
mod execute;
mod failure;
mod fence;
mod gate;
mod given;
mod order;
mod outputs;
mod plan;
mod prepare;
mod promotion;
mod protect;
mod record;
mod remove;
mod snapshot;
mod status;
mod targets;
mod verify;

pub use decide::decide;
pub use snapshot::{Snapshot, observe};
pub use status::{TAKEN_BACK, status};
