//! `make bench`: how fast an approval takes effect, and a release gets on, on real parts. Printed with the aims beside.

mod beside;
mod chain;
mod figures;
mod thousand;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use stackgate_testbed::{
    scenario::{BUCKET, World, WorldOptions, shared},
    target_dir,
};

use self::{
    chain::Chain,
    figures::{Figures, Sample},
};

/// Chains of two Stages, each in accounts of its own.
const CHAINS: u32 = 5;
/// Releases that go through each of them.
const RELEASES: u32 = 10;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("bench: failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn say(line: &str) {
    println!("{line}");
}

/// All of them, or what the arguments name: `speed`, `beside`, `thousand`.
fn run() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|w| w == name);
    let binary: PathBuf = target_dir().join("release/stackgate");
    let options = WorldOptions { binary: Some(binary), policies: true, ..WorldOptions::default() };
    let mut world = World::start(options)?;
    world.start_controller()?;
    shared(&world, &[BUCKET])?;
    if is_wanted("speed") {
        speed(&world)?.lines().iter().for_each(|line| say(line));
    }
    if is_wanted("beside") {
        say("beside the real cdk deploy …");
        beside::lines(&world)?.iter().for_each(|line| say(line));
    }
    if is_wanted("thousand") {
        say("a thousand Stages …");
        thousand::lines(&mut world)?.iter().for_each(|line| say(line));
    }
    Ok(())
}

fn speed(world: &World) -> Result<Figures> {
    say(&format!(
        "{CHAINS} chains of two Stages in accounts of their own, {RELEASES} releases through each …"
    ));
    let mut chains = (1..=CHAINS).map(|n| Chain::start(world, n)).collect::<Result<Vec<_>>>()?;
    let mut samples: Vec<Sample> = Vec::new();
    for release in 1..=RELEASES {
        for chain in &mut chains {
            samples.extend(chain.go_through(world, release).with_context(|| format!("release {release}"))?);
        }
        say(&format!("  release {release} is everywhere"));
    }
    Figures::of(&samples, &world.cluster.audited()?, &world.proxy.recorded())
}
