use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use tokio::time::{Instant, sleep};

use super::{
    Key, Kind, Limits, Queue,
    agenda::{Agenda, Ended},
};
use crate::{
    clock::{Clock, TimerClock},
    shutdown::{self, Trigger},
};

fn key(name: &str) -> Key {
    Key::cluster(Kind::AwsAccount, name)
}

fn second(n: i64) -> Timestamp {
    Timestamp::from_second(n).unwrap()
}

/// What ran, and how many seconds after the start.
type Trace = Arc<Mutex<Vec<(String, u64)>>>;

struct Bench {
    queue: Queue,
    clock: Arc<TimerClock>,
    trigger: Trigger,
    shutdown: shutdown::Shutdown,
    trace: Trace,
    start: Instant,
}

fn bench(workers: usize) -> Bench {
    let clock = Arc::new(TimerClock::starting_at(second(1_000)));
    let (trigger, shutdown) = shutdown::channel();
    Bench {
        queue: Queue::new(Limits { workers, ..Limits::default() }, clock.clone()),
        clock,
        trigger,
        shutdown,
        trace: Trace::default(),
        start: Instant::now(),
    }
}

impl Bench {
    fn note(&self) -> impl Fn(&Key) + Clone + Send + 'static {
        let (trace, start) = (Arc::clone(&self.trace), self.start);
        move |key| trace.lock().unwrap().push((key.name.clone(), start.elapsed().as_secs()))
    }

    async fn stop_after(&self, secs: u64) {
        sleep(Duration::from_secs(secs)).await;
        self.trigger.pull();
    }

    fn ran(&self) -> Vec<(String, u64)> {
        self.trace.lock().unwrap().clone()
    }
}

fn at(list: &[(&str, u64)]) -> Vec<(String, u64)> {
    list.iter().map(|(name, t)| ((*name).to_owned(), *t)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_woken_often_runs_once_and_once_more_if_woken_while_it_runs() {
    let b = bench(4);
    for _ in 0..5 {
        b.queue.wake(key("a"));
    }
    let (note, queue) = (b.note(), b.queue.clone());
    let run = b.queue.run(&b.shutdown, |k| {
        note(&k);
        let queue = queue.clone();
        async move {
            if queue.clock.now() < second(1_002) {
                for _ in 0..3 {
                    queue.wake(k.clone());
                }
            }
            sleep(Duration::from_secs(3)).await;
            Ok::<_, String>(None)
        }
    });
    tokio::join!(run, b.stop_after(30));
    assert_eq!(b.ran(), at(&[("a", 0), ("a", 3)]));
}

#[tokio::test(start_paused = true)]
async fn no_more_passes_run_at_once_than_there_are_workers_and_never_two_for_one_key() {
    let b = bench(2);
    let names = ["a", "b", "c", "d", "e"];
    names.iter().for_each(|n| b.queue.wake(key(n)));
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let note = b.note();
    let run = b.queue.run(&b.shutdown, |k| {
        note(&k);
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            sleep(Duration::from_secs(1)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, String>(None)
        }
    });
    tokio::join!(run, b.stop_after(30));
    assert_eq!(most.load(Ordering::SeqCst), 2);
    assert_eq!(b.ran(), at(&[("a", 0), ("b", 0), ("c", 1), ("d", 1), ("e", 2)]));
}

#[tokio::test(start_paused = true)]
async fn timers_ring_in_time_the_earliest_wins_and_a_pass_sets_its_own_anew() {
    let b = bench(1);
    b.queue.wake_at(key("late"), second(1_010));
    b.queue.wake_at(key("early"), second(1_020));
    b.queue.wake_at(key("early"), second(1_005));
    b.queue.wake_at(key("early"), second(1_015));
    let (note, clock) = (b.note(), Arc::clone(&b.clock));
    let run = b.queue.run(&b.shutdown, |k| {
        note(&k);
        let again = (k.name == "late").then(|| clock.now() + SignedDuration::from_secs(30));
        async move { Ok::<_, String>(again) }
    });
    tokio::join!(run, b.stop_after(50));
    assert_eq!(b.ran(), at(&[("early", 5), ("late", 10), ("late", 40)]));
}

#[tokio::test(start_paused = true)]
async fn failures_wait_twice_as_long_each_up_to_a_minute_and_success_starts_anew() {
    let b = bench(1);
    b.queue.wake(key("a"));
    let (note, calls, queue) = (b.note(), Arc::new(AtomicUsize::new(0)), b.queue.clone());
    let run = b.queue.run(&b.shutdown, |k| {
        note(&k);
        let call = calls.fetch_add(1, Ordering::SeqCst);
        let queue = queue.clone();
        async move {
            if call == 8 {
                queue.wake(k);
                return Ok(None);
            }
            Err("no")
        }
    });
    tokio::join!(run, b.stop_after(245));
    let times: Vec<u64> = b.ran().into_iter().map(|(_, t)| t).collect();
    assert_eq!(times, [0, 1, 3, 7, 15, 31, 63, 123, 183, 183, 184, 186, 190, 198, 214]);
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_panics_counts_as_failed_and_leaves_the_others_alone() {
    let b = bench(2);
    b.queue.wake(key("bad"));
    b.queue.wake(key("good"));
    let note = b.note();
    let run = b.queue.run(&b.shutdown, |k| {
        note(&k);
        async move {
            assert!(k.name == "good", "on purpose");
            Ok::<_, String>(None)
        }
    });
    tokio::join!(run, b.stop_after(2));
    assert_eq!(b.ran(), at(&[("bad", 0), ("good", 0), ("bad", 1)]));
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_for_running_passes_starts_none_and_drops_those_that_hang() {
    let b = bench(2);
    ["quick", "hangs", "never starts"].iter().for_each(|n| b.queue.wake(key(n)));
    let (note, ended) = (b.note(), Arc::new(Mutex::new(Vec::new())));
    let run = b.queue.run(&b.shutdown, |k| {
        note(&k);
        let ended = Arc::clone(&ended);
        async move {
            sleep(Duration::from_secs(if k.name == "quick" { 2 } else { 1_000 })).await;
            ended.lock().unwrap().push(k.name);
            Ok::<_, String>(None)
        }
    });
    tokio::join!(run, b.stop_after(1));
    assert_eq!(b.start.elapsed().as_secs(), 4);
    assert_eq!(*ended.lock().unwrap(), ["quick"]);
    assert_eq!(b.ran(), at(&[("quick", 0), ("hangs", 0)]));
}

#[derive(Clone, Debug)]
enum Call {
    Wake(u8),
    WakeAt(u8, i64),
    Take,
    End(usize, Option<i64>, bool),
    Later(i64),
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        (0..4_u8).prop_map(Call::Wake),
        (0..4_u8, 0..100_i64).prop_map(|(k, t)| Call::WakeAt(k, t)),
        Just(Call::Take),
        (0..4_usize, prop::option::of(0..100_i64), any::<bool>()).prop_map(|(n, t, ok)| Call::End(n, t, ok)),
        (0..10_i64).prop_map(Call::Later),
    ]
}

/// Plays the calls; what is taken, with the time.
fn play(calls: &[Call]) -> Vec<(Key, i64)> {
    let (mut agenda, mut now, mut running, mut taken) = (Agenda::default(), 0, Vec::<Key>::new(), Vec::new());
    let mut owed: BTreeMap<Key, i64> = BTreeMap::new();
    for c in calls {
        match c {
            Call::Wake(k) => {
                agenda.wake(key(&k.to_string()));
                owed.insert(key(&k.to_string()), now);
            }
            Call::WakeAt(k, t) => agenda.wake_at(key(&k.to_string()), second(*t)),
            Call::Take => {
                if let Some(k) = agenda.take(second(now)) {
                    assert!(!running.contains(&k), "two passes of {k} at once");
                    owed.remove(&k);
                    running.push(k.clone());
                    taken.push((k, now));
                }
            }
            Call::End(n, next, ok) if !running.is_empty() => {
                let k = running.remove(n % running.len());
                let ended = if *ok { Ended::Well(next.map(second)) } else { Ended::Badly };
                agenda.end(&k, ended, second(now));
            }
            Call::End(..) => {}
            Call::Later(secs) => now += secs,
        }
    }
    for k in running {
        agenda.end(&k, Ended::Well(None), second(now));
    }
    while let Some(k) = agenda.take(second(now)) {
        owed.remove(&k);
        agenda.end(&k, Ended::Well(None), second(now));
    }
    assert!(owed.is_empty(), "woken and never run: {owed:?}");
    taken
}

proptest! {
    #[test]
    fn no_wake_is_lost_no_key_runs_twice_at_once_and_the_same_calls_make_the_same_order(
        calls in prop::collection::vec(call(), 0..200)
    ) {
        prop_assert_eq!(play(&calls), play(&calls));
    }
}
