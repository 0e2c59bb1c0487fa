//! The API server: objects with a resourceVersion, compare-and-swap, and the rules of the schema that matter here.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use jiff::Timestamp;
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff,
};
use kube::{Resource, ResourceExt};
use stackgate_core::{
    api::{
        Action, AwsAccount, Bootstrap, ChangePlan, ChangePlanSpec, CloudAssembly, FINALIZER, Freeze,
        LedgerEntry, ProposalKind, Stage,
    },
    cluster::ClusterView,
    effect::{NewPlan, Refusal, RefusalKind},
    gate::Enforcement,
    words::StackKey,
};

/// The namespace of the application team.
pub const NAMESPACE: &str = "shop";

/// Names an object.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ObjectKey {
    /// An AwsAccount.
    Account(String),
    /// A Bootstrap.
    Bootstrap(String),
    /// A CloudAssembly.
    Assembly(String),
    /// A Stage.
    Stage(String),
    /// A ChangePlan.
    Plan(String),
    /// A Freeze.
    Freeze(String),
}

/// An object of one of our kinds.
#[derive(Clone, Debug)]
pub enum Object {
    /// An AwsAccount.
    Account(Arc<AwsAccount>),
    /// A Bootstrap.
    Bootstrap(Arc<Bootstrap>),
    /// A CloudAssembly.
    Assembly(Arc<CloudAssembly>),
    /// A Stage.
    Stage(Arc<Stage>),
    /// A ChangePlan.
    Plan(Arc<ChangePlan>),
    /// A Freeze.
    Freeze(Arc<Freeze>),
}

/// What somebody sees: the API server itself, or a controller's caches, which may be behind; and what is known of the
/// policies.
#[derive(Clone, Debug, Default)]
pub struct Objects(pub BTreeMap<ObjectKey, Object>, pub Enforcement);

/// A controller's caches, and the watch events that have not reached them yet. The order per object is kept.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// What the caches hold.
    pub seen: Objects,
    /// What is under way; `None`: it was deleted.
    pub late: BTreeMap<ObjectKey, VecDeque<Option<Object>>>,
    /// Whether the policies have to be looked at.
    pub policies_changed: bool,
    /// Since when it shows a Freeze, a Stage that is suspended or observes, or a plan that was rejected.
    pub held: BTreeMap<ObjectKey, Timestamp>,
}

impl View {
    /// A view that has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { policies_changed: true, ..Self::default() }
    }

    /// Whether no deletion of an object is under way.
    #[must_use]
    pub fn shows_all(&self, key: &ObjectKey) -> bool {
        self.late.get(key).is_none_or(|queue| queue.iter().all(Option::is_some))
    }

    /// Delivers the oldest late event of an object. Whether more than its status has changed; `None`: there is no event.
    pub fn deliver(&mut self, key: &ObjectKey, now: Timestamp) -> Option<bool> {
        let queue = self.late.get_mut(key)?;
        let object = queue.pop_front()?;
        if queue.is_empty() {
            self.late.remove(key);
        }
        let holds = match &object {
            Some(Object::Stage(s)) => s.spec.suspend || s.spec.observes(),
            Some(Object::Freeze(_)) => true,
            Some(Object::Plan(p)) => {
                let decided = p.spec.ledger.iter().filter_map(|e| e.decided.as_ref());
                decided.into_iter().any(|d| d.action == Action::Reject)
            }
            Some(Object::Account(_) | Object::Bootstrap(_) | Object::Assembly(_)) | None => false,
        };
        if holds {
            self.held.entry(key.clone()).or_insert(now);
        } else {
            self.held.remove(key);
        }
        let generation = object.as_ref().and_then(Object::generation);
        let before = match object {
            Some(object) => self.seen.0.insert(key.clone(), object),
            None => self.seen.0.remove(key),
        };
        Some(before.is_none_or(|o| generation.is_none() || o.generation() != generation))
    }

    /// A watch starts anew, with a list: kube-rs asks for no version, and the API server answers that with what is there
    /// (Kubernetes API concepts, "Semantics for get and list").
    pub fn list(&mut self, now: Timestamp) {
        while let Some(key) = self.late.keys().next().cloned() {
            self.deliver(&key, now);
        }
    }
}

/// The API server.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// The objects as they are.
    pub objects: Objects,
    /// The caches of each controller.
    pub views: Vec<View>,
    /// The newest resourceVersion.
    pub version: u64,
    /// Broken rules of the schema: mistakes of the controller.
    pub broken: Vec<String>,
}

/// The same for each of our kinds.
#[macro_export]
macro_rules! each_kind {
    ($object:expr, $o:ident => $e:expr) => {
        match $object {
            $crate::world::Object::Account($o) => $e,
            $crate::world::Object::Bootstrap($o) => $e,
            $crate::world::Object::Assembly($o) => $e,
            $crate::world::Object::Stage($o) => $e,
            $crate::world::Object::Plan($o) => $e,
            $crate::world::Object::Freeze($o) => $e,
        }
    };
}

impl Object {
    /// Its key.
    #[must_use]
    pub fn key(&self) -> ObjectKey {
        match self {
            Self::Account(o) => ObjectKey::Account(o.name_any()),
            Self::Bootstrap(o) => ObjectKey::Bootstrap(o.name_any()),
            Self::Assembly(o) => ObjectKey::Assembly(o.name_any()),
            Self::Stage(o) => ObjectKey::Stage(o.name_any()),
            Self::Plan(o) => ObjectKey::Plan(o.name_any()),
            Self::Freeze(o) => ObjectKey::Freeze(o.name_any()),
        }
    }

    /// Its resourceVersion.
    #[must_use]
    pub fn version(&self) -> String {
        each_kind!(self, o => o.resource_version().unwrap_or_default())
    }

    /// Its annotations.
    #[must_use]
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        each_kind!(self, o => o.annotations())
    }

    /// Its generation, where it is counted.
    fn generation(&self) -> Option<i64> {
        each_kind!(self, o => o.meta().generation)
    }

    /// Its UID.
    #[must_use]
    pub fn uid(&self) -> &str {
        each_kind!(self, o => o.meta().uid.as_deref().unwrap_or_default())
    }

    /// Changes its annotations; `None` removes one.
    pub fn annotate(&mut self, key: &str, value: Option<&str>) {
        fn set<T: Resource + Clone>(o: &mut Arc<T>, key: &str, value: Option<&str>) {
            let list = Arc::make_mut(o).annotations_mut();
            match value {
                Some(v) => list.insert(key.to_owned(), v.to_owned()),
                None => list.remove(key),
            };
        }
        each_kind!(self, o => set(o, key, value));
    }
}

impl Cluster {
    /// Stores an object under a new resourceVersion and tells the watches.
    pub fn put(&mut self, mut object: Object) {
        self.version += 1;
        let version = self.version.to_string();
        each_kind!(&mut object, o => Arc::make_mut(o).meta_mut().resource_version = Some(version));
        let key = object.key();
        for view in &mut self.views {
            view.late.entry(key.clone()).or_default().push_back(Some(object.clone()));
        }
        self.objects.0.insert(key, object);
    }

    /// Deletes an object and tells the watches.
    pub fn delete(&mut self, key: &ObjectKey) {
        if self.objects.0.remove(key).is_some() {
            self.version += 1;
            for view in &mut self.views {
                view.late.entry(key.clone()).or_default().push_back(None);
            }
        }
    }

    /// The Stages as they are.
    pub fn stages(&self) -> impl Iterator<Item = &Arc<Stage>> {
        self.objects.0.values().filter_map(|o| match o {
            Object::Stage(s) => Some(s),
            _ => None,
        })
    }

    /// The object that is there, if its resourceVersion is the one that the caller saw.
    fn at(&self, key: &ObjectKey, version: &str) -> Result<&Object, Refusal> {
        let object = self.objects.0.get(key).ok_or_else(|| refuse(RefusalKind::NotFound, "not found"))?;
        if object.version() == version {
            Ok(object)
        } else {
            Err(refuse(RefusalKind::Conflict, "the object has been modified"))
        }
    }

    /// Creates a plan.
    pub fn open_plan(&mut self, new: &NewPlan, now: Timestamp) -> Result<Arc<ChangePlan>, Refusal> {
        let key = ObjectKey::Plan(new.name.clone());
        if self.objects.0.contains_key(&key) {
            return Err(refuse(RefusalKind::AlreadyExists, "a plan of that name is there"));
        }
        let spec = ChangePlanSpec {
            proposal: new.proposal.clone(),
            ledger: new.ledger.iter().cloned().map(stored).collect(),
        };
        let mut plan = ChangePlan::new(&new.name, spec);
        plan.metadata.namespace = Some(new.namespace.clone());
        plan.metadata.uid = Some(format!("plan-{}", self.version));
        plan.metadata.generation = Some(1);
        plan.metadata.creation_timestamp = Some(seconds(Time(now)));
        plan.labels_mut().insert(new.label.0.to_owned(), new.label.1.clone());
        self.put(Object::Plan(Arc::new(plan)));
        self.plan(&new.name).ok_or_else(|| refuse(RefusalKind::NotFound, "not found"))
    }

    /// Appends to a ledger. `swap`: whether the resourceVersion counts (only a mutant says no).
    pub fn append(
        &mut self,
        plan: &str,
        version: &str,
        entries: &[LedgerEntry],
        swap: bool,
    ) -> Result<Arc<ChangePlan>, Refusal> {
        let key = ObjectKey::Plan(plan.to_owned());
        if swap {
            self.at(&key, version)?;
        }
        let Some(old) = self.plan(plan) else { return Err(refuse(RefusalKind::NotFound, "not found")) };
        let mut next = (*old).clone();
        for entry in entries {
            let mut entry = stored(entry.clone());
            let place = u32::try_from(next.spec.ledger.len()).unwrap_or(u32::MAX);
            if swap && entry.seq != place {
                self.broken.push(format!("ledger of {plan}: seq {} at place {place}", entry.seq));
            }
            entry.seq = place;
            next.spec.ledger.push(entry);
        }
        if next.spec.proposal != old.spec.proposal || next.spec.ledger.len() > 1024 {
            self.broken.push(format!("plan {plan}: the schema refuses it"));
        }
        next.metadata.generation = next.metadata.generation.map(|g| g + 1);
        self.put(Object::Plan(Arc::new(next)));
        self.plan(plan).ok_or_else(|| refuse(RefusalKind::NotFound, "not found"))
    }

    /// Adds or removes our finalizer.
    pub fn finalizer(&mut self, stage: &str, version: &str, present: bool) -> Result<(), Refusal> {
        let key = ObjectKey::Stage(stage.to_owned());
        let Object::Stage(old) = self.at(&key, version)?.clone() else { return Ok(()) };
        let mut next = (*old).clone();
        next.finalizers_mut().retain(|f| f != FINALIZER);
        if present {
            next.finalizers_mut().push(FINALIZER.to_owned());
        }
        self.put(Object::Stage(Arc::new(next)));
        Ok(())
    }

    /// Writes a status: the object as its writer saw it, with the new status in it.
    pub fn status(&mut self, with_status: Object) -> Result<(), Refusal> {
        self.at(&with_status.key(), &with_status.version())?;
        self.put(match with_status {
            Object::Stage(mut o) => {
                if let Some(s) = &mut Arc::make_mut(&mut o).status {
                    conditions(&mut s.conditions);
                    s.deployed.iter_mut().for_each(|d| d.time = seconds(d.time.clone()));
                }
                Object::Stage(o)
            }
            Object::Assembly(mut o) => {
                if let Some(s) = &mut Arc::make_mut(&mut o).status {
                    conditions(&mut s.conditions);
                    s.release_time = s.release_time.take().map(seconds);
                }
                Object::Assembly(o)
            }
            Object::Plan(mut o) => {
                if let Some(s) = &mut Arc::make_mut(&mut o).status {
                    conditions(&mut s.conditions);
                    s.expires_time = s.expires_time.take().map(seconds);
                }
                Object::Plan(o)
            }
            other @ (Object::Account(_) | Object::Bootstrap(_) | Object::Freeze(_)) => other,
        });
        Ok(())
    }

    /// Somebody annotates an object, as `kubectl annotate` does: without looking at the resourceVersion.
    pub fn annotate(&mut self, key: &ObjectKey, name: &str, value: Option<&str>) {
        if let Some(object) = self.objects.0.get(key) {
            let mut object = object.clone();
            object.annotate(name, value);
            self.put(object);
        }
    }

    /// A plan as it is.
    #[must_use]
    pub fn plan(&self, name: &str) -> Option<Arc<ChangePlan>> {
        match self.objects.0.get(&ObjectKey::Plan(name.to_owned()))? {
            Object::Plan(p) => Some(Arc::clone(p)),
            _ => None,
        }
    }

    /// The plans as they are.
    pub fn plans(&self) -> impl Iterator<Item = &Arc<ChangePlan>> {
        self.objects.0.values().filter_map(|o| match o {
            Object::Plan(p) => Some(p),
            _ => None,
        })
    }
}

fn refuse(kind: RefusalKind, message: &str) -> Refusal {
    Refusal { kind, message: message.to_owned() }
}

/// The wire form of a `Time` has whole seconds.
fn seconds(t: Time) -> Time {
    Time(jiff::Timestamp::from_second(t.0.as_second()).unwrap_or(t.0))
}

fn conditions(list: &mut [Condition]) {
    for c in list {
        c.last_transition_time = seconds(c.last_transition_time.clone());
    }
}

/// An entry as it comes back from the API server.
fn stored(mut entry: LedgerEntry) -> LedgerEntry {
    entry.time = seconds(entry.time);
    if let Some(d) = &mut entry.decided {
        d.until = d.until.take().map(seconds);
        d.since = d.since.take().map(seconds);
    }
    entry
}

impl ClusterView for Objects {
    fn stage(&self, _: &str, name: &str) -> Option<Arc<Stage>> {
        match self.0.get(&ObjectKey::Stage(name.to_owned()))? {
            Object::Stage(s) => Some(Arc::clone(s)),
            _ => None,
        }
    }
    fn stages(&self, _: &str) -> Vec<Arc<Stage>> {
        self.list(|o| if let Object::Stage(s) = o { Some(Arc::clone(s)) } else { None })
    }
    fn assembly(&self, _: &str, name: &str) -> Option<Arc<CloudAssembly>> {
        match self.0.get(&ObjectKey::Assembly(name.to_owned()))? {
            Object::Assembly(a) => Some(Arc::clone(a)),
            _ => None,
        }
    }
    fn accounts(&self) -> Vec<Arc<AwsAccount>> {
        self.list(|o| if let Object::Account(a) = o { Some(Arc::clone(a)) } else { None })
    }
    fn bootstraps(&self) -> Vec<Arc<Bootstrap>> {
        self.list(|o| if let Object::Bootstrap(b) = o { Some(Arc::clone(b)) } else { None })
    }
    fn freezes(&self) -> Vec<Arc<Freeze>> {
        self.list(|o| if let Object::Freeze(f) = o { Some(Arc::clone(f)) } else { None })
    }
    fn enforcement(&self) -> Enforcement {
        self.1.clone()
    }
    fn plans_of_stage(&self, _: &str, stage: &str) -> Vec<Arc<ChangePlan>> {
        self.list(|o| match o {
            Object::Plan(p) => Some(p).filter(|p| is_of(p, ProposalKind::Stage, stage)).map(Arc::clone),
            _ => None,
        })
    }
    fn plans_with(&self, stack: &StackKey) -> Vec<Arc<ChangePlan>> {
        self.list(|o| match o {
            Object::Plan(p) if p.spec.proposal.stacks.iter().any(|s| s.key() == *stack) => {
                Some(Arc::clone(p))
            }
            _ => None,
        })
    }
    fn plans_of_bootstrap(&self, name: &str) -> Vec<Arc<ChangePlan>> {
        self.list(|o| match o {
            Object::Plan(p) => Some(p).filter(|p| is_of(p, ProposalKind::Bootstrap, name)).map(Arc::clone),
            _ => None,
        })
    }
}

fn is_of(plan: &ChangePlan, kind: ProposalKind, name: &str) -> bool {
    plan.spec.proposal.kind == kind && plan.spec.proposal.name == name
}

impl Objects {
    fn list<T>(&self, pick: impl Fn(&Object) -> Option<T>) -> Vec<T> {
        self.0.values().filter_map(pick).collect()
    }
}
