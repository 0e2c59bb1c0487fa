//! Who may read which field of a GraphQL API, as its schema says it.
//!
//! "AWS AppSync: Configuring authorization and authentication", directives such as `@aws_iam` and `@aws_api_key` on types and
//! fields. What has none is for the login that the API has by default.

use std::collections::BTreeSet;

use serde_json::Value;

use super::text::Text;

/// Whether a schema opens its fields in another way, or nobody can tell.
pub(super) fn opens_otherwise(before: &Value, after: &Value) -> bool {
    let elsewhere = |properties: &Value| properties.get("DefinitionS3Location").cloned();
    directives(before) != directives(after) || elsewhere(before) != elsewhere(after)
}

/// The lines with a directive of AppSync.
fn directives(properties: &Value) -> BTreeSet<String> {
    let text = properties.get("Definition").map(|d| Text::of(d).with_tokens_as('~')).unwrap_or_default();
    let lines = text.lines().filter(|line| line.contains("@aws_"));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}
