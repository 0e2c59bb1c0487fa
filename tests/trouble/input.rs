//! What cannot be used is told, and nothing is done with it.

use anyhow::{Result, ensure};
use rstest::{Context, rstest};
use serde_json::json;
use stackgate_testbed::scenario::{BUILD_ACCOUNT, Case, Expected, Kind};

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
#[case::role_not_computed(
    |c: &mut Case| { c.assembly = c.assembly.replaced("cdk-acme-cfn-exec-role", "cdk-acme-admin-role"); Ok(()) },
    stage("RoleNotComputed", "execution role")
)]
#[case::other_bucket(
    |c: &mut Case| { c.assembly = c.assembly.replaced("cdk-acme-assets", "cdk-other-assets"); Ok(()) },
    stage("RoleNotComputed", "bucket")
)]
#[case::no_bootstrap(|c: &mut Case| { c.bootstrap = json!(null); Ok(()) }, stage("NotBootstrapped", "no Bootstrap with qualifier acme covers"))]
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
