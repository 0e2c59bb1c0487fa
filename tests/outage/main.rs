//! The world breaks: AWS or the API server goes away, the controller dies. These break it for everybody, so they take turns.

mod crash;
mod credentials;
mod source;
mod unreachable;

use std::sync::{Mutex, MutexGuard};

use anyhow::{Result, anyhow, ensure};
use stackgate_testbed::{
    Started,
    scenario::{BUCKET, Case, Kind, SHOP, World, WorldOptions, shared},
};

/// The world, for one test at a time, with a controller that runs.
fn world() -> Result<MutexGuard<'static, World>> {
    static WORLD: Started<Mutex<World>> = Started::new();
    // What a test that failed left behind must not fail the next one.
    let mut world = WORLD.in_turn(start)?;
    world.proxy.remove_rules();
    if !world.controller()?.is_running() {
        world.controller()?.restart()?;
    }
    Ok(world)
}

fn start() -> Result<World> {
    let options =
        WorldOptions { binary: Some(env!("CARGO_BIN_EXE_stackgate").into()), ..WorldOptions::default() };
    let mut world = World::start(options)?;
    world.start_controller()?;
    shared(&world, &[BUCKET])?;
    Ok(world)
}

/// How many stacks of a case were claimed, and that none was claimed twice.
fn claimed_once(world: &World, case: &Case, plan: &str) -> Result<()> {
    let plan = world.object(Kind::ChangePlan, SHOP, plan)?.ok_or_else(|| anyhow!("the plan is gone"))?;
    let mut names: Vec<String> = plan
        .ledger("claimed")
        .flat_map(|claimed| claimed["stacks"].as_array().cloned().unwrap_or_default())
        .map(|stack| stack["stackName"].as_str().unwrap_or_default().to_owned())
        .collect();
    names.sort();
    ensure!(names == ["Dev-Api", "Dev-Store"], "claimed for {}: {names:?}", case.name);
    Ok(())
}
