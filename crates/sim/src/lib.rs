//! A simulated world for Stackgate's decisions: it interprets effects directly, one at a time, and everything that can
//! go wrong between two of them does. A seed decides all of it, so that every run can be repeated.

pub mod bundle;
pub mod controller;
pub mod invariants;
pub mod many;
pub mod people;
pub mod protocol;
pub mod random;
pub mod run;
pub mod scenario;
pub mod weather;
pub mod world;
