//! Assemblies, unpacked: shared by the objects that work on them, and kept for a while. All of it can be fetched again.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use stackgate_core::{
    api::PinnedS3,
    bundle::Bundle,
    effect::{Access, Fact, Outcome},
    words::{Env, RoleArn},
};

/// How many bytes all of them may have. One that is larger is kept alone.
const MOST_BYTES: u64 = 256 << 20;
/// How long nobody may have asked for one: longer than the longest pause between two tries of what is stuck (5 minutes).
const IDLE: SignedDuration = SignedDuration::from_mins(15);

/// An archive, and who reads it: a role that may not read it gets nothing that another one has fetched.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Place {
    source: PinnedS3,
    env: Env,
    roles: Vec<RoleArn>,
}

#[derive(Debug)]
struct Slot {
    /// Whoever fetches it holds the lock; the others wait for what comes of it.
    bundle: Arc<tokio::sync::Mutex<Option<Arc<Bundle>>>>,
    used: Timestamp,
}

/// The assemblies of all objects.
#[derive(Debug)]
pub struct Bundles {
    slots: Mutex<BTreeMap<Place, Slot>>,
    most: u64,
}

impl Default for Bundles {
    fn default() -> Self {
        Self { slots: Mutex::default(), most: MOST_BYTES }
    }
}

impl Bundles {
    /// The assembly: the one that is here, or what `fetch` brings.
    pub(super) async fn get(
        &self,
        source: &PinnedS3,
        access: &Access,
        now: Timestamp,
        fetch: impl Future<Output = Outcome>,
    ) -> Outcome {
        let place = Place { source: source.clone(), env: access.env.clone(), roles: access.roles.clone() };
        let slot = self.slot(&place, now);
        let mut bundle = slot.lock().await;
        if let Some(bundle) = &*bundle {
            return Outcome::Learnt(Fact::Bundle(Ok(Arc::clone(bundle))));
        }
        let outcome = fetch.await;
        if let Outcome::Learnt(Fact::Bundle(Ok(fetched))) = &outcome {
            *bundle = Some(Arc::clone(fetched));
        }
        drop(bundle);
        self.tidy(&place, now);
        outcome
    }

    /// Drops what nobody has asked for in a while.
    pub(super) fn forget_idle(&self, now: Timestamp) {
        self.lock().retain(|_, slot| now.duration_since(slot.used) < IDLE);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Place, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, place: &Place, now: Timestamp) -> Arc<tokio::sync::Mutex<Option<Arc<Bundle>>>> {
        let mut slots = self.lock();
        let slot = slots.entry(place.clone()).or_insert_with(|| Slot { bundle: Arc::default(), used: now });
        slot.used = now;
        Arc::clone(&slot.bundle)
    }

    /// Drops what was asked for longest ago, until the rest is not too much.
    fn tidy(&self, newest: &Place, now: Timestamp) {
        self.forget_idle(now);
        let mut slots = self.lock();
        while bytes(&slots) > self.most {
            let oldest = slots.iter().filter(|(place, slot)| *place != newest && is_full(slot));
            let Some(oldest) = oldest.min_by_key(|(_, slot)| slot.used).map(|(place, _)| place.clone())
            else {
                return;
            };
            slots.remove(&oldest);
        }
    }
}

fn held(slot: &Slot) -> Option<Arc<Bundle>> {
    slot.bundle.try_lock().ok().and_then(|bundle| bundle.clone())
}

fn is_full(slot: &Slot) -> bool {
    held(slot).is_some()
}

/// What all of them have; two places may hold the same one.
fn bytes(slots: &BTreeMap<Place, Slot>) -> u64 {
    let mut seen = BTreeSet::new();
    let held = slots.values().filter_map(held);
    held.filter(|bundle| seen.insert(Arc::as_ptr(bundle).addr())).map(|bundle| bundle.bytes()).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use stackgate_core::bundle::{File, Node, Tree, TreePath};

    use super::*;

    /// An assembly whose manifest is about as long as that.
    fn bundle(bytes: usize) -> Arc<Bundle> {
        let mut tree = Tree::default();
        let manifest = format!(r#"{{"version":"55.0.0","artifacts":{{}},"notes":"{}"}}"#, "x".repeat(bytes));
        let file = Node::File(File::new(manifest.into_bytes(), false));
        tree.insert(TreePath::parse("manifest.json").unwrap(), file).unwrap();
        Arc::new(Bundle::open(tree).unwrap())
    }

    fn source(version: &str) -> PinnedS3 {
        PinnedS3 {
            account: "build".to_owned(),
            bucket: "shop-cdk-out".parse().unwrap(),
            key: "a.tar.gz".to_owned(),
            region: "ap-southeast-2".parse().unwrap(),
            version_id: version.to_owned(),
        }
    }

    fn access(owner: &str, role: &str) -> Access {
        let env = Env { account: "111111111111".parse().unwrap(), region: "ap-southeast-2".parse().unwrap() };
        let role = format!("arn:aws:iam::111111111111:role/{role}").parse().unwrap();
        Access { env, roles: vec![role], session_name: owner.to_owned(), scope: None }
    }

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH.saturating_add(SignedDuration::from_mins(minutes)).unwrap()
    }

    struct Shelf {
        bundles: Bundles,
        fetched: AtomicU32,
    }

    impl Shelf {
        fn new(most: u64) -> Self {
            Self { bundles: Bundles { most, ..Bundles::default() }, fetched: AtomicU32::new(0) }
        }

        async fn get(&self, version: &str, access: &Access, minutes: i64) -> Arc<Bundle> {
            let fetch = async {
                self.fetched.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Outcome::Learnt(Fact::Bundle(Ok(bundle(1000))))
            };
            match self.bundles.get(&source(version), access, at(minutes), fetch).await {
                Outcome::Learnt(Fact::Bundle(Ok(bundle))) => bundle,
                other => panic!("{other:?}"),
            }
        }

        fn fetched(&self) -> u32 {
            self.fetched.load(Ordering::Relaxed)
        }
    }

    #[tokio::test]
    async fn objects_share_what_one_of_them_fetches() {
        let shelf = Shelf::new(1 << 20);
        let (a, b) = (access("a", "reader"), access("b", "reader"));
        let (first, second) = tokio::join!(shelf.get("1", &a, 0), shelf.get("1", &b, 0));
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(shelf.fetched(), 1);
        // Another role has to show that it may read it.
        shelf.get("1", &access("c", "other"), 0).await;
        assert_eq!(shelf.fetched(), 2);
    }

    #[tokio::test]
    async fn what_is_asked_for_again_and_again_stays_and_the_rest_goes() {
        let shelf = Shelf::new(1 << 20);
        let a = access("a", "reader");
        let idle = Arc::downgrade(&shelf.get("1", &a, 0).await);
        shelf.get("2", &a, 0).await;
        for minutes in (5..60).step_by(5) {
            shelf.bundles.forget_idle(at(minutes)); // as each pass does
            shelf.get("2", &a, minutes).await;
        }
        assert_eq!(shelf.fetched(), 2);
        assert!(idle.upgrade().is_none());
        shelf.bundles.forget_idle(at(100));
        shelf.get("2", &a, 100).await;
        assert_eq!(shelf.fetched(), 3);
    }

    #[tokio::test]
    async fn all_together_have_no_more_bytes_than_allowed() {
        let shelf = Shelf::new(2500);
        let a = access("a", "reader");
        let mut weak = Vec::new();
        for version in 0..5 {
            weak.push(Arc::downgrade(&shelf.get(&version.to_string(), &a, i64::from(version)).await));
        }
        let kept: Vec<bool> = weak.iter().map(|bundle| bundle.strong_count() > 0).collect();
        assert_eq!(kept, [false, false, false, true, true]);
    }

    #[tokio::test]
    async fn what_failed_is_not_kept() {
        let shelf = Shelf::new(1 << 20);
        let a = access("a", "reader");
        let fails = async { Outcome::Unsure("no answer".to_owned()) };
        shelf.bundles.get(&source("1"), &a, at(0), fails).await;
        shelf.get("1", &a, 0).await;
        assert_eq!(shelf.fetched(), 1);
    }
}
