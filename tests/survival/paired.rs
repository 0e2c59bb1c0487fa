//! Two controllers work at once, and neither knows of the other.

use std::time::Duration;

use anyhow::{Context, Result};
use stackgate_testbed::Controller;

use crate::{
    fleet::Fleet,
    ground::{Ground, LATEST, ground},
    left::becomes_like,
    once::nothing_twice,
    rest::come_to_rest,
};

/// Long enough for each of them to answer what the other writes, if it did.
const QUIET: Duration = Duration::from_secs(5);

#[test]
fn two_controllers_without_a_lease_leave_what_one_leaves_and_come_to_rest() -> Result<()> {
    let mut ground = ground()?;
    let ground = &mut *ground;
    ground.world.controller()?.terminate(Duration::from_secs(10))?;
    let first = ground.world.launch()?.arg("--no-leader-election");
    // Both write into one log.
    let second = Controller::start(first.clone())?;
    ground.world.controller = Some(Controller::start(first)?);
    let result = deploy(ground);
    drop(second);
    // The next test gets one that leads.
    ground.world.controller = None;
    result
}

fn deploy(ground: &Ground) -> Result<()> {
    let (world, fleet) = (&ground.world, Fleet { name: "paired" });
    for (number, calm) in [1, 2].into_iter().zip(&ground.calm) {
        let release = fleet.release(world, number)?;
        fleet.arrive(world, &release, LATEST, drop)?;
        let writes = come_to_rest(world, QUIET)?;
        let calls = nothing_twice(world, fleet)?;
        becomes_like(world, fleet, &release, calm).with_context(|| format!("release {number}"))?;
        crate::tell(&format!("release {number}: {writes} writes so far, calls {calls:?}"));
    }
    Ok(())
}
