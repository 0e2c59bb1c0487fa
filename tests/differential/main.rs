//! The same app, deployed into one account by the real `cdk deploy` and into another by Stackgate: what CloudFormation and S3 hold afterwards
//! is the same. The apps lie in `tests/apps`, one thing each. Custom resources are not among them: the emulator waits for ever for the answer of
//! their function, whoever deploys them.

mod account;

use anyhow::{Context as _, Result, ensure};
use rstest::{Context, rstest};
use serde_json::{Value, json};
use stackgate_testbed::{
    Started,
    scenario::{BUCKET, Case, CdkOut, DEV, LONG, SHOP, World, WorldOptions, corpus, deploy_with, shared},
};

/// The world of all apps, started by the first one.
fn world() -> Result<&'static World> {
    static WORLD: Started<World> = Started::new();
    WORLD.get(|| {
        let mut world = World::start(WorldOptions {
            binary: Some(env!("CARGO_BIN_EXE_stackgate").into()),
            ..WorldOptions::default()
        })?;
        world.start_controller()?;
        shared(&world, &[BUCKET])?;
        Ok(world)
    })
}

/// What an app needs besides: parameter values, and a CDK Stage of another name.
#[derive(Default)]
struct Needs {
    parameters: &'static [(&'static str, &'static str)],
    cdk_stage: Option<&'static str>,
}

const ASKING: Needs =
    Needs { parameters: &[("Size", "large"), ("Hidden", "not to be seen")], cdk_stage: None };
const INNER: Needs = Needs { parameters: &[], cdk_stage: Some("Dev/Inner") };
const NOTHING: Needs = Needs { parameters: &[], cdk_stage: None };

#[rstest]
#[case::exports(&[1, 2], NOTHING)]
#[case::nested(&[1], NOTHING)]
#[case::conditions(&[1], NOTHING)]
#[case::parameters(&[1], ASKING)]
#[case::ssm_reference(&[1], NOTHING)]
#[case::protected(&[1, 2], NOTHING)]
#[case::removal_policies(&[1, 2], NOTHING)]
#[case::replaced(&[1, 2], NOTHING)]
#[case::unchanged(&[1, 2], NOTHING)]
#[case::sixty(&[1], NOTHING)]
#[case::large(&[1], NOTHING)]
#[case::tags(&[1, 2], NOTHING)]
#[case::renamed(&[1, 2], NOTHING)]
#[case::stage_in_stage(&[1], INNER)]
#[case::assets(&[1], NOTHING)]
#[case::outputs(&[1], NOTHING)]
fn both_leave_the_same(
    #[context] test: Context,
    #[case] versions: &'static [u8],
    #[case] needs: Needs,
) -> Result<()> {
    let app = test.description.context("an app has a name")?.replace('_', "-");
    let world = world()?;
    // Both accounts are bootstrapped by Stackgate; what the CDK CLI makes of such an account is a test of its own (tests/scenario.rs).
    let by_cdk = prepared(world, &format!("{app}-by-cdk"), &needs)?;
    let by_us = prepared(world, &app, &needs)?;
    by_cdk.bootstrap(world)?;
    by_us.bootstrap(world)?;
    let mut before: Option<String> = None;
    for version in versions {
        let assembly = CdkOut::read(&corpus()?.join(format!("{app}-{version}")))?;
        with_the_cdk(world, &by_cdk, &assembly, &needs)?;
        let release = with_us(world, &by_us, &assembly, before.as_deref())?;
        let (theirs, ours) = (account::held(world, &by_cdk.account)?, account::held(world, &by_us.account)?);
        ensure!(!theirs.stacks.is_empty(), "the CDK has deployed nothing");
        let lines = theirs.differences(&ours);
        ensure!(lines.is_empty(), "version {version} of {app}:\n{}", lines.join("\n"));
        before = Some(release);
    }
    Ok(())
}

/// An account with what the apps find there, and objects that let everything through.
fn prepared(world: &World, name: &str, needs: &Needs) -> Result<Case> {
    let mut case = Case::new(world, name)?;
    let open = json!({ "requireApproval": "Never", "requireAck": [] });
    case.aws_account["spec"]["minimumGate"] = open.clone();
    case.stage["spec"]["gate"] = open;
    case.stage["spec"]["gate"]["identity"] = json!("Any");
    case.stage["spec"]["cdkStage"] = json!(needs.cdk_stage.unwrap_or("Dev"));
    let parameter = |(name, value): &(&str, &str)| json!({ "name": name, "value": value });
    case.stage["spec"]["parameters"] = needs.parameters.iter().map(parameter).collect::<Vec<Value>>().into();
    let source = json!({ "Name": "/corpus/source", "Value": "found", "Type": "String" });
    world.aws.call(&case.account, "ssm", "PutParameter", &source)?;
    world.aws.call(&case.account, "sns", "CreateTopic", &json!({ "Name": "corpus" }))?;
    Ok(case)
}

fn with_the_cdk(world: &World, case: &Case, assembly: &CdkOut, needs: &Needs) -> Result<()> {
    let mut more: Vec<String> = vec!["--concurrency".to_owned(), "10".to_owned()];
    for (name, value) in needs.parameters {
        more.extend(["--parameters".to_owned(), format!("{name}={value}")]);
    }
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    deploy_with(&world.target(), &assembly.replaced(DEV, &case.account), "**", &more).map(drop)
}

/// Deploys with Stackgate; the digest of the release.
fn with_us(world: &World, case: &Case, assembly: &CdkOut, before: Option<&str>) -> Result<String> {
    let assembly = assembly.replaced(DEV, &case.account);
    match before {
        None => Case { assembly, ..case.clone() }.start(world)?,
        // A release that differs in nothing is the same release.
        Some(before) if assembly_is_unchanged(case) => return Ok(before.to_owned()),
        Some(_) => case.upload(world, &assembly)?,
    }
    let digest = case.digest(world, before)?;
    world.deployed(SHOP, &case.name, &digest, 2 * LONG)?;
    case.nothing_twice(world)?;
    Ok(digest)
}

fn assembly_is_unchanged(case: &Case) -> bool {
    case.name == "unchanged"
}
