//! Templates before and after, with those of nested stacks and a change list: what differs, and what is dangerous about it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use stackgate_core::{
    api::{Risk, RiskClass},
    bundle::{DifferenceKind, Origins, Template, canonical_json, difference},
    risk::{Assessed, Assessment, NestedTemplate, assess, deployed_templates, side_by_side},
    stack::{Change, ValueSource},
    words::{Env, StackKey},
};

use super::parts::{part, parts};

/// The longest id that a risk tells whole.
const ID: usize = 512;
const NOTE: &str = "AWS::CDK::Metadata";

/// Parts `old`, `new` and `changes`, and `old/<id>` and `new/<id>` of nested stacks. Bytes without parts are one template.
pub fn run(input: &[u8]) {
    let parts = parts(input);
    let old = part(&parts, "old").and_then(parsed);
    let Some(new) = parsed(part(&parts, "new").unwrap_or(input)) else { return };
    for template in old.iter().chain([&new]) {
        unchanged(template);
    }
    let before = nested(&parts, "old/");
    let after = nested(&parts, "new/");
    let of = |changes: Option<&[Change]>| {
        assessed(old.as_ref(), &new, changes, (&before, &after), &BTreeSet::new())
    };
    let deferred = of(None);
    well_formed(&deferred);
    for gone in difference(old.as_ref(), &new).into_iter().filter(|d| d.kind == DifferenceKind::Remove) {
        assert!(tells(&deferred.risks, RiskClass::Delete, &gone.logical_id), "{gone:?} is lost");
    }
    let Some(list) = part(&parts, "changes").map(changes) else { return };
    let found = of(Some(&list));
    well_formed(&found);
    for change in list.iter().filter(|c| c.resource_type != NOTE) {
        let told = |class| tells(&found.risks, class, &change.logical_id);
        assert!(change.action != "Remove" || told(RiskClass::Delete), "{change:?}");
        assert!(change.action != "Import" || told(RiskClass::Adopt), "{change:?}");
        assert!(change.replacement != "True" || told(RiskClass::Replace), "{change:?}");
        assert!(change.replacement != "Conditional" || told(RiskClass::MaybeReplace), "{change:?}");
    }
    let turned: Vec<Change> = list.iter().rev().cloned().collect();
    assert_eq!(of(Some(&turned)), found, "the order of the list says nothing");
}

fn parsed(bytes: &[u8]) -> Option<Template> {
    let template = Template::parse(bytes, &key()).ok()?;
    let again = Template::parse(canonical_json(&template.json).as_bytes(), &key());
    assert_eq!(again.as_ref(), Ok(&template), "what is printed is read");
    Some(template)
}

fn key() -> StackKey {
    let account = "111111111111".parse().expect("an account");
    let region = "ap-southeast-2".parse().expect("a region");
    StackKey { env: Env { account, region }, name: "Dev".parse().expect("a name") }
}

/// Nothing is dangerous where nothing changes.
fn unchanged(template: &Template) {
    assert_eq!(difference(Some(template), template), []);
    let none = BTreeMap::new();
    for list in [None, Some(&[][..])] {
        let found = assessed(Some(template), template, list, (&none, &none), &BTreeSet::new());
        assert_eq!(found.risks, [], "nothing changes");
    }
    // Another value of a parameter may be a danger, and has to be read as well.
    let given = template.parameters.keys().cloned().collect();
    well_formed(&assessed(Some(template), template, None, (&none, &none), &given));
}

type Nested = BTreeMap<String, NestedTemplate>;

fn nested(parts: &[(&[u8], &[u8])], prefix: &str) -> Nested {
    let text = |(name, content): &(&[u8], &[u8])| {
        let path = str::from_utf8(name).ok()?.strip_prefix(prefix)?;
        Some((path.to_owned(), Arc::from(String::from_utf8_lossy(content))))
    };
    deployed_templates(&parts.iter().filter_map(text).collect(), &key())
}

fn assessed(
    old: Option<&Template>,
    new: &Template,
    changes: Option<&[Change]>,
    (before, after): (&Nested, &Nested),
    given: &BTreeSet<String>,
) -> Assessment {
    assess(&Assessed {
        stack: "S",
        old,
        new,
        changes,
        construct_paths: &BTreeMap::new(),
        given,
        origins: &Origins::none(&key()),
        nested: &side_by_side(before, after),
    })
}

/// One risk for each class of a resource, each with a cause, the gravest class first.
fn well_formed(found: &Assessment) {
    let once: BTreeSet<_> = found.risks.iter().map(|r| (r.class, &r.logical_id)).collect();
    assert_eq!(once.len(), found.risks.len(), "a class of a resource is told twice");
    assert!(found.risks.iter().all(|r| !r.cause.is_empty() && r.cause.chars().count() <= 256));
    let rank = |r: &Risk| RiskClass::ALL.iter().position(|c| *c == r.class);
    assert!(found.risks.is_sorted_by_key(rank));
}

fn tells(risks: &[Risk], class: RiskClass, id: &str) -> bool {
    id.chars().count() > ID || risks.iter().any(|r| r.class == class && r.logical_id == id)
}

/// A line for each change: action, replacement, what becomes of the old one, why a property changes, type, logical id.
fn changes(text: &[u8]) -> Vec<Change> {
    let text = String::from_utf8_lossy(text);
    let change = |line: &str| {
        let mut words = line.splitn(6, ' ').map(str::to_owned);
        let mut word = || words.next().unwrap_or_default();
        let (action, replacement, policy_action, source) = (word(), word(), word(), word());
        let detail = ValueSource {
            attribute: "Properties".to_owned(),
            name: "Policies".to_owned(),
            requires_recreation: "Conditionally".to_owned(),
            evaluation: "Dynamic".to_owned(),
            change_source: source.clone(),
            causing_entity: "A.Arn".to_owned(),
        };
        Change {
            resource_type: word(),
            logical_id: word(),
            scope: ["Properties".to_owned()].into(),
            details: if source.is_empty() { BTreeSet::new() } else { [detail].into() },
            values: None,
            action,
            replacement,
            policy_action,
        }
    };
    text.lines().map(change).collect()
}
