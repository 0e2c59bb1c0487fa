//! CloudFormation's intrinsic functions, as far as the template uses them.

use serde_json::{Value, json};

/// The value of a parameter, the physical name of a resource, or a pseudo parameter.
pub(super) fn reference(name: &str) -> Value {
    json!({ "Ref": name })
}

/// A text with `${…}` placeholders.
pub(super) fn sub(text: impl Into<String>) -> Value {
    json!({ "Fn::Sub": text.into() })
}

/// The ARN of a resource of this template.
pub(super) fn arn_of(logical_id: &str) -> Value {
    sub(format!("${{{logical_id}.Arn}}"))
}

/// One of two values, by a condition of this template.
pub(super) fn choose(condition: &str, then: Value, otherwise: Value) -> Value {
    json!({ "Fn::If": [condition, then, otherwise] })
}

/// A value where the condition holds, else nothing: the property, or list item, is left out.
pub(super) fn only_if(condition: &str, then: Value) -> Value {
    choose(condition, then, reference("AWS::NoValue"))
}

/// Whether two values are equal.
pub(super) fn equals(a: Value, b: Value) -> Value {
    json!({ "Fn::Equals": [a, b] })
}

/// The opposite.
pub(super) fn not(condition: Value) -> Value {
    json!({ "Fn::Not": [condition] })
}
