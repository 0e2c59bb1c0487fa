//! The toolkit stack of one environment, from nothing to a version that can be read.

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::{
    Snapshot,
    gate::{frozen, stands},
};
use crate::{
    api::{
        AwsAccount, BootstrapProposal, BootstrapSpec, ClaimedStack, EnvironmentStatus, OwnedStack, Reason,
        Settled, SettledAs,
    },
    change::{Baseline, StackInput, change_set_name},
    drive::{Progress, Running, Wish, Withdrawn},
    effect::{Access, Effect, Look, Pace, Seen, SetRef, Watched, baseline_of, session_name},
    gate::{PlanView, owned_key},
    stack::{StackRow, StackStatus},
    verdict::{Need, Step, ask},
    words::{Digest, Env, StackKey, ToolkitNames, Uid},
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
    /// A change of it failed: it is as it was before, or stuck.
    Failed(Box<Settled>),
    /// An effect, time or a person is needed.
    Need(Need),
}

impl EnvironmentState {
    /// Whether somebody else has a stack of that name there by now.
    pub(super) fn is_not_ours(&self) -> bool {
        matches!(self, Self::Need(Need::Stuck(Reason::StackNotOurs, ..)))
    }

    /// The row that status shows.
    #[must_use]
    pub fn row(&self, env: &Env) -> EnvironmentStatus {
        let (version, state, message) = match self {
            Self::Ready(version) => (Some(*version), "Ready", None),
            Self::Claim(_) | Self::Settle(_) | Self::Need(Need::Do(_)) => (None, "Working", None),
            Self::Need(Need::Wait(_, m, _)) => (None, "Working", Some(m.clone())),
            Self::Need(Need::Stuck(r, m, _)) => (None, r.as_str(), Some(m.clone())),
            Self::Failed(x) => (None, reason_of(x).as_str(), x.message.clone()),
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

/// Why a change of a stack came to nothing.
pub(super) fn reason_of(x: &Settled) -> Reason {
    match x.outcome {
        SettledAs::RolledBack => Reason::RolledBack,
        SettledAs::Gone => Reason::StackNotOurs,
        SettledAs::Succeeded | SettledAs::Failed => Reason::RollbackFailed,
    }
}

/// What became of a change set that was prepared and never claimed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unprepared {
    /// Nobody can execute it.
    Gone,
    /// It may be there: nobody gets in, or no answer comes.
    Left,
}

/// The longest pause between two tries: an hour, about.
const MOST_DOUBLINGS: u32 = 6;
/// Why the change sets of a plan go.
const WITHDRAWN: &str = "it is not carried out";

fn doubled(since: Timestamp, tries: u32) -> Timestamp {
    let minutes = 1_i64 << tries.saturating_sub(1).min(MOST_DOUBLINGS);
    since.saturating_add(SignedDuration::from_mins(minutes)).unwrap_or(since)
}

/// One environment and what it shall have.
pub(super) struct Toolkit<'a> {
    pub(super) s: &'a Snapshot<'a>,
    pub(super) account: &'a AwsAccount,
    pub(super) plan: &'a PlanView,
    pub(super) wanted: &'a BootstrapProposal,
    pub(super) key: StackKey,
    pub(super) access: Access,
    pub(super) content: StackInput,
    pub(super) input: Digest,
    /// The stack as we left it before this plan, where there is one.
    pub(super) owned: Option<&'a OwnedStack>,
}

/// How CloudFormation is called in an environment.
pub(super) fn access(owner: &Uid, env: &Env, account: &AwsAccount) -> Access {
    Access {
        env: env.clone(),
        roles: account.spec.bootstrap_role_chain.iter().flatten().map(|h| h.role_arn.clone()).collect(),
        session_name: session_name(owner),
        scope: None,
    }
}

/// What the account and the other Bootstraps leave to this one.
pub(super) fn allowed(s: &Snapshot<'_>, env: &Env, account: &AwsAccount) -> Step<()> {
    let refuse = |reason, message: String| Err(Need::stuck(reason, message));
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
    ceiling(&s.bootstrap.spec, account)
}

/// What an account leaves to any Bootstrap.
pub(super) fn ceiling(spec: &BootstrapSpec, account: &AwsAccount) -> Step<()> {
    let name = account.name_any();
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
        Some(what) => Err(Need::stuck(
            Reason::AccountNotAllowed,
            format!("AwsAccount {name} does not allow a Bootstrap with {what} (allowedBootstrap)"),
        )),
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
        let input = StackInput::of_toolkit(&key, wanted);
        let access = access(&s.uid, env, account);
        let owned = plan.owned.iter().find(|o| owned_key(o) == key);
        Self { s, account, plan, wanted, key, access, input: input.digest(), content: input, owned }
    }

    /// Whether the stack is there, so that it is changed and not made.
    pub(super) fn is_changed(&self) -> bool {
        self.owned.is_some()
    }

    /// Whether the stack holds what the plan wants.
    pub(super) fn is_done(&self) -> bool {
        self.plan.has_succeeded(&self.key)
            || (self.is_as_wanted() && !self.plan.claims.contains_key(&self.key))
    }

    /// When the stack was changed last.
    pub(super) fn changed_time(&self) -> Option<Timestamp> {
        self.s.changed_times().get(&self.key).copied()
    }

    /// Whether somebody has deleted the stack that was there.
    fn is_lost(&self) -> bool {
        self.s.lost().contains(&self.key)
    }

    /// Whether somebody has to approve what is to become of it.
    pub(super) fn is_gated(&self) -> bool {
        self.is_changed() || self.is_lost()
    }

    /// Whether the stack is there, holds something else, and the plan does not tell that it is changed; or is there no more, and the plan
    /// does not tell that it is made anew.
    pub(super) fn is_untold(&self) -> bool {
        if self.is_changed() {
            return !self.is_done() && !self.plan.changes(&self.key.env);
        }
        self.is_lost() && !self.plan.makes_anew(&self.key.env)
    }

    fn is_as_wanted(&self) -> bool {
        self.owned.is_some_and(|o| o.input == Some(self.input))
    }

    /// How it stands, and what comes next for it. `hold`: why nothing is begun yet.
    pub(super) fn state(&self, hold: Option<Need>, now: Timestamp) -> EnvironmentState {
        match self.next(hold, now) {
            // What is there works on while it waits, and its version is shown.
            EnvironmentState::Need(wait @ (Need::Wait(..) | Need::Stuck(..))) if self.is_changed() => {
                match self.version(now) {
                    Err(look @ Need::Do(_)) => EnvironmentState::Need(look),
                    Ok(_) | Err(_) => EnvironmentState::Need(wait),
                }
            }
            state => state,
        }
    }

    fn next(&self, hold: Option<Need>, now: Timestamp) -> EnvironmentState {
        if let Err(need) = allowed(self.s, &self.key.env, self.account) {
            return EnvironmentState::Need(need);
        }
        match (self.plan.claims.get(&self.key), self.plan.settled.get(&self.key)) {
            (_, Some(x)) if x.outcome == SettledAs::Succeeded => match self.version(now) {
                Ok(version) => EnvironmentState::Ready(version),
                Err(need) => EnvironmentState::Need(need),
            },
            (Some(claim), None) => self.running(claim, hold, now),
            (_, Some(x)) if self.is_changed() => EnvironmentState::Failed(Box::new(x.clone())),
            (None, None) if self.is_as_wanted() => {
                self.version(now).map_or_else(EnvironmentState::Need, EnvironmentState::Ready)
            }
            (_, failed) => match (hold, failed.and_then(|x| self.pause(x, now))) {
                (Some(need), _) => EnvironmentState::Need(need),
                (None, Some(pause)) => EnvironmentState::Need(pause),
                (None, None) => self.prepared(failed, now),
            },
        }
    }

    /// Until when nothing new is tried after a try that failed: a minute, twice as long after each further one, an hour at most. Each
    /// costs entries of a ledger that all environments share, and somebody in one account may bring them all to nothing.
    fn pause(&self, failed: &Settled, now: Timestamp) -> Option<Need> {
        let (tries, last) = self.plan.tries(&self.key).unwrap_or((1, failed.updated_time.0));
        let why = failed.message.as_deref().unwrap_or("the last try failed");
        self.paused(last.max(failed.updated_time.0), tries, why, now)
    }

    /// The same where a change set that was claimed could not be executed: the first time it is made again at once.
    fn pause_after_claim(&self, why: &str, now: Timestamp) -> Option<Need> {
        let (tries, last) = self.plan.tries(&self.key).filter(|(tries, _)| *tries > 1)?;
        self.paused(last, tries - 1, why, now)
    }

    fn paused(&self, since: Timestamp, tries: u32, why: &str, now: Timestamp) -> Option<Need> {
        let until = doubled(since, tries);
        // What is yet to come was written before the clock was set back.
        (since <= now && now < until).then(|| {
            let what = format!("stack {}: {why}; it is tried again at {until}", self.key);
            Need::Wait(Reason::Retrying, what, Some(until))
        })
    }

    /// What the change set of this stack builds on, for its leaf: the stack as we left it. Others may have updated it since; then the
    /// change set, which is made later, shows what that comes to.
    pub(super) fn baseline(&self) -> Baseline {
        match self.owned {
            Some(o) => {
                let at = o.updated_time.as_ref().map_or(Timestamp::UNIX_EPOCH, |t| t.0);
                Baseline::Stack(o.stack_id.clone(), at)
            }
            None => Baseline::None,
        }
    }

    /// Drives a claim on. What has not begun does so only if it may.
    pub(super) fn drive(&self, claim: &ClaimedStack, may_start: bool, now: Timestamp) -> Progress {
        let running = Running {
            facts: self.s.facts,
            key: &self.key,
            baseline: &self.baseline(),
            claim,
            access: &self.access,
            protect: None,
        };
        running.drive(may_start, || self.gate_stands(now), now)
    }

    /// What stands against beginning.
    fn gate_stands(&self, now: Timestamp) -> Step<Option<String>> {
        if self.is_gated() && !self.plan.covers(&self.key.env) {
            return Ok(Some("the plan tells of no change of a stack that is there".to_owned()));
        }
        stands(self.s, self.plan, &self.key.env, self.is_gated(), now)
    }

    /// Takes the change set of a claim away that has not begun.
    pub(super) fn withdrawn(&self, claim: &ClaimedStack, now: Timestamp) -> Step<Withdrawn> {
        let set = SetRef::Arn(claim.change_set_arn.clone());
        Wish { input: &claim.input, ..self.wish() }.withdrawn(&set, WITHDRAWN, now)
    }

    /// Takes the change set away that was prepared for this plan and never claimed. Nobody has decided to execute it, so a region that
    /// does not answer, or an account that lets nobody in, holds nothing up.
    pub(super) fn unprepared(&self, now: Timestamp) -> Step<Unprepared> {
        let (facts, key, access) = (self.s.facts, &self.key, &self.access);
        let mut tried = vec![Effect::Look(Look::Stack(key.clone(), access.clone()))];
        let done = self.fresh_row(now).and_then(|row| {
            let set = SetRef::Name(change_set_name(&self.s.uid, &self.input, &baseline_of(row)));
            let there = facts.change_sets.get(&(key.clone(), set.clone())).map(|looked| &looked.seen);
            if let Some(Seen::Present(set, _)) = there {
                tried.push(Effect::Mutate(self.wish().deletion(set, WITHDRAWN)));
            }
            tried.push(Effect::Look(Look::ChangeSet(key.clone(), set.clone(), access.clone())));
            self.wish().withdrawn(&set, WITHDRAWN, now)
        });
        match done {
            Ok(Withdrawn::IsNotThere | Withdrawn::HasRun) => Ok(Unprepared::Gone),
            Err(Need::Wait(Reason::Retrying, ..) | Need::Stuck(..))
                if tried.iter().any(|effect| facts.is_past_hope(effect)) =>
            {
                Ok(Unprepared::Left)
            }
            Err(need) => Err(need),
        }
    }

    /// Something stands against executing a claimed change set: it goes, so that nobody can.
    fn stopped(
        &self,
        claim: &ClaimedStack,
        why: String,
        hold: Option<Need>,
        now: Timestamp,
    ) -> EnvironmentState {
        let again = |reason, what: String| {
            let again = now.saturating_add(SignedDuration::from_secs(15)).ok();
            EnvironmentState::Need(Need::Wait(reason, what, again))
        };
        match self.withdrawn(claim, now) {
            Err(need) => EnvironmentState::Need(need),
            Ok(Withdrawn::HasRun) => again(Reason::Executing, format!("stack {} is changing", self.key)),
            Ok(Withdrawn::IsNotThere) if !self.is_gated() => self.never_made(claim, why, now),
            // Another one is made once that is over.
            Ok(Withdrawn::IsNotThere) => match hold.map_or_else(|| self.gate_stands(now), Err) {
                Err(need) => EnvironmentState::Need(need),
                Ok(Some(_)) => match frozen(self.s, self.plan, &self.key.env, now) {
                    Some(what) => again(Reason::Frozen, format!("stack {} is not changed: {what}", self.key)),
                    None => again(Reason::Executing, format!("stack {} is not changed: {why}", self.key)),
                },
                Ok(None) => match self.pause_after_claim(&why, now) {
                    Some(pause) => EnvironmentState::Need(pause),
                    None => self.prepared(None, now),
                },
            },
        }
    }

    /// Nothing was executed: the claim of a stack that is to be made ends here, and it is prepared anew.
    fn never_made(&self, claim: &ClaimedStack, why: String, now: Timestamp) -> EnvironmentState {
        match self.fresh_row(now) {
            Ok(row) => {
                let gone = (StackStatus::DeleteComplete.as_str(), now);
                let state = row.map_or(gone, |r| (r.status.as_str(), r.updated));
                let id = row.map_or(&claim.stack_id, |r| &r.id).clone();
                let settled = Settled::of(&self.key, id, SettledAs::Gone, state, Some(why));
                EnvironmentState::Settle(Box::new(settled))
            }
            Err(need) => EnvironmentState::Need(need),
        }
    }

    fn running(&self, claim: &ClaimedStack, hold: Option<Need>, now: Timestamp) -> EnvironmentState {
        match self.drive(claim, hold.is_none(), now) {
            Progress::Need(need) => EnvironmentState::Need(need),
            Progress::Settle(x) => EnvironmentState::Settle(x),
            Progress::Stop(why) => self.stopped(claim, why, hold, now),
            Progress::Idle => {
                EnvironmentState::Need(hold.unwrap_or_else(|| {
                    Need::Wait(Reason::Executing, format!("stack {} waits", self.key), None)
                }))
            }
        }
    }

    pub(super) fn wish(&self) -> Wish<'_> {
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

    /// The version that the environment says it has.
    pub(super) fn version(&self, now: Timestamp) -> Step<u32> {
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

    /// The version that a stack which is changed had before, as far as it is known: until the change has come to it, that is there.
    pub(super) fn version_before(&self, now: Timestamp) -> Option<u32> {
        let settled = self.plan.settled.get(&self.key);
        let untouched = settled.is_none_or(|x| x.outcome == SettledAs::RolledBack);
        self.version(now).ok().filter(|_| self.is_changed() && untouched)
    }

    /// The stack, for the poll of its region. Nothing but the way of bootstrapping leads there yet.
    pub(super) fn watched(&self) -> Watched {
        Watched { key: self.key.clone(), pace: Pace::Fast, access: self.access.clone() }
    }
}
