//! Which changes bring other code and nothing else.
//!
//! The keys are those that the constructs of the CDK (aws-cdk-lib 2.276.0) put the hash of an asset into, for resources
//! that take new code in place.

use serde_json::Value;

use super::text::Text;
use crate::{
    bundle::{Resource, meaning},
    stack::Change,
};

/// How a key may change.
#[derive(Clone, Copy)]
enum Key {
    /// In any way: it names an object in a bucket that stays the same, or is the code itself.
    Any,
    /// In its tag or digest only: it names an image.
    Image,
}

/// Types, and where their code is named. `*` is each item of a list.
const KEYS: [(&str, &[&str], Key); 24] = [
    ("AWS::Lambda::Function", &["Code", "S3Key"], Key::Any),
    ("AWS::Lambda::Function", &["Code", "S3ObjectVersion"], Key::Any),
    ("AWS::Lambda::Function", &["Code", "ZipFile"], Key::Any),
    ("AWS::Lambda::Function", &["Code", "ImageUri"], Key::Image),
    ("AWS::Lambda::Alias", &["FunctionVersion"], Key::Any),
    ("AWS::Serverless::Function", &["CodeUri", "Key"], Key::Any),
    ("AWS::Serverless::Function", &["CodeUri", "Version"], Key::Any),
    ("AWS::Serverless::Function", &["ImageUri"], Key::Image),
    ("Custom::CDKBucketDeployment", &["SourceObjectKeys"], Key::Any),
    ("Custom::CDKBucketDeployment", &["SourceMarkers"], Key::Any),
    ("AWS::StepFunctions::StateMachine", &["DefinitionS3Location", "Key"], Key::Any),
    ("AWS::StepFunctions::StateMachine", &["DefinitionS3Location", "Version"], Key::Any),
    ("AWS::Synthetics::Canary", &["Code", "S3Key"], Key::Any),
    ("AWS::Synthetics::Canary", &["Code", "S3ObjectVersion"], Key::Any),
    ("AWS::Synthetics::Canary", &["Code", "Script"], Key::Any),
    ("AWS::AppSync::Resolver", &["CodeS3Location"], Key::Any),
    ("AWS::AppSync::FunctionConfiguration", &["CodeS3Location"], Key::Any),
    ("AWS::CloudFront::Function", &["FunctionCode"], Key::Any),
    ("AWS::Glue::Job", &["Command", "ScriptLocation"], Key::Any),
    ("AWS::AppRunner::Service", &["SourceConfiguration", "ImageRepository", "ImageIdentifier"], Key::Image),
    (
        "AWS::BedrockAgentCore::Runtime",
        &["AgentRuntimeArtifact", "ContainerConfiguration", "ContainerUri"],
        Key::Image,
    ),
    ("AWS::CodeBuild::Project", &["Environment", "Image"], Key::Image),
    (
        "AWS::KinesisAnalyticsV2::Application",
        &[
            "ApplicationConfiguration",
            "ApplicationCodeConfiguration",
            "CodeContent",
            "S3ContentLocation",
            "FileKey",
        ],
        Key::Any,
    ),
    ("AWS::ElasticBeanstalk::Environment", &["VersionLabel"], Key::Any),
];

/// Whether a resource gets other code and nothing else. The change list, where there is one, has to agree.
pub(super) fn is_code_only(old: &Resource, new: &Resource, changes: &[&Change]) -> bool {
    let keys: Vec<(&[&str], Key)> = KEYS
        .iter()
        .filter(|(kind, ..)| *kind == new.resource_type)
        .map(|(_, path, key)| (*path, *key))
        .collect();
    if keys.is_empty() || old.resource_type != new.resource_type {
        return false;
    }
    let (old, new) = (meaning(old), meaning(new));
    // Where the templates say the same, only a change list can tell that the code of a layer or version changes.
    let told = !changes.is_empty() && changes.iter().all(|c| !c.details.is_empty());
    (old != new || told)
        && without(old, &keys) == without(new, &keys)
        && changes.iter().all(|c| agrees(c, &keys))
}

fn agrees(change: &Change, keys: &[(&[&str], Key)]) -> bool {
    change.action == "Modify"
        && matches!(change.replacement.as_str(), "False" | "")
        && !change.policy_action.starts_with("Replace")
        && change.scope.iter().all(|s| s == "Properties" || s == "Metadata")
        && change.details.iter().all(|d| {
            matches!(d.requires_recreation.as_str(), "Never" | "")
                && (d.attribute == "Metadata"
                    || (d.name == "Layers" && d.change_source == "ResourceReference")
                    || keys.iter().any(|(path, _)| path.first() == Some(&d.name.as_str())))
        })
}

/// The resource with its code cut out.
fn without(mut body: Value, keys: &[(&[&str], Key)]) -> Value {
    for (path, key) in keys {
        let mut at = body.get_mut("Properties");
        for step in *path {
            at = at.and_then(|value| value.get_mut(*step));
        }
        if let Some(value) = at {
            *value = match key {
                Key::Any => Value::Null,
                Key::Image => Value::String(repository(value)),
            };
        }
    }
    body
}

/// The name of an image without tag and digest.
fn repository(image: &Value) -> String {
    let text = Text::of(image);
    let shown = text.with_tokens_as('~');
    let name = shown.split_once('@').map_or(shown.as_str(), |(name, _)| name);
    let name = match name.rsplit_once(':') {
        // A colon before a slash is that of a port.
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    };
    format!("{:?}", text.start(name.chars().count()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn is(kind: &str, old: &Value, new: &Value) -> bool {
        let resource = |properties: &Value| Resource {
            resource_type: kind.to_owned(),
            body: json!({"Type": kind, "Properties": properties, "Metadata": {"aws:asset:path": properties}}),
        };
        is_code_only(&resource(old), &resource(new), &[])
    }

    const FUNCTION: &str = "AWS::Lambda::Function";

    #[rstest]
    #[case(FUNCTION, json!({"Code": {"S3Key": "a", "S3Bucket": "b"}}), json!({"Code": {"S3Key": "c", "S3Bucket": "b"}}), true)]
    #[case(FUNCTION, json!({"Code": {"S3Key": "a", "S3Bucket": "b"}}), json!({"Code": {"S3Key": "c", "S3Bucket": "d"}}), false)]
    #[case(FUNCTION, json!({"Code": {"S3Key": "a"}}), json!({"Code": {"S3Key": "b"}, "Role": "r"}), false)]
    #[case(FUNCTION, json!({"Code": {"S3Key": "a"}}), json!({"Code": {"S3Key": "a"}}), false)]
    #[case(FUNCTION, json!({"Code": {"ImageUri": {"Fn::Sub": "1.dkr.${AWS::URLSuffix}/r:a"}}}), json!({"Code": {"ImageUri": {"Fn::Sub": "1.dkr.${AWS::URLSuffix}/r:b"}}}), true)]
    #[case(FUNCTION, json!({"Code": {"ImageUri": {"Fn::Sub": "1.dkr.${AWS::URLSuffix}/r:a"}}}), json!({"Code": {"ImageUri": {"Fn::Sub": "1.dkr.${AWS::URLSuffix}/s:a"}}}), false)]
    #[case(FUNCTION, json!({"Code": {"ImageUri": {"Fn::Sub": "1.dkr.${AWS::URLSuffix}/r:a"}}}), json!({"Code": {"ImageUri": {"Fn::Sub": "1.dkr.${Evil}/r:a"}}}), false)]
    #[case(FUNCTION, json!({"Code": {"ImageUri": "h:5000/r@sha256:1"}}), json!({"Code": {"ImageUri": "h:5000/r@sha256:2"}}), true)]
    #[case(FUNCTION, json!({"Code": {"ImageUri": "h:5000/r"}}), json!({"Code": {"ImageUri": "h:5001/r"}}), false)]
    #[case("AWS::Lambda::LayerVersion", json!({"Content": {"S3Key": "a"}}), json!({"Content": {"S3Key": "b"}}), false)]
    #[case("Custom::CDKBucketDeployment", json!({"SourceObjectKeys": ["a"]}), json!({"SourceObjectKeys": ["b"]}), true)]
    #[case("Custom::CDKBucketDeployment", json!({"SourceObjectKeys": ["a"]}), json!({"SourceObjectKeys": ["b"], "ServiceToken": 1}), false)]
    fn only_code(#[case] kind: &str, #[case] old: Value, #[case] new: Value, #[case] want: bool) {
        assert_eq!(is(kind, &old, &new), want);
    }
}
