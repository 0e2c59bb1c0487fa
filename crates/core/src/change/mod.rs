//! What is approved: canonical form, leaves, and the ids a1, c1 and b1.

mod canonical;
mod compare;
mod console;
mod given;
mod ids;
mod input;
mod proof;
mod sameness;
mod summary;
mod warning;

pub use canonical::Canonical;
pub use compare::compare;
pub use console::{change_set_at, console_url, events_url};
pub use given::{Given, GivenValue, Hidden};
pub use ids::{
    Baseline, b1, c1, c1_once_more, change_set_name, create_token, deferred_leaf, execute_token, leaf, noted,
    release_id, removed_leaf, taken_over, unchanged_leaf,
};
pub use input::{CAPABILITIES, ParameterValue, StackInput, coming, values_for};
pub use proof::HmacKey;
pub use sameness::StageNames;
pub use summary::{count_changes, listed_changes, risk_classes, shorten};
pub use warning::{normalised, shown_warnings, unseen_nested, warnings_of};

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::words::Digest;

    #[test]
    fn where_the_template_is_read_from_is_part_of_the_input() {
        let input = |key: Option<&str>| {
            StackInput {
                key: serde_json::from_value(serde_json::json!({
                    "env": { "account": "111111111111", "region": "ap-southeast-2" }, "name": "Dev"
                }))
                .unwrap(),
                template: Digest::of("template"),
                template_key: key.map(str::to_owned),
                assets: BTreeMap::new(),
                images: BTreeMap::new(),
                parameters: BTreeMap::new(),
                tags: BTreeMap::new(),
                capabilities: BTreeSet::new(),
                role: None,
                notification_arns: None,
                termination_protection: None,
                import_existing: false,
            }
            .digest()
        };
        assert_ne!(input(Some("a.json")), input(Some("b.json")));
        assert_ne!(input(Some("a.json")), input(None));
    }
}
