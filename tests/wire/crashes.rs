//! Crashes, one and two, at every call. A process that dies leaves the world and nothing else, so a run with a crash begins with a new
//! process on what the world was at that call.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use crate::{
    ground::Ground,
    run::{End, Manner, everything, runtime, to_the_end},
    site::{Shot, Site},
    stories::all,
};

/// Does it for all numbers, on all processors; the failures, lowest first. After the tenth no more are begun.
pub fn each(count: usize, run: impl Fn(usize) -> Result<(), String> + Sync) -> Vec<String> {
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count || failures.lock().unwrap().len() >= 10 {
                        return;
                    }
                    if let Err(why) = run(n) {
                        failures.lock().unwrap().push((n, why));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    failures.into_iter().map(|(_, why)| why).collect()
}

/// Runs it to its end.
pub fn played(ground: Ground) -> Result<End, String> {
    runtime().block_on(async { to_the_end(&Site::new(ground), Manner::default()).await })
}

/// The same, with all that a process would leave that dies.
pub fn filmed(ground: Ground) -> Result<(End, Vec<Shot>), String> {
    runtime().block_on(async {
        let site = Site::filmed(ground);
        let end = to_the_end(&site, Manner::default()).await?;
        Ok((end, site.shots()))
    })
}

/// Whether two runs have come to the same.
pub fn same(calm: &End, end: &End) -> Result<(), String> {
    if calm == end { Ok(()) } else { Err(format!("another end: {end:#?}\nundisturbed: {calm:#?}")) }
}

/// Without those that leave what the one before has left, but for the time.
fn that_differ(mut shots: Vec<Shot>, begin: &Ground) -> Vec<Shot> {
    let mut last = begin.mark();
    shots.retain(|shot| std::mem::replace(&mut last, shot.ground.mark()) != shot.ground.mark());
    shots
}

/// Every crash after a call; and before one, where something has happened since the call before.
fn every_crash(mut shots: Vec<Shot>, begin: &Ground) -> Vec<Shot> {
    let mut last = begin.mark();
    shots.retain(|shot| std::mem::replace(&mut last, shot.ground.mark()) != shot.ground.mark() || shot.after);
    shots
}

#[test]
fn a_crash_at_every_call_leads_to_the_end_of_the_undisturbed_run() {
    let mut runs = 0;
    for story in all() {
        let begin = (story.ground)();
        let (calm, shots) =
            filmed(begin.clone()).unwrap_or_else(|why| panic!("{}, undisturbed: {why}", story.name));
        let shots = every_crash(shots, &begin);
        let failures = each(shots.len(), |n| {
            let end = played(shots[n].ground.clone()).and_then(|end| same(&calm, &end));
            end.map_err(|why| format!("crash {}: {why}", shots[n].when()))
        });
        assert!(failures.is_empty(), "{}: {}", story.name, failures[0]);
        runs += shots.len();
    }
    println!("{runs} runs");
}

/// With `STACKGATE_WIRE_ALL` at every call; else at every call that has changed something, since whoever dies after another has lost no
/// more, and in the longer stories at every fifth of those first, and every fourth second. The second crash comes while the next process
/// gets over the first.
#[test]
fn a_second_crash_leads_there_too() {
    let mut runs = 0;
    for story in all() {
        let begun = std::time::Instant::now();
        let begin = (story.ground)();
        let some = if everything() { every_crash } else { that_differ };
        let (calm, shots) =
            filmed(begin.clone()).unwrap_or_else(|why| panic!("{}, undisturbed: {why}", story.name));
        let (shots, count) = (some(shots, &begin), AtomicUsize::new(0));
        let failures = each(shots.len(), |n| {
            let first = &shots[n];
            let all = everything() || story.short;
            if !all && n % 5 != 0 {
                return Ok(());
            }
            let (end, again) =
                filmed(first.ground.clone()).map_err(|why| format!("crash {}: {why}", first.when()))?;
            same(&calm, &end)?;
            for second in some(again, &first.ground).into_iter().step_by(if all { 1 } else { 4 }) {
                count.fetch_add(1, Ordering::Relaxed);
                let end = played(second.ground.clone()).and_then(|end| same(&calm, &end));
                end.map_err(|why| format!("crashes {} and {}: {why}", first.when(), second.when()))?;
            }
            Ok(())
        });
        assert!(failures.is_empty(), "{}: {}", story.name, failures[0]);
        println!("{}: {} pairs {:?}", story.name, count.load(Ordering::Relaxed), begun.elapsed());
        runs += count.into_inner();
    }
    println!("{runs} pairs");
}
