//! The order of the stacks of a CDK Stage.

use std::collections::{BTreeMap, BTreeSet};

use super::{error::BundleError, stack_artifact::StackArtifact};

/// Sorts stacks so that each comes after those it depends on; among equals, by id.
pub(super) fn in_dependency_order(stacks: Vec<StackArtifact>) -> Result<Vec<StackArtifact>, BundleError> {
    let mut waiting: BTreeMap<String, StackArtifact> =
        stacks.into_iter().map(|s| (s.id.clone(), s)).collect();
    let mut placed: BTreeSet<String> = BTreeSet::new();
    let mut ordered = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let ready: Vec<String> = waiting
            .values()
            .filter(|stack| stack.dependencies.is_subset(&placed))
            .map(|stack| stack.id.clone())
            .collect();
        if ready.is_empty() {
            let stacks = waiting.values().map(|stack| stack.display_name.clone()).collect();
            return Err(BundleError::DependencyCycle { stacks });
        }
        for id in ready {
            ordered.extend(waiting.remove(&id));
            placed.insert(id);
        }
    }
    Ok(ordered)
}
