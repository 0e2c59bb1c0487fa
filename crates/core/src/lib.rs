//! The pure part of Stackgate: resource types, the contents of a cloud assembly, ids of changes, the gate, the
//! CloudFormation table and the decisions of each kind.
//!
//! Nothing here does IO, reads a clock or draws a random number: everything is a function of what was observed and of
//! the time that the caller passes in.

pub mod account;
pub mod api;
pub mod assembly;
pub mod bootstrap;
pub mod bundle;
pub mod change;
pub mod cluster;
pub mod drive;
pub mod effect;
pub mod facts;
pub mod freeze;
pub mod gate;
mod hush;
mod latch;
pub mod plain;
pub mod plan;
pub mod risk;
pub mod stack;
pub mod stage;
pub mod verdict;
pub mod words;
