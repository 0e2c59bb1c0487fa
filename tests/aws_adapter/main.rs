//! The AWS adapter against an emulator in its strict profile: signatures, trust policies and session policies in force.

// The exemption for tests in clippy.toml does not reach helpers of an integration test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]

mod change_sets;
mod contract;
mod drift;
mod property_values;
mod publish;
mod push;
mod region;
mod sessions;
mod set_content;
mod source;
mod world;
