//! Which resources differ between two templates, before CloudFormation has looked at them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::template::{Resource, Template};

/// What a new template does to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DifferenceKind {
    /// It is not in the old template.
    Add,
    /// It is not in the new template.
    Remove,
    /// It is in both and differs.
    Modify,
}

impl DifferenceKind {
    /// The word that goes into digests and plans.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "Add",
            Self::Remove => "Remove",
            Self::Modify => "Modify",
        }
    }
}

/// One resource that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceDifference {
    /// Its logical id.
    pub logical_id: String,
    /// Its type: of the new template, or of the old one when it is removed.
    pub resource_type: String,
    /// What happens to it.
    pub kind: DifferenceKind,
}

/// The resources that differ, by logical id; `None` is a stack that does not exist.
///
/// `AWS::CDK::Metadata` and the notes of the CDK inside `Metadata` (`aws:…`) say nothing to CloudFormation and do not count;
/// other metadata does, since `AWS::CloudFormation::Init` in it is code that instances run.
#[must_use]
pub fn difference(old: Option<&Template>, new: &Template) -> Vec<ResourceDifference> {
    let of = |template: Option<&Template>, id: &str| {
        template
            .and_then(|t| t.resources.get(id))
            .filter(|r| r.resource_type != "AWS::CDK::Metadata")
            .cloned()
    };
    let ids: BTreeSet<&String> =
        old.into_iter().flat_map(|t| t.resources.keys()).chain(new.resources.keys()).collect();
    ids.into_iter()
        .filter_map(|id| {
            let (kind, resource) = match (of(old, id), of(Some(new), id)) {
                (None, None) => return None,
                (None, Some(added)) => (DifferenceKind::Add, added),
                (Some(removed), None) => (DifferenceKind::Remove, removed),
                (Some(before), Some(after)) if meaning(&before) == meaning(&after) => return None,
                (Some(_), Some(after)) => (DifferenceKind::Modify, after),
            };
            Some(ResourceDifference { logical_id: id.clone(), resource_type: resource.resource_type, kind })
        })
        .collect()
}

/// The resource without the notes of the CDK.
pub(crate) fn meaning(resource: &Resource) -> Value {
    let mut body = resource.body.clone();
    if let Some(object) = body.as_object_mut() {
        if let Some(Value::Object(metadata)) = object.get_mut("Metadata") {
            metadata.retain(|key, _| !key.starts_with("aws:"));
        }
        if object.get("Metadata").is_some_and(|m| m.as_object().is_some_and(serde_json::Map::is_empty)) {
            object.remove("Metadata");
        }
    }
    body
}
