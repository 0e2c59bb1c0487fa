//! AWS or the API server goes away for a while.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use stackgate_testbed::{
    Fault, Hold, Rule,
    scenario::{Case, Kind, LONG, SHOP, SOON},
};

use super::{claimed_once, world};

#[test]
fn cloudformation_is_away_for_a_minute_and_the_deployment_goes_on_afterwards() -> Result<()> {
    let world = world()?;
    let case = Case::new(&world, "cloudformation-away")?;
    case.start(&world)?;
    let release = case.digest(&world, None)?;
    let waiting = case.waiting(&world, Some(&release))?;
    let away = world.proxy.rule(Rule::on_service("cloudformation", Fault::Refuse).always());
    let begun = Instant::now();
    world.decide(&waiting.approve_on_plan())?;
    world.until((Kind::Stage, SHOP, &case.name), "it says that it tries again", SOON, |stage| {
        stage.is("Reconciling", Some("Retrying")).then_some(())
    })?;
    case.told(&world, &case.name, "Retrying")?;
    thread::sleep(Duration::from_secs(60).saturating_sub(begun.elapsed()));
    away.remove();
    case.deployed(&world, &release)?;
    claimed_once(&world, &case, &waiting.plan)
}

#[test]
fn the_api_server_is_restarted_while_a_stack_runs() -> Result<()> {
    let mut world = world()?;
    let case = Case::new(&world, "api-server-away")?;
    let held = world.proxy.rule(
        Rule::on("cloudformation", "ExecuteChangeSet", Fault::HoldReply(Hold::UntilReleased)).when({
            let mine = case.mine();
            move |call| mine(call) && call.param("StackName").contains("Dev-")
        }),
    );
    case.start(&world)?;
    let release = case.digest(&world, None)?;
    let waiting = case.waiting(&world, Some(&release))?;
    world.decide(&waiting.approve_on_plan())?;
    held.wait_for_hits(1, SOON)?;
    world.cluster.stop_apiserver();
    held.release();
    thread::sleep(Duration::from_secs(3)); // the stack is done, and nothing of it can be recorded
    world.cluster.start_apiserver()?;
    // A leader that could not renew ends, perhaps only after the API server is back; whoever runs it starts it again.
    let end = Instant::now() + LONG;
    loop {
        if !world.controller()?.is_running() {
            world.controller()?.restart()?;
        }
        let stage = world.object(Kind::Stage, SHOP, &case.name)?.context("the Stage is gone")?;
        if stage.is("UpToDate", None) && stage.text("/status/deployed/digest") == release {
            break;
        }
        let log = world.controller()?.log_tail(40);
        ensure!(Instant::now() < end, "the release was not deployed in time:\n{stage}\n{log}");
        thread::sleep(Duration::from_millis(300));
    }
    case.deployed(&world, &release)?;
    claimed_once(&world, &case, &waiting.plan)
}

#[test]
fn it_ends_when_asked_while_aws_does_not_answer() -> Result<()> {
    let mut world = world()?;
    let case = Case::new(&world, "asked-to-end")?;
    let mine = case.mine();
    let held = world.proxy.rule(
        Rule::on("cloudformation", "ExecuteChangeSet", Fault::HoldRequest(Hold::UntilReleased)).when(mine),
    );
    case.start(&world)?;
    held.wait_for_hits(1, SOON)?; // that of the toolkit stack
    let took = world.controller()?.terminate(Duration::from_secs(5))?;
    ensure!(took < Duration::from_secs(5), "it took {took:?}");
    held.remove();
    world.controller()?.restart()?;
    let release = case.digest(&world, None)?;
    let waiting = case.waiting(&world, Some(&release))?;
    let stacks = world.stacks(&case.account)?;
    let toolkit = stacks.iter().find(|stack| stack.name == "CDKToolkit-acme").context("no toolkit stack")?;
    ensure!(toolkit.status == "CREATE_COMPLETE", "{toolkit:?}");
    ensure!(waiting.stage == case.name);
    case.nothing_twice(&world)
}
