//! Objects that the API server accepts.

use serde_json::{Value, json};

/// The annotation key of a decision.
pub fn gate(action: &str) -> String {
    format!("gate.stackgate.dev/{action}")
}

/// A patch that sets one decision.
pub fn decide(action: &str, value: &str) -> Value {
    annotate(&gate(action), value)
}

/// A patch that sets one annotation.
pub fn annotate(key: &str, value: &str) -> Value {
    json!({ "metadata": { "annotations": { key: value } } })
}

/// An id: the letter, and a digit forty times.
pub fn id(letter: char, digit: char) -> String {
    format!("{letter}1-{}", String::from(digit).repeat(40))
}

/// A Stage that an application team makes.
pub fn stage(name: &str) -> Value {
    json!({
        "apiVersion": "stackgate.dev/v1alpha1",
        "kind": "Stage",
        "metadata": { "name": name, "namespace": "shop" },
        "spec": {
            "assemblyRef": { "name": "shop" },
            "cdkStage": "Prod",
            "accounts": ["shop-prod"],
            "promoteFrom": [{ "name": "test", "soak": "1h" }],
        },
    })
}

/// A Bootstrap.
pub fn bootstrap(name: &str) -> Value {
    json!({
        "apiVersion": "stackgate.dev/v1alpha1",
        "kind": "Bootstrap",
        "metadata": { "name": name },
        "spec": {
            "qualifier": "acme",
            "toolkitStackName": "CDKToolkit-acme",
            "version": 33,
            "accounts": { "names": ["shop-dev"] },
        },
    })
}

/// A plan as the controller makes it, for a Stage or Bootstrap of this UID.
pub fn plan(name: &str, kind: &str, owner: &str, uid: &str, id: &str) -> Value {
    let label = format!("stackgate.dev/{}", kind.to_lowercase());
    let operation = if kind == "Stage" { "Deploy" } else { "Bootstrap" };
    json!({
        "apiVersion": "stackgate.dev/v1alpha1",
        "kind": "ChangePlan",
        "metadata": {
            "name": name,
            "labels": { label: owner },
            "ownerReferences": [{
                "apiVersion": "stackgate.dev/v1alpha1", "kind": kind, "name": owner, "uid": uid,
                "controller": true, "blockOwnerDeletion": false,
            }],
        },
        "spec": {
            "proposal": { "kind": kind, "name": owner, "uid": uid, "operation": operation, "id": id },
            "ledger": [opened(0)],
        },
    })
}

/// An entry of the ledger.
pub fn opened(seq: usize) -> Value {
    json!({ "seq": seq, "time": "2026-11-24T10:00:00Z", "opened": { "order": 1 } })
}

/// The entry that records a report.
pub fn checked(seq: usize, name: &str, result: &str, reason: &str) -> Value {
    let by = "system:serviceaccount:shop:ci";
    json!({
        "seq": seq,
        "time": "2026-11-24T10:05:00Z",
        "checked": { "name": name, "result": result, "by": by, "identity": "Verified", "reason": reason },
    })
}

/// The entry that records a decision.
pub fn decided(seq: usize, action: &str, slot: &str, by: &str, reason: Option<&str>) -> Value {
    let mut entry = json!({
        "seq": seq,
        "time": "2026-11-24T10:05:00Z",
        "decided": { "action": action, "by": by, "identity": "Verified", "source": "ChangePlan", "slot": slot },
    });
    if let Some(reason) = reason {
        entry["decided"]["reason"] = reason.into();
    }
    entry
}
