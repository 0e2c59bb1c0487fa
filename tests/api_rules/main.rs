//! Every rule of the schemas accepts and refuses what it should, on a real API server.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails may panic")]

mod cases;
mod objects;

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, ensure};
use kube::{
    Api, Client, Config,
    api::{ApiResource, DynamicObject, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::GroupVersionKind,
};
use serde_json::Value;
use stackgate_testbed::{Cluster, User, fresh_dir};

use self::cases::{Case, cases};

/// The messages of all CEL rules in a schema.
fn messages(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Array(rules)) = map.get("x-kubernetes-validations") {
                found.extend(
                    rules.iter().map(|r| r["message"].as_str().expect("a rule without a message").to_owned()),
                );
            }
            map.values().for_each(|v| messages(v, found));
        }
        Value::Array(list) => list.iter().for_each(|v| messages(v, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_rule_in_crds_has_an_example_that_keeps_it_and_one_that_breaks_it() -> Result<()> {
    let mut rules = BTreeSet::new();
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("crds"))? {
        messages(&serde_saphyr::from_str(&fs::read_to_string(file?.path())?)?, &mut rules);
    }
    let cases = cases();
    let tried: BTreeSet<String> = cases.iter().map(|c| c.says.to_owned()).collect();
    let missing: Vec<&String> = rules.difference(&tried).collect();
    ensure!(missing.is_empty(), "rules without examples: {missing:#?}");
    // The others are rules of the schema proper and name the field instead.
    let gone: Vec<&String> = tried.difference(&rules).filter(|s| !s.starts_with("spec.")).collect();
    ensure!(gone.is_empty(), "examples of rules that are no more: {gone:#?}");
    ensure!(cases.iter().all(|c| !c.bad.is_empty()), "an example without anything refused");
    Ok(())
}

#[tokio::test]
async fn the_api_server_refuses_what_breaks_a_rule_and_accepts_the_rest() -> Result<()> {
    let cluster = Cluster::start(&fresh_dir("api-rules")?)?;
    let admin = cluster.kubectl(User::Admin);
    let applied = admin.output(&["apply", "-f", "-"], &stackgate::crds::stream()?)?;
    ensure!(applied.ok && applied.stderr.is_empty(), "{}", applied.stderr);
    admin.wait_for_kinds()?;
    let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig(User::Admin))?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    let client = Client::try_from(config)?;

    let mut wrong = Vec::new();
    for case in cases() {
        if let Err(error) = try_out(&client, &case).await {
            wrong.push(format!("{}: {error:#}", case.name));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

async fn try_out(client: &Client, case: &Case) -> Result<()> {
    let kind = case.good["kind"].as_str().context("no kind")?;
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("stackgate.dev", "v1alpha1", kind));
    let api: Api<DynamicObject> = if ["AwsAccount", "Bootstrap", "Freeze"].contains(&kind) {
        Api::all_with(client.clone(), &resource)
    } else {
        Api::namespaced_with(client.clone(), "default", &resource)
    };
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let before = match &case.before {
        Some(before) => {
            let object = serde_json::from_value(before.clone())?;
            Some(api.create(&PostParams::default(), &object).await.context("making what is changed")?)
        }
        None => None,
    };
    let attempt = async |object: &Value| {
        let mut object: DynamicObject = serde_json::from_value(object.clone())?;
        match &before {
            Some(before) => {
                object.metadata.resource_version.clone_from(&before.metadata.resource_version);
                let name = before.metadata.name.as_deref().unwrap_or_default();
                api.replace(name, &dry_run, &object).await
            }
            None => api.create(&dry_run, &object).await,
        }
        .map_err(anyhow::Error::from)
    };
    let accepted = attempt(&case.good).await.context("what keeps the rule is refused");
    let mut result = accepted.map(drop);
    for bad in &case.bad {
        let said = match attempt(bad).await {
            Ok(_) => "nothing".to_owned(),
            Err(error) => error.to_string(),
        };
        if result.is_ok() && !said.contains(case.says) {
            result =
                Err(anyhow::anyhow!("{} should be refused by {:?}; said: {said}", bad["spec"], case.says));
        }
    }
    if let Some(before) = before {
        api.delete(&before.metadata.name.unwrap_or_default(), &Default::default()).await?;
    }
    result
}
