//! Which changes bring other code and nothing else.
//!
//! The keys are those that the constructs of the CDK (aws-cdk-lib 2.276.0) put the hash of an asset into, for resources
//! that take new code in place.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    elsewhere,
    moved::Moved,
    pair::{Pair, is_in_place, properties},
    reference::{Reference, references},
    text::Text,
};
use crate::{
    bundle::{Resource, canonical_json, meaning},
    stack::{Change, ValueSource},
};

/// How a key may change.
#[derive(Clone, Copy)]
enum Key {
    /// In any way: it names an object in a bucket that stays the same, or is the code itself.
    Any,
    /// In its tag or digest only: it names an image.
    Image,
    /// From one resource of the template to another: it names a version.
    Version,
}

/// Every change of a task definition makes a new revision of it; the one before stays where it runs.
pub(super) const TASK: &str = "AWS::ECS::TaskDefinition";

/// Types, and where their code is named. `*` is each item of a list.
const KEYS: [(&str, &[&str], Key); 23] = [
    ("AWS::Lambda::Function", &["Code", "S3Key"], Key::Any),
    ("AWS::Lambda::Function", &["Code", "S3ObjectVersion"], Key::Any),
    ("AWS::Lambda::Function", &["Code", "ZipFile"], Key::Any),
    ("AWS::Lambda::Function", &["Code", "ImageUri"], Key::Image),
    ("AWS::Lambda::Alias", &["FunctionVersion"], Key::Version),
    ("AWS::Serverless::Function", &["CodeUri", "Key"], Key::Any),
    ("AWS::Serverless::Function", &["CodeUri", "Version"], Key::Any),
    ("AWS::Serverless::Function", &["ImageUri"], Key::Image),
    ("Custom::CDKBucketDeployment", &["SourceObjectKeys"], Key::Any),
    ("Custom::CDKBucketDeployment", &["SourceMarkers"], Key::Any),
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
    (TASK, &["ContainerDefinitions", "*", "Image"], Key::Image),
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
    ("AWS::ElasticBeanstalk::Environment", &["VersionLabel"], Key::Version),
];

/// Where a type names its code.
fn keys(kind: &str) -> Vec<(&'static [&'static str], Key)> {
    KEYS.iter().filter(|(of, ..)| *of == kind).map(|(_, path, key)| (*path, *key)).collect()
}

/// Whether a resource gets other code and nothing else, by what the templates say. The change list, where there is one, has to agree.
pub(super) fn is_code_only(old: &Resource, new: &Resource, changes: &[&Change]) -> bool {
    let keys = keys(&new.resource_type);
    if keys.is_empty() || old.resource_type != new.resource_type {
        return false;
    }
    let (old, new) = (meaning(old), meaning(new));
    // Where the templates say the same, only a change list can tell that the code of a layer or version changes; whatever else does,
    // may be anything.
    let told = !changes.is_empty()
        && changes.iter().all(|c| !c.details.is_empty() && c.details.iter().all(is_by_other_code));
    (old != new || told)
        && without(old, &keys) == without(new, &keys)
        && changes.iter().all(|c| agrees(c, &keys))
}

fn agrees(change: &Change, keys: &[(&[&str], Key)]) -> bool {
    let is_revised = change.resource_type == TASK;
    (is_in_place(change) || (is_revised && change.action == "Modify"))
        && change.scope.iter().all(|s| s == "Properties" || s == "Metadata")
        && change.details.iter().all(|d| {
            (is_revised || matches!(d.requires_recreation.as_str(), "Never" | ""))
                && (d.attribute == "Metadata"
                    || is_by_other_code(d)
                    // What a parameter gives stands in no template.
                    || (matches!(d.change_source.as_str(), "DirectModification" | "")
                        && keys.iter().any(|(path, _)| path.first() == Some(&d.name.as_str()))))
        })
}

/// Whether a line of the list says that a layer or a version becomes another one.
fn is_by_other_code(detail: &ValueSource) -> bool {
    match detail.name.as_str() {
        "Layers" => detail.change_source == "ResourceReference",
        "FunctionVersion" => {
            matches!(detail.change_source.as_str(), "ResourceReference" | "ResourceAttribute")
        }
        _ => false,
    }
}

/// The properties of a resource with its code cut out, and the layers that are code as well.
pub(super) fn besides(resource: &Resource) -> Value {
    let mut body = without(resource.body.clone(), &keys(&resource.resource_type));
    let mut rest = body.get_mut("Properties").map(Value::take).unwrap_or_default();
    if let Some(object) = rest.as_object_mut() {
        object.remove("Layers");
    }
    rest
}

/// What names the code of a resource, other than by the place of an image; the property that it stands in, and whether only a resource of
/// the template may be named.
pub(super) fn named(resource: &Resource) -> impl Iterator<Item = (&'static str, &Value, bool)> {
    let at = |(path, key): (&'static [&'static str], Key)| {
        let top = path.first().copied()?;
        let value = path.iter().try_fold(resource.body.get("Properties")?, |at, step| at.get(*step))?;
        Some((top, value, matches!(key, Key::Version)))
    };
    let is_place = |(_, key): &(&[&str], Key)| matches!(key, Key::Image);
    keys(&resource.resource_type).into_iter().filter(move |key| !is_place(key)).filter_map(at)
}

/// The resource with its code cut out.
fn without(mut body: Value, keys: &[(&[&str], Key)]) -> Value {
    for (path, key) in keys {
        if let Some(properties) = body.get_mut("Properties") {
            cut_out(properties, path, *key);
        }
    }
    body
}

fn cut_out(value: &mut Value, path: &[&str], key: Key) {
    match path.split_first() {
        Some((&"*", rest)) => {
            value.as_array_mut().into_iter().flatten().for_each(|item| cut_out(item, rest, key));
        }
        Some((step, rest)) => value.get_mut(*step).into_iter().for_each(|item| cut_out(item, rest, key)),
        None => {
            *value = match key {
                Key::Any | Key::Version => Value::Null,
                Key::Image => Value::String(repository(value)),
            }
        }
    }
}

/// Types of which each change makes another one that takes the place of the one before, what they belong to, and what may differ.
const TAKEN_PLACE: [(&str, &str, &[&str]); 2] = [
    ("AWS::Lambda::Version", "FunctionName", &["Description", "CodeSha256"]),
    ("AWS::ApiGateway::Deployment", "RestApiId", &["Description"]),
];

/// Resources that mean the same, before and after.
#[derive(Default)]
struct Step<'a> {
    gone: Vec<&'a str>,
    come: Vec<&'a str>,
}

/// Resources and those that take their places, each by the other.
pub(super) type Steps<'a> = BTreeMap<&'a str, &'a str>;

/// The resources that are such a step from one to the next, both of them: one goes and one comes, by the templates and by the list, of
/// what stays the same.
pub(super) fn steps<'a>(pairs: &[Pair<'a>], moved: &Moved) -> Steps<'a> {
    let mut steps = Steps::new();
    let ids: BTreeSet<&str> = pairs.iter().map(|p| p.id).collect();
    // What a parameter gives may be another function, and no list tells that of what goes and comes.
    let is_of_resource = |reference: &Reference| match reference {
        Reference::Name(id) | Reference::Attribute(id, _) => ids.contains(id.as_str()),
        Reference::Mapping(_) | Reference::Condition(_) => false,
    };
    for (kind, of, free) in TAKEN_PLACE {
        let meaning = |properties: &Value| {
            let mut rest = properties.as_object().cloned().unwrap_or_default();
            rest.retain(|name, _| !free.contains(&name.as_str()));
            rest.contains_key(of).then(|| canonical_json(&Value::Object(rest)))
        };
        let mut by_meaning: BTreeMap<String, Step<'a>> = BTreeMap::new();
        for pair in pairs.iter().filter(|p| p.resource_type() == kind && p.old.is_some() != p.new.is_some()) {
            let (there, action) = if pair.old.is_some() { (pair.old, "Remove") } else { (pair.new, "Add") };
            let is_listed = match pair.changes.as_slice() {
                [] => pair.deferred,
                [change] => change.action == action,
                _ => false,
            };
            let is_certain = there.is_some_and(|r| r.body.get("Condition").is_none())
                && references(properties(there)).iter().all(|r| !moved.reference(r) && is_of_resource(r))
                && !elsewhere::is_given_by_others(properties(there));
            let Some(meaning) = meaning(properties(there)).filter(|_| is_listed && is_certain) else {
                continue;
            };
            let step = by_meaning.entry(meaning).or_default();
            if pair.old.is_some() { step.gone.push(pair.id) } else { step.come.push(pair.id) }
        }
        for step in by_meaning.values() {
            // One takes the place of one.
            if let ([old], [new]) = (step.gone.as_slice(), step.come.as_slice()) {
                steps.extend([(*old, *new), (*new, *old)]);
            }
        }
    }
    steps
}

/// The name of an image without tag and digest.
pub(super) fn repository(image: &Value) -> String {
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

    #[test]
    fn another_image_of_a_task_is_other_code_though_the_list_says_replaced() {
        let task = |image: &str, more: &Value| Resource {
            resource_type: TASK.to_owned(),
            body: json!({"Type": TASK, "Properties": {"Family": "f", "ContainerDefinitions": [{"Image": image}, more]}}),
        };
        let listed = |kind: &str| {
            let mut change = crate::risk::testing::change("T", kind, "Modify");
            change.replacement = "True".to_owned();
            change.policy_action = "ReplaceAndDelete".to_owned();
            let mut why = crate::risk::testing::detail("ContainerDefinitions", "DirectModification", "");
            why.requires_recreation = "Always".to_owned();
            change.details.insert(why);
            change
        };
        let (none, privileged) = (json!({}), json!({"Privileged": true}));
        let is = |new: Resource, listed: &Change| is_code_only(&task("r:1", &none), &new, &[listed]);
        assert!(is(task("r:2", &none), &listed(TASK)));
        assert!(!is(task("r:2", &privileged), &listed(TASK)));
        assert!(!is(task("s:1", &none), &listed(TASK)), "another repository");
        assert!(!is(task("r:2", &none), &listed("AWS::Lambda::Function")), "what is replaced in truth");
    }
}
