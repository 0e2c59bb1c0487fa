//! The same assembly, deployed by Stackgate and by the real `cdk deploy` in the same run: CloudFormation calls, and time.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use stackgate_testbed::{
    Proxy, fresh_dir,
    scenario::{Case, CdkOut, DEV, LONG, SHOP, Tally, Target, World, corpus, deploy_with},
};

/// How long a stack is held while it is made.
const HELD: [Duration; 3] = [Duration::from_secs(0), Duration::from_secs(10), Duration::from_secs(30)];
/// The stack that is held.
const STACK: &str = "Dev-Store";

/// Lines about both.
pub fn lines(world: &World) -> Result<Vec<String>> {
    let theirs = Proxy::start(&fresh_dir("by-cdk")?, &world.emulator)?;
    let target =
        Target { endpoint: theirs.endpoint(), trust: theirs.bundle().to_owned(), keys: world.keys.clone() };
    let mut lines = Vec::new();
    for held in HELD {
        let (ours, cdk) = (prepared(world, "held")?, prepared(world, "held-by-cdk")?);
        let calls = |case: &Case, proxy: &Proxy| {
            let of = Tally::of(&proxy.recorded());
            let stack = of.stacks.get(&(case.account.clone(), STACK.to_owned()));
            stack.map_or(0, |calls| calls.values().sum::<usize>())
        };
        let assembly = |case: &Case| one_stack(&case.assembly, held);
        thread::scope(|scope| -> Result<()> {
            let letting_go = scope.spawn(|| let_go(world, &ours.account, held));
            with_us(world, &Case { assembly: assembly(&ours)?, ..ours.clone() })?;
            letting_go.join().map_err(|_| anyhow::anyhow!("a thread has panicked"))??;
            let letting_go = scope.spawn(|| let_go(world, &cdk.account, held));
            deploy_with(&target, &assembly(&cdk)?, "Dev/*", &[])?;
            letting_go.join().map_err(|_| anyhow::anyhow!("a thread has panicked"))?
        })?;
        lines.push(format!(
            "CloudFormation calls that name a stack which takes {} s more: {} (aim 8, whatever it takes); cdk deploy: {}",
            held.as_secs(),
            calls(&ours, &world.proxy),
            calls(&cdk, &theirs)
        ));
    }
    lines.push(sixty(world, &target)?);
    Ok(lines)
}

/// Sixty stacks that do not depend on each other.
fn sixty(world: &World, target: &Target) -> Result<String> {
    let (ours, cdk) = (prepared(world, "sixty")?, prepared(world, "sixty-by-cdk")?);
    let assembly = CdkOut::read(&corpus()?.join("sixty-1"))?;
    let begun = Instant::now();
    with_us(world, &Case { assembly: assembly.replaced(DEV, &ours.account), ..ours.clone() })?;
    let by_us = begun.elapsed();
    let of = Tally::of(&world.proxy.recorded());
    let executed = of
        .stacks
        .iter()
        .filter(|((account, _), calls)| *account == ours.account && calls.contains_key("ExecuteChangeSet"));
    let executed = executed.filter(|((_, stack), _)| !stack.starts_with("CDKToolkit")).count();
    ensure!(executed == 60, "{executed} of 60 stacks were deployed");
    let begun = Instant::now();
    deploy_with(target, &assembly.replaced(DEV, &cdk.account), "**", &["--concurrency", "10"])?;
    let by_cdk = begun.elapsed();
    Ok(format!(
        "60 stacks, from the upload to deployed: {:.1} s; cdk deploy --concurrency 10: {:.1} s",
        by_us.as_secs_f64(),
        by_cdk.as_secs_f64()
    ))
}

/// An account that is bootstrapped, and objects that let everything through.
fn prepared(world: &World, name: &str) -> Result<Case> {
    let mut case = Case::new(world, name)?;
    // One name for each: the cases of several durations live side by side.
    let name = format!("{name}-{}", case.account.get(9..).unwrap_or_default());
    for object in [&mut case.aws_account, &mut case.bootstrap, &mut case.cloud_assembly, &mut case.stage] {
        object["metadata"]["name"] = json!(name);
    }
    case.key = format!("{name}.tar.gz");
    case.cloud_assembly["spec"]["source"]["s3"]["key"] = json!(case.key);
    case.bootstrap["spec"]["accounts"]["names"] = json!([name]);
    let open = json!({ "requireApproval": "Never", "requireAck": [] });
    case.aws_account["spec"]["minimumGate"] = open.clone();
    case.stage["spec"]["gate"] = open;
    case.stage["spec"]["assemblyRef"]["name"] = json!(name);
    case.stage["spec"]["accounts"] = json!([name]);
    case.name = name;
    case.bootstrap(world)?;
    Ok(case)
}

fn with_us(world: &World, case: &Case) -> Result<()> {
    case.start(world)?;
    let digest = case.digest(world, None)?;
    world.deployed(SHOP, &case.name, &digest, 4 * LONG).map(drop)
}

/// The example with its first stack alone, which waits for somebody.
fn one_stack(example: &CdkOut, held: Duration) -> Result<CdkOut> {
    let mut assembly = example.clone();
    let path = assembly.template_path("DevStore")?;
    if !held.is_zero() {
        assembly.edit(&path, |template| {
            template["Resources"]["Handle"] = json!({ "Type": "AWS::CloudFormation::WaitConditionHandle" });
            template["Resources"]["Held"] = json!({ "Type": "AWS::CloudFormation::WaitCondition",
                "DependsOn": "Handle",
                "Properties": { "Handle": { "Ref": "Handle" }, "Timeout": "120", "Count": 1 } });
        })?;
    }
    let manifest = assembly.path_of("DevStore", ".assets.json")?;
    let files = assembly.json(&manifest)?;
    let key = files["files"].as_object().and_then(|files| files.keys().next().cloned());
    let key = key.context("a stack without a template asset")?;
    // A template is published under the digest that its manifest names: another template, another one.
    let other = format!("{:08x}{}", held.as_secs(), key.get(8..).unwrap_or_default());
    Ok(assembly.replaced(&key, &other))
}

/// Lets the stack go on once it has been held for so long.
fn let_go(world: &World, account: &str, held: Duration) -> Result<()> {
    if held.is_zero() {
        return Ok(());
    }
    let handle = world.until_some(&format!("a stack is held in {account}"), LONG, || {
        let asked = json!({ "StackName": STACK, "LogicalResourceId": "Handle" });
        // The stack may not be there yet.
        let reply = world.aws.call(account, "cloudformation", "DescribeStackResource", &asked).ok();
        let url = |reply: serde_json::Value| {
            reply["StackResourceDetail"]["PhysicalResourceId"].as_str().map(str::to_owned)
        };
        Ok(reply.and_then(url))
    })?;
    thread::sleep(held); // how long the stack takes is what is measured
    world.aws.signal(&handle).with_context(|| format!("letting {STACK} in {account} go"))
}
