//! The gate: what people write, what the ledger says, what is demanded, and whether a change may run.

mod annotation;
mod enforcement;
mod in_force;
mod ledger;
mod person;
mod plan_view;
mod reader;
mod room;
mod seal;
mod taken_back;
mod tally;
mod toolkits;

pub use annotation::{Annotation, Decision, NotADecision, Report, parse_annotation};
pub use enforcement::{Enforcement, InForceState, annotation_digest};
pub use in_force::{InForce, Sourced, in_force, in_force_for};
pub use ledger::Ledger;
pub(crate) use person::RULES;
pub use person::{is_person, may_decide, may_report};
pub use plan_view::{Marks, PlanView, Recorded, owned_key};
pub use reader::PlanReader;
pub use room::Full;
pub use seal::{SealedFor, sealed};
pub use taken_back::{is_given_elsewhere, take_back};
pub use tally::{Tally, approval_value, tally};
