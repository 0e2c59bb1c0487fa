//! The controller is killed in the worst moments.

use anyhow::Result;
use rstest::{Context, rstest};
use stackgate_testbed::{
    Fault, Hold, Rule,
    scenario::{Case, SOON},
};

use super::{claimed_once, world};

/// When the controller is killed, seen from AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Killed {
    /// The claim stands, the execution never arrives.
    BeforeItArrives,
    /// The execution is on its way, and arrives after the death.
    OnItsWay,
    /// It was accepted, and nobody has read the answer.
    BeforeTheAnswer,
}

#[rstest]
#[case::execute_before("ExecuteChangeSet", Killed::BeforeItArrives)]
#[case::execute_on_its_way("ExecuteChangeSet", Killed::OnItsWay)]
#[case::execute_answered("ExecuteChangeSet", Killed::BeforeTheAnswer)]
#[case::create_on_its_way("CreateChangeSet", Killed::OnItsWay)]
#[case::create_answered("CreateChangeSet", Killed::BeforeTheAnswer)]
fn a_controller_that_is_killed_goes_on_where_it_was(
    #[context] test: Context,
    #[case] operation: &'static str,
    #[case] killed: Killed,
) -> Result<()> {
    let mut world = world()?;
    let name = format!("killed-{}", test.description.unwrap_or("call").replace('_', "-"));
    let case = Case::new(&world, &name)?;
    case.bootstrap(&world)?;
    let fault = match killed {
        Killed::BeforeItArrives => Fault::Refuse,
        Killed::OnItsWay => Fault::HoldRequest(Hold::UntilReleased),
        Killed::BeforeTheAnswer => Fault::HoldReply(Hold::UntilReleased),
    };
    let mine = case.mine();
    let rule = world.proxy.rule(
        Rule::on("cloudformation", operation, fault)
            .when(move |call| mine(call) && call.param("StackName").contains("Dev-"))
            .times(1),
    );
    case.start(&world)?;
    let release = case.digest(&world, None)?;
    if operation == "ExecuteChangeSet" {
        let waiting = case.waiting(&world, Some(&release))?;
        world.decide(&waiting.approve_on_plan())?;
    }
    rule.wait_for_hits(1, SOON)?;
    world.controller()?.kill();
    rule.remove();
    world.controller()?.restart()?;
    if operation != "ExecuteChangeSet" {
        let waiting = case.waiting(&world, Some(&release))?;
        world.decide(&waiting.approve_on_plan())?;
    }
    case.deployed(&world, &release)?;
    let plan = world.deployed(stackgate_testbed::scenario::SHOP, &case.name, &release, SOON)?;
    claimed_once(&world, &case, &plan)
}
