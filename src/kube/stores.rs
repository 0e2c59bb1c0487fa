//! What the watches last showed, without a call.

use std::sync::{Arc, PoisonError, RwLock};

use kube::{
    ResourceExt,
    runtime::reflector::{ObjectRef, Store, store::Writer},
};
use stackgate_core::{
    api::{
        AwsAccount, Bootstrap, ChangePlan, CloudAssembly, Freeze, LABEL_BOOTSTRAP, LABEL_STAGE,
        ProposedStack, Stage,
    },
    cluster::ClusterView,
    gate::{Enforcement, PlanView},
    words::StackKey,
};

use super::triggers::gated;
use crate::queue::Key;

/// All objects of the six kinds, as last seen; clones share them. Lists are ordered by namespace and name.
#[derive(Clone, Debug)]
pub struct Stores {
    controller_namespace: Arc<str>,
    pub(super) accounts: Store<AwsAccount>,
    pub(super) bootstraps: Store<Bootstrap>,
    pub(super) assemblies: Store<CloudAssembly>,
    pub(super) stages: Store<Stage>,
    pub(super) plans: Store<ChangePlan>,
    pub(super) freezes: Store<Freeze>,
    enforcement: Arc<RwLock<Enforcement>>,
}

/// The other ends of the stores: what is written here is seen there.
#[derive(Debug, Default)]
pub struct Writers {
    /// Of AwsAccounts.
    pub accounts: Writer<AwsAccount>,
    /// Of Bootstraps.
    pub bootstraps: Writer<Bootstrap>,
    /// Of CloudAssemblies.
    pub assemblies: Writer<CloudAssembly>,
    /// Of Stages.
    pub stages: Writer<Stage>,
    /// Of ChangePlans.
    pub plans: Writer<ChangePlan>,
    /// Of Freezes.
    pub freezes: Writer<Freeze>,
}

/// The watches ended before everything was listed.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the watches ended before everything was listed")]
pub struct NeverSynced;

impl Stores {
    /// Empty stores and their other ends. Plans of Bootstraps are those in `controller_namespace`.
    #[must_use]
    pub fn new(controller_namespace: &str) -> (Self, Writers) {
        let writers = Writers::default();
        let stores = Self {
            controller_namespace: controller_namespace.into(),
            accounts: writers.accounts.as_reader(),
            bootstraps: writers.bootstraps.as_reader(),
            assemblies: writers.assemblies.as_reader(),
            stages: writers.stages.as_reader(),
            plans: writers.plans.as_reader(),
            freezes: writers.freezes.as_reader(),
            enforcement: Arc::default(),
        };
        (stores, writers)
    }

    /// Returns once every kind was listed.
    ///
    /// # Errors
    /// When the watches end before.
    pub async fn wait_synced(&self) -> Result<(), NeverSynced> {
        self.accounts.wait_until_ready().await.map_err(|_| NeverSynced)?;
        self.bootstraps.wait_until_ready().await.map_err(|_| NeverSynced)?;
        self.assemblies.wait_until_ready().await.map_err(|_| NeverSynced)?;
        self.stages.wait_until_ready().await.map_err(|_| NeverSynced)?;
        self.plans.wait_until_ready().await.map_err(|_| NeverSynced)?;
        self.freezes.wait_until_ready().await.map_err(|_| NeverSynced)
    }

    /// One AwsAccount.
    #[must_use]
    pub fn account(&self, name: &str) -> Option<Arc<AwsAccount>> {
        self.accounts.get(&ObjectRef::new(name))
    }

    /// One Bootstrap.
    #[must_use]
    pub fn bootstrap(&self, name: &str) -> Option<Arc<Bootstrap>> {
        self.bootstraps.get(&ObjectRef::new(name))
    }

    /// One ChangePlan.
    #[must_use]
    pub fn plan(&self, namespace: &str, name: &str) -> Option<Arc<ChangePlan>> {
        self.plans.get(&ObjectRef::new(name).within(namespace))
    }

    /// The Stages of all namespaces.
    #[must_use]
    pub fn all_stages(&self) -> Vec<Arc<Stage>> {
        ordered(self.stages.state())
    }

    /// One Freeze.
    #[must_use]
    pub fn freeze(&self, name: &str) -> Option<Arc<Freeze>> {
        self.freezes.get(&ObjectRef::new(name))
    }

    /// The plans of a Stage that somebody may still have to decide on.
    #[must_use]
    pub fn open_plans(&self, namespace: &str, stage: &str) -> Vec<Arc<ChangePlan>> {
        open(self.plans_of_stage(namespace, stage))
    }

    /// The plans of a Bootstrap that somebody may still have to decide on.
    #[must_use]
    pub fn open_plans_of_bootstrap(&self, name: &str) -> Vec<Arc<ChangePlan>> {
        open(self.plans_of_bootstrap(name))
    }

    /// Says how the admission policies stand; wakes whatever waits before a gate if that is something else than before.
    pub fn enforce(&self, now: Enforcement, wake: impl Fn(Key)) {
        let differs = {
            let mut slot = self.enforcement.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *slot, now.clone()) != now
        };
        if differs {
            gated(self).for_each(wake);
        }
    }

    /// The CloudAssemblies of all namespaces.
    #[must_use]
    pub fn all_assemblies(&self) -> Vec<Arc<CloudAssembly>> {
        ordered(self.assemblies.state())
    }

    fn plans_labelled(&self, namespace: &str, label: &str, value: &str) -> Vec<Arc<ChangePlan>> {
        ordered(self.plans.state_filter(|p| {
            p.metadata.namespace.as_deref() == Some(namespace)
                && p.labels().get(label).is_some_and(|v| v == value)
        }))
    }
}

impl ClusterView for Stores {
    fn stage(&self, namespace: &str, name: &str) -> Option<Arc<Stage>> {
        self.stages.get(&ObjectRef::new(name).within(namespace))
    }

    fn stages(&self, namespace: &str) -> Vec<Arc<Stage>> {
        ordered(self.stages.state_filter(|s| s.metadata.namespace.as_deref() == Some(namespace)))
    }

    fn assembly(&self, namespace: &str, name: &str) -> Option<Arc<CloudAssembly>> {
        self.assemblies.get(&ObjectRef::new(name).within(namespace))
    }

    fn accounts(&self) -> Vec<Arc<AwsAccount>> {
        ordered(self.accounts.state())
    }

    fn bootstraps(&self) -> Vec<Arc<Bootstrap>> {
        ordered(self.bootstraps.state())
    }

    fn freezes(&self) -> Vec<Arc<Freeze>> {
        ordered(self.freezes.state())
    }

    fn enforcement(&self) -> Enforcement {
        self.enforcement.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn plans_of_stage(&self, namespace: &str, stage: &str) -> Vec<Arc<ChangePlan>> {
        self.plans_labelled(namespace, LABEL_STAGE, stage)
    }

    fn plans_with(&self, stack: &StackKey) -> Vec<Arc<ChangePlan>> {
        let names = |s: &ProposedStack| {
            s.stack_name == stack.name && s.account == stack.env.account && s.region == stack.env.region
        };
        ordered(self.plans.state_filter(|p| p.spec.proposal.stacks.iter().any(names)))
    }

    fn plans_of_bootstrap(&self, name: &str) -> Vec<Arc<ChangePlan>> {
        self.plans_labelled(&self.controller_namespace, LABEL_BOOTSTRAP, name)
    }
}

fn open(mut plans: Vec<Arc<ChangePlan>>) -> Vec<Arc<ChangePlan>> {
    plans.retain(|p| PlanView::new(Arc::clone(p)).is_some_and(|v| !v.is_over()));
    plans
}

/// The cache is a hash map: an order of its own would make two equal runs differ.
fn ordered<K: ResourceExt>(mut list: Vec<Arc<K>>) -> Vec<Arc<K>> {
    list.sort_by(|a, b| (&a.meta().namespace, &a.meta().name).cmp(&(&b.meta().namespace, &b.meta().name)));
    list
}
