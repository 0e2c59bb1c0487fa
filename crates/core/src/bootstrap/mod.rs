//! `Bootstrap`: what `cdk bootstrap` would do, in every environment that one object covers.

mod decide;
mod environment;
mod existing;
mod snapshot;
mod status;
pub mod template;

pub use decide::decide;
pub use environment::EnvironmentState;
pub use snapshot::{Snapshot, observe};
pub use status::status;
