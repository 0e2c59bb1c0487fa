//! A change of toolkit stacks that is under way while something else happens: to the gate, to accounts, to the stacks themselves.

use std::sync::Arc;

use jiff::SignedDuration;
use stackgate_core::{
    api::{Action, AwsAccount, CloseReason, MinimumGate, RiskClass},
    change::Hidden,
    stack::{ExecutionStatus, StackStatus},
    words::StackKey,
};
use stackgate_sim::{
    run::{Run, Setting},
    scenario::first_release,
    world::{
        Object, ObjectKey,
        said::{Note, Word, Writer},
    },
};

use super::toolkits::*;
use crate::story::sign_with;

fn change_account(run: &mut Run, name: &str, change: impl FnOnce(&mut AwsAccount)) {
    let cluster = &mut run.world().cluster;
    match cluster.objects.0.get(&ObjectKey::Account(name.to_owned())).cloned() {
        Some(Object::Account(mut account)) => {
            change(Arc::make_mut(&mut account));
            cluster.put(Object::Account(account));
        }
        other => panic!("{other:?}"),
    }
}

/// The toolkit stack in the account of that AwsAccount.
pub(super) fn toolkit_of(run: &mut Run, name: &str) -> StackKey {
    let account = match run.world().cluster.objects.0.get(&ObjectKey::Account(name.to_owned())) {
        Some(Object::Account(a)) => a.spec.account_id.clone(),
        other => panic!("{other:?}"),
    };
    toolkits(run).into_iter().find(|k| k.env.account == account).expect("its toolkit stack")
}

pub(super) fn select(run: &mut Run, names: &[&str]) {
    change(run, |b| b.spec.accounts.names = Some(names.iter().map(|n| (*n).to_owned()).collect()));
}

fn executable(run: &mut Run) -> usize {
    let stacks = run.world().cloud.stacks.values();
    stacks.flat_map(|s| &s.sets).filter(|s| s.execution == ExecutionStatus::Available).count()
}

/// The first of two waves has had an approved change, and soaks.
pub(super) fn midway() -> Run {
    let mut run = bootstrapped();
    waves(&mut run);
    trust_approved(&mut run, &["222222222222"]);
    minutes(&mut run, 30);
    run
}

/// Until the claims of all three stacks stand in the ledger.
pub(super) fn until_all_are_claimed(run: &mut Run) {
    while newest(run).claims.len() < 3 {
        run.alone(a_moment()).unwrap();
    }
}

/// Bob approves, too.
fn second_approval(run: &mut Run) {
    let plan = newest(run);
    let id = plan.id().to_string();
    let note = Note {
        word: Word::Decides(Action::Approve),
        slot: "bob",
        id: &id,
        by: "bob",
        acks: &RiskClass::ALL,
        until: None,
    };
    assert!(run.world().write(Writer::Person("bob"), &ObjectKey::Plan(plan.name.clone()), &note));
}

#[test]
fn a_gate_that_becomes_stricter_midway_is_asked_again() {
    let mut run = midway();
    let first = newest(&mut run);
    assert_eq!(trusting(&mut run, "222222222222"), 1);
    change_account(&mut run, "prod", |a| {
        let two = MinimumGate { approvals: Some(2), ..a.spec.minimum_gate.clone().unwrap_or_default() };
        a.spec.minimum_gate = Some(two);
    });
    minutes(&mut run, 90);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "222222222222")), ("AwaitingApproval", 1));
    let again = newest(&mut run);
    assert_eq!((again.id(), again.is_claimed(), executable(&mut run)), (first.id(), false, 0));
    sign_with(&mut run, &again, Action::Approve, "again", &RiskClass::ALL);
    minutes(&mut run, 10);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "222222222222")), ("AwaitingApproval", 1));
    second_approval(&mut run);
    minutes(&mut run, 90);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "222222222222")), ("Bootstrapped", 3));
    assert_eq!(plan_state(&mut run), "Succeeded");
}

#[test]
fn an_account_that_is_selected_no_more_before_its_stack_ran_leaves_nothing_behind() {
    let mut run = bootstrapped();
    trust_approved(&mut run, &["222222222222"]);
    until_all_are_claimed(&mut run);
    select(&mut run, &["dev", "test"]);
    minutes(&mut run, 10);
    assert_eq!((state(&mut run).as_str(), executable(&mut run)), ("AwaitingApproval", 0));
    let plan = newest(&mut run);
    sign_with(&mut run, &plan, Action::Approve, "again", &RiskClass::ALL);
    minutes(&mut run, 10);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "222222222222")), ("Bootstrapped", 2));
    assert_eq!((trusting(&mut run, "111111111111"), executable(&mut run)), (1, 0));
}

/// Every change fails, so that it is not known what the stacks hold; then one account is closed.
#[test]
fn an_account_that_is_gone_keeps_no_change_from_the_others() {
    let mut run = bootstrapped();
    trust_approved(&mut run, &["222222222222"]);
    until_claimed(&mut run);
    run.world().luck.weather.fails = 1000;
    minutes(&mut run, 10);
    run.world().luck.weather.fails = 0;
    assert_eq!(state(&mut run), "RolledBack");
    let first = toolkits(&mut run)[0].env.account.clone();
    let gone = ["dev", "test", "prod"].into_iter().find(|name| {
        let key = ObjectKey::Account((*name).to_owned());
        let account = run.world().cluster.objects.0.get(&key).cloned();
        matches!(account, Some(Object::Account(a)) if a.spec.account_id == first)
    });
    let gone = gone.expect("its AwsAccount");
    let left: Vec<&str> = ["dev", "test", "prod"].into_iter().filter(|name| *name != gone).collect();
    select(&mut run, &left);
    run.world().cluster.delete(&ObjectKey::Account(gone.to_owned()));
    trust(&mut run, &["333333333333"]);
    minutes(&mut run, 10);
    assert_eq!(state(&mut run), "AwaitingApproval");
    assert!(newest(&mut run).risk_classes().contains(&RiskClass::Opaque));
    approve(&mut run);
    minutes(&mut run, 20);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "333333333333")), ("Bootstrapped", 2));
}

/// Who may make change sets in the account copies name and description of ours onto one of their own.
#[test]
fn a_change_set_that_somebody_has_put_in_the_place_of_ours_is_not_executed() {
    let mut run = bootstrapped();
    trust_approved(&mut run, &["222222222222"]);
    let key = toolkits(&mut run)[1].clone();
    while run.world().cloud.stacks[&key].sets.iter().all(|s| s.execution == ExecutionStatus::ExecuteComplete)
    {
        run.alone(a_moment()).unwrap();
    }
    let stack = run.world().cloud.stacks.get_mut(&key).expect("the stack");
    let set = stack.sets.last_mut().expect("a change set");
    let arn = set.arn.as_str();
    set.arn = format!("{}9", &arn[..arn.len() - 1]).parse().unwrap();
    set.to.given.insert("TrustedAccounts".to_owned(), Hidden::new("666666666666"));
    let forged = set.arn.clone();
    minutes(&mut run, 20);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "222222222222")), ("Bootstrapped", 3));
    let mut sets = run.world().cloud.stacks.values().flat_map(|s| &s.sets);
    assert!(sets.all(|s| s.arn != forged), "it is taken away");
}

fn a_moment() -> SignedDuration {
    SignedDuration::from_millis(1)
}

#[test]
fn a_stack_that_somebody_deletes_midway_is_not_made_anew_without_an_approval() {
    let mut run = bootstrapped();
    select(&mut run, &["dev", "test"]);
    waves(&mut run);
    trust_approved(&mut run, &["222222222222"]);
    minutes(&mut run, 30);
    let old = toolkits(&mut run).into_iter().find(|key| {
        let deployed = run.world().cloud.stacks[key].deployed.clone();
        let trusted = deployed.and_then(|d| d.given.get("TrustedAccounts").cloned());
        let name = key.env.account.as_str().to_owned();
        let test = match run.world().cluster.objects.0.get(&ObjectKey::Account("test".to_owned())) {
            Some(Object::Account(a)) => a.spec.account_id.as_str().to_owned(),
            other => panic!("{other:?}"),
        };
        name == test && trusted.is_some_and(|t| t.reveal() == "111111111111")
    });
    run.world().delete_by_hand(&old.expect("the stack of test"));
    minutes(&mut run, 90);
    let plan = newest(&mut run);
    assert_eq!(state(&mut run), "StackNotOurs");
    assert_eq!(plan.closed.as_ref().map(|c| c.reason), Some(CloseReason::Failed));
    sign_with(&mut run, &plan, Action::Retry, "", &[]);
    minutes(&mut run, 20);
    // All that is left of the stacks holds what is wanted. What is to come is not what anybody has read.
    assert_eq!((state(&mut run).as_str(), toolkits(&mut run).len()), ("AwaitingApproval", 2));
    // Nor does another content bring it back untold.
    trust(&mut run, &["333333333333"]);
    minutes(&mut run, 20);
    assert_eq!((state(&mut run).as_str(), toolkits(&mut run).len()), ("AwaitingApproval", 2));
    approve(&mut run);
    minutes(&mut run, 90);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "333333333333")), ("Bootstrapped", 2));
}

#[test]
fn the_only_stack_that_somebody_has_deleted_needs_an_approval_for_whatever_content() {
    let mut run = Run::new(&Setting { ..first_release(1) });
    run.world().toolkits = true;
    select(&mut run, &["dev"]);
    trust(&mut run, &["111111111111"]);
    minutes(&mut run, 10);
    trust(&mut run, &["222222222222"]);
    minutes(&mut run, 5);
    let key = toolkits(&mut run)[0].clone();
    run.world().delete_by_hand(&key);
    approve(&mut run);
    minutes(&mut run, 10);
    assert_eq!(state(&mut run), "StackNotOurs");
    trust(&mut run, &["333333333333"]);
    minutes(&mut run, 10);
    assert_eq!((state(&mut run).as_str(), toolkits(&mut run).len()), ("AwaitingApproval", 0));
    assert_eq!(plan_state(&mut run), "AwaitingApproval");
    let told = newest(&mut run).proposal().changed.clone().expect("a change").differences;
    assert_eq!(told, [format!("{key}: somebody has deleted it, and it is made anew")]);
    approve(&mut run);
    minutes(&mut run, 10);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "333333333333")), ("Bootstrapped", 1));
}

#[test]
fn a_plan_that_is_tried_again_is_carried_out_once_all_stacks_hold_it() {
    let mut run = midway();
    run.world().luck.weather.fails = 1000;
    minutes(&mut run, 60);
    run.world().luck.weather.fails = 0;
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "222222222222")), ("RolledBack", 1));
    let plan = newest(&mut run);
    sign_with(&mut run, &plan, Action::Retry, "", &[]);
    minutes(&mut run, 120);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "222222222222")), ("Bootstrapped", 3));
    assert_eq!(plan_state(&mut run), "Succeeded");
}

/// Twenty stacks may begin at once: a reject stops those that have not.
#[test]
fn a_reject_stops_what_has_not_begun_also_within_a_wave() {
    let mut run = Run::new(&Setting { ..first_release(1) });
    run.world().toolkits = true;
    select(&mut run, &["dev"]);
    let regions: Vec<String> = (1..=20).map(|n| format!("eu-west-{n}")).collect();
    change_account(&mut run, "dev", |a| {
        a.spec.regions = regions.iter().map(|r| r.parse().unwrap()).collect()
    });
    trust(&mut run, &["111111111111"]);
    minutes(&mut run, 30);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "111111111111")), ("Bootstrapped", 20));
    trust_approved(&mut run, &["222222222222"]);
    let begun =
        |run: &mut Run| run.world().cloud.stacks.values().any(|s| s.status == StackStatus::UpdateInProgress);
    while !begun(&mut run) {
        run.alone(a_moment()).unwrap();
    }
    let plan = newest(&mut run);
    sign_with(&mut run, &plan, Action::Reject, "", &[]);
    let mut checked = 0;
    while state(&mut run) != "Rejected" {
        checked += 1;
        assert!(is(&mut run, "Ready"), "what is there works on: {:?}", status(&mut run));
        run.alone(SignedDuration::from_millis(100)).unwrap();
    }
    assert!(checked > 5, "{checked}");
    minutes(&mut run, 30);
    assert_eq!((state(&mut run).as_str(), executable(&mut run)), ("Rejected", 0));
    assert!((1..=8).contains(&trusting(&mut run, "222222222222")));
}

/// Selected with an approval for others that has run out meanwhile, or has not: nobody has approved that it is changed, too.
#[test]
fn an_account_that_is_selected_after_an_approval_is_not_changed_by_it() {
    let mut run = bootstrapped();
    select(&mut run, &["dev"]);
    trust(&mut run, &["222222222222"]);
    minutes(&mut run, 5);
    let first = newest(&mut run);
    let told = first.proposal().changed.clone().expect("a change").environments;
    assert_eq!(told.len(), 1, "{told:?}");
    approve(&mut run);
    minutes(&mut run, 10);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "222222222222")), ("Bootstrapped", 1));
    assert_eq!(plan_state(&mut run), "Succeeded");
    select(&mut run, &["dev", "test"]);
    minutes(&mut run, 10);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "222222222222")), ("AwaitingApproval", 1));
    assert_ne!(newest(&mut run).id(), first.id());
    approve(&mut run);
    // It waits for its claim: another one joins.
    select(&mut run, &["dev", "test", "prod"]);
    minutes(&mut run, 10);
    assert_eq!(state(&mut run), "AwaitingApproval");
    approve(&mut run);
    minutes(&mut run, 10);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "222222222222")), ("Bootstrapped", 3));
}

#[test]
fn an_account_that_leaves_while_a_wave_soaks_leaves_the_plan_carried_out() {
    let mut run = bootstrapped();
    select(&mut run, &["dev", "test"]);
    waves(&mut run);
    trust_approved(&mut run, &["222222222222"]);
    minutes(&mut run, 30);
    select(&mut run, &["dev"]);
    minutes(&mut run, 10);
    assert_eq!((state(&mut run).as_str(), plan_state(&mut run).as_str()), ("Bootstrapped", "Succeeded"));
    assert_eq!((trusting(&mut run, "222222222222"), executable(&mut run)), (1, 0));
}

#[test]
fn a_wave_goes_on_soaking_when_its_plan_is_opened_again() {
    let mut run = bootstrapped();
    waves(&mut run);
    trust_approved(&mut run, &["222222222222"]);
    minutes(&mut run, 10);
    change_account(&mut run, "prod", |a| {
        let two = MinimumGate { approvals: Some(2), ..a.spec.minimum_gate.clone().unwrap_or_default() };
        a.spec.minimum_gate = Some(two);
    });
    minutes(&mut run, 5);
    let again = newest(&mut run);
    sign_with(&mut run, &again, Action::Approve, "again", &RiskClass::ALL);
    second_approval(&mut run);
    minutes(&mut run, 30);
    assert_eq!(trusting(&mut run, "222222222222"), 1, "the hour is not over: {:?}", status(&mut run));
    minutes(&mut run, 30);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "222222222222")), ("Bootstrapped", 3));
}

#[test]
fn who_takes_an_approval_back_midway_stops_what_has_not_begun() {
    let mut run = midway();
    let plan = newest(&mut run);
    sign_with(&mut run, &plan, Action::Revoke, "", &[]);
    minutes(&mut run, 90);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "222222222222")), ("AwaitingApproval", 1));
    let told = status(&mut run).conditions.iter().map(|c| c.message.clone()).collect::<String>();
    assert!(told.contains("the revoke of alice stands on the plan"), "{told}");
}

pub(super) fn freeze(run: &mut Run) -> ObjectKey {
    let spec = serde_json::from_value(serde_json::json!({ "reason": "stocktaking" })).unwrap();
    let mut freeze = stackgate_core::api::Freeze::new("stop", spec);
    freeze.metadata.uid = Some("freeze-stop".to_owned());
    run.world().cluster.put(Object::Freeze(Arc::new(freeze)));
    ObjectKey::Freeze("stop".to_owned())
}

#[test]
fn a_freeze_midway_is_shown_and_ends_or_is_overridden() {
    for overridden in [false, true] {
        let mut run = midway();
        let frozen = freeze(&mut run);
        minutes(&mut run, 60);
        assert_eq!((state(&mut run).as_str(), trusting(&mut run, "222222222222")), ("Frozen", 1));
        assert!(is(&mut run, "Waiting") && is(&mut run, "Ready"), "what is there works on");
        if overridden {
            let plan = newest(&mut run);
            sign_with(&mut run, &plan, Action::Override, "", &[]);
        } else {
            run.world().cluster.delete(&frozen);
        }
        minutes(&mut run, 5);
        assert_eq!((state(&mut run).as_str(), trusting(&mut run, "222222222222")), ("Bootstrapped", 3));
    }
}

#[test]
fn a_restart_in_the_midst_of_a_frozen_change_still_shows_that_what_is_there_works_on() {
    let mut run = midway();
    freeze(&mut run);
    minutes(&mut run, 60);
    run.restart();
    minutes(&mut run, 5);
    assert!(is(&mut run, "Ready"), "{:?}", status(&mut run));
}

/// What fails in an account that was deselected on the way has failed all the same, and a retry goes on with the others.
#[test]
fn what_fails_in_an_account_that_has_left_ends_the_plan_and_not_the_bootstrap() {
    for is_gone in [false, true] {
        let mut run = bootstrapped();
        trust_approved(&mut run, &["222222222222"]);
        until_all_are_claimed(&mut run);
        run.world().luck.weather.fails = 1000;
        let begun = |run: &mut Run| {
            run.world().cloud.stacks.values().any(|s| s.status == StackStatus::UpdateInProgress)
        };
        while !begun(&mut run) {
            run.alone(a_moment()).unwrap();
        }
        select(&mut run, &["dev", "test"]);
        if is_gone {
            run.world().cluster.delete(&ObjectKey::Account("prod".to_owned()));
        }
        minutes(&mut run, 20);
        run.world().luck.weather.fails = 0;
        let plan = newest(&mut run);
        assert_eq!(
            plan.closed.as_ref().map(|c| c.reason),
            Some(CloseReason::Failed),
            "{:?}",
            status(&mut run)
        );
        sign_with(&mut run, &plan, Action::Retry, "", &[]);
        minutes(&mut run, 20);
        assert_eq!((state(&mut run).as_str(), executable(&mut run)), ("Bootstrapped", 0));
        assert!(trusting(&mut run, "222222222222") >= 2);
    }
}

#[test]
fn a_deleted_stack_that_is_selected_again_is_not_made_anew_by_an_approval_for_others() {
    let mut run = bootstrapped();
    trust(&mut run, &["222222222222"]);
    minutes(&mut run, 5);
    let key = toolkit_of(&mut run, "prod");
    run.world().delete_by_hand(&key);
    approve(&mut run);
    minutes(&mut run, 20);
    assert_eq!(state(&mut run), "StackNotOurs");
    select(&mut run, &["dev", "test"]);
    trust(&mut run, &["333333333333"]);
    minutes(&mut run, 10);
    approve(&mut run);
    minutes(&mut run, 10);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "333333333333")), ("Bootstrapped", 2));
    select(&mut run, &["dev", "test", "prod"]);
    minutes(&mut run, 10);
    assert_eq!((state(&mut run).as_str(), toolkits(&mut run).len()), ("AwaitingApproval", 2));
    let told = newest(&mut run).proposal().changed.clone().expect("a change");
    assert_eq!(told.differences, [format!("{key}: somebody has deleted it, and it is made anew")]);
    // It is made under a gate like any other change.
    approve(&mut run);
    let frozen = freeze(&mut run);
    minutes(&mut run, 20);
    assert_eq!(toolkits(&mut run).len(), 2, "{:?}", status(&mut run));
    let entries = newest(&mut run).plan.spec.ledger.len();
    minutes(&mut run, 60);
    assert_eq!(newest(&mut run).plan.spec.ledger.len(), entries, "nothing is written while it waits");
    run.world().cluster.delete(&frozen);
    minutes(&mut run, 20);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "333333333333")), ("Bootstrapped", 3));
}

#[test]
fn an_approval_that_nothing_came_of_runs_out() {
    let mut run = bootstrapped();
    select(&mut run, &["dev", "test"]);
    trust_approved(&mut run, &["222222222222"]);
    minutes(&mut run, 10);
    // Only prod holds something else now.
    select(&mut run, &["dev", "test", "prod"]);
    minutes(&mut run, 5);
    let frozen = freeze(&mut run);
    minutes(&mut run, 1);
    approve(&mut run);
    minutes(&mut run, 5);
    assert_eq!(state(&mut run), "Frozen");
    select(&mut run, &["dev", "test"]);
    minutes(&mut run, 5);
    assert_eq!(state(&mut run), "Bootstrapped");
    run.world().cluster.delete(&frozen);
    minutes(&mut run, 6000);
    select(&mut run, &["dev", "test", "prod"]);
    minutes(&mut run, 10);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "222222222222")), ("AwaitingApproval", 2));
}

#[test]
fn an_account_that_does_not_answer_and_has_nothing_claimed_holds_no_other_change_up() {
    let mut run = midway();
    let first = newest(&mut run);
    let waits =
        toolkits(&mut run).into_iter().find(|key| !first.claims.contains_key(key)).expect("the second wave");
    run.world().cloud.silent = Some(waits.env.account);
    change(&mut run, |b| b.spec.trusted_accounts = vec!["444444444444".parse().unwrap()]);
    minutes(&mut run, 10);
    let next = newest(&mut run);
    assert_ne!(next.id(), first.id(), "{}", state(&mut run));
    assert_eq!(state(&mut run), "AwaitingApproval");
}
