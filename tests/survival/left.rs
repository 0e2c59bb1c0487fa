//! What a fleet has left behind, in AWS and in the cluster, without what differs between fleets.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stackgate_testbed::scenario::{Kind, Object, SOON, World};

use crate::fleet::{ACCOUNTS, Fleet, NAMESPACES};

/// Stacks, Stages and plans: what is told of each.
pub struct Left(BTreeMap<String, Value>);

/// Reads all that is compared, after the fleet has deployed this release.
pub fn left(world: &World, fleet: Fleet, release: &str) -> Result<Left> {
    let mut left = BTreeMap::new();
    for account in ACCOUNTS {
        let stacks = world.aws.call(account, "cloudformation", "DescribeStacks", &json!({}))?;
        for stack in stacks["Stacks"].as_array().into_iter().flatten() {
            let name = stack["StackName"].as_str().context("a stack without a name")?;
            if fleet.has(name) {
                left.insert(format!("stack {name} in {account}"), stack_told(world, account, name, stack)?);
            }
        }
    }
    for namespace in NAMESPACES {
        let plans = plans(world, namespace)?;
        for stage in world.objects(Kind::Stage, Some(namespace))? {
            if !fleet.has(stage.name()) {
                continue;
            }
            left.insert(format!("Stage {}", stage.name()), stage_told(&stage, release));
            let plans: Vec<Value> = plans.get(stage.name()).into_iter().flatten().map(plan_told).collect();
            left.insert(format!("plans of {}", stage.name()), plans.into());
        }
    }
    // The same for every fleet.
    let neutral = |text: String| text.replace(&format!("{}-", fleet.name), "FLEET-");
    let told = left
        .into_iter()
        .map(|(what, told)| Ok((neutral(what), serde_json::from_str(&neutral(told.to_string()))?)));
    Ok(Left(told.collect::<Result<_>>()?))
}

/// Waits until a fleet has left what a calm one leaves after this release: the last status is written after the last change.
pub fn becomes_like(world: &World, fleet: Fleet, release: &str, calm: &Left) -> Result<()> {
    let end = Instant::now() + SOON;
    loop {
        match left(world, fleet, release)?.is_like(calm) {
            Err(_) if Instant::now() < end => thread::sleep(Duration::from_millis(500)),
            result => return result,
        }
    }
}

/// The plans of a namespace by their Stage, the oldest first.
pub fn plans(world: &World, namespace: &str) -> Result<BTreeMap<String, Vec<Object>>> {
    let mut plans = BTreeMap::<String, Vec<Object>>::new();
    for plan in world.objects(Kind::ChangePlan, Some(namespace))? {
        plans.entry(plan.text("/spec/proposal/name").to_owned()).or_default().push(plan);
    }
    let opened = |plan: &Object| plan.ledger("opened").filter_map(|entry| entry["order"].as_u64()).next();
    for of_a_stage in plans.values_mut() {
        of_a_stage.sort_by_key(opened);
    }
    Ok(plans)
}

fn stack_told(world: &World, account: &str, name: &str, stack: &Value) -> Result<Value> {
    let call =
        |operation: &str| world.aws.call(account, "cloudformation", operation, &json!({ "StackName": name }));
    let list = |found: &Value, key: &str, value: &str| -> BTreeMap<String, Value> {
        let one = |o: &Value| (o[key].as_str().unwrap_or_default().to_owned(), o[value].clone());
        found.as_array().into_iter().flatten().map(one).collect()
    };
    let resources = call("DescribeStackResources")?;
    let events = call("DescribeStackEvents")?;
    // What was begun with the stack, the oldest first: none of it twice.
    let mut operations: Vec<Value> = events["StackEvents"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|event| event["ResourceType"] == "AWS::CloudFormation::Stack")
        .map(|event| event["ResourceStatus"].clone())
        .collect();
    operations.reverse();
    let mut values = BTreeMap::new();
    for resource in resources["StackResources"].as_array().into_iter().flatten() {
        let parameter = json!({ "Name": resource["PhysicalResourceId"] });
        let found = world.aws.call(account, "ssm", "GetParameter", &parameter)?;
        values.insert(resource["LogicalResourceId"].to_string(), found["Parameter"]["Value"].clone());
    }
    Ok(json!({
        "status": stack["StackStatus"],
        "parameters": list(&stack["Parameters"], "ParameterKey", "ParameterValue"),
        "outputs": list(&stack["Outputs"], "OutputKey", "OutputValue"),
        "exports": list(&stack["Outputs"], "OutputKey", "ExportName"),
        "tags": list(&stack["Tags"], "Key", "Value"),
        "resources": list(&resources["StackResources"], "LogicalResourceId", "ResourceStatus"),
        "values": values,
        "operations": operations,
        "template": world.template(account, name)?,
        "change sets": world.executable_change_sets(account, name)?.len(),
    }))
}

fn stage_told(stage: &Object, release: &str) -> Value {
    let condition = |condition: &Value| {
        (condition["type"].to_string(), format!("{} {}", condition["status"], condition["reason"]))
    };
    json!({
        "has the release": stage.text("/status/deployed/digest") == release,
        "state": stage.text("/status/state"),
        "conditions": stage.list("/status/conditions").iter().map(condition).collect::<BTreeMap<_, _>>(),
    })
}

fn plan_told(plan: &Object) -> Value {
    let claimed =
        plan.ledger("claimed").flat_map(|claimed| claimed["stacks"].as_array().into_iter().flatten());
    let mut claimed: Vec<&str> = claimed.filter_map(|stack| stack["stackName"].as_str()).collect();
    claimed.sort_unstable();
    let settled =
        |settled: &Value| format!("{} {} {}", settled["stackName"], settled["outcome"], settled["status"]);
    let mut settled: Vec<String> = plan.ledger("settled").map(settled).collect();
    settled.sort();
    let decided = |decided: &Value| decided["action"].to_string();
    json!({
        "operation": plan.text("/spec/proposal/operation"),
        "state": plan.text("/status/state"),
        "decided": plan.ledger("decided").map(decided).collect::<Vec<_>>(),
        "claimed": claimed,
        "settled": settled,
        "closed": plan.ledger("closed").map(|closed| closed["reason"].clone()).collect::<Vec<_>>(),
    })
}

impl Left {
    /// Fails with a line for each thing that is not as another fleet left it.
    fn is_like(&self, calm: &Self) -> Result<()> {
        let mut lines = Vec::new();
        let names: BTreeSet<&String> = self.0.keys().chain(calm.0.keys()).collect();
        for name in names {
            let (ours, theirs) = (&self.0.get(name), &calm.0.get(name));
            match (ours, theirs) {
                (Some(ours), Some(theirs)) => lines.extend(differences(name, ours, theirs)),
                (Some(ours), None) => lines.push(format!("{name} is one too many: {ours}")),
                (None, _) => lines.push(format!("{name} is missing")),
            }
        }
        ensure!(lines.is_empty(), "it is not what a calm fleet leaves:\n{}", lines.join("\n"));
        Ok(())
    }
}

fn differences(name: &str, ours: &Value, theirs: &Value) -> Vec<String> {
    if ours == theirs {
        return Vec::new();
    }
    match (ours, theirs) {
        (Value::Object(fields), Value::Object(_)) => fields
            .iter()
            .flat_map(|(field, value)| differences(&format!("{name}: {field}"), value, &theirs[field]))
            .collect(),
        (ours, theirs) => vec![format!("{name}: {ours}, but calm {theirs}")],
    }
}
