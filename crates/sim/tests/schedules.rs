//! Schedules made from seeds: late views, crashes, lost replies, refusals, stale rows, failing stacks, two leaders, and
//! other people. `SIM_SEEDS=<from>..<to>` chooses others.

#![expect(clippy::disallowed_methods, reason = "a test may be told which seeds to run")]

use stackgate_sim::{many::many, protocol::Protocol, scenario::from_seed};

/// A third of the time goes into memory, and this one spends half as much of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[test]
fn a_hundred_thousand_schedules_break_nothing() {
    let seeds = std::env::var("SIM_SEEDS").unwrap_or_else(|_| "0..100000".to_owned());
    let (from, to) = seeds.split_once("..").expect("<from>..<to>");
    let (from, to) = (from.parse().expect("a number"), to.parse().expect("a number"));
    let tally = many(from, to, |seed| from_seed(seed, Protocol::AsDesigned));
    for (seed, violation) in &tally.failures {
        println!("{violation}\n  replay: cargo run -p stackgate-sim --bin replay -- {seed}");
    }
    println!("{} schedules, {} effects", tally.runs, tally.effects);
    assert!(tally.failures.is_empty(), "{} of {} schedules failed", tally.failures.len(), tally.runs);
}
