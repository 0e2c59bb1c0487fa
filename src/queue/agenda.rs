//! What is due, what runs and what has failed: the queue without tasks or timers, a function of the calls made to it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::Key;

/// The longest wait after failures, in seconds.
const MOST_BACKOFF: i64 = 60;

/// How a pass ended, for the agenda.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ended {
    /// It is to run again at the latest then; `None`: only when something changes.
    Well(Option<Timestamp>),
    /// It failed.
    Badly,
}

/// Every key is at most once in `ready`, and never in `ready` while it is in `running`.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    ready: VecDeque<Key>,
    is_ready: BTreeSet<Key>,
    running: BTreeSet<Key>,
    /// Woken while running: to be run once more.
    again: BTreeSet<Key>,
    timers: BTreeSet<(Timestamp, Key)>,
    timer_of: BTreeMap<Key, Timestamp>,
    failures: BTreeMap<Key, u32>,
}

impl Agenda {
    /// The key is to run as soon as possible, once for any number of calls.
    pub(super) fn wake(&mut self, key: Key) {
        if self.running.contains(&key) {
            self.again.insert(key);
        } else if self.is_ready.insert(key.clone()) {
            self.ready.push_back(key);
        }
    }

    /// The key is to run at the latest then. An earlier time that is set already stays.
    pub(super) fn wake_at(&mut self, key: Key, at: Timestamp) {
        if self.timer_of.get(&key).is_some_and(|set| *set <= at) {
            return;
        }
        self.clear_timer(&key);
        self.timers.insert((at, key.clone()));
        self.timer_of.insert(key, at);
    }

    /// The next key to run; it counts as running from here on.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<Key> {
        self.ring(now);
        let key = self.ready.pop_front()?;
        self.is_ready.remove(&key);
        // The pass looks at everything and says anew when it wants to be woken.
        self.clear_timer(&key);
        self.running.insert(key.clone());
        Some(key)
    }

    /// A pass has ended; returns when it is tried again if it failed.
    pub(super) fn end(&mut self, key: &Key, ended: Ended, now: Timestamp) -> Option<Timestamp> {
        self.running.remove(key);
        let retry = match ended {
            Ended::Well(next) => {
                self.failures.remove(key);
                if let Some(at) = next {
                    self.wake_at(key.clone(), at);
                }
                None
            }
            Ended::Badly => {
                let failures = self.failures.entry(key.clone()).or_insert(0);
                let wait = i64::min(1_i64 << (*failures).min(10), MOST_BACKOFF);
                *failures = failures.saturating_add(1);
                let at = now.saturating_add(SignedDuration::from_secs(wait)).unwrap_or(Timestamp::MAX);
                self.wake_at(key.clone(), at);
                Some(at)
            }
        };
        if self.again.remove(key) {
            self.wake(key.clone());
        }
        retry
    }

    /// When the next timer rings.
    pub(super) fn next_timer(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// How many keys are ready to run.
    pub(super) fn depth(&self) -> usize {
        self.ready.len()
    }

    fn ring(&mut self, now: Timestamp) {
        while let Some((_, key)) = self.timers.first().filter(|(at, _)| *at <= now).cloned() {
            self.clear_timer(&key);
            self.wake(key);
        }
    }

    fn clear_timer(&mut self, key: &Key) {
        if let Some(at) = self.timer_of.remove(key) {
            self.timers.remove(&(at, key.clone()));
        }
    }
}
