//! What is compared of a resource besides whole policies: facts that open something, and facts that guard it.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use serde_json::Value;

use super::{
    lasting::is_note,
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
    /// The properties that they come from.
    pub(super) properties: BTreeSet<String>,
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

/// A step of a path. Templates may hold names of any length; each is copied with all that lies below it.
pub(super) fn step(name: &str) -> Cow<'_, str> {
    if name.len() <= LONGEST_STEP { name.into() } else { Digest::of(name).to_string().into() }
}

/// AWS has no names of properties that are longer.
const LONGEST_STEP: usize = 128;

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
