//! Everything outside the controllers: the API server, AWS, and the time.

mod by_hand;
mod change_set;
mod cloud;
mod cluster;
mod drift;
mod perform;
pub mod platform;
pub mod policies;
pub mod said;

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use stackgate_core::{
    bundle::Bundle,
    change::HmacKey,
    effect::ImageRef,
    stack::SetContent,
    words::{AccountId, ChangeSetArn, ChangeSetName, Digest, StackKey},
};

pub use change_set::ChangeSet;
pub use cloud::{Cloud, Deployed, Operation, Stack};
pub use cluster::{Cluster, NAMESPACE, Object, ObjectKey, Objects, View};

use crate::{
    controller::Situation,
    protocol::Protocol,
    weather::{Luck, Weather},
};

/// The key of the installation.
#[must_use]
pub fn key() -> HmacKey {
    HmacKey::new([7; 32])
}

/// The world.
#[derive(Clone, Debug)]
pub struct World {
    /// The time.
    pub now: Timestamp,
    /// The API server.
    pub cluster: Cluster,
    /// CloudFormation.
    pub cloud: Cloud,
    /// The digests of the objects in the asset buckets, by bucket and key.
    pub assets: BTreeMap<String, Digest>,
    /// Images in repositories: the digests of their manifests.
    pub images: BTreeMap<ImageRef, Digest>,
    /// The versions of the source object, oldest first.
    pub source: Vec<Arc<Bundle>>,
    /// Chance.
    pub luck: Luck,
    /// What the controllers do.
    pub protocol: Protocol,
    /// What a controller that remembers contents by name has seen first.
    pub known_contents: BTreeMap<(StackKey, ChangeSetName), SetContent>,
    /// What has happened and was not judged yet.
    pub happened: Vec<Happened>,
    /// Counts what happened.
    pub moment: u64,
    /// Every annotation that anybody has written, in order.
    pub said: Vec<said::Said>,
    /// The admission policies.
    pub policies: policies::Policies,
    /// Whether controllers make and change toolkit stacks: mostly they are there.
    pub toolkits: bool,
    /// The freezes, as they are meant.
    pub freezes: BTreeMap<String, platform::Meant>,
    /// The controller that acts, and when it has decided to.
    pub acting: (usize, Timestamp),
    /// The accounts whose grant is withdrawn, and since when.
    pub withdrawn: BTreeMap<AccountId, u64>,
    /// Whether reads of stacks may be behind in this run.
    pub reads_lag: bool,
    /// Mutating calls and Kubernetes writes by controllers.
    pub writes: u64,
    /// Lines that tell what happened, if somebody wants them.
    pub trace: Option<Vec<String>>,
    /// What was decided on, where somebody wants to know.
    pub situations: Option<Vec<Situation>>,
}

/// Something that a check wants to know of.
#[derive(Clone, Debug)]
pub enum Happened {
    /// A change set was made by a controller.
    SetMade(StackKey),
    /// A change set was executed by a controller.
    Executed(StackKey, Box<ChangeSet>),
    /// A change set was deleted by a controller.
    SetDeleted(StackKey, Box<ChangeSet>),
    /// A stack was deleted by a controller; the stack as it was.
    StackDeleted(StackKey, Box<Stack>),
    /// Entries were added to a plan's ledger, from this place on.
    Appended(String, usize),
    /// Somebody looked at the gate, live.
    Looked(Timestamp),
    /// The status of a Stage was written; whether its writer had not seen by then all that was there.
    StageStatus(String, bool),
}

impl World {
    /// Makes a world with chance and protocol, and nothing in it.
    #[must_use]
    pub fn new(luck: Luck, protocol: Protocol) -> Self {
        Self {
            reads_lag: luck.weather.stale > 0,
            now: Timestamp::from_second(1_800_000_000).unwrap_or(Timestamp::UNIX_EPOCH),
            cluster: Cluster::default(),
            cloud: Cloud::default(),
            assets: BTreeMap::new(),
            images: BTreeMap::new(),
            source: Vec::new(),
            luck,
            protocol,
            known_contents: BTreeMap::new(),
            happened: Vec::new(),
            moment: 0,
            said: Vec::new(),
            policies: policies::Policies::default(),
            toolkits: false,
            freezes: BTreeMap::new(),
            acting: (0, Timestamp::UNIX_EPOCH),
            withdrawn: BTreeMap::new(),
            writes: 0,
            trace: None,
            situations: None,
        }
    }

    /// Somebody applies an object: what is there already gets the new spec, and keeps the rest.
    pub fn apply(&mut self, object: Object) {
        let there = self.cluster.objects.0.get(&object.key()).cloned();
        let object = match (object, there) {
            (Object::Stage(new), Some(Object::Stage(mut old))) if new.spec != old.spec => {
                let object = Arc::make_mut(&mut old);
                object.spec.clone_from(&new.spec);
                object.metadata.generation = object.metadata.generation.map(|g| g + 1);
                Object::Stage(old)
            }
            (Object::Account(new), Some(Object::Account(mut old))) if new.spec != old.spec => {
                Arc::make_mut(&mut old).spec.clone_from(&new.spec);
                Object::Account(old)
            }
            (_, Some(_)) => return,
            (new, None) => new,
        };
        self.cluster.put(object);
    }

    /// Writes a line of the trace.
    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{} {}", self.now.strftime("%H:%M:%S%.3f"), line()));
        }
    }

    /// Lets time pass; operations end on the way.
    pub fn pass(&mut self, until: Timestamp) {
        while let Some(next) = self.cloud.next(self.now).filter(|t| *t <= until) {
            self.now = self.now.max(next);
            let changed = self.cloud.settle(self.now);
            for (key, before) in changed {
                let reads = self.stale_reads();
                if reads > 0 {
                    self.cloud.stale.insert(key.clone(), (Some(before), reads));
                }
                let status = self.cloud.stacks.get(&key).map(|s| s.status.as_str()).unwrap_or_default();
                self.tell(|| format!("  [aws] {key} is in {status}"));
            }
        }
        self.now = self.now.max(until);
    }

    /// How many reads still show the row of before a change.
    pub fn stale_reads(&mut self) -> u64 {
        if self.luck.random.chance(self.luck.weather.stale) { self.luck.random.below(6) } else { 0 }
    }

    /// The arn of the claim in a plan's ledger, whichever controller wrote it.
    #[must_use]
    pub fn claimed_in<'a>(&'a self, arn: &ChangeSetArn) -> Option<(&'a str, usize)> {
        self.cluster.plans().find_map(|p| {
            let place = p.spec.ledger.iter().rposition(|e| {
                e.claimed.as_ref().is_some_and(|c| c.stacks.iter().any(|s| s.change_set_arn == *arn))
            })?;
            Some((p.metadata.name.as_deref()?, place))
        })
    }

    /// Nothing goes wrong from here on.
    pub fn calm(&mut self) {
        self.luck.weather = Weather::CALM;
        self.cloud.stale.clear();
        self.let_go();
        for cut in std::mem::take(&mut self.withdrawn).into_keys() {
            self.grant(&cut, true);
        }
    }
}
