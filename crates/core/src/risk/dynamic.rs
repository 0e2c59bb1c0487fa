//! Dynamic references (`{{resolve:…}}`) to values that may be others tomorrow.

use serde_json::Value;

use super::text::{Text, is_intrinsic, only};

/// Whether a value holds a reference to a secret or parameter that does not name a version ("Get values stored in other
/// services using dynamic references", AWS CloudFormation user guide). `ours`: whether a secret is made by the same template. The newest
/// version of it is what the app means where it is what somebody logs in with, and what the CDK writes for every database; anywhere else
/// it could hold a policy as well.
pub(super) fn is_unpinned(value: &Value, ours: &Ours<'_>) -> bool {
    unpinned(value, &|_| false, ours)
}

/// Whether a property is what somebody logs in with.
fn is_login(name: &str) -> bool {
    let name = name.replace('_', "").to_ascii_lowercase();
    ["password", "authtoken", "masterusername"].iter().any(|end| name.ends_with(end))
}

/// `here`: which secrets are fine at this place; `ours`: which are where somebody logs in with them.
fn unpinned(value: &Value, here: &Ours<'_>, ours: &Ours<'_>) -> bool {
    let inside = |value: &Value| unpinned(value, here, ours);
    let in_text = |value: &Value| in_text(value, here);
    match value {
        Value::Array(items) => items.iter().any(inside),
        Value::String(_) => in_text(value),
        Value::Object(object) if is_intrinsic(value) => {
            match (only(object, "Fn::Join"), only(object, "Fn::Sub")) {
                // What is put together is read as one text, and its parts only where they are no plain text.
                (Some(join), _) => {
                    let parts = join.get(1).and_then(Value::as_array).into_iter().flatten();
                    in_text(value) || parts.filter(|part| !part.is_string()).any(inside)
                }
                (_, Some(sub)) => in_text(value) || sub.get(1).is_some_and(inside),
                (None, None) => in_text(value) || object.values().any(inside),
            }
        }
        Value::Object(object) => object
            .iter()
            .any(|(name, value)| if is_login(name) { unpinned(value, ours, ours) } else { inside(value) }),
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
    #[case::of_the_app_in_a_role(json!({"Principal": {"AWS": {"Fn::Join": ["", ["{{resolve:secretsmanager:", {"Ref": "Ours"}, ":SecretString:arn::}}"]]}}}), true)]
    #[case::put_in(json!({"MasterUserPassword": {"Fn::Sub": "{{resolve:secretsmanager:${Ours}:SecretString:password::}}"}}), false)]
    #[case::another_put_in(json!({"MasterUserPassword": {"Fn::Sub": "{{resolve:secretsmanager:${Other}:SecretString:password::}}"}}), true)]
    #[case::of_the_app(json!({"MasterUserPassword": {"Fn::Join": ["", ["{{resolve:secretsmanager:", {"Ref": "Ours"}, ":SecretString:password::}}"]]}}), false)]
    #[case::in_a_variable(json!({"Variables": {"DB_PASSWORD": {"Fn::Sub": "{{resolve:secretsmanager:${Ours}:SecretString:password::}}"}}}), false)]
    #[case::of_others_in_a_variable(json!({"Variables": {"DB_PASSWORD": "{{resolve:secretsmanager:theirs:SecretString:password::}}"}}), true)]
    #[case::and_another(json!({"MasterUserPassword": {"Fn::Join": ["", ["{{resolve:secretsmanager:", {"Ref": "Ours"}, ":SecretString:password::}}{{resolve:ssm:a}}"]]}}), true)]
    #[case::not_ours_alone(json!({"MasterUserPassword": {"Fn::Join": ["", ["{{resolve:secretsmanager:x", {"Ref": "Ours"}, ":SecretString:password::}}"]]}}), true)]
    #[case::a_parameter_of_ours(json!({"MasterUserPassword": {"Fn::Join": ["", ["{{resolve:ssm:", {"Ref": "Ours"}, "}}"]]}}), true)]
    fn unpinned(#[case] value: Value, #[case] want: bool) {
        assert_eq!(is_unpinned(&value, &|id| id == "Ours"), want);
    }
}
