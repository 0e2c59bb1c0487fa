//! The checks can fail: each deliberate defect of the protocol is found within a number of seeds.

#![expect(clippy::panic, clippy::print_stdout, reason = "a function that every test calls")]

use stackgate_sim::{many::many, protocol::Protocol, scenario::harsh};

/// A third of the time goes into memory, and this one spends half as much of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A defect counts as found when the invariant that it breaks says so, for its reason; that it also hinders progress does not count.
fn found(protocol: Protocol, invariant: &str, told: &str) {
    for from in (0..20_000).step_by(8) {
        let tally = many(from, from + 8, |seed| harsh(seed, protocol));
        if let Some((seed, violation)) =
            tally.failures.iter().find(|(_, v)| v.starts_with(invariant) && v.contains(told))
        {
            println!("{protocol:?}: seed {seed}: {violation}");
            println!("  replay: cargo run -p stackgate-sim --bin replay -- {seed} {protocol:?} harsh");
            return;
        }
    }
    panic!("{protocol:?} was not found in 20,000 schedules");
}

#[test]
fn the_protocol_as_designed_withstands_the_same() {
    let tally = many(0, 1_000, |seed| harsh(seed, Protocol::AsDesigned));
    println!("as designed: {} schedules, {} effects", tally.runs, tally.effects);
    assert!(tally.failures.is_empty(), "{:?}", tally.failures);
}

macro_rules! mutants {
    ($($name:ident = $mutant:ident breaks $invariant:literal ($told:literal),)+) => {
        $(#[test] fn $name() { found(Protocol::$mutant, $invariant, $told); })+
    };
}

mutants! {
    no_claim = NoClaim breaks "I2" ("without a claim"),
    no_fence = NoFence breaks "I2" ("can still be executed"),
    approve_by_prefix = ApproveByPrefix breaks "I2" ("nobody has signed"),
    no_compare_and_swap = NoCompareAndSwap breaks "I2" ("had rejected it"),
    fresh_names = FreshNames breaks "I1" ("two change sets"),
    execute_by_name = ExecuteByName breaks "I2" ("without a claim"),
    early_success = EarlySuccess breaks "I8" ("is recorded as done"),
    content_by_name = ContentByName breaks "I2" ("the leaf that was claimed"),
    stops_are_wiped = StopsAreWiped breaks "I2" ("had rejected it"),
    // Plans with risks are few here: most of what it lets run was approved beforehand, for less than the change turned out to be.
    acks_ignored = AcksIgnored breaks "I2" ("people had approved"),
    unverified_counts = UnverifiedCounts breaks "I2" ("people had approved"),
    ttl_ignored = TtlIgnored breaks "I2" ("people had approved"),
    revoke_ignored = RevokeIgnored breaks "I2" ("people had approved"),
    freeze_ignored = FreezeIgnored breaks "I2" ("freeze-"),
    tainted_counts = TaintedCounts breaks "I2" ("people had approved"),
    soak_ignored = SoakIgnored breaks "I2" ("soaked there"),
    never_despite_minimum = NeverDespiteMinimum breaks "I2" ("people had approved"),
}
