//! A reply that is lost, or a call that never arrived: a look tells, and nothing is done twice.

use anyhow::{Result, ensure};
use rstest::{Context, rstest};
use serde_json::json;
use stackgate_testbed::{
    Fault, Rule,
    scenario::{Case, Expected, Kind},
};

use super::world;

#[rstest]
#[case::assume_role("sts", "AssumeRole")]
#[case::put_object("s3", "PutObject")]
#[case::create_change_set("cloudformation", "CreateChangeSet")]
#[case::execute_change_set("cloudformation", "ExecuteChangeSet")]
fn every_call_of_a_bootstrap_and_a_deployment_may_get_lost_once(
    #[context] test: Context,
    #[case] service: &'static str,
    #[case] operation: &'static str,
    #[values(Fault::DropReply, Fault::Refuse)] fault: Fault,
) -> Result<()> {
    let world = world()?;
    let how = if fault == Fault::DropReply { "lost" } else { "refused" };
    let name = format!("{how}-{}", test.description.unwrap_or("call").replace('_', "-"));
    let case = Case::new(world, &name)?;
    let mine = case.mine();
    // One of the bootstrap and one of the deployment.
    let toolkit = world.proxy.rule(Rule::on(service, operation, fault.clone()).when(move |call| {
        mine(call) && (service != "cloudformation" || call.param("StackName").contains("CDKToolkit"))
    }));
    let mine = case.mine();
    let stage = world.proxy.rule(Rule::on(service, operation, fault).when(move |call| {
        mine(call) && service == "cloudformation" && call.param("StackName").contains("Dev-")
    }));
    case.start(world)?;
    let release = case.digest(world, None)?;
    world.decide(&case.waiting(world, Some(&release))?.approve_on_plan())?;
    case.deployed(world, &release)?;
    ensure!(toolkit.hits() == 1, "no {operation} was {how}");
    ensure!(service != "cloudformation" || stage.hits() == 1, "no {operation} of the Stage was {how}");
    Ok(())
}

#[rstest]
fn the_protection_of_a_stack_may_get_lost_once(
    #[values(Fault::DropReply, Fault::Refuse)] fault: Fault,
) -> Result<()> {
    let world = world()?;
    let how = if fault == Fault::DropReply { "lost" } else { "refused" };
    let mut case = Case::new(world, &format!("{how}-protection"))?;
    case.assembly.edit("assembly-Dev/manifest.json", |manifest| {
        for (_, artifact) in manifest["artifacts"].as_object_mut().into_iter().flatten() {
            if artifact["properties"]["stackName"] == "Dev-Store" {
                artifact["properties"]["terminationProtection"] = json!(true);
            }
        }
    })?;
    let rule =
        world.proxy.rule(Rule::on("cloudformation", "UpdateTerminationProtection", fault).when(case.mine()));
    case.start(world)?;
    let release = case.digest(world, None)?;
    world.decide(&case.waiting(world, Some(&release))?.approve_on_plan())?;
    case.deployed(world, &release)?;
    ensure!(rule.hits() == 1, "no UpdateTerminationProtection was {how}");
    let stack = json!({ "StackName": "Dev-Store" });
    let found = world.aws.call(&case.account, "cloudformation", "DescribeStacks", &stack)?;
    ensure!(found["Stacks"][0]["EnableTerminationProtection"] == true, "it is not protected: {found}");
    Ok(())
}

#[rstest]
#[case::delete_change_set("DeleteChangeSet")]
#[case::delete_stack("DeleteStack")]
fn every_call_of_a_withdrawal_may_get_lost_once(
    #[context] test: Context,
    #[case] operation: &'static str,
    #[values(Fault::DropReply, Fault::Refuse)] fault: Fault,
) -> Result<()> {
    let world = world()?;
    let how = if fault == Fault::DropReply { "lost" } else { "refused" };
    let name = format!("{how}-{}", test.description.unwrap_or("call").replace('_', "-"));
    let case = Case::new(world, &name)?;
    let rule = world.proxy.rule(Rule::on("cloudformation", operation, fault).when(case.mine()));
    case.start(world)?;
    let waiting = case.waiting(world, None)?;
    world.decide(&waiting.reject("not this one"))?;
    let expected =
        Expected { kind: Kind::Stage, condition: "Waiting", reason: "Rejected", says: "make a new release" };
    case.shows(world, &expected)?;
    ensure!(rule.hits() == 1, "no {operation} was {how}");
    for stack in ["Dev-Store", "Dev-Api"] {
        let left = world.stack_status(&case.account, stack)?;
        ensure!(left.is_none(), "stack {stack} is left as {left:?}");
    }
    Ok(())
}
