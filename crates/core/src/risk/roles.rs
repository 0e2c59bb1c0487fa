//! The roles that a template makes, and what says with which role something runs: whoever acts with one of them is told of by what is
//! told of it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    pair::Pair,
    reference::{Reference, references},
};

/// What a resource has to do with roles.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A role, or what names the role of what is made of it: a launch template, a task definition.
    New,
    Old,
}

/// By logical id.
pub(super) struct Roles<'a>(BTreeMap<&'a str, Kind>);

impl<'a> Roles<'a> {
    pub(super) fn of(pairs: &[Pair<'a>]) -> Self {
        let kind = |pair: &Pair<'a>| match pair.after()?.resource_type.as_str() {
            "AWS::IAM::Role"
            | "AWS::IAM::InstanceProfile"
            | "AWS::EC2::LaunchTemplate"
            | "AWS::ECS::TaskDefinition" => Some(if pair.before().is_none() { Kind::New } else { Kind::Old }),
            _ => None,
        };
        Self(pairs.iter().filter_map(|pair| Some((pair.id, kind(pair)?))).collect())
    }

    fn named(&self, reference: &Reference) -> Option<Kind> {
        match reference {
            Reference::Name(id) => self.0.get(id.as_str()).copied(),
            Reference::Attribute(id, attribute) if attribute == "Arn" => self.0.get(id.as_str()).copied(),
            Reference::Attribute(..) | Reference::Mapping(_) | Reference::Condition(_) => None,
        }
    }

    /// Whether a reference is to one of these.
    pub(super) fn holds(&self, reference: &Reference) -> bool {
        self.named(reference).is_some()
    }

    /// Whether a value is one of these and nothing else, and what is told of it tells all of who is `new`: that is new as well. Who was
    /// there acts otherwise with another one, whichever that is.
    pub(super) fn is_told(&self, value: &Value, new: bool) -> bool {
        let is_reference = ["Ref", "Fn::GetAtt"].iter().any(|function| value.get(*function).is_some());
        let all = references(value);
        let told = |r| self.named(r) == Some(Kind::New);
        new && is_reference && !all.is_empty() && all.iter().all(told)
    }
}
