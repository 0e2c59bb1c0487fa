//! The wire tier of the simulator.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails may panic")]

/// As in the tests of the pure simulator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod api_server;
mod aws;
mod crashes;
mod ground;
mod mutants;
mod objects;
mod people;
mod process;
mod rolled_back;
mod run;
mod site;
mod store;
mod stories;
mod streams;
mod trouble;
mod values;
mod watch;
mod watched;
