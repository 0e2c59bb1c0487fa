//! Properties that are given no value (`AWS::NoValue`).
//!
//! "AWS CloudFormation pseudo parameters": `{"Ref": "AWS::NoValue"}` removes the property, or the item of a list, that it
//! stands for. What reads properties reads them without.

use std::borrow::Cow;

use serde_json::Value;

use crate::bundle::Resource;

/// The resource without what is given no value.
pub(super) fn with_values(resource: &Resource) -> Cow<'_, Resource> {
    match resource.body.get("Properties") {
        Some(properties) if has_none(properties) => {
            let mut resource = resource.clone();
            if let Some(properties) = resource.body.get_mut("Properties") {
                strip(properties);
            }
            Cow::Owned(resource)
        }
        Some(_) | None => Cow::Borrowed(resource),
    }
}

/// Whether a value stands for nothing.
pub(super) fn is_none(value: &Value) -> bool {
    match value {
        Value::Object(object) => match only_entry(object) {
            Some(("Ref", Value::String(name))) => name == "AWS::NoValue",
            // Whatever the condition says.
            Some(("Fn::If", Value::Array(parts))) => parts.len() == 3 && parts.iter().skip(1).all(is_none),
            Some(_) | None => false,
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => false,
    }
}

/// The condition and the two branches of `Fn::If`.
pub(super) fn choice(value: &Value) -> Option<[&Value; 3]> {
    match only_entry(value.as_object()?)? {
        ("Fn::If", Value::Array(parts)) => match parts.as_slice() {
            [condition, then, otherwise] => Some([condition, then, otherwise]),
            _ => None,
        },
        _ => None,
    }
}

fn only_entry(object: &serde_json::Map<String, Value>) -> Option<(&str, &Value)> {
    (object.len() == 1).then(|| object.iter().next()).flatten().map(|(name, value)| (name.as_str(), value))
}

fn has_none(value: &Value) -> bool {
    is_none(value)
        || match value {
            Value::Object(object) => object.values().any(has_none),
            Value::Array(items) => items.iter().any(has_none),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(object) => {
            let is_choice = object.len() == 1 && object.contains_key("Fn::If");
            if is_choice {
                // The branches keep their places: the other one says what there is instead.
                object.values_mut().filter_map(Value::as_array_mut).flatten().for_each(strip);
            } else {
                object.retain(|_, item| !is_none(item));
                object.values_mut().for_each(strip);
            }
        }
        Value::Array(items) => {
            items.retain(|item| !is_none(item));
            items.iter_mut().for_each(strip);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::a_property(json!({"A": {"Ref": "AWS::NoValue"}, "B": 1}), json!({"B": 1}))]
    #[case::deep(json!({"A": {"B": {"Ref": "AWS::NoValue"}}}), json!({"A": {}}))]
    #[case::an_item(json!({"A": ["a", {"Ref": "AWS::NoValue"}]}), json!({"A": ["a"]}))]
    #[case::both_branches(json!({"A": {"Fn::If": ["C", {"Ref": "AWS::NoValue"}, {"Ref": "AWS::NoValue"}]}}), json!({}))]
    #[case::one_branch(json!({"A": {"Fn::If": ["C", {"B": {"Ref": "AWS::NoValue"}}, {"Ref": "AWS::NoValue"}]}}), json!({"A": {"Fn::If": ["C", {}, {"Ref": "AWS::NoValue"}]}}))]
    #[case::another_reference(json!({"A": {"Ref": "B"}}), json!({"A": {"Ref": "B"}}))]
    fn what_is_left(#[case] properties: Value, #[case] want: Value) {
        let resource =
            Resource { resource_type: "AWS::X::Y".to_owned(), body: json!({"Properties": properties}) };
        assert_eq!(with_values(&resource).body, json!({"Properties": want}));
    }
}
