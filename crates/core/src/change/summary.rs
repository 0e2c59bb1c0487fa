//! What an approver is shown of a change list.

use std::collections::BTreeSet;

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
    count_changes_with(changes, &BTreeSet::new())
}

/// Counts a change list in which these resources get other code and nothing else (`risk::Assessment::code_only`).
#[must_use]
pub fn count_changes_with(changes: &[Change], code_only: &BTreeSet<String>) -> ChangeCount {
    let mut n = ChangeCount::default();
    for c in changes.iter().filter(|c| c.resource_type != "AWS::CDK::Metadata") {
        match (c.action.as_str(), c.replacement.as_str()) {
            ("Add" | "Import", _) => n.add += 1,
            ("Remove", _) => n.remove += 1,
            (_, "True") => n.replace += 1,
            (_, "Conditional") | ("Dynamic", _) => n.maybe_replace += 1,
            _ => {
                n.modify += 1;
                n.code += u32::from(code_only.contains(&c.logical_id));
            }
        }
    }
    n
}

/// Counts a template difference. What is modified may be replaced: nobody knows before there is a change set.
#[must_use]
pub fn count_differences(differences: &[ResourceDifference]) -> ChangeCount {
    count_differences_with(differences, &BTreeSet::new())
}

/// Counts a template difference in which these resources get other code and nothing else, which replaces none of them.
#[must_use]
pub fn count_differences_with(
    differences: &[ResourceDifference],
    code_only: &BTreeSet<String>,
) -> ChangeCount {
    let mut n = ChangeCount::default();
    for d in differences {
        match d.kind {
            DifferenceKind::Add => n.add += 1,
            DifferenceKind::Remove => n.remove += 1,
            DifferenceKind::Modify if code_only.contains(&d.logical_id) => {
                n.modify += 1;
                n.code += 1;
            }
            DifferenceKind::Modify => n.maybe_replace += 1,
        }
    }
    n
}

/// The change list as a plan shows it, riskiest first.
#[must_use]
pub fn shown_changes(changes: &[Change]) -> Vec<ResourceChange> {
    shown_changes_with(changes, &BTreeSet::new())
}

/// The change list as a plan shows it, without the resources that get other code and nothing else: those are a number.
#[must_use]
pub fn shown_changes_with(changes: &[Change], code_only: &BTreeSet<String>) -> Vec<ResourceChange> {
    let mut list: Vec<ResourceChange> = changes
        .iter()
        .filter(|c| c.resource_type != "AWS::CDK::Metadata" && !code_only.contains(&c.logical_id))
        .map(|c| ResourceChange {
            logical_id: c.logical_id.clone(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn change(id: &str, replacement: &str) -> Change {
        Change {
            logical_id: id.to_owned(),
            resource_type: "AWS::Lambda::Function".to_owned(),
            action: "Modify".to_owned(),
            replacement: replacement.to_owned(),
            policy_action: String::new(),
            scope: BTreeSet::new(),
            details: BTreeSet::new(),
            values: None,
        }
    }

    #[test]
    fn other_code_is_a_number_and_no_line() {
        let list = [change("A", "False"), change("B", "False"), change("C", "True")];
        let code = BTreeSet::from(["A".to_owned()]);
        let want = ChangeCount { modify: 2, replace: 1, code: 1, ..ChangeCount::default() };
        assert_eq!(count_changes_with(&list, &code), want);
        assert_eq!(count_changes(&list), ChangeCount { code: 0, ..want });
        let shown: Vec<_> = shown_changes_with(&list, &code).into_iter().map(|c| c.logical_id).collect();
        assert_eq!(shown, ["C", "B"]);
    }

    #[test]
    fn other_code_replaces_nothing_before_there_is_a_list() {
        let of = |id: &str| ResourceDifference {
            logical_id: id.to_owned(),
            resource_type: "AWS::Lambda::Function".to_owned(),
            kind: DifferenceKind::Modify,
        };
        let code = BTreeSet::from(["A".to_owned()]);
        let want = ChangeCount { modify: 1, maybe_replace: 1, code: 1, ..ChangeCount::default() };
        assert_eq!(count_differences_with(&[of("A"), of("B")], &code), want);
    }
}
