//! Class `iam`: somebody may do more than before, or nobody can tell.
//!
//! What is compared is the meaning of policies, not their text: another order, other `Sid`s, merged or narrowed statements
//! are nothing; all that is not shown to be covered by what was there before is a broadening. The check of the CDK CLI
//! (2.1148.1) compares statements as texts, and does not see several kinds at all; `tests/holes.rs` has each of them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    cover::covered,
    document::{Documents, names_a_policy},
    facts::Facts,
    finding::Causes,
    grant_types::{ends_with_itself, is_about_permissions},
    grants::{Grants, grants},
    guard_values::is_hollow,
    moved::Moved,
    pair::{Pair, properties, section_of},
    reference::Reference,
    roles::Roles,
    schema::opens_otherwise,
    statement::{Effect, Entry, Statement},
    text::{Work, is_intrinsic},
};
use crate::stack::{Change, ValueSource};

const MORE: &str = "allows more than before";
const LESS_DENIED: &str = "denies less than before";
const UNREADABLE: &str = "a policy cannot be read before deployment";
const BEHIND: &str = "what its policies refer to changes";
const CONDITION: &str = "the condition that decides on its permissions changes";
const FIELDS: &str = "changes who may read or write which field";
const UNSEEN: &str = "its permissions are in no template that is known";
/// What everything is allowed by, unless a policy is there.
const OPEN_WITHOUT: [(&str, &str); 2] =
    [("AWS::EC2::VPCEndpoint", "PolicyDocument"), ("AWS::EFS::FileSystem", "FileSystemPolicy")];
const FOLDED: &str = "a loop or transform decides what it allows";

/// Why a resource means more permissions than before; nothing if it does not.
pub(super) fn iam(pair: &Pair<'_>, moved: &Moved, roles: &Roles<'_>) -> Causes {
    let mut causes = Causes::new();
    if pair.is_unseen() {
        if pair.changes.iter().any(|c| unseen(c)) {
            causes.entry(UNSEEN).or_default();
        }
        return causes;
    }
    if pair.differs() && (pair.is_loop() || pair.new.is_some_and(|r| is_folded(&r.body))) {
        causes.entry(FOLDED).or_default();
    }
    let is_new = pair.before().is_none();
    let before = grants(pair.before(), &|_| false);
    let after = grants(pair.after(), &|value| roles.is_told(value, is_new));
    if pair.after().is_some() || !ends_with_itself(pair.resource_type()) {
        compare(&before.documents, &after.documents, begins_to_limit(pair), &mut causes);
        let gone = before.documents.keys().filter(|place| !after.documents.contains_key(*place));
        if gone.into_iter().any(|place| cannot_be_read(place, properties(pair.after()))) {
            causes.entry(UNREADABLE).or_default();
        }
        causes.extend(after.facts.more_than(&before.facts).into_iter().map(|c| (c, BTreeSet::new())));
    }
    causes.extend(after.roles.more_than(&before.roles).into_iter().map(|c| (c, BTreeSet::new())));
    if pair.resource_type() == "AWS::AppSync::GraphQLSchema" && !is_new && pair.after().is_some() {
        let opens = opens_otherwise(properties(pair.before()), properties(pair.after()));
        causes.extend(opens.then_some((FIELDS, BTreeSet::new())));
    }
    behind(pair, &after, moved, roles, &mut causes);
    causes
}

/// The first policy of a resource that let everybody do everything as long as it had none.
fn begins_to_limit(pair: &Pair<'_>) -> Option<&'static str> {
    let of = |(kind, name): &&(&str, &str)| {
        pair.before().is_some_and(|old| old.resource_type == *kind)
            && is_hollow(properties(pair.before()).get(name))
    };
    OPEN_WITHOUT.iter().find(of).map(|(_, name)| *name)
}

/// Whether at the place of a policy, or around it, there is now something that only CloudFormation can resolve.
fn cannot_be_read(place: &str, properties: &Value) -> bool {
    let mut at = properties;
    for step in place.split('/') {
        match at {
            Value::Array(items) => return items.iter().any(is_intrinsic),
            value if is_intrinsic(value) => return true,
            value => match value.get(step) {
                Some(inside) => at = inside,
                None => return false,
            },
        }
    }
    is_intrinsic(at) || at.as_array().is_some_and(|items| items.iter().any(is_intrinsic))
}

/// Whether a value holds what is unfolded only by CloudFormation or a macro.
pub(super) fn is_folded(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(is_folded),
        Value::Object(object) => {
            object.keys().any(|k| k == "Fn::Transform" || k.starts_with("Fn::ForEach"))
                || object.values().any(is_folded)
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// What the change set lists and no template shows.
fn unseen(change: &Change) -> bool {
    let about = is_about_permissions(&change.resource_type);
    let property = |d: &ValueSource| {
        let name = d.name.to_ascii_lowercase();
        d.attribute != "Tags"
            && (names_a_policy(&d.name) || name.ends_with("role") || name.ends_with("rolearn"))
    };
    match change.action.as_str() {
        "Remove" => about && change.resource_type.ends_with("Policy"),
        "Add" | "Import" => about,
        _ => about || change.details.is_empty() || change.details.iter().any(property),
    }
}

/// Compares documents place by place. `limits`: the place of one that only takes away.
fn compare(before: &Documents, after: &Documents, limits: Option<&str>, causes: &mut Causes) {
    let places: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let none = Vec::new();
    let mut work = Work::new();
    for place in places.into_iter().filter(|place| Some(place.as_str()) != limits) {
        let (old, new) = (before.get(place).unwrap_or(&none), after.get(place).unwrap_or(&none));
        let (old, new) = (Sorted::of(old), Sorted::of(new));
        let more = new.allow.iter().filter(|s| !covered(s, &old.allow, &mut work));
        let more: BTreeSet<String> = more.map(|s| s.told()).collect();
        if !more.is_empty() {
            causes.entry(MORE).or_default().extend(more);
        }
        let less = old.deny.iter().filter(|s| !covered(s, &new.deny, &mut work));
        let less: BTreeSet<String> = less.map(|s| s.told()).collect();
        if !less.is_empty() {
            causes.entry(LESS_DENIED).or_default().extend(less);
        }
        if old.unreadable != new.unreadable {
            causes.entry(UNREADABLE).or_default();
        }
    }
}

/// The entries of one place, in an order that does not depend on how they were written.
struct Sorted<'a> {
    allow: BTreeSet<&'a Statement>,
    deny: BTreeSet<&'a Statement>,
    unreadable: BTreeSet<&'a String>,
}

impl<'a> Sorted<'a> {
    fn of(entries: &'a [Entry]) -> Self {
        let mut sorted = Self { allow: BTreeSet::new(), deny: BTreeSet::new(), unreadable: BTreeSet::new() };
        for entry in entries {
            match entry {
                Entry::Readable(s) => match s.effect {
                    Effect::Allow => sorted.allow.insert(s),
                    Effect::Deny => sorted.deny.insert(s),
                },
                Entry::Unreadable(text) => sorted.unreadable.insert(text),
            };
        }
        sorted
    }
}

/// What changes although the text of the policies does not.
fn behind(pair: &Pair<'_>, after: &Grants, moved: &Moved, ours: &Roles<'_>, causes: &mut Causes) {
    if pair.before().is_none() || pair.after().is_none() {
        return;
    }
    let grants_something = !after.is_empty();
    if (grants_something || !after.roles.opens.is_empty()) && moved.condition_of(pair) {
        causes.entry(CONDITION).or_default();
    }
    let policies = after.facts.references(properties(pair.new));
    let roles = after.roles.references(properties(pair.new));
    if policies.iter().any(|r| moved.reference(r))
        || roles.iter().any(|r| moved.reference(r) && !ours.holds(r))
    {
        causes.entry(BEHIND).or_default();
    }
    let told = |c: &Change| {
        // Without details, what the templates show is taken for all of it.
        let unexplained = if c.scope.is_empty() {
            !pair.differs()
        } else {
            c.scope.contains("Properties") && !pair.section_differs("Properties")
        };
        let hidden = || unexplained || policies.iter().any(|r| moved.doubts(r));
        (c.details.is_empty() && grants_something && hidden())
            || c.details.iter().any(|d| tells(d, pair, after, moved, ours))
    };
    if pair.changes.iter().any(|c| told(c)) {
        causes.entry(BEHIND).or_default();
    }
    if grants_something && section_of(pair.new, "Properties").is_some_and(is_folded) && pair.touched() {
        causes.entry(FOLDED).or_default();
    }
}

/// Whether a line of the change list says that a value in a policy changes that the templates do not show.
fn tells(detail: &ValueSource, pair: &Pair<'_>, after: &Grants, moved: &Moved, ours: &Roles<'_>) -> bool {
    if !matches!(detail.attribute.as_str(), "Properties" | "") {
        return false;
    }
    let names = |facts: &Facts| {
        let any = !facts.properties.is_empty() || !facts.parts.is_empty();
        if detail.name.is_empty() { any } else { facts.come_from(&detail.name) }
    };
    if !names(&after.facts) && !names(&after.roles) {
        return false;
    }
    let reads = |facts: &Facts| {
        let (name, cause) = (&detail.name, &detail.causing_entity);
        if name.is_empty() || cause.is_empty() {
            names(facts)
        } else {
            facts.may_read(properties(pair.new), name, cause)
        }
    };
    match detail.change_source.as_str() {
        "ResourceReference" | "ResourceAttribute" if !detail.causing_entity.is_empty() => {
            let cause = Reference::named(&detail.causing_entity);
            (reads(&after.facts) || (reads(&after.roles) && !ours.holds(&cause))) && moved.reference(&cause)
        }
        "DirectModification" | "" => {
            let shown = detail.name.is_empty() && pair.section_differs("Properties");
            let doubtful = |facts: &Facts| {
                let references = facts.references_in(properties(pair.new), &detail.name);
                references.iter().any(|r| moved.doubts(r))
            };
            !shown
                && (!pair.property_differs(&detail.name) || doubtful(&after.facts) || doubtful(&after.roles))
        }
        "ParameterReference" => reads(&after.facts) || reads(&after.roles),
        // Whatever CloudFormation finds by itself, and what it will call by names that we do not know yet.
        _ => true,
    }
}
