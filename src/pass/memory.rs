//! What is remembered of each object between passes. All of it may be lost.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use stackgate_core::{
    effect::{Access, Pace, Wake},
    facts::Facts,
    words::StackKey,
};

use crate::queue::Key;

/// The stacks that are watched, by how their region is read.
pub(super) type ByAccess = BTreeMap<Access, Vec<(StackKey, Pace)>>;

/// The memory of all objects.
#[derive(Debug, Default)]
pub struct Memory(Mutex<HashMap<Key, Remembered>>);

#[derive(Debug, Default)]
struct Remembered {
    facts: Facts,
    watched: Vec<StackKey>,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out what is remembered of an object. A pass that does not end well forgets it.
    pub(super) fn take(&self, key: &Key) -> Facts {
        self.lock().get_mut(key).map(|r| std::mem::take(&mut r.facts)).unwrap_or_default()
    }

    /// The stacks that the object waited for.
    pub(super) fn watched(&self, key: &Key) -> Vec<StackKey> {
        self.lock().get(key).map(|r| r.watched.clone()).unwrap_or_default()
    }

    /// Puts it back at the end of a pass that waits.
    pub(super) fn put(&self, key: &Key, facts: Facts, wake: &Wake) -> ByAccess {
        let watched = wake.stacks.iter().map(|w| w.key.clone()).collect();
        self.lock().insert(key.clone(), Remembered { facts, watched });
        let mut by_access = ByAccess::new();
        for w in &wake.stacks {
            by_access.entry(w.access.clone()).or_default().push((w.key.clone(), w.pace));
        }
        by_access
    }

    /// Puts it back at the end of a pass that goes on.
    pub(super) fn keep(&self, key: &Key, facts: Facts) {
        self.lock().entry(key.clone()).or_default().facts = facts;
    }

    /// Forgets an object that is gone.
    pub(super) fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    /// The objects that wait for a stack.
    #[must_use]
    pub fn waiting_for(&self, stack: &StackKey) -> Vec<Key> {
        self.lock().iter().filter(|(_, r)| r.watched.contains(stack)).map(|(k, _)| k.clone()).collect()
    }
}
