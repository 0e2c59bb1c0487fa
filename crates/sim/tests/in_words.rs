//! Single situations, told one after the other: what went wrong once, and must not again.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "functions that every test calls"
)]

use std::{collections::BTreeMap, sync::Arc};

use jiff::SignedDuration;
use stackgate_core::{
    api::{
        Action, AdoptionPolicy, CloseReason, Gate, Leftover, Operation, PlannedAs, RequireApproval,
        RiskClass, Stage, StageStatus,
    },
    gate::PlanView,
    stack::StackStatus,
    words::StackKey,
};
use stackgate_sim::{
    bundle::{LEANER, RELEASES},
    people::newest,
    run::{Gates, Run, Setting},
    scenario::first_release,
    world::{
        Object, ObjectKey,
        said::{Note, Word, Writer},
    },
};

const DEV: &str = "dev";

/// One Stage and one release, in good weather; the Stage waits for an approval.
fn waiting() -> (Run, PlanView) {
    waiting_for(Vec::new())
}

fn sign(run: &mut Run, plan: &PlanView, action: Action, slot: &str) {
    let acks = [RiskClass::Replace, RiskClass::MaybeReplace, RiskClass::Delete];
    sign_with(run, plan, action, slot, &acks);
}

fn sign_with(run: &mut Run, plan: &PlanView, action: Action, slot: &str, acks: &[RiskClass]) {
    let id = plan.id().to_string();
    let note = Note { word: Word::Decides(action), slot, id: &id, by: "alice", acks, until: None };
    assert!(run.world().write(Writer::Person("alice"), &ObjectKey::Plan(plan.name.clone()), &note));
}

fn approve(run: &mut Run, plan: &PlanView) {
    sign(run, plan, Action::Approve, "");
}

fn change_stage(run: &mut Run, change: impl FnOnce(&mut Stage)) {
    let cluster = &mut run.world().cluster;
    match cluster.objects.0.get(&ObjectKey::Stage(DEV.to_owned())).cloned() {
        Some(Object::Stage(mut stage)) => {
            change(Arc::make_mut(&mut stage));
            cluster.put(Object::Stage(stage));
        }
        other => panic!("{other:?}"),
    }
}

fn status(run: &mut Run) -> StageStatus {
    status_of(run, DEV)
}

fn status_of(run: &mut Run, stage: &str) -> StageStatus {
    match run.world().cluster.objects.0.get(&ObjectKey::Stage(stage.to_owned())) {
        Some(Object::Stage(s)) => s.status.clone().expect("a status"),
        other => panic!("{other:?}"),
    }
}

fn state(run: &mut Run) -> String {
    status(run).state.expect("a state")
}

fn is_ready(run: &mut Run) -> bool {
    status(run).conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True")
}

fn deployed() -> (Run, PlanView) {
    let (mut run, plan) = waiting();
    approve(&mut run, &plan);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!(state(&mut run), "UpToDate");
    assert!(is_ready(&mut run));
    (run, plan)
}

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

/// Two people have to approve.
fn two() -> Vec<Gates> {
    vec![Gates { stage: Some(Gate { approvals: Some(2), ..Gate::default() }), ..Gates::default() }]
}

fn waiting_for(gates: Vec<Gates>) -> (Run, PlanView) {
    let mut run = Run::new(&Setting { gates, ..first_release(1) });
    run.world().source.push(Arc::clone(&RELEASES[0]));
    run.alone(SignedDuration::from_mins(2)).unwrap();
    let plan = newest(run.world(), DEV).expect("a plan");
    assert_eq!(state(&mut run), "AwaitingApproval");
    (run, plan)
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
    while run
        .world()
        .cluster
        .plan(&plan.name)
        .is_some_and(|p| p.spec.ledger.iter().all(|e| e.claimed.is_none()))
    {
        run.alone(SignedDuration::from_millis(1)).unwrap();
    }
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

/// A first release whose approved creation is rolled back.
fn rolled_back() -> (Run, PlanView) {
    let (mut run, plan) = waiting();
    run.world().luck.weather.fails = 1000;
    approve(&mut run, &plan);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    run.world().luck.weather.fails = 0;
    assert_eq!(state(&mut run), "RolledBack");
    assert!(run.world().cloud.stacks.values().any(|s| s.status == StackStatus::RollbackComplete));
    (run, plan)
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

/// The same stacks, of which nobody has a record: as if somebody had made them with the CDK CLI.
fn deployed_by_others() -> Run {
    let (mut run, _) = deployed();
    let plans: Vec<_> = run.world().cluster.plans().filter_map(|p| p.metadata.name.clone()).collect();
    for plan in plans {
        run.world().cluster.delete(&ObjectKey::Plan(plan));
    }
    run.world().cloud.stacks.values_mut().for_each(|s| s.ours = false);
    run.alone(SignedDuration::from_mins(2)).unwrap();
    assert_eq!(state(&mut run), "StackNotOurs");
    run
}

fn adopt(run: &mut Run) {
    change_stage(run, |stage| stage.spec.adoption_policy = Some(AdoptionPolicy::Unowned));
    run.alone(SignedDuration::from_mins(2)).unwrap();
    assert_eq!(state(run), "AwaitingApproval");
}

fn versions(run: &mut Run) -> BTreeMap<StackKey, u64> {
    run.world().cloud.versions.clone()
}

#[test]
fn stacks_that_others_made_are_taken_over_by_a_plan_that_says_so_and_nothing_is_made_again() {
    let mut run = deployed_by_others();
    let before = versions(&mut run);
    adopt(&mut run);
    let plan = newest(run.world(), DEV).expect("a plan");
    let proposal = plan.proposal();
    assert_eq!(proposal.operation, Operation::Adopt);
    assert!(proposal.stacks.iter().all(|s| s.adopted && s.plan == PlannedAs::Unchanged), "{proposal:?}");
    assert!(proposal.risks.iter().all(|r| r.class == RiskClass::Adopt));
    sign(&mut run, &plan, Action::Approve, "");
    run.alone(SignedDuration::from_mins(2)).unwrap();
    assert_eq!(state(&mut run), "AwaitingApproval", "nobody has acknowledged it");
    sign_with(&mut run, &plan, Action::Approve, "ack", &[RiskClass::Adopt]);
    run.alone(SignedDuration::from_mins(2)).unwrap();
    assert_eq!(state(&mut run), "UpToDate");
    assert!(is_ready(&mut run));
    assert_eq!(versions(&mut run), before);
    // From now on they are ours, whatever the policy says.
    change_stage(&mut run, |stage| stage.spec.adoption_policy = None);
    run.world().source.push(Arc::clone(&RELEASES[3]));
    run.alone(SignedDuration::from_mins(10)).unwrap();
    let next = newest(run.world(), DEV).expect("a plan");
    assert_eq!(next.proposal().operation, Operation::Deploy);
    approve(&mut run, &next);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!(state(&mut run), "UpToDate");
    assert_ne!(versions(&mut run), before);
}

#[test]
fn a_plan_that_takes_over_and_is_rejected_has_taken_over_nothing() {
    let mut run = deployed_by_others();
    adopt(&mut run);
    let plan = newest(run.world(), DEV).expect("a plan");
    sign(&mut run, &plan, Action::Reject, "");
    run.alone(SignedDuration::from_mins(2)).unwrap();
    assert_eq!(state(&mut run), "Rejected");
    let closed = newest(run.world(), DEV).expect("a plan");
    assert!(closed.owned_now().is_empty());
    run.world().source.push(Arc::clone(&RELEASES[3]));
    run.alone(SignedDuration::from_mins(10)).unwrap();
    let next = newest(run.world(), DEV).expect("a plan");
    assert_eq!(next.proposal().operation, Operation::Adopt);
    // Its change sets run as those of any other, once it is acknowledged.
    let all = &RiskClass::ALL;
    sign_with(&mut run, &next, Action::Approve, "", all);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!(state(&mut run), "UpToDate");
}

#[test]
fn a_retry_carries_no_approval_over_to_other_values() {
    let (mut run, first) = rolled_back();
    let key = first.proposal().stacks.first().expect("a stack").key();
    run.world().change_outside(&key);
    sign(&mut run, &first, Action::Retry, "");
    run.alone(SignedDuration::from_mins(10)).unwrap();
    assert_eq!(state(&mut run), "AwaitingApproval");
    let again = newest(run.world(), DEV).expect("a plan");
    approve(&mut run, &again);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!(state(&mut run), "UpToDate");
}

#[test]
fn nothing_is_taken_over_after_the_policy_was_taken_back_however_it_is_approved() {
    let mut run = deployed_by_others();
    adopt(&mut run);
    let plan = newest(run.world(), DEV).expect("a plan");
    change_stage(&mut run, |stage| stage.spec.adoption_policy = None);
    // The news of it comes late.
    let on = ObjectKey::Stage(DEV.to_owned());
    let late = run.world().cluster.views[0].late.remove(&on);
    sign_with(&mut run, &plan, Action::Approve, "", &RiskClass::ALL);
    run.alone(SignedDuration::from_mins(2)).unwrap();
    assert!(newest(run.world(), DEV).expect("a plan").owned_now().is_empty());
    if let Some(late) = late {
        run.world().cluster.views[0].late.insert(on, late);
    }
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!(state(&mut run), "StackNotOurs");
}

#[test]
fn what_others_made_is_taken_over_by_no_rule() {
    let mut run = deployed_by_others();
    change_stage(&mut run, |stage| {
        stage.spec.gate = Some(Gate { require_approval: Some(RequireApproval::Never), ..Gate::default() });
    });
    adopt(&mut run);
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

/// The second release of Dev, without its second stack: a plan that deletes that one.
fn leaner() -> (Run, PlanView) {
    let (mut run, _) = deployed();
    change_stage(&mut run, |stage| stage.spec.removed_stacks = Some(Leftover::Delete));
    run.world().source.push(Arc::clone(&LEANER));
    run.alone(SignedDuration::from_mins(10)).unwrap();
    assert_eq!(state(&mut run), "AwaitingApproval");
    let plan = newest(run.world(), DEV).expect("a plan");
    assert_eq!(plan.proposal().operation, Operation::Prune);
    (run, plan)
}

fn there(run: &mut Run) -> Vec<String> {
    run.world().cloud.stacks.keys().map(|k| k.name.to_string()).filter(|n| n.starts_with("Dev-")).collect()
}

#[test]
fn a_stack_that_the_release_has_no_longer_is_deleted_by_a_plan_that_says_so_after_the_others() {
    let (mut run, plan) = leaner();
    let risks = &plan.proposal().risks;
    assert!(risks.iter().any(|r| r.class == RiskClass::Delete && r.logical_id == "Function"), "{risks:?}");
    sign_with(&mut run, &plan, Action::Approve, "", &[]);
    run.alone(SignedDuration::from_mins(2)).unwrap();
    assert_eq!(
        (state(&mut run).as_str(), there(&mut run).len()),
        ("AwaitingApproval", 2),
        "nobody has acknowledged it"
    );
    sign_with(&mut run, &plan, Action::Approve, "ack", &RiskClass::ALL);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!((state(&mut run).as_str(), there(&mut run)), ("UpToDate", vec!["Dev-Store".to_owned()]));
    assert_eq!(newest(run.world(), DEV).expect("a plan").owned_now().len(), 1);
}

#[test]
fn a_stack_that_the_release_has_no_longer_is_retained_and_deleted_once_somebody_wants_that() {
    let (mut run, _) = deployed();
    run.world().source.push(Arc::clone(&LEANER));
    run.alone(SignedDuration::from_mins(10)).unwrap();
    let plan = newest(run.world(), DEV).expect("a plan");
    assert_eq!(plan.proposal().operation, Operation::Deploy);
    approve(&mut run, &plan);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!((state(&mut run).as_str(), there(&mut run).len()), ("UpToDate", 2));

    change_stage(&mut run, |stage| stage.spec.removed_stacks = Some(Leftover::Delete));
    run.alone(SignedDuration::from_mins(2)).unwrap();
    assert_eq!(state(&mut run), "AwaitingApproval");
    let prune = newest(run.world(), DEV).expect("a plan");
    assert!(prune.proposal().stacks.iter().any(|s| s.plan == PlannedAs::Removed));
    // Whoever changes their mind in time loses nothing.
    change_stage(&mut run, |stage| stage.spec.removed_stacks = None);
    run.alone(SignedDuration::from_mins(2)).unwrap();
    assert_eq!((state(&mut run).as_str(), there(&mut run).len()), ("UpToDate", 2));

    change_stage(&mut run, |stage| stage.spec.removed_stacks = Some(Leftover::Delete));
    run.alone(SignedDuration::from_mins(2)).unwrap();
    let prune = newest(run.world(), DEV).expect("a plan");
    sign_with(&mut run, &prune, Action::Approve, "late", &RiskClass::ALL);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!((state(&mut run).as_str(), there(&mut run).len()), ("UpToDate", 1));
}

#[test]
fn a_deletion_that_fails_is_told_and_tried_again_on_request() {
    let (mut run, plan) = leaner();
    run.world().cloud.keeps = true;
    sign_with(&mut run, &plan, Action::Approve, "", &RiskClass::ALL);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!((state(&mut run).as_str(), there(&mut run).len()), ("StackStuck", 2));
    let failed = newest(run.world(), DEV).expect("a plan");
    let why = failed.failed().next().and_then(|x| x.message.clone()).unwrap_or_default();
    assert!(why.contains("chosen to stay"), "{why}");
    run.world().cloud.keeps = false;
    sign(&mut run, &failed, Action::Retry, "");
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!((state(&mut run).as_str(), there(&mut run).len()), ("UpToDate", 1));
}

#[test]
fn a_stack_that_is_protected_is_not_deleted() {
    let (mut run, _) = deployed();
    let api = |k: &StackKey| k.name.as_str() == "Dev-Api";
    run.world().cloud.stacks.iter_mut().filter(|(k, _)| api(k)).for_each(|(_, s)| s.protected = true);
    change_stage(&mut run, |stage| stage.spec.removed_stacks = Some(Leftover::Delete));
    run.world().source.push(Arc::clone(&LEANER));
    run.alone(SignedDuration::from_mins(10)).unwrap();
    assert_eq!((state(&mut run).as_str(), there(&mut run).len()), ("StackStuck", 2));
}

fn delete_stage(run: &mut Run) {
    let now = run.world().now;
    change_stage(run, |stage| {
        let second = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now);
        stage.metadata.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(second));
    });
}

fn account_says(run: &mut Run, policy: Option<Leftover>) {
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

fn lets_go(run: &mut Run) -> bool {
    match run.world().cluster.objects.0.get(&ObjectKey::Stage(DEV.to_owned())) {
        Some(Object::Stage(stage)) => stage.metadata.finalizers.clone().unwrap_or_default().is_empty(),
        _ => true,
    }
}

#[test]
fn the_stacks_of_a_deleted_stage_go_with_it_where_it_and_its_account_say_so() {
    for (stage, account, left) in [
        (Some(Leftover::Delete), Some(Leftover::Delete), 0),
        (Some(Leftover::Delete), None, 2),
        (None, Some(Leftover::Delete), 2),
    ] {
        let (mut run, _) = deployed();
        account_says(&mut run, account);
        change_stage(&mut run, |s| s.spec.deletion_policy = stage);
        run.alone(SignedDuration::from_mins(1)).unwrap();
        delete_stage(&mut run);
        run.alone(SignedDuration::from_mins(5)).unwrap();
        assert_eq!((there(&mut run).len(), lets_go(&mut run)), (left, true), "{stage:?} {account:?}");
    }
}

#[test]
fn a_stage_that_cannot_delete_its_stacks_says_so_and_lets_go_when_it_is_told_to() {
    let (mut run, _) = deployed();
    account_says(&mut run, Some(Leftover::Delete));
    change_stage(&mut run, |s| s.spec.deletion_policy = Some(Leftover::Delete));
    run.world().cloud.keeps = true;
    delete_stage(&mut run);
    run.alone(SignedDuration::from_mins(15)).unwrap();
    assert_eq!(
        (state(&mut run).as_str(), there(&mut run).len(), lets_go(&mut run)),
        ("StackStuck", 2, false)
    );
    change_stage(&mut run, |s| s.spec.deletion_policy = None);
    run.alone(SignedDuration::from_mins(1)).unwrap();
    assert!(lets_go(&mut run));
}

#[test]
fn a_release_that_was_approved_beforehand_deletes_nothing_that_nobody_has_seen() {
    let (mut run, _) = deployed();
    let stage = ObjectKey::Stage(DEV.to_owned());
    let release = LEANER.release();
    run.world().source.push(Arc::clone(&LEANER));
    run.alone(SignedDuration::from_mins(10)).unwrap();
    let kept = newest(run.world(), DEV).expect("a plan");
    assert_eq!(kept.release.as_ref().map(|r| r.digest), Some(release));
    let a1 = kept.proposal().a1.as_ref().map(ToString::to_string).expect("an id");
    let word = Word::Decides(Action::Approve);
    let note = Note { word, slot: "early", id: &a1, by: "alice", acks: &RiskClass::ALL, until: None };
    change_stage(&mut run, |stage| stage.spec.removed_stacks = Some(Leftover::Delete));
    assert!(run.world().write(Writer::Person("alice"), &stage, &note));
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!((state(&mut run).as_str(), there(&mut run).len()), ("AwaitingApproval", 2));
    let prune = newest(run.world(), DEV).expect("a plan");
    assert_eq!(prune.proposal().operation, Operation::Prune);
}

#[test]
fn no_rule_deletes_a_stack() {
    let (mut run, _) = deployed();
    change_stage(&mut run, |stage| {
        stage.spec.gate = Some(Gate { require_approval: Some(RequireApproval::Never), ..Gate::default() });
        stage.spec.removed_stacks = Some(Leftover::Delete);
    });
    run.world().source.push(Arc::clone(&LEANER));
    run.alone(SignedDuration::from_mins(10)).unwrap();
    assert_eq!((state(&mut run).as_str(), there(&mut run).len()), ("AwaitingApproval", 2));
}

#[test]
fn a_stage_that_is_held_keeps_its_stacks_while_it_is_deleted() {
    let (mut run, _) = deployed();
    account_says(&mut run, Some(Leftover::Delete));
    change_stage(&mut run, |s| {
        s.spec.deletion_policy = Some(Leftover::Delete);
        s.spec.suspend = true;
    });
    delete_stage(&mut run);
    run.alone(SignedDuration::from_hours(3)).unwrap();
    assert_eq!((state(&mut run).as_str(), there(&mut run).len(), lets_go(&mut run)), ("Suspended", 2, false));
    change_stage(&mut run, |s| s.spec.suspend = false);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!((there(&mut run).len(), lets_go(&mut run)), (0, true));
}
