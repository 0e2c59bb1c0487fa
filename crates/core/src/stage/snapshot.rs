//! What a decision on a Stage is made of.

use std::{collections::BTreeMap, sync::Arc};

use kube::ResourceExt;

use crate::{
    account::Accounts,
    api::{Bootstrap, CloudAssembly, OwnedStack, ProposalKind, RequireApproval, Stage},
    cluster::{ClusterView, Installation},
    effect::Seen,
    facts::Facts,
    gate::{PlanView, owned_key},
    plan::views,
    stack::StackRow,
    words::{StackKey, Uid},
};

/// Everything that was observed, at one moment.
#[derive(Debug)]
pub struct Snapshot<'a> {
    /// The object.
    pub stage: Arc<Stage>,
    /// Its namespace.
    pub namespace: String,
    /// Its UID.
    pub uid: Uid,
    /// Its assembly.
    pub assembly: Option<Arc<CloudAssembly>>,
    /// All accounts.
    pub accounts: Accounts,
    /// All bootstraps.
    pub bootstraps: Vec<Arc<Bootstrap>>,
    /// The stages of the namespace, by name.
    pub stages: BTreeMap<String, Arc<Stage>>,
    /// The plans of each upstream stage that is there, newest first.
    pub upstream_plans: BTreeMap<String, Vec<PlanView>>,
    /// Our own plans, newest first.
    pub plans: Vec<PlanView>,
    /// What is remembered.
    pub facts: &'a Facts,
    /// The controller.
    pub installation: &'a Installation,
}

/// Gathers what a decision needs; `None`: the object is gone.
pub fn observe<'a>(
    cluster: &impl ClusterView,
    namespace: &str,
    name: &str,
    facts: &'a Facts,
    installation: &'a Installation,
) -> Option<Snapshot<'a>> {
    let stage = cluster.stage(namespace, name)?;
    let uid: Uid = stage.uid()?.parse().ok()?;
    let stages: BTreeMap<String, Arc<Stage>> =
        cluster.stages(namespace).into_iter().map(|s| (s.name_any(), s)).collect();
    let upstream_plans = stage
        .spec
        .promote_from
        .iter()
        .filter_map(|u| {
            let uid: Uid = stages.get(&u.name)?.uid()?.parse().ok()?;
            Some((u.name.clone(), views(cluster.plans_of_stage(namespace, &u.name), None, &uid)))
        })
        .collect();
    Some(Snapshot {
        plans: views(cluster.plans_of_stage(namespace, name), Some(facts), &uid),
        assembly: cluster.assembly(namespace, &stage.spec.assembly_ref.name),
        accounts: Accounts::new(cluster.accounts()),
        bootstraps: cluster.bootstraps(),
        namespace: namespace.to_owned(),
        stage,
        uid,
        stages,
        upstream_plans,
        facts,
        installation,
    })
}

impl Snapshot<'_> {
    /// The plan that was opened last.
    #[must_use]
    pub fn newest(&self) -> Option<&PlanView> {
        self.plans.first().filter(|p| p.proposal().kind == ProposalKind::Stage)
    }

    /// The stacks that are ours.
    #[must_use]
    pub fn owned(&self) -> BTreeMap<StackKey, OwnedStack> {
        self.newest().map(PlanView::owned_now).into_iter().flatten().map(|o| (owned_key(&o), o)).collect()
    }

    /// What was last seen of a stack.
    #[must_use]
    pub fn row(&self, key: &StackKey) -> &Seen<StackRow> {
        self.facts.stacks.get(key).unwrap_or(&Seen::Unknown)
    }

    /// Which changes need an approval.
    #[must_use]
    pub fn require_approval(&self) -> RequireApproval {
        self.stage.spec.gate.as_ref().and_then(|g| g.require_approval).unwrap_or_default()
    }

    /// `namespace/name`, for descriptions.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("Stage {}/{}", self.namespace, self.stage.name_any())
    }
}
