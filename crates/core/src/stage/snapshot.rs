//! What a decision on a Stage is made of.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::{
    account::Accounts,
    api::{
        ANNOTATION_REQUESTED_AT, Bootstrap, ChangePlan, Check, CloudAssembly, Freeze, IdentityNeeded,
        Operation, OwnedStack, ProposalKind, Stage,
    },
    cluster::{ClusterView, Installation},
    effect::{PlanOwner, Seen},
    facts::Facts,
    gate::{Enforcement, InForce, PlanReader, PlanView, in_force},
    latch::Owner,
    plan::{owned_by, views},
    stack::StackRow,
    words::{Digest, StackKey, Uid},
};

/// Everything that was observed, at one moment.
#[derive(Clone, Debug)]
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
    /// The upstream stages that are there, by name.
    pub upstreams: BTreeMap<String, Upstream>,
    /// Our own plans, newest first.
    pub plans: Vec<Arc<PlanView>>,
    /// The stacks that were seen and that other Stages own, and which.
    pub taken: BTreeMap<StackKey, String>,
    /// The gate in force.
    pub gate: InForce,
    /// All freezes.
    pub freezes: Vec<Arc<Freeze>>,
    /// Whether it is proven who decides.
    pub enforcement: Enforcement,
    /// What is remembered.
    pub facts: &'a Facts,
    /// The controller.
    pub installation: &'a Installation,
}

/// A stage that releases come from.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its plans, newest first.
    pub plans: Vec<Arc<PlanView>>,
    /// What others have to say there before a release counts as verified.
    pub checks: Vec<Check>,
    /// Whose word counts there.
    pub identity: IdentityNeeded,
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
    let accounts = Accounts::new(cluster.accounts());
    let upstreams = stage
        .spec
        .promote_from
        .iter()
        .filter_map(|u| {
            let upstream = stages.get(&u.name)?;
            let uid: Uid = upstream.uid()?.parse().ok()?;
            let plans = views(cluster.plans_of_stage(namespace, &u.name), None, &uid, &installation.plans);
            let identity = in_force(upstream, accounts.named(&upstream.spec.accounts)).identity.value;
            Some((u.name.clone(), Upstream { plans, checks: upstream.spec.checks.clone(), identity }))
        })
        .collect();
    let plans = views(cluster.plans_of_stage(namespace, name), Some(facts), &uid, &installation.plans);
    Some(Snapshot {
        taken: taken(cluster, &uid, &plans, facts, &installation.plans),
        plans,
        assembly: cluster.assembly(namespace, &stage.spec.assembly_ref.name),
        gate: in_force(&stage, accounts.named(&stage.spec.accounts)),
        accounts,
        freezes: cluster.freezes(),
        enforcement: cluster.enforcement(),
        bootstraps: cluster.bootstraps(),
        namespace: namespace.to_owned(),
        stage,
        uid,
        stages,
        upstreams,
        facts,
        installation,
    })
}

/// Which of the stacks that were seen, and are not ours, belong to other Stages.
fn taken(
    cluster: &impl ClusterView,
    me: &Uid,
    plans: &[Arc<PlanView>],
    facts: &Facts,
    reader: &PlanReader,
) -> BTreeMap<StackKey, String> {
    let ours = owned_by(plans);
    let mut taken = BTreeMap::new();
    for (stack, seen) in &facts.stacks {
        let Seen::Present(row, _) = seen else { continue };
        if !row.exists() || ours.values().any(|o| o.stack_id == row.id) {
            continue;
        }
        // A Stage has many plans, and is asked once.
        let plans = cluster.plans_with(stack);
        let owner = |p: &Arc<ChangePlan>| {
            let proposal = &p.spec.proposal;
            (p.namespace().unwrap_or_default(), proposal.name.clone(), proposal.uid.clone())
        };
        let owners: BTreeSet<_> = plans.iter().map(owner).filter(|(.., uid)| uid != me).collect();
        for (namespace, name, uid) in owners {
            let lives = |s: &Arc<Stage>| s.uid().as_deref() == Some(uid.as_str());
            if !cluster.stage(&namespace, &name).as_ref().is_some_and(lives) {
                continue;
            }
            let theirs = views(cluster.plans_of_stage(&namespace, &name), None, &uid, reader);
            if owned_by(&theirs).values().any(|o| o.stack_id == row.id) {
                taken.insert(stack.clone(), format!("{namespace}/{name}"));
            }
        }
    }
    taken
}

impl Snapshot<'_> {
    /// The Stage, as far as decisions on its plans go.
    pub(super) fn owner(&self) -> Owner<'_> {
        Owner {
            reference: PlanOwner::Stage { namespace: self.namespace.clone(), name: self.stage.name_any() },
            uid: &self.uid,
            annotations: self.stage.metadata.annotations.as_ref(),
            accounts: self.stage.spec.accounts.clone(),
            plans: &self.plans,
            identity: self.gate.identity.value,
            checks: &self.stage.spec.checks,
            enforcement: &self.enforcement,
            facts: self.facts,
        }
    }

    /// The plan that was opened last.
    #[must_use]
    pub fn newest(&self) -> Option<&PlanView> {
        self.plans.first().map(Arc::as_ref).filter(|p| p.proposal().kind == ProposalKind::Stage)
    }

    /// The stacks that are ours.
    #[must_use]
    pub fn owned(&self) -> BTreeMap<StackKey, OwnedStack> {
        owned_by(&self.plans)
    }

    /// What was last seen of a stack.
    #[must_use]
    pub fn row(&self, key: &StackKey) -> &Seen<StackRow> {
        self.facts.stacks.get(key).unwrap_or(&Seen::Unknown)
    }

    /// The row of a stack, where one was seen.
    pub(super) fn seen_row(&self, key: &StackKey) -> Option<&StackRow> {
        match self.row(key) {
            Seen::Present(row, _) => Some(row),
            Seen::Absent(_) | Seen::Unknown => None,
        }
    }

    /// What has been seen of a stack since then. Another leader may have changed it meanwhile: what was seen before tells nothing of
    /// what it left.
    pub(super) fn row_since(&self, key: &StackKey, time: Timestamp) -> &Seen<StackRow> {
        // Times of a ledger have whole seconds.
        let since = time.saturating_add(SignedDuration::from_secs(1)).unwrap_or(time);
        let row = self.row(key);
        if row.as_of().is_some_and(|at| at >= since) { row } else { &Seen::Unknown }
    }

    /// What somebody has asked to be planned anew, if anybody has.
    #[must_use]
    pub fn request(&self) -> Option<String> {
        let asked = self.stage.annotations().get(ANNOTATION_REQUESTED_AT)?;
        Some(asked.chars().take(256).collect())
    }

    /// What deploying this release with these parameter values would be: going back, if the release was first carried out before what is
    /// there, with these values, or if they are the values that are there; or if it is what is there, and another one has been tried since
    /// and did not come through.
    #[must_use]
    pub fn operation(&self, release: Digest, parameters: Option<Digest>) -> Operation {
        let done = |p: &PlanView| Some((p.release.as_ref()?.digest, p.parameters));
        let carried_out = || self.plans.iter().filter(|p| p.is_complete()).filter_map(|p| done(p));
        // Newest first: the last place of a release is that of its first time.
        let first = |wanted| carried_out().enumerate().filter(|(_, there)| *there == wanted).last();
        let now = carried_out().next().and_then(first);
        let as_now = carried_out().next().is_some_and(|(_, there)| there == parameters);
        let of_release = || carried_out().enumerate().filter(|(_, (there, _))| *there == release).last();
        let then = first((release, parameters)).or_else(|| of_release().filter(|_| as_now));
        let last = self.plans.iter().find(|p| p.is_claimed() || p.is_complete());
        // One of which nothing ran has changed nothing that could be gone back on.
        let has_run = |p: &&Arc<PlanView>| p.opening_is_proven && !p.is_complete() && !p.settled.is_empty();
        let tried = last.filter(has_run).and_then(|p| done(p));
        let is_left = tried.is_some_and(|tried| tried != (release, parameters));
        match (now, then) {
            (Some((now, _)), Some((then, _))) if then > now || (is_left && then == now) => {
                Operation::Rollback
            }
            _ => Operation::Deploy,
        }
    }

    /// `namespace/name`, for descriptions.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("Stage {}/{}", self.namespace, self.stage.name_any())
    }
}
