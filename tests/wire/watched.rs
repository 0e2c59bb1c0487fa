//! Every story with watches over the wire: `Stores::watch`, the client's streams and its watcher, and what befalls streams.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    crashes::{each, played, same},
    run::{Manner, everything, runtime, to_the_end},
    site::Site,
    stories::{Story, all},
    streams::{Line, Streams, Trouble},
};

/// Plays these stories with streams that this befalls; what has befallen any of them, and how often a kind was listed.
fn over(stories: &[Story], line: impl Fn() -> Line + Sync) -> (BTreeSet<Trouble>, u64) {
    let befallen = std::sync::Mutex::new((BTreeSet::new(), 0));
    let failures = each(stories.len(), |n| {
        let Story { name, ground, .. } = &stories[n];
        let calm = played(ground()).map_err(|why| format!("{name}, undisturbed: {why}"))?;
        runtime().block_on(async {
            let site = Site::new(ground().patient());
            let streams = Streams::new(line());
            let manner = Manner { streams: Some(Arc::clone(&streams)), ..Manner::default() };
            let end = to_the_end(&site, manner).await.map_err(|why| format!("{name}: {why}"))?;
            let streams = streams.lock().unwrap();
            let mut befallen = befallen.lock().unwrap();
            befallen.0.extend(&streams.befallen);
            befallen.1 += streams.lists;
            same(&calm.but_for_counts(), &end.but_for_counts())
                .map_err(|why| format!("{name}: {why}\n{}", site.trace().join("\n")))
        })
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    befallen.into_inner().unwrap()
}

/// Each kind is listed once at the start, and never again unless it has to be.
const KINDS: u64 = 6;

#[test]
fn streams_that_last_are_listed_once() {
    let stories = all();
    let (_, lists) = over(&stories, || Arc::new(|_| Trouble::None));
    assert_eq!(lists, KINDS * stories.len() as u64);
}

#[test]
fn an_event_twice_a_bookmark_and_pieces_list_nothing_anew() {
    let stories: Vec<_> = all().into_iter().filter(|s| s.short).collect();
    for trouble in [Trouble::Twice, Trouble::Bookmark, Trouble::InPieces] {
        let (befallen, lists) = over(&stories, || Arc::new(move |_| trouble));
        assert_eq!((befallen, lists), (BTreeSet::from([trouble]), KINDS * stories.len() as u64));
    }
}

#[test]
fn streams_that_end_or_break_go_on_where_they_were_and_gone_lists_anew() {
    let stories: Vec<_> = all().into_iter().filter(|s| s.short).collect();
    for trouble in [Trouble::Ends, Trouble::CutOff, Trouble::Breaks, Trouble::Gone, Trouble::Expires] {
        let line = || -> Line { Arc::new(move |n| if n % 2 == 0 { trouble } else { Trouble::None }) };
        let (befallen, lists) = over(&stories, line);
        assert!(befallen.contains(&trouble));
        let anew = lists > KINDS * stories.len() as u64;
        assert_eq!(anew, trouble >= Trouble::Gone, "{trouble:?}: {lists} lists");
    }
}

#[test]
fn whatever_befalls_streams_comes_to_the_same_end() {
    let mut all_befallen = BTreeSet::new();
    for seed in 0..if everything() { 50 } else { 1_u64 } {
        let (befallen, _) = over(&all(), || {
            Arc::new(move |n| {
                let mixed = (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15 ^ (seed << 7)) >> 33;
                Trouble::ALL[usize::try_from(mixed).unwrap() % Trouble::ALL.len()]
            })
        });
        all_befallen.extend(befallen);
    }
    assert_eq!(all_befallen, BTreeSet::from(Trouble::ALL));
}
