//! The watches that fill the stores and wake passes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    sync::Arc,
    time::Duration,
};

use futures::{Stream, StreamExt};
use kube::{
    Api, Resource, ResourceExt,
    core::DeserializeGuard,
    runtime::{
        WatchStreamExt,
        reflector::{ObjectRef, Store, store::Writer},
        utils::Backoff,
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;
use tracing::warn;

use super::{
    client::Clients,
    stores::{Stores, Writers},
    triggers::{Change, Trigger},
};
use crate::queue::Key;

/// How long it takes to list anew once a version is gone.
const GONE: Duration = Duration::from_secs(1);

/// The annotation in which `kubectl apply` keeps a copy of the object; nobody here reads it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

impl Stores {
    /// Watches all six kinds and hands the keys of what changed to `wake`. Ends only when it is dropped.
    pub async fn watch(&self, clients: &Clients, writers: Writers, wake: impl Fn(Key)) {
        let Writers { accounts, bootstraps, assemblies, stages, plans, freezes } = writers;
        tokio::join!(
            self.follow(|| objects(clients), accounts, &self.accounts, &wake),
            self.follow(|| objects(clients), bootstraps, &self.bootstraps, &wake),
            self.follow(|| objects(clients), assemblies, &self.assemblies, &wake),
            self.follow(|| objects(clients), stages, &self.stages, &wake),
            self.follow(|| objects(clients), plans, &self.plans, &wake),
            self.follow(|| objects(clients), freezes, &self.freezes, &wake),
        );
    }

    async fn follow<K: Watched, S>(
        &self,
        watch: impl Fn() -> S,
        mut writer: Writer<K>,
        store: &Store<K>,
        wake: &impl Fn(Key),
    ) where
        S: Stream<Item = Result<Event<DeserializeGuard<K>>, watcher::Error>>,
    {
        loop {
            let mut events = std::pin::pin!(watch());
            while let Some(event) = events.next().await {
                match event {
                    Ok(event) => {
                        for key in self.take_in(event, &mut writer, store) {
                            wake(key);
                        }
                    }
                    Err(error) => {
                        warn!(kind = %K::kind(&()), %error, "watch failed; it is tried again");
                        if is_gone(&error) {
                            break;
                        }
                    }
                }
            }
            // No race hides behind it: an API server that answers like that to every list is not asked without a break.
            tokio::time::sleep(GONE).await;
        }
    }

    /// Brings the store of `writer` up to date and says what that wakes.
    pub fn take_in<K: Watched>(
        &self,
        event: Event<DeserializeGuard<K>>,
        writer: &mut Writer<K>,
        store: &Store<K>,
    ) -> BTreeSet<Key> {
        let Some(event) = readable(event, store) else { return BTreeSet::new() };
        let event = event.modify(strip);
        match &event {
            Event::Apply(object) => {
                let before = store.get(&ObjectRef::from_obj(object));
                writer.apply_watcher_event(&event);
                K::woken(Change { before: before.as_deref(), after: Some(object) }, self)
            }
            Event::Delete(object) => {
                writer.apply_watcher_event(&event);
                K::woken(Change { before: Some(object), after: None }, self)
            }
            Event::Init | Event::InitApply(_) => {
                writer.apply_watcher_event(&event);
                BTreeSet::new()
            }
            Event::InitDone => {
                let before = by_name(store);
                writer.apply_watcher_event(&event);
                let after = by_name(store);
                let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
                let change = |n| Change {
                    before: before.get(n).map(Arc::as_ref),
                    after: after.get(n).map(Arc::as_ref),
                };
                names
                    .into_iter()
                    .map(change)
                    // The version alone would not do: an API server that was put back gives it a second time.
                    .filter(|c| c.before.map(K::meta) != c.after.map(K::meta))
                    .flat_map(|c| K::woken(c, self))
                    .collect()
            }
        }
    }
}

/// Whether no watch can go on from the version that was asked for: the watcher of kube-rs takes this to heart in an event of a stream alone,
/// and asks for the same version for ever where it is the answer to a request.
fn is_gone(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 410)
}

/// What a kind needs to be watched.
pub trait Watched:
    Trigger + Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
}
impl<K> Watched for K where
    K: Trigger + Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
}

fn objects<K: Watched>(
    clients: &Clients,
) -> impl Stream<Item = Result<Event<DeserializeGuard<K>>, watcher::Error>> + use<K> {
    let api = Api::<DeserializeGuard<K>>::all(clients.watches.clone());
    kube::runtime::watcher(api, watcher::Config::default()).backoff(Doubling::default())
}

/// One object that cannot be read must not hide the others. What was last readable of it stays: to take it for gone would
/// forget decisions.
fn readable<K: Watched>(event: Event<DeserializeGuard<K>>, store: &Store<K>) -> Option<Event<K>> {
    match event {
        Event::Init => Some(Event::Init),
        Event::InitDone => Some(Event::InitDone),
        Event::Apply(guard) => guard.0.map_err(|e| skipped::<K>(&e)).ok().map(Event::Apply),
        Event::InitApply(guard) => match guard.0 {
            Ok(object) => Some(Event::InitApply(object)),
            Err(e) => {
                skipped::<K>(&e);
                let last = store.get(&reference(&e.metadata));
                last.map(|object| Event::InitApply(Arc::unwrap_or_clone(object)))
            }
        },
        Event::Delete(guard) => match guard.0 {
            Ok(object) => Some(Event::Delete(object)),
            Err(e) => {
                let last = store.get(&reference(&e.metadata));
                last.map(|object| Event::Delete(Arc::unwrap_or_clone(object)))
            }
        },
    }
}

fn skipped<K: Watched>(invalid: &kube::core::error_boundary::InvalidObject) {
    let meta = &invalid.metadata;
    warn!(
        kind = %K::kind(&()), namespace = meta.namespace, name = meta.name, error = invalid.error,
        "object cannot be read and is ignored: are the CustomResourceDefinitions those of this version?"
    );
}

fn reference<K: Watched>(meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> ObjectRef<K> {
    let reference = ObjectRef::new(meta.name.as_deref().unwrap_or_default());
    match &meta.namespace {
        Some(namespace) => reference.within(namespace),
        None => reference,
    }
}

/// Half of the memory of an object would be bookkeeping of others.
fn strip<K: Resource>(object: &mut K) {
    let meta = object.meta_mut();
    meta.managed_fields = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.remove(LAST_APPLIED);
    }
}

type Name = (Option<String>, String);

fn by_name<K: Watched>(store: &Store<K>) -> BTreeMap<Name, Arc<K>> {
    store.state().into_iter().map(|o| ((o.namespace(), o.name_any()), o)).collect()
}

/// From half a second to 8 s: a restarted API server is seen soon.
#[derive(Clone, Copy, Debug)]
struct Doubling(Duration);

impl Default for Doubling {
    fn default() -> Self {
        Self(Duration::from_millis(500))
    }
}

impl Iterator for Doubling {
    type Item = Duration;
    fn next(&mut self) -> Option<Duration> {
        let now = self.0;
        self.0 = (now * 2).min(Duration::from_secs(8));
        Some(now)
    }
}

impl Backoff for Doubling {
    fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
