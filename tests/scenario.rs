//! The main job on real parts: API server, CDK assembly, AWS on the wire, the controller as its own process. The steps and
//! their checks are those of `make demo`.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stackgate_testbed::{
    Audited, User, repository,
    scenario::{Kind, SHOP, SOON, STEPS, Story, Teller, World},
};

#[test]
fn releases_travel_from_dev_to_prod_by_approval_and_a_quiet_system_stays_quiet() -> Result<()> {
    let mut story = Story::begin(Teller::quiet(), Some(env!("CARGO_BIN_EXE_stackgate").into()))?;
    for step in STEPS {
        (step.run)(&mut story).with_context(|| format!("step {} ({})", step.number, step.name))?;
    }
    let (most, which) = story.most_calls_for_a_deployment();
    ensure!(most <= 10, "the deployment of a stack took {most} CloudFormation calls that name it: {which}");
    plans_are_read_at_one_look(&story.world)?;
    what_the_story_does_not_come_to(&story.world)?;
    rights_are_those_that_are_used(&story.world.cluster.audited()?, story.world.signs)
}

/// What `kubectl describe` may show of a plan of this story, in bytes: two stacks, at most eight changes, three rounds of decisions.
const ONE_LOOK: usize = 12 * 1024;

#[expect(clippy::print_stdout, reason = "a figure of the README")]
fn plans_are_read_at_one_look(world: &World) -> Result<()> {
    let all = world.kubectl().run(&["-n", SHOP, "get", "plan", "-o", "name"])?;
    let mut largest = 0;
    for name in all.lines() {
        let shown = world.kubectl().run(&["-n", SHOP, "describe", name])?;
        ensure!(shown.len() <= ONE_LOOK, "{name} takes {} bytes:\n{shown}", shown.len());
        largest = largest.max(shown.len());
    }
    println!("the largest of {} plans takes {largest} bytes", all.lines().count());
    ensure!(largest > 0, "there is no plan");
    Ok(())
}

/// So that no right is left out below: each of them is used.
fn what_the_story_does_not_come_to(world: &World) -> Result<()> {
    freezes_show(world).context("a Freeze")?;
    events_are_repeated(world).context("an Event that comes again")?;
    policies_become_others(world).context("other policies")
}

/// src/pass/shown.rs: the story has no Freeze. This one holds up nobody in it.
fn freezes_show(world: &World) -> Result<()> {
    let kubectl = world.kubectl();
    let freeze = json!({ "apiVersion": "stackgate.dev/v1alpha1", "kind": "Freeze", "metadata": { "name": "elsewhere" },
        "spec": { "reason": "the sale", "namespaces": ["elsewhere"] } });
    kubectl.apply(&freeze.to_string())?;
    kubectl.run(&["wait", "--for=condition=Active", "freeze/elsewhere", "--timeout=60s"])?;
    kubectl.run(&["delete", "freeze", "elsewhere"]).map(drop)
}

/// src/kube/events.rs: the same about the same object within six minutes is a patch of the first Event.
fn events_are_repeated(world: &World) -> Result<()> {
    let suspend = |suspended: bool| {
        let patch = json!({ "spec": { "suspend": suspended } }).to_string();
        world.kubectl().run(&["-n", SHOP, "patch", "cdkstage", "dev", "--type=merge", "-p", &patch])?;
        world.until((Kind::Stage, SHOP, "dev"), &format!("suspended: {suspended}"), SOON, |stage| {
            (stage.is("Waiting", Some("Suspended")) == suspended).then_some(())
        })
    };
    [true, false, true].into_iter().try_for_each(suspend)?;
    world.until_some("the Event Suspended has come twice", SOON, || {
        let found =
            world.kubectl().run(&["get", "--raw", "/apis/events.k8s.io/v1/namespaces/shop/events"])?;
        let found: Value = serde_json::from_str(&found)?;
        let mut all = found["items"].as_array().into_iter().flatten();
        Ok(all.any(|e| e["reason"] == "Suspended" && e["series"].is_object()).then_some(()))
    })?;
    suspend(false)
}

/// src/kube/policies/record.rs: that the policies are others is kept.
fn policies_become_others(world: &World) -> Result<()> {
    let shows = |enforced: bool| {
        let what = format!("ApprovalsEnforced is {enforced}");
        world.until((Kind::Stage, SHOP, "dev"), &what, SOON, |stage| {
            (stage.condition("ApprovalsEnforced")?.is_true == enforced).then_some(())
        })
    };
    shows(true)?;
    world.kubectl().run(&["delete", "validatingadmissionpolicybinding", "room.stackgate.dev"])?;
    shows(false)?;
    world.apply_files(&[&repository().join("deploy/policies.yaml")])?;
    shows(true)
}

/// The controller was denied nothing, and may do nothing that it does not do.
fn rights_are_those_that_are_used(audited: &[Audited], signs: bool) -> Result<()> {
    let calls: Vec<&Audited> = audited.iter().filter(|call| call.user == User::Controller.name()).collect();
    // Not by a status of 403: the admission policies deny what the controller tries them with.
    let forbidden = |call: &&&Audited| {
        call.annotations
            .iter()
            .any(|(key, value)| key == "authorization.k8s.io/decision" && value == "forbid")
    };
    let denied: BTreeSet<_> =
        calls.iter().filter(forbidden).map(|c| (&c.verb, &c.group, &c.resource)).collect();
    ensure!(denied.is_empty(), "the chart gives the controller too little: {denied:?}");

    let used: BTreeSet<(&str, &str, &str)> =
        calls.iter().map(|c| (c.verb.as_str(), c.group.as_str(), c.resource.as_str())).collect();
    let objects: Vec<Value> = serde_saphyr::from_multiple(include_str!("../deploy/rbac.yaml"))?;
    let rules = objects.iter().filter_map(|object| object["rules"].as_array()).flatten();
    let list = |rule: &Value, field: &str| -> Vec<String> {
        rule[field].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut unused = BTreeSet::new();
    for rule in rules {
        for group in list(rule, "apiGroups") {
            for resource in list(rule, "resources") {
                for verb in list(rule, "verbs") {
                    // deploy/ is rendered for the newest Kubernetes; before 1.36 the chart leaves these out.
                    let left_out = !signs && resource.starts_with("mutatingadmissionpolic");
                    let is_used = used.contains(&(verb.as_str(), group.as_str(), resource.as_str()));
                    ensure!(!left_out || !is_used, "the chart leaves out what is used: {verb} {resource}");
                    if !left_out && !is_used {
                        unused.insert(format!("{verb} {resource}.{group}"));
                    }
                }
            }
        }
    }
    ensure!(
        unused.is_empty(),
        "the chart gives the controller what it does not use: {unused:?}; it does {used:?}"
    );
    Ok(())
}
