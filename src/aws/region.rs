//! The polls: one task per account and region that some object waits for reads all its stacks at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use jiff::Timestamp;
use stackgate_core::{
    effect::{Access, Pace, Seen},
    stack::StackRow,
    words::{Env, StackKey},
};
use tokio::{sync::Notify, task::AbortHandle, time::Instant};

use super::{
    class::Class,
    failed::Failed,
    rhythm::{Paces, Rhythm},
    rows::RowCache,
    sessions::Sessions,
};

/// Called with every stack whose row has changed.
pub type WakeRow = Arc<dyn Fn(&StackKey) + Send + Sync>;

/// All polls of this process. They end with it, or when nobody waits any more.
pub struct Regions(Arc<Shared>);

struct Shared {
    sessions: Arc<Sessions>,
    cache: RowCache,
    wake: WakeRow,
    paces: Paces,
    stations: Mutex<BTreeMap<Env, Station>>,
}

/// What is waited for in one account and region.
struct Station {
    wants: BTreeMap<String, Want>,
    /// A poll is due at once: something has just begun to run.
    due: bool,
    changed: Arc<Notify>,
    task: AbortHandle,
}

#[derive(PartialEq)]
struct Want {
    access: Access,
    keys: BTreeMap<StackKey, Pace>,
}

/// What a poll has to do next.
struct Order {
    accesses: Vec<Access>,
    keys: BTreeSet<StackKey>,
    pace: Pace,
    due: bool,
}

impl Regions {
    /// Polls into `cache`, through these sessions.
    #[must_use]
    pub fn new(sessions: Arc<Sessions>, cache: RowCache, paces: Paces, wake: WakeRow) -> Self {
        Self(Arc::new(Shared { sessions, cache, wake, paces, stations: Mutex::default() }))
    }

    /// Says what an object waits for in the environment of `access`, in place of what it waited for there; nothing,
    /// where the list is empty. Keys of other environments are left out. Must be called within a tokio runtime.
    pub fn want(&self, owner: &str, access: Access, keys: Vec<(StackKey, Pace)>) {
        let env = access.env.clone();
        let keys: BTreeMap<StackKey, Pace> = keys.into_iter().filter(|(k, _)| k.env == env).collect();
        let mut stations = self.0.lock();
        if keys.is_empty() {
            if let Some(station) = stations.get_mut(&env) {
                station.drop_owner(owner);
            }
            return;
        }
        let station = stations.entry(env.clone()).or_insert_with(|| self.station(env));
        station.set(owner, Want { access, keys });
    }

    /// Says that an object waits for nothing any more.
    pub fn forget(&self, owner: &str) {
        for station in self.0.lock().values_mut() {
            station.drop_owner(owner);
        }
    }

    /// The environments that are being polled.
    #[must_use]
    pub fn polled(&self) -> Vec<Env> {
        self.0.lock().keys().cloned().collect()
    }

    fn station(&self, env: Env) -> Station {
        let changed = Arc::new(Notify::new());
        let task = tokio::spawn(poll(Arc::downgrade(&self.0), env, changed.clone())).abort_handle();
        Station { wants: BTreeMap::new(), due: false, changed, task }
    }
}

impl Drop for Regions {
    fn drop(&mut self) {
        for station in self.0.lock().values() {
            station.task.abort();
        }
    }
}

impl Station {
    fn set(&mut self, owner: &str, want: Want) {
        let before = self.wants.get(owner);
        if before == Some(&want) {
            return;
        }
        let was_fast = |key: &StackKey| before.is_some_and(|b| b.keys.get(key) == Some(&Pace::Fast));
        self.due |= want.keys.iter().any(|(key, pace)| *pace == Pace::Fast && !was_fast(key));
        self.wants.insert(owner.to_owned(), want);
        self.changed.notify_one();
    }

    fn drop_owner(&mut self, owner: &str) {
        if self.wants.remove(owner).is_some() {
            self.changed.notify_one();
        }
    }

    fn order(&self) -> Order {
        let mut accesses: Vec<Access> = self.wants.values().map(|w| w.access.clone()).collect();
        accesses.sort();
        accesses.dedup();
        let all = || self.wants.values().flat_map(|w| &w.keys);
        Order {
            accesses,
            keys: all().map(|(key, _)| key.clone()).collect(),
            pace: all().map(|(_, pace)| *pace).max().unwrap_or(Pace::Slow),
            due: self.due,
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Env, Station>> {
        self.stations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is waited for; when that is nothing, the station goes, and with it the task that asked.
    fn order(&self, env: &Env) -> Option<Order> {
        let mut stations = self.lock();
        let station = stations.get(env)?;
        if station.wants.is_empty() {
            stations.remove(env);
            self.cache.keep(env, &BTreeSet::new());
            return None;
        }
        let order = station.order();
        self.cache.keep(env, &order.keys);
        Some(order)
    }

    /// Takes down that a poll begins; what becomes due from now on asks for another one.
    fn begin(&self, env: &Env) {
        if let Some(station) = self.lock().get_mut(env) {
            station.due = false;
        }
    }

    /// Reads all pages. Rows count only when the walk is complete, each as of the request of its page. What is missing
    /// then is asked for by name: only that tells that it is not there.
    async fn walk(&self, env: &Env, access: &Access, wanted: &BTreeSet<StackKey>) -> Result<(), Failed> {
        let session = self.sessions.get(access).await?;
        let clients = session.clients(&env.region);
        let forget_lost = |failed: &Failed| {
            if failed.class() == Class::SessionLost {
                self.sessions.forget(access, &session);
            }
        };
        let (mut rows, mut token, mut missing) = (Vec::new(), None, wanted.clone());
        loop {
            let as_of = Timestamp::now();
            let page = clients.stack_page(token).await.inspect_err(forget_lost)?;
            for (name, row) in page.rows {
                let Some(key) = wanted.iter().find(|k| k.name.as_str() == name) else { continue };
                missing.remove(key);
                match row {
                    Ok(row) => rows.push((key.clone(), row, as_of)),
                    Err(failed) => {
                        tracing::warn!(stack = %key, why = failed.message(), "stack cannot be read")
                    }
                }
            }
            match page.next {
                Some(next) => token = Some(next),
                None => break,
            }
        }
        for (key, row, as_of) in rows {
            self.publish(&key, Some(row), as_of);
        }
        // What is absent stays so mostly, and a page would name it: it is asked for at the slow pace, also while others run.
        let pause = self.paces.slow / 2;
        let now = Timestamp::now();
        missing.retain(|key| match self.cache.get(key) {
            Seen::Absent(at) => now.duration_since(at).unsigned_abs() >= pause,
            Seen::Unknown | Seen::Present(..) => true,
        });
        for key in missing {
            let as_of = Timestamp::now();
            let row = clients.stack(&key).await.inspect_err(forget_lost)?;
            self.publish(&key, row, as_of);
        }
        Ok(())
    }

    fn publish(&self, key: &StackKey, row: Option<StackRow>, as_of: Timestamp) {
        if self.cache.learn(key, row, as_of) {
            (self.wake)(key);
        }
    }
}

/// The task of one account and region: waits until a poll is due, polls, and ends when nobody waits.
async fn poll(shared: Weak<Shared>, env: Env, changed: Arc<Notify>) {
    let mut rhythm = Rhythm::new(Instant::now());
    loop {
        // Only weakly held while waiting: the task must not keep alive what it is to end with.
        let due = {
            let Some(shared) = shared.upgrade() else { return };
            let Some(order) = shared.order(&env) else { return };
            rhythm.next(&shared.paces, order.due, order.pace, &env)
        };
        tokio::select! {
            () = tokio::time::sleep_until(due) => {}
            () = changed.notified() => continue,
        }
        let Some(shared) = shared.upgrade() else { return };
        let Some(order) = shared.order(&env) else { return };
        let Some(access) = rhythm.choose(&order.accesses) else { return };
        shared.begin(&env);
        rhythm.begins(Instant::now());
        match shared.walk(&env, access, &order.keys).await {
            Ok(()) => rhythm.succeeded(),
            Err(failed) => {
                rhythm.failed(failed.class());
                tracing::warn!(%env, why = failed.message(), "the stacks could not be polled");
            }
        }
    }
}
