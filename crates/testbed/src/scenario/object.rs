//! Objects as kubectl shows them to people: read without our own types, so that a field that moves is noticed.

use std::fmt;

use serde_json::Value;

/// The kinds that Stackgate defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An account.
    AwsAccount,
    /// A bootstrap qualifier.
    Bootstrap,
    /// A source of releases.
    CloudAssembly,
    /// A deployment stage.
    Stage,
    /// A proposed change.
    ChangePlan,
}

impl Kind {
    /// All five.
    pub const ALL: [Self; 5] =
        [Self::AwsAccount, Self::Bootstrap, Self::CloudAssembly, Self::Stage, Self::ChangePlan];

    /// The kind's name in the API.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::AwsAccount => "awsaccounts",
            Self::Bootstrap => "bootstraps",
            Self::CloudAssembly => "cloudassemblies",
            Self::Stage => "stages",
            Self::ChangePlan => "changeplans",
        }
    }

    fn is_namespaced(self) -> bool {
        match self {
            Self::AwsAccount | Self::Bootstrap => false,
            Self::CloudAssembly | Self::Stage | Self::ChangePlan => true,
        }
    }

    /// Where an object lies in the API server.
    pub(super) fn path(self, namespace: &str, name: &str) -> String {
        let namespace = if self.is_namespaced() { format!("/namespaces/{namespace}") } else { String::new() };
        format!("/apis/stackgate.dev/v1alpha1{namespace}/{}/{name}", self.plural())
    }
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Whether it is `True`.
    pub is_true: bool,
    /// Why, in a word.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
}

/// An object.
#[derive(Debug, Clone, PartialEq)]
pub struct Object(pub Value);

impl Object {
    /// The text at a JSON pointer such as `/status/state`; empty when there is none.
    #[must_use]
    pub fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The list at a JSON pointer; empty when there is none.
    #[must_use]
    pub fn list(&self, pointer: &str) -> &[Value] {
        self.0.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// A condition of its status.
    #[must_use]
    pub fn condition(&self, kind: &str) -> Option<Condition> {
        let found = self.list("/status/conditions").iter().find(|condition| condition["type"] == kind)?;
        let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
        Some(Condition {
            is_true: found["status"] == "True",
            reason: text("reason"),
            message: text("message"),
        })
    }

    /// Whether a condition is `True`, for this reason where one is given.
    #[must_use]
    pub fn is(&self, kind: &str, reason: Option<&str>) -> bool {
        self.condition(kind)
            .is_some_and(|found| found.is_true && reason.is_none_or(|reason| found.reason == reason))
    }

    /// The entries of a plan's ledger that have this field, and what it holds.
    pub fn ledger<'a>(&'a self, field: &'a str) -> impl Iterator<Item = &'a Value> {
        self.list("/spec/ledger").iter().filter_map(move |entry| entry.get(field))
    }
}

impl fmt::Display for Object {
    /// What a person needs to see when it is not as it should be.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, name: &str, value: Option<&Value>| match value {
            Some(value) => writeln!(f, "  {name}: {value}"),
            None => Ok(()),
        };
        for condition in self.list("/status/conditions") {
            let text = |name: &str| condition[name].as_str().unwrap_or_default();
            writeln!(f, "  {}={} {}: {}", text("type"), text("status"), text("reason"), text("message"))?;
        }
        let status = self.0.get("status").and_then(Value::as_object).cloned().unwrap_or_default();
        for (name, value) in status.iter().filter(|(name, _)| *name != "conditions") {
            line(f, name, Some(value))?;
        }
        for entry in self.list("/spec/ledger") {
            writeln!(f, "  ledger: {entry}")?;
        }
        line(f, "annotations", self.0.pointer("/metadata/annotations"))
    }
}
