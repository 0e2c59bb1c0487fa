//! `Bootstrap`: what `cdk bootstrap` would do, in every environment that one object covers.

mod change;
mod close;
mod decide;
mod environment;
mod existing;
mod gate;
mod open;
mod prepare;
mod snapshot;
mod status;
pub mod template;
mod waves;

pub use decide::decide;
pub use environment::EnvironmentState;
pub use snapshot::{Snapshot, observe};
pub use status::status;
