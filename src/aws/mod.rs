//! AWS, in our words: the only part that names the SDK.
//!
//! [`Sessions`] reach accounts, [`Aws`] performs effects in them, [`Regions`] poll what is being waited for; a pass sees these two as one
//! [`Cloud`].

mod arns;
mod calls;
mod change_sets;
mod class;
mod cloud;
mod create;
mod drift;
mod failed;
mod failure;
mod images;
mod parse;
mod perform;
mod policy;
mod property_values;
mod publish;
mod push;
mod put;
mod region;
mod rhythm;
mod rows;
mod session;
mod sessions;
mod set_content;
mod settings;
mod source;
mod stacks;
mod toolkit;
mod warnings;

pub use calls::{CallOutcome, Calls, Operation};
pub use cloud::{Cloud, Live};
pub use create::template_url;
pub use perform::{Asked, Aws, AwsLook, asked};
pub use policy::{POLICY_LIMIT, session_policy};
pub use property_values::{PropertyValue, PropertyValues, ResourceValues, Values};
pub use region::{Regions, WakeRow};
pub use rhythm::Paces;
pub use rows::RowCache;
pub use session::Session;
pub use sessions::Sessions;
pub use settings::Settings;
