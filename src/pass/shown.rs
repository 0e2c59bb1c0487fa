//! What people see: status and Events.

use k8s_openapi::api::core::v1::ObjectReference;
use serde_json::{Map, Value};
use stackgate_core::verdict::Phase;

use super::Context;
use crate::queue::Kind;

/// A status that is to be written, and what is said about it.
#[derive(Debug)]
pub(super) struct Show {
    /// The kind of the object.
    pub kind: Kind,
    /// The object.
    pub reference: ObjectReference,
    /// The resourceVersion that the status was derived from.
    pub resource_version: String,
    /// What it shows now.
    pub before: Value,
    /// What it shall show.
    pub after: Value,
    /// What is told.
    pub note: Option<Note>,
}

/// An Event.
#[derive(Debug)]
pub(super) struct Note {
    /// Whether something is wrong.
    pub warning: bool,
    /// One word; Events of one object and reason are counted together.
    pub reason: &'static str,
    /// The sentence.
    pub text: String,
}

impl Note {
    pub(super) fn normal(reason: &'static str, text: String) -> Self {
        Self { warning: false, reason, text }
    }
    pub(super) fn warning(reason: &'static str, text: String) -> Self {
        Self { warning: true, reason, text }
    }
    /// How things stand now.
    pub(super) fn of_phase(phase: Phase, text: String) -> Self {
        let warning = matches!(phase, Phase::Stalled(_));
        Self { warning, reason: phase.reason().as_str(), text }
    }
}

/// Writes the status and tells. A newer version of the object wins: it wakes a pass of its own.
pub(super) async fn show(cx: &Context, show: Show) -> Result<(), String> {
    let Show { kind, reference, resource_version, before, after, note } = show;
    let patch = merge_patch(&before, &after);
    let written = cx.writes.status(kind, &reference, &resource_version, patch).await.map_err(|r| r.message)?;
    if let Some(note) = note.filter(|_| written) {
        cx.events.tell(&reference, note.warning, note.reason, &note.text).await;
    }
    Ok(())
}

/// The merge patch that makes one value of the other: what has vanished becomes null (RFC 7386).
fn merge_patch(before: &Value, after: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (before, after) else { return after.clone() };
    let mut patch = Map::new();
    for key in old.keys().filter(|k| !new.contains_key(*k)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in new {
        match old.get(key) {
            Some(same) if same == value => {}
            Some(other) => {
                patch.insert(key.clone(), merge_patch(other, value));
            }
            None => {
                patch.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::merge_patch;

    #[test]
    fn what_vanishes_becomes_null_and_what_is_equal_is_left_out() {
        let before = json!({"a": 1, "b": {"c": 1, "d": 2}, "e": [1], "f": 0});
        let after = json!({"a": 1, "b": {"c": 3}, "e": [2], "g": 1});
        assert_eq!(
            merge_patch(&before, &after),
            json!({"b": {"c": 3, "d": null}, "e": [2], "f": null, "g": 1})
        );
    }
}
