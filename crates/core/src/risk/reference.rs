//! What a part of a template refers to.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::text::only;

/// Something that a value is taken from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Reference {
    /// `Ref`: a parameter, or a resource.
    Name(String),
    /// `Fn::GetAtt`: a resource and its attribute.
    Attribute(String, String),
    /// `Fn::FindInMap`: a mapping; without a name one that is chosen by another intrinsic.
    Mapping(Option<String>),
    /// `Fn::If`, or `Condition` in a condition.
    Condition(String),
}

impl Reference {
    /// Reads `Resource.Attribute` or `Name`, as change sets name what caused a change.
    pub(super) fn named(text: &str) -> Self {
        match text.split_once('.') {
            Some((id, attribute)) => Self::Attribute(id.to_owned(), attribute.to_owned()),
            None => Self::Name(text.to_owned()),
        }
    }
}

/// All references in a value.
pub(super) fn references(value: &Value) -> BTreeSet<Reference> {
    let mut found = BTreeSet::new();
    collect(value, &mut found);
    found
}

fn collect(value: &Value, found: &mut BTreeSet<Reference>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(object) => {
            intrinsic(object, found);
            object.values().for_each(|item| collect(item, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn intrinsic(object: &Map<String, Value>, found: &mut BTreeSet<Reference>) {
    if let Some(Value::String(name)) = only(object, "Ref") {
        found.insert(Reference::Name(name.clone()));
    }
    if let Some(Value::String(name)) = only(object, "Condition") {
        found.insert(Reference::Condition(name.clone()));
    }
    match only(object, "Fn::GetAtt") {
        Some(Value::String(dotted)) => {
            found.insert(Reference::named(dotted));
        }
        Some(Value::Array(pair)) => {
            if let [Value::String(id), attribute] = pair.as_slice() {
                let attribute = attribute.as_str().unwrap_or_default().to_owned();
                found.insert(Reference::Attribute(id.clone(), attribute));
            }
        }
        _ => {}
    }
    if let Some(map) = only(object, "Fn::FindInMap") {
        found.insert(Reference::Mapping(map.get(0).and_then(Value::as_str).map(str::to_owned)));
    }
    if let Some(name) = only(object, "Fn::If").and_then(|v| v.get(0)).and_then(Value::as_str) {
        found.insert(Reference::Condition(name.to_owned()));
    }
    let text = match only(object, "Fn::Sub") {
        Some(Value::String(text)) => text.as_str(),
        Some(list) => list.get(0).and_then(Value::as_str).unwrap_or_default(),
        None => "",
    };
    for part in text.split("${").skip(1) {
        // Names that the second argument defines are no references; a resource of that name is found in vain, no more.
        if let Some((name, _)) = part.split_once('}').filter(|(name, _)| !name.starts_with('!')) {
            found.insert(Reference::named(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_every_kind() {
        let found = references(&json!({"a": [
            {"Ref": "P"}, {"Fn::GetAtt": ["R", "Arn"]}, {"Fn::GetAtt": "S.Outputs.X"}, {"Fn::Sub": "${T}-${U.Arn}-${!V}-${"},
            {"Fn::Sub": ["${W}", {"W": {"Ref": "X"}}]}, {"Fn::FindInMap": ["M", "a", "b"]},
            {"Fn::FindInMap": [{"Ref": "N"}, "a", "b"]}, {"Fn::If": ["C", 1, {"Condition": "D"}]}
        ]}));
        let name = |n: &str| Reference::Name(n.to_owned());
        let attribute = |i: &str, a: &str| Reference::Attribute(i.to_owned(), a.to_owned());
        let want = [
            name("N"),
            name("P"),
            name("T"),
            name("W"),
            name("X"),
            attribute("R", "Arn"),
            attribute("S", "Outputs.X"),
            attribute("U", "Arn"),
            Reference::Mapping(None),
            Reference::Mapping(Some("M".to_owned())),
            Reference::Condition("C".to_owned()),
            Reference::Condition("D".to_owned()),
        ];
        assert_eq!(found, want.into_iter().collect());
    }
}
