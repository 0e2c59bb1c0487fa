//! How many decisions the core makes in a second on one core: `make bench`.

use std::time::{Duration, Instant};

use stackgate_sim::{controller::Situation, run::situations, scenario};

/// How long it is measured.
const WHILE: Duration = Duration::from_secs(5);

#[expect(clippy::print_stdout, clippy::disallowed_methods, reason = "it measures real time, and tells it")]
fn main() -> std::process::ExitCode {
    let (all, installation) = match situations(&scenario::with_one_fault(64, None)) {
        Ok(found) => found,
        Err(violation) => {
            println!("steps: violated: {violation}");
            return std::process::ExitCode::FAILURE;
        }
    };
    let stages: Vec<&Situation> = all.iter().filter(|s| s.is_of_a_stage()).collect();
    let (mut decided, mut effects, begun) = (0_u64, 0_usize, Instant::now());
    while begun.elapsed() < WHILE {
        for situation in &stages {
            effects += std::hint::black_box(situation).decide(&installation);
            decided += 1;
        }
    }
    std::hint::black_box(effects);
    let each_second = u128::from(decided) * 1000 / begun.elapsed().as_millis().max(1);
    println!(
        "decisions on Stages on one core: {each_second} per second (aim 100,000), over the {} of the simulated scenario, status included",
        stages.len()
    );
    std::process::ExitCode::SUCCESS
}
