//! ChangePlans: one for each way in which a ledger can go on.

use std::sync::Arc;

use serde_json::{Value, json};
use stackgate_core::{
    gate::{Enforcement, InForceState},
    plan::{gated, status},
};

use super::{Recorded, behind, deleted, recorded};
use crate::world::{Cluster, Entry, bootstrap_plan, installation, now, object, plan, stage_spec, written};

use Entry::{Claimed, Closed, Decided, Opened, Settled};

/// What the plan shows before this Stage, with these freezes and the admission policies in force.
fn case(name: &str, object: Value, stage: Option<Value>, freezes: Vec<Value>) -> Recorded {
    let enforcement = Enforcement { state: InForceState::InForce, ..Enforcement::default() };
    shown(name, object, stage, freezes, enforcement)
}

fn shown(
    name: &str,
    object: Value,
    stage: Option<Value>,
    freezes: Vec<Value>,
    enforcement: Enforcement,
) -> Recorded {
    let plan = written(object.clone());
    let cluster = Cluster {
        stage: stage.map(|s| Arc::new(serde_json::from_value(s).unwrap())),
        freezes: freezes.into_iter().map(|f| Arc::new(serde_json::from_value(f).unwrap())).collect(),
        enforcement,
        ..Cluster::default()
    };
    let gated = gated(&cluster, &plan, &installation().plans, now());
    recorded(object, name, status(&plan, gated.as_ref(), &installation().plans, now()).unwrap().0)
}

pub fn plans() -> Vec<Recorded> {
    let prod = || Some(object("Stage", "prod", &stage_spec()));
    let of_stage =
        |name: &str, entries: &[Entry]| case(name, plan(name, "Prepared", entries), prod(), Vec::new());
    let of_bootstrap =
        |name: &str, entries: &[Entry]| case(name, bootstrap_plan(name, entries), None, Vec::new());
    let freeze = object("Freeze", "inc-4711", &json!({ "reason": "INC-4711" }));
    let mut suspended = stage_spec();
    suspended["suspend"] = json!(true);
    let mut observing = stage_spec();
    observing["mode"] = json!("Observe");
    let mut wants_proof = stage_spec();
    wants_proof["gate"]["identity"] = json!("Verified");
    let mut proven = plan("policies-not-in-force", "Prepared", &[Opened(1, 'a'), Decided("Approve")]);
    proven["spec"]["ledger"][1]["decided"]["identity"] = json!("Verified");
    let not_in_force = Enforcement {
        state: InForceState::NotInForce,
        message: "ValidatingAdmissionPolicyBinding decisions.stackgate.dev is gone".to_owned(),
        ..Enforcement::default()
    };
    let mut new = plan("new", "Prepared", &[Opened(1, 'a')]);
    new["metadata"]["generation"] = json!(1);
    let mut list = vec![
        new,
        of_stage("awaiting-approval", &[Opened(1, 'a')]),
        case(
            "frozen",
            plan("frozen", "Prepared", &[Opened(1, 'a'), Decided("Approve")]),
            prod(),
            vec![freeze],
        ),
        case(
            "suspended",
            plan("suspended", "Prepared", &[Opened(1, 'a'), Decided("Approve")]),
            Some(object("Stage", "prod", &suspended)),
            Vec::new(),
        ),
        case(
            "observing",
            plan("observing", "Prepared", &[Opened(1, 'a')]),
            Some(object("Stage", "prod", &observing)),
            Vec::new(),
        ),
        shown(
            "policies-not-in-force",
            proven,
            Some(object("Stage", "prod", &wants_proof)),
            Vec::new(),
            not_in_force,
        ),
        case("stage-gone", plan("stage-gone", "Prepared", &[Opened(1, 'a')]), None, Vec::new()),
        of_stage("approved", &[Opened(1, 'a'), Decided("Approve")]),
        of_stage("executing", &[Opened(1, 'a'), Decided("Approve"), Claimed]),
        of_stage("failing", &[Opened(1, 'a'), Decided("Approve"), Claimed, Settled("RolledBack")]),
        of_stage("succeeded", &[Opened(1, 'a'), Decided("Approve"), Claimed, Settled("Succeeded")]),
        case(
            "nothing-differed",
            plan("nothing-differed", "Unchanged", &[Opened(1, 'a')]),
            prod(),
            Vec::new(),
        ),
        of_stage("rejected", &[Opened(1, 'a'), Decided("Reject")]),
        of_stage("closed-rejected", &[Opened(1, 'a'), Decided("Reject"), Closed("Rejected")]),
        of_stage("closed-superseded", &[Opened(1, 'a'), Closed("Superseded")]),
        of_stage("closed-withdrawn", &[Opened(1, 'a'), Decided("Approve"), Claimed, Closed("Withdrawn")]),
        of_stage("closed-expired", &[Opened(1, 'a'), Closed("Expired")]),
        of_stage(
            "closed-failed",
            &[Opened(1, 'a'), Decided("Approve"), Claimed, Settled("RolledBack"), Closed("Failed")],
        ),
        of_bootstrap("bootstrap-pending", &[Opened(1, 'a')]),
        of_bootstrap("bootstrap-executing", &[Opened(1, 'a'), Decided("Approve"), Claimed]),
        of_bootstrap(
            "bootstrap-succeeded",
            &[Opened(1, 'a'), Decided("Approve"), Claimed, Settled("Succeeded")],
        ),
    ];
    let more: Vec<_> = list[1..]
        .iter()
        .filter(|o| ["awaiting-approval", "succeeded"].iter().any(|n| o["metadata"]["name"] == *n))
        .flat_map(|o| [behind(o), deleted(o)])
        .collect();
    list.extend(more);
    list
}
