//! What holds a release back although it is approved, what lets it go, and what lets it run without anybody.

use anyhow::{Result, ensure};
use serde_json::json;
use stackgate_testbed::scenario::{Case, Expected, Kind, LONG, SHOP, SOON, Waiting, World};

use super::{annotate, patch, stacks::never_ready, world};

const fn waits(reason: &'static str, says: &'static str) -> Expected {
    Expected { kind: Kind::Stage, condition: "Waiting", reason, says }
}

fn decide(world: &World, waiting: &Waiting, what: &str, more: &str) -> Result<()> {
    annotate(
        world,
        "plan",
        &waiting.plan,
        &format!("gate.stackgate.dev/{what}={};by=alice{more}", waiting.id),
    )
}

#[test]
fn a_stage_that_is_suspended_a_freeze_and_a_revoke_hold_what_is_approved_and_an_override_does_not_wait()
-> Result<()> {
    let world = world()?;
    let mut case = Case::new(world, "held")?;
    case.stage["spec"]["suspend"] = json!(true);
    case.start(world)?;
    let first = case.digest(world, None)?;
    case.shows(world, &waits("Suspended", "suspend"))?;
    patch(world, &["cdkstage", "held"], &json!({ "suspend": false }))?;
    let waiting = case.waiting(world, Some(&first))?;
    let before = case.executions(world);
    patch(world, &["cdkstage", "held"], &json!({ "suspend": true }))?;
    world.decide(&waiting.approve_on_plan())?;
    world.until((Kind::ChangePlan, SHOP, &waiting.plan), "its approval is recorded", SOON, |plan| {
        plan.ledger("decided").next().map(drop)
    })?;
    let waited = case.still(world, before)?;
    ensure!(waited.is("Waiting", Some("Suspended")), "{waited}");
    patch(world, &["cdkstage", "held"], &json!({ "suspend": false }))?;
    case.deployed(world, &first)?;

    let freeze = json!({ "apiVersion": "stackgate.dev/v1alpha1", "kind": "Freeze", "metadata": { "name": "held" },
        "spec": { "reason": "the sale", "accounts": { "names": ["held"] } } });
    world.kubectl().apply(&freeze.to_string())?;
    let before = case.executions(world);
    case.upload(world, &case.release(2)?)?;
    let second = case.digest(world, Some(&first))?;
    let waiting = case.waiting(world, Some(&second))?;
    world.decide(&waiting.approve_in_slot("first"))?;
    case.shows(world, &waits("Frozen", "the sale"))?;
    // What was approved is taken back while it waits, so that it does not run as soon as the freeze is over.
    world.decide(&waiting.revoke())?;
    case.shows(world, &waits("AwaitingApproval", "approval"))?;
    world.kubectl().run(&["delete", "freeze", "held"])?;
    case.keeps_waiting(world, &waiting)?;
    world.kubectl().apply(&freeze.to_string())?;
    ensure!(case.executions(world) == before, "it was frozen, and then taken back");
    decide(world, &waiting, "override.now", ";reason=INC-4711")?;
    let acks = if waiting.acks.is_empty() { String::new() } else { format!(";ack={}", waiting.acks) };
    annotate(
        world,
        "plan",
        &waiting.plan,
        &format!("gate.stackgate.dev/approve.bob={};by=bob{acks}", waiting.id),
    )?;
    case.deployed(world, &second)?;
    world.kubectl().run(&["delete", "freeze", "held"]).map(drop)
}

#[test]
fn a_stage_that_is_pinned_goes_back_by_an_approved_plan_and_takes_no_new_release() -> Result<()> {
    let world = world()?;
    let case = Case::new(world, "pinned")?;
    case.start(world)?;
    let first = case.digest(world, None)?;
    world.decide(&case.waiting(world, Some(&first))?.approve_on_plan())?;
    case.deployed(world, &first)?;
    case.upload(world, &case.release(2)?)?;
    let second = case.digest(world, Some(&first))?;
    world.decide(&case.waiting(world, Some(&second))?.approve_on_plan())?;
    case.deployed(world, &second)?;

    patch(world, &["cdkstage", "pinned"], &json!({ "pin": { "digest": first, "reason": "INC-4711" } }))?;
    let back = case.waiting(world, Some(&first))?;
    let operation = world.until((Kind::ChangePlan, SHOP, &back.plan), "it is there", LONG, |plan| {
        Some(plan.text("/spec/proposal/operation").to_owned())
    })?;
    ensure!(operation == "Rollback", "the plan is for a {operation}");
    world.decide(&back.approve_on_plan())?;
    case.deployed(world, &first)?;
    // A new release passes it by until the pin is taken away.
    let before = case.executions(world);
    case.upload(world, &case.release(3)?)?;
    let third = case.digest(world, Some(&second))?;
    let pinned = case.still(world, before)?;
    ensure!(pinned.text("/status/deployed/digest") == first, "{pinned}");
    ensure!(pinned.text("/status/pending/digest").is_empty(), "it is planned:\n{pinned}");
    patch(world, &["cdkstage", "pinned"], &json!({ "pin": null }))?;
    world.decide(&case.waiting(world, Some(&third))?.approve_on_plan())?;
    case.deployed(world, &third)
}

#[test]
fn what_was_rolled_back_is_tried_again_with_the_approval_that_it_had() -> Result<()> {
    let world = world()?;
    let case = Case::new(world, "retried")?;
    case.start(world)?;
    let first = case.digest(world, None)?;
    world.decide(&case.waiting(world, Some(&first))?.approve_on_plan())?;
    case.deployed(world, &first)?;
    case.upload(world, &never_ready(&case.release(2)?)?)?;
    let second = case.digest(world, Some(&first))?;
    let waiting = case.waiting(world, Some(&second))?;
    world.decide(&waiting.approve_on_plan())?;
    let failed = Expected {
        kind: Kind::Stage,
        condition: "Stalled",
        reason: "RolledBack",
        says: "WaitCondition timed out",
    };
    case.shows(world, &failed)?;
    let before = case.executions(world);
    let claims = || -> Result<usize> {
        let all = world.objects(Kind::ChangePlan, Some(SHOP))?;
        Ok(all.iter().filter(|p| p.name().starts_with("retried-")).map(|p| p.ledger("claimed").count()).sum())
    };
    let once = claims()?;
    decide(world, &waiting, "retry", "")?;
    world.until_some("it is executed again, and by nobody's new approval", LONG, || {
        Ok((case.executions(world) > before && claims()? > once).then_some(()))
    })?;
    case.shows(world, &failed)?;
    case.nothing_twice(world)
}

#[test]
fn what_carries_no_risk_runs_by_rule_and_what_carries_one_waits() -> Result<()> {
    let world = world()?;
    let mut case = Case::new(world, "on-risk")?;
    let rule = json!({ "requireApproval": "OnRisk" });
    case.stage["spec"]["gate"] = json!({ "identity": "Any", "requireApproval": "OnRisk" });
    case.start(world)?;
    let first = case.digest(world, None)?;
    let waiting = case.waiting(world, Some(&first))?;
    ensure!(waiting.acks.contains("iam"), "a role is made: {waiting:?}");
    world.decide(&waiting.approve_on_plan())?;
    case.deployed(world, &first)?;
    case.upload(world, &case.release(2)?)?;
    let second = case.digest(world, Some(&first))?;
    // The account asks for more than the Stage, until its owner says otherwise.
    case.waiting(world, Some(&second))?;
    patch(world, &["awsaccount", "on-risk"], &json!({ "minimumGate": rule }))?;
    case.deployed(world, &second)
}
