//! What an approver is shown of a change list.

use std::collections::BTreeSet;

use super::warning::{LENGTH, cut};
use crate::{
    api::{ChangeCount, ProposedStack, ResourceChange, RiskClass},
    plain::plain,
    stack::Change,
};

/// The most changes that a plan shows, of all its stacks together.
const SHOWN: usize = 20;

/// Counts a change list in which these resources get other code and nothing else (`risk::Assessment::code_only`).
#[must_use]
pub fn count_changes(changes: &[Change], code_only: &BTreeSet<String>) -> ChangeCount {
    let mut n = ChangeCount::default();
    for c in changes.iter().filter(|c| c.resource_type != "AWS::CDK::Metadata") {
        match (c.action.as_str(), c.replacement.as_str()) {
            // What takes its place is counted.
            ("Remove", _) if code_only.contains(&c.logical_id) => {}
            _ if code_only.contains(&c.logical_id) => {
                n.modify += 1;
                n.code += 1;
            }
            ("Add" | "Import", _) => n.add += 1,
            ("Remove", _) => n.remove += 1,
            (_, "True") => n.replace += 1,
            (_, "Conditional") | ("Dynamic", _) => n.maybe_replace += 1,
            _ => n.modify += 1,
        }
    }
    n
}

/// A change list as a plan shows it, riskiest first and those of one type together, without the resources that get other code and
/// nothing else: those are a number.
#[must_use]
pub fn listed_changes(changes: &[Change], code_only: &BTreeSet<String>) -> Vec<ResourceChange> {
    let mut list: Vec<ResourceChange> = changes
        .iter()
        .filter(|c| c.resource_type != "AWS::CDK::Metadata" && !code_only.contains(&c.logical_id))
        .map(|c| ResourceChange {
            logical_id: plain(&cut(&c.logical_id, LENGTH)),
            resource_type: plain(&c.resource_type),
            action: c.action.clone(),
            replacement: (!c.replacement.is_empty()).then(|| c.replacement.clone()),
        })
        .collect();
    list.sort_by_key(|c| (rank(c), c.action.clone(), c.resource_type.clone(), c.logical_id.clone()));
    list
}

/// Leaves as many changes as a plan shows: the riskiest of all stacks, and of equal ones some of each stack. What is left out is
/// counted as unlisted.
pub fn shorten(stacks: &mut [ProposedStack]) {
    let listed = |(stack, s): (usize, &ProposedStack)| {
        s.changes.iter().enumerate().map(|(place, c)| (rank(c), place, stack)).collect::<Vec<_>>()
    };
    let mut all: Vec<(u8, usize, usize)> = stacks.iter().enumerate().flat_map(listed).collect();
    all.sort_unstable();
    all.truncate(SHOWN);
    for (place, stack) in stacks.iter_mut().enumerate() {
        // Those of one stack are in this order already, so what is kept of it stands first.
        let kept = all.iter().filter(|(.., of)| *of == place).count();
        let unlisted = stack.changes.len().saturating_sub(kept);
        stack.changes.truncate(kept);
        stack.unlisted = unlisted.try_into().unwrap_or(u32::MAX);
    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stack(name: &str, actions: &[(&str, &str)]) -> ProposedStack {
        let change = |(n, (action, replacement)): (usize, &(&str, &str))| Change {
            logical_id: format!("R{n:04}"),
            resource_type: "AWS::SNS::Topic".to_owned(),
            action: (*action).to_owned(),
            replacement: (*replacement).to_owned(),
            policy_action: String::new(),
            scope: BTreeSet::new(),
            details: BTreeSet::new(),
            values: None,
        };
        let changes: Vec<Change> = actions.iter().enumerate().map(change).collect();
        let mut stack: ProposedStack = serde_json::from_value(json!({
            "account": "111111111111", "region": "ap-southeast-2", "stackName": name, "qualifier": "hnb659fds",
            "artifact": name, "plan": "Prepared", "input": format!("sha256:{}", "1".repeat(64)),
            "leaf": format!("sha256:{}", "2".repeat(64)), "count": count_changes(&changes, &BTreeSet::new()),
        }))
        .unwrap();
        stack.changes = listed_changes(&changes, &BTreeSet::new());
        stack
    }

    fn shown(stacks: &[ProposedStack]) -> Vec<(usize, u32)> {
        stacks.iter().map(|s| (s.changes.len(), s.unlisted)).collect()
    }

    #[test]
    fn the_riskiest_of_all_stacks_are_shown_and_some_of_each() {
        let mut large = vec![("Modify", "False"); 499];
        large.push(("Modify", "True"));
        let mut stacks: Vec<_> = (0..5).map(|n| stack(&format!("S{n}"), &large)).collect();
        stacks.push(stack("Gone", &[("Remove", ""); 10]));
        shorten(&mut stacks);
        // What is replaced in each, then what is removed, and one more of the first stacks.
        assert_eq!(shown(&stacks), [(2, 498), (2, 498), (2, 498), (2, 498), (2, 498), (10, 0)]);
        assert!(stacks.iter().take(5).all(|s| s.changes[0].replacement.as_deref() == Some("True")));
        let mut few = vec![stack("A", &[("Add", ""); 3]), stack("B", &[])];
        shorten(&mut few);
        assert_eq!(shown(&few), [(3, 0), (0, 0)]);
    }
}
