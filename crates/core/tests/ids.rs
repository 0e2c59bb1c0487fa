//! The ids: what they are for fixed inputs, and what changes them.
#![allow(clippy::expect_used, clippy::panic, reason = "a test ends where something is not as it must be")]

#[path = "ids/differences.rs"]
mod differences;
#[path = "ids/golden.rs"]
mod golden;
#[path = "ids/input.rs"]
mod input;
#[path = "ids/sameness.rs"]
mod sameness;
#[path = "ids/sample.rs"]
mod sample;
