//! What a decision on a Bootstrap is made of.

use std::{collections::BTreeMap, sync::Arc};

use kube::ResourceExt;

use super::template::{PolicyArn, ToolkitParameters, template_body};
use crate::{
    account::Accounts,
    api::{AwsAccount, Bootstrap, BootstrapMode, BootstrapProposal, ProposalKind, Reason},
    cluster::{ClusterView, Installation},
    facts::Facts,
    gate::PlanView,
    plan::views,
    verdict::{Need, Step},
    words::{Digest, Env, Uid},
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
    /// What is remembered.
    pub facts: &'a Facts,
    /// The controller.
    pub installation: &'a Installation,
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
    Some(Snapshot {
        plans: views(cluster.plans_of_bootstrap(name), Some(facts), &uid, &installation.plans),
        accounts: Accounts::new(cluster.accounts()),
        all,
        uid,
        bootstrap,
        facts,
        installation,
    })
}

impl Snapshot<'_> {
    /// The plan that was opened last.
    #[must_use]
    pub fn newest(&self) -> Option<&PlanView> {
        self.plans.first().map(Arc::as_ref).filter(|p| p.proposal().kind == ProposalKind::Bootstrap)
    }

    /// What the toolkit stacks shall hold.
    pub fn wanted(&self) -> Step<BootstrapProposal> {
        let spec = &self.bootstrap.spec;
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
