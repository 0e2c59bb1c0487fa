//! Statements of policies, read so that those which mean the same are the same.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::text::{Text, is_intrinsic, items};
use crate::bundle::canonical_json;

/// What a statement does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// A kind (of principal; else empty) and a pattern.
pub(super) type Item = (String, Text);

/// Principals, actions or resources.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Part {
    Absent,
    Only(BTreeSet<Item>),
    /// All but these: `NotAction`, `NotResource`, `NotPrincipal`.
    AllBut(BTreeSet<Item>),
}

/// A statement without its `Sid`, which changes nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Statement {
    pub(super) effect: Effect,
    pub(super) principal: Part,
    pub(super) action: Part,
    pub(super) resource: Part,
    /// Values by operator and key. All of them have to hold, so more of them is narrower.
    pub(super) condition: BTreeMap<(String, String), BTreeSet<Text>>,
    /// The version of the policy language, where it makes a difference.
    pub(super) version: String,
}

/// What stands in a policy.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Entry {
    Readable(Statement),
    /// Something that cannot be read before deployment: it may allow anything, and may have denied anything.
    Unreadable(String),
}

/// The version of a policy that names none, as JSON ("IAM JSON policy elements: Version").
const DEFAULT_VERSION: &str = "\"2008-10-17\"";

/// The most actions that are told of a statement.
const TOLD: usize = 3;

impl Statement {
    /// What it is about, in a few words.
    pub(super) fn told(&self) -> String {
        let names = |items: &BTreeSet<Item>| {
            let mut all: Vec<String> = items.iter().map(|(_, text)| shown(text)).collect();
            // What may hold the most is named first.
            all.sort_by_cached_key(|name| (harmless(name), name.clone()));
            let some: Vec<String> = all.into_iter().take(TOLD).collect();
            let more = items.len().saturating_sub(TOLD);
            if more == 0 { some.join(" ") } else { format!("{} and {more} more", some.join(" ")) }
        };
        let actions = match &self.action {
            Part::Absent => "anything".to_owned(),
            Part::Only(items) => names(items),
            Part::AllBut(items) => format!("all but {}", names(items)),
        };
        let is_all = |part: &Part| match part {
            Part::Only(items) => items.iter().any(|(_, text)| text.is_star()),
            Part::AllBut(_) => true,
            Part::Absent => false,
        };
        let by = if is_all(&self.principal) { " by everybody" } else { "" };
        let on = if is_all(&self.resource) { " on everything" } else { "" };
        format!("{actions}{by}{on}")
    }
}

/// How little may be in what is told: everything or what nobody can read, what gives rights away, everything of a service, and the rest.
pub(super) fn harmless(told: &str) -> (u8, bool) {
    let first = told.split(' ').next().unwrap_or_default();
    let (service, name) = first.split_once(':').unwrap_or((first, ""));
    let rank = match service {
        "iam" | "sts" | "kms" | "organizations" | "sso" => 1,
        "…" | "anything" | "all" => 0,
        _ if service.contains(['*', '?']) => 0,
        _ if name.contains(['*', '?']) => 2,
        _ => 3,
    };
    (rank, name != "*")
}

/// An action, `service:Name` or a pattern of such; a sign for all else that may stand there.
fn shown(text: &Text) -> String {
    let text = text.with_tokens_as('…');
    let word = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || "-*?".contains(c));
    let is_action =
        text == "*" || text.split_once(':').is_some_and(|(service, name)| word(service) && word(name));
    if is_action && text.len() <= 128 { text } else { "…".to_owned() }
}

/// Reads the statements of a policy document.
pub(super) fn read_document(document: &Map<String, Value>) -> Vec<Entry> {
    let version = document.get("Version").map_or_else(|| DEFAULT_VERSION.to_owned(), canonical_json);
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
    let plain = |value: &Value| {
        items(value).into_iter().map(|v| (String::new(), Text::of(v).with_variables())).collect()
    };
    let lower = |value: &Value| {
        items(value).into_iter().map(|v| (String::new(), Text::of(v).with_variables().lower())).collect()
    };
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

fn conditions(value: &Value) -> BTreeMap<(String, String), BTreeSet<Text>> {
    let mut found = BTreeMap::new();
    let whole = |v: &Value| BTreeSet::from([Text::unread(v)]);
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
                        let values = items(values).into_iter().map(|v| Text::of(v).with_variables());
                        ((operator.clone(), key.clone()), values.collect())
                    })),
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_version_counts_where_variables_are_used() {
        let read = |version: &str, resource: &str| {
            read(&json!({"Effect": "Allow", "Action": "*", "Resource": resource}), version)
        };
        assert_eq!(read("a", "x"), read("b", "x"));
        assert_ne!(read("a", "${aws:username}"), read("b", "${aws:username}"));
    }
}
