//! A ChangePlan as its ledger tells it.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Decision, parse_annotation};
use crate::{
    api::{
        Action, ChangePlan, Claimed, ClaimedStack, Closed, Decided, DecisionSource, Identity, LedgerEntry,
        OwnedStack, PlannedAs, Proposal, ReleaseRef, Settled, SettledAs,
    },
    words::{ChangeId, Env, StackKey},
};

/// Entries that a ledger may hold (the schema's bound).
const MAX_ENTRIES: usize = 1024;

/// What the ledger says since the plan was last opened; decisions reach further back.
#[derive(Clone, Debug)]
pub struct PlanView {
    /// The object.
    pub plan: Arc<ChangePlan>,
    /// Its name.
    pub name: String,
    /// Its place among the plans of its owner: the highest is the newest.
    pub order: u64,
    /// The release that it was last opened for.
    pub release: Option<ReleaseRef>,
    /// The CDK Stage that it was last opened for.
    pub cdk_stage: Option<String>,
    /// The stacks that were ours then.
    pub owned: Vec<OwnedStack>,
    /// Every reject, and the approvals that no execution has used up yet.
    pub decisions: Vec<Decided>,
    /// Whether it was claimed; where all that changes is deferred, the claim names no stack yet.
    pub claimed: bool,
    /// The stacks that may run.
    pub claims: BTreeMap<StackKey, ClaimedStack>,
    /// When the last claim was made, cut to whole seconds.
    pub claimed_time: Timestamp,
    /// The stacks that came to an end, and when.
    pub settled: BTreeMap<StackKey, Settled>,
    /// When the last of them did, or the plan was opened.
    pub settled_time: Timestamp,
    /// Why it will not run, if it was closed.
    pub closed: Option<Closed>,
}

impl PlanView {
    /// Reads a plan. `None`: its ledger does not begin with an opening, so it is none of ours.
    #[must_use]
    pub fn new(plan: Arc<ChangePlan>) -> Option<Self> {
        let first = plan.spec.ledger.first()?;
        first.opened.as_ref()?;
        let mut view = Self {
            name: plan.metadata.name.clone()?,
            plan: Arc::clone(&plan),
            order: 0,
            release: None,
            cdk_stage: None,
            owned: Vec::new(),
            decisions: Vec::new(),
            claimed: false,
            claims: BTreeMap::new(),
            claimed_time: first.time.0,
            settled: BTreeMap::new(),
            settled_time: first.time.0,
            closed: None,
        };
        for entry in &plan.spec.ledger {
            view.take(entry);
        }
        Some(view)
    }

    fn take(&mut self, entry: &LedgerEntry) {
        if let Some(opened) = &entry.opened {
            if self.claimed {
                // What was approved has been tried: an approval counts for one execution.
                self.decisions.retain(|d| d.action == Action::Reject);
            }
            self.order = opened.order;
            self.release.clone_from(&opened.release);
            self.cdk_stage.clone_from(&opened.cdk_stage);
            self.owned.clone_from(&opened.owned);
            self.claimed = false;
            self.claims.clear();
            self.settled.clear();
            self.settled_time = entry.time.0;
            self.closed = None;
        }
        if let Some(decided) = &entry.decided {
            self.decisions.push(decided.clone());
        }
        if let Some(Claimed { stacks }) = &entry.claimed {
            self.claimed_time = entry.time.0;
            self.claimed = true;
            for claim in stacks {
                // A stack that is claimed again starts over.
                self.settled.remove(&claim.key());
                self.claims.insert(claim.key(), claim.clone());
            }
        }
        if let Some(settled) = &entry.settled {
            self.settled.insert(settled.key(), settled.clone());
            self.settled_time = entry.time.0;
        }
        if let Some(closed) = &entry.closed {
            self.closed = Some(closed.clone());
        }
    }

    /// The proposal.
    #[must_use]
    pub fn proposal(&self) -> &Proposal {
        &self.plan.spec.proposal
    }

    /// The id that decisions name.
    #[must_use]
    pub fn id(&self) -> &ChangeId {
        &self.proposal().id
    }

    /// The resourceVersion that a write has to name.
    #[must_use]
    pub fn resource_version(&self) -> String {
        self.plan.metadata.resource_version.clone().unwrap_or_default()
    }

    /// Whether somebody rejected it, ever.
    #[must_use]
    pub fn rejected(&self) -> Option<&Decided> {
        self.decisions.iter().find(|d| d.action == Action::Reject)
    }

    /// An approval that counts now.
    #[must_use]
    pub fn approved(&self, now: Timestamp) -> Option<&Decided> {
        self.decisions
            .iter()
            .find(|d| d.action == Action::Approve && d.until.as_ref().is_none_or(|u| now < u.0))
    }

    /// Whether it was opened for this release of this CDK Stage.
    #[must_use]
    pub fn is_for(&self, release: &ReleaseRef, cdk_stage: Option<&str>) -> bool {
        self.release.as_ref().is_some_and(|r| r.digest == release.digest)
            && self.cdk_stage.as_deref() == cdk_stage
    }

    /// Whether a person's approval is among those that count.
    #[must_use]
    pub fn approved_by_a_person(&self) -> bool {
        self.decisions.iter().any(|d| d.action == Action::Approve && d.identity != Identity::System)
    }

    /// How many approvals of people the ledger holds, used up or not.
    #[must_use]
    pub fn approvals_ever(&self) -> usize {
        let decided = self.plan.spec.ledger.iter().filter_map(|e| e.decided.as_ref());
        decided.filter(|d| d.action == Action::Approve && d.identity != Identity::System).count()
    }

    /// Whether any stack was claimed.
    #[must_use]
    pub fn is_claimed(&self) -> bool {
        self.claimed
    }

    /// Whether every stack of a Stage's plan is as planned.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.closed.is_none()
            && self.proposal().stacks.iter().all(|s| {
                s.plan == PlannedAs::Unchanged
                    || self.settled.get(&s.key()).is_some_and(|e| e.outcome == SettledAs::Succeeded)
            })
    }

    /// The stacks that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Settled> {
        self.settled.values().filter(|s| s.outcome != SettledAs::Succeeded)
    }

    /// The stacks that are ours now: what was carried forward, the claims since, and how they came out.
    #[must_use]
    pub fn owned_now(&self) -> Vec<OwnedStack> {
        let mut owned: BTreeMap<StackKey, OwnedStack> =
            self.owned.iter().map(|o| (owned_key(o), o.clone())).collect();
        for (key, claim) in &self.claims {
            // Before a plan is closed, what was claimed and has not run can no longer be executed: a stack that we had
            // is as it was. One that we had not stays claimed: who deletes an executed change set does not take it away.
            let ran = self.closed.is_none() || self.settled.contains_key(key);
            if !ran && owned.get(key).is_some_and(|o| o.stack_id == claim.stack_id) {
                continue;
            }
            owned.insert(
                key.clone(),
                OwnedStack {
                    account: claim.account.clone(),
                    region: claim.region.clone(),
                    stack_name: claim.stack_name.clone(),
                    stack_id: claim.stack_id.clone(),
                    updated_time: None,
                    input: None,
                },
            );
        }
        for (key, settled) in &self.settled {
            if settled.outcome == SettledAs::Gone {
                owned.remove(key);
                continue;
            }
            if let Some(o) = owned.get_mut(key) {
                o.updated_time = Some(settled.updated_time.clone());
                o.input = (settled.outcome == SettledAs::Succeeded)
                    .then(|| self.claims.get(key).map(|c| c.input))
                    .flatten();
            }
        }
        for stack in self.proposal().stacks.iter().filter(|s| s.plan == PlannedAs::Unchanged) {
            if let Some(o) = owned.get_mut(&stack.key())
                && self.closed.is_none()
            {
                o.updated_time.clone_from(&stack.baseline_updated_time);
                o.input = Some(stack.input);
            }
        }
        owned.into_values().collect()
    }

    /// The decisions in the annotations that name this plan's id, and what is wrong with the others.
    pub fn annotations<'a>(
        &self,
        annotations: Option<&'a BTreeMap<String, String>>,
    ) -> (Vec<Decision>, Vec<(&'a str, String)>) {
        let mut good = Vec::new();
        let mut bad = Vec::new();
        for (key, value) in annotations.into_iter().flatten() {
            match parse_annotation(key, value) {
                None => {}
                Some(Err(why)) => bad.push((key.as_str(), why.to_string())),
                Some(Ok(d)) if d.id == *self.id() => good.push(d),
                Some(Ok(d)) => bad.push((key.as_str(), format!("{} is not the id of this plan", d.id))),
            }
        }
        (good, bad)
    }

    /// Whether the ledger holds this decision already.
    #[must_use]
    pub fn has_recorded(&self, decision: &Decided) -> bool {
        self.plan.spec.ledger.iter().filter_map(|e| e.decided.as_ref()).any(|d| d == decision)
    }

    /// A ledger to append to.
    #[must_use]
    pub fn ledger(&self, now: Timestamp) -> Ledger {
        Ledger { next: self.plan.spec.ledger.len(), now, entries: Vec::new() }
    }
}

/// Where an owned stack lives.
#[must_use]
pub fn owned_key(o: &OwnedStack) -> StackKey {
    StackKey { env: Env { account: o.account.clone(), region: o.region.clone() }, name: o.stack_name.clone() }
}

/// Entries to be appended, numbered.
#[derive(Clone, Debug)]
pub struct Ledger {
    next: usize,
    now: Timestamp,
    entries: Vec<LedgerEntry>,
}

impl Ledger {
    /// The ledger of a new plan.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { next: 0, now, entries: Vec::new() }
    }

    /// Adds one entry.
    #[must_use]
    pub fn with(mut self, fill: impl FnOnce(&mut LedgerEntry)) -> Self {
        let seq = u32::try_from(self.next + self.entries.len()).unwrap_or(u32::MAX);
        let mut entry = LedgerEntry {
            seq,
            time: Time(self.now),
            opened: None,
            decided: None,
            checked: None,
            claimed: None,
            settled: None,
            closed: None,
        };
        fill(&mut entry);
        self.entries.push(entry);
        self
    }

    /// Whether the list can take them.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.next + self.entries.len() <= MAX_ENTRIES
    }

    /// The entries.
    #[must_use]
    pub fn entries(self) -> Vec<LedgerEntry> {
        self.entries
    }
}

impl Decision {
    /// The decision as it is recorded: found on `source`, by somebody whose identity nothing proves.
    #[must_use]
    pub fn recorded(&self, source: DecisionSource) -> Decided {
        Decided {
            action: self.action,
            by: self.by.clone(),
            identity: Identity::Unverified,
            source,
            slot: self.slot.clone(),
            acks: Vec::new(),
            under: None,
            since: None,
            until: self.until.map(Time),
            reason: self.reason.clone(),
        }
    }
}
