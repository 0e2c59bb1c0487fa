//! The toolkit stack of one environment, from nothing to a version that can be read.

use std::{collections::BTreeSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::{Snapshot, template::template_body};
use crate::{
    api::{AwsAccount, BootstrapProposal, ClaimedStack, EnvironmentStatus, Reason, Settled, SettledAs},
    change::{Baseline, CAPABILITIES, Hidden, ParameterValue, StackInput, create_token},
    drive::{Progress, Running, Wish},
    effect::{
        Access, Effect, Look, Mutation, Pace, Seen, TemplateSource, WantedChangeSet, Watched, session_name,
    },
    gate::PlanView,
    stack::{ChangeSetKind, StackRow, StackStatus},
    verdict::{Need, Step, ask},
    words::{ChangeSetName, Digest, Env, StackKey, ToolkitNames},
};

/// How an environment stands.
#[derive(Debug)]
pub enum EnvironmentState {
    /// The toolkit stack is there, with this version.
    Ready(u32),
    /// Its change set may be recorded as claimed.
    Claim(Box<ClaimedStack>),
    /// It came to an end, which is to be recorded.
    Settle(Box<Settled>),
    /// An effect, time or a person is needed.
    Need(Need),
}

impl EnvironmentState {
    /// The row that status shows.
    #[must_use]
    pub fn row(&self, env: &Env) -> EnvironmentStatus {
        let (version, state, message) = match self {
            Self::Ready(version) => (Some(*version), "Ready", None),
            Self::Claim(_) | Self::Settle(_) | Self::Need(Need::Do(_)) => (None, "Working", None),
            Self::Need(Need::Wait(_, m, _)) => (None, "Working", Some(m.clone())),
            Self::Need(Need::Stuck(r, m, _)) => (None, r.as_str(), Some(m.clone())),
        };
        EnvironmentStatus {
            account: env.account.clone(),
            region: env.region.clone(),
            version,
            state: state.to_owned(),
            message: message.map(|m| m.chars().take(1000).collect()),
        }
    }
}

/// One environment and what it shall have.
pub(super) struct Toolkit<'a> {
    s: &'a Snapshot<'a>,
    account: &'a AwsAccount,
    plan: &'a PlanView,
    wanted: &'a BootstrapProposal,
    key: StackKey,
    access: Access,
    content: StackInput,
    input: Digest,
}

/// What the account and the other Bootstraps leave to this one.
pub(super) fn allowed(s: &Snapshot<'_>, env: &Env, account: &AwsAccount) -> Step<()> {
    let refuse = |reason, message: String| Err(Need::stuck(reason, message));
    let name = account.name_any();
    s.unique(account)?;
    if let Some(rival) = s.rival(env) {
        return refuse(
            Reason::InvalidSpec,
            format!(
                "Bootstrap {} has the same qualifier or toolkit stack name in {}: neither touches it",
                rival.name_any(),
                env
            ),
        );
    }
    let spec = &s.bootstrap.spec;
    let Some(ceiling) = &account.spec.allowed_bootstrap else { return Ok(()) };
    let over = |wanted: &[String], most: Option<&[String]>| {
        most.and_then(|m| wanted.iter().find(|w| !m.contains(w)).cloned())
    };
    let text = |list: &[crate::words::AccountId]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let trusted: Vec<String> =
        [text(&spec.trusted_accounts), text(&spec.trusted_accounts_for_lookup)].concat();
    let most = ceiling.trusted_accounts.as_deref().map(text);
    let too_much = over(&trusted, most.as_deref())
        .or_else(|| over(&spec.cloud_formation_execution_policies, ceiling.execution_policies.as_deref()));
    match too_much {
        Some(what) => refuse(
            Reason::AccountNotAllowed,
            format!("AwsAccount {name} does not allow a Bootstrap with {what} (allowedBootstrap)"),
        ),
        None => Ok(()),
    }
}

impl<'a> Toolkit<'a> {
    pub(super) fn new(
        s: &'a Snapshot<'a>,
        env: &Env,
        account: &'a AwsAccount,
        plan: &'a PlanView,
        wanted: &'a BootstrapProposal,
    ) -> Self {
        let key = StackKey { env: env.clone(), name: wanted.toolkit_stack_name.clone() };
        let input = StackInput {
            key: key.clone(),
            template: wanted.template,
            template_key: None,
            assets: std::collections::BTreeMap::new(),
            images: std::collections::BTreeMap::new(),
            parameters: wanted
                .parameters
                .iter()
                .map(|(k, v)| (k.clone(), ParameterValue::Plain(v.clone())))
                .collect(),
            tags: std::collections::BTreeMap::new(),
            capabilities: CAPABILITIES.iter().map(|c| (*c).to_owned()).collect::<BTreeSet<_>>(),
            role: None,
            notification_arns: None,
            termination_protection: None,
            import_existing: true,
        };
        let access = Access {
            env: env.clone(),
            roles: account.spec.bootstrap_role_chain.iter().flatten().map(|h| h.role_arn.clone()).collect(),
            session_name: session_name(&s.uid),
            scope: None,
        };
        Self { s, account, plan, wanted, key, access, input: input.digest(), content: input }
    }

    /// How it stands, and what comes next for it.
    pub(super) fn state(&self, now: Timestamp) -> EnvironmentState {
        if let Err(need) = allowed(self.s, &self.key.env, self.account) {
            return EnvironmentState::Need(need);
        }
        match (self.plan.claims.get(&self.key), self.plan.settled.get(&self.key)) {
            (_, Some(x)) if x.outcome == SettledAs::Succeeded => match self.version(now) {
                Ok(version) => EnvironmentState::Ready(version),
                Err(need) => EnvironmentState::Need(need),
            },
            (Some(claim), None) => self.running(claim, now),
            (_, Some(x)) if now < self.pause() => EnvironmentState::Need(Need::Wait(
                Reason::Retrying,
                format!("stack {}: {}", self.key, x.message.as_deref().unwrap_or("the last try failed")),
                Some(self.pause()),
            )),
            (_, failed) => match self.prepare(failed, now) {
                Ok(claim) => EnvironmentState::Claim(Box::new(claim)),
                Err(need) => EnvironmentState::Need(need),
            },
        }
    }

    /// Until when nothing new is tried after a try that failed.
    fn pause(&self) -> Timestamp {
        let since = self.plan.settled_time;
        since.saturating_add(SignedDuration::from_mins(1)).unwrap_or(since)
    }

    fn running(&self, claim: &ClaimedStack, now: Timestamp) -> EnvironmentState {
        let running = Running {
            facts: self.s.facts,
            key: &self.key,
            baseline: &Baseline::None,
            claim,
            access: &self.access,
            protect: None,
        };
        match running.drive(true, || Ok(None), now) {
            Progress::Need(need) => EnvironmentState::Need(need),
            Progress::Settle(x) => EnvironmentState::Settle(x),
            // Nothing was executed: the claim ends here, and the stack is prepared anew.
            Progress::Stop(why) => match self.fresh_row(now) {
                Ok(row) => {
                    let gone = (StackStatus::DeleteComplete.as_str(), now);
                    let state = row.map_or(gone, |r| (r.status.as_str(), r.updated));
                    let id = row.map_or(&claim.stack_id, |r| &r.id).clone();
                    let settled = Settled::of(&self.key, id, SettledAs::Gone, state, Some(why));
                    EnvironmentState::Settle(Box::new(settled))
                }
                Err(need) => EnvironmentState::Need(need),
            },
            Progress::Idle => EnvironmentState::Need(Need::Wait(
                Reason::Executing,
                format!("stack {} waits", self.key),
                None,
            )),
        }
    }

    fn wish(&self) -> Wish<'_> {
        Wish {
            facts: self.s.facts,
            proof: &self.s.installation.key,
            owner: &self.s.uid,
            key: &self.key,
            input: &self.input,
            access: &self.access,
        }
    }

    fn fresh_row(&self, now: Timestamp) -> Step<Option<&StackRow>> {
        self.wish().fresh_row(now)
    }

    fn prepare(&self, failed: Option<&Settled>, now: Timestamp) -> Step<ClaimedStack> {
        let wish = self.wish();
        let row = wish.fresh_row(now)?;
        if let Some(row) = row.filter(|r| r.exists()) {
            let again = now.saturating_add(SignedDuration::from_mins(1)).ok();
            return Err(match failed {
                Some(x) if x.stack_id == row.id => Need::Stuck(
                    Reason::RolledBack,
                    format!(
                        "stack {} ended in {}{}; mend the cause and delete the stack, then it is made again",
                        self.key,
                        x.status,
                        x.message.as_deref().map(|m| format!(" ({m})")).unwrap_or_default()
                    ),
                    again,
                ),
                Some(_) | None => Need::Stuck(
                    Reason::StackNotOurs,
                    format!(
                        "stack {} exists ({}) and was not made by this Bootstrap: give toolkitStackName another name, or delete that stack",
                        self.key, row.id
                    ),
                    again,
                ),
            });
        }
        let prepared = wish.change_set(row, false, |kind, name| self.wanted_change_set(kind, name), now)?;
        let set = prepared
            .set
            .ok_or_else(|| Need::stuck(Reason::PlanFailed, "the bootstrap template makes nothing"))?;
        Ok(ClaimedStack::of(&self.key, &set, prepared.leaf, self.input))
    }

    fn wanted_change_set(&self, kind: ChangeSetKind, name: ChangeSetName) -> Mutation {
        let owner = format!("Bootstrap {}", self.s.bootstrap.name_any());
        let call = WantedChangeSet {
            key: self.key.clone(),
            kind,
            description: self.s.installation.key.description(&owner, name.as_str(), &self.input),
            template: TemplateSource::Inline(Arc::from(template_body())),
            parameters: self
                .wanted
                .parameters
                .iter()
                .map(|(k, v)| (k.clone(), Some(Hidden::new(v.as_str()))))
                .collect(),
            tags: Vec::new(),
            capabilities: CAPABILITIES.iter().map(|c| (*c).to_owned()).collect(),
            role: None,
            notification_arns: None,
            import_existing: true,
            token: create_token(&name),
            // The values stand in the Bootstrap.
            quiet: false,
            name,
            access: self.access.clone(),
        };
        debug_assert!(call.is_covered_by(&self.content), "an input of the call that its digest leaves out");
        Mutation::CreateChangeSet(Box::new(call))
    }

    /// The version that the environment says it has.
    fn version(&self, now: Timestamp) -> Step<u32> {
        let names =
            ToolkitNames { qualifier: self.s.bootstrap.spec.qualifier.clone(), env: self.key.env.clone() };
        let look = Look::Toolkit(self.key.env.clone(), names.version_parameter(), self.access.clone());
        let again = SignedDuration::from_secs(15);
        match self.s.facts.toolkits.get(&(self.key.env.clone(), names.version_parameter())) {
            Some(Seen::Present(version, _)) => Ok(*version),
            Some(Seen::Absent(at)) if now.duration_since(*at) < again => Err(Need::Wait(
                Reason::Executing,
                format!("{} has no SSM parameter {} yet", self.key.env, names.version_parameter()),
                now.saturating_add(again).ok(),
            )),
            Some(Seen::Absent(_) | Seen::Unknown) | None => Err(ask(self.s.facts, Effect::Look(look), now)),
        }
    }

    /// The stack, for the poll of its region. Nothing but the way of bootstrapping leads there yet.
    pub(super) fn watched(&self) -> Watched {
        Watched { key: self.key.clone(), pace: Pace::Fast, access: self.access.clone() }
    }
}
