//! A Stage that is deleted at every moment of its life.

use std::sync::Arc;

use jiff::SignedDuration;
use stackgate_core::{
    api::{ANNOTATION_REQUESTED_AT, Gate, Leftover},
    stack::ExecutionStatus,
};
use stackgate_sim::{
    bundle::RELEASES,
    people::newest,
    run::{Gates, Run},
    scenario::first_release,
};

use crate::story::*;

/// The longest that the story takes.
const LONGEST: usize = 200_000;

/// Two releases, each approved when it waits, until so many effects are done. `None`: there are not so many.
fn after(effects: u64, policy: Option<Leftover>) -> Option<Run> {
    let mut run = Run::new(&first_release(1));
    account_says(&mut run, policy);
    change_stage(&mut run, |s| s.spec.deletion_policy = policy);
    run.world().source.push(Arc::clone(&RELEASES[0]));
    let (mut approved, mut released) = (None, false);
    for _ in 0..LONGEST {
        if run.effects() >= effects {
            return Some(run);
        }
        run.alone(SignedDuration::from_millis(1)).unwrap();
        let Some(plan) = newest(run.world(), DEV) else { continue };
        if approved.as_ref() != Some(plan.id()) {
            approve(&mut run, &plan);
            approved = Some(plan.id().clone());
        }
        let is_done = plan.is_complete();
        if is_done && released {
            return None;
        }
        if is_done {
            run.world().source.push(Arc::clone(&RELEASES[3]));
            released = true;
        }
    }
    panic!("the story has no end")
}

#[test]
fn a_stage_that_is_deleted_at_any_effect_leaves_nothing_half_done() {
    for policy in [None, Some(Leftover::Delete)] {
        let mut played = 0;
        for effects in 0.. {
            let Some(mut run) = after(effects, policy) else { break };
            let had = there(&mut run).len();
            delete_stage(&mut run);
            run.alone(SignedDuration::from_mins(15)).unwrap();
            let when = format!("{policy:?}, at effect {effects}");
            assert!(lets_go(&mut run), "{when}: it holds on to its finalizer");
            let cloud = &run.world().cloud;
            let ours = || cloud.stacks.iter().filter(|(key, _)| key.name.as_str().starts_with("Dev-"));
            assert!(
                ours().all(|(_, s)| s.running.is_none() && s.deployed.is_some()),
                "{when}: {:?}",
                ours().count()
            );
            assert!(
                ours()
                    .all(|(_, s)| s.sets.iter().all(|set| set.execution == ExecutionStatus::ExecuteComplete)),
                "{when}: a change set is left"
            );
            match policy {
                Some(Leftover::Delete) => assert_eq!(ours().count(), 0, "{when}"),
                Some(Leftover::Retain) | None => {
                    assert!(ours().count() <= had, "{when}: a stack was begun after it")
                }
            }
            played += 1;
        }
        assert!(played > 40, "{played}");
    }
}

/// A plan that has expired and is asked for again, until so many effects are done. `None`: there are not so many.
fn asked_again(effects: u64) -> Option<Run> {
    let an_hour = Some("1h".parse().expect("a span"));
    let (mut run, _) = waiting_for(vec![Gates {
        stage: Some(Gate { plan_ttl: an_hour, ..Gate::default() }),
        ..Gates::default()
    }]);
    run.alone(SignedDuration::from_hours(2)).unwrap();
    assert_eq!(state(&mut run), "Expired");
    change_stage(&mut run, |stage| {
        let asked = (ANNOTATION_REQUESTED_AT.to_owned(), "now".to_owned());
        stage.metadata.annotations.get_or_insert_default().extend([asked]);
    });
    let before = run.effects();
    for _ in 0..LONGEST {
        if run.effects() >= before + effects {
            return Some(run);
        }
        if state(&mut run) == "AwaitingApproval" {
            return None;
        }
        run.alone(SignedDuration::from_millis(1)).unwrap();
    }
    panic!("the story has no end")
}

#[test]
fn a_stage_that_is_deleted_while_an_expired_plan_is_made_again_leaves_nothing_behind() {
    for replies_are_lost in [false, true] {
        let mut played = 0;
        for effects in 0.. {
            let Some(mut run) = asked_again(effects) else { break };
            delete_stage(&mut run);
            run.world().luck.weather.lost = if replies_are_lost { 500 } else { 0 };
            run.alone(SignedDuration::from_mins(1)).unwrap();
            run.world().luck.weather.lost = 0;
            run.alone(SignedDuration::from_mins(15)).unwrap();
            let when = format!("replies lost: {replies_are_lost}, at effect {effects}");
            assert!(lets_go(&mut run), "{when}: it holds on to its finalizer");
            assert_eq!(there(&mut run), [""; 0], "{when}");
            played += 1;
        }
        assert!(played > 5, "{played}");
    }
}
