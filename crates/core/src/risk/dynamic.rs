//! Dynamic references (`{{resolve:…}}`) to values that may be others tomorrow.

use serde_json::Value;

use super::text::{Text, is_intrinsic, only};

/// Whether a value holds a reference to a secret or parameter that does not name a version ("Get values stored in other
/// services using dynamic references", AWS CloudFormation user guide). `ours`: whether a secret is made by the same template; the newest
/// version of it is what the app means, and what the CDK writes for every database.
pub(super) fn is_unpinned(value: &Value, ours: &Ours<'_>) -> bool {
    let is_unpinned = |value: &Value| is_unpinned(value, ours);
    let in_text = |value: &Value| in_text(value, ours);
    match value {
        Value::Array(items) => items.iter().any(is_unpinned),
        Value::String(_) => in_text(value),
        Value::Object(object) if is_intrinsic(value) => {
            let put_together =
                ["Fn::Join", "Fn::Sub"].iter().find_map(|f| object.get(*f)).and_then(Value::as_array);
            match put_together.map(Vec::as_slice) {
                // What is put together is read as one text, and its parts only where they are no plain text.
                Some([_, Value::Array(parts)]) => {
                    in_text(value) || parts.iter().any(|part| !part.is_string() && is_unpinned(part))
                }
                Some([_, variables]) => in_text(value) || is_unpinned(variables),
                _ => in_text(value) || object.values().any(is_unpinned),
            }
        }
        Value::Object(object) => object.values().any(is_unpinned),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether a secret of this logical id is made by the same template.
pub(super) type Ours<'a> = dyn Fn(&str) -> bool + 'a;

/// Stands for a secret of ours.
const OURS: char = '\u{1}';

fn in_text(value: &Value, ours: &Ours<'_>) -> bool {
    let is_ours = |token: &str| match serde_json::from_str(token) {
        Ok(Value::Object(reference)) => only(&reference, "Ref").and_then(Value::as_str).is_some_and(ours),
        _ => false,
    };
    let text = Text::of(value).with_tokens_by(|token| if is_ours(token) { OURS } else { '~' });
    text.split("{{resolve:").skip(1).any(|rest| {
        let reference = rest.split_once("}}").map_or(rest, |(reference, _)| reference);
        !is_pinned(reference)
    })
}

fn is_pinned(reference: &str) -> bool {
    let parts: Vec<&str> = reference.split(':').collect();
    let version = match parts.first() {
        Some(&"secretsmanager") if parts.get(1).is_some_and(|id| id.chars().eq([OURS])) => return true,
        // secret-id:SecretString:json-key:version-stage:version-id, where the secret's id may be an ARN.
        Some(&"secretsmanager") => {
            let at = parts.iter().position(|p| matches!(*p, "SecretString" | "SecretBinary"));
            at.and_then(|at| parts.get(at + 3)).copied()
        }
        Some(&("ssm" | "ssm-secure")) if parts.len() > 2 => {
            parts.last().copied().filter(|v| v.chars().all(|c| c.is_ascii_digit()))
        }
        _ => None,
    };
    version.is_some_and(|v| !v.is_empty() && v != "~")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!("{{resolve:ssm:/a/b}}"), true)]
    #[case(json!("{{resolve:ssm:/a/b:3}}"), false)]
    #[case(json!("{{resolve:ssm-secure:p}}"), true)]
    #[case(json!("{{resolve:secretsmanager:s:SecretString:password::}}"), true)]
    #[case(json!("{{resolve:secretsmanager:s:SecretString:password:AWSCURRENT}}"), true)]
    #[case(json!("{{resolve:secretsmanager:s:SecretString:password::f00}}"), false)]
    #[case(json!("{{resolve:secretsmanager:s}}"), true)]
    #[case(json!("{{resolve:secretsmanager:arn:aws:secretsmanager:r:1:secret:s:SecretString:k::v1}}"), false)]
    #[case(json!({"a": [{"Fn::Join": ["", ["{{resolve:secretsmanager:", {"Ref": "S"}, ":SecretString:password::}}"]]}]}), true)]
    #[case(json!({"Fn::Join": ["", ["{{resolve:secretsmanager:", {"Ref": "S"}, ":SecretString:password::v}}"]]}), false)]
    #[case(json!({"Fn::Sub": "x{{resolve:ssm:${Name}}}"}), true)]
    #[case(json!("{{resolve:ssm:/a:1}} and {{resolve:ssm:/b}}"), true)]
    #[case(json!("{{resolve:other:x"), true)]
    #[case(json!("resolve:ssm"), false)]
    #[case::of_the_app(json!({"Fn::Join": ["", ["{{resolve:secretsmanager:", {"Ref": "Ours"}, ":SecretString:password::}}"]]}), false)]
    #[case::and_another(json!({"Fn::Join": ["", ["{{resolve:secretsmanager:", {"Ref": "Ours"}, ":SecretString:password::}}{{resolve:ssm:a}}"]]}), true)]
    #[case::not_ours_alone(json!({"Fn::Join": ["", ["{{resolve:secretsmanager:x", {"Ref": "Ours"}, ":SecretString:password::}}"]]}), true)]
    #[case::a_parameter_of_ours(json!({"Fn::Join": ["", ["{{resolve:ssm:", {"Ref": "Ours"}, "}}"]]}), true)]
    fn unpinned(#[case] value: Value, #[case] want: bool) {
        assert_eq!(is_unpinned(&value, &|id| id == "Ours"), want);
    }
}
