//! Slots: several decisions of one kind stand beside each other, and none overwrites another.

use std::collections::BTreeMap;

use stackgate_core::{
    api::{Action, GATE_PREFIX},
    gate::{Annotation, PlanView, parse_annotation},
};

/// The longest slot.
const MAX: usize = 40;

/// The key of an annotation.
#[must_use]
pub fn key(action: &str, slot: &str) -> String {
    if slot.is_empty() { format!("{GATE_PREFIX}{action}") } else { format!("{GATE_PREFIX}{action}.{slot}") }
}

/// A slot made of a user's name.
#[must_use]
pub fn of_user(user: &str) -> String {
    let mut slot = String::new();
    for c in user.chars().map(|c| c.to_ascii_lowercase()) {
        let fits = c.is_ascii_lowercase() || c.is_ascii_digit();
        if fits {
            slot.push(c);
        } else if !slot.is_empty() && !slot.ends_with('-') {
            slot.push('-');
        }
    }
    slot.truncate(MAX - 10);
    let slot = slot.trim_end_matches('-');
    if slot.is_empty() { "me".to_owned() } else { slot.to_owned() }
}

/// Whether a decision can be written there: no annotation stands there, and the ledger knows none that came from there, since what
/// it knows already says nothing new.
#[must_use]
pub fn is_free(
    view: &PlanView,
    annotations: Option<&BTreeMap<String, String>>,
    action: Action,
    key: &str,
) -> bool {
    let taken = annotations.is_some_and(|a| a.contains_key(key));
    let known = view.plan.spec.ledger.iter().filter_map(|e| e.decided.as_ref()).any(|d| {
        let same = slot_of(key).is_some_and(|(a, slot)| a == d.action && slot == d.slot);
        d.action == action && same
    });
    !taken && !known
}

fn slot_of(key: &str) -> Option<(Action, String)> {
    // Any valid value will do: only the key is asked for.
    let value = format!("c1-{}", "0".repeat(40));
    match parse_annotation(key, &value)?.ok()? {
        Annotation::Decision(d) => Some((d.action, d.slot)),
        Annotation::Report(_) => None,
    }
}

/// The first free slot: `wanted`, `wanted-2`, `wanted-3` … For an empty one: none, `again-2` …
#[must_use]
pub fn free(
    view: &PlanView,
    annotations: Option<&BTreeMap<String, String>>,
    action: Action,
    wanted: &str,
) -> String {
    let word = action.as_str();
    let numbered =
        (2..).map(|n| if wanted.is_empty() { format!("again-{n}") } else { format!("{wanted}-{n}") });
    // An object holds far fewer annotations than that.
    std::iter::once(wanted.to_owned())
        .chain(numbered.take(2000))
        .find(|slot| is_free(view, annotations, action, &key(word, slot)))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_of_any_name() {
        assert_eq!(of_user("Alice.Example@corp.example"), "alice-example-corp-example");
        assert_eq!(of_user("oidc:grp/ü"), "oidc-grp");
        assert_eq!(of_user("日本"), "me");
        assert!(of_user(&"x".repeat(300)).len() <= MAX - 10);
    }
}
