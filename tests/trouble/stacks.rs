//! Trouble with what lies in AWS already, and with what CloudFormation makes of a change.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stackgate_testbed::{
    Fault, Hold, Rule,
    scenario::{BUILD, Case, CdkOut, Expected, Kind, LONG, REGION, SHOP, SOON, World, let_in},
};

use super::world;

const fn stalled(reason: &'static str, says: &'static str) -> Expected {
    Expected { kind: Kind::Stage, condition: "Stalled", reason, says }
}

#[test]
fn a_stack_of_that_name_that_is_not_ours_is_left_alone() -> Result<()> {
    let world = world()?;
    let case = Case::new(world, "not-ours")?;
    let template = json!({ "Resources": { "Topic": { "Type": "AWS::SNS::Topic" } } });
    // Who may make stacks may give them any tags: none of them makes it ours.
    let tags = json!([{ "Key": "stackgate.dev/stage", "Value": "shop/not-ours" }]);
    let stack = json!({ "StackName": "Dev-Store", "TemplateBody": template.to_string(), "Tags": tags });
    world.aws.call(&case.account, "cloudformation", "CreateStack", &stack)?;
    let before = world.template(&case.account, "Dev-Store")?;
    case.start(world)?;
    case.shows(world, &stalled("StackNotOurs", "was not made by this Stage"))?;
    ensure!(world.template(&case.account, "Dev-Store")? == before, "it was changed");

    // Once it is gone, the name is free.
    world.aws.call(&case.account, "cloudformation", "DeleteStack", &json!({ "StackName": "Dev-Store" }))?;
    world.until((Kind::Stage, SHOP, &case.name), "it waits for an approval", LONG, |stage| {
        stage.is("Waiting", Some("AwaitingApproval")).then_some(())
    })
}

#[test]
fn other_content_under_the_key_of_an_asset_is_not_overwritten() -> Result<()> {
    let world = world()?;
    let case = Case::new(world, "key-taken")?;
    case.bootstrap(world)?;
    let manifest = case.assembly.json(&case.assembly.path_of("DevStore", ".assets.json")?)?;
    let asset = manifest["files"]
        .as_object()
        .and_then(|files| files.values().find(|file| file["source"]["packaging"] == "zip"))
        .context("no zip asset")?;
    let key = asset["destinations"]
        .as_object()
        .and_then(|all| all.values().next()?["objectKey"].as_str())
        .context("no key")?;
    let bucket = format!("cdk-acme-assets-{}-{REGION}", case.account);
    world.aws.put_object(&case.account, &bucket, key, b"something else")?;
    case.start(world)?;
    case.shows(world, &stalled("AssetKeyTaken", ".zip"))?;
    ensure!(
        world.stacks(&case.account)?.iter().all(|stack| stack.name != "Dev-Store"),
        "it was planned all the same"
    );
    Ok(())
}

#[test]
fn an_account_that_does_not_let_us_in_is_told_and_used_once_it_does() -> Result<()> {
    let world = world()?;
    let case = Case::new(world, "not-trusted")?;
    let_in(&world.aws, &case.account, "888888888888")?;
    case.start(world)?;
    let expected = Expected {
        kind: Kind::Bootstrap,
        condition: "Stalled",
        reason: "AccessDenied",
        says: "OrganizationAccountAccessRole",
    };
    case.shows(world, &expected)?;
    let expected = Expected {
        kind: Kind::Stage,
        condition: "Waiting",
        reason: "NotBootstrapped",
        says: "is not bootstrapped",
    };
    case.shows(world, &expected)?;
    let_in(&world.aws, &case.account, BUILD)?;
    world.until((Kind::Stage, SHOP, &case.name), "it waits for an approval", LONG, |stage| {
        stage.is("Waiting", Some("AwaitingApproval")).then_some(())
    })
}

/// Adds a resource that never becomes ready: CloudFormation waits a second for it, then rolls back.
pub fn never_ready(assembly: &CdkOut) -> Result<CdkOut> {
    let mut assembly = assembly.clone();
    let path = assembly.template_path("DevStore")?;
    assembly.edit(&path, |template| {
        template["Resources"]["Handle"] = json!({ "Type": "AWS::CloudFormation::WaitConditionHandle" });
        template["Resources"]["Never"] = json!({ "Type": "AWS::CloudFormation::WaitCondition",
            "Properties": { "Handle": { "Ref": "Handle" }, "Timeout": "1", "Count": 1 } });
    })?;
    // As the CDK would: other content lies under another key.
    let old = path.clone();
    let manifest = assembly.json(&assembly.path_of("DevStore", ".assets.json")?)?;
    let key = manifest["files"]
        .as_object()
        .and_then(|files| {
            let file =
                files.values().find(|file| old.ends_with(file["source"]["path"].as_str().unwrap_or("?")))?;
            file["destinations"].as_object()?.values().next()?["objectKey"].as_str()
        })
        .context("no key of the template")?;
    let hash = key.trim_end_matches(".json");
    Ok(assembly.replaced(hash, &hash.chars().rev().collect::<String>()))
}

#[test]
fn a_stack_that_rolls_back_is_told_with_its_cause_and_a_better_release_passes() -> Result<()> {
    let world = world()?;
    let case = Case::new(world, "rolls-back")?;
    case.start(world)?;
    let first = case.digest(world, None)?;
    world.decide(&case.waiting(world, Some(&first))?.approve_on_plan())?;
    case.deployed(world, &first)?;

    case.upload(world, &never_ready(&case.release(2)?)?)?;
    let second = case.digest(world, Some(&first))?;
    let waiting = case.waiting(world, Some(&second))?;
    world.decide(&waiting.approve_on_plan())?;
    case.shows(world, &stalled("RolledBack", "WaitCondition timed out"))?;
    case.told(world, &waiting.plan, "StackRolledBack")?;
    let status = world.stack_status(&case.account, "Dev-Store")?;
    ensure!(status.as_deref() == Some("UPDATE_ROLLBACK_COMPLETE"), "Dev-Store is {status:?}");
    let left = world.executable_change_sets(&case.account, "Dev-Api")?;
    ensure!(left.is_empty(), "the rest could still be executed: {left:?}");

    case.upload(world, &case.release(3)?)?;
    let third = case.digest(world, Some(&second))?;
    world.decide(&case.waiting(world, Some(&third))?.approve_on_plan())?;
    case.deployed(world, &third)
}

#[test]
fn a_stack_that_was_never_made_is_made_anew_by_a_better_release() -> Result<()> {
    let world = world()?;
    let mut case = Case::new(world, "never-made")?;
    case.assembly = never_ready(&case.assembly)?;
    case.start(world)?;
    let first = case.digest(world, None)?;
    world.decide(&case.waiting(world, Some(&first))?.approve_on_plan())?;
    case.shows(world, &stalled("RolledBack", "WaitCondition timed out"))?;
    let left = || world.stack_status(&case.account, "Dev-Store");
    ensure!(left()?.as_deref() == Some("ROLLBACK_COMPLETE"), "Dev-Store is {:?}", left()?);

    case.upload(world, &case.release(2)?)?;
    let second = case.digest(world, Some(&first))?;
    let waiting = case.waiting(world, Some(&second))?;
    // What is left of it stays until that is approved.
    ensure!(left()?.as_deref() == Some("ROLLBACK_COMPLETE"), "Dev-Store is {:?}", left()?);
    world.decide(&waiting.approve_on_plan())?;
    case.deployed(world, &second)
}

fn protects(assembly: &CdkOut, on: bool) -> Result<CdkOut> {
    let mut assembly = assembly.clone();
    assembly.edit("assembly-Dev/manifest.json", |manifest| {
        for (_, artifact) in manifest["artifacts"].as_object_mut().into_iter().flatten() {
            if artifact["properties"]["stackName"] == "Dev-Store" {
                artifact["properties"]["terminationProtection"] = json!(on);
            }
        }
    })?;
    Ok(assembly)
}

#[test]
fn a_release_that_switches_protection_alone_is_shown_approved_and_carried_out() -> Result<()> {
    let world = world()?;
    let case = Case::new(world, "protection")?;
    case.start(world)?;
    let mut before = case.digest(world, None)?;
    world.decide(&case.waiting(world, Some(&before))?.approve_on_plan())?;
    case.deployed(world, &before)?;
    for on in [true, false] {
        case.upload(world, &protects(&case.assembly, on)?)?;
        let release = case.digest(world, Some(&before))?;
        let waiting = case.waiting(world, Some(&release))?;
        let plan = world.object(Kind::ChangePlan, SHOP, &waiting.plan)?.context("the plan is gone")?;
        let told = plan.text("/spec/proposal/stacks/0/warnings/0").to_owned()
            + plan.text("/spec/proposal/stacks/1/warnings/0");
        let way = if on { "switched on" } else { "switched off" };
        ensure!(told.contains(way), "it does not say that it is {way}: {told:?}");
        ensure!(plan.list("/spec/proposal/risks").iter().any(|r| r["class"] == "delete") != on, "{plan}");
        world.decide(&waiting.approve_on_plan())?;
        case.deployed(world, &release)?;
        let stack = json!({ "StackName": "Dev-Store" });
        let found = world.aws.call(&case.account, "cloudformation", "DescribeStacks", &stack)?;
        ensure!(found["Stacks"][0]["EnableTerminationProtection"] == on, "it is not {way}: {found}");
        before = release;
    }
    Ok(())
}

#[test]
fn a_change_set_that_fails_is_told_with_its_cause() -> Result<()> {
    let world = world()?;
    let case = Case::new(world, "set-fails")?;
    // The emulator makes none that fail, so its answers are changed: what is asked for has to be known first.
    let mine = case.mine();
    let store = move |call: &stackgate_testbed::Call| mine(call) && call.param("StackName") == "Dev-Store";
    let created = world.proxy.rule(
        Rule::on("cloudformation", "CreateChangeSet", Fault::HoldReply(Hold::UntilReleased)).when(store),
    );
    case.start(world)?;
    created.wait_for_hits(1, SOON)?;
    let asked = world.until_some("the change set is made", SOON, || {
        let calls = case.calls(world);
        let found = calls.into_iter().find(|call| {
            call.call.operation == "CreateChangeSet"
                && call.call.param("StackName") == "Dev-Store"
                && call.reply.is_some()
        });
        Ok(found)
    })?;
    let name = asked.call.param("ChangeSetName").to_owned();
    let failed = failed_set(world, &case, &name)?;
    let about = name.clone();
    let fails = world.proxy.rule(
        Rule::on("cloudformation", "DescribeChangeSet", Fault::ReplaceReply { status: 200, body: failed })
            .when(move |call| call.param("ChangeSetName").contains(&about))
            .always(),
    );
    created.remove();
    case.shows(world, &stalled("PlanFailed", "Resource handler returned message"))?;
    ensure!(
        world
            .objects(Kind::ChangePlan, Some(SHOP))?
            .iter()
            .all(|plan| !plan.name().starts_with("set-fails-"))
    );
    fails.remove();
    Ok(())
}

/// What CloudFormation says of a change set that it could not make.
fn failed_set(world: &World, case: &Case, name: &str) -> Result<String> {
    let what = json!({ "StackName": "Dev-Store", "ChangeSetName": name });
    let set: Value = world.aws.call(&case.account, "cloudformation", "DescribeChangeSet", &what)?;
    let text = |field: &str| set[field].as_str().unwrap_or_default().to_owned();
    Ok(format!(
        r#"<DescribeChangeSetResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeChangeSetResult>
<ChangeSetName>{}</ChangeSetName><ChangeSetId>{}</ChangeSetId><StackId>{}</StackId><StackName>Dev-Store</StackName>
<Description>{}</Description><CreationTime>2026-11-24T00:00:00Z</CreationTime><ExecutionStatus>UNAVAILABLE</ExecutionStatus>
<Status>FAILED</Status><StatusReason>Resource handler returned message: quota exceeded</StatusReason><Changes></Changes>
</DescribeChangeSetResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></DescribeChangeSetResponse>"#,
        text("ChangeSetName"),
        text("ChangeSetId"),
        text("StackId"),
        text("Description"),
    ))
}
