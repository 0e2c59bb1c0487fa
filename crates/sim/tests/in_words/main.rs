//! Single situations, told one after the other: what went wrong once, and must not again.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "functions that every test calls"
)]

mod adoption;
mod again;
mod deferred;
mod deleted;
mod drift;
mod images;
mod late;
mod nothing_new;
mod observing;
mod rejects;
mod removal;
mod revokes;
mod rollout;
mod story;
mod toolkits;

use std::sync::Arc;

use jiff::SignedDuration;
use stackgate_core::{
    api::{Action, CloseReason, Gate, LedgerEntry, Operation, PlannedAs, RiskClass},
    gate::PlanView,
    stack::StackStatus,
    words::StackKey,
};
use stackgate_sim::{
    bundle::RELEASES,
    people::newest,
    run::{Gates, Run},
    scenario::first_release,
    world::{
        Object, ObjectKey,
        said::{Note, Word, Writer},
    },
};

use self::story::*;

#[test]
fn a_stack_that_somebody_deletes_by_hand_is_missed_and_planned_anew() {
    let (mut run, first) = deployed();
    let key: StackKey = first.proposal().stacks.last().expect("a stack").key();
    run.world().delete_by_hand(&key);
    assert!(!run.world().cloud.stacks.contains_key(&key), "somebody imports from it");
    run.alone(SignedDuration::from_mins(15)).unwrap();
    assert!(!is_ready(&mut run));
    assert_eq!(state(&mut run), "AwaitingApproval");
    let next = newest(run.world(), DEV).expect("a plan");
    assert_ne!(next.id(), first.id());
    approve(&mut run, &next);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!(state(&mut run), "UpToDate");
    assert!(is_ready(&mut run) && run.world().cloud.stacks.contains_key(&key));
}

#[test]
fn a_flood_of_rejects_closes_a_plan_at_once() {
    let (mut run, plan) = waiting();
    for n in 0..300 {
        sign(&mut run, &plan, Action::Reject, &format!("n{n}"));
    }
    run.alone(SignedDuration::from_mins(2)).unwrap();
    let plan = newest(run.world(), DEV).expect("a plan");
    assert_eq!(plan.closed.as_ref().map(|c| c.reason), Some(CloseReason::Rejected));
    let ledger = &plan.plan.spec.ledger;
    let closed = ledger.iter().position(|e| e.closed.is_some()).expect("it is closed");
    let rejects = |from: usize, to: usize| {
        let decided = ledger[from..to].iter().filter_map(|e| e.decided.as_ref());
        decided.filter(|d| d.action == Action::Reject).count()
    };
    assert!(rejects(0, ledger.len()) <= 32, "{} rejects", rejects(0, ledger.len()));
    assert!(rejects(0, closed) >= 1);
    // What comes afterwards changes nothing, and takes no more room than a few entries.
    for n in 0..300 {
        sign(&mut run, &plan, Action::Reject, &format!("late{n}"));
    }
    run.alone(SignedDuration::from_mins(2)).unwrap();
    let plan = newest(run.world(), DEV).expect("a plan");
    assert!(plan.plan.spec.ledger.len() < 50, "{} entries", plan.plan.spec.ledger.len());
    assert_eq!(state(&mut run), "Rejected");
}

#[test]
fn a_reject_that_comes_while_another_one_closes_the_plan_is_recorded_too() {
    let (mut run, plan) = waiting();
    sign(&mut run, &plan, Action::Reject, "a");
    run.alone(SignedDuration::from_mins(2)).unwrap();
    sign(&mut run, &plan, Action::Reject, "b");
    run.alone(SignedDuration::from_mins(2)).unwrap();
    let plan = newest(run.world(), DEV).expect("a plan");
    // Otherwise the admission policies would keep it on the plan for good.
    assert_eq!(plan.decisions.iter().filter(|r| r.decided.action == Action::Reject).count(), 2);
    assert_eq!(state(&mut run), "Rejected");
}

#[test]
fn a_plan_that_somebody_deletes_is_not_named_any_more() {
    let (mut run, plan) = waiting();
    let key = ObjectKey::Plan(plan.name.clone());
    run.world().cluster.delete(&key);
    run.alone(SignedDuration::from_mins(2)).unwrap();
    // The same change is planned again, as an object that is really there.
    let again = newest(run.world(), DEV).expect("a plan");
    assert_eq!(again.id(), plan.id());
    assert_ne!(again.plan.metadata.uid, plan.plan.metadata.uid);
    assert_eq!(state(&mut run), "AwaitingApproval");
    approve(&mut run, &again);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!(state(&mut run), "UpToDate");
}

#[test]
fn a_plan_that_has_expired_under_a_suspended_stage_keeps_nobody_busy() {
    let short = Gate { plan_ttl: Some("10m".parse().unwrap()), ..Gate::default() };
    let (mut run, plan) = waiting_for(vec![Gates { stage: Some(short), ..Gates::default() }]);
    change_stage(&mut run, |stage| stage.spec.suspend = true);
    // It would not come to an end if each pass asked for the next at once.
    run.alone(SignedDuration::from_mins(30)).unwrap();
    assert_eq!(state(&mut run), "Suspended");
    assert!(newest(run.world(), DEV).expect("a plan").closed.is_none(), "{}", plan.name);
}

/// Somebody signs with the name of bob, where nothing keeps them from it.
fn forge(run: &mut Run, on: &ObjectKey, plan: &PlanView) {
    let id = plan.id().to_string();
    let note = Note {
        word: Word::Decides(Action::Approve),
        slot: "bob",
        id: &id,
        by: "bob",
        acks: &[],
        until: None,
    };
    assert!(run.world().write(Writer::Intruder, on, &note));
}

#[test]
fn a_forged_approval_does_not_count_where_the_news_of_the_policies_is_late() {
    let (mut run, plan) = waiting_for(two());
    run.world().turn_policies(false);
    // The watch of the policies is behind, that of the plan is not.
    run.world().cluster.views[0].policies_changed = false;
    forge(&mut run, &ObjectKey::Plan(plan.name.clone()), &plan);
    run.alone(SignedDuration::from_secs(30)).unwrap();
    run.world().turn_policies(true);
    run.alone(SignedDuration::from_mins(1)).unwrap();
    approve(&mut run, &plan);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!(state(&mut run), "AwaitingApproval");
}

#[test]
fn what_somebody_else_writes_into_the_ledger_opens_no_gate() {
    let (mut run, plan) = waiting_for(two());
    let entry = |seq: usize, by: &str| {
        serde_json::from_value::<LedgerEntry>(serde_json::json!({
            "seq": seq, "time": plan.opened_time.to_string(), "decided": { "action": "Approve", "by": by,
                "identity": "Verified", "source": "ChangePlan", "slot": by, "acks": RiskClass::ALL } }))
        .unwrap()
    };
    let next = plan.plan.spec.ledger.len();
    let forged = [entry(next, "alice"), entry(next + 1, "bob")];
    let version = plan.resource_version();
    run.world().cluster.append(&plan.name, &version, &forged, true).unwrap();
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!(state(&mut run), "AwaitingApproval");
}

#[test]
fn a_status_that_somebody_falsifies_is_derived_anew() {
    let (mut run, plan) = waiting();
    let before = status(&mut run);
    change_stage(&mut run, |stage| {
        let status = stage.status.as_mut().expect("a status");
        (status.state, status.pending) = (Some("UpToDate".to_owned()), None);
        status.conditions.clear();
    });
    let mut forged = newest(run.world(), DEV).expect("a plan").plan;
    Arc::make_mut(&mut forged).status = None;
    run.world().cluster.put(Object::Plan(forged));
    run.alone(SignedDuration::from_mins(5)).unwrap();
    let after = status(&mut run);
    assert_eq!((after.state, after.pending), (before.state, before.pending));
    assert_eq!(after.conditions.len(), before.conditions.len());
    let shown = run.world().cluster.plan(&plan.name).and_then(|p| p.status.clone()).expect("a status");
    assert_eq!(shown.state.as_deref(), Some("AwaitingApproval"));
}

#[test]
fn a_forged_approval_does_not_count_where_the_news_of_the_stage_is_late() {
    let (mut run, plan) = waiting_for(two());
    let on = ObjectKey::Stage(DEV.to_owned());
    run.world().turn_policies(false);
    forge(&mut run, &on, &plan);
    run.world().wipe(Writer::Intruder, &on);
    run.world().turn_policies(true);
    // A controller looks what was annotated before: it is not there any more. Its own watch of the Stage shows it later.
    let late = run.world().cluster.views[0].late.remove(&on).expect("events");
    run.alone(SignedDuration::from_secs(30)).unwrap();
    run.world().cluster.views[0].late.insert(on.clone(), late.into_iter().take(1).collect());
    run.alone(SignedDuration::from_secs(30)).unwrap();
    approve(&mut run, &plan);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!(state(&mut run), "AwaitingApproval");
}

#[test]
fn what_is_claimed_does_not_run_where_the_policies_are_gone_and_cannot_be_read() {
    let (mut run, plan) = waiting_for(Vec::new());
    approve(&mut run, &plan);
    until_claimed(&mut run, &plan);
    run.world().policies.readable = false;
    run.world().turn_policies(false);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert!(run.world().cloud.stacks.values().all(|s| s.deployed.is_none()));
}

#[test]
fn the_id_of_a_release_is_known_before_it_is_planned_and_approves_it_then() {
    let mut run = Run::new(&first_release(2));
    run.world().source.push(Arc::clone(&RELEASES[0]));
    run.alone(SignedDuration::from_mins(2)).unwrap();
    let waiting = status_of(&mut run, "test");
    assert_eq!(waiting.state.as_deref(), Some("AwaitingUpstream"));
    assert_eq!(waiting.pending, None);
    let coming = waiting.coming.expect("a release that comes");
    assert_eq!(coming.digest, RELEASES[0].release());
    let id = coming.a1.expect("its id").to_string();
    let note = Note {
        word: Word::Decides(Action::Approve),
        slot: "",
        id: &id,
        by: "alice",
        acks: &RiskClass::ALL,
        until: None,
    };
    let on = ObjectKey::Stage("test".to_owned());
    assert!(run.world().write(Writer::Person("alice"), &on, &note));
    let dev = newest(run.world(), DEV).expect("a plan");
    approve(&mut run, &dev);
    run.alone(SignedDuration::from_mins(10)).unwrap();
    let deployed = status_of(&mut run, "test");
    assert_eq!((deployed.state.as_deref(), deployed.coming), (Some("UpToDate"), None));
    let plan = newest(run.world(), "test").expect("a plan");
    assert_eq!(plan.proposal().a1.as_ref().map(ToString::to_string), Some(id));
}

fn recreated(plan: &PlanView) -> usize {
    plan.proposal().stacks.iter().filter(|s| s.plan == PlannedAs::Recreated).count()
}

#[test]
fn a_creation_that_was_rolled_back_is_made_anew_on_request() {
    let (mut run, first) = rolled_back();
    sign(&mut run, &first, Action::Retry, "");
    run.alone(SignedDuration::from_mins(5)).unwrap();
    // What was approved is the same: a new stack with this template.
    assert_eq!(state(&mut run), "UpToDate");
    let second = newest(run.world(), DEV).expect("a plan");
    assert_eq!(recreated(&second), 1);
    assert_ne!(first.id(), second.id());
}

#[test]
fn another_release_replaces_what_was_rolled_back_once_that_is_approved() {
    let (mut run, _) = rolled_back();
    run.world().source.push(Arc::clone(&RELEASES[3]));
    run.alone(SignedDuration::from_mins(10)).unwrap();
    assert_eq!(state(&mut run), "AwaitingApproval");
    let second = newest(run.world(), DEV).expect("a plan");
    assert_eq!(recreated(&second), 1);
    assert!(run.world().cloud.stacks.values().any(|s| s.status == StackStatus::RollbackComplete));
    approve(&mut run, &second);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!(state(&mut run), "UpToDate");
}

/// What is tried again is another change, or counts as one: it is planned, and runs once somebody approves it.
fn a_retry_waits_for_an_approval(mut run: Run, first: &PlanView) {
    sign(&mut run, first, Action::Retry, "");
    run.alone(SignedDuration::from_mins(10)).unwrap();
    assert_eq!(state(&mut run), "AwaitingApproval");
    let again = newest(run.world(), DEV).expect("a plan");
    approve(&mut run, &again);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!(state(&mut run), "UpToDate");
}

#[test]
fn a_retry_carries_no_approval_over_to_other_values() {
    let (mut run, first) = rolled_back();
    let key = first.proposal().stacks.first().expect("a stack").key();
    run.world().change_outside(&key);
    a_retry_waits_for_an_approval(run, &first);
}

#[test]
fn a_retry_carries_no_approval_over_to_what_others_have_deleted_since() {
    let (mut run, first) = waiting();
    let [store, api] = [0, 1].map(|n| first.proposal().stacks[n].key());
    approve(&mut run, &first);
    let is_made = |run: &mut Run| run.world().cloud.stacks.get(&store).is_some_and(|s| s.deployed.is_some());
    while !is_made(&mut run) {
        run.alone(SignedDuration::from_millis(1)).unwrap();
    }
    run.world().luck.weather.fails = 1000;
    run.alone(SignedDuration::from_mins(5)).unwrap();
    run.world().luck.weather.fails = 0;
    assert_eq!(state(&mut run), "RolledBack");
    assert!(run.world().cloud.stacks[&api].deployed.is_none());
    run.world().delete_by_hand(&store);
    // It would be the same change again; but whoever deleted it had a reason that nobody has read yet.
    a_retry_waits_for_an_approval(run, &first);
}

#[test]
fn an_override_is_spent_with_what_it_let_run() {
    let (mut run, first) = waiting_for(two());
    run.world().luck.weather.fails = 1000;
    approve(&mut run, &first);
    sign(&mut run, &first, Action::Override, "");
    run.alone(SignedDuration::from_mins(5)).unwrap();
    run.world().luck.weather.fails = 0;
    assert_eq!(state(&mut run), "RolledBack");
    sign(&mut run, &first, Action::Retry, "");
    run.alone(SignedDuration::from_mins(10)).unwrap();
    // Her approval goes over, and is one of two again.
    assert_eq!(state(&mut run), "AwaitingApproval");
    let again = newest(run.world(), DEV).expect("a plan");
    let carried: Vec<Action> = again.decisions.iter().map(|r| r.decided.action).collect();
    assert_eq!(carried, [Action::Approve]);
}

#[test]
fn going_forward_again_is_no_roll_back() {
    let (mut run, first) = deployed();
    let deploy = |run: &mut Run, place: usize| {
        run.world().source.push(Arc::clone(&RELEASES[place]));
        run.alone(SignedDuration::from_mins(10)).unwrap();
        let plan = newest(run.world(), DEV).expect("a plan");
        approve(run, &plan);
        run.alone(SignedDuration::from_mins(5)).unwrap();
        assert_eq!(state(run), "UpToDate");
        plan.proposal().operation
    };
    assert_eq!(first.proposal().operation, Operation::Deploy);
    assert_eq!(deploy(&mut run, 3), Operation::Deploy);
    assert_eq!(deploy(&mut run, 0), Operation::Rollback);
    assert_eq!(deploy(&mut run, 3), Operation::Deploy);
}
