//! Changes as a plan holds them: those that differ in nothing but the resource stand together, so that `kubectl describe` stays short.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ResourceChange;

/// Changes of one kind.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChangeGroup {
    /// `Add`, `Modify`, `Remove`, `Import` …, as CloudFormation says it.
    #[schemars(length(max = 32))]
    action: String,
    /// `True`, `False` or `Conditional`, as CloudFormation says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    replacement: Option<String>,
    /// The type of the resources, such as `AWS::S3::Bucket`.
    #[schemars(length(max = 255))]
    resource_type: String,
    /// The logical id of each, with those of the nested stacks around it, such as `Network/Vpc`.
    #[schemars(length(min = 1, max = 40), inner(length(max = 512)))]
    resources: Vec<String>,
}

/// The groups of changes that stand next to each other.
fn groups(changes: &[ResourceChange]) -> Vec<ChangeGroup> {
    let same = |a: &ResourceChange, b: &ResourceChange| {
        (&a.action, &a.replacement, &a.resource_type) == (&b.action, &b.replacement, &b.resource_type)
    };
    let group = |of: &[ResourceChange]| {
        let ResourceChange { action, replacement, resource_type, logical_id: _ } = of.first()?.clone();
        let resources = of.iter().map(|c| c.logical_id.clone()).collect();
        Some(ChangeGroup { action, replacement, resource_type, resources })
    };
    changes.chunk_by(same).filter_map(group).collect()
}

fn changes(group: ChangeGroup) -> impl Iterator<Item = ResourceChange> {
    let ChangeGroup { action, replacement, resource_type, resources } = group;
    resources.into_iter().map(move |logical_id| ResourceChange {
        logical_id,
        resource_type: resource_type.clone(),
        action: action.clone(),
        replacement: replacement.clone(),
    })
}

pub(super) fn serialize<S: Serializer>(changes: &[ResourceChange], serializer: S) -> Result<S::Ok, S::Error> {
    groups(changes).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<ResourceChange>, D::Error> {
    Ok(Vec::<ChangeGroup>::deserialize(deserializer)?.into_iter().flat_map(changes).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_read_again_is_what_was_written(
            list in prop::collection::vec(("[A-Z/]{1,3}", "Add|Modify", prop::option::of("True|False"), "A|B"), 0..40)
        ) {
            let list: Vec<ResourceChange> = list
                .into_iter()
                .map(|(logical_id, action, replacement, resource_type)| ResourceChange { logical_id, resource_type, action, replacement })
                .collect();
            let written = groups(&list);
            prop_assert!(written.len() <= list.len());
            prop_assert_eq!(written.into_iter().flat_map(changes).collect::<Vec<_>>(), list);
        }
    }

    #[test]
    fn changes_of_one_kind_stand_together() {
        let change = |id: &str, action: &str| ResourceChange {
            logical_id: id.to_owned(),
            resource_type: "AWS::SQS::Queue".to_owned(),
            action: action.to_owned(),
            replacement: None,
        };
        let written =
            groups(&[change("A", "Add"), change("B", "Add"), change("C", "Modify"), change("D", "Add")]);
        let listed: Vec<&[String]> = written.iter().map(|g| g.resources.as_slice()).collect();
        assert_eq!(listed, [&["A", "B"][..], &["C"], &["D"]]);
    }
}
