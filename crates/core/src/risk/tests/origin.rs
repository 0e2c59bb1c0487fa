//! What is drawn in from outside of the release.

use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    api::RiskClass::Opaque,
    bundle::Template,
    risk::testing::{BUCKET, assessed, change, in_place, one_has, resources},
};

const FUNCTION: &str = "AWS::Lambda::Function";
const DEPLOYMENT: &str = "Custom::CDKBucketDeployment";
const TASKS: &str = "AWS::ECS::TaskDefinition";

fn code(bucket: &Value, key: &str) -> Value {
    json!({"Code": {"S3Bucket": bucket, "S3Key": key}})
}

fn ours() -> Value {
    json!({"Fn::Sub": "cdk-acme-assets-${AWS::AccountId}-${AWS::Region}"})
}

#[rstest]
#[case::an_asset(FUNCTION, code(&ours(), "a.zip"), false)]
#[case::of_another_bucket(FUNCTION, code(&json!("theirs"), "a.zip"), true)]
#[case::of_a_bucket_that_a_parameter_names(FUNCTION, code(&json!({"Ref": "P"}), "a.zip"), true)]
#[case::in_no_version(FUNCTION, json!({"Code": {"S3Bucket": "theirs", "S3Key": "a", "S3ObjectVersion": "null"}}), true)]
#[case::what_a_build_is_made_of("AWS::CodeBuild::Project", json!({"Source": {"Type": "S3", "Location": "theirs/a.zip"}}), true)]
#[case::a_repository("AWS::CodeBuild::Project", json!({"Source": {"Type": "GITHUB", "Location": "https://github.com/a/b"}}), false)]
#[case::more_of_a_job("AWS::Glue::Job", json!({"DefaultArguments": {"--extra-py-files": "s3://theirs/a.py"}}), true)]
#[case::a_layer("AWS::Lambda::LayerVersion", json!({"Content": {"S3Bucket": "theirs", "S3Key": "a"}}), true)]
#[case::a_script("AWS::Glue::Job", json!({"Command": {"ScriptLocation": "s3://theirs/a.py"}}), true)]
#[case::a_script_of_ours("AWS::Glue::Job", json!({"Command": {"ScriptLocation": format!("s3://{BUCKET}/a.py")}}), false)]
#[case::a_resolver("AWS::AppSync::Resolver", json!({"CodeS3Location": {"Fn::Sub": "s3://${P}/a.js"}}), true)]
#[case::an_application("AWS::KinesisAnalyticsV2::Application", json!({"X": {"BucketARN": "arn:aws:s3:::theirs", "FileKey": "a"}}), true)]
#[case::an_image(FUNCTION, json!({"Code": {"ImageUri": "111111111111.dkr.ecr.ap-southeast-2.amazonaws.com/app:latest"}}), true)]
#[case::a_container(TASKS, json!({"ContainerDefinitions": [{"Name": "a", "Image": "nginx:latest"}]}), true)]
#[case::the_image_of_a_build("AWS::CodeBuild::Project", json!({"Environment": {"Image": "aws/codebuild/standard:7.0"}}), false)]
fn of_a_resource(#[case] kind: &str, #[case] properties: Value, #[case] want: bool) {
    assert_eq!(one_has(Opaque, kind, &Value::Null, &properties), want, "made");
    assert_eq!(one_has(Opaque, kind, &code(&ours(), "b.zip"), &properties), want, "changed");
    let mut other = properties.clone();
    other["MemorySize"] = json!(256);
    assert!(!one_has(Opaque, kind, &properties, &other), "it was there before");
    assert!(!one_has(Opaque, kind, &properties, &Value::Null), "removed");
}

fn is_code_only(kind: &str, old: &Value, new: &Value) -> bool {
    let of = |properties: &Value| -> Template {
        resources(&json!({"R": {"Type": kind, "Properties": properties}}))
    };
    let (old, new) = (of(old), of(new));
    let changes = in_place(&old, &new);
    assessed(Some(&old), &new, Some(&changes)).code_only.contains("R")
}

#[rstest]
#[case::an_asset(FUNCTION, code(&ours(), "a"), code(&ours(), "b"), true)]
#[case::of_another_bucket(FUNCTION, code(&json!("theirs"), "a"), code(&json!("theirs"), "b"), false)]
#[case::a_script(
    "AWS::Glue::Job",
    json!({"Command": {"ScriptLocation": format!("s3://{BUCKET}/a.py")}}),
    json!({"Command": {"ScriptLocation": "s3://theirs/a.py"}}),
    false
)]
#[case::a_tag(FUNCTION, json!({"Code": {"ImageUri": "app:1"}}), json!({"Code": {"ImageUri": "app:latest"}}), false)]
#[case::files(DEPLOYMENT, files(&ours(), "a"), files(&ours(), "b"), true)]
#[case::files_of_another_bucket(DEPLOYMENT, files(&json!("theirs"), "a"), files(&json!("theirs"), "b"), false)]
#[case::files_of_a_bucket_that_is_imported(
    DEPLOYMENT,
    files(&json!({"Fn::ImportValue": "x"}), "a"),
    files(&json!({"Fn::ImportValue": "x"}), "b"),
    false
)]
fn other_code_and_nothing_else(
    #[case] kind: &str,
    #[case] old: Value,
    #[case] new: Value,
    #[case] want: bool,
) {
    assert_eq!(is_code_only(kind, &old, &new), want);
    if kind == DEPLOYMENT {
        // What its code does with files is nobody's to know, but for those that the release holds.
        assert_eq!(one_has(Opaque, kind, &old, &new), !want);
    }
}

fn files(bucket: &Value, key: &str) -> Value {
    json!({"ServiceToken": "t", "SourceBucketNames": [bucket], "SourceObjectKeys": [key]})
}

#[test]
fn what_is_not_touched_is_not_told() {
    let of = |size: u32| {
        resources(&json!({
            "R": {"Type": FUNCTION, "Properties": code(&json!("theirs"), "a")},
            "Q": {"Type": "AWS::SQS::Queue", "Properties": {"S": size}}
        }))
    };
    let list = [change("Q", "AWS::SQS::Queue", "Modify")];
    assert!(assessed(Some(&of(1)), &of(2), Some(&list)).risks.is_empty());
}

/// An image under its digest, and an object of another bucket in one version.
fn image(repository: &str, digit: &str) -> Value {
    json!({"Family": "f", "ContainerDefinitions": [{"Image": format!("{repository}@sha256:{}", digit.repeat(64))}]})
}

fn version(bucket: &str, version: &str) -> Value {
    json!({"Code": {"S3Bucket": bucket, "S3Key": "a", "S3ObjectVersion": version}})
}

#[rstest]
#[case::another_image(TASKS, image("r", "1"), image("r", "2"), false)]
#[case::an_image_of_others(TASKS, image("r", "1"), image("theirs", "2"), true)]
#[case::another_version(FUNCTION, version("b", "1"), version("b", "2"), false)]
#[case::a_version_of_others(FUNCTION, version("b", "1"), version("theirs", "2"), true)]
#[case::from_inline_code(FUNCTION, json!({"Code": {"ZipFile": "a"}}), version("theirs", "2"), true)]
fn what_is_pinned_may_still_be_of_others(
    #[case] kind: &str,
    #[case] old: Value,
    #[case] new: Value,
    #[case] want: bool,
) {
    assert!(!one_has(Opaque, kind, &Value::Null, &new), "new as it is");
    assert_eq!(one_has(Opaque, kind, &old, &new), want);
    assert_eq!(is_code_only(kind, &old, &new), !want);
}
