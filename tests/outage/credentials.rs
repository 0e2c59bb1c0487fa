//! The controller's own credentials are wrong.

use std::time::Duration;

use anyhow::Result;
use stackgate_testbed::{
    Controller,
    scenario::{Case, Expected, Kind},
};

use super::world;

#[test]
fn wrong_credentials_are_told_and_the_right_ones_go_on() -> Result<()> {
    let mut world = world()?;
    world.controller()?.terminate(Duration::from_secs(5))?;
    let right = world.launch()?;
    let wrong = right.clone().credentials(&world.keys.access_key_id, "not-the-secret-of-that-key");
    world.controller = Some(Controller::start(wrong)?);
    let case = Case::new(&world, "wrong-credentials")?;
    case.start(&world)?;
    for kind in [Kind::Bootstrap, Kind::CloudAssembly] {
        let expected =
            Expected { kind, condition: "Stalled", reason: "AccessDenied", says: "SignatureDoesNotMatch" };
        let shown = case.shows(&world, &expected);
        if shown.is_err() {
            // The next test needs a controller that works.
            world.controller = Some(Controller::start(right.clone())?);
        }
        shown?;
    }
    world.controller()?.terminate(Duration::from_secs(5))?;
    world.controller = Some(Controller::start(right)?);
    let release = case.digest(&world, None)?;
    world.decide(&case.waiting(&world, Some(&release))?.approve_on_plan())?;
    case.deployed(&world, &release)
}
