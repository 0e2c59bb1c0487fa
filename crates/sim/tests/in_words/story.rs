//! What the stories have in common.

use std::sync::Arc;

use jiff::SignedDuration;
use stackgate_core::{
    api::{Action, Gate, Leftover, RiskClass, Stage, StageStatus},
    gate::PlanView,
    stack::StackStatus,
};
use stackgate_sim::{
    bundle::RELEASES,
    people::newest,
    run::{Gates, Run, Setting},
    scenario::first_release,
    world::{
        Object, ObjectKey,
        said::{Note, Word, Writer},
    },
};

pub const DEV: &str = "dev";

/// One Stage and one release, in good weather; the Stage waits for an approval.
pub fn waiting() -> (Run, PlanView) {
    waiting_for(Vec::new())
}

pub fn sign(run: &mut Run, plan: &PlanView, action: Action, slot: &str) {
    let acks = [RiskClass::Replace, RiskClass::MaybeReplace, RiskClass::Delete];
    sign_with(run, plan, action, slot, &acks);
}

pub fn sign_with(run: &mut Run, plan: &PlanView, action: Action, slot: &str, acks: &[RiskClass]) {
    let id = plan.id().to_string();
    let note = Note { word: Word::Decides(action), slot, id: &id, by: "alice", acks, until: None };
    assert!(run.world().write(Writer::Person("alice"), &ObjectKey::Plan(plan.name.clone()), &note));
}

/// Somebody else approves.
pub fn approve_as(run: &mut Run, plan: &PlanView, by: &'static str) {
    let id = plan.id().to_string();
    let note = Note {
        word: Word::Decides(Action::Approve),
        slot: by,
        id: &id,
        by,
        acks: &RiskClass::ALL,
        until: None,
    };
    assert!(run.world().write(Writer::Person(by), &ObjectKey::Plan(plan.name.clone()), &note));
}

pub fn approve(run: &mut Run, plan: &PlanView) {
    sign(run, plan, Action::Approve, "");
}

/// Until the claim stands in the ledger, and nothing else has happened yet.
pub fn until_claimed(run: &mut Run, plan: &PlanView) {
    let unclaimed = |run: &mut Run| {
        let there = run.world().cluster.plan(&plan.name);
        there.is_some_and(|p| p.spec.ledger.iter().all(|e| e.claimed.is_none()))
    };
    while unclaimed(run) {
        run.alone(SignedDuration::from_millis(1)).unwrap();
    }
}

pub fn change_stage(run: &mut Run, change: impl FnOnce(&mut Stage)) {
    let cluster = &mut run.world().cluster;
    match cluster.objects.0.get(&ObjectKey::Stage(DEV.to_owned())).cloned() {
        Some(Object::Stage(mut stage)) => {
            change(Arc::make_mut(&mut stage));
            cluster.put(Object::Stage(stage));
        }
        other => panic!("{other:?}"),
    }
}

pub fn status(run: &mut Run) -> StageStatus {
    status_of(run, DEV)
}

pub fn status_of(run: &mut Run, stage: &str) -> StageStatus {
    match run.world().cluster.objects.0.get(&ObjectKey::Stage(stage.to_owned())) {
        Some(Object::Stage(s)) => s.status.clone().expect("a status"),
        other => panic!("{other:?}"),
    }
}

pub fn state(run: &mut Run) -> String {
    status(run).state.expect("a state")
}

pub fn is_ready(run: &mut Run) -> bool {
    status(run).conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True")
}

pub fn deployed() -> (Run, PlanView) {
    let (mut run, plan) = waiting();
    approve(&mut run, &plan);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!(state(&mut run), "UpToDate");
    assert!(is_ready(&mut run));
    (run, plan)
}

/// Two people have to approve.
pub fn two() -> Vec<Gates> {
    vec![Gates { stage: Some(Gate { approvals: Some(2), ..Gate::default() }), ..Gates::default() }]
}

pub fn waiting_for(gates: Vec<Gates>) -> (Run, PlanView) {
    let mut run = Run::new(&Setting { gates, ..first_release(1) });
    run.world().source.push(Arc::clone(&RELEASES[0]));
    run.alone(SignedDuration::from_mins(2)).unwrap();
    let plan = newest(run.world(), DEV).expect("a plan");
    assert_eq!(state(&mut run), "AwaitingApproval");
    (run, plan)
}

/// A first release whose approved creation is rolled back.
pub fn rolled_back() -> (Run, PlanView) {
    let (mut run, plan) = waiting();
    run.world().luck.weather.fails = 1000;
    approve(&mut run, &plan);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    run.world().luck.weather.fails = 0;
    assert_eq!(state(&mut run), "RolledBack");
    assert!(run.world().cloud.stacks.values().any(|s| s.status == StackStatus::RollbackComplete));
    (run, plan)
}

pub fn there(run: &mut Run) -> Vec<String> {
    run.world().cloud.stacks.keys().map(|k| k.name.to_string()).filter(|n| n.starts_with("Dev-")).collect()
}

pub fn delete_stage(run: &mut Run) {
    let now = run.world().now;
    change_stage(run, |stage| {
        let second = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now);
        stage.metadata.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(second));
    });
}

pub fn account_says(run: &mut Run, policy: Option<Leftover>) {
    let on = ObjectKey::Account(DEV.to_owned());
    match run.world().cluster.objects.0.get(&on).cloned() {
        Some(Object::Account(mut account)) => {
            let gate = Arc::make_mut(&mut account).spec.minimum_gate.get_or_insert_default();
            gate.deletion_policy = policy;
            run.world().cluster.put(Object::Account(account));
        }
        other => panic!("{other:?}"),
    }
}

pub fn lets_go(run: &mut Run) -> bool {
    match run.world().cluster.objects.0.get(&ObjectKey::Stage(DEV.to_owned())) {
        Some(Object::Stage(stage)) => stage.metadata.finalizers.clone().unwrap_or_default().is_empty(),
        _ => true,
    }
}
