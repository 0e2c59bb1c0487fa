//! What goes wrong on the way to the API server and to AWS, and how news of it come. Every story comes to the end that it has when
//! nothing goes wrong.

use std::{collections::BTreeMap, sync::Arc};

use jiff::SignedDuration;
use stackgate::queue::Kind;

use crate::{
    crashes::{each, played, same},
    run::{Manner, everything, runtime, to_the_end},
    site::{Call, Fault, Site, Weather},
    stories::{Story, all},
    watch::Post,
};

const HALF_AN_HOUR: SignedDuration = SignedDuration::from_mins(30);

/// Plays every story in this weather; at most so many calls for each call in good weather.
fn in_weather(weather: impl Fn() -> Weather + Sync, most: usize) {
    // Where operations are chosen to fail, so may be change sets that have to be made again.
    let stories: Vec<_> = all().into_iter().filter(|s| !s.name.contains("rolled back")).collect();
    let failures = each(stories.len(), |n| {
        let Story { name, ground, .. } = &stories[n];
        runtime().block_on(async {
            let good = Site::new(ground());
            let calm = to_the_end(&good, Manner::default())
                .await
                .map_err(|why| format!("{name}, undisturbed: {why}"))?;
            let site = Site::in_weather(ground(), weather());
            let end = to_the_end(&site, Manner::default()).await.map_err(|why| format!("{name}: {why}"))?;
            same(&calm.but_for_counts(), &end.but_for_counts())
                .map_err(|why| format!("{name}: {why}\n{}", site.trace().join("\n")))?;
            if site.calls() > good.calls() * most {
                return Err(format!("{name}: {} calls instead of {}", site.calls(), good.calls()));
            }
            Ok(())
        })
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// The first time, the third, the fifth and the seventh that such a call is made, within half an hour.
fn every_other(strikes: impl Fn(&Call) -> Option<Fault> + Send + 'static) -> Weather {
    let (mut made, mut begun) = (BTreeMap::<String, u32>::new(), None);
    Box::new(move |_, call, ground| {
        let begun = *begun.get_or_insert(ground.world.now);
        let fault = strikes(call).filter(|_| ground.world.now.duration_since(begun) < HALF_AN_HOUR)?;
        // Whatever ARN it is about.
        let what = call.what.split(" arn:").next().unwrap_or_default();
        let times = made.entry(what.to_owned()).or_default();
        *times += 1;
        (*times % 2 == 1 && *times < 8).then_some(fault)
    })
}

#[test]
fn every_write_meets_a_conflict_first() {
    let conflict = |call: &Call| (call.kubernetes && call.changes).then_some(Fault::Refused(409, "Conflict"));
    in_weather(|| every_other(conflict), 6);
}

#[test]
fn every_call_is_one_too_many_first() {
    in_weather(|| every_other(|_| Some(Fault::Refused(429, "TooManyRequests"))), 6);
}

#[test]
fn every_call_fails_first_whether_it_was_carried_out_or_not() {
    for fault in
        [Fault::Failed(500, false), Fault::Failed(504, true), Fault::Reset(false), Fault::Reset(true)]
    {
        in_weather(|| every_other(move |_| Some(fault)), 6);
    }
}

/// With `STACKGATE_WIRE_ALL` in every story, else in the first.
#[test]
fn any_one_call_that_fails_leads_to_the_same_end() {
    let stories = all();
    for story in stories.iter().take(if everything() { stories.len() } else { 1 }) {
        let calm = played((story.ground)()).unwrap();
        let calls = runtime().block_on(async {
            let site = Site::new((story.ground)());
            to_the_end(&site, Manner::default()).await.map(|_| site.calls())
        });
        let faults = [
            Fault::Refused(409, "Conflict"),
            Fault::Failed(500, false),
            Fault::Failed(504, true),
            Fault::Reset(true),
        ];
        let failures = each(calls.unwrap() * faults.len(), |n| {
            let (at, fault) = (n / faults.len(), faults[n % faults.len()]);
            runtime().block_on(async {
                let weather = move |number, call: &Call, _: &mut _| {
                    let fits = !matches!(fault, Fault::Refused(..)) || call.changes;
                    (number == at && fits).then_some(fault)
                };
                let site = Site::in_weather((story.ground)(), Box::new(weather));
                let end = to_the_end(&site, Manner::default()).await.and_then(|end| same(&calm, &end));
                end.map_err(|why| format!("{fault:?} at call {at}: {why}"))
            })
        });
        assert!(failures.is_empty(), "{}: {}", story.name, failures[0]);
    }
}

/// Plays every story with news that come like that.
fn with_post(post: impl Fn() -> Post + Sync) {
    let stories = all();
    let failures = each(stories.len(), |n| {
        let Story { name, ground, .. } = &stories[n];
        let calm = played(ground()).map_err(|why| format!("{name}, undisturbed: {why}"))?;
        runtime().block_on(async {
            let site = Site::new(ground().patient());
            let manner = Manner { post: post(), ..Manner::default() };
            let end = to_the_end(&site, manner).await.map_err(|why| format!("{name}: {why}"))?;
            same(&calm.but_for_counts(), &end.but_for_counts())
                .map_err(|why| format!("{name}: {why}\n{}", site.trace().join("\n")))
        })
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn watches_that_are_gone_list_anew() {
    for every in [1, 3] {
        with_post(|| Arc::new(move |_, n| (n % every != 0).then_some(SignedDuration::ZERO)));
    }
}

#[test]
fn news_of_one_kind_come_long_after_those_of_the_others() {
    for late in Kind::ALL {
        let by = move |kind| SignedDuration::from_secs(if kind == late { 20 } else { 0 });
        with_post(move || Arc::new(move |kind, _| Some(by(kind))));
    }
}

#[test]
fn news_come_late_and_in_any_order_between_kinds() {
    for seed in 0..if everything() { 50 } else { 4_u64 } {
        with_post(move || {
            Arc::new(move |kind, n| {
                let mixed = (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15 ^ (seed << 7) ^ kind as u64) >> 33;
                Some(SignedDuration::from_millis(i64::try_from(mixed % 15_000).unwrap()))
            })
        });
    }
}

/// What a status is too large for: the API server takes none of these for the first half an hour.
fn too_large(code: u16, path: &'static str) -> Weather {
    let mut begun = None;
    Box::new(move |_, call, ground| {
        let begun = *begun.get_or_insert(ground.world.now);
        let early = ground.world.now.duration_since(begun) < HALF_AN_HOUR;
        let status =
            call.what.starts_with("PATCH") && call.what.ends_with("/status") && call.what.contains(path);
        (early && status).then_some(Fault::Refused(code, "RequestEntityTooLarge"))
    })
}

#[test]
fn a_status_that_is_not_taken_holds_nothing_up_and_is_tried_seldom() {
    let stories = all();
    for (code, path) in [(413, "/changeplans/"), (422, "/cloudassemblies/"), (413, "/awsaccounts/")] {
        let failures = each(stories.len(), |n| {
            let Story { name, ground, .. } = &stories[n];
            let calm = played(ground()).map_err(|why| format!("{name}, undisturbed: {why}"))?;
            runtime().block_on(async {
                let site = Site::in_weather(ground(), too_large(code, path));
                let end =
                    to_the_end(&site, Manner::default()).await.map_err(|why| format!("{name}: {why}"))?;
                same(&calm, &end).map_err(|why| format!("{name}: {why}\n{}", site.trace().join("\n")))?;
                let mut refused: BTreeMap<String, usize> = BTreeMap::new();
                for line in site.trace().iter().filter(|line| line.contains("Refused")) {
                    *refused.entry(line.split(' ').skip(2).collect()).or_default() += 1;
                }
                // In half an hour once a minute, and some more in the first one; whenever the status is another one, anew.
                match refused.iter().find(|(_, times)| **times > 60) {
                    Some((what, times)) => Err(format!("{name}: {times} times {what}")),
                    None => Ok(()),
                }
            })
        });
        assert!(failures.is_empty(), "{code} {path}: {}", failures.join("\n\n"));
    }
}
