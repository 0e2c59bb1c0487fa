//! Which stacks of a CDK Stage cannot have a change set yet, because an export that they import is not there.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, BTreeSet},
};

use super::stack_artifact::StackArtifact;
use crate::words::StackKey;

/// The stacks that import an export which another of these stacks defines and has not deployed, in the same account and region.
///
/// `deployed` holds the names of the exports of each stack that exists. Where a name cannot be computed, a stack is deferred
/// only for the stacks that it depends on: too early a change set fails, a late one only waits.
#[must_use]
pub fn defer<S: Borrow<StackArtifact>>(
    stacks: &[S],
    deployed: &BTreeMap<StackKey, BTreeSet<String>>,
) -> BTreeSet<StackKey> {
    let stacks: Vec<&StackArtifact> = stacks.iter().map(Borrow::borrow).collect();
    let deferred = |stack: &&&StackArtifact| {
        let before = all_dependencies(&stacks, stack);
        stacks.iter().filter(|other| other.id != stack.id && other.env == stack.env).any(|other| {
            waits_for(stack, other, deployed.get(&other.key()), before.contains(other.id.as_str()))
        })
    };
    stacks.iter().filter(deferred).map(|stack| stack.key()).collect()
}

fn waits_for(
    stack: &StackArtifact,
    other: &StackArtifact,
    deployed: Option<&BTreeSet<String>>,
    depends: bool,
) -> bool {
    let imports = &stack.template.imports;
    let exports = &other.template.exports;
    let pending = |name: &&String| deployed.is_none_or(|names| !names.contains(*name));
    if exports.literal.iter().filter(pending).any(|name| imports.literal.contains(name)) {
        return true;
    }
    let imports_any = imports.opaque || !imports.literal.is_empty();
    let unknown_import = imports.opaque && exports.literal.iter().any(|name| pending(&name));
    let unknown_export = imports_any && exports.opaque && deployed.is_none();
    depends && (unknown_import || unknown_export)
}

/// The ids of the stacks that come before this one, directly or not.
fn all_dependencies<'a>(stacks: &[&'a StackArtifact], of: &'a StackArtifact) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = of.dependencies.iter().map(String::as_str).collect();
    while let Some(id) = open.pop() {
        if found.insert(id) {
            let stack = stacks.iter().find(|stack| stack.id == id);
            open.extend(stack.into_iter().flat_map(|s| s.dependencies.iter().map(String::as_str)));
        }
    }
    found
}
