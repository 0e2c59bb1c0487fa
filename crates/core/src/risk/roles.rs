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
    NewRole,
    OldRole,
    /// It names the role of what is made of it.
    Plan,
}

/// By logical id.
pub(super) struct Roles<'a>(BTreeMap<&'a str, Kind>);

impl<'a> Roles<'a> {
    pub(super) fn of(pairs: &[Pair<'a>]) -> Self {
        let kind = |pair: &Pair<'a>| match pair.after()?.resource_type.as_str() {
            "AWS::IAM::Role" | "AWS::IAM::InstanceProfile" if pair.before().is_none() => Some(Kind::NewRole),
            "AWS::IAM::Role" | "AWS::IAM::InstanceProfile" => Some(Kind::OldRole),
            "AWS::EC2::LaunchTemplate" | "AWS::ECS::TaskDefinition" => Some(Kind::Plan),
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

    /// Whether a value is one of these and nothing else. Who is `new` may take any role that is new as well.
    pub(super) fn is_told(&self, value: &Value, new: bool) -> bool {
        let is_reference = ["Ref", "Fn::GetAtt"].iter().any(|function| value.get(*function).is_some());
        let all = references(value);
        let told = |r| self.named(r).is_some_and(|k| k == Kind::Plan || (new && k == Kind::NewRole));
        is_reference && !all.is_empty() && all.iter().all(told)
    }
}
