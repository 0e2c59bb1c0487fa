//! Annotations that decide nothing.

use anyhow::Result;
use stackgate_testbed::scenario::{Case, Expected, Kind, SHOP, SOON, Waiting, World};

use super::{annotate, world};

fn ignored(world: &World, waiting: &Waiting, says: &str) -> Result<()> {
    let what = format!("it lists what was ignored, with {says:?}");
    world.until((Kind::ChangePlan, SHOP, &waiting.plan), &what, SOON, |plan| {
        let list = plan.list("/status/ignored");
        list.iter().any(|entry| entry.as_str().is_some_and(|text| text.contains(says))).then_some(())
    })
}

#[test]
fn garbage_a_wrong_id_and_an_old_id_let_nothing_run() -> Result<()> {
    let world = world()?;
    let case = Case::new(world, "decisions")?;
    case.start(world)?;
    let first = case.digest(world, None)?;
    let waiting = case.waiting(world, Some(&first))?;

    let prefix: String = waiting.id.chars().take(12).collect();
    let wrong = format!("c1-{}", "0".repeat(40));
    for (slot, value) in
        [("", "yes"), (".prefix", prefix.as_str()), (".garbage", "\u{1f355};;=;"), (".wrong", wrong.as_str())]
    {
        annotate(world, "plan", &waiting.plan, &format!("gate.stackgate.dev/approve{slot}={value}"))?;
    }
    annotate(world, "plan", &waiting.plan, &format!("gate.stackgate.dev/aprove={}", waiting.id))?;
    annotate(world, "cdkstage", &case.name, &format!("gate.stackgate.dev/approve.wrong={wrong}"))?;
    ignored(world, &waiting, "must start with the whole change id")?;
    ignored(world, &waiting, "the key must be")?;
    case.told(world, &waiting.plan, "IgnoredDecision")?;
    world.until((Kind::Stage, SHOP, &case.name), "it lists the id that no plan has", SOON, |stage| {
        let list = stage.list("/status/ignored");
        list.iter().any(|entry| entry.as_str().is_some_and(|text| text.contains(&wrong))).then_some(())
    })?;
    case.told(world, &case.name, "IgnoredDecision")?;
    case.keeps_waiting(world, &waiting)?;
    annotate(world, "plan", &waiting.plan, &format!("gate.stackgate.dev/approve={}", waiting.signed()))?;
    case.deployed(world, &first)?;

    case.upload(world, &case.release(2)?)?;
    let second = case.digest(world, Some(&first))?;
    let next = case.waiting(world, Some(&second))?;
    annotate(world, "plan", &next.plan, &format!("gate.stackgate.dev/approve={}", waiting.id))?;
    world.decide(&waiting.approve_on_stage())?;
    case.keeps_waiting(world, &next)?;
    world.decide(&next.approve_on_stage())?;
    case.deployed(world, &second)
}

#[test]
fn a_release_is_verified_when_the_program_that_tests_it_says_so() -> Result<()> {
    let world = world()?;
    let mut case = Case::new(world, "checked")?;
    case.stage["spec"]["checks"] = serde_json::json!([{ "name": "smoke" }]);
    case.start(world)?;
    let release = case.digest(world, None)?;
    let waiting = case.waiting(world, Some(&release))?;
    annotate(world, "plan", &waiting.plan, &format!("gate.stackgate.dev/approve={}", waiting.signed()))?;
    case.shows(
        world,
        &Expected {
            kind: Kind::Stage,
            condition: "Waiting",
            reason: "AwaitingCheck",
            says: "awaiting the report of smoke",
        },
    )?;
    let report = format!(
        "gate.stackgate.dev/check.smoke={};result=passed;by=system:serviceaccount:shop:ci",
        waiting.id
    );
    annotate(world, "plan", &waiting.plan, &report)?;
    case.deployed(world, &release)
}
