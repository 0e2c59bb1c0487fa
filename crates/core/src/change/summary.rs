//! What an approver is shown of a change list.

use super::warning::{LENGTH, cut};
use crate::{
    api::{ChangeCount, ProposedStack, ResourceChange},
    bundle::{DifferenceKind, ResourceDifference},
    stack::Change,
};

/// The most changes that a plan shows for one stack.
const SHOWN: usize = 200;

/// Counts a change list.
#[must_use]
pub fn count_changes(changes: &[Change]) -> ChangeCount {
    let mut n = ChangeCount::default();
    for c in changes.iter().filter(|c| c.resource_type != "AWS::CDK::Metadata") {
        match (c.action.as_str(), c.replacement.as_str()) {
            ("Add" | "Import", _) => n.add += 1,
            ("Remove", _) => n.remove += 1,
            (_, "True") => n.replace += 1,
            (_, "Conditional") | ("Dynamic", _) => n.maybe_replace += 1,
            _ => n.modify += 1,
        }
    }
    n
}

/// Counts a template difference. What is modified may be replaced: nobody knows before there is a change set.
#[must_use]
pub fn count_differences(differences: &[ResourceDifference]) -> ChangeCount {
    let mut n = ChangeCount::default();
    for d in differences {
        match d.kind {
            DifferenceKind::Add => n.add += 1,
            DifferenceKind::Remove => n.remove += 1,
            DifferenceKind::Modify => n.maybe_replace += 1,
        }
    }
    n
}

/// The change list as a plan shows it, riskiest first.
#[must_use]
pub fn shown_changes(changes: &[Change]) -> Vec<ResourceChange> {
    let mut list: Vec<ResourceChange> = changes
        .iter()
        .filter(|c| c.resource_type != "AWS::CDK::Metadata")
        .map(|c| ResourceChange {
            logical_id: cut(&c.logical_id, LENGTH),
            resource_type: c.resource_type.clone(),
            action: c.action.clone(),
            replacement: (!c.replacement.is_empty()).then(|| c.replacement.clone()),
        })
        .collect();
    list.sort_by_key(|c| (rank(c), c.logical_id.clone()));
    list.truncate(SHOWN);
    list
}

fn rank(c: &ResourceChange) -> u8 {
    match (c.action.as_str(), c.replacement.as_deref()) {
        (_, Some("True")) => 0,
        ("Remove", _) => 1,
        (_, Some("Conditional")) => 2,
        _ => 3,
    }
}

/// The classes of risk of a proposal that CloudFormation itself names: `replace`, `maybe-replace`, `delete`.
#[must_use]
pub fn risk_classes(stacks: &[ProposedStack]) -> Vec<&'static str> {
    let any = |f: fn(&ChangeCount) -> u32| stacks.iter().any(|s| f(&s.count) > 0);
    [
        ("replace", any(|c| c.replace)),
        ("maybe-replace", any(|c| c.maybe_replace)),
        ("delete", any(|c| c.remove)),
    ]
    .into_iter()
    .filter_map(|(class, is)| is.then_some(class))
    .collect()
}
