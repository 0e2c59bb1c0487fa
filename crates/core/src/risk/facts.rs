//! What is compared of a resource besides whole policies: facts that open something, and facts that guard it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    lasting::is_note,
    reference::{Reference, references},
    text::{Text, is_intrinsic, items},
};
use crate::{bundle::canonical_json, words::Digest};

/// A cause, and what exactly; the latter is compared and never shown.
pub(super) type Fact = (&'static str, String);

/// Facts about one side of a resource.
#[derive(Default, Debug)]
pub(super) struct Facts {
    /// More of these is more than before.
    pub(super) opens: BTreeSet<Fact>,
    /// Fewer of these is more than before.
    pub(super) guards: BTreeSet<Fact>,
    /// The properties that they come from as a whole.
    pub(super) properties: BTreeSet<String>,
    /// The values that they come from otherwise, by the property around each.
    pub(super) parts: BTreeMap<String, Vec<Value>>,
}

impl Facts {
    /// Each item of a property opens something.
    pub(super) fn open_each(&mut self, properties: &Value, name: &str, cause: &'static str) {
        for item in properties.get(name).map(items).unwrap_or_default() {
            self.opens.insert((cause, plain(item)));
            self.properties.insert(name.to_owned());
        }
    }

    /// Each item of a property guards something.
    pub(super) fn guard_each(&mut self, properties: &Value, name: &str, cause: &'static str) {
        for item in properties.get(name).map(items).unwrap_or_default() {
            self.guards.insert((cause, plain(item)));
            self.properties.insert(name.to_owned());
        }
    }

    /// Any difference in the properties opens something, but for those that never do.
    pub(super) fn open_whole(&mut self, kind: &str, properties: &Value, cause: &'static str) {
        let kept: BTreeMap<&String, String> = properties
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, _)| !is_note(name) && !HARMLESS.contains(&(kind, name)))
            .map(|(name, value)| (name, plain(value)))
            .collect();
        self.properties.extend(kept.keys().map(|name| (*name).clone()));
        self.opens.insert((cause, format!("{kept:?}")));
    }

    /// They come from a value somewhere in a property.
    pub(super) fn part(&mut self, property: &str, value: &Value) {
        self.parts.entry(property.to_owned()).or_default().push(value.clone());
    }

    /// Whether they come from a property, or from something in it.
    pub(super) fn come_from(&self, property: &str) -> bool {
        self.properties.contains(property) || self.parts.contains_key(property)
    }

    /// What they depend on in one of these properties.
    pub(super) fn references_in(&self, properties: &Value, name: &str) -> BTreeSet<Reference> {
        let whole = properties.get(name).map(references).unwrap_or_default();
        if self.properties.contains(name) {
            return whole;
        }
        let Some(parts) = self.parts.get(name) else { return BTreeSet::new() };
        // A condition decides on all that is below it.
        let conditions = whole.into_iter().filter(|r| matches!(r, Reference::Condition(_)));
        conditions.chain(parts.iter().flat_map(references)).collect()
    }

    /// Whether they may depend on what the change list names as the cause of a change of a property.
    pub(super) fn may_read(&self, properties: &Value, name: &str, cause: &str) -> bool {
        let cause = Reference::named(cause);
        // Nobody knows what decides on a condition.
        let reads =
            |r: &Reference| *r == cause || matches!(r, Reference::Mapping(_) | Reference::Condition(_));
        self.properties.contains(name) || self.references_in(properties, name).iter().any(reads)
    }

    /// All that they depend on.
    pub(super) fn references(&self, properties: &Value) -> BTreeSet<Reference> {
        let names = self.properties.iter().chain(self.parts.keys());
        names.flat_map(|name| self.references_in(properties, name)).collect()
    }

    /// The causes by which this is more than `before`.
    pub(super) fn more_than(&self, before: &Self) -> BTreeSet<&'static str> {
        let opened = self.opens.difference(&before.opens);
        opened.chain(before.guards.difference(&self.guards)).map(|(cause, _)| *cause).collect()
    }
}

/// Properties of types that are compared as a whole, and that say nothing about who gets where.
const HARMLESS: [(&str, &str); 5] = [
    ("AWS::Lambda::Url", "Cors"),
    ("AWS::Lambda::Url", "InvokeMode"),
    ("AWS::ElasticLoadBalancingV2::Listener", "Certificates"),
    ("AWS::ApiGateway::Authorizer", "AuthorizerResultTtlInSeconds"),
    ("AWS::ApiGatewayV2::Authorizer", "AuthorizerResultTtlInSeconds"),
];

/// One text for a value, the same for the different ways to write it.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(_) => format!("{:?}", Text::of(value)),
        Value::Object(_) if is_intrinsic(value) => format!("{:?}", Text::of(value)),
        Value::Array(list) => {
            let mut all: Vec<String> = list.iter().map(plain).collect();
            all.sort();
            // Their lengths keep them apart. To escape them would double them at each level.
            let told = |text: &String| format!("{}:{text}", text.len());
            format!("[{}]", all.iter().map(told).collect::<String>())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => canonical_json(value),
    }
}

/// A path that is one step longer. Templates may hold names of any length, and each is copied with all that lies below it.
pub(super) fn path(above: &str, name: &str) -> String {
    let short = |text: &'_ str, longest: usize| match text.len() {
        n if n <= longest => text.to_owned(),
        _ => Digest::of(text).to_string(),
    };
    format!("{}/{}", short(above, LONGEST_PATH), short(name, LONGEST_STEP))
}

/// AWS has no names of properties that are longer.
const LONGEST_STEP: usize = 128;
/// Properties of AWS lie less deep.
const LONGEST_PATH: usize = 512;

/// The last word of a type: `Role` of `AWS::IAM::Role`.
pub(super) fn last_word(resource_type: &str) -> &str {
    resource_type.rsplit("::").next().unwrap_or_default()
}

/// Whether a value is literally this flag; CloudFormation takes `true` and `"true"`.
pub(super) fn is_flag(value: Option<&Value>, flag: bool) -> bool {
    match value {
        Some(Value::Bool(b)) => *b == flag,
        Some(Value::String(s)) => s.eq_ignore_ascii_case(if flag { "true" } else { "false" }),
        _ => false,
    }
}
