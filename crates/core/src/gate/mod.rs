//! The gate: what people write, what the ledger says, what is demanded, and whether a change may run.

mod annotation;
mod checks;
mod enforcement;
mod in_force;
mod ledger;
mod openings;
mod owned;
mod person;
mod plan_view;
mod reader;
mod room;
mod seal;
pub mod slot;
mod taken_back;
mod tally;
mod toolkits;

pub use annotation::{Annotation, Decision, NotADecision, Report, parse_annotation};
pub use checks::Reported;
pub use enforcement::{Enforcement, InForceState, annotation_digest};
pub use in_force::{InForce, Sourced, in_force, in_force_for};
pub use ledger::Ledger;
pub use openings::Opening;
pub use owned::owned_key;
pub(crate) use person::RULES;
pub use person::{is_person, may_decide, may_report};
pub use plan_view::{Marks, PlanView, Recorded};
pub use reader::PlanReader;
pub use room::Full;
pub use seal::{SealedFor, sealed};
pub use taken_back::{is_given_elsewhere, take_back};
pub use tally::{Tally, tally};
