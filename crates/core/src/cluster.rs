//! What a decision may read of the cluster: caches only, never a call.

use std::sync::Arc;

use crate::{
    api::{AwsAccount, Bootstrap, ChangePlan, CloudAssembly, Freeze, Stage},
    change::HmacKey,
    gate::{Enforcement, PlanReader},
    words::StackKey,
};

/// The objects as the watches last showed them; they may be behind.
pub trait ClusterView {
    /// One Stage.
    fn stage(&self, namespace: &str, name: &str) -> Option<Arc<Stage>>;
    /// All Stages of a namespace.
    fn stages(&self, namespace: &str) -> Vec<Arc<Stage>>;
    /// One CloudAssembly.
    fn assembly(&self, namespace: &str, name: &str) -> Option<Arc<CloudAssembly>>;
    /// All AwsAccounts.
    fn accounts(&self) -> Vec<Arc<AwsAccount>>;
    /// All Bootstraps.
    fn bootstraps(&self) -> Vec<Arc<Bootstrap>>;
    /// All Freezes.
    fn freezes(&self) -> Vec<Arc<Freeze>>;
    /// Whether the policies that prove who decided are in force.
    fn enforcement(&self) -> Enforcement;
    /// The ChangePlans labelled with this Stage.
    fn plans_of_stage(&self, namespace: &str, stage: &str) -> Vec<Arc<ChangePlan>>;
    /// The ChangePlans of all Stages whose proposal names this stack.
    fn plans_with(&self, stack: &StackKey) -> Vec<Arc<ChangePlan>>;
    /// The ChangePlans labelled with this Bootstrap, in the controller's namespace.
    fn plans_of_bootstrap(&self, name: &str) -> Vec<Arc<ChangePlan>>;
}

/// What the controller is, apart from what it sees.
#[derive(Clone, Debug)]
pub struct Installation {
    /// Its own namespace, where plans of Bootstraps live.
    pub namespace: String,
    /// The key that proves change sets and ledgers ours.
    pub key: HmacKey,
    /// What its plans say.
    pub plans: PlanReader,
}

impl Installation {
    /// A controller with this key.
    #[must_use]
    pub fn new(namespace: impl Into<String>, key: HmacKey) -> Self {
        Self { namespace: namespace.into(), plans: PlanReader::new(key.clone()), key }
    }
}
