//! A release that was rejected, and is planned again since a stack has changed.

use std::sync::Arc;

use jiff::SignedDuration;
use stackgate_core::{
    api::{Action, RiskClass},
    words::StackKey,
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

use super::story::*;

/// Alice approves the release on the Stage, whatever its change turns out to be.
fn approve_release(run: &mut Run, slot: &str) {
    let plan = newest(run.world(), DEV).expect("a plan");
    let a1 = plan.proposal().a1.as_ref().map(ToString::to_string).expect("an id");
    let word = Word::Decides(Action::Approve);
    let note = Note { word, slot, id: &a1, by: "alice", acks: &RiskClass::ALL, until: None };
    assert!(run.world().write(Writer::Person("alice"), &ObjectKey::Stage(DEV.to_owned()), &note));
}

/// The second release waits suspended, and is rejected; then somebody updates a stack by hand.
fn rejected_and_planned_again(between: SignedDuration) -> Run {
    let (mut run, first) = deployed();
    run.world().source.push(Arc::clone(&RELEASES[3]));
    run.alone(SignedDuration::from_mins(10)).unwrap();
    assert_eq!(state(&mut run), "AwaitingApproval");
    change_stage(&mut run, |stage| stage.spec.suspend = true);
    let plan = newest(run.world(), DEV).expect("a plan");
    approve_release(&mut run, "early");
    run.alone(between).unwrap();
    sign(&mut run, &plan, Action::Reject, "");
    run.alone(SignedDuration::from_mins(2)).unwrap();
    change_stage(&mut run, |stage| stage.spec.suspend = false);
    run.alone(SignedDuration::from_mins(2)).unwrap();
    assert_eq!(state(&mut run), "Rejected");
    let key: StackKey = first.proposal().stacks.first().expect("a stack").key();
    run.world().update_by_hand(&key);
    run.alone(SignedDuration::from_mins(15)).unwrap();
    let again = newest(run.world(), DEV).expect("a plan");
    assert_ne!(again.id(), plan.id());
    assert_eq!(again.proposal().a1, plan.proposal().a1);
    assert_eq!((state(&mut run).as_str(), again.is_claimed()), ("AwaitingApproval", false));
    run
}

// Without time between, no ledger holds the approval when the reject comes.
#[test]
fn what_a_release_was_approved_with_beforehand_does_not_outlive_a_reject() {
    for between in [SignedDuration::from_mins(2), SignedDuration::ZERO] {
        let mut run = rejected_and_planned_again(between);
        approve_release(&mut run, "anew");
        run.alone(SignedDuration::from_mins(5)).unwrap();
        assert_eq!(state(&mut run), "UpToDate", "{between:?}");
    }
}
