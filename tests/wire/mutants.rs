//! The checks can fail: with a defect in what a process sees or does at the border, the core being the same, a run breaks what must hold.

use std::sync::Arc;

use jiff::SignedDuration;
use stackgate_core::{api::Action, gate::PlanView};
use stackgate_sim::bundle::RELEASES;

use crate::{
    ground::{Ground, Meanwhile},
    people::{release, sign, withdraw_grant},
    run::{Manner, runtime, to_the_end},
    site::{Call, Site, Weather},
    stories::{DEV, Step, deployed},
};

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Defect {
    /// A claim is executed on what the watches have shown of everything but its plan: the look after it goes to the caches.
    LooksAtCaches,
    /// A look at a plan does not tell how often its ledger was written.
    RecordsAreNotCounted,
    /// A plan is closed and its change sets are still there.
    ChangeSetsStay,
}

const NEXT: Step = Step::Do(|g| release(g, &RELEASES[3]));
const ASKS: Step = Step::Until("dev to ask", |g| g.asks(DEV));
/// Nobody waits for the end: where it is stopped, there is none.
const REST: Step = Step::Rest(SignedDuration::from_mins(7));

fn update() -> Ground {
    deployed(vec![NEXT, ASKS, Step::Do(|g| sign(g, DEV, Action::Approve, "alice")), REST])
}

/// What a run breaks, with a defect or as designed; news come late.
fn breaks(mut ground: Ground, defect: Option<Defect>, weather: Weather) -> Option<String> {
    ground.defect = defect;
    runtime().block_on(async {
        let site = Site::in_weather(ground, weather);
        let post = Arc::new(|_, _| Some(SignedDuration::from_secs(2)));
        to_the_end(&site, Manner { post, ..Manner::default() }).await.err()
    })
}

/// Where a run begins, and what befalls it.
type Tried<'a> = (&'a dyn Fn() -> Ground, &'a dyn Fn() -> Weather);

/// As designed no such run breaks anything; with the defect one of them breaks this.
fn only_with(defect: Defect, invariant: &str, runs: &[Tried<'_>]) {
    for (ground, weather) in runs {
        assert_eq!(breaks(ground(), None, weather()), None, "as designed");
    }
    let broken: Vec<_> =
        runs.iter().filter_map(|(ground, weather)| breaks(ground(), Some(defect), weather())).collect();
    assert!(broken.iter().any(|why| why.starts_with(invariant)), "{defect:?}: {broken:?}");
}

/// Whether this call writes the ledger of the plan of Dev.
fn records(call: &Call) -> bool {
    call.what.starts_with("PATCH") && call.what.contains("/changeplans/") && !call.what.ends_with("/status")
}

/// The plan of the newest release.
fn plan(ground: &Ground) -> Option<PlanView> {
    let newest = ground.world.source.last()?.release();
    ground.newest_plan(DEV).filter(|p| p.release.as_ref().is_some_and(|r| r.digest == newest))
}

fn is_claimed(ground: &Ground) -> bool {
    plan(ground).is_some_and(|p| !p.claims.is_empty())
}

#[test]
fn a_claim_that_is_executed_without_a_look_past_the_caches_is_found() {
    // Which of the first writes is the claim that is not refused: that depends on when news come.
    let withdrawn_at = |write: usize| {
        move || -> Weather {
            let mut writes = 0;
            Box::new(move |_, call, ground| {
                if records(call) && !is_claimed(ground) {
                    if writes == write {
                        withdraw_grant(ground, DEV);
                    }
                    writes += 1;
                }
                None
            })
        }
    };
    let weathers = [withdrawn_at(0), withdrawn_at(1), withdrawn_at(2), withdrawn_at(3)];
    only_with(Defect::LooksAtCaches, "I5: ", &weathers.each_ref().map(|w| (&update as _, w as _)));
}

#[test]
fn a_look_that_takes_a_version_for_what_was_claimed_is_found() {
    let put_back = |meanwhile: Meanwhile| {
        move || -> Weather {
            let (mut before, mut is_over) = (None, false);
            Box::new(move |_, call, ground| {
                if records(call) && !is_claimed(ground) {
                    before = Some(ground.clone());
                }
                if !is_over && is_claimed(ground) && call.what.ends_with("/freezes") {
                    is_over = true;
                    ground.put_back_unnoticed(before.as_ref().unwrap(), meanwhile);
                }
                None
            })
        }
    };
    let ground = || update().unjudged();
    for meanwhile in [Meanwhile::GiveTheSameVersions, Meanwhile::GiveNewerVersions] {
        only_with(Defect::RecordsAreNotCounted, "I2: ", &[(&ground, &put_back(meanwhile))]);
    }
}

#[test]
fn a_plan_that_is_closed_before_its_change_sets_are_gone_is_found() {
    let withdrawn_after_the_claim = || -> Weather {
        let mut is_withdrawn = false;
        Box::new(move |_, call, ground| {
            if !is_withdrawn && is_claimed(ground) && call.what.ends_with("/freezes") {
                is_withdrawn = true;
                withdraw_grant(ground, DEV);
            }
            None
        })
    };
    only_with(Defect::ChangeSetsStay, "I2: ", &[(&update, &withdrawn_after_the_claim)]);
}
