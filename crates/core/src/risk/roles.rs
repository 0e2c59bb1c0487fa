//! The roles and instance profiles that a template makes: whoever acts with one of them is told of by what is told of it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    pair::Pair,
    reference::{Reference, references},
};

/// By logical id, whether it is new.
pub(super) struct Roles<'a>(BTreeMap<&'a str, bool>);

impl<'a> Roles<'a> {
    pub(super) fn of(pairs: &[Pair<'a>]) -> Self {
        let is_role = |pair: &&Pair<'a>| {
            let role = |kind: &str| matches!(kind, "AWS::IAM::Role" | "AWS::IAM::InstanceProfile");
            pair.after().is_some_and(|r| role(&r.resource_type))
        };
        Self(pairs.iter().filter(is_role).map(|p| (p.id, p.before().is_none())).collect())
    }

    /// Whether the role is new, if one is what is referred to.
    fn named(&self, reference: &Reference) -> Option<bool> {
        match reference {
            Reference::Name(id) => self.0.get(id.as_str()).copied(),
            Reference::Attribute(id, attribute) if attribute == "Arn" => self.0.get(id.as_str()).copied(),
            Reference::Attribute(..) | Reference::Mapping(_) | Reference::Condition(_) => None,
        }
    }

    /// Whether a reference is to a role of the template.
    pub(super) fn holds(&self, reference: &Reference) -> bool {
        self.named(reference).is_some()
    }

    /// Whether a value is a new role of the template, and nothing else.
    pub(super) fn is_new(&self, value: &Value) -> bool {
        let is_reference = ["Ref", "Fn::GetAtt"].iter().any(|function| value.get(*function).is_some());
        let all = references(value);
        is_reference && !all.is_empty() && all.iter().all(|r| self.named(r) == Some(true))
    }
}
