//! Changes of toolkit stacks that come back, run out, or are brought to nothing again and again: no approval outlives its change, and no
//! ledger fills by itself.

use jiff::SignedDuration;
use stackgate_core::{
    api::{Action, RiskClass},
    change::Hidden,
    stack::{ExecutionStatus, StackStatus},
};
use stackgate_sim::{
    run::{Run, Setting},
    scenario::first_release,
};

use super::{
    rollout::{freeze, midway, select, toolkit_of, until_all_are_claimed},
    toolkits::*,
};
use crate::story::sign_with;

fn delete(run: &mut Run, name: &str) {
    let key = toolkit_of(run, name);
    run.world().delete_by_hand(&key);
}

fn entries(run: &mut Run) -> usize {
    plans(run).iter().map(|p| p.plan.spec.ledger.len()).sum()
}

/// A change that was planned while the stack was there, and comes back once somebody has deleted it: it is another one.
#[test]
fn a_change_comes_back_as_another_one_where_a_stack_is_made_anew_by_it() {
    let mut run = bootstrapped();
    select(&mut run, &["dev", "test"]);
    waves(&mut run);
    run.world().luck.weather.fails = 1000;
    trust_approved(&mut run, &["222222222222"]);
    minutes(&mut run, 10);
    run.world().luck.weather.fails = 0;
    assert_eq!(state(&mut run), "RolledBack");
    trust(&mut run, &["333333333333"]);
    minutes(&mut run, 5);
    let first = newest(&mut run);
    trust(&mut run, &["222222222222"]);
    minutes(&mut run, 5);
    delete(&mut run, "dev");
    let again = newest(&mut run);
    sign_with(&mut run, &again, Action::Approve, "again", &RiskClass::ALL);
    minutes(&mut run, 10);
    assert_eq!(state(&mut run), "StackNotOurs");
    trust(&mut run, &["333333333333"]);
    minutes(&mut run, 5);
    assert_eq!(state(&mut run), "AwaitingApproval");
    assert_ne!(newest(&mut run).id(), first.id());
    let before = entries(&mut run);
    minutes(&mut run, 30);
    assert_eq!(entries(&mut run), before, "nothing is written while it waits");
    approve(&mut run);
    minutes(&mut run, 90);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "333333333333")), ("Bootstrapped", 2));
}

/// What nobody has approved for months, in an account that comes back.
fn is_asked_about(run: &mut Run, names: &[&str], trusted: &str, changed: usize) {
    minutes(run, 10);
    assert_eq!((state(run).as_str(), trusting(run, trusted)), ("Bootstrapped", changed));
    minutes(run, 6000);
    select(run, names);
    minutes(run, 30);
    assert_eq!((state(run).as_str(), trusting(run, trusted)), ("AwaitingApproval", changed));
}

/// Somebody has deleted the stack of one account before a change came to it; another change waits, and tells of that.
fn another_change_where_a_stack_is_lost() -> Run {
    let mut run = bootstrapped();
    trust(&mut run, &["222222222222"]);
    minutes(&mut run, 5);
    delete(&mut run, "prod");
    approve(&mut run);
    minutes(&mut run, 10);
    assert_eq!(state(&mut run), "StackNotOurs");
    trust(&mut run, &["333333333333"]);
    minutes(&mut run, 5);
    run
}

#[test]
fn an_approval_of_a_stack_that_was_to_be_made_anew_runs_out_when_its_account_leaves() {
    let mut run = another_change_where_a_stack_is_lost();
    let frozen = freeze(&mut run);
    approve(&mut run);
    minutes(&mut run, 1);
    select(&mut run, &["dev", "test"]);
    minutes(&mut run, 1);
    run.world().cluster.delete(&frozen);
    is_asked_about(&mut run, &["dev", "test", "prod"], "333333333333", 2);
}

#[test]
fn an_approval_that_only_new_accounts_were_left_for_runs_out() {
    let mut run = Run::new(&Setting { ..first_release(3) });
    run.world().toolkits = true;
    select(&mut run, &["dev", "test"]);
    trust(&mut run, &["111111111111"]);
    minutes(&mut run, 10);
    trust(&mut run, &["222222222222"]);
    minutes(&mut run, 5);
    let frozen = freeze(&mut run);
    approve(&mut run);
    minutes(&mut run, 1);
    select(&mut run, &["prod"]);
    minutes(&mut run, 1);
    run.world().cluster.delete(&frozen);
    is_asked_about(&mut run, &["dev", "test", "prod"], "222222222222", 1);
}

/// Somebody has given the first of two waves by hand what is to come; then that is approved.
fn given_by_hand_and_approved() -> Run {
    let mut run = bootstrapped();
    select(&mut run, &["dev", "test"]);
    waves(&mut run);
    let key = toolkit_of(&mut run, "dev");
    trust(&mut run, &["222222222222"]);
    minutes(&mut run, 5);
    let stack = run.world().cloud.stacks.get_mut(&key).expect("the stack");
    let deployed = stack.deployed.as_mut().expect("what it holds");
    deployed.given.insert("TrustedAccounts".to_owned(), Hidden::new("222222222222"));
    approve(&mut run);
    run
}

#[test]
fn a_wave_in_which_nothing_differs_is_not_the_end_of_the_plan() {
    let mut run = given_by_hand_and_approved();
    minutes(&mut run, 30);
    assert_eq!((plan_state(&mut run).as_str(), trusting(&mut run, "222222222222")), ("Executing", 1));
    minutes(&mut run, 90);
    assert_eq!((plan_state(&mut run).as_str(), trusting(&mut run, "222222222222")), ("Succeeded", 2));
}

/// The other account leaves: nobody is asked for the same again and again.
#[test]
fn a_stack_in_which_nothing_differs_holds_what_was_approved() {
    let mut run = given_by_hand_and_approved();
    minutes(&mut run, 5);
    select(&mut run, &["dev"]);
    is_asked_about(&mut run, &["dev", "test"], "222222222222", 1);
}

/// Somebody in one account deletes each change set as soon as it is claimed.
#[test]
fn one_account_does_not_fill_the_ledger_of_all() {
    let mut run = bootstrapped();
    let key = toolkit_of(&mut run, "prod");
    trust_approved(&mut run, &["222222222222"]);
    let tries = |run: &mut Run| {
        let entries = newest(run).plan.spec.ledger.clone();
        let claims = entries.iter().filter_map(|e| e.claimed.as_ref());
        claims.filter(|c| c.stacks.iter().any(|s| s.key() == key)).count()
    };
    for (already, quiet) in [0, 0, 59, 119, 239, 479].into_iter().enumerate() {
        run.alone(SignedDuration::from_secs(quiet)).unwrap();
        assert_eq!(tries(&mut run), already, "it is not tried again within {quiet} s");
        while tries(&mut run) == already {
            run.alone(SignedDuration::from_millis(1)).unwrap();
        }
        let stack = run.world().cloud.stacks.get_mut(&key).expect("the stack");
        stack.sets.retain(|s| s.execution != ExecutionStatus::Available);
    }
    assert_eq!(trusting(&mut run, "222222222222"), 2, "the others are not held up");
    minutes(&mut run, 30);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "222222222222")), ("Bootstrapped", 3));
}

/// One that was to be made anew, and failed, is not made months later by the approval of then.
#[test]
fn an_approval_of_a_stack_whose_making_failed_runs_out_when_its_account_leaves() {
    let mut run = bootstrapped();
    trust(&mut run, &["222222222222"]);
    minutes(&mut run, 5);
    delete(&mut run, "prod");
    approve(&mut run);
    minutes(&mut run, 10);
    assert_eq!(state(&mut run), "StackNotOurs");
    // The others get it, so that only this one is to be made anew.
    select(&mut run, &["dev", "test"]);
    trust(&mut run, &["333333333333"]);
    minutes(&mut run, 5);
    approve(&mut run);
    minutes(&mut run, 10);
    select(&mut run, &["dev", "test", "prod"]);
    minutes(&mut run, 5);
    approve(&mut run);
    until_claimed(&mut run);
    run.world().luck.weather.fails = 1000;
    minutes(&mut run, 10);
    run.world().luck.weather.fails = 0;
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "333333333333")), ("RolledBack", 2));
    select(&mut run, &["dev", "test"]);
    minutes(&mut run, 10);
    assert_eq!(state(&mut run), "Bootstrapped");
    minutes(&mut run, 6000);
    let left = run.world().cloud.stacks.iter().find(|(_, s)| s.status == StackStatus::RollbackComplete);
    let left = left.map(|(key, _)| key.clone()).expect("what is left of it");
    run.world().delete_by_hand(&left);
    select(&mut run, &["dev", "test", "prod"]);
    minutes(&mut run, 30);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "333333333333")), ("AwaitingApproval", 2));
}

#[test]
fn a_wave_that_comes_in_after_the_claims_ends_by_itself() {
    let mut run = bootstrapped();
    trust_approved(&mut run, &["222222222222"]);
    until_all_are_claimed(&mut run);
    waves(&mut run);
    minutes(&mut run, 30);
    assert_eq!(trusting(&mut run, "222222222222"), 1);
    let rows = status(&mut run).environments;
    assert!(
        rows.iter().any(|r| r.message.as_deref().is_some_and(|m| m.contains("to soak until"))),
        "{rows:?}"
    );
    minutes(&mut run, 40);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "222222222222")), ("Bootstrapped", 3));
}

#[test]
fn what_people_decide_is_recorded_whatever_the_spec_says() {
    let mut run = midway();
    select(&mut run, &["dev", "test", "prod", "nowhere"]);
    minutes(&mut run, 5);
    assert_eq!(state(&mut run), "InvalidSpec");
    let plan = newest(&mut run);
    sign_with(&mut run, &plan, Action::Reject, "", &[]);
    minutes(&mut run, 5);
    assert!(newest(&mut run).rejected().is_some());
}

/// Less trust is no danger; a stack that is made anew is.
#[test]
fn a_stack_that_is_made_anew_beside_a_harmless_change_carries_its_risk() {
    let mut run = bootstrapped();
    trust_approved(&mut run, &["111111111111", "222222222222"]);
    minutes(&mut run, 10);
    trust(&mut run, &["111111111111", "222222222222", "333333333333"]);
    minutes(&mut run, 5);
    delete(&mut run, "prod");
    approve(&mut run);
    until_claimed(&mut run);
    minutes(&mut run, 10);
    assert_eq!(state(&mut run), "StackNotOurs");
    trust(&mut run, &["111111111111"]);
    minutes(&mut run, 10);
    let plan = newest(&mut run);
    let changed = plan.proposal().changed.clone().expect("a change");
    assert_eq!((changed.environments.len(), changed.made_anew.len()), (2, 1));
    assert!(plan.risk_classes().contains(&RiskClass::Iam), "{:?}", plan.proposal().risks);
}

/// The content that is rejected lies in no change set that somebody could execute by hand.
#[test]
fn what_was_prepared_for_a_stack_that_is_made_anew_goes_with_a_reject() {
    let mut run = another_change_where_a_stack_is_lost();
    let mut anew = toolkits(&mut run).into_iter().next().expect("another one");
    anew.env.account = "333333333333".parse().unwrap();
    approve(&mut run);
    let is_prepared = |run: &mut Run| {
        run.world().cloud.stacks.get(&anew).is_some_and(|s| s.gone.is_none() && !s.sets.is_empty())
    };
    while !is_prepared(&mut run) {
        run.alone(SignedDuration::from_millis(100)).unwrap();
    }
    let plan = newest(&mut run);
    assert!(!plan.claims.contains_key(&anew), "{:?}", plan.claims);
    sign_with(&mut run, &plan, Action::Reject, "", &[]);
    minutes(&mut run, 10);
    let left: Vec<_> = run.world().cloud.stacks.get(&anew).into_iter().flat_map(|s| s.sets.clone()).collect();
    assert!(left.iter().all(|set| set.execution != ExecutionStatus::Available), "{left:?}");
}
