//! The queue of passes: each key at most once, at most one pass per key at a time, a bounded number of passes at once,
//! timers, and a growing wait after failures. The same calls at the same times make the same order.

mod agenda;
mod key;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    sync::Notify,
    task::{Id, JoinError, JoinSet},
    time::{sleep, timeout},
};
use tracing::{error, warn};

use self::agenda::{Agenda, Ended};
pub use self::key::{Key, Kind};
use crate::{clock::SharedClock, shutdown::Shutdown};

const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// What the queue may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many passes run at once; at least one does.
    pub workers: usize,
    /// How long running passes may go on once the end is asked for; then they are dropped where they stand.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { workers: 8, drain: Duration::from_secs(3) }
    }
}

/// The queue; clones share it.
#[derive(Clone, Debug)]
pub struct Queue {
    limits: Limits,
    clock: SharedClock,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    agenda: Mutex<Agenda>,
    changed: Notify,
}

impl Shared {
    fn agenda(&self) -> MutexGuard<'_, Agenda> {
        // No call on the agenda panics half-way, so what a poisoned lock guards is whole.
        self.agenda.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(limits: Limits, clock: SharedClock) -> Self {
        Self { limits, clock, shared: Arc::default() }
    }

    /// The key is to run as soon as possible; if it runs right now, once more afterwards.
    pub fn wake(&self, key: Key) {
        self.shared.agenda().wake(key);
        self.shared.changed.notify_one();
    }

    /// The key is to run at the latest then. An earlier time that is set already stays.
    pub fn wake_at(&self, key: Key, at: Timestamp) {
        self.shared.agenda().wake_at(key, at);
        self.shared.changed.notify_one();
    }

    /// How many keys are ready and not running.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.shared.agenda().depth()
    }

    /// Runs passes until the end is asked for, then waits for those that run.
    ///
    /// A pass returns when it wants to run again at the latest. One that fails or panics is tried again after 1 s,
    /// doubling to 60 s.
    pub async fn run<F, Fut, E>(&self, shutdown: &Shutdown, pass: F)
    where
        F: Fn(Key) -> Fut,
        Fut: Future<Output = Result<Option<Timestamp>, E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let mut running = Running::default();
        while !shutdown.is_requested() {
            while running.passes.len() < self.limits.workers.max(1) {
                let Some(key) = self.shared.agenda().take(self.clock.now()) else { break };
                running.start(key.clone(), pass(key));
            }
            tokio::select! {
                biased;
                () = shutdown.requested() => {}
                Some(ended) = running.next() => self.note(ended),
                () = self.shared.changed.notified() => {}
                () = self.timer(), if running.passes.len() < self.limits.workers.max(1) => {}
            }
        }
        let drained = timeout(self.limits.drain, async {
            while let Some(ended) = running.next().await {
                self.note(ended);
            }
        });
        if drained.await.is_err() {
            warn!(passes = running.passes.len(), "passes did not end in time and are dropped");
        }
    }

    fn note<E: Display>(&self, (key, result): (Key, Result<Result<Option<Timestamp>, E>, JoinError>)) {
        let ended = match &result {
            Ok(Ok(next)) => Ended::Well(*next),
            Ok(Err(_)) | Err(_) => Ended::Badly,
        };
        let retry = self.shared.agenda().end(&key, ended, self.clock.now());
        let retry = retry.map(tracing::field::display);
        match result {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => warn!(%key, %error, retry_at = retry, "pass failed"),
            Err(error) => error!(%key, %error, retry_at = retry, "pass panicked"),
        }
    }

    /// Returns when the next timer rings; never if none is set.
    async fn timer(&self) {
        let next = self.shared.agenda().next_timer();
        let Some(at) = next else { return std::future::pending().await };
        let wait = Duration::try_from(at.duration_since(self.clock.now())).unwrap_or_default();
        // Timers count in milliseconds: rounding up keeps it from spinning through the last one. The clock of the machine
        // may be set meanwhile, so none sleeps for long.
        sleep(wait.min(LONGEST_SLEEP) + Duration::from_millis(1)).await;
    }
}

struct Running<E> {
    passes: JoinSet<Result<Option<Timestamp>, E>>,
    keys: HashMap<Id, Key>,
}

impl<E> Default for Running<E> {
    fn default() -> Self {
        Self { passes: JoinSet::new(), keys: HashMap::new() }
    }
}

impl<E: Send + 'static> Running<E> {
    fn start(&mut self, key: Key, pass: impl Future<Output = Result<Option<Timestamp>, E>> + Send + 'static) {
        let id = self.passes.spawn(pass).id();
        self.keys.insert(id, key);
    }

    /// The next pass that ends; `None` when none runs.
    async fn next(&mut self) -> Option<(Key, Result<Result<Option<Timestamp>, E>, JoinError>)> {
        let (id, result) = match self.passes.join_next_with_id().await? {
            Ok((id, result)) => (id, Ok(result)),
            Err(error) => (error.id(), Err(error)),
        };
        Some((self.keys.remove(&id)?, result))
    }
}
