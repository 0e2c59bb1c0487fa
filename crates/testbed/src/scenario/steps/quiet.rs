//! Step 6: what is applied again unchanged, or started again, changes nothing.

use std::{collections::BTreeMap, thread, time::Duration};

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{STAGES, Story};
use crate::{
    Exchange,
    scenario::{BUILD, Kind, SOON, World, account_of},
};

/// A while in which the controller would do what it has to do.
const A_WHILE: Duration = Duration::from_secs(3);

pub(super) fn run(story: &mut Story) -> Result<()> {
    let before = settled(&story.world)?;
    let from = story.next_call();
    let output = story.apply(&[
        "namespace.yaml",
        "accounts.yaml",
        "bootstrap.yaml",
        "assembly.yaml",
        "people.yaml",
        "stages.yaml",
    ])?;
    ensure!(
        output.lines().all(|line| line.ends_with("unchanged")),
        "kubectl apply changed something:\n{output}"
    );
    thread::sleep(A_WHILE);
    same(story, &before, from, "everything was applied again")?;

    let controller = story.world.controller()?;
    let took = controller.terminate(Duration::from_secs(5))?;
    let from = story.next_call();
    story.world.controller()?.restart()?;
    at_work(story, from)?;
    same(
        story,
        &before,
        from,
        &format!("the controller was asked to end (it took {took:.1?}) and started again"),
    )?;

    let from = story.next_call();
    story.world.controller()?.kill();
    story.world.controller()?.restart()?;
    at_work(story, from)?;
    same(story, &before, from, "the controller was killed and started again")?;
    end(story)
}

/// Waits until the controller has looked at every account again, and a while longer.
fn at_work(story: &Story, from: u64) -> Result<()> {
    let polled = |calls: &[Exchange], account: &str| {
        calls.iter().any(|call| call.number >= from && account_of(call) == account && call.actor.is_some())
    };
    story.teller.during("waiting until it has looked at every account again", || {
        story.world.until_some("the controller looks at every account", SOON, || {
            let calls = story.world.proxy.recorded();
            Ok(STAGES.iter().all(|stage| polled(&calls, stage.account)).then_some(()))
        })
    })?;
    thread::sleep(A_WHILE);
    Ok(())
}

/// The resource versions of everything that the controller may write, but the Lease.
fn versions(world: &World) -> Result<BTreeMap<String, String>> {
    let ours = Kind::ALL.map(|kind| format!("/apis/stackgate.dev/v1alpha1/{}", kind.plural()));
    let others =
        ["/apis/events.k8s.io/v1/events", "/api/v1/secrets", "/api/v1/configmaps"].map(str::to_owned);
    let mut versions = BTreeMap::new();
    for path in ours.into_iter().chain(others) {
        let list: Value = serde_json::from_str(&world.kubectl().run(&["get", "--raw", &path])?)?;
        for object in list["items"].as_array().into_iter().flatten() {
            let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
            let name = format!("{path} {}/{} {}", text("namespace"), text("name"), text("uid"));
            versions.insert(name, text("resourceVersion").to_owned());
        }
    }
    Ok(versions)
}

/// The versions once they stay the same for a while.
fn settled(world: &World) -> Result<BTreeMap<String, String>> {
    world.until_some("the controller writes no more", SOON, || {
        let before = versions(world)?;
        thread::sleep(A_WHILE);
        Ok((versions(world)? == before).then_some(before))
    })
}

fn same(story: &Story, before: &BTreeMap<String, String>, from: u64, after_what: &str) -> Result<()> {
    let after = versions(&story.world)?;
    let moved: Vec<_> = after.iter().filter(|(name, version)| before.get(*name) != Some(*version)).collect();
    ensure!(moved.is_empty() && after.len() == before.len(), "{after_what}, and objects changed: {moved:?}");
    let calls = story.world.proxy.recorded();
    let mutations: Vec<String> = calls
        .iter()
        .filter(|call| call.number >= from && call.call.is_mutating())
        .map(|call| format!("{}:{}", call.call.service, call.call.operation))
        .collect();
    ensure!(mutations.is_empty(), "{after_what}, and AWS was changed: {mutations:?}");
    story.teller.holds(&format!("{after_what}: no change in AWS, no write in Kubernetes"));
    Ok(())
}

fn end(story: &Story) -> Result<()> {
    story.show(&["get", "cdkstage,plan", "-A"])?;
    for account in STAGES.map(|stage| stage.account).into_iter().chain([BUILD]) {
        let stacks = story.world.stacks(account)?;
        let lines: Vec<String> =
            stacks.iter().map(|stack| format!("{:<20} {}", stack.name, stack.status)).collect();
        let lines = if lines.is_empty() { "(none)".to_owned() } else { lines.join("\n") };
        story.teller.command(&format!("aws cloudformation describe-stacks  # account {account}"), &lines);
    }
    let calls = story.world.proxy.recorded().len();
    story.teller.say(&format!("AWS calls of the whole demo: {calls}"));
    story.teller.say(&format!(
        "at most {} CloudFormation calls named a stack for one deployment (aim: 10)",
        story.most_calls_for_a_deployment().0
    ));
    Ok(())
}
