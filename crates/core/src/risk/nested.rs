//! A template with those of its nested stacks.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use serde_json::Value;

use super::{
    Assessed,
    finding::About,
    moved::Moved,
    opaque::NESTED_STACK,
    pair::{Pair, is_in_place, properties, section_of},
};
use crate::{
    bundle::{Origins, Resource, Template},
    stack::Change,
};

/// The deepest that stacks are followed into one another.
const DEEPEST: usize = 32;
/// The longest row of nested stacks of one template that give to one another what is looked at.
const PASSES: usize = 16;

/// A nested stack: its templates before and after, and what is nested in it.
#[derive(Default)]
pub struct Nested<'a> {
    /// The template that is deployed; none where it is not, or where nobody could read it.
    pub old: Option<&'a Template>,
    /// The template that shall be deployed: the one that its `TemplateURL` really leads to. None where it is removed, or not in
    /// the assembly.
    pub new: Option<&'a Template>,
    /// The nested stacks in it, by logical id.
    pub nested: BTreeMap<String, Nested<'a>>,
}

/// One template, on whatever level.
pub(super) struct Level<'a> {
    /// The logical ids of the stacks around it, each with a slash.
    prefix: String,
    pub(super) old: Option<&'a Template>,
    pub(super) new: Option<&'a Template>,
    /// Changes by logical id within this level; none where they are not known.
    changes: Option<Vec<(&'a str, &'a Change)>>,
    /// All changes of nested stacks on this level.
    below: Vec<(&'a str, &'a Change)>,
    construct_paths: &'a BTreeMap<String, String>,
    /// Where the constructs of a nested stack are; two nested stacks may use the same logical ids.
    construct: Option<String>,
    /// The parameters that the stack around it passes other values for.
    given: BTreeSet<String>,
    /// The parameters that may get other values, without anything that says so.
    uncertain: BTreeSet<String>,
    origins: Cow<'a, Origins>,
    nested: Option<&'a BTreeMap<String, Nested<'a>>>,
}

impl<'a> Level<'a> {
    pub(super) fn root(assessed: &Assessed<'a>) -> Self {
        let all = assessed.changes.map(|list| list.iter().map(|c| (c.logical_id.as_str(), c)).collect());
        let (changes, below) = split(all, 0);
        Self {
            prefix: String::new(),
            old: assessed.old,
            new: Some(assessed.new),
            changes,
            below,
            construct_paths: assessed.construct_paths,
            construct: Some(String::new()),
            // Where there is a change set, it tells of the parameters that change: most of the time.
            given: if assessed.changes.is_none() { assessed.given.clone() } else { BTreeSet::new() },
            uncertain: assessed.given.union(&looked_up(assessed.new)).cloned().collect(),
            origins: Cow::Borrowed(assessed.origins),
            nested: Some(assessed.nested),
        }
    }

    /// The id of the stack itself: empty for the outermost one.
    pub(super) fn name(&self) -> String {
        self.prefix.trim_end_matches('/').to_owned()
    }

    /// What tells where things come from.
    pub(super) fn origins(&self) -> &Origins {
        &self.origins
    }

    pub(super) fn transforms_differ(&self) -> bool {
        self.old.zip(self.new).is_some_and(|(old, new)| {
            old.transforms != new.transforms || !old.macro_sections().eq(new.macro_sections())
        })
    }

    /// All resources that are in a template, in the change list, or known as nested stacks.
    pub(super) fn pairs(&self) -> Vec<Pair<'a>> {
        let mut ids: BTreeSet<&'a str> = BTreeSet::new();
        ids.extend(self.old.into_iter().flat_map(|t| t.resources.keys()).map(String::as_str));
        ids.extend(self.new.into_iter().flat_map(|t| t.resources.keys()).map(String::as_str));
        ids.extend(self.changes.iter().flatten().map(|(id, _)| *id));
        ids.extend(self.nested.into_iter().flat_map(BTreeMap::keys).map(String::as_str));
        // Also where only what is in it is listed.
        ids.extend(self.below.iter().filter_map(|(id, _)| id.split_once('/')).map(|(parent, _)| parent));
        let pair = |id: &'a str| {
            let of_this = self.changes.iter().flatten().filter(|(of, _)| *of == id);
            let mut changes: Vec<&'a Change> = of_this.map(|(_, change)| *change).collect();
            changes.sort();
            Pair {
                id,
                old: self.old.and_then(|t| t.resources.get(id)),
                new: self.new.and_then(|t| t.resources.get(id)),
                changes,
                deferred: self.changes.is_none(),
            }
        };
        ids.into_iter().map(pair).collect()
    }

    /// What changes behind references. Of the nested stacks whose templates are known, each output is looked at; those that are nested
    /// deeper change as a whole.
    pub(super) fn moved(&self, pairs: &[Pair<'a>]) -> Moved {
        let moved = |read| {
            Moved::inputs(self.old, self.new, &self.given, &self.uncertain).with_resources(pairs, read)
        };
        let known: Vec<&Pair<'a>> = pairs.iter().filter(|pair| self.is_read(pair)).collect();
        let mut read: BTreeMap<String, BTreeSet<String>> =
            known.iter().map(|pair| (pair.id.to_owned(), BTreeSet::new())).collect();
        // What one gives out goes into the next.
        for _ in 0..PASSES {
            let found = moved(read.clone());
            let touched = known.iter().filter(|pair| found.touches(pair) || self.is_other_inside(pair));
            let mut outputs = read.clone();
            outputs
                .extend(touched.map(|pair| (pair.id.to_owned(), self.below(pair, &found).moved_outputs())));
            if outputs == read {
                return found;
            }
            read = outputs;
        }
        moved(BTreeMap::new())
    }

    /// Whether a nested stack stays the one that it is, and both its templates are known.
    fn is_read(&self, pair: &Pair<'_>) -> bool {
        let is_stack = |r: &Resource| r.resource_type == NESTED_STACK;
        pair.before().is_some_and(is_stack)
            && pair.after().is_some_and(is_stack)
            && pair.changes.iter().all(|change| is_in_place(change))
            && !pair.section_differs("Condition")
            && self.nested.and_then(|n| n.get(pair.id)).is_some_and(|n| n.old.is_some() && n.new.is_some())
    }

    fn is_other_inside(&self, pair: &Pair<'_>) -> bool {
        self.nested.and_then(|n| n.get(pair.id)).is_some_and(|n| n.old != n.new)
    }

    /// The outputs that become others.
    fn moved_outputs(&self) -> BTreeSet<String> {
        let (Some(old), Some(new)) = (self.old, self.new) else { return BTreeSet::new() };
        let moved = Moved::inputs(self.old, self.new, &self.given, &self.uncertain);
        moved.with_resources(&self.pairs(), BTreeMap::new()).outputs_of(old, new)
    }

    pub(super) fn about(&self, pair: &Pair<'_>) -> About {
        let told = |r: &Resource| r.body.get("Metadata")?.get("aws:cdk:path")?.as_str().map(str::to_owned);
        let here = |path: &&String| self.construct.as_ref().is_some_and(|start| path.starts_with(start));
        let listed = || self.construct_paths.get(pair.id).filter(here).cloned();
        About {
            id: format!("{}{}", self.prefix, pair.id),
            resource_type: pair.resource_type().to_owned(),
            construct_path: pair.new.and_then(told).or_else(|| pair.old.and_then(told)).or_else(listed),
        }
    }

    /// Whether the new template of a nested stack is known.
    pub(super) fn knows_nested(&self, id: &str) -> bool {
        self.nested.and_then(|n| n.get(id)).is_some_and(|n| n.new.is_some())
    }

    /// Whether changes of a nested stack are listed.
    pub(super) fn lists_below(&self, id: &str) -> bool {
        self.below.iter().any(|(of, _)| of.split_once('/').is_some_and(|(parent, _)| parent == id))
    }

    /// The level of a nested stack.
    pub(super) fn below(&self, pair: &Pair<'a>, moved: &Moved) -> Self {
        let mine: Vec<(&'a str, &'a Change)> = self
            .below
            .iter()
            .filter_map(|(id, change)| {
                id.split_once('/').filter(|(parent, _)| *parent == pair.id).map(|(_, id)| (id, *change))
            })
            .collect();
        let known = self.nested.and_then(|n| n.get(pair.id));
        // Without a list of its own, its changes are not known: CloudFormation makes one change set for each nested stack.
        let depth = self.prefix.matches('/').count() + 1;
        let (changes, below) = split((!mine.is_empty()).then_some(mine), depth);
        let gone = pair.after().is_none_or(|r| r.resource_type != NESTED_STACK);
        let made = pair.before().is_none_or(|r| r.resource_type != NESTED_STACK);
        let unseen = pair.is_unseen();
        Self {
            prefix: format!("{}{}/", self.prefix, pair.id),
            old: known.and_then(|n| n.old).filter(|_| !made || unseen),
            new: known.and_then(|n| n.new).filter(|_| !gone || unseen),
            changes,
            below,
            construct_paths: self.construct_paths,
            construct: inside(self.about(pair).construct_path.as_deref()),
            given: given(pair, |value| moved.within(value)),
            uncertain: {
                let passed = given(pair, |value| moved.is_uncertain(value));
                let looked_up = known.and_then(|n| n.new).map(looked_up).unwrap_or_default();
                passed.union(&looked_up).cloned().collect()
            },
            origins: Cow::Owned(self.origins.inside()),
            nested: known.map(|n| &n.nested),
        }
    }
}

/// The parameters whose value CloudFormation looks up in SSM, each time anew.
fn looked_up(template: &Template) -> BTreeSet<String> {
    let kind = "AWS::SSM::Parameter::Value<";
    let looked_up = template.parameters.iter().filter(|(_, p)| p.parameter_type.starts_with(kind));
    looked_up.map(|(name, _)| name.clone()).collect()
}

/// Where the CDK puts the constructs of a nested stack, by the path of its `AWS::CloudFormation::Stack`:
/// `App/N.NestedStack/N.NestedStackResource` stands for those in `App/N`.
fn inside(path: Option<&str>) -> Option<String> {
    let (stack, _) = path?.rsplit_once(".NestedStack/")?;
    Some(format!("{stack}/"))
}

/// The changes of a level, and those of the levels below it.
#[expect(clippy::type_complexity, reason = "two lists of the same kind")]
fn split<'a>(
    all: Option<Vec<(&'a str, &'a Change)>>,
    depth: usize,
) -> (Option<Vec<(&'a str, &'a Change)>>, Vec<(&'a str, &'a Change)>) {
    match all {
        None => (None, Vec::new()),
        Some(all) => {
            let (below, here) = all.into_iter().partition(|(id, _)| depth < DEEPEST && id.contains('/'));
            (Some(here), below)
        }
    }
}

/// The parameters of a nested stack that get other values.
fn given(pair: &Pair<'_>, moves: impl Fn(&Value) -> bool) -> BTreeSet<String> {
    let passed = |resource: Option<&'_ Resource>| -> BTreeMap<String, Value> {
        let parameters = properties(resource).get("Parameters").and_then(Value::as_object);
        parameters.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let (before, after) = (passed(pair.old), passed(pair.new));
    let folded = section_of(pair.new, "Properties").is_some_and(super::iam::is_folded);
    let passed_anew =
        |(name, value): &(&String, &Value)| folded || before.get(*name) != Some(value) || moves(value);
    after.iter().filter(passed_anew).map(|(name, _)| name.clone()).collect()
}
