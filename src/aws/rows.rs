//! The stacks that some object waits for, as the polls of their regions saw them last.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use stackgate_core::{
    effect::Seen,
    stack::StackRow,
    words::{Env, StackKey},
};

/// Rows by stack; cheap to clone, all clones are the same cache. Nothing here does IO.
#[derive(Clone, Debug, Default)]
pub struct RowCache(Arc<Mutex<BTreeMap<StackKey, Seen<StackRow>>>>);

impl RowCache {
    /// What was seen of a stack last.
    #[must_use]
    pub fn get(&self, key: &StackKey) -> Seen<StackRow> {
        self.lock().get(key).cloned().unwrap_or_default()
    }

    /// Takes in what a request that began at `as_of` told; `None`: it asked for this very stack, and there is none. Older
    /// never replaces newer; says whether somebody has to know: that a stack is not there is told each time, since
    /// those who wait for it may have seen it meanwhile.
    pub fn learn(&self, key: &StackKey, row: Option<StackRow>, as_of: Timestamp) -> bool {
        let mut rows = self.lock();
        let slot = rows.entry(key.clone()).or_default();
        if slot.as_of().is_some_and(|before| before >= as_of) {
            return false;
        }
        let same = matches!((&*slot, &row), (Seen::Present(before, _), Some(now)) if before == now);
        *slot = row.map_or(Seen::Absent(as_of), |row| Seen::Present(row, as_of));
        !same
    }

    /// Drops the rows of an environment that nobody waits for.
    pub(super) fn keep(&self, env: &Env, wanted: &BTreeSet<StackKey>) {
        self.lock().retain(|key, _| key.env != *env || wanted.contains(key));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<StackKey, Seen<StackRow>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use stackgate_core::stack::StackStatus;

    use super::*;

    #[test]
    fn older_never_replaces_newer() {
        let cache = RowCache::default();
        let env = Env { account: "111111111111".parse().unwrap(), region: "ap-southeast-2".parse().unwrap() };
        let key = StackKey { env, name: "S".parse().unwrap() };
        let row = |status| StackRow {
            id: "arn:aws:cloudformation:ap-southeast-2:111111111111:stack/S/1".parse().unwrap(),
            status,
            updated: Timestamp::UNIX_EPOCH,
            exports: BTreeSet::new(),
            parameters: BTreeSet::new(),
            masked: BTreeSet::new(),
            protected: false,
            drift: None,
            role: None,
            change_sets: None,
        };
        let at = |s| Timestamp::from_second(s).unwrap();
        assert_eq!(cache.get(&key), Seen::Unknown);
        let present = |status| Some(row(status));
        assert!(cache.learn(&key, present(StackStatus::CreateInProgress), at(2)));
        assert!(!cache.learn(&key, present(StackStatus::CreateComplete), at(1)));
        assert!(!cache.learn(&key, present(StackStatus::CreateInProgress), at(3)));
        assert!(cache.learn(&key, present(StackStatus::CreateComplete), at(4)));
        assert_eq!(cache.get(&key), Seen::Present(row(StackStatus::CreateComplete), at(4)));
        assert!(!cache.learn(&key, None, at(3)));
        assert!(cache.learn(&key, None, at(5)));
        assert!(cache.learn(&key, None, at(6)));
        assert_eq!(cache.get(&key), Seen::Absent(at(6)));
        cache.keep(&key.env, &BTreeSet::new());
        assert_eq!(cache.get(&key), Seen::Unknown);
    }
}
