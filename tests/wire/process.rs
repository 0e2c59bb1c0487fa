//! One controller process: the real passes, queue, stores and Kubernetes client, with nothing remembered.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::ResourceExt;
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
    cluster::{ClusterView, Installation},
    gate::{Enforcement, InForceState},
};
use stackgate_sim::world::Object;
use tokio::task::JoinHandle;

use crate::{
    api_server::clients,
    aws::{Fake, Polls, Wants},
    ground::{Ground, OURS},
    objects::namespace,
    run::Manner,
    site::Site,
    streams::{Shared, client},
    watch::Watches,
};

/// A process. What it remembers dies with it.
pub struct Process {
    queue: Queue,
    stores: Stores,
    watches: Option<Watches>,
    streams: Option<Shared>,
    polls: Polls,
    memory: Arc<Memory>,
    tasks: Vec<JoinHandle<()>>,
    _trigger: Trigger,
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL: whatever is under way ends where it stands.
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Process {
    /// Starts one: lists everything, and begins.
    pub async fn start(site: &Arc<Site>, manner: Manner) -> Self {
        let mut clients = clients(site);
        let (stores, writers) = Stores::new(OURS);
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
            steps: manner.steps,
        });
        let queue = Queue::new(Limits { workers: 4, drain: Duration::ZERO }, Arc::clone(&site.clock));
        let (mut watches, mut tasks) = (None, Vec::new());
        if let Some(streams) = &manner.streams {
            clients.watches = client(site, streams);
            let (queue, stores, clients) = (queue.clone(), stores.clone(), clients.clone());
            let watch = async move { stores.watch(&clients, writers, |key| queue.wake(key)).await };
            tasks.push(tokio::spawn(watch));
            let listed = Arc::clone(&context);
            listed.stores.wait_synced().await.unwrap();
        } else {
            let fed = watches.insert(Watches::new(stores.clone(), writers, manner.post));
            let first = fed.list_all(&mut site.ground());
            first.into_iter().for_each(|key| queue.wake(key));
        }
        let (trigger, shutdown) = shutdown::channel();
        tasks.push({
            let (queue, site, calls) = (queue.clone(), Arc::clone(site), clients.calls);
            let stores = stores.clone();
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
        });
        let polls = Polls::new(wants, rows, site.clock.now());
        Self { queue, stores, watches, streams: manner.streams, polls, memory, tasks, _trigger: trigger }
    }

    /// Hears of what has happened by now.
    pub fn hear(&mut self, ground: &mut Ground) {
        ground.lose_what_is_not_heard();
        if std::mem::take(&mut ground.was_put_back) {
            self.list_anew(ground);
        }
        if let Some(watches) = &mut self.watches {
            let woken = watches.deliver(ground);
            self.wake(woken);
        }
        if let Some(streams) = &self.streams {
            streams.lock().unwrap().send(ground);
        }
        let (memory, queue) = (&self.memory, &self.queue);
        self.polls
            .poll(ground, |stack| memory.waiting_for(stack).into_iter().for_each(|key| queue.wake(key)));
    }

    /// Everything is listed anew.
    fn list_anew(&mut self, ground: &mut Ground) {
        if let Some(watches) = &mut self.watches {
            let woken = watches.list_all(ground);
            self.wake(woken);
        }
    }

    fn wake(&self, keys: BTreeSet<Key>) {
        keys.into_iter().for_each(|key| self.queue.wake(key));
    }

    /// When it hears of something next, if nothing happens before.
    pub fn hears_at(&self) -> Option<Timestamp> {
        let news = self.watches.as_ref().and_then(Watches::next);
        [news, self.polls.due()].into_iter().flatten().min()
    }

    /// Whether its stores show everything as it is: no news are on their way for ever.
    pub fn has_heard_all(&self, ground: &Ground) -> Result<(), String> {
        for (key, object) in &ground.world.cluster.objects.0 {
            let shown = match object {
                Object::Account(o) => self.stores.account(&o.name_any()).map(Object::Account),
                Object::Bootstrap(o) => self.stores.bootstrap(&o.name_any()).map(Object::Bootstrap),
                Object::Assembly(o) => {
                    self.stores.assembly(namespace(object).unwrap(), &o.name_any()).map(Object::Assembly)
                }
                Object::Stage(o) => {
                    self.stores.stage(namespace(object).unwrap(), &o.name_any()).map(Object::Stage)
                }
                Object::Plan(o) => {
                    self.stores.plan(namespace(object).unwrap(), &o.name_any()).map(Object::Plan)
                }
                Object::Freeze(o) => self.stores.freeze(&o.name_any()).map(Object::Freeze),
            };
            let (there, shown) = (object.version(), shown.map(|o| o.version()));
            if shown.as_ref() != Some(&there) {
                return Err(format!("{key:?} is there in version {there}, and the watch shows {shown:?}"));
            }
        }
        let there = ground.world.cluster.stages().count();
        match self.stores.all_stages().len() {
            shown if shown != there => Err(format!("{there} Stages, and the watch shows {shown}")),
            _ => Ok(()),
        }
    }

    /// Whether its loop has ended, which it must not.
    pub fn has_ended(&self) -> bool {
        self.tasks.iter().any(JoinHandle::is_finished)
    }
}
