//! What somebody takes back, wherever the plan stands on which they say so: it does not run.

use std::sync::Arc;

use jiff::SignedDuration;
use stackgate_core::api::{Action, Leftover, RiskClass};
use stackgate_sim::{
    bundle::{LEANER, RELEASES},
    people::newest,
    run::Run,
    world::{
        Object, ObjectKey,
        said::{Note, Word, Writer},
    },
};

use super::{rollout::freeze, story::*};

const TEST: &str = "test";

fn minutes(run: &mut Run, n: i64) {
    run.alone(SignedDuration::from_mins(n)).unwrap();
}

fn on_stage(run: &mut Run, slot: &str, id: &str) {
    let word = Word::Decides(Action::Approve);
    let note = Note { word, slot, id, by: "alice", acks: &RiskClass::ALL, until: None };
    assert!(run.world().write(Writer::Person("alice"), &ObjectKey::Stage(TEST.to_owned()), &note));
}

/// The first release is deployed in dev and test; the second waits in dev, and alice has approved it for test beforehand.
fn approved_beforehand() -> Run {
    let mut run = Run::new(&first_release_of_two());
    for (place, slot) in [(0, "first"), (3, "second")] {
        run.world().source.push(Arc::clone(&RELEASES[place]));
        minutes(&mut run, 5);
        let a1 = status_of(&mut run, TEST).coming.and_then(|c| c.a1).expect("an id").to_string();
        on_stage(&mut run, slot, &a1);
        if place == 0 {
            let dev = newest(run.world(), DEV).expect("a plan");
            approve(&mut run, &dev);
        }
        minutes(&mut run, 10);
    }
    run
}

fn first_release_of_two() -> stackgate_sim::run::Setting {
    stackgate_sim::scenario::first_release(2)
}

fn dev_goes_on(run: &mut Run) {
    let dev = newest(run.world(), DEV).expect("a plan");
    sign_with(run, &dev, Action::Approve, "", &RiskClass::ALL);
    minutes(run, 10);
}

#[test]
fn an_approval_beforehand_runs_without_a_revoke() {
    let mut run = approved_beforehand();
    assert_eq!(status_of(&mut run, TEST).ignored, Vec::<String>::new());
    dev_goes_on(&mut run);
    assert_eq!(status_of(&mut run, TEST).state.as_deref(), Some("UpToDate"));
    assert_eq!(
        newest(run.world(), TEST).expect("a plan").release.map(|r| r.digest),
        Some(RELEASES[3].release())
    );
    assert_eq!(status_of(&mut run, TEST).ignored, Vec::<String>::new());
}

/// The newest plan is carried out: that is where everybody would put it.
#[test]
fn an_approval_beforehand_is_taken_back_on_a_plan_that_is_carried_out() {
    let mut run = approved_beforehand();
    let kept = newest(run.world(), TEST).expect("a plan");
    assert!(kept.is_complete() && kept.beforehand.len() == 1, "{:?}", kept.beforehand);
    sign(&mut run, &kept, Action::Revoke, "");
    minutes(&mut run, 5);
    let kept = newest(run.world(), TEST).expect("a plan");
    assert!(kept.decisions.iter().any(|r| r.decided.action == Action::Revoke), "it is recorded");
    assert_eq!(kept.plan.status.as_ref().and_then(|s| s.approvals.clone()).as_deref(), Some("1/1"));
    // Git goes on writing it: it is told that it does not count.
    let ignored = status_of(&mut run, TEST).ignored;
    assert!(
        matches!(ignored.as_slice(), [one] if one.contains("approve.second: taken back by a revoke of its author, which has to go first (kubectl -n")),
        "{ignored:?}"
    );
    dev_goes_on(&mut run);
    let status = status_of(&mut run, TEST);
    assert_eq!(status.state.as_deref(), Some("AwaitingApproval"));
    assert!(
        status.ignored.iter().any(|line| line.contains("approve.second: taken back")),
        "{:?}",
        status.ignored
    );
    // Another word of hers counts again.
    let plan = newest(run.world(), TEST).expect("a plan");
    sign_with(&mut run, &plan, Action::Approve, "", &RiskClass::ALL);
    minutes(&mut run, 5);
    assert_eq!(status_of(&mut run, TEST).state.as_deref(), Some("UpToDate"));
}

/// The plan that keeps it has made way for a roll back, on which she takes it back.
#[test]
fn an_approval_beforehand_is_taken_back_on_another_plan_than_that_which_keeps_it() {
    for restarts in [false, true] {
        let mut run = approved_beforehand();
        // A change of the Stage itself makes another plan the newest.
        let key = ObjectKey::Stage(TEST.to_owned());
        let change =
            |run: &mut Run, value: Option<&str>| match run.world().cluster.objects.0.get(&key).cloned() {
                Some(Object::Stage(mut stage)) => {
                    let stage_now = Arc::make_mut(&mut stage);
                    stage_now.spec.pin =
                        value.map(|v| serde_json::from_value(serde_json::json!({ "digest": v })).unwrap());
                    run.world().cluster.put(Object::Stage(stage));
                }
                other => panic!("{other:?}"),
            };
        let kept = newest(run.world(), TEST).expect("a plan");
        let stack = kept.proposal().stacks.first().expect("a stack").key();
        run.world().update_by_hand(&stack);
        change(&mut run, Some(&RELEASES[0].release().to_string()));
        minutes(&mut run, 15);
        let other = newest(run.world(), TEST).expect("a plan");
        assert_ne!(other.id(), kept.id(), "{:?}", status_of(&mut run, TEST));
        sign(&mut run, &other, Action::Revoke, "");
        minutes(&mut run, 5);
        change(&mut run, None);
        if restarts {
            run.restart();
        }
        dev_goes_on(&mut run);
        assert_eq!(status_of(&mut run, TEST).state.as_deref(), Some("AwaitingApproval"));
    }
}

#[test]
fn an_approval_that_a_retry_has_carried_over_is_taken_back_on_the_plan_that_failed() {
    for revokes in [false, true] {
        let (mut run, first) = rolled_back();
        let frozen = freeze(&mut run);
        sign(&mut run, &first, Action::Retry, "");
        minutes(&mut run, 5);
        let again = newest(run.world(), DEV).expect("a plan");
        assert_ne!(again.id(), first.id());
        assert!(again.decisions.iter().any(|r| r.decided.action == Action::Approve), "it is carried over");
        if revokes {
            sign(&mut run, &first, Action::Revoke, "");
            minutes(&mut run, 2);
        }
        run.world().cluster.delete(&frozen);
        minutes(&mut run, 10);
        assert_eq!(state(&mut run), if revokes { "AwaitingApproval" } else { "UpToDate" });
    }
}

/// She approves the release on the Stage while its plan runs: that counts for nothing, and is as old as what she takes back.
#[test]
fn an_approval_that_no_ledger_holds_yet_is_taken_back_with_the_others() {
    for revokes in [false, true] {
        let (mut run, first) = waiting();
        approve(&mut run, &first);
        until_claimed(&mut run, &first);
        let a1 = first.proposal().a1.as_ref().map(ToString::to_string).expect("an id");
        let word = Word::Decides(Action::Approve);
        let note = Note { word, slot: "early", id: &a1, by: "alice", acks: &RiskClass::ALL, until: None };
        assert!(run.world().write(Writer::Person("alice"), &ObjectKey::Stage(DEV.to_owned()), &note));
        run.world().luck.weather.fails = 1000;
        minutes(&mut run, 5);
        run.world().luck.weather.fails = 0;
        assert_eq!(state(&mut run), "RolledBack");
        if revokes {
            sign(&mut run, &first, Action::Revoke, "");
            minutes(&mut run, 2);
        }
        sign(&mut run, &first, Action::Retry, "");
        minutes(&mut run, 10);
        assert_eq!(state(&mut run), if revokes { "AwaitingApproval" } else { "UpToDate" });
    }
}

/// What could not be deleted is as it was, so that the plan which is tried again is the same one.
#[test]
fn an_approval_that_a_retry_has_carried_over_to_the_same_plan_is_taken_back_on_another_one() {
    for revokes in [false, true] {
        let (mut run, _) = deployed();
        run.world().source.push(Arc::clone(&LEANER));
        minutes(&mut run, 10);
        let other = newest(run.world(), DEV).expect("a plan");
        approve(&mut run, &other);
        minutes(&mut run, 5);
        change_stage(&mut run, |stage| stage.spec.removed_stacks = Some(Leftover::Delete));
        minutes(&mut run, 2);
        let prune = newest(run.world(), DEV).expect("a plan");
        run.world().cloud.keeps = true;
        sign_with(&mut run, &prune, Action::Approve, "", &RiskClass::ALL);
        minutes(&mut run, 5);
        assert_eq!(state(&mut run), "StackStuck");
        run.world().cloud.keeps = false;
        if revokes {
            sign(&mut run, &other, Action::Revoke, "");
            minutes(&mut run, 2);
        }
        sign(&mut run, &prune, Action::Retry, "");
        minutes(&mut run, 5);
        assert_eq!(newest(run.world(), DEV).expect("a plan").id(), prune.id());
        assert_eq!(state(&mut run), if revokes { "AwaitingApproval" } else { "UpToDate" });
    }
}

#[test]
fn an_approval_that_a_retry_would_carry_over_to_the_same_plan_is_taken_back_on_it() {
    for revokes in [false, true] {
        let (mut run, _) = deployed();
        run.world().source.push(Arc::clone(&LEANER));
        change_stage(&mut run, |stage| stage.spec.removed_stacks = Some(Leftover::Delete));
        minutes(&mut run, 10);
        let prune = newest(run.world(), DEV).expect("a plan");
        run.world().cloud.keeps = true;
        sign_with(&mut run, &prune, Action::Approve, "", &RiskClass::ALL);
        minutes(&mut run, 5);
        assert_eq!(state(&mut run), "StackStuck");
        run.world().cloud.keeps = false;
        if revokes {
            sign(&mut run, &prune, Action::Revoke, "");
            minutes(&mut run, 2);
        }
        let id = prune.id().to_string();
        let note =
            Note { word: Word::Decides(Action::Retry), slot: "", id: &id, by: "bob", acks: &[], until: None };
        assert!(run.world().write(Writer::Person("bob"), &ObjectKey::Plan(prune.name.clone()), &note));
        minutes(&mut run, 5);
        assert_eq!(newest(run.world(), DEV).expect("a plan").id(), prune.id());
        assert_eq!(state(&mut run), if revokes { "AwaitingApproval" } else { "UpToDate" });
    }
}

/// Whether the policies are in force cannot be read, so the approval waits; the revoke does not. Once it is recorded, its annotation may go.
#[test]
fn an_approval_that_waits_to_be_recorded_is_taken_back_with_the_others() {
    for revokes in [false, true] {
        let (mut run, plan) = waiting();
        run.world().policies.readable = false;
        approve(&mut run, &plan);
        minutes(&mut run, 2);
        assert_eq!(state(&mut run), "PoliciesNotInForce");
        if revokes {
            sign(&mut run, &plan, Action::Revoke, "");
            minutes(&mut run, 2);
            let there = newest(run.world(), DEV).expect("a plan");
            assert!(there.decisions.iter().any(|r| r.decided.action == Action::Revoke), "it is recorded");
            let Some(Object::Plan(mut there)) =
                run.world().cluster.objects.0.get(&ObjectKey::Plan(plan.name.clone())).cloned()
            else {
                panic!("no plan");
            };
            let annotations = Arc::make_mut(&mut there).metadata.annotations.as_mut().expect("decisions");
            annotations.retain(|key, _| !key.contains("revoke"));
            run.world().cluster.put(Object::Plan(there));
        }
        run.world().policies.readable = true;
        minutes(&mut run, 10);
        assert_eq!(state(&mut run), if revokes { "AwaitingApproval" } else { "UpToDate" });
    }
}
