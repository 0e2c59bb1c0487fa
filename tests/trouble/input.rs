//! What cannot be used is told, and nothing is done with it.

use std::{thread, time::Duration};

use anyhow::{Result, ensure};
use rstest::{Context, rstest};
use serde_json::json;
use stackgate_testbed::{
    Exchange,
    scenario::{BUILD, BUILD_ACCOUNT, Case, CdkOut, Expected, Kind, REGION, SOON},
};

use super::world;

type Spoil = fn(&mut Case) -> Result<()>;

const fn assembly(reason: &'static str, says: &'static str) -> Expected {
    Expected { kind: Kind::CloudAssembly, condition: "Stalled", reason, says }
}

const fn stage(reason: &'static str, says: &'static str) -> Expected {
    Expected { kind: Kind::Stage, condition: "Stalled", reason, says }
}

#[rstest]
#[case::schema_too_new(
    |c: &mut Case| c.assembly.edit("manifest.json", |m| m["version"] = json!("999.0.0")),
    assembly("InvalidAssembly", "upgrade Stackgate")
)]
#[case::no_manifest(|c: &mut Case| c.assembly.remove("manifest.json"), assembly("InvalidAssembly", "manifest.json is not at the root"))]
#[case::template_missing(
    |c: &mut Case| { let path = c.assembly.template_path("DevApi")?; c.assembly.remove(&path) },
    stage("InvalidAssembly", "is not in the assembly")
)]
#[case::bucket_not_granted(
    |c: &mut Case| { c.cloud_assembly["spec"]["source"]["s3"]["bucket"] = json!("somebody-elses"); Ok(()) },
    assembly("AccountNotAllowed", "ask its owner for assemblyBuckets")
)]
#[case::object_missing(
    |c: &mut Case| { c.cloud_assembly["spec"]["source"]["s3"]["key"] = json!("none.tar.gz"); Ok(()) },
    assembly("SourceFailed", "none.tar.gz")
)]
#[case::assembly_missing(
    |c: &mut Case| { c.stage["spec"]["assemblyRef"]["name"] = json!("none"); Ok(()) },
    stage("AwaitingAssembly", "there is no CloudAssembly none")
)]
#[case::no_such_cdk_stage(
    |c: &mut Case| { c.stage["spec"]["cdkStage"] = json!("Staging"); Ok(()) },
    stage("NoSuchCdkStage", "it holds: Dev, Prod, Test")
)]
#[case::account_not_listed(
    |c: &mut Case| { c.stage["spec"]["accounts"] = json!([BUILD_ACCOUNT]); Ok(()) },
    stage("AccountNotAllowed", "which is none of spec.accounts")
)]
#[case::account_missing(
    |c: &mut Case| { c.stage["spec"]["accounts"] = json!(["nobody"]); Ok(()) },
    stage("AccountNotAllowed", "there is no AwsAccount nobody")
)]
#[case::namespace_not_allowed(
    |c: &mut Case| { c.aws_account["spec"]["allowedNamespaces"][0]["name"] = json!("other"); Ok(()) },
    stage("AccountNotAllowed", "does not allow namespace shop")
)]
#[case::qualifier_not_allowed(
    |c: &mut Case| { c.aws_account["spec"]["allowedNamespaces"][0]["qualifiers"] = json!(["other"]); Ok(()) },
    stage("AccountNotAllowed", "use qualifier acme")
)]
#[case::stack_name_not_allowed(
    |c: &mut Case| { c.aws_account["spec"]["allowedNamespaces"][0]["stackNames"] = json!(["Prod-*"]); Ok(()) },
    stage("AccountNotAllowed", "no pattern of stackNames matches")
)]
#[case::events_go_to_a_topic_of_another_account(
    |c: &mut Case| c.assembly.edit("assembly-Dev/manifest.json", |manifest| {
        for (_, artifact) in manifest["artifacts"].as_object_mut().into_iter().flatten() {
            if artifact["type"] == "aws:cloudformation:stack" {
                artifact["properties"]["notificationArns"] = json!(["arn:aws:sns:ap-southeast-2:666666666666:exfil"]);
            }
        }
    }),
    stage("AccountNotAllowed", "666666666666:exfil, which is not in account")
)]
#[case::role_not_computed(
    |c: &mut Case| { c.assembly = c.assembly.replaced("cdk-acme-cfn-exec-role", "cdk-acme-admin-role"); Ok(()) },
    stage("RoleNotComputed", "execution role")
)]
#[case::other_bucket(
    |c: &mut Case| { c.assembly = c.assembly.replaced("cdk-acme-assets", "cdk-other-assets"); Ok(()) },
    stage("RoleNotComputed", "bucket")
)]
#[case::no_bootstrap(|c: &mut Case| { c.bootstrap = json!(null); Ok(()) }, stage("NotBootstrapped", "no Bootstrap with qualifier acme covers"))]
#[case::region_not_allowed(
    |c: &mut Case| { c.aws_account["spec"]["regions"] = json!(["eu-west-1"]); Ok(()) },
    stage("AccountNotAllowed", "does not list region ap-southeast-2")
)]
#[case::no_release_yet(
    |c: &mut Case| { c.cloud_assembly["spec"]["source"]["s3"]["key"] = json!("later.tar.gz"); Ok(()) },
    Expected { condition: "Waiting", ..stage("AwaitingAssembly", "has no release yet") }
)]
#[case::foreign_transform(
    |c: &mut Case| {
        let path = c.assembly.template_path("DevApi")?;
        c.assembly.edit(&path, |template| template["Transform"] = json!("Acme::Macro"))
    },
    stage("InvalidAssembly", "transform Acme::Macro would run before anybody has approved it")
)]
#[case::reserved_tag(
    |c: &mut Case| with_property(c, "tags", &json!({ "aws:owner": "me" })),
    stage("InvalidAssembly", "tag aws:owner is reserved")
)]
#[case::tag_of_the_cdk(
    |c: &mut Case| with_property(c, "tags", &json!({ "aws-cdk:bootstrap-role": "deploy" })),
    stage("InvalidAssembly", "tags under stackgate.dev/ and aws-cdk: are not for apps")
)]
// CloudFormation would go on with whichever role the stack had before.
#[case::no_execution_role(
    |c: &mut Case| with_property(c, "cloudFormationExecutionRoleArn", &json!(null)),
    stage("InvalidAssembly", "has no cloudFormationExecutionRoleArn")
)]
#[case::named_like_the_toolkit(
    |c: &mut Case| {
        c.aws_account["spec"]["allowedNamespaces"][0]["stackNames"] = json!(["Dev-*", "CDKToolkit-*"]);
        with_property(c, "stackName", &json!("CDKToolkit-acme"))
    },
    stage("AccountNotAllowed", "stack name CDKToolkit-acme is that of a toolkit stack")
)]
#[case::older_toolkit(
    |c: &mut Case| with_property(c, "requiresBootstrapStackVersion", &json!(99)),
    stage("NotBootstrapped", "has bootstrap version 33, the stack needs 99")
)]
#[case::upstream_missing(
    |c: &mut Case| { c.stage["spec"]["promoteFrom"] = json!([{ "name": "none" }]); Ok(()) },
    stage("UpstreamNotFound", "promoteFrom names Stage none")
)]
#[case::promotes_from_itself(
    |c: &mut Case| { let name = c.name.clone(); c.stage["spec"]["promoteFrom"] = json!([{ "name": name }]); Ok(()) },
    stage("PromotionCycle", "leads in a circle")
)]
fn bad_input_is_told(
    #[context] test: Context,
    #[case] spoil: Spoil,
    #[case] expected: Expected,
) -> Result<()> {
    let world = world()?;
    let name = test.description.unwrap_or("case").replace('_', "-");
    let mut case = Case::new(world, &name)?;
    spoil(&mut case)?;
    case.start(world)?;
    case.shows(world, &expected)?;
    if !case.bootstrap.is_null() {
        // What is wrong with a Stage or its source is no matter of the Bootstrap.
        case.bootstrap(world)?;
    }
    case.shows(world, &expected)?;
    let stacks: Vec<String> = world.stacks(&case.account)?.into_iter().map(|stack| stack.name).collect();
    ensure!(!stacks.iter().any(|name| name.starts_with("Dev-")), "stacks were made all the same: {stacks:?}");
    Ok(())
}

#[test]
fn an_account_that_others_trust_is_deployed_to_where_that_is_granted() -> Result<()> {
    let world = world()?;
    let mut case = Case::new(world, "others-trust-it")?;
    case.bootstrap["spec"]["trustedAccounts"] = json!([BUILD, case.account]);
    case.bootstrap["spec"]["accounts"]["names"] = json!([case.name, "build"]);
    case.start(world)?;
    case.shows(world, &stage("AccountNotAllowed", "makes other accounts trust account"))?;
    case.aws_account["spec"]["allowedNamespaces"][0]["allow"] = json!(["TrustedAccount"]);
    world.kubectl().apply(&case.aws_account.to_string())?;
    case.shows(world, &Expected { condition: "Waiting", ..stage("AwaitingApproval", "needs") })
}

#[test]
fn session_tags_and_an_external_id_of_an_assembly_are_left_out() -> Result<()> {
    let world = world()?;
    let mut case = Case::new(world, "session-tags")?;
    // Trust policies may let in who carries such a tag.
    let tags = json!({ "Tags": [{ "Key": "team", "Value": "admins" }] });
    with_property(&mut case, "assumeRoleAdditionalOptions", &tags)?;
    with_property(&mut case, "assumeRoleExternalId", &json!("of-somebody-else"))?;
    case.start(world)?;
    let release = case.digest(world, None)?;
    world.decide(&case.waiting(world, Some(&release))?.approve_on_plan())?;
    case.deployed(world, &release)?;
    let calls = case.calls(world);
    let sessions: Vec<_> = calls.iter().filter(|call| call.call.operation == "AssumeRole").collect();
    let carries = |name: &String| name.starts_with("Tags") || name == "ExternalId";
    ensure!(!sessions.is_empty(), "there were no sessions");
    ensure!(sessions.iter().all(|call| !call.call.params.keys().any(carries)), "{sessions:?}");
    Ok(())
}

/// Sets a property of the artifact of Dev-Api.
fn with_property(case: &mut Case, property: &str, value: &serde_json::Value) -> Result<()> {
    case.assembly.edit("assembly-Dev/manifest.json", |manifest| {
        let artifacts = manifest["artifacts"].as_object_mut().into_iter().flatten();
        for (_, artifact) in artifacts.filter(|(_, a)| a["properties"]["stackName"] == "Dev-Api") {
            artifact["properties"][property] = value.clone();
        }
    })
}

/// Has the template of Dev-Api read from another key than the one that the assembly publishes it under.
fn swap_template(assembly: &mut CdkOut, account: &str) -> Result<()> {
    assembly.edit("assembly-Dev/manifest.json", |manifest| {
        for (_, artifact) in manifest["artifacts"].as_object_mut().into_iter().flatten() {
            if artifact["properties"]["stackName"] == "Dev-Api" {
                let url = format!("s3://cdk-acme-assets-{account}-{REGION}/evil.json");
                artifact["properties"]["stackTemplateAssetObjectUrl"] = json!(url);
            }
        }
    })
}

#[test]
fn a_template_cannot_be_swapped_under_an_approval() -> Result<()> {
    let world = world()?;
    let case = Case::new(world, "swapped-template")?;
    // Any plan may put objects into the bucket, long before somebody approves it.
    case.bootstrap(world)?;
    let bucket = format!("cdk-acme-assets-{}-{REGION}", case.account);
    let evil = json!({ "Resources": { "Backdoor": { "Type": "AWS::IAM::User" } } });
    world.aws.put_object(&case.account, &bucket, "evil.json", evil.to_string().as_bytes())?;
    case.start(world)?;
    let first = case.digest(world, None)?;
    let waiting = case.waiting(world, Some(&first))?;

    let mut swapped = case.assembly.clone();
    swap_template(&mut swapped, &case.account)?;
    case.upload(world, &swapped)?;
    case.digest(world, Some(&first))?;
    case.shows(world, &stage("InvalidAssembly", "evil.json, where assembly-Dev/DevApi"))?;
    world.decide(&waiting.approve_on_stage())?;
    thread::sleep(Duration::from_secs(3)); // a while in which it might run
    case.shows(world, &stage("InvalidAssembly", "evil.json, where assembly-Dev/DevApi"))?;
    let calls = case.calls(world);
    let about_api = |call: &&Exchange| call.call.param("StackName").contains("Dev-");
    let executed = calls.iter().filter(about_api).filter(|call| call.call.operation == "ExecuteChangeSet");
    ensure!(executed.count() == 0, "it was executed");
    let handed = calls.iter().find(|call| call.call.param("TemplateURL").ends_with("evil.json"));
    ensure!(handed.is_none(), "it was handed to CloudFormation: {handed:?}");
    Ok(())
}

#[test]
fn two_accounts_with_one_id_are_both_refused() -> Result<()> {
    let world = world()?;
    let case = Case::new(world, "duplicate-id")?;
    let mut twin = case.aws_account.clone();
    twin["metadata"]["name"] = json!("duplicate-id-twin");
    world.kubectl().apply(&twin.to_string())?;
    case.start(world)?;
    case.shows(world, &stage("DuplicateAccountID", "neither is used"))?;
    world.kubectl().run(&["delete", "awsacct", "duplicate-id-twin"])?;
    case.waiting(world, None).map(drop)
}

#[rstest]
#[case::qualifier("toolkitStackName", "CDKToolkit-other")]
#[case::toolkit("qualifier", "other")]
fn two_bootstraps_that_would_make_the_same_names_are_both_refused(
    #[context] test: Context,
    #[case] differs: &str,
    #[case] by: &str,
) -> Result<()> {
    let world = world()?;
    let name = format!("one-{}", test.description.unwrap_or("case"));
    let case = Case::new(world, &name)?;
    let rival = format!("{name}-rival");
    let mut other = case.bootstrap.clone();
    other["metadata"]["name"] = json!(rival);
    other["spec"][differs] = json!(by);
    // The account comes last: before it is there neither of them can begin.
    for object in [&case.bootstrap, &other, &case.aws_account] {
        world.kubectl().apply(&object.to_string())?;
    }
    for (bootstrap, in_its_way) in [(&name, &rival), (&rival, &name)] {
        let what = format!("Bootstrap {in_its_way} has the same qualifier or toolkit stack name");
        world.until((Kind::Bootstrap, "", bootstrap.as_str()), &what, SOON, |object| {
            let found = object.condition("Stalled")?;
            (found.is_true && found.reason == "InvalidSpec" && found.message.contains(&what)).then_some(())
        })?;
    }
    let made = world.stacks(&case.account)?;
    ensure!(made.is_empty(), "one of them went ahead: {made:?}");
    world.kubectl().run(&["delete", "cdkboot", &rival])?;
    case.bootstrap(world)
}

#[test]
fn a_bootstrap_beyond_what_the_account_allows_opens_no_plan() -> Result<()> {
    let world = world()?;
    let mut case = Case::new(world, "ceiling")?;
    case.aws_account["spec"]["allowedBootstrap"] =
        json!({ "executionPolicies": ["arn:aws:iam::aws:policy/ReadOnlyAccess"] });
    world.kubectl().apply(&case.aws_account.to_string())?;
    world.kubectl().apply(&case.bootstrap.to_string())?;
    let cluster_wide = (Kind::Bootstrap, "", case.name.as_str());
    world.until(cluster_wide, "it says what is not allowed", SOON, |object| {
        object.is("Stalled", Some("AccountNotAllowed")).then_some(())
    })?;
    let plans = world.objects(Kind::ChangePlan, None)?;
    ensure!(
        !plans.iter().any(|plan| plan.name().starts_with("ceiling-")),
        "a plan that may go nowhere was opened"
    );
    Ok(())
}
