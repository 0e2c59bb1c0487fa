//! What an approver is shown of a change list.

use std::collections::BTreeSet;

use super::warning::{LENGTH, cut};
use crate::{
    api::{ChangeCount, ProposedStack, ResourceChange, RiskClass},
    stack::Change,
};

/// The most changes that a plan shows for one stack.
const SHOWN: usize = 40;

/// Counts a change list in which these resources get other code and nothing else (`risk::Assessment::code_only`).
#[must_use]
pub fn count_changes(changes: &[Change], code_only: &BTreeSet<String>) -> ChangeCount {
    let mut n = ChangeCount::default();
    for c in changes.iter().filter(|c| c.resource_type != "AWS::CDK::Metadata") {
        match (c.action.as_str(), c.replacement.as_str()) {
            ("Add" | "Import", _) => n.add += 1,
            ("Remove", _) => n.remove += 1,
            (_, "True") => n.replace += 1,
            _ if code_only.contains(&c.logical_id) => {
                n.modify += 1;
                n.code += 1;
            }
            (_, "Conditional") | ("Dynamic", _) => n.maybe_replace += 1,
            _ => n.modify += 1,
        }
    }
    n
}

/// The change list as a plan shows it, without the resources that get other code and nothing else: those are a number. And
/// how many more there are.
#[must_use]
pub fn shown_changes(changes: &[Change], code_only: &BTreeSet<String>) -> (Vec<ResourceChange>, u32) {
    let mut list: Vec<ResourceChange> = changes
        .iter()
        .filter(|c| c.resource_type != "AWS::CDK::Metadata" && !code_only.contains(&c.logical_id))
        .map(|c| ResourceChange {
            logical_id: cut(&c.logical_id, LENGTH),
            resource_type: c.resource_type.clone(),
            action: c.action.clone(),
            replacement: (!c.replacement.is_empty()).then(|| c.replacement.clone()),
        })
        .collect();
    list.sort_by_key(|c| (rank(c), c.logical_id.clone()));
    let unlisted = list.len().saturating_sub(SHOWN);
    list.truncate(SHOWN);
    (list, unlisted.try_into().unwrap_or(u32::MAX))
}

fn rank(c: &ResourceChange) -> u8 {
    match (c.action.as_str(), c.replacement.as_deref()) {
        (_, Some("True")) => 0,
        ("Remove", _) => 1,
        (_, Some("Conditional")) => 2,
        _ => 3,
    }
}

/// The classes of risk that CloudFormation itself names, from the numbers alone: `replace`, `maybe-replace`, `delete`.
pub fn risk_classes(stacks: &[ProposedStack]) -> impl Iterator<Item = RiskClass> + '_ {
    let any = |f: fn(&ChangeCount) -> u32| stacks.iter().any(|s| f(&s.count) > 0);
    [
        (RiskClass::Delete, any(|c| c.remove)),
        (RiskClass::Replace, any(|c| c.replace)),
        (RiskClass::MaybeReplace, any(|c| c.maybe_replace)),
    ]
    .into_iter()
    .filter_map(|(class, is)| is.then_some(class))
}
