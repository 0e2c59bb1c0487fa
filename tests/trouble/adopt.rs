//! Stacks that somebody else has made: taken over as they are, by a plan that says so.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stackgate_testbed::scenario::{Case, Expected, Kind, LONG, SHOP, SOON, World, deploy};

use super::world;

const FOREIGN: Expected = Expected {
    kind: Kind::Stage,
    condition: "Stalled",
    reason: "StackNotOurs",
    says: "spec.adoptionPolicy: Unowned",
};

/// The stacks as CloudFormation has them, with the times of their last updates.
fn described(world: &World, case: &Case) -> Result<Vec<(Value, Value, Value, Value)>> {
    let found = world.aws.call(&case.account, "cloudformation", "DescribeStacks", &json!({}))?;
    let mut stacks: Vec<_> = found["Stacks"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|s| s["StackName"].as_str().is_some_and(|n| n.starts_with("Dev-")))
        .map(|s| {
            (
                s["StackName"].clone(),
                s["StackId"].clone(),
                s["StackStatus"].clone(),
                s["LastUpdatedTime"].clone(),
            )
        })
        .collect();
    stacks.sort_by_key(|s| s.0.to_string());
    Ok(stacks)
}

fn adopt(world: &World, case: &Case) -> Result<()> {
    let patch = json!({ "spec": { "adoptionPolicy": "Unowned" } }).to_string();
    world.kubectl().run(&["-n", SHOP, "patch", "cdkstage", &case.name, "--type=merge", "-p", &patch])?;
    Ok(())
}

#[test]
fn stacks_that_the_cdk_cli_deployed_are_taken_over_and_nothing_is_made_again() -> Result<()> {
    let world = world()?;
    let case = Case::new(world, "adopted")?;
    case.bootstrap(world)?;
    deploy(&world.target(), &case.assembly, "Dev/*")?;
    let before = described(world, &case)?;
    ensure!(before.len() == 2, "the CDK has deployed {before:?}");

    case.start(world)?;
    let first = case.digest(world, None)?;
    case.shows(world, &FOREIGN)?;
    ensure!(described(world, &case)? == before, "they were touched");

    adopt(world, &case)?;
    let waiting = case.waiting(world, Some(&first))?;
    let plan = world.object(Kind::ChangePlan, SHOP, &waiting.plan)?.context("the plan is gone")?;
    ensure!(plan.text("/spec/proposal/operation") == "Adopt", "{plan}");
    ensure!(described(world, &case)? == before, "they were touched before anybody has approved");
    world.decide(&waiting.approve_on_plan())?;
    case.deployed(world, &first)?;
    ensure!(described(world, &case)? == before, "they were made again: {:?}", described(world, &case)?);

    // They are ours now: the next release goes the usual way.
    case.upload(world, &case.release(2)?)?;
    let second = case.digest(world, Some(&first))?;
    world.decide(&case.waiting(world, Some(&second))?.approve_on_plan())?;
    case.deployed(world, &second)?;
    let after: Vec<_> = described(world, &case)?.into_iter().map(|s| s.1).collect();
    ensure!(after == before.into_iter().map(|s| s.1).collect::<Vec<_>>(), "other stacks: {after:?}");
    Ok(())
}

#[test]
fn a_stack_of_another_stage_is_not_taken_over_before_that_one_is_gone() -> Result<()> {
    let world = world()?;
    let mut case = Case::new(world, "owner")?;
    case.start(world)?;
    let first = case.digest(world, None)?;
    world.decide(&case.waiting(world, Some(&first))?.approve_on_plan())?;
    case.deployed(world, &first)?;
    let before = described(world, &case)?;

    let owner = case.name.clone();
    case.name = "heir".to_owned();
    case.stage["metadata"]["name"] = json!("heir");
    case.stage["spec"]["adoptionPolicy"] = json!("Unowned");
    world.kubectl().apply(&case.stage.to_string())?;
    case.shows(world, &Expected { says: "belongs to Stage shop/owner", ..FOREIGN })?;

    world.kubectl().run(&["-n", SHOP, "delete", "cdkstage", &owner])?;
    let waiting = case.waiting(world, Some(&first))?;
    world.decide(&waiting.approve_on_plan())?;
    case.deployed(world, &first)?;
    ensure!(described(world, &case)? == before, "they were touched");
    Ok(())
}

#[test]
fn toolkit_stacks_that_others_made_are_used_as_they_are() -> Result<()> {
    let world = world()?;
    let mut case = Case::new(world, "observed")?;
    case.bootstrap["spec"]["mode"] = json!("Observe");
    world.kubectl().apply(&case.aws_account.to_string())?;
    world.kubectl().apply(&case.bootstrap.to_string())?;
    let cluster_wide = (Kind::Bootstrap, "", case.name.as_str());
    world.until(cluster_wide, "it says that nobody has bootstrapped", SOON, |object| {
        object.is("Stalled", Some("NotBootstrapped")).then_some(())
    })?;
    ensure!(world.stacks(&case.account)?.is_empty(), "it has made a stack");

    // Somebody does.
    let by_others = Case { bootstrap: with_mode(&case.bootstrap, "Manage"), ..case.clone() };
    by_others.bootstrap(world)?;
    let made = world.stacks(&case.account)?;
    world.kubectl().run(&["delete", "cdkboot", &case.name])?;
    world.kubectl().apply(&case.bootstrap.to_string())?;
    world.until(cluster_wide, "it has seen the version", LONG, |object| {
        let version = object.list("/status/environments").first()?["version"].as_u64()?;
        (object.is("Ready", None) && version == 33).then_some(())
    })?;
    case.start(world)?;
    let first = case.digest(world, None)?;
    world.decide(&case.waiting(world, Some(&first))?.approve_on_plan())?;
    case.deployed(world, &first)?;
    let toolkit: Vec<_> =
        world.stacks(&case.account)?.into_iter().filter(|s| s.name == "CDKToolkit-acme").collect();
    ensure!(toolkit.len() == 1 && made.iter().any(|s| s.id == toolkit[0].id), "another toolkit stack");
    Ok(())
}

fn with_mode(bootstrap: &Value, mode: &str) -> Value {
    let mut other = bootstrap.clone();
    other["spec"]["mode"] = json!(mode);
    other
}
