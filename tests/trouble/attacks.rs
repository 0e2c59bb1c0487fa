//! Attacks of `docs/attacks.md` that come at one moment only, or with a right that whoever makes a Stage has.

use std::{thread, time::Duration};

use anyhow::{Result, ensure};
use rstest::rstest;
use serde_json::json;
use stackgate_core::effect::CONFIRM_WITHIN;
use stackgate_testbed::{
    Call, Fault, Hold, Rule,
    scenario::{Case, Expected, Kind, SHOP, SOON},
};

use super::{patch, world};

const fn stage(condition: &'static str, reason: &'static str, says: &'static str) -> Expected {
    Expected { kind: Kind::Stage, condition, reason, says }
}

/// What comes after the claim.
#[derive(Debug, Clone, Copy)]
enum Late {
    Reject,
    Freeze,
    LostGrant,
}

#[rstest]
fn what_comes_between_claim_and_execution_stops_it(
    #[values(Late::Reject, Late::Freeze, Late::LostGrant)] late: Late,
) -> Result<()> {
    let world = world()?;
    let (name, says) = match late {
        Late::Reject => ("late-reject", "rejected after it had begun"),
        Late::Freeze => ("late-freeze", "the sale"),
        Late::LostGrant => ("late-lost-grant", "does not allow namespace shop"),
    };
    let case = Case::new(world, name)?;
    case.start(world)?;
    let first = case.digest(world, None)?;
    let waiting = case.waiting(world, Some(&first))?;
    let before = case.executions(world);
    // What is claimed is looked at once more, and by its ARN: up to then by its name.
    let mine = case.mine();
    let looked = Rule::on("cloudformation", "DescribeChangeSet", Fault::HoldReply(Hold::UntilReleased))
        .when(move |call| mine(call) && call.param("ChangeSetName").starts_with("arn:"))
        .always();
    let looked = world.proxy.rule(looked);
    world.decide(&waiting.approve_on_plan())?;
    looked.wait_for_hits(1, SOON)?;
    let plan = (Kind::ChangePlan, SHOP, waiting.plan.as_str());
    world.until(plan, "it is claimed", SOON, |plan| plan.ledger("claimed").next().map(drop))?;

    match late {
        Late::Reject => {
            world.decide(&waiting.reject("not this one"))?;
        }
        Late::Freeze => {
            let freeze = json!({ "apiVersion": "stackgate.dev/v1alpha1", "kind": "Freeze",
                "metadata": { "name": name }, "spec": { "reason": says, "accounts": { "names": [name] } } });
            world.kubectl().apply(&freeze.to_string())?;
        }
        Late::LostGrant => {
            patch(world, &["awsaccount", name], &json!({ "allowedNamespaces": [{ "name": "other" }] }))?;
        }
    }
    // The gate was looked at beside the change set: what counts here is the look after that one has grown too old to count.
    thread::sleep(CONFIRM_WITHIN.unsigned_abs() + Duration::from_secs(1));
    looked.remove();
    let closed = world.until(plan, "it is closed", SOON, |plan| plan.ledger("closed").next().cloned())?;
    let why = closed["message"].as_str().unwrap_or_default();
    ensure!(closed["reason"] == "Withdrawn" && why.contains(says), "{closed}");
    case.still(world, before)?;

    let none_left = || -> Result<()> {
        let left = world.executable_change_sets(&case.account, "Dev-Store")?;
        ensure!(left.is_empty(), "it could still be executed: {left:?}");
        Ok(())
    };
    match late {
        // It holds for ever; another release is another matter.
        Late::Reject => {
            case.shows(world, &stage("Waiting", "Rejected", "make a new release"))?;
            none_left()?;
            case.upload(world, &case.release(2)?)?;
            let second = case.digest(world, Some(&first))?;
            world.decide(&case.waiting(world, Some(&second))?.approve_on_plan())?;
            return case.deployed(world, &second);
        }
        // What is held is planned again at once: a change set that is there is the new plan's.
        Late::Freeze => drop(world.kubectl().run(&["delete", "freeze", name])?),
        Late::LostGrant => {
            case.shows(world, &stage("Stalled", "AccountNotAllowed", says))?;
            none_left()?;
            let granted = &case.aws_account["spec"]["allowedNamespaces"];
            patch(world, &["awsaccount", name], &json!({ "allowedNamespaces": granted }))?;
        }
    }
    // What was approved was used up by the claim.
    let again = case.waiting(world, Some(&first))?;
    world.decide(&again.approve_in_slot("again"))?;
    case.deployed(world, &first)
}

#[test]
fn a_change_set_that_somebody_has_put_under_our_name_is_told_and_not_executed() -> Result<()> {
    let world = world()?;
    let case = Case::new(world, "squatted")?;
    let mine = case.mine();
    let store = move |call: &Call| mine(call) && call.param("StackName") == "Dev-Store";
    let held = Rule::on("cloudformation", "CreateChangeSet", Fault::HoldRequest(Hold::UntilReleased));
    let held = world.proxy.rule(held.when(store));
    case.start(world)?;
    held.wait_for_hits(1, SOON)?;
    let asked = world.until_some("the change set is asked for", SOON, || {
        Ok(case.calls(world).into_iter().find(|call| {
            call.call.operation == "CreateChangeSet" && call.call.param("StackName") == "Dev-Store"
        }))
    })?;
    let squatted = asked.call.param("ChangeSetName").to_owned();
    let template = json!({ "Resources": { "Theirs": { "Type": "AWS::SNS::Topic" } } });
    let theirs = json!({ "StackName": "Dev-Store", "ChangeSetName": squatted, "ChangeSetType": "CREATE",
        "Description": "Stackgate: shop/squatted proof=0", "TemplateBody": template.to_string() });
    world.aws.call(&case.account, "cloudformation", "CreateChangeSet", &theirs)?;
    held.remove();

    case.shows(world, &stage("Stalled", "StackNotOurs", "was not made by this installation"))?;
    let seen = case.still(world, case.executions(world))?;
    ensure!(seen.text("/status/pending/plan").is_empty(), "it can be approved:\n{seen}");
    let status = world.stack_status(&case.account, "Dev-Store")?;
    ensure!(status.as_deref() == Some("REVIEW_IN_PROGRESS"), "Dev-Store is {status:?}");
    let left = world.executable_change_sets(&case.account, "Dev-Store")?;
    ensure!(left == [squatted], "theirs is theirs: {left:?}");

    // A change set of another release has another name.
    let first = case.digest(world, None)?;
    case.upload(world, &case.release(2)?)?;
    let second = case.digest(world, Some(&first))?;
    world.decide(&case.waiting(world, Some(&second))?.approve_on_plan())?;
    case.deployed(world, &second)?;
    let made = world.template(&case.account, "Dev-Store")?;
    ensure!(made["Resources"]["Theirs"].is_null(), "theirs was executed: {made}");
    Ok(())
}

#[test]
fn a_stage_without_an_upstream_and_without_a_gate_meets_the_floor_of_its_account() -> Result<()> {
    let world = world()?;
    let mut case = Case::new(world, "floor")?;
    case.stage["spec"]["gate"] = json!({ "identity": "Any", "requireApproval": "Never", "requireAck": [] });
    case.aws_account["spec"]["minimumGate"] = json!({ "requireApproval": "AnyChange" });
    case.start(world)?;
    let first = case.digest(world, None)?;
    let waiting = case.waiting(world, Some(&first))?;
    case.keeps_waiting(world, &waiting)?;
    world.decide(&waiting.approve_on_plan())?;
    case.deployed(world, &first)?;

    // Nothing else held it.
    let none = json!({ "minimumGate": { "requireApproval": "Never", "requireAck": [] } });
    patch(world, &["awsaccount", &case.name], &none)?;
    case.upload(world, &case.release(2)?)?;
    let second = case.digest(world, Some(&first))?;
    case.deployed(world, &second)
}
