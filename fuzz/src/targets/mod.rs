//! One module for each target: `run` feeds one input to what reads it, and panics where something does not hold that has to.

pub mod annotation;
pub mod archive;
mod assembly;
pub mod asset_manifest;
pub mod freeze;
pub mod image;
pub mod manifest;
mod parts;
pub mod plan;
pub mod template;
pub mod words;
