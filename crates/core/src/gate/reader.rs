//! Reads each version of a plan once: it never changes, and checking its seals costs more than a decision.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::PlanView;
use crate::{api::ChangePlan, change::HmacKey};

/// So many versions are kept before it is looked which of them nobody has any more.
const FEW: usize = 256;

/// Plans as they are proven by one key. A clone shares what was read.
#[derive(Clone)]
pub struct PlanReader {
    key: HmacKey,
    read: Arc<Mutex<Read>>,
}

/// The views by the address of their object, which they keep alive: no other one can have it.
#[derive(Default)]
struct Read {
    views: HashMap<usize, Arc<PlanView>>,
    sweep_at: usize,
}

impl std::fmt::Debug for PlanReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PlanReader(…)")
    }
}

impl PlanReader {
    /// One that has read nothing yet.
    #[must_use]
    pub fn new(key: HmacKey) -> Self {
        Self { key, read: Arc::default() }
    }

    /// What a plan says, where nothing but a seal proves who decided. `None`: it is none of ours.
    #[must_use]
    pub fn read(&self, plan: &Arc<ChangePlan>) -> Option<Arc<PlanView>> {
        let address = Arc::as_ptr(plan).addr();
        let known = |read: &Read| read.views.get(&address).map(Arc::clone);
        if let Some(view) = self.with(|read| known(read)) {
            return Some(view);
        }
        let view = Arc::new(PlanView::new(Arc::clone(plan))?.proven_by(&self.key));
        self.with(|read| read.keep(address, Arc::clone(&view)));
        Some(view)
    }

    fn with<T>(&self, f: impl FnOnce(&mut Read) -> T) -> T {
        f(&mut self.read.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Read {
    fn keep(&mut self, address: usize, view: Arc<PlanView>) {
        if self.views.len() >= self.sweep_at {
            self.views.retain(|_, v| Arc::strong_count(v) > 1 || Arc::strong_count(&v.plan) > 1);
            self.sweep_at = FEW.max(self.views.len().saturating_mul(2));
        }
        self.views.insert(address, view);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan(name: &str) -> Arc<ChangePlan> {
        let spec = json!({
            "proposal": { "kind": "Stage", "name": "prod", "uid": "5e5cda1a", "operation": "Deploy",
                "id": format!("c1-{}", "1".repeat(40)) },
            "ledger": [{ "seq": 0, "time": "2026-11-24T00:00:00Z", "opened": { "order": 1 } }],
        });
        Arc::new(ChangePlan::new(name, serde_json::from_value(spec).unwrap()))
    }

    fn kept(reader: &PlanReader) -> usize {
        reader.with(|read| read.views.len())
    }

    #[test]
    fn a_version_is_read_once() {
        let reader = PlanReader::new(HmacKey::new([7; 32]));
        let plan = plan("prod-1");
        let first = reader.read(&plan).unwrap();
        assert!(Arc::ptr_eq(&first, &reader.clone().read(&plan).unwrap()));
        let next = Arc::new(ChangePlan::clone(&plan));
        assert!(!Arc::ptr_eq(&first, &reader.read(&next).unwrap()));
    }

    #[test]
    fn what_nobody_has_any_more_is_forgotten() {
        let reader = PlanReader::new(HmacKey::new([7; 32]));
        let stays = plan("stays");
        for n in 0..FEW * 8 {
            reader.read(&stays).unwrap();
            reader.read(&plan(&format!("prod-{n}"))).unwrap();
        }
        assert!(kept(&reader) <= FEW + 1, "{}", kept(&reader));
        let view = reader.read(&stays).unwrap();
        assert!(Arc::ptr_eq(&view.plan, &stays));
    }

    #[test]
    fn many_that_are_there_stay_read() {
        let reader = PlanReader::new(HmacKey::new([7; 32]));
        let all: Vec<_> = (0..FEW * 3).map(|n| plan(&format!("prod-{n}"))).collect();
        let first: Vec<_> = all.iter().map(|p| Arc::as_ptr(&reader.read(p).unwrap())).collect();
        let again: Vec<_> = all.iter().map(|p| Arc::as_ptr(&reader.read(p).unwrap())).collect();
        assert_eq!(first, again);
    }
}
