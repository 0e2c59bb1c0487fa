//! What an account holds of an app, without what has to differ: account ids, times, ids that AWS makes up.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use stackgate_testbed::scenario::{QUALIFIER, REGION, World};

/// Differences that are meant, as the start of a line, each with its reason.
const MEANT: &[(&str, &str)] = &[];

/// Stacks by name, and the objects in the bucket of assets.
pub struct Held {
    pub stacks: BTreeMap<String, Value>,
    objects: BTreeSet<String>,
}

/// Reads all that is compared.
pub fn held(world: &World, account: &str) -> Result<Held> {
    let call =
        |service: &str, operation: &str, params: &Value| world.aws.call(account, service, operation, params);
    let found = call("cloudformation", "DescribeStacks", &json!({}))?;
    let mut stacks = BTreeMap::new();
    for stack in found["Stacks"].as_array().into_iter().flatten() {
        let name = stack["StackName"].as_str().context("a stack without a name")?;
        if !name.starts_with("Dev-") {
            continue;
        }
        let template = call(
            "cloudformation",
            "GetTemplate",
            &json!({ "StackName": name, "TemplateStage": "Original" }),
        )?;
        let resources = call("cloudformation", "DescribeStackResources", &json!({ "StackName": name }))?;
        stacks.insert(
            without_chance(name).to_owned(),
            neutral(&told(stack, &template["TemplateBody"], &resources), account),
        );
    }
    let bucket = format!("cdk-{QUALIFIER}-assets-{account}-{REGION}");
    let listed = call("s3", "ListObjectsV2", &json!({ "Bucket": bucket }))?;
    let keys = listed["Contents"].as_array().into_iter().flatten().filter_map(|o| o["Key"].as_str());
    Ok(Held { stacks, objects: keys.map(str::to_owned).collect() })
}

fn told(stack: &Value, template: &Value, resources: &Value) -> Value {
    let list = |field: &str, key: &str, value: &[&str]| {
        let one = |o: &Value| {
            (o[key].as_str().unwrap_or_default().to_owned(), value.iter().map(|v| o[*v].clone()).collect())
        };
        stack[field].as_array().into_iter().flatten().map(one).collect::<BTreeMap<String, Vec<Value>>>()
    };
    let set = |field: &str| {
        stack[field].as_array().into_iter().flatten().map(Value::to_string).collect::<BTreeSet<String>>()
    };
    let status = stack["StackStatus"].as_str().unwrap_or_default();
    let resource = |r: &Value| {
        (r["LogicalResourceId"].as_str().unwrap_or_default().to_owned(), r["ResourceType"].clone())
    };
    let resources: BTreeMap<String, Value> =
        resources["StackResources"].as_array().into_iter().flatten().map(resource).collect();
    json!({
        "ended well": status.ends_with("_COMPLETE") && !status.contains("ROLLBACK"),
        "description": stack["Description"],
        "parameters": list("Parameters", "ParameterKey", &["ParameterValue", "ResolvedValue"]),
        "tags": list("Tags", "Key", &["Value"]),
        "outputs": list("Outputs", "OutputKey", &["ExportName", "Description"]),
        "capabilities": set("Capabilities"),
        "notification ARNs": set("NotificationARNs"),
        "termination protection": stack["EnableTerminationProtection"].as_bool().unwrap_or_default(),
        "role": stack["RoleARN"],
        "resources": resources,
        "template": template,
    })
}

/// The name without what AWS puts behind that of a nested stack.
fn without_chance(name: &str) -> &str {
    let is_hex = |part: &str| part.len() >= 3 && part.chars().all(|c| c.is_ascii_hexdigit());
    match name.rsplitn(3, '-').collect::<Vec<_>>().as_slice() {
        [last, middle, start] if is_hex(last) && is_hex(middle) => start,
        _ => name,
    }
}

/// The same for every account.
fn neutral(value: &Value, account: &str) -> Value {
    let text = value.to_string().replace(account, "ACCOUNT");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

impl Held {
    /// One line for each difference that is not meant.
    pub fn differences(&self, ours: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        let names: BTreeSet<&String> = self.stacks.keys().chain(ours.stacks.keys()).collect();
        for name in names {
            match (self.stacks.get(name), ours.stacks.get(name)) {
                (Some(theirs), Some(ours)) => compare(name, theirs, ours, &mut lines),
                (Some(_), None) => lines.push(format!("{name}: only by the CDK")),
                (None, _) => lines.push(format!("{name}: only by Stackgate")),
            }
        }
        lines.extend(
            self.objects.difference(&ours.objects).map(|key| format!("object {key}: only by the CDK")),
        );
        lines.extend(
            ours.objects.difference(&self.objects).map(|key| format!("object {key}: only by Stackgate")),
        );
        lines.retain(|line| !MEANT.iter().any(|(start, _)| line.starts_with(start)));
        lines
    }
}

fn compare(name: &str, theirs: &Value, ours: &Value, lines: &mut Vec<String>) {
    for (what, one) in theirs.as_object().into_iter().flatten() {
        let other = &ours[what];
        if one != other {
            let cut = |v: &Value| v.to_string().chars().take(600).collect::<String>();
            lines.push(format!("{name}: {what}: by the CDK {}, by Stackgate {}", cut(one), cut(other)));
        }
    }
}
