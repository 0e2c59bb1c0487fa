//! The JSON merge patch (RFC 7386) from one value to another.

use serde_json::{Map, Value};

/// The patch that turns `before` into `after`; `None` when they are equal. What vanishes becomes null.
///
/// `after` must hold no null itself: a merge patch cannot write one. Ours leave absent fields out.
pub(super) fn merge_patch(before: &Value, after: &Value) -> Option<Value> {
    if before == after {
        return None;
    }
    let (Value::Object(old), Value::Object(new)) = (before, after) else { return Some(after.clone()) };
    let vanished = old.keys().filter(|k| !new.contains_key(*k)).map(|k| (k.clone(), Value::Null));
    let changed = new.iter().filter_map(|(k, v)| {
        let patch = match old.get(k) {
            Some(was) => merge_patch(was, v)?,
            None => v.clone(),
        };
        Some((k.clone(), patch))
    });
    Some(Value::Object(vanished.chain(changed).collect::<Map<_, _>>()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn apply(to: &mut Value, patch: &Value) {
        let Value::Object(patch) = patch else {
            *to = patch.clone();
            return;
        };
        if !to.is_object() {
            *to = json!({});
        }
        let map = to.as_object_mut().unwrap();
        for (k, v) in patch {
            if v.is_null() {
                map.remove(k);
            } else {
                apply(map.entry(k).or_insert(Value::Null), v);
            }
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![any::<bool>().prop_map(Value::from), (0..3).prop_map(Value::from)];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[abc]", inner, 0..3).prop_map(|m| json!(m)),
            ]
        })
    }

    #[test]
    fn only_what_differs_is_sent_and_what_vanishes_is_null() {
        let before = json!({"state": "Waiting", "pending": {"name": "1", "risk": "iam"}, "list": [1, 2]});
        let after =
            json!({"state": "Waiting", "pending": {"name": "1"}, "list": [1], "deployed": {"name": "1"}});
        let patch = json!({"pending": {"risk": null}, "list": [1], "deployed": {"name": "1"}});
        assert_eq!(merge_patch(&before, &after), Some(patch));
        assert_eq!(merge_patch(&after, &after), None);
    }

    proptest! {
        #[test]
        fn the_patch_leads_from_one_to_the_other(before in value(), after in value()) {
            let mut found = before.clone();
            if let Some(patch) = merge_patch(&before, &after) {
                apply(&mut found, &patch);
            }
            prop_assert_eq!(found, after);
        }
    }
}
