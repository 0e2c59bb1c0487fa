//! The main job on real parts: API server, CDK assembly, AWS on the wire, the controller as its own process. The steps and
//! their checks are those of `make demo`.

use anyhow::{Context, Result, ensure};
use stackgate_testbed::scenario::{STEPS, Story, Teller};

#[test]
fn releases_travel_from_dev_to_prod_by_approval_and_a_quiet_system_stays_quiet() -> Result<()> {
    let mut story = Story::begin(Teller::quiet(), Some(env!("CARGO_BIN_EXE_stackgate").into()))?;
    for step in STEPS {
        (step.run)(&mut story).with_context(|| format!("step {} ({})", step.number, step.name))?;
    }
    let most = story.most_calls_for_a_stack();
    ensure!(most <= 10, "one stack took {most} CloudFormation calls that name it");
    Ok(())
}
