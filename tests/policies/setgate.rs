//! Whoever may edit a Stage cannot weaken what gates it.

use std::{collections::BTreeSet, fs};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use stackgate_testbed::{
    Chart,
    User::{Admin, Alice, Bob, Carol},
    repository,
};

use crate::{
    attempts::{Attempt, attack, honest},
    call::{Call, all, stage},
    objects,
};

const POLICY: &str = "setgate.stackgate.dev";

/// Fields that whoever may edit the Stage may change.
const FREE_TO_CHANGE: [&str; 4] = ["suspend", "parameters", "outputsTo", "driftDetection"];

/// Fields that whoever may make a Stage may set, `gate` and the policies within bounds.
const FREE_TO_MAKE: [&str; 14] = [
    "mode",
    "assemblyRef",
    "cdkStage",
    "accounts",
    "promoteFrom",
    "checks",
    "gate",
    "suspend",
    "parameters",
    "adoptionPolicy",
    "removedStacks",
    "deletionPolicy",
    "outputsTo",
    "driftDetection",
];

/// Fields that need `setgate` from the beginning.
const CLOSED: [&str; 1] = ["pin"];

pub fn attempts() -> Vec<Attempt> {
    [changes(), weak_ones(), usual_ones(), by_patch_alone()].into_iter().flatten().collect()
}

fn spec(spec: &Value) -> Value {
    json!({ "spec": spec })
}

/// Every change of the Stage `prod`, by an editor and by somebody who has `setgate`.
fn changes() -> Vec<Attempt> {
    let says = "bob lacks the verb setgate on stages/prod: without it only suspend, parameters, outputsTo and driftDetection may be changed";
    let fields = [
        ("the approval is dropped", json!({ "gate": { "requireApproval": "Never" } })),
        ("harmless changes pass", json!({ "gate": { "requireApproval": "OnRisk" } })),
        ("nothing must be acknowledged", json!({ "gate": { "requireAck": [] } })),
        ("one class must be acknowledged", json!({ "gate": { "requireAck": ["iam"] } })),
        ("anybody's name counts", json!({ "gate": { "identity": "Any" } })),
        ("approvals count for years", json!({ "gate": { "approvalTTL": "99999h" } })),
        ("plans wait for years", json!({ "gate": { "planTTL": "99999h" } })),
        // Stricter, but a gate is not for those whom it gates.
        ("more approvals", json!({ "gate": { "approvals": 16 } })),
        ("the upstream is dropped", json!({ "promoteFrom": null })),
        ("another upstream", json!({ "promoteFrom": [{ "name": "dev", "soak": "1h" }] })),
        ("no soak", json!({ "promoteFrom": [{ "name": "test" }] })),
        ("a check is added", json!({ "checks": [{ "name": "smoke", "timeout": "1m" }] })),
        ("another account", json!({ "accounts": ["shop-prod", "bank-prod"] })),
        ("another assembly", json!({ "assemblyRef": { "name": "mine" } })),
        ("another CDK Stage", json!({ "cdkStage": "Dev" })),
        ("the stacks at the root", json!({ "cdkStage": null })),
        ("stacks of others are taken over", json!({ "adoptionPolicy": "Unowned" })),
        ("stacks that the release has no longer go", json!({ "removedStacks": "Delete" })),
        ("all stacks go with the Stage", json!({ "deletionPolicy": "Delete" })),
        ("a pin, past every upstream", json!({ "pin": { "digest": "0123456789ab", "reason": "back" } })),
    ];
    let mut attempts: Vec<Attempt> = Vec::new();
    for (name, change) in fields {
        attempts.push(attack(name, Call::merge(Bob, stage("prod"), spec(&change)), POLICY, says));
        attempts.push(honest(name, Call::merge(Carol, stage("prod"), spec(&change))));
    }
    let mut whole = objects::stage("prod");
    whole["spec"]["gate"] = json!({ "requireApproval": "Never" });
    attempts.extend([
        attack("by replacing it", Call::replace(Bob, stage("prod"), whole.clone()), POLICY, says),
        attack("by a server-side apply", Call::apply(Bob, stage("prod"), whole), POLICY, says),
        attack(
            "by a JSON patch",
            Call::json(Bob, stage("prod"), json!([{ "op": "remove", "path": "/spec/promoteFrom" }])),
            POLICY,
            says,
        ),
        honest("an editor suspends", Call::merge(Bob, stage("prod"), spec(&json!({ "suspend": true })))),
        honest("an editor gives another value", {
            let parameters = json!([{ "name": "Size", "value": "large" }]);
            Call::merge(Bob, stage("prod"), spec(&json!({ "parameters": parameters })))
        }),
        honest("an editor goes on", Call::merge(Bob, stage("prod"), spec(&json!({ "suspend": false })))),
        attack(
            "suspended and weakened at once",
            Call::merge(Bob, stage("prod"), spec(&json!({ "suspend": true, "gate": { "identity": "Any" } }))),
            POLICY,
            says,
        ),
        honest(
            "an editor labels",
            Call::merge(Bob, stage("prod"), json!({ "metadata": { "labels": { "team": "shop" } } })),
        ),
        honest("an editor applies it unchanged", Call::replace(Bob, stage("prod"), objects::stage("prod"))),
        honest("an administrator weakens", {
            Call::merge(Admin, stage("prod"), spec(&json!({ "gate": { "requireApproval": "Never" } })))
        }),
    ]);
    attempts
}

/// Alice may `patch` Stages, to approve on them, and nothing else.
fn by_patch_alone() -> Vec<Attempt> {
    let metadata = |field: &str, value: Value| json!({ "metadata": { field: value } });
    let bogus = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "0d9c6c1e-0000-4000-8000-00000000dead",
    }]);
    let owned = || metadata("ownerReferences", bogus.clone());
    let kept = || metadata("finalizers", json!(["example.com/never"]));
    let update = "alice lacks the verb update on stages/prod: patch alone is for decisions, and for stackgate.dev/requestedAt";
    let delete =
        "alice lacks the verb delete on stages/prod: owner references and finalizers decide when it goes";
    let parameters = json!([{ "name": "Size", "value": "large" }]);
    let changes = [
        ("an approver gives another value", json!({ "parameters": parameters })),
        ("an approver suspends", json!({ "suspend": true })),
        ("an approver has drift detected", json!({ "driftDetection": { "interval": "24h" } })),
        (
            "an approver has outputs written",
            json!({ "outputsTo": { "configMap": "outputs", "outputs": ["Url"] } }),
        ),
    ];
    let free = changes
        .map(|(name, change)| attack(name, Call::merge(Alice, stage("prod"), spec(&change)), POLICY, update));
    free.into_iter()
        .chain([
            attack(
                "an owner that never was, for the garbage collector",
                Call::merge(Alice, stage("prod"), owned()),
                POLICY,
                delete,
            ),
            attack(
                "a finalizer that nobody takes away",
                Call::merge(Alice, stage("prod"), kept()),
                POLICY,
                delete,
            ),
            attack(
                "the finalizer by a server-side apply",
                Call::apply(Alice, stage("prod"), kept()),
                POLICY,
                delete,
            ),
            honest("who may delete it sets an owner", Call::merge(Bob, stage("prod"), owned())),
            honest("who may delete it sets a finalizer", Call::merge(Bob, stage("prod"), kept())),
            attack("a label by which Argo CD takes it for another app's", {
                Call::merge(Alice, stage("prod"), metadata("labels", json!({ "app.kubernetes.io/instance": "other" })))
            }, POLICY, update),
            attack("what kubectl apply and Argo CD compare with", {
                let last = json!({ "kubectl.kubernetes.io/last-applied-configuration": "{\"spec\":{\"gate\":{}}}" });
                Call::merge(Alice, stage("prod"), metadata("annotations", last))
            }, POLICY, update),
            honest("an approver asks for a new plan", {
                Call::merge(Alice, stage("prod"), metadata("annotations", json!({ "stackgate.dev/requestedAt": "now" })))
            }),
        ])
        .collect()
}

/// Stages that are made weak, also in place of one that was deleted.
fn weak_ones() -> Vec<Attempt> {
    let says = "bob lacks the verb setgate on stages/new: without it a new Stage has the default gate or a stricter one, no pin and no adoptionPolicy";
    let with = |field: &str, value: &Value| {
        let mut made = objects::stage("new");
        made["spec"][field] = value.clone();
        made
    };
    let weak = [
        ("no approval", "gate", json!({ "requireApproval": "Never" })),
        ("approval on risk", "gate", json!({ "requireApproval": "OnRisk" })),
        ("no acknowledgement", "gate", json!({ "requireAck": [] })),
        ("fewer acknowledgements", "gate", json!({ "requireAck": ["iam"] })),
        ("any name", "gate", json!({ "identity": "Any" })),
        ("long approvals", "gate", json!({ "approvalTTL": "72h1ms" })),
        ("long plans", "gate", json!({ "planTTL": "169h" })),
        ("strict and weak", "gate", json!({ "approvals": 3, "requireApproval": "Never" })),
        ("stacks of others", "adoptionPolicy", json!("Unowned")),
        ("stacks that go", "removedStacks", json!("Delete")),
        ("stacks that go with it", "deletionPolicy", json!("Delete")),
        ("a pin", "pin", json!({ "digest": "0123456789ab" })),
    ];
    let mut attempts = Vec::new();
    for (name, field, value) in weak {
        attempts.push(attack(name, Call::create(Bob, all("stages"), with(field, &value)), POLICY, says));
        attempts.push(honest(name, Call::create(Carol, all("stages"), with(field, &value))));
    }
    let apply = Call::apply(Bob, stage("new"), with("gate", &json!({ "requireApproval": "Never" })));
    attempts.push(attack("applied into being", apply, POLICY, says));
    attempts
}

/// What an application team makes without anybody's help.
fn usual_ones() -> Vec<Attempt> {
    let made = |change: &Value| {
        let mut made = objects::stage("new");
        for (field, value) in change.as_object().expect("fields") {
            made["spec"][field] = value.clone();
        }
        Call::create(Bob, all("stages"), made)
    };
    vec![
        honest("a Stage", made(&json!({}))),
        honest("an entry stage", made(&json!({ "promoteFrom": [] }))),
        honest("a stage with checks", made(&json!({ "checks": [{ "name": "smoke" }] }))),
        honest("a stage that is held", made(&json!({ "suspend": true }))),
        honest("a stage that only observes", made(&json!({ "mode": "Observe" }))),
        honest("an empty gate", made(&json!({ "gate": {} }))),
        honest(
            "the default gate in full and a quorum",
            made(&json!({ "gate": { "requireApproval": "AnyChange", "approvals": 2, "identity": "Verified",
                "approvalTTL": "72h", "planTTL": "168h" } })),
        ),
        honest("the defaults written out", {
            let acks = ["replace", "maybe-replace", "delete", "iam", "network", "opaque", "adopt"];
            made(&json!({ "adoptionPolicy": "Never", "removedStacks": "Retain", "deletionPolicy": "Retain",
                "gate": { "requireAck": acks } }))
        }),
        honest(
            "a stage with parameters",
            made(&json!({ "parameters": [{ "name": "Size", "value": "small" }] })),
        ),
        honest("short times", made(&json!({ "gate": { "approvalTTL": "1h30m", "planTTL": "100ms" } }))),
    ]
}

/// A new field is thought about: is it the team's own, or part of what gates it?
#[test]
fn every_field_of_a_stage_is_named() -> Result<()> {
    let crd: Value = serde_saphyr::from_str(&fs::read_to_string(repository().join("crds/stages.yaml"))?)?;
    let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    let fields: BTreeSet<&str> = spec.as_object().expect("fields").keys().map(String::as_str).collect();
    let known: BTreeSet<&str> = FREE_TO_MAKE.into_iter().chain(CLOSED).collect();
    ensure!(
        fields == known,
        "the fields of a Stage are {fields:?}; the policy setgate and this test know {known:?}"
    );

    let gate: BTreeSet<&str> =
        spec["gate"]["properties"].as_object().expect("fields").keys().map(String::as_str).collect();
    let known = ["requireApproval", "requireAck", "approvals", "identity", "approvalTTL", "planTTL"];
    ensure!(
        gate == known.into(),
        "the fields of a gate are {gate:?}; the policy setgate and this test know {known:?}"
    );

    let policy = Chart::new("1.37.2").only("templates/policies/setgate.yaml").render()?;
    for list in [FREE_TO_CHANGE.as_slice(), FREE_TO_MAKE.as_slice()] {
        let list =
            format!("[{}]", list.iter().map(|field| format!("'{field}'")).collect::<Vec<_>>().join(", "));
        ensure!(policy.contains(&list), "the policy does not name {list}");
    }
    Ok(())
}
