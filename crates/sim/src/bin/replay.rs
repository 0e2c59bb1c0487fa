//! Repeats one schedule and prints everything that happens: `replay <seed> [mutant] [harsh]`.

use stackgate_sim::{protocol::Protocol, run::run, scenario};

#[expect(clippy::print_stdout, reason = "printing is what it is for")]
fn main() -> std::process::ExitCode {
    let mut arguments = std::env::args().skip(1);
    let seed = arguments.next().and_then(|s| s.parse::<u64>().ok());
    let Some(seed) = seed else {
        println!(
            "usage: replay <seed> [{}] [harsh]",
            Protocol::MUTANTS.map(|m| format!("{m:?}")).join(" | ")
        );
        return std::process::ExitCode::FAILURE;
    };
    let rest: Vec<String> = arguments.collect();
    let protocol = Protocol::MUTANTS.into_iter().find(|m| rest.contains(&format!("{m:?}")));
    let protocol = protocol.unwrap_or(Protocol::AsDesigned);
    let harsh = rest.iter().any(|word| word == "harsh");
    let mut setting =
        if harsh { scenario::harsh(seed, protocol) } else { scenario::from_seed(seed, protocol) };
    setting.trace = true;
    println!("{setting:#?}");
    let (trace, end) = match run(&setting) {
        Ok(report) => (report.trace, Ok(format!("{} effects, {} writes", report.effects, report.writes))),
        Err(failure) => (failure.trace, Err(failure.violation)),
    };
    for line in trace {
        println!("{line}");
    }
    match end {
        Ok(numbers) => println!("passed: {numbers}"),
        Err(violation) => {
            println!("violated: {violation}");
            return std::process::ExitCode::FAILURE;
        }
    }
    std::process::ExitCode::SUCCESS
}
