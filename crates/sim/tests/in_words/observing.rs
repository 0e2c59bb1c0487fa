//! A Stage that only shows what would happen.

use jiff::SignedDuration;
use stackgate_core::{
    api::{Action, AdoptionPolicy, CloseReason, Gate, Leftover, Operation, RiskClass, StageMode},
    gate::PlanView,
};
use stackgate_sim::{
    people::newest,
    run::{Gates, Run},
};

use crate::{adoption, story::*};

fn observe(run: &mut Run, is: bool) {
    change_stage(run, |stage| stage.spec.mode = is.then_some(StageMode::Observe));
}

fn is_up_to_date(run: &mut Run) -> bool {
    status(run).conditions.iter().any(|c| c.type_ == "UpToDate" && c.status == "True")
}

/// Whether no stack has ever been made.
fn is_untouched(run: &mut Run) -> bool {
    run.world().cloud.stacks.values().all(|s| s.deployed.is_none())
}

#[test]
fn what_is_approved_runs_once_the_stage_manages_and_not_before() {
    let (mut run, plan) = waiting();
    observe(&mut run, true);
    approve(&mut run, &plan);
    run.alone(SignedDuration::from_mins(10)).unwrap();
    assert_eq!(state(&mut run), "Observing");
    assert!(!is_up_to_date(&mut run) && is_untouched(&mut run));
    observe(&mut run, false);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!((state(&mut run).as_str(), there(&mut run).len()), ("UpToDate", 2));
}

#[test]
fn what_is_claimed_and_has_not_begun_does_not_begin_any_more() {
    let (mut run, plan) = waiting();
    approve(&mut run, &plan);
    until_claimed(&mut run, &plan);
    observe(&mut run, true);
    run.alone(SignedDuration::from_mins(10)).unwrap();
    assert_eq!(state(&mut run), "Observing");
    assert!(is_untouched(&mut run));
}

#[test]
fn stacks_of_others_are_compared_and_stay_theirs() {
    let mut run = adoption::deployed_by_others();
    observe(&mut run, true);
    change_stage(&mut run, |stage| stage.spec.adoption_policy = Some(AdoptionPolicy::Unowned));
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!(state(&mut run), "Observing");
    assert!(is_up_to_date(&mut run), "what is there is what the release says");
    let plan = newest(run.world(), DEV).expect("a plan");
    assert_eq!(plan.proposal().operation, Operation::Adopt);
    sign_with(&mut run, &plan, Action::Approve, "", &RiskClass::ALL);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert!(newest(run.world(), DEV).expect("a plan").owned_now().is_empty());
}

#[test]
fn what_is_shown_is_never_older_than_a_plan_may_be() {
    let short = Gate { plan_ttl: Some("10m".parse().unwrap()), ..Gate::default() };
    let (mut run, plan) = waiting_for(vec![Gates { stage: Some(short), ..Gates::default() }]);
    observe(&mut run, true);
    run.alone(SignedDuration::from_mins(15)).unwrap();
    let ledger = |plan: &PlanView| {
        let closed = |reason| {
            plan.plan
                .spec
                .ledger
                .iter()
                .filter(move |e| e.closed.as_ref().is_some_and(|c| c.reason == reason))
                .count()
        };
        (closed(CloseReason::Expired), plan.closed.is_none())
    };
    let again = newest(run.world(), DEV).expect("a plan");
    assert_eq!(again.id(), plan.id(), "the same would happen");
    assert_eq!((ledger(&again), state(&mut run).as_str()), ((1, true), "Observing"));
}

#[test]
fn its_stacks_stay_when_it_is_deleted() {
    let (mut run, _) = deployed();
    account_says(&mut run, Some(Leftover::Delete));
    change_stage(&mut run, |s| s.spec.deletion_policy = Some(Leftover::Delete));
    observe(&mut run, true);
    run.alone(SignedDuration::from_mins(1)).unwrap();
    delete_stage(&mut run);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!((there(&mut run).len(), lets_go(&mut run)), (2, true));
}
