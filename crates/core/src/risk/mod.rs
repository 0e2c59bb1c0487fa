//! What is dangerous about a change, by class, from the templates before and after and from the change list.
//!
//! Both are read, because each of them hides something: a change list shows no values, and leaves out whatever no change set is
//! made for yet; a template shows no replacement, and not what references lead to. What either of them says counts.
//! The classes are those of `api::RiskClass`. Where the meaning of a change cannot be known, it counts as dangerous.
//!
//! Rules know a property by the type of its resource, or policies by what they say. Below them, `guards` reads names alone, so that
//! what AWS adds tomorrow is not let pass: of what is named after a guard, all counts that is not plainly narrower.
//!
//! The CDK CLI (2.1148.1) asks on "broadening" changes of IAM statements and security group rules. What it lets pass is listed,
//! each with a test, in `tests/holes.rs`.

mod absent;
mod behaviours;
mod cidr;
mod code;
mod cover;
mod document;
mod dynamic;
mod elsewhere;
mod exposure;
mod facts;
mod finding;
mod grant_types;
mod grants;
mod guard_names;
mod guard_values;
mod guards;
mod guards_behind;
mod iam;
mod lasting;
mod lifecycle;
mod moved;
mod nested;
mod network;
mod opaque;
mod origin;
mod pair;
mod read_nested;
mod reference;
mod roles;
mod rules;
mod schema;
mod statement;
mod switches;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use self::{
    finding::{About, Findings},
    moved::Moved,
    nested::Level,
    pair::Pair,
    roles::Roles,
};
pub use self::{
    nested::Nested,
    read_nested::{NestedTemplate, deployed_templates, nested_templates, side_by_side},
};
use crate::{
    api::{Risk, RiskClass},
    bundle::{Origins, Template},
    stack::Change,
};

/// Whether a text holds a reference to a secret or parameter that does not name a version.
#[must_use]
pub fn is_unpinned(text: &str) -> bool {
    dynamic::is_unpinned(&serde_json::Value::String(text.to_owned()), &|_| false)
}

/// One stack before and after.
pub struct Assessed<'a> {
    /// The artifact id of the stack.
    pub stack: &'a str,
    /// The template that is deployed; none where there is no stack.
    pub old: Option<&'a Template>,
    /// The template that shall be deployed.
    pub new: &'a Template,
    /// What the change set lists; none where it cannot be made yet. A resource of a nested stack has the id `Parent/Child`.
    pub changes: Option<&'a [Change]>,
    /// The construct paths that the assembly tells, by logical id, for resources whose template does not (`aws:cdk:path`).
    pub construct_paths: &'a BTreeMap<String, String>,
    /// The parameters that are given a value: it may be another one than the deployed stack has.
    pub given: &'a BTreeSet<String>,
    /// What tells where that comes from which the stack draws in.
    pub origins: &'a Origins,
    /// The nested stacks whose templates are known, by the logical id of their `AWS::CloudFormation::Stack`.
    pub nested: &'a BTreeMap<String, Nested<'a>>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assessment {
    /// All risks: one for each class of each resource, the gravest class first, then by logical id.
    pub risks: Vec<Risk>,
    /// The resources that get other code and nothing else; those of nested stacks as `Parent/Child`. A version of a function, or a
    /// deployment of an API, and the one that takes its place are both among them.
    pub code_only: BTreeSet<String>,
}

/// Finds what is dangerous about a change of one stack.
#[must_use]
pub fn assess(assessed: &Assessed<'_>) -> Assessment {
    let mut found = Found { risks: Findings::of(assessed.stack), code_only: BTreeSet::new() };
    let level = Level::root(assessed);
    found.level(&level);
    Assessment { risks: found.risks.risks(), code_only: found.code_only }
}

/// The names of the classes of these risks, the gravest first.
#[must_use]
pub fn classes(risks: &[Risk]) -> Vec<&'static str> {
    let there: BTreeSet<RiskClass> = risks.iter().map(|r| r.class).collect();
    RiskClass::ALL.into_iter().filter(|c| there.contains(c)).map(RiskClass::as_str).collect()
}

/// What the other resources of a template tell about one.
struct Beside<'a> {
    roles: &'a Roles<'a>,
    steps: &'a code::Steps<'a>,
    moved: &'a Moved,
}

struct Found {
    risks: Findings,
    code_only: BTreeSet<String>,
}

impl Found {
    /// One template with its nested ones.
    fn level(&mut self, level: &Level<'_>) {
        let pairs = level.pairs();
        let moved = level.moved(&pairs);
        let mut touched = false;
        let (secrets, steps) = (opaque::secrets(&pairs), code::steps(&pairs, &moved));
        let roles = Roles::of(&pairs);
        let is_free = |pair: &&Pair<'_>| opaque::has_free_attributes(pair.resource_type());
        let free: BTreeSet<&str> = pairs.iter().filter(is_free).map(|p| p.id).collect();
        for pair in &pairs {
            if pair.resource_type() == opaque::NESTED_STACK
                || level.knows_nested(pair.id)
                || level.lists_below(pair.id)
            {
                self.level(&level.below(pair, &moved));
            }
            if pair.is_cdk_metadata() {
                continue;
            }
            touched |= pair.touched();
            let about = level.about(pair);
            let outside = origin::from_outside(pair.after(), level.origins());
            let before = origin::from_outside(pair.before(), level.origins());
            let code_only = (steps.contains_key(pair.id) || elsewhere::code_only(pair, &moved, &free))
                && !origin::counts(&outside, &before);
            if code_only {
                self.code_only.insert(about.id.clone());
            }
            lifecycle::lifecycle(pair, &moved, code_only, &about, &mut self.risks);
            self.permissions_and_reach(pair, &Beside { roles: &roles, steps: &steps, moved: &moved }, &about);
            let known = level.knows_nested(pair.id);
            let foreign = elsewhere::is_from_elsewhere(pair, &moved, &free);
            let causes = opaque::opaque(pair, code_only, known, foreign, &secrets);
            self.risks.add(RiskClass::Opaque, &about, causes, None);
            let new = origin::is_new(&outside, &before, pair, &moved);
            self.risks.add(RiskClass::Opaque, &about, new, None);
        }
        if touched || level.transforms_differ() {
            let whole = About { id: level.name(), ..About::default() };
            self.risks.add(RiskClass::Opaque, &whole, opaque::whole_template(level.old, level.new), None);
        }
    }

    fn permissions_and_reach(&mut self, pair: &Pair<'_>, beside: &Beside<'_>, about: &About) {
        let Beside { roles, steps, moved } = *beside;
        // A resource of another type is another resource: nothing of the old one counts for the new one.
        let other_type =
            pair.old.zip(pair.new).is_some_and(|(old, new)| old.resource_type != new.resource_type);
        let (old, new) = (pair.old.map(absent::with_values), pair.new.map(absent::with_values));
        let pair = Pair { old: old.as_deref(), new: new.as_deref(), changes: pair.changes.clone(), ..*pair };
        let halves = if other_type {
            vec![
                Pair { new: None, changes: Vec::new(), ..pair },
                Pair { old: None, changes: pair.changes.clone(), ..pair },
            ]
        } else {
            vec![pair]
        };
        for half in &halves {
            for class in [RiskClass::Iam, RiskClass::Network] {
                self.risks.tell(class, about, guards::loosened(half.before(), half.after(), steps, class));
                self.risks.tell(class, about, guards_behind::behind(half, moved, class));
            }
            self.risks.tell(RiskClass::Iam, about, iam::iam(half, moved, roles));
            let policies = grants::attached(pair::properties(half.before()), pair::properties(half.after()));
            self.risks.name(RiskClass::Iam, about, grants::ATTACHES, policies);
            self.risks.tell(RiskClass::Network, about, network::network(half, moved));
        }
    }
}
