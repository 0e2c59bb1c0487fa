//! Stacks that others have made.

use std::{collections::BTreeMap, sync::Arc};

use jiff::SignedDuration;
use stackgate_core::{
    api::{Action, AdoptionPolicy, Gate, Operation, PlannedAs, RequireApproval, RiskClass},
    words::StackKey,
};
use stackgate_sim::{bundle::RELEASES, people::newest, run::Run, world::ObjectKey};

use crate::story::*;

/// The same stacks, of which nobody has a record: as if somebody had made them with the CDK CLI.
pub fn deployed_by_others() -> Run {
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

pub fn adopt(run: &mut Run) {
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
