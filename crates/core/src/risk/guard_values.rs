//! Whether another value of a guard lets more in.

use serde_json::Value;

use super::{facts::plain, guard_names::Way, text::is_intrinsic};

/// Whether to go from one value to the other may let more in. `within`: a guard that was there holds them, so that nothing is not
/// the same as no guard.
pub(super) fn loosens(way: Way, old: Option<&Value>, new: Option<&Value>, within: bool) -> bool {
    if same(old, new) {
        return false;
    }
    match way {
        Way::Limit => match (keeps_out(old), keeps_out(new)) {
            (true, true) => !rises(old, new),
            (true, false) => true,
            (false, true) => within && old.is_none(),
            // A key keeps hardly anybody out, but more than nothing does.
            (false, false) => is_key(old) && !is_key(new),
        },
        Way::Grant => match (lets_in(old), lets_in(new)) {
            (_, true) => true,
            // An explicit `no` that is dropped leaves it to the service, which may say `yes`.
            (false, false) => old.is_some_and(is_plain) && new.is_none(),
            (true, false) => new.is_none() && old.is_some_and(|old| old.is_string() || is_intrinsic(old)),
        },
        Way::Names | Way::Either => !(is_hollow(old) && is_hollow(new)),
        Way::Presence => !is_hollow(old) && is_hollow(new),
        Way::Least => {
            let number = |value: Option<&Value>| value.and_then(scalar)?.parse::<u64>().ok();
            // What the service takes by default may be more or less.
            number(old).zip(number(new)).is_none_or(|(old, new)| old > new) && !is_hollow(old)
        }
    }
}

/// Whether there is nothing in a value.
pub(super) fn is_hollow(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.trim().is_empty(),
        Some(Value::Array(items)) => items.iter().all(|item| is_hollow(Some(item))),
        Some(Value::Object(object)) => {
            !value.is_some_and(is_intrinsic) && object.values().all(|item| is_hollow(Some(item)))
        }
        Some(Value::Bool(_) | Value::Number(_)) => false,
    }
}

/// Whoever knows it gets in.
const KEY: &str = "api_key";

/// Values that keep nobody out.
const OPEN: [&str; 16] = [
    "none",
    "off",
    "no",
    "false",
    "disable",
    "disabled",
    "never",
    "unauthenticated",
    "open",
    "open-access",
    KEY,
    "allow-all",
    "internet-facing",
    "plaintext",
    "root",
    "0",
];

/// Values that let nobody in.
const CLOSED: [&str; 9] = ["none", "off", "no", "false", "disable", "disabled", "private", "denyall", "deny"];

/// Values that keep out more the further on they stand.
const LADDERS: [&[&str]; 9] = [
    &["off", "optional", "on"],
    &["optional", "required"],
    &["preferred", "required"],
    &["never", "no-override", "always"],
    &["allow-all", "redirect-to-https", "https-only"],
    &["allow", "deny"],
    &["off", "audit", "enforced"],
    &["none", "require", "verify-ca", "verify-full"],
    &["objectwriter", "bucketownerpreferred", "bucketownerenforced"],
];

fn is_key(value: Option<&Value>) -> bool {
    value.and_then(scalar).is_some_and(|text| text == KEY)
}

/// Whether a value keeps somebody out.
fn keeps_out(value: Option<&Value>) -> bool {
    !is_hollow(value)
        && value
            .and_then(scalar)
            .is_none_or(|text| !OPEN.contains(&text.as_str()) && !text.starts_with("public"))
}

/// Whether a value lets somebody in.
pub(super) fn lets_in(value: Option<&Value>) -> bool {
    !is_hollow(value) && value.and_then(scalar).is_none_or(|text| !CLOSED.contains(&text.as_str()))
}

/// Values that keep out less than others which the service may choose by itself.
const WEAK: [&str; 4] = ["objectwriter", "bucketownerpreferred", "preferred", "tls_plaintext"];

/// Whether a value says that somebody is not kept out. `within`: in a guard that was there, where a flag may be about anything.
pub(super) fn is_weak(value: &Value, within: bool) -> bool {
    match value {
        Value::Bool(flag) => !within && !flag,
        Value::String(_) => scalar(value).is_some_and(|text| {
            let is_flag = text == "false";
            let is_open = OPEN.contains(&text.as_str()) || text.starts_with("public");
            if is_flag { !within } else { is_open || WEAK.contains(&text.as_str()) }
        }),
        Value::Array(items) => items.iter().any(|item| is_weak(item, true)),
        Value::Object(object) => !is_intrinsic(value) && object.values().any(|item| is_weak(item, true)),
        Value::Null | Value::Number(_) => false,
    }
}

/// Whether it is known that the new value keeps out all that the old one does.
fn rises(old: Option<&Value>, new: Option<&Value>) -> bool {
    let (Some(old), Some(new)) = (old.and_then(scalar), new.and_then(scalar)) else { return false };
    LADDERS.iter().any(|ladder| {
        let place = |text: &str| ladder.iter().position(|step| *step == text);
        place(&old).zip(place(&new)).is_some_and(|(old, new)| old < new)
    })
}

fn same(old: Option<&Value>, new: Option<&Value>) -> bool {
    match (old, new) {
        (None, None) => true,
        // CloudFormation takes `true` and `"true"`, `1` and `"1"`.
        (Some(Value::Bool(_) | Value::Number(_)), Some(_))
        | (Some(_), Some(Value::Bool(_) | Value::Number(_))) => old.and_then(scalar) == new.and_then(scalar),
        (Some(old), Some(new)) => plain(old) == plain(new),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn is_plain(value: &Value) -> bool {
    scalar(value).is_some_and(|text| !text.is_empty())
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::String(text) => Some(text.trim().to_ascii_lowercase()),
        Value::Object(_) | Value::Array(_) | Value::Null => None,
    }
}

/// Whether an item of a list is compared as a whole.
pub(super) fn is_single(value: &Value) -> bool {
    !value.is_object() || is_intrinsic(value)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::removed(Way::Limit, json!("x"), Value::Null, true)]
    #[case::emptied(Way::Limit, json!("x"), json!({"a": [""]}), true)]
    #[case::off(Way::Limit, json!(true), json!("false"), true)]
    #[case::on(Way::Limit, json!("false"), json!(true), false)]
    #[case::other(Way::Limit, json!("x"), json!("y"), true)]
    #[case::added(Way::Limit, Value::Null, json!("x"), false)]
    #[case::up(Way::Limit, json!("OPTIONAL"), json!("ON"), false)]
    #[case::down(Way::Limit, json!("ON"), json!("OPTIONAL"), true)]
    #[case::public(Way::Limit, json!("VPC"), json!("PUBLIC"), true)]
    #[case::no_longer_public(Way::Limit, json!("PUBLIC"), json!("VPC"), false)]
    #[case::by_key(Way::Limit, json!("AWS_IAM"), json!("API_KEY"), true)]
    #[case::no_longer_by_key(Way::Limit, json!("API_KEY"), json!("AWS_IAM"), false)]
    #[case::not_even_by_key(Way::Limit, json!("API_KEY"), json!("NONE"), true)]
    #[case::nothing_after_a_key(Way::Limit, json!("API_KEY"), Value::Null, true)]
    #[case::given(Way::Grant, Value::Null, json!("x"), true)]
    #[case::taken(Way::Grant, json!(["x"]), Value::Null, false)]
    #[case::no_dropped(Way::Grant, json!(false), Value::Null, true)]
    #[case::no_said(Way::Grant, Value::Null, json!(false), false)]
    #[case::the_same(Way::Grant, json!("true"), json!(true), false)]
    #[case::no_names(Way::Names, json!("x"), Value::Null, true)]
    #[case::names(Way::Names, Value::Null, json!("x"), true)]
    #[case::any_way(Way::Either, Value::Null, json!("x"), true)]
    #[case::a_larger_number(Way::Least, json!(8), json!("14"), false)]
    #[case::a_smaller_number(Way::Least, json!(14), json!(8), true)]
    #[case::no_number(Way::Least, json!(14), Value::Null, true)]
    #[case::a_number_at_last(Way::Least, Value::Null, json!(8), false)]
    #[case::other_code(Way::Presence, json!("x"), json!("y"), false)]
    #[case::no_code(Way::Presence, json!("x"), Value::Null, true)]
    fn of_two_values(#[case] way: Way, #[case] old: Value, #[case] new: Value, #[case] want: bool) {
        let given = |value: &Value| (!value.is_null()).then(|| value.clone());
        assert_eq!(loosens(way, given(&old).as_ref(), given(&new).as_ref(), false), want);
    }
}
