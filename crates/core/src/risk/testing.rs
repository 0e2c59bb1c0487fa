//! Templates and change lists for tests.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Assessed, Assessment, Nested, assess};
use crate::{
    api::RiskClass,
    bundle::{Origins, Template},
    stack::{Change, ValueSource},
    words::StackKey,
};

/// A template with these sections.
pub(super) fn template(json: &Value) -> Template {
    Template::parse(json.to_string().as_bytes(), &key()).unwrap()
}

fn key() -> StackKey {
    let key = json!({"env": {"account": "111111111111", "region": "ap-southeast-2"}, "name": "Dev"});
    serde_json::from_value(key).unwrap()
}

/// The assets bucket of the stacks.
pub(super) const BUCKET: &str = "cdk-acme-assets-111111111111-ap-southeast-2";

/// What tells where things come from.
pub(super) fn origins() -> Origins {
    Origins::with_bucket(&key(), BUCKET)
}

/// A template with these resources.
pub(super) fn resources(json: &Value) -> Template {
    template(&json!({ "Resources": json }))
}

/// One line of a change list.
pub(super) fn change(logical_id: &str, resource_type: &str, action: &str) -> Change {
    Change {
        logical_id: logical_id.to_owned(),
        resource_type: resource_type.to_owned(),
        action: action.to_owned(),
        replacement: if action == "Modify" { "False" } else { "" }.to_owned(),
        policy_action: String::new(),
        scope: BTreeSet::new(),
        details: BTreeSet::new(),
        values: None,
    }
}

/// Why a property changes.
pub(super) fn detail(name: &str, source: &str, entity: &str) -> ValueSource {
    ValueSource {
        attribute: "Properties".to_owned(),
        name: name.to_owned(),
        requires_recreation: "Never".to_owned(),
        evaluation: if source == "DirectModification" { "Static" } else { "Dynamic" }.to_owned(),
        change_source: source.to_owned(),
        causing_entity: entity.to_owned(),
    }
}

/// Assesses with the change list, and nothing nested.
pub(super) fn assessed(old: Option<&Template>, new: &Template, changes: Option<&[Change]>) -> Assessment {
    assessed_with(old, new, changes, &BTreeMap::new())
}

/// Assesses with parameters that are given a value.
pub(super) fn assessed_given(
    old: &Template,
    new: &Template,
    changes: Option<&[Change]>,
    given: &[&str],
) -> Assessment {
    assess(&Assessed {
        stack: "S",
        old: Some(old),
        new,
        changes,
        construct_paths: &BTreeMap::new(),
        given: &given.iter().map(|name| (*name).to_owned()).collect(),
        origins: &origins(),
        nested: &BTreeMap::new(),
    })
}

/// Assesses with nested templates.
pub(super) fn assessed_with(
    old: Option<&Template>,
    new: &Template,
    changes: Option<&[Change]>,
    nested: &BTreeMap<String, Nested<'_>>,
) -> Assessment {
    let none = BTreeMap::new();
    assess(&Assessed {
        stack: "S",
        old,
        new,
        changes,
        construct_paths: &none,
        given: &BTreeSet::new(),
        origins: &origins(),
        nested,
    })
}

/// The change list that CloudFormation would make of two templates: everything in place.
pub(super) fn in_place(old: &Template, new: &Template) -> Vec<Change> {
    crate::bundle::difference(Some(old), new)
        .into_iter()
        .map(|d| change(&d.logical_id, &d.resource_type, d.kind.as_str()))
        .collect()
}

/// Class and logical id of what is found where everything changes in place.
pub(super) fn found(old: &Value, new: &Value) -> Vec<(RiskClass, String)> {
    let (old, new) = (template(old), template(new));
    let changes = in_place(&old, &new);
    let found = assessed(Some(&old), &new, Some(&changes));
    found.risks.into_iter().map(|r| (r.class, r.logical_id)).collect()
}

/// Whether a class is found.
pub(super) fn has(class: RiskClass, old: &Value, new: &Value) -> bool {
    found(old, new).into_iter().any(|(c, _)| c == class)
}

/// Whether a class is found when one resource changes.
pub(super) fn one_has(class: RiskClass, kind: &str, old: &Value, new: &Value) -> bool {
    let of = |properties: &Value| match properties {
        Value::Null => json!({"Resources": {}}),
        properties => json!({"Resources": {"R": {"Type": kind, "Properties": properties}}}),
    };
    has(class, &of(old), &of(new))
}
