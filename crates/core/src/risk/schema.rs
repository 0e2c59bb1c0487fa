//! Who may read which field of a GraphQL API, as its schema says it.
//!
//! "AWS AppSync: Configuring authorization and authentication": directives such as `@aws_iam` and `@aws_api_key` on fields, and on types for
//! all fields that have none themselves. What has none at all is for the login that the API has by default.

use std::collections::BTreeMap;

use serde_json::Value;

use super::text::Text;
use crate::words::Digest;

/// Whether a schema opens its fields in another way, or nobody can tell.
pub(super) fn opens_otherwise(before: &Value, after: &Value) -> bool {
    let elsewhere = |properties: &Value| properties.get("DefinitionS3Location").cloned();
    if elsewhere(before) != elsewhere(after) {
        return true;
    }
    let (old, new) = (tokens(before), tokens(after));
    if old == new || !(has_directive(&old) || has_directive(&new)) {
        return false;
    }
    // A part that only CloudFormation knows may hold anything.
    if new.iter().any(|token| token == UNKNOWN) {
        return true;
    }
    let (old, new) = (doors(&old), doors(&new));
    !new.iter().all(|(place, door)| old.get(place).copied().flatten() == *door)
}

/// What stands for a part of the text that only CloudFormation knows.
const UNKNOWN: &str = "~";

fn has_directive(tokens: &[String]) -> bool {
    tokens.windows(2).any(|pair| matches!(pair, [at, name] if at == "@" && name.starts_with("aws_")))
}

/// The words and signs of a schema, without comments and descriptions ("GraphQL specification", lexical tokens).
fn tokens(properties: &Value) -> Vec<String> {
    let text = properties.get("Definition").map(|d| Text::of(d).with_tokens_as('~')).unwrap_or_default();
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let after = |end: Option<usize>, length: usize| {
            end.and_then(|at| rest.get(at.saturating_add(length)..)).unwrap_or_default()
        };
        rest = if word > 0 {
            let (word, after) = rest.split_at(word);
            tokens.push(word.to_owned());
            after
        } else if c == '#' {
            after(rest.find('\n'), 1)
        } else if let Some(inside) = rest.strip_prefix("\"\"\"") {
            after(inside.find("\"\"\"").map(|at| at.saturating_add(3)), 3)
        } else if let Some(inside) = rest.strip_prefix('"') {
            // Groups of people stand there, too.
            let end = inside.find(['"', '\n']).unwrap_or(inside.len());
            tokens.push(format!("\"{}", inside.get(..end).unwrap_or_default()));
            after(Some(end.saturating_add(1)), 1)
        } else {
            // Commas say nothing.
            if !c.is_whitespace() && c != ',' {
                tokens.push(c.to_string());
            }
            after(Some(0), c.len_utf8())
        };
    }
    tokens
}

/// A type, and a field of it.
type Place<'a> = (&'a str, &'a str);
/// The directives that say who may read it, with their arguments, whatever their order; none: the default of the API.
type Door = Option<Digest>;

fn door(mut directives: Vec<String>) -> Door {
    directives.sort();
    (!directives.is_empty()).then(|| Digest::of(format!("{directives:?}")))
}

/// Who may read each field.
fn doors(tokens: &[String]) -> BTreeMap<Place<'_>, Door> {
    let mut found: BTreeMap<Place<'_>, Door> = BTreeMap::new();
    let (mut kind, mut field) = ("", "");
    let (mut of_kind, mut own): (Door, Vec<String>) = (None, Vec::new());
    let (mut braces, mut brackets) = (0_u32, 0_u32);
    let mut before = "";
    for (place, token) in tokens.iter().enumerate() {
        let next = tokens.get(place.saturating_add(1)).map_or("", String::as_str);
        let is_word = token.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        match token.as_str() {
            "(" => brackets = brackets.saturating_add(1),
            ")" => brackets = brackets.saturating_sub(1),
            "{" if brackets == 0 => {
                braces = braces.saturating_add(1);
                (of_kind, field) = (door(std::mem::take(&mut own)), "");
            }
            "}" if brackets == 0 => {
                braces = braces.saturating_sub(1);
                close(&mut found, (kind, field), of_kind, std::mem::take(&mut own));
                (kind, field, of_kind) = ("", "", None);
            }
            "@" if next.starts_with("aws_") => own.push(String::new()),
            _ if brackets == 0 && is_word && before != "@" && matches!(next, ":" | "(") && braces > 0 => {
                close(&mut found, (kind, field), of_kind, std::mem::take(&mut own));
                field = token;
            }
            _ if is_word
                && matches!(before, "type" | "interface" | "input" | "union" | "enum")
                && braces == 0 =>
            {
                kind = token;
            }
            _ => {}
        }
        // The name of a directive, and what stands in its brackets.
        if (before == "@" || brackets > 0)
            && let Some(last) = own.last_mut()
        {
            last.push_str(token);
        }
        before = token;
    }
    found
}

fn close<'a>(found: &mut BTreeMap<Place<'a>, Door>, place: Place<'a>, of_kind: Door, own: Vec<String>) {
    if place.1.is_empty() {
        return;
    }
    let here = door(own).or(of_kind);
    let there = found.entry(place).or_default();
    *there = match (*there, here) {
        // A type that is extended.
        (Some(one), Some(other)) => door(vec![one.to_string(), other.to_string()]),
        (one, other) => one.or(other),
    };
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::swapped(
        "type Q { a: S\n @aws_iam\n b: S\n @aws_api_key }",
        "type Q { a: S\n @aws_api_key\n b: S\n @aws_iam }",
        true
    )]
    #[case::one_more("type Q { a: S @aws_iam b: S }", "type Q { a: S @aws_iam b: S @aws_iam }", true)]
    #[case::a_space("type Q { a: S @aws_iam }", "type Q { a: S @ aws_api_key }", true)]
    #[case::a_new_field_of_an_open_type(
        "type Q @aws_api_key { a: S }",
        "type Q @aws_api_key { a: S b: S }",
        true
    )]
    #[case::a_new_field_by_default(
        "type Q { a: S @aws_iam }",
        "type Q { a(x: I = 1): S @aws_iam b(y: [I!]): S! }",
        false
    )]
    #[case::one_that_goes("type Q { a: S @aws_iam b: S }", "type Q { a: S @aws_iam }", false)]
    #[case::the_type_opens(
        "type Q { a: S @aws_iam b: S }",
        "type Q @aws_api_key { a: S @aws_iam b: S }",
        true
    )]
    #[case::another_group(
        "type Q { a: S @aws_auth(cognito_groups: [\"A\"]) }",
        "type Q { a: S @aws_lambda }",
        true
    )]
    #[case::another_group_of_people(
        "type Q { a: S @aws_auth(cognito_groups: [\"A\"]) }",
        "type Q { a: S @aws_auth(cognito_groups: [\"B\"]) }",
        true
    )]
    #[case::the_same_people(
        "type Q { a: S @aws_auth(cognito_groups: [\"A\"]) }",
        "type Q { \"a text\" a: S @aws_auth(cognito_groups: [\"A\"]), c: S }",
        false
    )]
    #[case::a_remark(
        "type Q { a: S @aws_iam }",
        "# @aws_api_key\ntype Q { \"\"\"@aws_api_key {\"\"\" a: S @aws_iam }",
        false
    )]
    #[case::none_at_all("type Q { a: S }", "type Q { b: S }", false)]
    #[case::of_another_type(
        "type Q { a: S @aws_iam } type P { a: S }",
        "type Q { a: S } type P { a: S @aws_iam }",
        true
    )]
    fn a_schema(#[case] old: &str, #[case] new: &str, #[case] opens: bool) {
        let of = |text: &str| json!({ "Definition": text });
        assert_eq!(opens_otherwise(&of(old), &of(new)), opens);
    }
}
