//! Plans and Stages for tests and for the screens in the docs.

use std::{path::Path, sync::Arc};

use jiff::Timestamp;
use serde_json::{Value, json};
use stackgate_core::{
    api::{AwsAccount, ChangePlan, Freeze, RiskClass, Stage},
    freeze::{Held, activity},
    gate::{InForce, PlanView, in_force},
};

use super::{GateFrom, PlanReport, PropertyShown, ResourceValuesShown, Seen, ValuesShown, report};
use crate::cli::{args::KubeArgs, invoked::Invoked};

pub const DIGITS: &str = "3f9c0a12b4de5f60718293a4b5c6d7e8f9012345";
const UID: &str = "0d9c6c1e-0000-4000-8000-000000000001";

pub fn now() -> Timestamp {
    "2026-11-24T10:30:00Z".parse().unwrap()
}

pub fn invoked() -> Invoked {
    Invoked::of(Path::new("kubectl-stackgate"), &KubeArgs::default())
}

pub fn release(name: &str, digit: char) -> Value {
    json!({ "name": name, "digest": format!("sha256:{}", digit.to_string().repeat(64)), "source": { "s3": {
        "account": "build", "bucket": "shop-cdk-out", "key": "main.zip", "versionID": name, "region": "ap-southeast-2"
    } } })
}

fn stack(artifact: &str, plan: &str, count: Value, changes: Value) -> Value {
    let name = artifact;
    json!({
        "account": "333333333333", "region": "ap-southeast-2", "stackName": name, "qualifier": "acme",
        "artifact": artifact, "plan": plan, "input": format!("sha256:{}", "1".repeat(64)),
        "leaf": format!("sha256:{}", "2".repeat(64)), "count": count, "changes": changes,
    })
}

fn count(add: u32, modify: u32, remove: u32, replace: u32, maybe: u32, code: u32) -> Value {
    json!({ "add": add, "modify": modify, "remove": remove, "replace": replace, "maybeReplace": maybe, "code": code })
}

fn change(action: &str, id: &str, kind: &str, replacement: Option<&str>) -> Value {
    let mut c = json!({ "action": action, "resources": [id], "resourceType": kind });
    if let Some(r) = replacement {
        c["replacement"] = json!(r);
    }
    c
}

/// What a release of the shop changes in production: a table is replaced, a role may do more.
pub fn proposal() -> Value {
    let mut store = stack(
        "Prod-Store",
        "Prepared",
        count(1, 4, 0, 1, 0, 3),
        json!([
            change("Modify", "Orders", "AWS::DynamoDB::Table", Some("True")),
            change("Add", "Archive", "AWS::S3::Bucket", None),
            change("Modify", "WriterRole", "AWS::IAM::Role", Some("False")),
        ]),
    );
    store["baselineStackID"] =
        json!("arn:aws:cloudformation:ap-southeast-2:333333333333:stack/Prod-Store/11111111-0000");
    store["baselineUpdatedTime"] = json!("2026-11-20T09:00:00.000000Z");
    store["consoleURL"] = json!(
        "https://ap-southeast-2.console.aws.amazon.com/cloudformation/home?region=ap-southeast-2#/stacks/changesets/changes?changeSetId=1"
    );
    store["warnings"] = json!(["Orders: point-in-time recovery is off"]);
    let api = stack(
        "Prod-Api",
        "Deferred",
        count(0, 0, 0, 0, 1, 0),
        json!([change("Modify", "Handler", "AWS::Lambda::Function", Some("Conditional"))]),
    );
    let mut web = stack("Prod-Web", "Unchanged", count(0, 0, 0, 0, 0, 0), json!([]));
    web["baselineStackID"] =
        json!("arn:aws:cloudformation:ap-southeast-2:333333333333:stack/Prod-Web/22222222-0000");
    json!({
        "kind": "Stage", "name": "prod", "uid": UID, "operation": "Deploy",
        "id": format!("c1-{DIGITS}"), "a1": format!("a1-{}", "b".repeat(40)),
        "release": release("1.4.2", 'a'), "replaces": release("1.4.1", '9'),
        "stacks": [store, api, web],
        "risks": [
            { "class": "iam", "stack": "Prod-Store", "resourceType": "AWS::IAM::Role",
              "cause": "allows more than before (dynamodb:deletetable)",
              "resources": ["WriterRole at Shop/Prod/Store/WriterRole/Resource"] },
            { "class": "replace", "stack": "Prod-Store", "resourceType": "AWS::DynamoDB::Table", "policy": "Delete",
              "cause": "is replaced (KeySchema)", "resources": ["Orders at Shop/Prod/Store/Orders/Resource"] },
            { "class": "maybe-replace", "stack": "Prod-Api", "resources": ["Handler"], "resourceType": "AWS::Lambda::Function",
              "cause": "changes, and there is no change set yet" },
        ],
        "compared": { "stage": "test", "plan": format!("test-{}", "7".repeat(40)), "time": "2026-11-23T16:00:00Z",
            "differences": ["Prod-Store Orders: AWS::DynamoDB::Table is replaced here, and was not there"] },
    })
}

pub fn opened(time: &str, order: u64, release: &Value) -> Value {
    json!({ "time": time, "opened": { "order": order, "release": release } })
}

pub fn decided(time: &str, action: &str, by: &str, identity: &str, acks: &[&str]) -> Value {
    json!({ "time": time, "decided": {
        "action": action, "by": by, "identity": identity, "source": "ChangePlan", "slot": by.split('@').next(), "acks": acks
    } })
}

pub fn settled(time: &str, stack: &str, outcome: &str, status: &str, message: Option<&str>) -> Value {
    let mut entry = json!({
        "account": "333333333333", "region": "ap-southeast-2", "stackName": stack, "outcome": outcome, "status": status,
        "stackID": format!("arn:aws:cloudformation:ap-southeast-2:333333333333:stack/{stack}/11111111-0000"),
        "updatedTime": "2026-11-24T10:00:00.000000Z",
    });
    if let Some(message) = message {
        entry["message"] = json!(message);
    }
    json!({ "time": time, "settled": entry })
}

pub fn claimed(time: &str, stack: &str) -> Value {
    json!({ "time": time, "claimed": { "stacks": [{
        "account": "333333333333", "region": "ap-southeast-2", "stackName": stack,
        "stackID": format!("arn:aws:cloudformation:ap-southeast-2:333333333333:stack/{stack}/11111111-0000"),
        "changeSetARN": format!("arn:aws:cloudformation:ap-southeast-2:333333333333:changeSet/stackgate-1/{stack}"),
        "leaf": format!("sha256:{}", "2".repeat(64)), "input": format!("sha256:{}", "1".repeat(64)),
    }] } })
}

/// A plan with this proposal and ledger; entries are numbered here.
pub fn plan(proposal: &Value, ledger: &[Value], annotations: Value) -> PlanView {
    let ledger: Vec<Value> = ledger
        .iter()
        .enumerate()
        .map(|(seq, entry)| {
            let mut entry = entry.clone();
            entry["seq"] = json!(seq);
            entry
        })
        .collect();
    let digits = proposal["id"].as_str().unwrap().split_once('-').unwrap().1;
    let object = json!({
        "apiVersion": "stackgate.dev/v1alpha1", "kind": "ChangePlan",
        "metadata": { "namespace": "shop", "name": format!("prod-{digits}"), "annotations": annotations },
        "spec": { "proposal": proposal, "ledger": ledger },
    });
    let plan: ChangePlan = serde_json::from_value(object).unwrap();
    PlanView::new(Arc::new(plan)).unwrap()
}

pub fn stage(spec: Value, status: Value) -> Stage {
    let mut all = json!({ "assemblyRef": { "name": "shop" }, "cdkStage": "Prod", "accounts": ["shop-prod"],
        "promoteFrom": [{ "name": "test" }], "gate": { "approvals": 2 } });
    for (key, value) in spec.as_object().unwrap() {
        all[key] = value.clone();
    }
    serde_json::from_value(json!({
        "apiVersion": "stackgate.dev/v1alpha1", "kind": "Stage",
        "metadata": { "namespace": "shop", "name": "prod", "uid": UID, "creationTimestamp": "2026-09-01T00:00:00Z" },
        "spec": all, "status": status,
    }))
    .unwrap()
}

pub fn gate(stage: &Stage) -> InForce {
    let account: AwsAccount = serde_json::from_value(json!({
        "apiVersion": "stackgate.dev/v1alpha1", "kind": "AwsAccount", "metadata": { "name": "shop-prod" },
        "spec": { "accountID": "333333333333", "regions": ["ap-southeast-2"], "minimumGate": { "approvalTTL": "24h" } },
    }))
    .unwrap();
    in_force(stage, [&account])
}

pub fn freeze(name: &str, reason: &str, end: &str) -> Held {
    let freeze =
        Freeze::new(name, serde_json::from_value(json!({ "reason": reason, "endTime": end })).unwrap());
    assert!(matches!(activity(&freeze, now()), stackgate_core::freeze::Activity::Active(_)));
    Held { name: name.to_owned(), reason: reason.to_owned(), until: end.parse().ok() }
}

pub fn shown(view: &PlanView, stage: &Stage, held: &[Held], newer: Option<&str>) -> PlanReport {
    seen(view, Some(stage), Some(held), newer, &RiskClass::ALL)
}

/// As somebody sees it who may read this Stage and these freezes, and acknowledge these classes.
pub fn seen(
    view: &PlanView,
    stage: Option<&Stage>,
    held: Option<&[Held]>,
    newer: Option<&str>,
    may_ack: &[RiskClass],
) -> PlanReport {
    seen_where(true, view, stage, held, newer, may_ack)
}

/// The same where Kubernetes does or does not sign.
pub fn seen_where(
    signs: bool,
    view: &PlanView,
    stage: Option<&Stage>,
    held: Option<&[Held]>,
    newer: Option<&str>,
    may_ack: &[RiskClass],
) -> PlanReport {
    let gate = stage.map(gate);
    report(&Seen {
        view,
        plans: &[Arc::new(view.clone())],
        stage,
        gate: gate.as_ref().map(|g| (g, GateFrom::Objects)),
        held,
        newer,
        may_ack,
        signs,
        now: now(),
        invoked: &invoked(),
    })
}

/// The same, with the values of a stack whose account the reader is signed in to.
pub fn with_values() -> PlanReport {
    let property = |path: &str, before: Option<&str>, after: Option<&str>| PropertyShown {
        path: path.into(),
        before: before.map(Into::into),
        after: after.map(Into::into),
    };
    let resource = |id: &str, kind: &str, properties| ResourceValuesShown {
        logical_id: id.into(),
        resource_type: kind.into(),
        properties,
    };
    let schema = |key: &str| format!(r#"[{{"AttributeName":"{key}","KeyType":"HASH"}}]"#);
    let orders = property("/Properties/KeySchema", Some(&schema("id")), Some(&schema("order")));
    let role = property(
        "/Properties/Policies/0/PolicyDocument/Statement/0/Action/3",
        None,
        Some("dynamodb:DeleteTable"),
    );
    let mut report = waiting();
    report.stacks[0].values = Some(ValuesShown {
        missing: None,
        resources: vec![
            resource("Orders", "AWS::DynamoDB::Table", vec![orders]),
            resource("WriterRole", "AWS::IAM::Role", vec![role]),
        ],
    });
    report
}

/// One of two approvals is there.
pub fn waiting() -> PlanReport {
    let ledger = [
        opened("2026-11-24T09:00:00Z", 7, &release("1.4.2", 'a')),
        decided("2026-11-24T10:05:00Z", "Approve", "alice@corp.example", "Verified", &["replace"]),
        decided("2026-11-24T10:10:00Z", "Approve", "mallory", "Unverified", &["iam"]),
    ];
    let annotations =
        json!({ format!("gate.stackgate.dev/approve.bob"): format!("c1-{DIGITS};by=bob@corp.example") });
    shown(&plan(&proposal(), &ledger, annotations), &stage(json!({}), json!({})), &[], None)
}
