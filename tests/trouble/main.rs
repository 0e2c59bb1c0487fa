//! Bad input and trouble, each with a clear condition and Event, and nothing lost. All cases share one world, with accounts
//! and objects of their own.

mod adopt;
mod attacks;
mod behind;
mod decisions;
mod holds;
mod images;
mod input;
mod lost_calls;
mod outputs;
mod parameters;
mod removal;
mod source;
mod stacks;
mod toolkits;

use anyhow::Result;
use stackgate_testbed::{
    Started, User, repository,
    scenario::{BUCKET, SHOP, World, WorldOptions, shared},
};

/// A bucket that keeps no versions.
const UNVERSIONED: &str = "shop-cdk-out-flat";

/// The world of all cases, started by the first one.
fn world() -> Result<&'static World> {
    static WORLD: Started<World> = Started::new();
    WORLD.get(start)
}

/// Lets the controller do in the namespace what a role of the chart says.
fn bind(world: &World, role: &str) -> Result<()> {
    world.apply_files(&[&repository().join("deploy/roles.yaml")])?;
    let (role, user) = (format!("--clusterrole={role}"), format!("--user={}", User::Controller.name()));
    let name = role.trim_start_matches("--clusterrole=");
    world.kubectl().run(&["-n", SHOP, "create", "rolebinding", name, &role, &user]).map(drop)
}

fn patch(world: &World, object: &[&str], spec: &serde_json::Value) -> Result<()> {
    let patch = serde_json::json!({ "spec": spec }).to_string();
    let args = ["-n", SHOP, "patch"].iter().chain(object).copied().chain(["--type=merge", "-p", &patch]);
    world.kubectl().run(&args.collect::<Vec<_>>()).map(drop)
}

fn annotate(world: &World, kind: &str, name: &str, annotation: &str) -> Result<()> {
    world.kubectl().run(&["-n", SHOP, "annotate", "--overwrite", kind, name, annotation]).map(drop)
}

fn start() -> Result<World> {
    let mut world = World::start(WorldOptions {
        binary: Some(env!("CARGO_BIN_EXE_stackgate").into()),
        accounts: Vec::new(),
        buckets: vec![(UNVERSIONED.to_owned(), false)],
        policies: false,
    })?;
    world.start_controller()?;
    shared(&world, &[BUCKET, UNVERSIONED])?;
    Ok(world)
}
