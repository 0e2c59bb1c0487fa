//! Policy documents, wherever they stand in the properties of a resource.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    facts::path,
    guard_names::has_keys_of_the_app,
    statement::{Entry, read_document},
    text::is_intrinsic,
};
use crate::bundle::{canonical_json, parse_json};

/// Statements by the place of their document. Documents of one place apply together, in no order.
pub(super) type Documents = BTreeMap<String, Vec<Entry>>;

/// What was found, and in which properties.
#[derive(Default)]
pub(super) struct Found {
    pub(super) documents: Documents,
    pub(super) properties: BTreeSet<String>,
}

/// Finds the documents in the properties of a resource.
pub(super) fn documents(resource_type: &str, properties: &Map<String, Value>) -> Found {
    let mut found = Found::default();
    // The rules of a web ACL have statements that grant nothing.
    if resource_type.starts_with("AWS::WAF") {
        return found;
    }
    for (name, value) in properties.iter().filter(|(name, _)| !has_keys_of_the_app(name)) {
        let mut documents = Documents::new();
        if name == "Statement" {
            // A resource that is one statement, such as AWS::Events::EventBusPolicy.
            let document = Map::from_iter([(name.clone(), value.clone())]);
            documents.insert(name.clone(), read_document(&document));
        } else {
            // Whatever else has a content has other content.
            let is_policy = name == "Content" && resource_type == "AWS::Organizations::Policy";
            walk(value, if is_policy { "Policy" } else { name }, name, &mut documents);
        }
        if !documents.is_empty() {
            found.properties.insert(name.clone());
        }
        for (place, entries) in documents {
            found.documents.entry(place).or_default().extend(entries);
        }
    }
    found
}

fn walk(value: &Value, key: &str, place: &str, found: &mut Documents) {
    match value {
        Value::Object(object) if is_intrinsic(value) => {
            if names_a_policy(key) || object.values().any(has_statement) {
                add(found, place, vec![Entry::Unreadable(canonical_json(value))]);
            }
        }
        Value::Object(object) if is_document(object) => add(found, place, read_document(object)),
        Value::Object(object) => {
            let mut inside = Documents::new();
            for (name, item) in object.iter().filter(|(name, _)| !has_keys_of_the_app(name)) {
                walk(item, name, &path(place, name), &mut inside);
            }
            // Written in a way that we do not know is not the same as nothing.
            if inside.is_empty() && is_a_document_by_name(key) && !object.is_empty() {
                add(found, place, vec![Entry::Unreadable(canonical_json(value))]);
            }
            for (place, entries) in inside {
                add(found, &place, entries);
            }
        }
        Value::Array(items) => {
            for item in items {
                walk(item, key, &path(place, &identity(place, item)), found);
            }
        }
        Value::String(text) => {
            if let Some(entries) = in_text(key, text) {
                add(found, place, entries);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn add(found: &mut Documents, place: &str, entries: Vec<Entry>) {
    found.entry(place.to_owned()).or_default().extend(entries);
}

fn is_document(object: &Map<String, Value>) -> bool {
    object.get("Statement").is_some_and(|s| s.is_array() || s.is_object() || s.is_string())
}

fn has_statement(value: &Value) -> bool {
    match value {
        Value::Object(object) => object.contains_key("Statement") || object.values().any(has_statement),
        Value::Array(items) => items.iter().any(has_statement),
        Value::String(text) => text.contains("\"Statement\""),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A document that is written as text, such as the content of an AWS::Organizations::Policy.
fn in_text(key: &str, text: &str) -> Option<Vec<Entry>> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    match parse_json(text.as_bytes()) {
        Ok(Value::Object(object)) if is_document(&object) => Some(read_document(&object)),
        _ if is_a_document_by_name(key) || (names_a_policy(key) && text.contains("Statement")) => {
            Some(vec![Entry::Unreadable(text.to_owned())])
        }
        _ => None,
    }
}

/// Which of the items of a list it is, whatever its place in it: what its plain fields say. The inline policies of a principal
/// apply together, so there it makes no difference.
fn identity(place: &str, item: &Value) -> String {
    if place == "Policies" || place == "AccessPolicies" {
        return String::new();
    }
    let plain = |(_, v): &(&String, &Value)| v.is_string() || v.is_number() || v.is_boolean();
    let fields = item.as_object().filter(|o| !is_document(o)).into_iter().flatten().filter(plain);
    let mut fields: Vec<String> = fields.map(|(k, v)| format!("{k}={v}")).collect();
    fields.sort();
    fields.join(",")
}

/// Whether a property of this name holds a policy of who may do what. The names end like those that the CloudFormation resource
/// reference uses for them; policies of other kinds are left out.
pub(super) fn names_a_policy(name: &str) -> bool {
    let others = [
        "Lifecycle",
        "Scaling",
        "Redrive",
        "SSL",
        "Ssl",
        "Tls",
        "TLS",
        "Security",
        "Retry",
        "Backup",
        "Password",
        "Delivery",
        "Cache",
        "Replication",
        "Request",
        "Headers",
        "Throughput",
        "Termination",
        "Update",
        "Retention",
        "Rotation",
        "Deployment",
        "Interpolation",
        "Sampling",
        "Expiration",
        "Transition",
        "Deletion",
        "Overflow",
    ];
    let ends = ["Policy", "PolicyDocument", "PolicyText", "AccessPolicies", "Policies", "Permissions"];
    ends.iter().any(|end| name.ends_with(end)) && !others.iter().any(|other| name.contains(other))
}

/// Whether a property of this name holds a policy document and nothing else.
fn is_a_document_by_name(name: &str) -> bool {
    let ends = [
        "PolicyDocument",
        "PolicyText",
        "InlinePolicy",
        "KeyPolicy",
        "ResourcePolicy",
        "ResourceBasedPolicy",
        "FileSystemPolicy",
        "RepositoryPolicy",
        "BucketPolicy",
        "AccessPolicy",
        "AccessPolicies",
        "TrustPolicy",
    ];
    names_a_policy(name) && (name == "Policy" || ends.iter().any(|end| name.ends_with(end)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn places(resource_type: &str, properties: &Value) -> Vec<String> {
        documents(resource_type, properties.as_object().unwrap()).documents.into_keys().collect()
    }

    #[test]
    fn finds_documents_wherever_they_are() {
        let document = json!({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
        let text = document.to_string();
        let found = places(
            "AWS::Organizations::Policy",
            &json!({
                "PolicyDocument": document, "Nested": {"Deep": [{"Name": "a", "Thing": document}]}, "Content": text,
                "Policy": {"Fn::Sub": "${P}"}, "Other": {"Fn::If": ["C", document, {"Ref": "AWS::NoValue"}]},
                "LifecyclePolicyText": {"Ref": "P"}, "Name": {"Ref": "P"}, "Description": "Statement",
            }),
        );
        assert_eq!(found, ["Content", "Nested/Deep/Name=\"a\"/Thing", "Other", "Policy", "PolicyDocument"]);
    }

    #[test]
    fn content_is_a_policy_of_an_organization_alone() {
        let content = json!({"Content": {"Fn::Sub": "{\"mainSteps\": ${Steps}}"}});
        assert!(places("AWS::SSM::Document", &content).is_empty());
        assert_eq!(places("AWS::Organizations::Policy", &content), ["Content"]);
    }

    #[test]
    fn a_web_acl_has_no_policies() {
        assert!(places("AWS::WAFv2::WebACL", &json!({"Rules": [{"Statement": {"Ref": "X"}}]})).is_empty());
    }
}
