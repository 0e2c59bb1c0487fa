//! Statements of policies, and whether one allows (or denies) nothing that another does not.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::text::{Text, Work, is_intrinsic, items};
use crate::bundle::canonical_json;

/// The most single permissions that one statement is split into, to find each of them elsewhere.
const MOST_ATOMS: usize = 4096;

/// What a statement does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// A kind (of principal; else empty) and a pattern.
type Item = (String, Text);

/// Principals, actions or resources.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Part {
    Absent,
    Only(BTreeSet<Item>),
    /// All but these: `NotAction`, `NotResource`, `NotPrincipal`.
    AllBut(BTreeSet<Item>),
}

/// A statement without its `Sid`, which changes nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Statement {
    pub(super) effect: Effect,
    principal: Part,
    action: Part,
    resource: Part,
    /// Values by operator and key. All of them have to hold, so more of them is narrower.
    condition: BTreeMap<(String, String), BTreeSet<String>>,
    /// The version of the policy language, where it makes a difference.
    version: String,
}

/// What stands in a policy.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Entry {
    Readable(Statement),
    /// Something that cannot be read before deployment: it may allow anything, and may have denied anything.
    Unreadable(String),
}

/// Reads the statements of a policy document.
pub(super) fn read_document(document: &Map<String, Value>) -> Vec<Entry> {
    let version = document.get("Version").map(canonical_json).unwrap_or_default();
    let mut entries: Vec<Entry> = document
        .get("Statement")
        .map(items)
        .unwrap_or_default()
        .into_iter()
        .map(|s| read(s, &version))
        .collect();
    let known = ["Version", "Id", "Statement"];
    let others = document.iter().filter(|(key, _)| !known.contains(&key.as_str()));
    entries.extend(others.map(|(key, value)| Entry::Unreadable(format!("{key}={}", canonical_json(value)))));
    entries.sort();
    entries.dedup();
    entries
}

/// Reads one statement.
pub(super) fn read(value: &Value, version: &str) -> Entry {
    value
        .as_object()
        .and_then(|object| statement(object, version))
        .map_or_else(|| Entry::Unreadable(canonical_json(value)), Entry::Readable)
}

fn statement(object: &Map<String, Value>, version: &str) -> Option<Statement> {
    let known = [
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    ];
    if is_intrinsic(&Value::Object(object.clone())) || object.keys().any(|k| !known.contains(&k.as_str())) {
        return None;
    }
    let effect = match object.get("Effect")?.as_str()? {
        "Allow" => Effect::Allow,
        "Deny" => Effect::Deny,
        _ => return None,
    };
    let plain = |value: &Value| items(value).into_iter().map(|v| (String::new(), Text::of(v))).collect();
    let lower =
        |value: &Value| items(value).into_iter().map(|v| (String::new(), Text::of(v).lower())).collect();
    let mut statement = Statement {
        effect,
        principal: part(object, "Principal", "NotPrincipal", principals)?,
        action: part(object, "Action", "NotAction", lower)?,
        resource: part(object, "Resource", "NotResource", plain)?,
        condition: object.get("Condition").map(conditions).unwrap_or_default(),
        version: String::new(),
    };
    // Variables are read as such from version 2012-10-17 on, and as plain text before.
    let text = canonical_json(&Value::Object(object.clone()));
    let resources = match &statement.resource {
        Part::Absent => false,
        Part::Only(i) | Part::AllBut(i) => i.iter().any(|(_, t)| t.has_variable()),
    };
    if resources || text.contains("${") {
        version.clone_into(&mut statement.version);
    }
    Some(statement)
}

fn part(
    object: &Map<String, Value>,
    only: &str,
    all_but: &str,
    read: impl Fn(&Value) -> BTreeSet<Item>,
) -> Option<Part> {
    match (object.get(only), object.get(all_but)) {
        (None, None) => Some(Part::Absent),
        (Some(value), None) => Some(Part::Only(read(value))),
        (None, Some(value)) => Some(Part::AllBut(read(value))),
        (Some(_), Some(_)) => None,
    }
}

fn principals(value: &Value) -> BTreeSet<Item> {
    let each = |kind: &str, value: &Value| -> Vec<Item> {
        items(value).into_iter().map(|v| (kind.to_owned(), Text::of(v))).collect()
    };
    match value.as_object().filter(|_| !is_intrinsic(value)) {
        Some(object) => object.iter().flat_map(|(kind, value)| each(kind, value)).collect(),
        // `"*"` says the same as `{"AWS": "*"}`.
        None => each("AWS", value).into_iter().collect(),
    }
}

fn conditions(value: &Value) -> BTreeMap<(String, String), BTreeSet<String>> {
    let mut found = BTreeMap::new();
    let whole = |v: &Value| BTreeSet::from([canonical_json(v)]);
    match value.as_object().filter(|_| !is_intrinsic(value)) {
        None => {
            found.insert((String::new(), String::new()), whole(value));
        }
        Some(operators) => {
            for (operator, keys) in operators {
                match keys.as_object().filter(|_| !is_intrinsic(keys)) {
                    None => {
                        found.insert((operator.clone(), String::new()), whole(keys));
                    }
                    Some(keys) => found.extend(keys.iter().map(|(key, values)| {
                        let values = items(values).into_iter().map(|v| format!("{:?}", Text::of(v)));
                        ((operator.clone(), key.clone()), values.collect())
                    })),
                }
            }
        }
    }
    found
}

/// Whether everything that `narrow` says is said by some of `wide`, all of which have the same effect.
pub(super) fn covered(narrow: &Statement, wide: &[&Statement], work: &mut Work) -> bool {
    if wide.iter().any(|w| covers(w, narrow, work)) {
        return true;
    }
    let atoms = atoms(narrow);
    atoms.len() > 1 && atoms.iter().all(|atom| wide.iter().any(|w| covers(w, atom, work)))
}

/// The statement as many, each for one principal, action and resource; none if they are too many.
fn atoms(statement: &Statement) -> Vec<Statement> {
    let single = |part: &Part| -> Vec<Part> {
        match part {
            Part::Absent | Part::AllBut(_) => vec![part.clone()],
            Part::Only(items) => items.iter().map(|i| Part::Only(BTreeSet::from([i.clone()]))).collect(),
        }
    };
    let parts = [single(&statement.principal), single(&statement.action), single(&statement.resource)];
    let [principals, actions, resources] = &parts;
    if parts.iter().map(Vec::len).try_fold(1usize, usize::checked_mul).is_none_or(|n| n > MOST_ATOMS) {
        return Vec::new();
    }
    let mut all = Vec::new();
    for principal in principals {
        for action in actions {
            all.extend(resources.iter().map(|resource| Statement {
                principal: principal.clone(),
                action: action.clone(),
                resource: resource.clone(),
                ..statement.clone()
            }));
        }
    }
    all
}

fn covers(wide: &Statement, narrow: &Statement, work: &mut Work) -> bool {
    wide.effect == narrow.effect
        && (wide.version == narrow.version || wide.version.is_empty() || narrow.version.is_empty())
        && part_covers(&wide.principal, &narrow.principal, &principal_covers, work)
        && part_covers(&wide.action, &narrow.action, &pattern_covers, work)
        && part_covers(&wide.resource, &narrow.resource, &pattern_covers, work)
        && condition_covers(wide, narrow)
}

type ItemCovers = dyn Fn(&Item, &Item, &mut Work) -> bool;

fn pattern_covers(wide: &Item, narrow: &Item, work: &mut Work) -> bool {
    wide.1.covers(&narrow.1, work)
}

/// Principals know no patterns, only `*` alone.
fn principal_covers(wide: &Item, narrow: &Item, _: &mut Work) -> bool {
    wide == narrow || (wide.0 == narrow.0 && wide.1.is_star())
}

fn part_covers(wide: &Part, narrow: &Part, item: &ItemCovers, work: &mut Work) -> bool {
    match (wide, narrow) {
        (Part::Absent, Part::Absent) => true,
        (Part::Only(wide), Part::Only(narrow)) => {
            narrow.iter().all(|n| wide.contains(n) || any(wide, work, |w, work| item(w, n, work)))
        }
        (Part::AllBut(wide), Part::AllBut(narrow)) => {
            wide.iter().all(|w| narrow.contains(w) || any(narrow, work, |n, work| item(n, w, work)))
        }
        (Part::Only(wide), Part::AllBut(_)) => {
            wide.iter().any(|(kind, text)| (kind.is_empty() || kind == "AWS") && text.is_star())
        }
        (Part::AllBut(_), Part::Only(_)) | (Part::Absent, _) | (_, Part::Absent) => false,
    }
}

fn any(all: &BTreeSet<Item>, work: &mut Work, test: impl Fn(&Item, &mut Work) -> bool) -> bool {
    all.iter().any(|item| work.spend(1) && test(item, work))
}

/// Every condition of the wide one has to be in the narrow one, as it is or for fewer cases.
fn condition_covers(wide: &Statement, narrow: &Statement) -> bool {
    wide.condition.iter().all(|(at, wide)| {
        narrow.condition.get(at).is_some_and(|narrow| {
            wide == narrow
                || match listing(&at.0) {
                    Listing::OneOf => !narrow.is_empty() && narrow.is_subset(wide),
                    Listing::NoneOf => narrow.is_superset(wide),
                    Listing::Other => false,
                }
        })
    })
}

enum Listing {
    OneOf,
    NoneOf,
    Other,
}

/// How an operator takes a list of values ("IAM JSON policy elements: Condition operators").
fn listing(operator: &str) -> Listing {
    let name = operator.rsplit_once(':').map_or(operator, |(_, name)| name);
    match name.strip_suffix("IfExists").unwrap_or(name) {
        "StringEquals"
        | "StringEqualsIgnoreCase"
        | "StringLike"
        | "NumericEquals"
        | "DateEquals"
        | "Bool"
        | "BinaryEquals"
        | "IpAddress"
        | "ArnEquals"
        | "ArnLike" => Listing::OneOf,
        "StringNotEquals"
        | "StringNotEqualsIgnoreCase"
        | "StringNotLike"
        | "NumericNotEquals"
        | "DateNotEquals"
        | "NotIpAddress"
        | "ArnNotEquals"
        | "ArnNotLike" => Listing::NoneOf,
        _ => Listing::Other,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn one(value: &Value) -> Statement {
        match read(value, "") {
            Entry::Readable(statement) => statement,
            Entry::Unreadable(text) => panic!("unreadable: {text}"),
        }
    }

    #[rstest]
    #[case::fewer_actions(json!({"Action": ["s3:Get*", "s3:Put*"], "Resource": "*"}), json!({"Action": "s3:GetObject", "Resource": "a"}), true)]
    #[case::case_of_actions(json!({"Action": "S3:*", "Resource": "*"}), json!({"Action": "s3:getobject", "Resource": "*"}), true)]
    #[case::case_of_resources(json!({"Action": "*", "Resource": "A"}), json!({"Action": "*", "Resource": "a"}), false)]
    #[case::condition_added(json!({"Action": "*"}), json!({"Action": "*", "Condition": {"Bool": {"k": "true"}}}), true)]
    #[case::condition_gone(json!({"Action": "*", "Condition": {"Bool": {"k": "true"}}}), json!({"Action": "*"}), false)]
    #[case::fewer_values(json!({"Condition": {"StringLike": {"k": ["a", "b"]}}}), json!({"Condition": {"StringLike": {"k": "a"}}}), true)]
    #[case::more_values(json!({"Condition": {"StringLike": {"k": "a"}}}), json!({"Condition": {"StringLike": {"k": ["a", "b"]}}}), false)]
    #[case::more_exceptions(json!({"Condition": {"StringNotEquals": {"k": "a"}}}), json!({"Condition": {"StringNotEquals": {"k": ["a", "b"]}}}), true)]
    #[case::fewer_exceptions(json!({"Condition": {"StringNotEquals": {"k": ["a", "b"]}}}), json!({"Condition": {"StringNotEquals": {"k": "a"}}}), false)]
    #[case::not_action_shrinks(json!({"NotAction": ["a:*", "b:*"]}), json!({"NotAction": "a:*"}), false)]
    #[case::not_action_grows(json!({"NotAction": "a:x"}), json!({"NotAction": ["a:*", "b:*"]}), true)]
    #[case::not_action_in_all(json!({"Action": "*"}), json!({"NotAction": "iam:*"}), true)]
    #[case::not_action_for_action(json!({"Action": "s3:*"}), json!({"NotAction": "iam:*"}), false)]
    #[case::anybody(json!({"Principal": "*"}), json!({"Principal": {"AWS": "111111111111"}}), true)]
    #[case::anybody_in_two_ways(json!({"Principal": "*"}), json!({"Principal": {"AWS": "*"}}), true)]
    #[case::service_for_account(json!({"Principal": {"AWS": "*"}}), json!({"Principal": {"Service": "x"}}), false)]
    #[case::a_pattern_of_principals_is_none(json!({"Principal": {"AWS": "a*"}}), json!({"Principal": {"AWS": "ab"}}), false)]
    #[case::principal_appears(json!({"Action": "*"}), json!({"Action": "*", "Principal": "*"}), false)]
    #[case::unresolved_condition(json!({"Condition": {"Fn::If": ["C", {}, {}]}}), json!({"Condition": {}}), false)]
    fn covers_one(#[case] mut wide: Value, #[case] mut narrow: Value, #[case] want: bool) {
        for value in [&mut wide, &mut narrow] {
            value["Effect"] = json!("Allow");
        }
        assert_eq!(covered(&one(&narrow), &[&one(&wide)], &mut Work::new()), want);
    }

    #[test]
    fn merged_and_split_statements_say_the_same() {
        let merged = one(&json!({"Effect": "Allow", "Action": ["a:x", "a:y"], "Resource": ["r", "s"]}));
        let x = one(&json!({"Effect": "Allow", "Action": "a:x", "Resource": ["r", "s"]}));
        let y = one(&json!({"Effect": "Allow", "Action": "a:y", "Resource": ["s", "r"]}));
        assert!(covered(&merged, &[&x, &y], &mut Work::new()));
        assert!(covered(&x, &[&merged], &mut Work::new()));
        assert!(!covered(&merged, &[&x], &mut Work::new()));
    }

    #[test]
    fn the_version_counts_where_variables_are_used() {
        let read = |version: &str, resource: &str| {
            read(&json!({"Effect": "Allow", "Action": "*", "Resource": resource}), version)
        };
        assert_eq!(read("a", "x"), read("b", "x"));
        assert_ne!(read("a", "${aws:username}"), read("b", "${aws:username}"));
    }
}
