//! What is approved while a plan is over: nothing that has come back runs by it.

use std::sync::Arc;

use jiff::SignedDuration;
use stackgate_core::{
    api::{Action, RiskClass},
    gate::PlanView,
};
use stackgate_sim::{
    bundle::RELEASES,
    people::newest,
    run::Run,
    world::{
        ObjectKey,
        said::{Note, Word, Writer},
    },
};

use super::{
    adoption::{adopt, deployed_by_others},
    rollout::freeze,
    story::*,
};

fn minutes(run: &mut Run, n: i64) {
    run.alone(SignedDuration::from_mins(n)).unwrap();
}

fn release(run: &mut Run, place: usize) -> PlanView {
    run.world().source.push(Arc::clone(&RELEASES[place]));
    minutes(run, 5);
    newest(run.world(), DEV).expect("a plan")
}

/// The first release waits, makes way for another one, and comes back; in between something is said.
fn back(between: impl Fn(&mut Run, &PlanView)) -> (Run, PlanView) {
    let (mut run, first) = waiting();
    let other = release(&mut run, 3);
    assert_ne!(other.id(), first.id());
    between(&mut run, &first);
    minutes(&mut run, 5);
    let again = release(&mut run, 0);
    assert_eq!(again.id(), first.id());
    (run, again)
}

fn approve_release(run: &mut Run, plan: &PlanView, slot: &str) {
    let a1 = plan.proposal().a1.as_ref().expect("an id").to_string();
    let word = Word::Decides(Action::Approve);
    let note = Note { word, slot, id: &a1, by: "alice", acks: &RiskClass::ALL, until: None };
    assert!(run.world().write(Writer::Person("alice"), &ObjectKey::Stage(DEV.to_owned()), &note));
}

#[test]
fn a_plan_that_was_approved_while_it_was_closed_waits_until_somebody_signs_again() {
    let (mut run, again) = back(approve);
    assert_eq!(state(&mut run), "AwaitingApproval");
    sign(&mut run, &again, Action::Approve, "again");
    minutes(&mut run, 5);
    assert_eq!(state(&mut run), "UpToDate");
}

#[test]
fn what_was_approved_before_it_made_way_counts_on() {
    let (mut run, first) = waiting_for(two());
    approve(&mut run, &first);
    minutes(&mut run, 2);
    let other = release(&mut run, 3);
    assert_ne!(other.id(), first.id());
    let again = release(&mut run, 0);
    assert_eq!(again.id(), first.id());
    approve_as(&mut run, &again, "bob");
    minutes(&mut run, 5);
    assert_eq!(state(&mut run), "UpToDate");
}

/// A release is approved for what becomes of it: its time runs from then.
#[test]
fn a_release_that_is_approved_while_its_plan_is_closed_runs_when_it_comes_back_and_not_a_day_later() {
    let (mut run, _) = back(|run, first| approve_release(run, first, "early"));
    assert_eq!(state(&mut run), "UpToDate");
    let (mut run, _) = back(|run, first| {
        approve_release(run, first, "early");
        minutes(run, 24 * 60);
    });
    assert_eq!(state(&mut run), "AwaitingApproval");
}

/// What came during a run is no word on what becomes of it; who deletes what it has left does not ask for another one.
#[test]
fn an_approval_during_a_run_that_fails_starts_no_other_one() {
    let (mut run, first) = waiting();
    run.world().luck.weather.fails = 1000;
    approve(&mut run, &first);
    until_claimed(&mut run, &first);
    approve_as(&mut run, &first, "bob");
    minutes(&mut run, 5);
    run.world().luck.weather.fails = 0;
    assert_eq!(state(&mut run), "RolledBack");
    let left: Vec<_> =
        run.world().cloud.stacks.keys().filter(|k| k.name.to_string().starts_with("Dev-")).cloned().collect();
    left.iter().for_each(|key| run.world().delete_by_hand(key));
    minutes(&mut run, 10);
    assert_eq!(state(&mut run), "AwaitingApproval");
}

/// A plan that somebody deletes takes with it what its ledger said; what still stands on the Stage approves nothing.
#[test]
fn a_plan_that_was_deleted_comes_back_and_is_approved_by_nothing_that_stands_there() {
    let (mut run, first) = waiting_for(two());
    let id = first.id().to_string();
    let word = Word::Decides(Action::Approve);
    let note = Note { word, slot: "git", id: &id, by: "alice", acks: &RiskClass::ALL, until: None };
    assert!(run.world().write(Writer::Person("alice"), &ObjectKey::Stage(DEV.to_owned()), &note));
    minutes(&mut run, 2);
    run.world().cluster.delete(&ObjectKey::Plan(first.name.clone()));
    minutes(&mut run, 5);
    let again = newest(run.world(), DEV).expect("a plan");
    assert_eq!(again.id(), first.id());
    approve_as(&mut run, &again, "bob");
    minutes(&mut run, 5);
    assert_eq!(state(&mut run), "AwaitingApproval");
    // Nor once it has made way, and come back.
    release(&mut run, 3);
    let again = release(&mut run, 0);
    assert_eq!(again.id(), first.id());
    assert_eq!(state(&mut run), "AwaitingApproval");
    approve_as(&mut run, &again, "carol");
    minutes(&mut run, 5);
    assert_eq!(state(&mut run), "UpToDate");
}

/// Who approves what is rejected does so for nothing, also where that is planned anew, by another id, much later.
#[test]
fn a_release_that_is_approved_while_its_last_plan_is_rejected_waits_when_it_is_planned_anew() {
    let (mut run, _) = deployed();
    let other = release(&mut run, 3);
    sign(&mut run, &other, Action::Reject, "");
    minutes(&mut run, 5);
    assert_eq!(state(&mut run), "Rejected");
    approve_release(&mut run, &other, "late");
    minutes(&mut run, 60);
    let stack = run
        .world()
        .cloud
        .stacks
        .keys()
        .find(|k| k.name.to_string().starts_with("Dev-"))
        .cloned()
        .expect("a stack");
    run.world().update_by_hand(&stack);
    minutes(&mut run, 30);
    let again = newest(run.world(), DEV).expect("a plan");
    assert_ne!(again.id(), other.id());
    assert_eq!(state(&mut run), "AwaitingApproval");
    approve_release(&mut run, &other, "anew");
    minutes(&mut run, 10);
    assert_eq!(state(&mut run), "UpToDate");
}

/// It waited, made way, ran as another plan with what was approved of the release, and comes back once somebody has deleted all.
#[test]
fn an_approval_of_a_release_counts_for_one_execution_also_where_an_earlier_plan_keeps_a_copy() {
    let (mut run, first) = waiting();
    let frozen = freeze(&mut run);
    approve_release(&mut run, &first, "once");
    minutes(&mut run, 2);
    let other = release(&mut run, 3);
    run.world().cluster.delete(&frozen);
    sign_with(&mut run, &other, Action::Approve, "", &RiskClass::ALL);
    minutes(&mut run, 5);
    assert_eq!(state(&mut run), "UpToDate");
    let back = release(&mut run, 0);
    assert_ne!(back.id(), first.id());
    minutes(&mut run, 5);
    assert_eq!(state(&mut run), "UpToDate", "she has approved the release");
    let all = run.world().cloud.stacks.keys().cloned();
    let mut all: Vec<_> = all.filter(|k| k.name.to_string().starts_with("Dev-")).collect();
    // What imports goes first.
    for _ in 0..all.len() {
        all.iter().for_each(|key| run.world().delete_by_hand(key));
        minutes(&mut run, 1);
        all.retain(|key| run.world().cloud.stacks.contains_key(key));
    }
    minutes(&mut run, 30);
    assert_eq!(newest(run.world(), DEV).expect("a plan").id(), first.id());
    assert_eq!(state(&mut run), "AwaitingApproval");
}

#[test]
fn what_takes_over_and_was_approved_while_it_was_closed_does_so_when_it_comes_back() {
    let mut run = deployed_by_others();
    adopt(&mut run);
    let first = newest(run.world(), DEV).expect("a plan");
    let other = release(&mut run, 3);
    assert_ne!(other.id(), first.id());
    approve_release(&mut run, &first, "adopt");
    minutes(&mut run, 2);
    assert_eq!(release(&mut run, 0).id(), first.id());
    assert_eq!(state(&mut run), "UpToDate");
}
