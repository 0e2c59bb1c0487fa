//! Stacks that nobody wants any more.

use anyhow::{Context, Result, ensure};
use rstest::rstest;
use serde_json::json;
use stackgate_testbed::{
    Fault, Rule,
    scenario::{Case, Kind, LONG, SHOP, World},
};

use super::{patch, world};

fn apps(world: &World, case: &Case) -> Result<Vec<String>> {
    let all = world.stacks(&case.account)?.into_iter().filter(|s| s.status != "DELETE_COMPLETE");
    Ok(all.map(|s| s.name).filter(|n| n.starts_with("Dev-")).collect())
}

#[rstest]
fn a_stack_that_left_the_release_is_deleted_by_an_approved_plan_and_the_rest_with_the_stage(
    #[values(None, Some(Fault::DropReply), Some(Fault::Refuse))] fault: Option<Fault>,
) -> Result<()> {
    let world = world()?;
    let name = match fault {
        None => "leaner",
        Some(Fault::DropReply) => "leaner-lost",
        Some(_) => "leaner-refused",
    };
    let case = Case::new(world, name)?;
    let once = fault
        .map(|fault| world.proxy.rule(Rule::on("cloudformation", "DeleteStack", fault).when(case.mine())));
    case.start(world)?;
    let first = case.digest(world, None)?;
    world.decide(&case.waiting(world, Some(&first))?.approve_on_plan())?;
    case.deployed(world, &first)?;

    patch(world, &["cdkstage", &case.name], &json!({ "removedStacks": "Delete" }))?;
    let mut leaner = case.assembly.clone();
    leaner.edit("assembly-Dev/manifest.json", |manifest| {
        if let Some(artifacts) = manifest["artifacts"].as_object_mut() {
            artifacts.retain(|id, _| !id.contains("Api"));
        }
    })?;
    case.upload(world, &leaner)?;
    let second = case.digest(world, Some(&first))?;
    let waiting = case.waiting(world, Some(&second))?;
    let plan = world.object(Kind::ChangePlan, SHOP, &waiting.plan)?.context("the plan is gone")?;
    ensure!(plan.text("/spec/proposal/operation") == "Prune", "{plan}");
    ensure!(
        apps(world, &case)? == ["Dev-Api", "Dev-Store"],
        "something was deleted before anybody has approved"
    );
    world.decide(&waiting.approve_on_plan())?;
    world.deployed(SHOP, &case.name, &second, LONG)?;
    ensure!(apps(world, &case)? == ["Dev-Store"], "{:?}", apps(world, &case)?);
    case.told(world, &waiting.plan, "StackDeleted")?;
    ensure!(once.is_none_or(|rule| rule.hits() == 1), "no DeleteStack was disturbed");

    // The account's owner lets stacks go with their Stage, and so does the Stage.
    patch(world, &["awsacct", &case.name], &json!({ "minimumGate": { "deletionPolicy": "Delete" } }))?;
    patch(world, &["cdkstage", &case.name], &json!({ "deletionPolicy": "Delete" }))?;
    world.kubectl().run(&["-n", SHOP, "delete", "cdkstage", &case.name, "--wait=false"])?;
    world.until_some("its stack is gone, and so is the Stage", LONG, || {
        let gone = world.object(Kind::Stage, SHOP, &case.name)?.is_none();
        Ok((gone && apps(world, &case)?.is_empty()).then_some(()))
    })
}

/// The same as taking the stack out, and easier to overlook.
#[test]
fn a_template_that_loses_all_its_resources_deletes_nothing_that_nobody_has_approved() -> Result<()> {
    let world = world()?;
    let case = Case::new(world, "emptied")?;
    case.start(world)?;
    let first = case.digest(world, None)?;
    world.decide(&case.waiting(world, Some(&first))?.approve_on_plan())?;
    case.deployed(world, &first)?;

    let mut emptied = case.assembly.clone();
    let template = emptied.template_path("DevApi")?;
    emptied.edit(&template, |template| template["Resources"] = json!({}))?;
    case.upload(world, &emptied)?;
    let second = case.digest(world, Some(&first))?;
    case.deployed(world, &second)?;
    ensure!(apps(world, &case)? == ["Dev-Api", "Dev-Store"], "{:?}", apps(world, &case)?);

    patch(world, &["cdkstage", &case.name], &json!({ "removedStacks": "Delete" }))?;
    let waiting = case.waiting(world, Some(&second))?;
    let plan = world.object(Kind::ChangePlan, SHOP, &waiting.plan)?.context("the plan is gone")?;
    ensure!(plan.text("/spec/proposal/operation") == "Prune", "{plan}");
    case.keeps_waiting(world, &waiting)?;
    ensure!(apps(world, &case)? == ["Dev-Api", "Dev-Store"], "{:?}", apps(world, &case)?);
    world.decide(&waiting.approve_on_plan())?;
    world.until_some(
        "the stack is deleted",
        LONG,
        || Ok((apps(world, &case)? == ["Dev-Store"]).then_some(())),
    )
}
