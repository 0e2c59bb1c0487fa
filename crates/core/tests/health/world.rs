//! What the status functions are given: a release, plans by their ledgers, and a cluster that holds one object.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use stackgate_core::{
    api::{AwsAccount, Bootstrap, ChangePlan, CloudAssembly, Freeze, Reason, Stage},
    change::HmacKey,
    cluster::{ClusterView, Installation},
    gate::{Enforcement, InForceState, SealedFor, sealed},
    words::StackKey,
};

pub const UID: &str = "5f0c2a51-7c1e-4a53-9d0e-1f2a3b4c5d6e";
pub const NOW: &str = "2026-11-24T06:00:00Z";

pub fn now() -> Timestamp {
    NOW.parse().unwrap()
}

pub fn installation() -> Installation {
    Installation::new("stackgate-system", HmacKey::new([7; 32]))
}

/// Whether the admission policies are in force while an object stands so.
pub fn enforced(reason: Reason) -> Enforcement {
    let (state, message) = match reason {
        Reason::PoliciesNotInForce => {
            (InForceState::NotInForce, "policy decisions.stackgate.dev is not there")
        }
        _in_force => (
            InForceState::InForce,
            "the admission policies are in force: who decides has proven who they are",
        ),
    };
    Enforcement { state, message: message.to_owned(), ..Enforcement::default() }
}

/// The objects of one case.
#[derive(Default)]
pub struct Cluster {
    pub stage: Option<Arc<Stage>>,
    pub assembly: Option<Arc<CloudAssembly>>,
    pub bootstrap: Option<Arc<Bootstrap>>,
    pub accounts: Vec<Arc<AwsAccount>>,
    pub plans: Vec<Arc<ChangePlan>>,
    pub freezes: Vec<Arc<Freeze>>,
    pub enforcement: Enforcement,
}

impl ClusterView for Cluster {
    fn stage(&self, _: &str, _: &str) -> Option<Arc<Stage>> {
        self.stage.clone()
    }
    fn stages(&self, _: &str) -> Vec<Arc<Stage>> {
        self.stage.iter().cloned().collect()
    }
    fn assembly(&self, _: &str, _: &str) -> Option<Arc<CloudAssembly>> {
        self.assembly.clone()
    }
    fn accounts(&self) -> Vec<Arc<AwsAccount>> {
        self.accounts.clone()
    }
    fn bootstraps(&self) -> Vec<Arc<Bootstrap>> {
        self.bootstrap.iter().cloned().collect()
    }
    fn freezes(&self) -> Vec<Arc<Freeze>> {
        self.freezes.clone()
    }
    fn enforcement(&self) -> Enforcement {
        self.enforcement.clone()
    }
    fn plans_of_stage(&self, _: &str, _: &str) -> Vec<Arc<ChangePlan>> {
        self.plans.clone()
    }
    fn plans_with(&self, _: &StackKey) -> Vec<Arc<ChangePlan>> {
        Vec::new()
    }
    fn plans_of_bootstrap(&self, _: &str) -> Vec<Arc<ChangePlan>> {
        self.plans.clone()
    }
}

/// An object as the API server holds it once it was seen: generation 2, where nothing else is said.
pub fn object(kind: &str, name: &str, spec: &Value) -> Value {
    let mut metadata =
        json!({ "name": name, "uid": UID, "generation": 2, "creationTimestamp": "2026-11-20T00:00:00Z" });
    if !["AwsAccount", "Bootstrap", "Freeze"].contains(&kind) {
        metadata["namespace"] = json!("shop");
    }
    json!({ "apiVersion": "stackgate.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec })
}

/// A digest of one digit.
pub fn digest(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

/// The release of one digit.
pub fn release(digit: char) -> Value {
    json!({ "digest": digest(digit), "name": digit.to_string().repeat(12), "source": { "s3": {
        "account": "shop-build", "bucket": "shop-cdk-out", "key": "shop.tar.gz", "region": "ap-southeast-2", "versionID": "v1" } } })
}

/// The spec of the Stage `prod`.
pub fn stage_spec() -> Value {
    json!({ "assemblyRef": { "name": "shop" }, "cdkStage": "Prod", "accounts": ["shop-prod"], "gate": { "identity": "Any" } })
}

/// Where the one stack of every plan lives.
pub fn stack() -> Value {
    json!({ "account": "333333333333", "region": "ap-southeast-2", "stackName": "Prod-Store" })
}

pub fn stack_id() -> String {
    "arn:aws:cloudformation:ap-southeast-2:333333333333:stack/Prod-Store/11111111-1111-1111-1111-111111111111"
        .to_owned()
}

fn with(mut base: Value, more: Value) -> Value {
    if let (Some(base), Value::Object(more)) = (base.as_object_mut(), more) {
        base.extend(more);
    }
    base
}

/// What happens to a plan, an entry each.
pub enum Entry {
    Opened(u64, char),
    /// A decision: `Approve` or `Reject`.
    Decided(&'static str),
    Claimed,
    Settled(&'static str),
    Closed(&'static str),
}

fn ledger(entries: &[Entry]) -> Value {
    let entry = |(seq, entry): (usize, &Entry)| {
        let what = match entry {
            Entry::Opened(order, digit) => {
                json!({ "opened": { "order": order, "release": release(*digit) } })
            }
            Entry::Decided(action) => json!({ "decided": {
                "action": action, "by": "alice", "identity": "Unverified", "source": "ChangePlan", "slot": "" } }),
            Entry::Claimed => json!({ "claimed": { "stacks": [with(stack(), json!({ "stackID": stack_id(),
                "changeSetARN": "arn:aws:cloudformation:ap-southeast-2:333333333333:changeSet/stackgate-1/22222222-2222-2222-2222-222222222222",
                "leaf": digest('1'), "input": digest('2') }))] } }),
            Entry::Settled(outcome) => {
                json!({ "settled": with(stack(), json!({ "stackID": stack_id(), "outcome": outcome,
                "status": if *outcome == "Succeeded" { "UPDATE_COMPLETE" } else { "UPDATE_ROLLBACK_COMPLETE" },
                "updatedTime": "2026-11-23T00:00:00.000000Z" })) })
            }
            Entry::Closed(reason) => {
                json!({ "closed": { "reason": reason, "message": "its change sets are gone" } })
            }
        };
        with(json!({ "seq": seq, "time": "2026-11-23T00:00:00Z" }), what)
    };
    entries.iter().enumerate().map(entry).collect()
}

/// A plan of the Stage `prod` with one stack, which is `Prepared` or `Unchanged`.
pub fn plan(name: &str, planned: &str, entries: &[Entry]) -> Value {
    let digit =
        entries.iter().find_map(|e| if let Entry::Opened(_, d) = e { Some(*d) } else { None }).unwrap_or('a');
    let proposed = with(
        stack(),
        json!({ "qualifier": "acme", "artifact": "ProdStore", "plan": planned,
        "input": digest('2'), "leaf": digest('1'), "count": { "add": 1, "modify": 2, "remove": 0, "replace": 0, "maybeReplace": 0 } }),
    );
    object(
        "ChangePlan",
        name,
        &json!({
        "proposal": { "kind": "Stage", "name": "prod", "uid": UID, "operation": "Deploy", "release": release(digit),
            "id": format!("c1-{}", digit.to_string().repeat(40)), "a1": format!("a1-{}", digit.to_string().repeat(40)),
            "stacks": [proposed] },
        "ledger": ledger(entries) }),
    )
}

/// A plan as the controller writes it. What it seals with is nothing to be kept in a file.
pub fn written(plan: Value) -> Arc<ChangePlan> {
    let mut plan: ChangePlan = serde_json::from_value(plan).unwrap();
    plan.spec.ledger = sealed(&plan.spec.ledger, SealedFor::plan(&plan), &installation().key);
    Arc::new(plan)
}

/// A plan of the Bootstrap `acme`.
pub fn bootstrap_plan(name: &str, entries: &[Entry]) -> Value {
    let mut plan = plan(name, "Unchanged", entries);
    plan["metadata"]["namespace"] = json!("stackgate-system");
    plan["spec"]["proposal"] = json!({ "kind": "Bootstrap", "name": "acme", "uid": UID, "operation": "Bootstrap",
        "id": format!("b1-{}", "b".repeat(40)),
        "bootstrap": { "toolkitStackName": "CDKToolkit-acme", "version": 33, "template": digest('3'), "parameters": {} } });
    for entry in plan["spec"]["ledger"].as_array_mut().into_iter().flatten() {
        if let Some(opened) = entry.get_mut("opened").and_then(Value::as_object_mut) {
            opened.remove("release");
        }
    }
    plan
}

/// `AwaitingApproval` as `awaiting-approval`.
pub fn kebab(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !text.is_empty() && !text.ends_with(|l: char| l.is_uppercase()) {
            text.push('-');
        }
        text.push(c);
    }
    text.to_lowercase()
}
