//! The main job on real parts: API server, CDK assembly, AWS on the wire, the controller as its own process. The steps and
//! their checks are those of `make demo`.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use stackgate_testbed::{
    Audited, User,
    scenario::{STEPS, Story, Teller},
};

#[test]
fn releases_travel_from_dev_to_prod_by_approval_and_a_quiet_system_stays_quiet() -> Result<()> {
    let mut story = Story::begin(Teller::quiet(), Some(env!("CARGO_BIN_EXE_stackgate").into()))?;
    for step in STEPS {
        (step.run)(&mut story).with_context(|| format!("step {} ({})", step.number, step.name))?;
    }
    let (most, which) = story.most_calls_for_a_deployment();
    ensure!(most <= 10, "the deployment of a stack took {most} CloudFormation calls that name it: {which}");
    rights_are_those_that_are_used(&story.world.cluster.audited()?, story.world.signs)
}

/// What the story does not come to, and where it is needed.
const RARE: [(&str, &str, &str); 4] = [
    // src/kube/events.rs: an Event that comes again within six minutes.
    ("patch", "events.k8s.io", "events"),
    // src/kube/writes/mod.rs: a plan of that name is there already, as after a lost reply.
    ("get", "stackgate.dev", "changeplans"),
    // src/pass/shown.rs: the story has no Freeze.
    ("patch", "stackgate.dev", "freezes/status"),
    // src/kube/policies/record.rs: the policies have become others.
    ("update", "", "configmaps"),
];

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
                    if !signs && resource.starts_with("mutatingadmissionpolic") {
                        continue;
                    }
                    let rare = RARE.iter().any(|(v, g, r)| (*v, *g, *r) == (&verb, &group, &resource));
                    if !rare && !used.contains(&(verb.as_str(), group.as_str(), resource.as_str())) {
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
