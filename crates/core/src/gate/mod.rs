//! The gate: what people write, what the ledger says, and whether a change may run.

mod annotation;
mod ledger;

pub use annotation::{Decision, NotADecision, parse_annotation};
pub use ledger::{Ledger, PlanView, owned_key};
