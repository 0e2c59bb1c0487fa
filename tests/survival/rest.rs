//! When the controllers have come to rest.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use stackgate_testbed::{User, scenario::World};

use crate::ground::LATEST;

/// Waits for a while of this length in which no controller writes anything to objects of ours: whoever fights never stops. How many
/// writes there were before it.
pub fn come_to_rest(world: &World, quiet: Duration) -> Result<usize> {
    let (begun, mut since, mut before) = (Instant::now(), Instant::now(), writes(world)?);
    while since.elapsed() < quiet {
        ensure!(begun.elapsed() < LATEST, "they still write: {before} times so far");
        thread::sleep(Duration::from_millis(500));
        let now = writes(world)?;
        if now != before {
            (since, before) = (Instant::now(), now);
        }
    }
    Ok(before)
}

fn writes(world: &World) -> Result<usize> {
    let audited = world.cluster.audited()?;
    let writes = audited.iter().filter(|request| {
        request.user == User::Controller.name()
            && request.group == "stackgate.dev"
            && !["get", "list", "watch"].contains(&request.verb.as_str())
    });
    Ok(writes.count())
}
