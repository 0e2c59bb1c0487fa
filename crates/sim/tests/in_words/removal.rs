//! Stacks that nobody wants any more.

use std::sync::Arc;

use jiff::SignedDuration;
use stackgate_core::{
    api::{Action, Gate, Leftover, Operation, PlannedAs, RequireApproval, RiskClass},
    gate::PlanView,
    words::StackKey,
};
use stackgate_sim::{
    bundle::LEANER,
    people::newest,
    run::Run,
    world::{
        ObjectKey,
        said::{Note, Word, Writer},
    },
};

use crate::story::*;

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
