//! What the watches last showed, without a call.

use std::sync::Arc;

use kube::{
    ResourceExt,
    runtime::reflector::{ObjectRef, Store, store::Writer},
};
use stackgate_core::{
    api::{AwsAccount, Bootstrap, ChangePlan, CloudAssembly, LABEL_BOOTSTRAP, LABEL_STAGE, Stage},
    cluster::ClusterView,
};

/// All objects of the five kinds, as last seen; clones share them. Lists are ordered by namespace and name.
#[derive(Clone, Debug)]
pub struct Stores {
    controller_namespace: Arc<str>,
    pub(super) accounts: Store<AwsAccount>,
    pub(super) bootstraps: Store<Bootstrap>,
    pub(super) assemblies: Store<CloudAssembly>,
    pub(super) stages: Store<Stage>,
    pub(super) plans: Store<ChangePlan>,
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
        self.plans.wait_until_ready().await.map_err(|_| NeverSynced)
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

    fn plans_of_stage(&self, namespace: &str, stage: &str) -> Vec<Arc<ChangePlan>> {
        self.plans_labelled(namespace, LABEL_STAGE, stage)
    }

    fn plans_of_bootstrap(&self, name: &str) -> Vec<Arc<ChangePlan>> {
        self.plans_labelled(&self.controller_namespace, LABEL_BOOTSTRAP, name)
    }
}

/// The cache is a hash map: an order of its own would make two equal runs differ.
fn ordered<K: ResourceExt>(mut list: Vec<Arc<K>>) -> Vec<Arc<K>> {
    list.sort_by(|a, b| (&a.meta().namespace, &a.meta().name).cmp(&(&b.meta().namespace, &b.meta().name)));
    list
}
