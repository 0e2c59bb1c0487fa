//! How many decisions the core makes in a second on one core: `make bench`.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use stackgate_core::stage;
use stackgate_sim::{run::situations, scenario};

/// How long each is measured.
const WHILE: Duration = Duration::from_secs(5);

#[expect(clippy::print_stdout, reason = "it measures, and tells it")]
fn main() -> std::process::ExitCode {
    let (all, installation) = match situations(&scenario::with_one_fault(64, None)) {
        Ok(found) => found,
        Err(violation) => {
            println!("steps: violated: {violation}");
            return std::process::ExitCode::FAILURE;
        }
    };
    let stages: Vec<_> = all.iter().filter_map(|s| Some((s, s.of_a_stage(&installation)?))).collect();
    println!("on one core, over the {} situations of Stages in the simulated scenario:", stages.len());
    let decided = each_second(&stages, |(_, (snapshot, now))| {
        black_box(stage::decide(black_box(snapshot), *now));
    });
    println!("decisions, each pure, of what was observed and the time: {decided} per second (aim 100,000)");
    let passes = each_second(&stages, |(situation, _)| {
        black_box(black_box(situation).step(&installation));
    });
    println!("the same with the observing before and the status after: {passes} per second");
    std::process::ExitCode::SUCCESS
}

#[expect(clippy::disallowed_methods, reason = "it measures real time")]
fn each_second<T>(all: &[T], step: impl Fn(&T)) -> u128 {
    let (mut done, begun) = (0_u64, Instant::now());
    while begun.elapsed() < WHILE {
        for one in all {
            step(one);
            done += 1;
        }
    }
    u128::from(done) * 1000 / begun.elapsed().as_millis().max(1)
}
