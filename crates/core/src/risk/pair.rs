//! A resource in the deployed template, in the new one, and in the change list.

use serde_json::Value;

use crate::{
    bundle::{Resource, meaning},
    stack::{Change, ValueSource},
};

/// The type of the note of the CDK about itself, which is nothing to anybody.
const CDK_METADATA: &str = "AWS::CDK::Metadata";

/// A resource before and after.
pub(super) struct Pair<'a> {
    /// Its logical id in its own template.
    pub(super) id: &'a str,
    pub(super) old: Option<&'a Resource>,
    pub(super) new: Option<&'a Resource>,
    /// What the change set says about it.
    pub(super) changes: Vec<&'a Change>,
    /// Whether there is no change set yet.
    pub(super) deferred: bool,
}

impl<'a> Pair<'a> {
    /// Its type, the new one first; the change set knows those that a transform makes.
    pub(super) fn resource_type(&self) -> &'a str {
        let listed = || self.changes.first().map(|c| c.resource_type.as_str());
        self.new.or(self.old).map(|r| r.resource_type.as_str()).or_else(listed).unwrap_or_default()
    }

    /// Whether it is the note of the CDK, by every account.
    pub(super) fn is_cdk_metadata(&self) -> bool {
        let told = self.old.iter().chain(self.new.iter()).map(|r| r.resource_type.as_str());
        let mut told = told.chain(self.changes.iter().map(|c| c.resource_type.as_str())).peekable();
        told.peek().is_some() && told.all(|t| t == CDK_METADATA)
    }

    fn has_action(&self, actions: &[&str]) -> bool {
        self.changes.iter().any(|c| actions.contains(&c.action.as_str()))
    }

    /// What there was, as far as this change goes: a resource that is added comes out of nothing, also if a condition
    /// kept it away until now.
    pub(super) fn before(&self) -> Option<&'a Resource> {
        self.old.filter(|_| !self.has_action(&["Add", "Import"]))
    }

    /// What there will be.
    pub(super) fn after(&self) -> Option<&'a Resource> {
        self.new.filter(|_| !self.has_action(&["Remove"]))
    }

    /// Whether the templates say different things about it; the notes of the CDK do not count.
    pub(super) fn differs(&self) -> bool {
        self.old.map(meaning) != self.new.map(meaning)
    }

    /// Whether anything happens to it, by the templates or by the change set.
    pub(super) fn touched(&self) -> bool {
        !self.changes.is_empty() || self.differs()
    }

    /// Whether the templates say different things about one of its sections, such as `Properties`.
    pub(super) fn section_differs(&self, section: &str) -> bool {
        section_of(self.old, section) != section_of(self.new, section)
    }

    /// Whether the templates say different things about one of its properties.
    pub(super) fn property_differs(&self, name: &str) -> bool {
        let of = |r: Option<&'a Resource>| section_of(r, "Properties").and_then(|p| p.get(name));
        of(self.old) != of(self.new)
    }

    /// Why its properties change, as the change set tells it.
    pub(super) fn details(&self) -> impl Iterator<Item = &'a ValueSource> {
        self.changes.iter().flat_map(|change| &change.details)
    }

    /// Whether it is a loop (`Fn::ForEach`), before or after.
    pub(super) fn is_loop(&self) -> bool {
        self.old.iter().chain(self.new.iter()).any(|r| r.body.is_array())
    }

    /// Whether no template knows it: a transform made it, or the template of its nested stack is not at hand.
    pub(super) fn is_unseen(&self) -> bool {
        self.old.is_none() && self.new.is_none()
    }
}

/// Whether a change leaves the resource the one that it is, by what CloudFormation says of it as a whole.
pub(super) fn is_in_place(change: &Change) -> bool {
    change.action == "Modify"
        && matches!(change.replacement.as_str(), "False" | "")
        && !change.policy_action.starts_with("Replace")
}

/// A section of a resource, such as `Properties`.
pub(super) fn section_of<'a>(resource: Option<&'a Resource>, section: &str) -> Option<&'a Value> {
    resource.and_then(|r| r.body.get(section))
}

/// Its properties.
pub(super) fn properties(resource: Option<&Resource>) -> &Value {
    section_of(resource, "Properties").unwrap_or(&Value::Null)
}
