//! The watches of one process: which event comes when, and when everything is listed anew, is up to the test.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use kube::{
    core::DeserializeGuard,
    runtime::{reflector::store::Writer, watcher::Event},
};
use stackgate::{
    kube::{
        Watched,
        stores::{Stores, Writers},
    },
    queue::{Key, Kind},
};
use stackgate_sim::world::{Object, ObjectKey};

use crate::{ground::Ground, objects::kind_of};

/// When the news of a write comes, by its kind and how many came before; `None`: the watch has ended with 410 Gone by then, and
/// everything of that kind is listed anew.
pub type Post = Arc<dyn Fn(Kind, u64) -> Option<SignedDuration> + Send + Sync>;

/// At once.
pub fn prompt() -> Post {
    Arc::new(|_, _| Some(SignedDuration::ZERO))
}

/// The watches of all kinds, and what is on its way.
pub struct Watches {
    stores: Stores,
    writers: Writers,
    post: Post,
    /// In the order of the API server, kind by kind.
    coming: BTreeMap<Kind, VecDeque<(ObjectKey, Option<Timestamp>)>>,
    count: u64,
}

impl Watches {
    /// Watches that have shown nothing yet.
    pub fn new(stores: Stores, writers: Writers, post: Post) -> Self {
        Self { stores, writers, post, coming: BTreeMap::new(), count: 0 }
    }

    /// Lists a kind anew. What was on its way is in the list.
    pub fn list(&mut self, ground: &mut Ground, kind: Kind) -> BTreeSet<Key> {
        self.coming.remove(&kind);
        let view = &mut ground.world.cluster.views[0];
        let late: Vec<ObjectKey> = view.late.keys().filter(|k| kind_of(k) == kind).cloned().collect();
        for key in late {
            while view.deliver(&key, ground.world.now).is_some() {}
        }
        view.seen.0.retain(|key, _| kind_of(key) != kind);
        let there: Vec<(ObjectKey, Object)> = ground
            .world
            .cluster
            .objects
            .0
            .iter()
            .filter(|(key, _)| kind_of(key) == kind)
            .map(|(key, object)| (key.clone(), object.clone()))
            .collect();
        ground.world.cluster.views[0].seen.0.extend(there.clone());
        let mut woken = self.bracket(kind, true);
        for (_, object) in there {
            woken.extend(self.show(object, Shown::Listed));
        }
        woken.extend(self.bracket(kind, false));
        woken
    }

    /// Lists everything.
    pub fn list_all(&mut self, ground: &mut Ground) -> BTreeSet<Key> {
        Kind::ALL.into_iter().flat_map(|kind| self.list(ground, kind)).collect()
    }

    /// Takes in what has come by now. What has happened since the last time is on its way from now on.
    pub fn deliver(&mut self, ground: &mut Ground) -> BTreeSet<Key> {
        self.send(ground);
        let now = ground.world.now;
        let mut woken = BTreeSet::new();
        for kind in Kind::ALL {
            while let Some((key, at)) = self.coming.get(&kind).and_then(|queue| queue.front()).cloned() {
                let Some(at) = at else {
                    woken.extend(self.list(ground, kind));
                    break;
                };
                if at > now {
                    break;
                }
                self.coming.entry(kind).or_default().pop_front();
                let view = &mut ground.world.cluster.views[0];
                let Some(event) = view.late.get(&key).and_then(|queue| queue.front().cloned()) else {
                    continue;
                };
                let gone = view.seen.0.get(&key).cloned();
                view.deliver(&key, now);
                let shown = match event {
                    Some(object) => Some((object, Shown::Changed)),
                    None => gone.map(|object| (object, Shown::Deleted)),
                };
                if let Some((object, how)) = shown {
                    woken.extend(self.show(object, how));
                }
            }
        }
        woken
    }

    /// When the next event comes.
    pub fn next(&self) -> Option<Timestamp> {
        self.coming.values().filter_map(|queue| queue.front()?.1).min()
    }

    fn send(&mut self, ground: &Ground) {
        let mut new: Vec<(u64, ObjectKey)> = Vec::new();
        for (key, queue) in &ground.world.cluster.views[0].late {
            let known =
                self.coming.get(&kind_of(key)).into_iter().flatten().filter(|(k, _)| k == key).count();
            let versions = queue
                .iter()
                .skip(known)
                .map(|event| event.as_ref().and_then(|o| o.version().parse().ok()).unwrap_or(u64::MAX));
            new.extend(versions.map(|version| (version, key.clone())));
        }
        new.sort();
        for (_, key) in new {
            let kind = kind_of(&key);
            let post = (self.post)(kind, self.count);
            self.count += 1;
            let at = post.map(|late| ground.world.now.saturating_add(late).unwrap());
            let queue = self.coming.entry(kind).or_default();
            // Within a kind, order is kept.
            let at =
                at.map(|at| queue.back().and_then(|(_, before)| *before).map_or(at, |before| at.max(before)));
            queue.push_back((key, at));
        }
    }

    fn show(&mut self, object: Object, shown: Shown) -> BTreeSet<Key> {
        let Writers { accounts, bootstraps, assemblies, stages, plans, freezes } = &mut self.writers;
        match object {
            Object::Account(o) => feed(&self.stores, accounts, shown.event((*o).clone())),
            Object::Bootstrap(o) => feed(&self.stores, bootstraps, shown.event((*o).clone())),
            Object::Assembly(o) => feed(&self.stores, assemblies, shown.event((*o).clone())),
            Object::Stage(o) => feed(&self.stores, stages, shown.event((*o).clone())),
            Object::Plan(o) => feed(&self.stores, plans, shown.event((*o).clone())),
            Object::Freeze(o) => feed(&self.stores, freezes, shown.event((*o).clone())),
        }
    }

    /// A list begins or ends.
    fn bracket(&mut self, kind: Kind, begins: bool) -> BTreeSet<Key> {
        fn event<K>(begins: bool) -> Event<DeserializeGuard<K>> {
            if begins { Event::Init } else { Event::InitDone }
        }
        let Writers { accounts, bootstraps, assemblies, stages, plans, freezes } = &mut self.writers;
        match kind {
            Kind::AwsAccount => feed(&self.stores, accounts, event(begins)),
            Kind::Bootstrap => feed(&self.stores, bootstraps, event(begins)),
            Kind::CloudAssembly => feed(&self.stores, assemblies, event(begins)),
            Kind::Stage => feed(&self.stores, stages, event(begins)),
            Kind::ChangePlan => feed(&self.stores, plans, event(begins)),
            Kind::Freeze => feed(&self.stores, freezes, event(begins)),
        }
    }
}

#[derive(Clone, Copy)]
enum Shown {
    Listed,
    Changed,
    Deleted,
}

impl Shown {
    fn event<K>(self, object: K) -> Event<DeserializeGuard<K>> {
        let object = DeserializeGuard(Ok(object));
        match self {
            Self::Listed => Event::InitApply(object),
            Self::Changed => Event::Apply(object),
            Self::Deleted => Event::Delete(object),
        }
    }
}

fn feed<K: Watched>(
    stores: &Stores,
    writer: &mut Writer<K>,
    event: Event<DeserializeGuard<K>>,
) -> BTreeSet<Key> {
    let store = writer.as_reader();
    stores.take_in(event, writer, &store)
}
