//! Stacks: their states, what follows from each, and what one look at them tells.

#![warn(clippy::wildcard_enum_match_arm)]

mod row;
mod status;
mod table;

pub use row::{
    Change, ChangeSetRow, Drift, DriftedResource, FailedResource, SetContent, StackRow, ValueSource,
};
pub use status::{ChangeSetStatus, DriftStatus, ExecutionStatus, StackStatus};
pub use table::{ChangeSetKind, Preparation, Removal, Run, SetState, preparation, removal, run, set_state};
