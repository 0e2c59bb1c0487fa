//! A stack that imports from one which is not there yet: it is approved by its template, and its change set is made when its turn comes.

use jiff::SignedDuration;
use stackgate_core::{
    api::{Action, PlannedAs, RiskClass},
    gate::PlanView,
    stack::Change,
    words::StackKey,
};
use stackgate_sim::{people::newest, run::Run};

use crate::story::*;

/// A first release that is approved, up to the moment in which the change set of its deferred stack is being made.
fn making() -> (Run, PlanView, StackKey) {
    let (mut run, plan) = waiting();
    let deferred =
        plan.proposal().stacks.iter().find(|s| s.plan == PlannedAs::Deferred).expect("a stack").key();
    approve(&mut run, &plan);
    let is_made = |run: &mut Run| run.world().cloud.stacks.get(&deferred).is_some_and(|s| !s.sets.is_empty());
    while !is_made(&mut run) {
        run.alone(SignedDuration::from_millis(100)).unwrap();
    }
    (run, plan, deferred)
}

/// What the change set shows besides what its template says.
fn shows(run: &mut Run, stack: &StackKey, change: impl FnOnce(Change) -> Change) {
    let stack = run.world().cloud.stacks.get_mut(stack).expect("a stack");
    let changes = &mut stack.sets.last_mut().expect("a change set").changes;
    let one = changes.first().cloned().expect("a change");
    changes.push(change(one));
}

/// Why what is left of a plan does not run.
fn why_closed(run: &mut Run, plan: &PlanView) -> String {
    let there = run.world().cluster.plan(&plan.name).expect("the plan");
    PlanView::new(there).and_then(|p| p.closed).expect("a plan that is closed").message
}

fn is_deployed(run: &mut Run, stack: &StackKey) -> bool {
    run.world().cloud.stacks.get(stack).is_some_and(|s| s.deployed.is_some())
}

#[test]
fn what_shows_what_its_template_says_goes_on_with_the_approval_that_there_is() {
    let (mut run, plan, deferred) = making();
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!(state(&mut run), "UpToDate");
    assert!(is_deployed(&mut run, &deferred));
    assert_eq!(newest(run.world(), DEV).expect("a plan").id(), plan.id());
}

#[test]
fn what_shows_more_than_was_approved_waits_again_and_what_ran_has_run() {
    let (mut run, plan, deferred) = making();
    shows(&mut run, &deferred, |c| Change { logical_id: "Smuggled".to_owned(), ..c });
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!(state(&mut run), "AwaitingApproval");
    let first = plan.proposal().stacks.iter().find(|s| s.plan != PlannedAs::Deferred).expect("a stack").key();
    assert!(is_deployed(&mut run, &first) && !is_deployed(&mut run, &deferred));
    let again = newest(run.world(), DEV).expect("a plan");
    assert_ne!(again.id(), plan.id());
    let why = why_closed(&mut run, &plan);
    assert!(why.contains("shows more than its template: Add of Smuggled"), "{why}");
    // Who approves what it shows now lets that run, and nothing else.
    sign_with(&mut run, &again, Action::Approve, "", &RiskClass::ALL);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!(state(&mut run), "UpToDate");
    assert!(is_deployed(&mut run, &deferred));
}

#[test]
fn what_comes_with_a_warning_waits_again_and_the_plan_says_which() {
    let (mut run, plan, deferred) = making();
    let stack = run.world().cloud.stacks.get_mut(&deferred).expect("a stack");
    let content = &mut stack.sets.last_mut().expect("a change set").content;
    content.warnings.push("hook Shop::Net::Check (WARN): open to the world".to_owned());
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!(state(&mut run), "AwaitingApproval");
    assert!(!is_deployed(&mut run, &deferred));
    let why = why_closed(&mut run, &plan);
    assert!(why.contains("comes with a warning: hook Shop::Net::Check (WARN): open to the world"), "{why}");
    assert_ne!(newest(run.world(), DEV).expect("a plan").id(), plan.id());
}

#[test]
fn what_imports_from_a_stack_that_is_as_wanted_and_exports_nothing_is_deferred_once() {
    let (mut run, plan, deferred) = making();
    let first = plan.proposal().stacks.iter().find(|s| s.plan != PlannedAs::Deferred).expect("a stack").key();
    run.world().cloud.stacks.get_mut(&first).expect("a stack").withholds = true;
    shows(&mut run, &deferred, |c| Change { logical_id: "Smuggled".to_owned(), ..c });
    run.alone(SignedDuration::from_mins(5)).unwrap();
    let again = newest(run.world(), DEV).expect("a plan");
    let planned = again.proposal().stacks.iter().find(|s| s.key() == deferred).expect("the stack").plan;
    assert_eq!(planned, PlannedAs::Prepared);
    sign_with(&mut run, &again, Action::Approve, "", &RiskClass::ALL);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!(state(&mut run), "UpToDate");
    assert!(is_deployed(&mut run, &deferred));
}
