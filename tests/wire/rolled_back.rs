//! An API server that forgets: etcd is put back to an older revision while a controller goes on. What it remembers of the time in between
//! is true of AWS alone, and people have to say again what was forgotten.

use std::sync::Arc;

use jiff::SignedDuration;
use stackgate_core::api::Action;
use stackgate_sim::bundle::RELEASES;

use crate::{
    crashes::{each, filmed},
    ground::{Ground, Meanwhile},
    people::{release, sign},
    run::{End, Manner, everything, runtime, to_the_end},
    site::{Call, Site},
    stories::{DEV, Step, deployed, new},
};

/// A first release, or an update.
fn story(update: bool) -> Ground {
    let steps = vec![
        Step::Do(if update { |g| release(g, &RELEASES[3]) } else { |g| release(g, &RELEASES[0]) }),
        Step::Until("dev to ask", |g| g.asks(DEV)),
        Step::Do(|g| sign(g, DEV, Action::Approve, "alice")),
        Step::Until("dev to be done", |g| g.has_newest(DEV)),
        Step::Rest(SignedDuration::from_mins(3)),
        Step::Until("dev to be done still", |g| g.has_newest(DEV) && g.has_been_heard()),
    ];
    let ground = if update { deployed(steps) } else { new(steps) };
    // The checks of the pure simulator rest on an API server that remembers.
    ground.unjudged().patient()
}

/// Plays it, and puts the API server back to that revision just before that call; `None`: and all watches end.
fn put_back(update: bool, to: &Ground, at: usize, unnoticed: Option<Meanwhile>) -> Result<End, String> {
    let old = to.clone();
    let weather = move |number: usize, _: &Call, ground: &mut Ground| {
        // Once the story is told nobody is there to say anything again.
        if number == at && ground.waits_for().is_some() {
            match unnoticed {
                None => ground.put_back(&old),
                Some(meanwhile) => ground.put_back_unnoticed(&old, meanwhile),
            }
        }
        None
    };
    runtime().block_on(async {
        let site = Site::in_weather(story(update), Box::new(weather));
        // What the watches do tell comes too late for whoever has just claimed.
        let late = unnoticed.map_or(SignedDuration::ZERO, |_| SignedDuration::from_secs(2));
        let manner = Manner { post: Arc::new(move |_, _| Some(late)), ..Manner::default() };
        to_the_end(&site, manner).await
    })
}

/// Plays both stories with every such moment and every revision of before, or with every so many of these pairs. Nothing begins without a
/// claim that the API server holds ([`Ground::execution`]); nothing is done twice; and it comes to its end. Where a stack was made whose
/// claim was forgotten, somebody has to say that it is to be taken over.
fn put_back_everywhere(unnoticed: Option<Meanwhile>, step: usize) {
    for update in [true, false] {
        let (calm, shots) = filmed(story(update)).unwrap();
        let moments: Vec<_> = shots.iter().filter(|s| s.after && s.ground.waits_for().is_some()).collect();
        let pairs: Vec<_> = (0..moments.len()).flat_map(|at| (0..at).map(move |to| (to, at))).collect();
        let step = if everything() { 1 } else { step };
        let failures = each(pairs.len().div_ceil(step), |n| {
            let (to, at) = (moments[pairs[n * step].0], moments[pairs[n * step].1]);
            let end = put_back(update, &to.ground, at.number, unnoticed);
            let end = end.and_then(|end| {
                let is = (&end.stages, &end.stacks) == (&calm.stages, &calm.stacks);
                if is { Ok(()) } else { Err(format!("another end: {end:#?}")) }
            });
            end.map_err(|why| format!("before call {} to {}: {why}", at.number, to.when()))
        });
        assert!(failures.is_empty(), "update {update}: {}", failures[0]);
    }
}

#[test]
fn an_api_server_that_is_put_back_to_an_older_revision_has_nothing_done_twice_or_on_memory_alone() {
    put_back_everywhere(None, 7);
}

#[test]
fn versions_that_are_given_a_second_time_stand_for_nothing_that_was_forgotten() {
    put_back_everywhere(Some(Meanwhile::GiveTheSameVersions), 97);
}

#[test]
fn newer_versions_of_what_was_put_back_stand_for_nothing_that_was_forgotten() {
    put_back_everywhere(Some(Meanwhile::GiveNewerVersions), 97);
}
