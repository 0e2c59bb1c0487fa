//! A monorepo makes releases all day, and in most of them nothing differs for a given Stage: they take little of its ledger, and none of them
//! is one too many.

use std::sync::Arc;

use jiff::SignedDuration;
use stackgate_core::{api::Action, bundle::Bundle, gate::PlanView};
use stackgate_sim::{
    bundle::{FOR_OTHERS, RELEASES},
    people::newest,
    run::Run,
};

use crate::story::*;

/// Two releases in turn that differ for other Stages alone.
fn release(turn: usize) -> &'static Arc<Bundle> {
    if turn.is_multiple_of(2) { &RELEASES[1] } else { &FOR_OTHERS }
}

/// So many of them, and what comes of each.
fn releases(run: &mut Run, many: usize, mut seen: impl FnMut(&mut Run)) {
    for turn in 0..many {
        run.world().source.push(Arc::clone(release(turn)));
        run.alone(SignedDuration::from_mins(10)).unwrap();
        seen(run);
    }
}

fn views(run: &mut Run) -> Vec<PlanView> {
    let plans: Vec<_> = run.world().cluster.plans().cloned().collect();
    plans.into_iter().filter_map(PlanView::new).collect()
}

#[test]
fn release_after_release_in_which_nothing_differs_is_taken_over_to_the_last() {
    let (mut run, first) = deployed();
    releases(&mut run, 1, |_| {});
    let update = newest(run.world(), DEV).expect("a plan");
    assert_ne!(update.id(), first.id());
    approve(&mut run, &update);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    let mut turn = 0;
    releases(&mut run, 850, |run| {
        let deployed = status(run).deployed.map(|d| d.digest);
        assert_eq!(
            (state(run).as_str(), deployed),
            ("UpToDate", Some(release(turn).release())),
            "after {turn}"
        );
        turn += 1;
    });
    let views = views(&mut run);
    assert_eq!(views.len(), 4, "the first, the update, what differs in nothing, and that once more");
    assert!(views.iter().all(|p| p.room() > 0 || p.name != views[0].name));
    let bytes = views.iter().map(|p| serde_json::to_vec(&p.plan.spec).map_or(0, |spec| spec.len()));
    assert!(bytes.max().unwrap_or_default() < 600_000);
}

#[test]
fn what_waits_keeps_its_approvals_through_three_hundred_releases_in_which_it_is_the_same() {
    let (mut run, first) = waiting_for(two());
    approve(&mut run, &first);
    run.alone(SignedDuration::from_mins(5)).unwrap();
    approve_as(&mut run, &first, "bob");
    run.alone(SignedDuration::from_mins(5)).unwrap();
    releases(&mut run, 1, |_| {});
    let update = newest(run.world(), DEV).expect("a plan");
    approve(&mut run, &update);
    releases(&mut run, 300, |run| {
        assert_eq!(status(run).pending.and_then(|p| p.id), Some(update.id().clone()))
    });
    approve_as(&mut run, &update, "bob");
    run.alone(SignedDuration::from_mins(5)).unwrap();
    assert_eq!(state(&mut run), "UpToDate", "{:?}", status(&mut run));
    assert!(views(&mut run).iter().any(|p| p.id() == update.id() && p.is_complete()));
}

#[test]
fn what_was_rejected_stays_so_through_release_after_release_and_the_next_change_is_planned() {
    let (mut run, _) = deployed();
    releases(&mut run, 1, |_| {});
    let update = newest(run.world(), DEV).expect("a plan");
    sign(&mut run, &update, Action::Reject, "");
    run.alone(SignedDuration::from_mins(5)).unwrap();
    let mut turn = 0;
    releases(&mut run, 500, |run| {
        turn += 1;
        assert_eq!(state(run), "Rejected", "after {turn}");
    });
    assert_eq!(views(&mut run).len(), 3, "the first, the update, and that once more");
    run.world().source.push(Arc::clone(&RELEASES[3]));
    run.alone(SignedDuration::from_mins(10)).unwrap();
    assert_eq!(state(&mut run), "AwaitingApproval");
}
