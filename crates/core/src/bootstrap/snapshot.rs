//! What a decision on a Bootstrap is made of.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
};

use jiff::Timestamp;
use kube::ResourceExt;

use super::{
    change::content,
    template::{PolicyArn, ToolkitParameters, template_body},
};
use crate::{
    account::Accounts,
    api::{
        ANNOTATION_REQUESTED_AT, AwsAccount, Bootstrap, BootstrapMode, BootstrapProposal, Freeze, OwnedStack,
        ProposalKind, Reason, Settled, SettledAs,
    },
    cluster::{ClusterView, Installation},
    effect::PlanOwner,
    facts::Facts,
    gate::{Enforcement, InForce, PlanView, in_force_for, owned_key},
    latch::Owner,
    plan::{owned_by, views},
    verdict::{Need, Step},
    words::{Digest, Env, StackId, StackKey, Uid},
};

/// Everything that was observed, at one moment.
#[derive(Debug)]
pub struct Snapshot<'a> {
    /// The object.
    pub bootstrap: Arc<Bootstrap>,
    /// Its UID.
    pub uid: Uid,
    /// All accounts.
    pub accounts: Accounts,
    /// All bootstraps, this one among them.
    pub all: Vec<Arc<Bootstrap>>,
    /// Its plans, newest first.
    pub plans: Vec<Arc<PlanView>>,
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
    /// Found when it is first asked for.
    lost: OnceLock<BTreeSet<StackKey>>,
    /// Found when it is first asked for.
    changed: OnceLock<BTreeMap<StackKey, Timestamp>>,
}

/// Gathers what a decision needs; `None`: the object is gone.
pub fn observe<'a>(
    cluster: &impl ClusterView,
    name: &str,
    facts: &'a Facts,
    installation: &'a Installation,
) -> Option<Snapshot<'a>> {
    let all = cluster.bootstraps();
    let bootstrap = all.iter().find(|b| b.name_any() == name).map(Arc::clone)?;
    let uid: Uid = bootstrap.uid()?.parse().ok()?;
    let accounts = Accounts::new(cluster.accounts());
    Some(Snapshot {
        gate: in_force_for(&bootstrap, accounts.selected(&bootstrap.spec.accounts)),
        freezes: cluster.freezes(),
        enforcement: cluster.enforcement(),
        plans: views(cluster.plans_of_bootstrap(name), Some(facts), &uid, &installation.plans),
        accounts,
        all,
        uid,
        bootstrap,
        facts,
        installation,
        lost: OnceLock::new(),
        changed: OnceLock::new(),
    })
}

impl Snapshot<'_> {
    /// The plan that was opened last.
    #[must_use]
    pub fn newest(&self) -> Option<&PlanView> {
        self.plans.first().map(Arc::as_ref).filter(|p| p.proposal().kind == ProposalKind::Bootstrap)
    }

    /// The Bootstrap, as far as decisions on its plans go.
    pub(super) fn owner(&self) -> Owner<'_> {
        let (namespace, name) = (self.installation.namespace.clone(), self.bootstrap.name_any());
        let accounts = self.accounts.selected(&self.bootstrap.spec.accounts);
        Owner {
            reference: PlanOwner::Bootstrap { namespace, name },
            uid: &self.uid,
            // It lies in no namespace, and may be in git: people decide on the plan.
            annotations: None,
            accounts: accounts.into_iter().map(ResourceExt::name_any).collect(),
            plans: &self.plans,
            identity: self.gate.identity.value,
            checks: &[],
            enforcement: &self.enforcement,
            facts: self.facts,
        }
    }

    /// The toolkit stacks that are ours. One that has never come to be is none: it is made as if nothing were there.
    #[must_use]
    pub fn owned(&self) -> BTreeMap<StackKey, OwnedStack> {
        let lived: BTreeSet<&StackId> = self.successes().map(|(_, x)| &x.stack_id).collect();
        owned_by(&self.plans).into_iter().filter(|(_, o)| lived.contains(&o.stack_id)).collect()
    }

    /// Where it would make a toolkit stack, and one of ours was that is none any more: somebody has deleted it, and may have meant it.
    pub(super) fn lost(&self) -> &BTreeSet<StackKey> {
        self.lost.get_or_init(|| self.find_lost())
    }

    fn find_lost(&self) -> BTreeSet<StackKey> {
        let (owned, environments) = (self.owned(), self.environments().unwrap_or_default());
        let is_made = |key: &StackKey| {
            key.name == self.bootstrap.spec.toolkit_stack_name && environments.contains_key(&key.env)
        };
        let lived = self.changed_times().keys();
        lived.filter(|key| is_made(key) && !owned.contains_key(*key)).cloned().collect()
    }

    /// The stacks of ours that do not hold this content, where it is selected now.
    pub(super) fn to_change(&self, wanted: &BootstrapProposal) -> Step<Vec<OwnedStack>> {
        let environments = self.environments()?;
        let differs =
            |o: &OwnedStack| environments.contains_key(&owned_key(o).env) && content(self, o) != Some(wanted);
        Ok(self.owned().into_values().filter(differs).collect())
    }

    /// When it was recorded last that a stack came out well, under whichever plan: what CloudFormation gives as the time of an update is
    /// when that began.
    pub(super) fn changed_times(&self) -> &BTreeMap<StackKey, Timestamp> {
        self.changed.get_or_init(|| {
            let mut latest = BTreeMap::new();
            for (at, x) in self.successes() {
                let last = latest.entry(x.key()).or_insert(at);
                *last = at.max(*last);
            }
            latest
        })
    }

    /// All that has come out well, and when that was recorded, as the controller has written it.
    fn successes(&self) -> impl Iterator<Item = (Timestamp, &Settled)> {
        let proven = self.plans.iter().filter(|p| p.opening_is_proven);
        let ends = proven.flat_map(|p| p.written().filter_map(|e| Some((e.time.0, e.settled.as_ref()?))));
        ends.filter(|(_, x)| x.outcome == SettledAs::Succeeded)
    }

    /// The plan under which toolkit stacks were claimed last, by the order of the openings: clocks differ.
    #[must_use]
    pub fn carried_out_last(&self) -> Option<&PlanView> {
        let claimed = |p: &PlanView| {
            let mut order = 0;
            let mut last = None;
            for entry in p.written() {
                order = entry.opened.as_ref().map_or(order, |o| o.order);
                if entry.claimed.is_some() {
                    last = Some(order);
                }
            }
            last
        };
        let plans = self.plans.iter().filter(|p| p.opening_is_proven && p.proposal().bootstrap.is_some());
        plans.filter_map(|p| Some((claimed(p)?, p))).max_by_key(|(order, _)| *order).map(|(_, p)| &**p)
    }

    /// The request to plan anew that stands on the Bootstrap.
    #[must_use]
    pub fn request(&self) -> Option<String> {
        let asked = self.bootstrap.metadata.annotations.as_ref()?.get(ANNOTATION_REQUESTED_AT)?;
        Some(asked.chars().take(256).collect())
    }

    /// What the toolkit stacks shall hold.
    pub fn wanted(&self) -> Step<BootstrapProposal> {
        wanted(&self.bootstrap)
    }

    /// The environments that it covers: every region of every selected account.
    pub fn environments(&self) -> Step<BTreeMap<Env, &AwsAccount>> {
        for name in self.bootstrap.spec.accounts.names.iter().flatten() {
            self.accounts.by_name(name).map_err(|e| Need::stuck(Reason::InvalidSpec, e.to_string()))?;
        }
        let mut list = BTreeMap::new();
        for account in self.accounts.selected(&self.bootstrap.spec.accounts) {
            for region in &account.spec.regions {
                let env = Env { account: account.spec.account_id.clone(), region: region.clone() };
                list.insert(env, account);
            }
        }
        if list.is_empty() {
            return Err(Need::stuck(Reason::InvalidSpec, "spec.accounts selects no AwsAccount"));
        }
        Ok(list)
    }

    /// Whether this AwsAccount is the only one of its account.
    pub fn unique(&self, account: &AwsAccount) -> Step<()> {
        match self.accounts.twin(account) {
            None => Ok(()),
            Some(twin) => Err(Need::stuck(
                Reason::DuplicateAccountID,
                format!(
                    "AwsAccounts {} and {} have the same accountID: neither is used",
                    account.name_any(),
                    twin.name_any()
                ),
            )),
        }
    }

    /// Another Bootstrap that would make the same names in that environment.
    #[must_use]
    pub fn rival(&self, env: &Env) -> Option<&Bootstrap> {
        let mine = &self.bootstrap.spec;
        self.all.iter().map(Arc::as_ref).find(|b| {
            b.name_any() != self.bootstrap.name_any()
                && b.spec.mode.unwrap_or_default() == BootstrapMode::Manage
                && (b.spec.qualifier == mine.qualifier
                    || b.spec.toolkit_stack_name == mine.toolkit_stack_name)
                && self
                    .accounts
                    .selected(&b.spec.accounts)
                    .iter()
                    .any(|a| a.spec.account_id == env.account && a.spec.regions.contains(&env.region))
        })
    }
}

/// What a Bootstrap puts into its toolkit stacks.
pub(super) fn wanted(bootstrap: &Bootstrap) -> Step<BootstrapProposal> {
    let spec = &bootstrap.spec;
    let policies = spec
        .cloud_formation_execution_policies
        .iter()
        .map(|p| p.parse::<PolicyArn>())
        .collect::<Result<_, _>>()
        .map_err(|e| Need::stuck(Reason::InvalidSpec, e.to_string()))?;
    let parameters = ToolkitParameters {
        qualifier: spec.qualifier.clone(),
        trusted_accounts: spec.trusted_accounts.iter().cloned().collect(),
        trusted_accounts_for_lookup: spec.trusted_accounts_for_lookup.iter().cloned().collect(),
        execution_policies: policies,
    };
    parameters.check().map_err(|e| Need::stuck(Reason::InvalidSpec, e.to_string()))?;
    Ok(BootstrapProposal {
        toolkit_stack_name: spec.toolkit_stack_name.clone(),
        version: spec.version,
        template: Digest::of(template_body()),
        parameters: parameters.parameters(),
    })
}
