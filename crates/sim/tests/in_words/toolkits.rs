//! Toolkit stacks: made without asking anybody, changed by approval, wave by wave.

use std::sync::Arc;

use jiff::SignedDuration;
use stackgate_core::{
    api::{
        AccountSelection, Action, Bootstrap, BootstrapStatus, CloseReason, Gate, ProposalKind, RiskClass,
        Rollout, Wave,
    },
    gate::PlanView,
    stack::{ExecutionStatus, StackStatus},
    words::StackKey,
};
use stackgate_sim::{
    controller::Fault,
    run::{Run, Setting},
    scenario::first_release,
    world::{
        Object, ObjectKey,
        said::{Note, Word, Writer},
    },
};

use crate::story::sign_with;

pub(super) const ACME: &str = "acme";
const POLICY: &str = "arn:aws:iam::aws:policy/PowerUserAccess";

pub(super) fn change(run: &mut Run, change: impl FnOnce(&mut Bootstrap)) {
    let cluster = &mut run.world().cluster;
    match cluster.objects.0.get(&ObjectKey::Bootstrap(ACME.to_owned())).cloned() {
        Some(Object::Bootstrap(mut bootstrap)) => {
            change(Arc::make_mut(&mut bootstrap));
            cluster.put(Object::Bootstrap(bootstrap));
        }
        other => panic!("{other:?}"),
    }
}

pub(super) fn status(run: &mut Run) -> BootstrapStatus {
    match run.world().cluster.objects.0.get(&ObjectKey::Bootstrap(ACME.to_owned())) {
        Some(Object::Bootstrap(b)) => b.status.clone().expect("a status"),
        other => panic!("{other:?}"),
    }
}

pub(super) fn state(run: &mut Run) -> String {
    status(run).state.expect("a state")
}

pub(super) fn is(run: &mut Run, condition: &str) -> bool {
    status(run).conditions.iter().any(|c| c.type_ == condition && c.status == "True")
}

/// The plans of the Bootstrap, newest first.
pub(super) fn plans(run: &mut Run) -> Vec<PlanView> {
    let objects = run.world().cluster.objects.0.values();
    let plans = objects.filter_map(|o| match o {
        Object::Plan(p) if p.spec.proposal.kind == ProposalKind::Bootstrap => PlanView::new(Arc::clone(p)),
        _ => None,
    });
    let mut plans: Vec<PlanView> = plans.collect();
    plans.sort_by_key(|p| std::cmp::Reverse(p.order));
    plans
}

pub(super) fn newest(run: &mut Run) -> PlanView {
    plans(run).into_iter().next().expect("a plan")
}

pub(super) fn toolkits(run: &mut Run) -> Vec<StackKey> {
    let stacks = run.world().cloud.stacks.keys();
    stacks.filter(|k| k.name.as_str() == "CDKToolkit-acme").cloned().collect()
}

/// How many toolkit stacks have this value of a parameter.
pub(super) fn with(run: &mut Run, parameter: &str, value: &str) -> usize {
    let keys = toolkits(run);
    let cloud = &run.world().cloud;
    let given = keys.iter().filter_map(|k| cloud.stacks[k].deployed.as_ref()).map(|d| &d.given);
    given.filter(|g| g.get(parameter).is_some_and(|v| v.reveal() == value)).count()
}

pub(super) fn trusting(run: &mut Run, account: &str) -> usize {
    with(run, "TrustedAccounts", account)
}

pub(super) fn minutes(run: &mut Run, n: i64) {
    run.alone(SignedDuration::from_mins(n)).unwrap();
}

pub(super) fn trust(run: &mut Run, accounts: &[&str]) {
    change(run, |b| {
        b.spec.trusted_accounts = accounts.iter().map(|a| a.parse().unwrap()).collect();
        b.spec.cloud_formation_execution_policies = vec![POLICY.to_owned()];
    });
}

pub(super) fn approve(run: &mut Run) {
    let plan = newest(run);
    sign_with(run, &plan, Action::Approve, "", &RiskClass::ALL);
}

/// Another trust, once its plan is there and approved.
pub(super) fn trust_approved(run: &mut Run, accounts: &[&str]) {
    trust(run, accounts);
    minutes(run, 5);
    approve(run);
}

/// Until the claim stands in the ledger, and nothing else has happened yet.
pub(super) fn until_claimed(run: &mut Run) {
    let unclaimed = |run: &mut Run| {
        plans(run).first().is_none_or(|p| p.plan.spec.ledger.iter().all(|e| e.claimed.is_none()))
    };
    while unclaimed(run) {
        run.alone(SignedDuration::from_millis(1)).unwrap();
    }
}

/// Three toolkit stacks that trust one account.
pub(super) fn bootstrapped() -> Run {
    let mut run = Run::new(&Setting { ..first_release(3) });
    run.world().toolkits = true;
    trust(&mut run, &["111111111111"]);
    minutes(&mut run, 5);
    assert_eq!(state(&mut run), "Bootstrapped");
    assert_eq!((toolkits(&mut run).len(), trusting(&mut run, "111111111111")), (3, 3));
    run
}

#[test]
fn another_trust_waits_for_an_approval_of_its_own_and_goes_out_everywhere() {
    let mut run = bootstrapped();
    assert_eq!(newest(&mut run).decisions[0].decided.by, "system:auto");
    trust(&mut run, &["111111111111", "222222222222"]);
    minutes(&mut run, 10);
    assert_eq!(state(&mut run), "AwaitingApproval");
    assert!(is(&mut run, "Ready") && !is(&mut run, "UpToDate"), "what is there works on");
    let plan = newest(&mut run);
    let changed = plan.proposal().changed.clone().expect("a change");
    assert_eq!(changed.differences, ["TrustedAccounts: + 222222222222"]);
    assert!(plan.risk_classes().contains(&RiskClass::Iam));
    assert_eq!(trusting(&mut run, "111111111111"), 3);
    approve(&mut run);
    minutes(&mut run, 10);
    assert_eq!(state(&mut run), "Bootstrapped");
    assert_eq!(trusting(&mut run, "111111111111,222222222222"), 3);
    // Less trust is no danger, and a change all the same.
    trust(&mut run, &["222222222222"]);
    minutes(&mut run, 10);
    let plan = newest(&mut run);
    assert_eq!((plan.order, plan.proposal().risks.len()), (3, 0));
    assert_eq!(state(&mut run), "AwaitingApproval");
    approve(&mut run);
    minutes(&mut run, 10);
    assert_eq!(trusting(&mut run, "222222222222"), 3);
}

#[test]
fn an_approval_without_the_class_of_risk_opens_nothing() {
    let mut run = bootstrapped();
    trust(&mut run, &["111111111111", "222222222222"]);
    minutes(&mut run, 5);
    let plan = newest(&mut run);
    sign_with(&mut run, &plan, Action::Approve, "", &[RiskClass::Delete]);
    minutes(&mut run, 5);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "111111111111")), ("AwaitingApproval", 3));
}

#[test]
fn what_is_rejected_stays_so_and_the_old_spec_needs_nobody() {
    let mut run = bootstrapped();
    let first = newest(&mut run);
    for _ in 0..2 {
        trust(&mut run, &["111111111111", "222222222222"]);
        minutes(&mut run, 5);
        let plan = newest(&mut run);
        sign_with(&mut run, &plan, Action::Reject, "", &[]);
        approve(&mut run);
        minutes(&mut run, 5);
        assert_eq!(state(&mut run), "Rejected");
        assert!(is(&mut run, "Ready"));
        trust(&mut run, &["111111111111"]);
        minutes(&mut run, 5);
        assert_eq!(state(&mut run), "Bootstrapped");
        assert_eq!(newest(&mut run).id(), first.id());
    }
    assert_eq!((trusting(&mut run, "111111111111"), plans(&mut run).len()), (3, 2));
}

#[test]
fn a_rule_lets_it_through_where_every_account_agrees() {
    let mut run = bootstrapped();
    let never = |b: &mut Bootstrap| {
        b.spec.gate =
            Some(serde_json::from_value::<Gate>(serde_json::json!({ "requireApproval": "Never" })).unwrap());
    };
    change(&mut run, never);
    trust(&mut run, &["222222222222"]);
    minutes(&mut run, 5);
    // The accounts ask for more than the Bootstrap does.
    assert_eq!(state(&mut run), "AwaitingApproval");
}

/// Two waves: dev, and an hour later the others.
pub(super) fn waves(run: &mut Run) {
    let accounts = AccountSelection { names: Some(vec!["dev".to_owned()]), selector: None };
    let wave = Wave { name: "canary".to_owned(), accounts, soak: Some("1h".parse().unwrap()) };
    change(run, |b| b.spec.rollout = Some(Rollout { waves: vec![wave] }));
}

#[test]
fn a_wave_soaks_before_the_next_one_begins() {
    let mut run = bootstrapped();
    waves(&mut run);
    trust_approved(&mut run, &["222222222222"]);
    minutes(&mut run, 30);
    assert_eq!(trusting(&mut run, "222222222222"), 1);
    assert!(state(&mut run) != "Bootstrapped");
    assert!(is(&mut run, "Ready") && is(&mut run, "Reconciling"), "what is there works on");
    minutes(&mut run, 60);
    assert_eq!((trusting(&mut run, "222222222222"), state(&mut run).as_str()), (3, "Bootstrapped"));
}

#[test]
fn what_fails_in_one_wave_reaches_no_other_and_is_tried_again_on_request() {
    let mut run = bootstrapped();
    waves(&mut run);
    trust_approved(&mut run, &["222222222222"]);
    until_claimed(&mut run);
    run.world().luck.weather.fails = 1000;
    minutes(&mut run, 120);
    run.world().luck.weather.fails = 0;
    assert_eq!(trusting(&mut run, "111111111111"), 3);
    let plan = newest(&mut run);
    assert_eq!(plan.closed.as_ref().map(|c| c.reason), Some(CloseReason::Failed));
    assert_eq!(state(&mut run), "RolledBack");
    assert_eq!(plan.claims.len(), 1);
    sign_with(&mut run, &plan, Action::Retry, "", &[]);
    minutes(&mut run, 120);
    assert_eq!((trusting(&mut run, "222222222222"), state(&mut run).as_str()), (3, "Bootstrapped"));
}

#[test]
fn a_change_that_was_stopped_half_way_is_told_again_with_the_next_one() {
    let mut run = bootstrapped();
    waves(&mut run);
    trust_approved(&mut run, &["111111111111", "222222222222"]);
    minutes(&mut run, 30);
    let plan = newest(&mut run);
    sign_with(&mut run, &plan, Action::Reject, "", &[]);
    minutes(&mut run, 120);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "111111111111")), ("Rejected", 2));
    trust(&mut run, &["111111111111", "222222222222", "333333333333"]);
    minutes(&mut run, 5);
    let changed = newest(&mut run).proposal().changed.clone().expect("a change");
    // Two of the three stacks have not got the second account: whoever approves the third lets both in.
    assert_eq!(changed.differences, ["TrustedAccounts: + 222222222222", "TrustedAccounts: + 333333333333"]);
    approve(&mut run);
    minutes(&mut run, 120);
    assert_eq!(trusting(&mut run, "111111111111,222222222222,333333333333"), 3);
}

#[test]
fn a_spec_that_changes_between_approval_and_execution_is_not_carried_out() {
    let mut run = bootstrapped();
    trust_approved(&mut run, &["222222222222"]);
    until_claimed(&mut run);
    trust(&mut run, &["333333333333"]);
    minutes(&mut run, 20);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "111111111111")), ("AwaitingApproval", 3));
    let stacks = run.world().cloud.stacks.values();
    let open = stacks.flat_map(|s| &s.sets).filter(|s| s.execution == ExecutionStatus::Available);
    assert_eq!(open.count(), 0, "what was prepared is taken away");
    approve(&mut run);
    minutes(&mut run, 10);
    assert_eq!(trusting(&mut run, "333333333333"), 3);
}

#[test]
fn a_stack_that_is_gone_is_told_and_made_anew_on_request() {
    let mut run = bootstrapped();
    trust(&mut run, &["222222222222"]);
    minutes(&mut run, 5);
    let key = toolkits(&mut run)[0].clone();
    run.world().delete_by_hand(&key);
    approve(&mut run);
    minutes(&mut run, 20);
    assert_eq!((state(&mut run).as_str(), toolkits(&mut run).len()), ("StackNotOurs", 2));
    assert!(run.world().cloud.stacks.values().all(|s| s.status != StackStatus::ReviewInProgress));
    let plan = newest(&mut run);
    assert_eq!(plan.closed.as_ref().map(|c| c.reason), Some(CloseReason::Failed));
    sign_with(&mut run, &plan, Action::Retry, "", &[]);
    minutes(&mut run, 5);
    // Whoever deleted it had a reason that nobody has read yet.
    assert_eq!((state(&mut run).as_str(), toolkits(&mut run).len()), ("AwaitingApproval", 2));
    let again = newest(&mut run);
    let told = again.proposal().changed.clone().expect("a change").differences;
    assert!(told.contains(&format!("{key}: somebody has deleted it, and it is made anew")), "{told:?}");
    approve(&mut run);
    minutes(&mut run, 20);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "222222222222")), ("Bootstrapped", 3));
}

/// The first creation of a toolkit stack is rolled back; somebody deletes what is left, and mends the spec.
#[test]
fn a_first_creation_that_failed_is_no_stack_that_could_be_changed() {
    let mut run = Run::new(&Setting { ..first_release(1) });
    run.world().toolkits = true;
    change(&mut run, |b| b.spec.accounts.names = Some(vec!["dev".to_owned()]));
    trust(&mut run, &["111111111111"]);
    until_claimed(&mut run);
    run.world().luck.weather.fails = 1000;
    minutes(&mut run, 10);
    run.world().luck.weather.fails = 0;
    assert_eq!(state(&mut run), "RolledBack");
    let key = toolkits(&mut run)[0].clone();
    run.world().delete_by_hand(&key);
    trust(&mut run, &["222222222222"]);
    minutes(&mut run, 10);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "222222222222")), ("Bootstrapped", 1));
}

/// Somebody writes into the ledger of the first plan that it was carried out long after the others.
#[test]
fn no_entry_of_others_makes_an_old_plan_the_last_one() {
    let mut run = bootstrapped();
    let first = newest(&mut run);
    trust_approved(&mut run, &["222222222222"]);
    minutes(&mut run, 10);
    let old = plans(&mut run).into_iter().find(|p| p.id() == first.id()).expect("the first plan");
    let seq = old.plan.spec.ledger.len();
    let entry =
        serde_json::json!({ "seq": seq, "time": "2099-01-01T00:00:00Z", "claimed": { "stacks": [] } });
    let forged = [serde_json::from_value(entry).unwrap()];
    run.world().cluster.append(&old.name, &old.resource_version(), &forged, true).unwrap();
    trust(&mut run, &["111111111111"]);
    minutes(&mut run, 10);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "222222222222")), ("AwaitingApproval", 3));
}

#[test]
fn an_approval_that_nothing_proves_opens_nothing() {
    let mut run = bootstrapped();
    trust(&mut run, &["222222222222"]);
    minutes(&mut run, 5);
    let plan = newest(&mut run);
    run.world().turn_policies(false);
    minutes(&mut run, 5);
    let id = plan.id().to_string();
    let note = Note {
        word: Word::Decides(Action::Approve),
        slot: "",
        id: &id,
        by: "bob",
        acks: &RiskClass::ALL,
        until: None,
    };
    assert!(run.world().write(Writer::Intruder, &ObjectKey::Plan(plan.name.clone()), &note));
    minutes(&mut run, 5);
    run.world().turn_policies(true);
    minutes(&mut run, 10);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "111111111111")), ("AwaitingApproval", 3));
}

/// Toolkit stacks that are made, changed at once, and changed by waves, under these faults.
fn story(strikes: Vec<(u64, Fault)>, controllers: usize) -> Run {
    let mut run = Run::new(&Setting { strikes, controllers, ..first_release(2) });
    run.world().toolkits = true;
    change(&mut run, |b| b.spec.accounts.names = Some(vec!["dev".to_owned(), "test".to_owned()]));
    trust(&mut run, &["111111111111"]);
    minutes(&mut run, 10);
    trust(&mut run, &["222222222222"]);
    minutes(&mut run, 10);
    approve(&mut run);
    minutes(&mut run, 10);
    waves(&mut run);
    trust(&mut run, &["333333333333"]);
    minutes(&mut run, 10);
    approve(&mut run);
    minutes(&mut run, 90);
    run
}

fn ends_well(mut run: Run, why: &str) {
    assert_eq!(trusting(&mut run, "333333333333"), 2, "{why}: {:?}", status(&mut run));
    assert_eq!((state(&mut run).as_str(), plans(&mut run).len()), ("Bootstrapped", 3), "{why}");
    let stacks = run.world().cloud.stacks.values();
    let open = stacks.flat_map(|s| &s.sets).filter(|s| s.execution == ExecutionStatus::Available);
    assert_eq!(open.count(), 0, "{why}");
}

#[test]
fn a_crash_or_a_lost_reply_at_any_effect_comes_to_the_same_end() {
    let effects = story(Vec::new(), 1).effects();
    assert!(effects > 50, "{effects}");
    for at in 0..effects {
        for fault in [Fault::CrashAfter, Fault::LostReply] {
            ends_well(story(vec![(at, fault)], 1), &format!("{fault:?} at {at}"));
        }
    }
}

#[test]
fn two_leaders_come_to_the_same_end() {
    ends_well(story(Vec::new(), 2), "two");
}

#[test]
fn nobody_is_asked_to_approve_what_no_account_takes() {
    let mut run = bootstrapped();
    for name in ["dev", "test", "prod"] {
        let cluster = &mut run.world().cluster;
        let Some(Object::Account(mut account)) =
            cluster.objects.0.get(&ObjectKey::Account(name.to_owned())).cloned()
        else {
            panic!("no account {name}");
        };
        let most = serde_json::json!({ "trustedAccounts": ["111111111111"] });
        Arc::make_mut(&mut account).spec.allowed_bootstrap = Some(serde_json::from_value(most).unwrap());
        cluster.put(Object::Account(account));
    }
    trust(&mut run, &["111111111111", "222222222222"]);
    minutes(&mut run, 10);
    assert_eq!((state(&mut run).as_str(), is(&mut run, "Ready")), ("AccountNotAllowed", true));
    let waiting = plans(&mut run).iter().filter(|p| p.closed.is_none() && !p.is_claimed()).count();
    assert_eq!((waiting, plans(&mut run).len()), (0, 1));
    trust(&mut run, &["111111111111"]);
    minutes(&mut run, 10);
    assert_eq!(state(&mut run), "Bootstrapped");
}

pub(super) fn plan_state(run: &mut Run) -> String {
    newest(run).plan.status.as_ref().and_then(|s| s.state.clone()).unwrap_or_default()
}

#[test]
fn the_spec_of_an_approved_change_needs_nobody_when_it_comes_back_before_anything_ran() {
    let mut run = bootstrapped();
    trust_approved(&mut run, &["222222222222"]);
    minutes(&mut run, 10);
    let second = newest(&mut run);
    assert_eq!(plan_state(&mut run), "Succeeded");
    trust(&mut run, &["333333333333"]);
    minutes(&mut run, 5);
    assert_eq!(state(&mut run), "AwaitingApproval");
    trust(&mut run, &["222222222222"]);
    minutes(&mut run, 5);
    assert_eq!((newest(&mut run).id(), state(&mut run).as_str()), (second.id(), "Bootstrapped"));
    assert_eq!((trusting(&mut run, "222222222222"), plan_state(&mut run).as_str()), (3, "Succeeded"));
    // A reject of what is carried out is kept for the next time, and undoes nothing.
    sign_with(&mut run, &second, Action::Reject, "", &[]);
    minutes(&mut run, 5);
    assert_eq!((state(&mut run).as_str(), trusting(&mut run, "222222222222")), ("Bootstrapped", 3));
}

#[test]
fn a_new_account_waits_with_a_change_and_gets_what_was_approved() {
    let mut run = Run::new(&Setting { ..first_release(3) });
    run.world().toolkits = true;
    change(&mut run, |b| b.spec.accounts.names = Some(vec!["dev".to_owned(), "test".to_owned()]));
    trust(&mut run, &["111111111111"]);
    minutes(&mut run, 5);
    trust(&mut run, &["222222222222"]);
    change(&mut run, |b| {
        b.spec.accounts.names = Some(["dev", "test", "prod"].map(str::to_owned).to_vec());
    });
    minutes(&mut run, 10);
    assert_eq!((toolkits(&mut run).len(), state(&mut run).as_str()), (2, "AwaitingApproval"));
    approve(&mut run);
    minutes(&mut run, 10);
    assert_eq!((trusting(&mut run, "222222222222"), state(&mut run).as_str()), (3, "Bootstrapped"));
}
