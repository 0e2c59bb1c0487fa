//! Template parameters: where their values come from, who may use which, and that nobody else sees them.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stackgate_testbed::scenario::{Case, Expected, Kind, SHOP, World};

use super::{bind, world};

const SECRET: &str = "correct-horse-battery";

const fn stalled(says: &'static str) -> Expected {
    Expected { kind: Kind::Stage, condition: "Stalled", reason: "InvalidParameters", says }
}

/// The second stack of the example asks for a size and a password.
fn asks(case: &mut Case) -> Result<()> {
    let path = case.assembly.template_path("DevApi")?;
    case.assembly.edit(&path, |template| {
        template["Parameters"]["Size"] = json!({ "Type": "String" });
        template["Parameters"]["Password"] = json!({ "Type": "String", "NoEcho": true });
        template["Resources"]["Sized"] =
            json!({ "Type": "AWS::SSM::Parameter", "Properties": { "Type": "String", "Value": { "Ref": "Size" } } });
    })
}

fn gives(world: &World, case: &Case, parameters: &Value) -> Result<()> {
    let patch = json!({ "spec": { "parameters": parameters } }).to_string();
    world.kubectl().run(&["-n", SHOP, "patch", "cdkstage", &case.name, "--type=merge", "-p", &patch])?;
    Ok(())
}

/// A parameter of the stack as CloudFormation has it.
fn value(world: &World, case: &Case, name: &str) -> Result<String> {
    let asked = json!({ "StackName": "Dev-Api" });
    let found = world.aws.call(&case.account, "cloudformation", "DescribeStacks", &asked)?;
    let all = found["Stacks"][0]["Parameters"].as_array().cloned().unwrap_or_default();
    let one = all.iter().find(|p| p["ParameterKey"] == name).context("no such parameter")?;
    Ok(one["ParameterValue"].as_str().unwrap_or_default().to_owned())
}

/// What the call that made the newest change set of the second stack gave for its parameters.
fn given(world: &World, case: &Case) -> Vec<(String, Option<String>)> {
    let calls = case.calls(world);
    let made = |e: &&stackgate_testbed::Exchange| {
        e.call.operation == "CreateChangeSet" && e.call.param("StackName") == "Dev-Api"
    };
    let Some(call) = calls.iter().rfind(made) else { return Vec::new() };
    let member = |n: usize, field: &str| call.call.params.get(&format!("Parameters.member.{n}.{field}"));
    (1..=8)
        .filter_map(|n| Some((member(n, "ParameterKey")?.clone(), member(n, "ParameterValue").cloned())))
        .collect()
}

#[test]
fn values_come_from_where_the_stage_says_and_are_shown_to_nobody() -> Result<()> {
    let world = world()?;
    let kubectl = world.kubectl();
    let mut case = Case::new(world, "sized")?;
    asks(&mut case)?;
    case.start(world)?;
    case.shows(world, &stalled("parameter Password has no value: give it in spec.parameters"))?;

    kubectl.run(&["-n", SHOP, "create", "configmap", "sizes", "--from-literal=dev=small"])?;
    kubectl.run(&[
        "-n",
        SHOP,
        "create",
        "secret",
        "generic",
        "database",
        "--from-literal",
        &format!("password={SECRET}"),
    ])?;
    let password = json!({ "name": "Dev-Api:Password", "valueFrom": { "secretKeyRef": { "name": "database", "key": "password" } } });
    let size =
        json!({ "name": "Size", "valueFrom": { "configMapKeyRef": { "name": "sizes", "key": "dev" } } });
    gives(world, &case, &json!([size, password, { "name": "Typo", "value": "x" }]))?;
    case.shows(world, &stalled("bind ClusterRole stackgate-parameters"))?;

    bind(world, "stackgate-parameters")?;
    case.shows(world, &stalled("has no label stackgate.dev/parameters=true"))?;
    ensure!(given(world, &case).is_empty(), "a change set was made without its values");

    kubectl.run(&["-n", SHOP, "label", "secret", "database", "stackgate.dev/parameters=true"])?;
    let first = case.digest(world, None)?;
    let waiting = case.waiting(world, Some(&first))?;
    let plan = world.object(Kind::ChangePlan, SHOP, &waiting.plan)?.context("the plan is gone")?;
    ensure!(plan.list("/spec/proposal/unusedParameters") == [json!("Typo")], "{plan}");
    world.decide(&waiting.approve_on_plan())?;
    case.deployed(world, &first)?;
    ensure!(value(world, &case, "Size")? == "small");
    ensure!(
        given(world, &case)
            == [
                ("Password".to_owned(), Some(SECRET.to_owned())),
                ("Size".to_owned(), Some("small".to_owned()))
            ],
        "{:?}",
        given(world, &case)
    );

    // Another value is another change, of the same release. What is given no longer stays as it is.
    gives(world, &case, &json!([{ "name": "Size", "value": "large" }]))?;
    let again = world.until(
        (Kind::Stage, SHOP, &case.name),
        "another plan waits",
        stackgate_testbed::scenario::SOON,
        |stage| {
            let plan = stage.text("/status/pending/plan");
            (stage.is("Waiting", Some("AwaitingApproval")) && plan != waiting.plan).then(|| plan.to_owned())
        },
    )?;
    let next = case.waiting(world, Some(&first))?;
    ensure!(next.plan == again, "{} waits, not {again}", next.plan);
    world.decide(&next.approve_on_plan())?;
    world.until_some("the stack has the value", stackgate_testbed::scenario::LONG, || {
        Ok((value(world, &case, "Size")? == "large").then_some(()))
    })?;
    case.deployed(world, &first)?;
    let sent = given(world, &case);
    ensure!(sent.contains(&("Password".to_owned(), None)), "{sent:?}");

    for kind in ["cdkstage", "plan", "events", "cdkout"] {
        let all = kubectl.run(&["-n", SHOP, "get", kind, "-o", "json"])?;
        ensure!(!all.contains(SECRET), "{kind} tell the secret");
    }
    // Nor does what docs/trouble.md has people look at first. A Freeze that covers nothing is there for it to show.
    let freeze = json!({ "apiVersion": "stackgate.dev/v1alpha1", "kind": "Freeze", "metadata": { "name": case.name },
        "spec": { "reason": "elsewhere", "namespaces": ["elsewhere"] } });
    kubectl.apply(&freeze.to_string())?;
    let page = include_str!("../../docs/trouble.md");
    let look = page.split('`').find(|text| text.starts_with("kubectl ")).context("no command")?;
    let kinds = look.split(' ').find(|word| word.contains('|')).context("no kinds")?;
    for kind in kinds.split('|') {
        let name = if kind == "plan" { &next.plan } else { &case.name };
        let typed = look.replace("<namespace>", SHOP).replace(kinds, kind).replace("<name>", name);
        let words: Vec<&str> = typed.split(' ').skip(1).collect();
        let told = kubectl.run(&words).with_context(|| typed.clone())?;
        ensure!(told.contains("Events:") && !told.contains(SECRET), "{typed}: {told}");
    }
    kubectl.run(&["delete", "freeze", &case.name]).map(drop)
}
