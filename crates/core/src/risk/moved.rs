//! What references lead to, and whether that changes although the text that refers to it does not.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    code, dynamic, lasting, opaque,
    pair::{Pair, is_in_place, properties},
    reference::{Reference, references},
};
use crate::{
    bundle::Template,
    stack::{Change, ValueSource},
};

/// A resource that stays the same: its type, and which of its properties differ.
struct Modified {
    kind: String,
    properties: BTreeSet<String>,
}

impl Modified {
    /// By the templates, by the list, and by what is behind the text.
    fn of(pair: &Pair<'_>, moved: &Moved) -> Self {
        let all = properties(pair.new).as_object().into_iter().flatten();
        let behind = all.filter(|(_, value)| {
            moved.is_uncertain(value) || references(value).iter().any(|r| moved.input(r))
        });
        let listed = pair.details().map(|d| d.name.as_str());
        let names =
            differing_properties(pair).into_iter().chain(behind.map(|(name, _)| name.as_str())).chain(listed);
        Self { kind: pair.resource_type().to_owned(), properties: names.map(str::to_owned).collect() }
    }
}

/// What changes behind references.
#[derive(Default)]
pub(super) struct Moved {
    parameters: BTreeSet<String>,
    mappings: BTreeSet<String>,
    conditions: BTreeSet<String>,
    /// Resources that become others, or may.
    resources: BTreeSet<String>,
    /// Resources that stay the same and get other values.
    modified: BTreeMap<String, Modified>,
    /// Nested stacks that are read, with the outputs of theirs that become others.
    outputs: BTreeMap<String, BTreeSet<String>>,
    /// Parameters of which nobody knows whether they change, and conditions that they decide on.
    uncertain: BTreeSet<Reference>,
}

impl Moved {
    /// Compares parameters, mappings and conditions. `given`: the parameters that are known to change; `uncertain`: those that may.
    /// Where there is no old template, nothing is behind anything: all is new.
    pub(super) fn inputs(
        old: Option<&Template>,
        new: Option<&Template>,
        given: &BTreeSet<String>,
        uncertain: &BTreeSet<String>,
    ) -> Self {
        let (Some(old), Some(new)) = (old, new) else { return Self::default() };
        let mut moved = Self { parameters: given.clone(), ..Self::default() };
        for (name, definition) in &new.parameters {
            if old.parameters.get(name) != Some(definition) {
                moved.parameters.insert(name.clone());
            }
        }
        moved.mappings = differing(old, new, "Mappings");
        moved.conditions = differing(old, new, "Conditions");
        let mut refer: BTreeMap<Reference, Vec<&String>> = BTreeMap::new();
        for (name, condition) in section(new, "Conditions") {
            for reference in references(condition) {
                if moved.input(&reference) {
                    moved.conditions.insert(name.clone());
                }
                refer.entry(reference).or_default().push(name);
            }
        }
        let mut open: Vec<Reference> = uncertain.iter().cloned().map(Reference::Name).collect();
        while let Some(reference) = open.pop() {
            for reader in refer.get(&reference).into_iter().flatten() {
                let condition = Reference::Condition((*reader).clone());
                if !moved.uncertain.contains(&condition) {
                    open.push(condition);
                }
            }
            moved.uncertain.insert(reference);
        }
        let mut open: Vec<String> = moved.conditions.iter().cloned().collect();
        while let Some(name) = open.pop() {
            for also in refer.get(&Reference::Condition(name)).into_iter().flatten() {
                if moved.conditions.insert((*also).clone()) {
                    open.push((*also).clone());
                }
            }
        }
        moved
    }

    /// Adds the resources. `read`: the nested stacks whose outputs are known one by one, with those that become others.
    pub(super) fn with_resources(
        mut self,
        pairs: &[Pair<'_>],
        read: BTreeMap<String, BTreeSet<String>>,
    ) -> Self {
        self.outputs = read;
        for pair in pairs.iter().filter(|p| !p.is_cdk_metadata()) {
            if pair.deferred {
                self.deferred(pair);
            } else {
                self.listed(pair);
            }
        }
        // Values go through nested stacks and custom resources to those that read their attributes.
        let mut readers: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        let is_free = |pair: &&Pair<'_>| opaque::has_free_attributes(pair.resource_type());
        for pair in pairs.iter().filter(is_free) {
            if self.outputs.contains_key(pair.id) {
                continue;
            }
            if self.touches(pair) {
                self.resources.insert(pair.id.to_owned());
            }
            for reference in references(properties(pair.new)) {
                if let Reference::Name(id) | Reference::Attribute(id, _) = reference {
                    readers.entry(id).or_default().push(pair.id);
                }
            }
        }
        let mut open: Vec<String> = self.resources.iter().cloned().collect();
        while let Some(id) = open.pop() {
            for reader in readers.get(&id).into_iter().flatten() {
                if self.resources.insert((*reader).to_owned()) {
                    open.push((*reader).to_owned());
                }
            }
        }
        self
    }

    /// Whether something changes in a resource, or in what it refers to.
    pub(super) fn touches(&self, pair: &Pair<'_>) -> bool {
        self.modified.contains_key(pair.id)
            || self.resources.contains(pair.id)
            || self.within(properties(pair.new))
    }

    /// The outputs of a template that become others.
    pub(super) fn outputs_of(&self, old: &Template, new: &Template) -> BTreeSet<String> {
        let mut moved = differing(old, new, "Outputs");
        let is_other = |output: &Value| {
            let condition = output.get("Condition").and_then(Value::as_str);
            condition.is_some_and(|name| self.conditions.contains(name))
                || self.within(output)
                || self.is_uncertain(output)
                || dynamic::is_unpinned(output, &|_| false)
        };
        moved.extend(
            section(new, "Outputs").filter(|(_, output)| is_other(output)).map(|(name, _)| name.clone()),
        );
        moved
    }

    fn listed(&mut self, pair: &Pair<'_>) {
        for change in &pair.changes {
            let stays = is_in_place(change);
            if stays && is_only_noted(pair, change) {
                continue;
            }
            if stays || (change.action == "Modify" && lasting::is_revised(pair, self)) {
                let modified = Modified::of(pair, self);
                self.modified.insert(pair.id.to_owned(), modified);
            } else {
                self.resources.insert(pair.id.to_owned());
            }
        }
    }

    fn deferred(&mut self, pair: &Pair<'_>) {
        let (Some(old), Some(new)) = (pair.old, pair.new) else {
            // Added and removed: whoever refers to it differs by that, or by a condition.
            self.resources.insert(pair.id.to_owned());
            return;
        };
        let differs = differing_properties(pair);
        let stays = !differs.is_empty()
            && !pair.section_differs("Type")
            && !self.condition_of(pair)
            && !references(properties(Some(new))).iter().any(|r| self.input(r))
            && (lasting::is_revised(pair, self) || lasting::is_made_in_place(pair.resource_type(), &differs));
        if stays && differs.iter().all(|name| lasting::is_note(name)) {
            return;
        }
        if stays || code::is_code_only(old, new, &[]) {
            let modified = Modified::of(pair, self);
            self.modified.insert(pair.id.to_owned(), modified);
        } else if pair.section_differs("Properties")
            || pair.section_differs("Type")
            || self.condition_of(pair)
            || references(properties(Some(new))).iter().any(|r| self.input(r))
        {
            self.resources.insert(pair.id.to_owned());
        }
    }

    /// Whether the condition of a resource changes, by name or by what is behind it.
    pub(super) fn condition_of(&self, pair: &Pair<'_>) -> bool {
        let name = pair.new.and_then(|r| r.body.get("Condition")).and_then(Value::as_str);
        pair.section_differs("Condition") || name.is_some_and(|n| self.conditions.contains(n))
    }

    /// Whether a parameter, mapping or condition changes.
    pub(super) fn input(&self, reference: &Reference) -> bool {
        match reference {
            Reference::Name(name) => self.parameters.contains(name),
            Reference::Attribute(..) => false,
            Reference::Mapping(Some(name)) => self.mappings.contains(name),
            Reference::Mapping(None) => !self.mappings.is_empty(),
            Reference::Condition(name) => self.conditions.contains(name),
        }
    }

    /// Whether what is referred to changes. A resource that is modified in place keeps its names, ids and ARNs.
    pub(super) fn reference(&self, reference: &Reference) -> bool {
        self.input(reference)
            || match reference {
                Reference::Name(name) => self.resources.contains(name) && !self.outputs.contains_key(name),
                Reference::Attribute(id, attribute) if self.outputs.contains_key(id) => {
                    let output = attribute.strip_prefix("Outputs.").unwrap_or(attribute);
                    self.outputs.get(id).is_some_and(|moved| moved.contains(output))
                }
                Reference::Attribute(id, attribute) => {
                    let other = |m: &Modified| !lasting::lasts(&m.kind, attribute, &m.properties);
                    self.resources.contains(id) || self.modified.get(id).is_some_and(other)
                }
                Reference::Mapping(_) | Reference::Condition(_) => false,
            }
    }

    /// Whether the name or ARN that is referred to stays as it is. That of a task definition counts its revisions.
    pub(super) fn lasts(&self, reference: &Reference) -> bool {
        let is_revised = |id: &String| self.modified.get(id).is_some_and(|m| m.kind == code::TASK);
        !self.reference(reference) && !matches!(reference, Reference::Name(id) if is_revised(id))
    }

    /// Whether a value leads to a parameter that may change without a word.
    pub(super) fn is_uncertain(&self, value: &Value) -> bool {
        !self.uncertain.is_empty() && references(value).iter().any(|r| self.doubts(r))
    }

    /// Whether that is what is referred to.
    pub(super) fn doubts(&self, reference: &Reference) -> bool {
        self.uncertain.contains(reference)
    }

    /// Whether anything in a value leads to something that changes.
    pub(super) fn within(&self, value: &Value) -> bool {
        references(value).iter().any(|r| self.reference(r))
    }
}

/// The names of the properties that the templates say different things about.
fn differing_properties<'a>(pair: &Pair<'a>) -> BTreeSet<&'a str> {
    let names = |of| properties(of).as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    names(pair.old).chain(names(pair.new)).filter(|name| pair.property_differs(name)).collect()
}

/// Whether nothing changes but what people note on a resource, by the templates and by the list.
fn is_only_noted(pair: &Pair<'_>, change: &Change) -> bool {
    if pair.old.is_none() || pair.new.is_none() || opaque::has_free_attributes(pair.resource_type()) {
        return false;
    }
    let differs = differing_properties(pair);
    let is_note =
        |d: &ValueSource| d.attribute == "Tags" || (d.attribute == "Properties" && lasting::is_note(&d.name));
    pair.section_differs("Properties")
        && !pair.section_differs("Condition")
        && differs.iter().all(|name| lasting::is_note(name))
        && change.details.iter().all(is_note)
}

fn section<'a>(template: &'a Template, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    template.json.get(name).and_then(Value::as_object).into_iter().flatten()
}

fn differing(old: &Template, new: &Template, name: &str) -> BTreeSet<String> {
    let old: BTreeMap<_, _> = section(old, name).collect();
    section(new, name).filter(|(id, value)| old.get(id) != Some(value)).map(|(id, _)| id.clone()).collect()
}
