//! One controller process: the real passes, queue, stores and Kubernetes client, with nothing remembered.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use stackgate::{
    aws::RowCache,
    kube::{
        events::Events,
        policies::{Signing, fingerprint},
        stores::Stores,
        writes::Writes,
    },
    pass::{Bundles, Context, Memory, pass},
    queue::{Key, Limits, Queue},
    shutdown::{self, Trigger},
};
use stackgate_core::{
    cluster::Installation,
    gate::{Enforcement, InForceState},
};
use tokio::task::JoinHandle;

use crate::{
    api_server::clients,
    aws::{Fake, Polls, Wants},
    ground::{Ground, OURS},
    site::Site,
    watch::{Post, Watches},
};

/// A process. What it remembers dies with it.
pub struct Process {
    queue: Queue,
    watches: Watches,
    polls: Polls,
    memory: Arc<Memory>,
    passes: JoinHandle<()>,
    _trigger: Trigger,
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL: whatever is under way ends where it stands.
        self.passes.abort();
    }
}

impl Process {
    /// Starts one: lists everything, and begins.
    pub async fn start(site: &Arc<Site>, post: Post, steps: usize) -> Self {
        let clients = clients(site);
        let (stores, writers) = Stores::new(OURS);
        let mut watches = Watches::new(stores.clone(), writers, post);
        let (memory, rows, wants) = (Arc::new(Memory::default()), RowCache::default(), Wants::default());
        let writes = Writes::new(&clients).with_policies(Signing::LeftOut, OURS);
        let installation = Installation::new(OURS, Ground::key());
        let context = Arc::new(Context {
            stores: stores.clone(),
            rows: rows.clone(),
            writes,
            events: Events::new(&clients, "wire"),
            cloud: Box::new(Fake { site: Arc::clone(site), wants: Arc::clone(&wants) }),
            bundles: Bundles::default(),
            memory: Arc::clone(&memory),
            installation,
            clock: Arc::clone(&site.clock),
            steps,
        });
        let queue = Queue::new(Limits { workers: 4, drain: Duration::ZERO }, Arc::clone(&site.clock));
        let first = watches.list_all(&mut site.ground());
        first.into_iter().for_each(|key| queue.wake(key));
        let (trigger, shutdown) = shutdown::channel();
        let passes = {
            let (queue, site, calls) = (queue.clone(), Arc::clone(site), clients.calls);
            tokio::spawn(async move {
                // As `look_after` would find them, but for the requests that try them.
                let named = loop {
                    match fingerprint(&calls, OURS, Signing::LeftOut).await {
                        Ok(named) => break named,
                        Err(_) => tokio::time::sleep(Duration::from_secs(2)).await,
                    }
                };
                let in_force = Enforcement {
                    state: InForceState::InForce,
                    fingerprint: Some(named),
                    ..Enforcement::default()
                };
                stores.enforce(in_force, |key| queue.wake(key));
                let run = |key: Key| {
                    let (context, site) = (Arc::clone(&context), Arc::clone(&site));
                    async move {
                        site.ground().world.acting = (0, site.clock.now());
                        pass(context, key).await
                    }
                };
                queue.run(&shutdown, run).await;
            })
        };
        let polls = Polls::new(wants, rows, site.clock.now());
        Self { queue, watches, polls, memory, passes, _trigger: trigger }
    }

    /// Hears of what has happened by now.
    pub fn hear(&mut self, ground: &mut Ground) {
        ground.lose_what_is_not_heard();
        if std::mem::take(&mut ground.was_put_back) {
            self.list_anew(ground);
        }
        let woken = self.watches.deliver(ground);
        self.wake(woken);
        let (memory, queue) = (&self.memory, &self.queue);
        self.polls
            .poll(ground, |stack| memory.waiting_for(stack).into_iter().for_each(|key| queue.wake(key)));
    }

    /// Everything is listed anew.
    fn list_anew(&mut self, ground: &mut Ground) {
        let woken = self.watches.list_all(ground);
        self.wake(woken);
    }

    fn wake(&self, keys: BTreeSet<Key>) {
        keys.into_iter().for_each(|key| self.queue.wake(key));
    }

    /// When it hears of something next, if nothing happens before.
    pub fn hears_at(&self) -> Option<Timestamp> {
        [self.watches.next(), self.polls.due()].into_iter().flatten().min()
    }

    /// Whether its loop has ended, which it must not.
    pub fn has_ended(&self) -> bool {
        self.passes.is_finished()
    }
}
