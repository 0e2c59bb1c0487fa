//! Code that a template names and does not hold: what an import, an attribute of a custom resource or a parameter gives.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    code, dynamic,
    guard_names::has_keys_of_the_app,
    moved::Moved,
    pair::{Pair, properties},
    reference::{Reference, references},
};
use crate::bundle::{Resource, canonical_json};

/// Whether a resource of a template gets other code and nothing else. `free`: resources whose attributes may be anything.
pub(super) fn code_only(pair: &Pair<'_>, moved: &Moved, free: &BTreeSet<&str>) -> bool {
    let (Some(old), Some(new)) = (pair.old, pair.new) else { return false };
    // Without a list nobody can tell whether what a parameter gives is the same.
    let refers = || references(properties(pair.new)).iter().any(|r| moved.input(r));
    // What stands in the maps of the app is of the app, as its code is.
    let is_certain = || {
        let (said, besides) = (of_the_template(properties(pair.new)), of_the_template(&code::besides(new)));
        !dynamic::is_unpinned(&said, &|_| false) && !moved.is_uncertain(&said) && !moved.within(&besides)
    };
    code::is_code_only(old, new, &pair.changes)
        && !refers()
        && is_certain()
        && !is_from_elsewhere(pair, moved, free)
}

/// Whether the code of a resource becomes, or may become, something that is not of the release.
pub(super) fn is_from_elsewhere(pair: &Pair<'_>, moved: &Moved, free: &BTreeSet<&str>) -> bool {
    let Some(new) = pair.new.filter(|_| pair.touched()) else { return false };
    let mut listed = pair.details().map(|d| d.name.as_str()).peekable();
    let unlisted = listed.peek().is_none();
    let listed: BTreeSet<&str> = listed.collect();
    let is_free = |r: &Reference| match r {
        Reference::Name(id) | Reference::Attribute(id, _) => free.contains(id.as_str()),
        Reference::Mapping(_) | Reference::Condition(_) => false,
    };
    let foreign = |resource: &Resource| {
        let mut found = BTreeSet::new();
        for (_, value, is_version) in code::named(resource) {
            let of_a_resource = references(value).iter().any(|r| !is_free(r));
            if is_version && !of_a_resource {
                found.insert(canonical_json(value));
            }
            imports(value, &mut found);
            found.extend(references(value).iter().filter(|r| is_free(r)).map(|r| format!("{r:?}")));
        }
        found
    };
    let moves = code::named(new).any(|(property, value, _)| {
        (unlisted || listed.contains(property)) && moved.is_uncertain(value)
            || references(value).iter().any(|r| is_free(r) && moved.reference(r))
    });
    moves || !foreign(new).is_subset(&pair.old.map(foreign).unwrap_or_default())
}

/// Whether others decide on what a value is: what exports something, or what a dynamic reference leads to.
pub(super) fn is_given_by_others(value: &Value) -> bool {
    let mut found = BTreeSet::new();
    imports(value, &mut found);
    !found.is_empty() || dynamic::is_unpinned(value, &|_| false)
}

/// The imports in a value. What is imported cannot change as long as somebody imports it ("Outputs", AWS CloudFormation user guide).
fn imports(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| imports(item, found)),
        Value::Object(object) => {
            found.extend(object.get("Fn::ImportValue").map(canonical_json));
            object.values().for_each(|item| imports(item, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A value without the maps whose keys the app chooses.
fn of_the_template(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(of_the_template).collect(),
        Value::Object(object) => {
            let kept = object.iter().filter(|(name, _)| !has_keys_of_the_app(name));
            kept.map(|(name, item)| (name.clone(), of_the_template(item))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}
