//! Whether a change might run: judged by what people have really written, by the gate as it really was, and by freezes as
//! they were meant. Nothing of the core's own counting is used here.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use stackgate_core::{
    api::{
        Action, ChangePlan, CloseReason, Identity, IdentityNeeded, LedgerEntry, Operation, PlannedAs,
        Proposal, ProposalKind, ProposedStack, RequireApproval, RiskClass,
    },
    cluster::ClusterView,
    words::{AccountId, ChangeSetArn, StackKey},
};

use super::Violation;
use crate::world::{
    NAMESPACE, Object, ObjectKey, Objects, World,
    said::{GIT, Word},
};

/// How long the approval of a release counts.
const BEFOREHAND: SignedDuration = SignedDuration::from_hours(24);

/// A decision that a claim may rest on, or not.
#[derive(Clone, Debug)]
struct Voice {
    action: Action,
    by: String,
    acks: BTreeSet<RiskClass>,
    recorded: Timestamp,
    until: Option<Timestamp>,
    /// Really by whom it says, as the API server has made sure.
    proven: bool,
    /// Signed in git, for nobody in particular.
    git: bool,
    /// Given for a release, before its change was known.
    beforehand: bool,
}

/// A plan that was claimed, as it really stood then.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The name of the Stage or Bootstrap.
    stage: String,
    kind: ProposalKind,
    /// Whether there is a gate: toolkit stacks are made without asking anybody.
    is_gated: bool,
    at: Timestamp,
    voices: Vec<Voice>,
    classes: BTreeSet<RiskClass>,
    deferred: bool,
    /// Whether it deletes a stack.
    removes: bool,
    accounts: BTreeSet<AccountId>,
    operation: Operation,
    /// The change sets that were claimed.
    sets: Vec<ChangeSetArn>,
    /// If it rests on a retry: how often others had changed each stack when what failed was planned.
    retries: Option<BTreeMap<StackKey, u64>>,
    /// Whether at some moment since the claim all was well.
    pub stood: bool,
    /// Why not, when it was last asked.
    pub why: String,
}

/// What a plan was opened as.
#[derive(Clone, Debug, Default)]
pub struct Opening {
    /// How often others had changed each stack.
    others: BTreeMap<StackKey, u64>,
    /// The plan that failed and is tried again with this one, if people have asked for that and nothing else has changed; before it those
    /// that it tried again itself.
    retries: Option<(Vec<String>, BTreeMap<StackKey, u64>)>,
}

/// What is demanded, read from the objects.
struct Demand {
    approval: RequireApproval,
    acks: BTreeSet<RiskClass>,
    approvals: usize,
    verified: bool,
    ttl: SignedDuration,
}

impl Opening {
    /// A plan is opened, or comes back, by the entry at this place. `newest`: the plan that was the newest until now.
    pub fn new(
        world: &World,
        plan: &ChangePlan,
        place: usize,
        newest: Option<&ChangePlan>,
        openings: &BTreeMap<String, Self>,
    ) -> Self {
        let retries = newest.and_then(|old| {
            let name = old.metadata.name.clone()?;
            let before = openings.get(&name)?;
            let same = old.metadata.name == plan.metadata.name;
            let end = if same { place } else { old.spec.ledger.len() };
            // What was carried over and has not been used is still there when the plan is opened once more.
            let again = before.retries.clone().filter(|_| same && !is_claimed(old, end));
            again.or_else(|| {
                (is_retried(world, old, end) && is_equal(plan, old)).then(|| {
                    let earlier = before.retries.iter().flat_map(|(names, _)| names.iter().cloned());
                    (earlier.chain([name]).collect(), before.others.clone())
                })
            })
        });
        Self { others: world.cloud.others.clone(), retries }
    }
}

/// The entries of a ledger before that place, since the plan was opened last.
fn since_opened(plan: &ChangePlan, end: usize) -> &[LedgerEntry] {
    let ledger = plan.spec.ledger.get(..end).unwrap_or_default();
    let since = ledger.iter().rposition(|e| e.opened.is_some()).unwrap_or(0);
    ledger.get(since..).unwrap_or_default()
}

fn is_claimed(plan: &ChangePlan, end: usize) -> bool {
    since_opened(plan, end).iter().any(|e| e.claimed.is_some())
}

/// Whether somebody has revoked on any plan of the object since they gave an approval that is kept or carried over for another one, and
/// a ledger says so.
fn has_revoked_since(world: &World, proposal: &Proposal, by: &str, given: Option<Timestamp>) -> bool {
    let of_the_same = |on: &ObjectKey| match on {
        ObjectKey::Plan(name) => {
            world.cluster.plan(name).is_some_and(|p| p.spec.proposal.uid == proposal.uid)
        }
        _ => false,
    };
    let revokes = world.said.iter().filter(|s| s.word == Word::Decides(Action::Revoke) && s.by == by);
    let revokes = revokes.filter(|s| of_the_same(&s.on));
    revokes.filter_map(|s| s.recorded).any(|at| given.is_none_or(|given| given <= at))
}

/// Whether a plan has failed since it was opened last, and people who may have asked to try it again.
fn is_retried(world: &World, old: &ChangePlan, end: usize) -> bool {
    let ledger = since_opened(old, end);
    let failed = ledger.iter().any(|e| e.closed.as_ref().is_some_and(|c| c.reason == CloseReason::Failed));
    let verified =
        demanded(world, old.spec.proposal.kind, &old.spec.proposal.name).is_none_or(|d| d.verified);
    let asked = ledger.iter().filter_map(|e| e.decided.as_ref()).filter(|d| d.action == Action::Retry);
    let really = |(_, said): (usize, &crate::world::said::Said)| said.proven || !verified;
    failed && asked.filter_map(|d| world.said_in(d)).any(really)
}

fn is_equal(new: &ChangePlan, old: &ChangePlan) -> bool {
    let same = |a: &ProposedStack, b: &ProposedStack| {
        (a.plan, &a.input, &a.changes, a.count) == (b.plan, &b.input, &b.changes, b.count)
    };
    new.spec.proposal.stacks.iter().all(|n| {
        let then = old.spec.proposal.stacks.iter().find(|o| o.key() == n.key());
        // What was rolled back is new again.
        let anew = |o: &ProposedStack| n.plan == PlannedAs::Recreated && makes_anew(o) && o.input == n.input;
        n.plan == PlannedAs::Unchanged || then.is_some_and(|o| same(n, o) || anew(o))
    })
}

fn makes_anew(stack: &ProposedStack) -> bool {
    stack.baseline_stack_id.is_none() || stack.plan == PlannedAs::Recreated
}

fn demanded(world: &World, kind: ProposalKind, name: &str) -> Option<Demand> {
    let (own, names) = match kind {
        ProposalKind::Stage => {
            let stage = world.cluster.objects.stage(NAMESPACE, name)?;
            (stage.spec.gate.clone(), stage.spec.accounts.clone())
        }
        ProposalKind::Bootstrap => {
            let bootstrap = world.cluster.objects.bootstraps().into_iter().find(|b| b.name_any() == name)?;
            (bootstrap.spec.gate.clone(), bootstrap.spec.accounts.names.clone().unwrap_or_default())
        }
    };
    let accounts = names.iter().filter_map(|name| {
        match world.cluster.objects.0.get(&ObjectKey::Account(name.clone()))? {
            Object::Account(a) => Some(a.spec.minimum_gate.clone().unwrap_or_default()),
            _ => None,
        }
    });
    let all = || RiskClass::ALL.into_iter().collect::<BTreeSet<_>>();
    let own = own.unwrap_or_default();
    let mut demand = Demand {
        approval: own.require_approval.unwrap_or(RequireApproval::AnyChange),
        acks: own.require_ack.map_or_else(all, |l| l.into_iter().collect()),
        approvals: own.approvals.map_or(1, |n| n as usize),
        verified: own.identity != Some(IdentityNeeded::Any),
        ttl: own.approval_ttl.map_or(SignedDuration::from_hours(72), |t| t.get()),
    };
    let rank = |r: RequireApproval| match r {
        RequireApproval::Never => 0,
        RequireApproval::OnRisk => 1,
        RequireApproval::AnyChange => 2,
    };
    for minimum in accounts {
        let theirs = minimum.require_approval.unwrap_or(RequireApproval::AnyChange);
        if rank(theirs) > rank(demand.approval) {
            demand.approval = theirs;
        }
        demand.acks.extend(minimum.require_ack.map_or_else(all, |l| l.into_iter().collect()));
        demand.approvals = demand.approvals.max(minimum.approvals.map_or(0, |n| n as usize));
        demand.verified |= minimum.identity == Some(IdentityNeeded::Verified);
        if let Some(ttl) = minimum.approval_ttl {
            demand.ttl = demand.ttl.min(ttl.get());
        }
    }
    Some(demand)
}

impl Claim {
    /// A plan has just been claimed by the entry at this place. `spent`: the approvals that executions have used up, and by
    /// the claim of which plan.
    pub fn new(
        world: &World,
        plan: &ChangePlan,
        place: usize,
        opening: &Opening,
        spent: &mut BTreeMap<usize, String>,
    ) -> Result<Self, Violation> {
        let proposal = &plan.spec.proposal;
        let name = plan.metadata.name.clone().unwrap_or_default();
        let id = proposal.id.to_string();
        let a1 = proposal.a1.as_ref().map(ToString::to_string);
        no_reject_stands(world, &name, &id)?;
        let mut voices = Vec::new();
        let mut used = Vec::new();
        let mut carried_over = Vec::new();
        for decided in plan.spec.ledger.iter().take(place).filter_map(|e| e.decided.as_ref()) {
            if decided.identity == Identity::System {
                continue;
            }
            let Some((number, said)) = world.said_in(decided) else {
                return Err(format!(
                    "I2: a decision on {name} is recorded that nobody has signed: {decided:?}"
                ));
            };
            let retried = opening.retries.as_ref().map_or(&[][..], |(names, _)| names);
            let is_spent = spent.get(&number).is_some_and(|by| Some(by) != retried.last());
            let of_this = said.id == id
                || a1.as_ref() == Some(&said.id)
                || retried.iter().any(|old| {
                    world.cluster.plan(old).is_some_and(|p| p.spec.proposal.id.to_string() == said.id)
                });
            // A ledger also keeps what was given for another release, until that one has a plan.
            if !of_this {
                continue;
            }
            if decided.action == Action::Approve {
                used.push(number);
            }
            if is_spent && decided.action != Action::Revoke {
                continue;
            }
            let beforehand = a1.as_ref() == Some(&said.id);
            if beforehand && said.recorded <= last_reject(world, said.id.as_str()) {
                continue;
            }
            let elsewhere = beforehand || said.id != id || spent.contains_key(&number);
            if elsewhere && has_revoked_since(world, proposal, &said.by, said.recorded) {
                continue;
            }
            if spent.contains_key(&number) && !is_spent {
                carried_over.push(voices.len());
            }
            voices.push(Voice {
                action: decided.action,
                by: said.by.clone(),
                acks: said.acks.clone(),
                recorded: said.recorded.unwrap_or(Timestamp::MIN),
                until: said.until,
                proven: said.proven,
                git: said.by.starts_with(GIT),
                beforehand,
            });
        }
        spent.extend(used.into_iter().map(|n| (n, name.clone())));
        let stacks = &proposal.stacks;
        let claimed = plan.spec.ledger.get(place).and_then(|e| e.claimed.as_ref());
        let mut claim = Self {
            stage: proposal.name.clone(),
            kind: proposal.kind,
            is_gated: proposal.kind == ProposalKind::Stage || proposal.changed.is_some(),
            at: plan.spec.ledger.get(place).map_or(world.now, |e| e.time.0),
            voices,
            classes: classes(plan),
            deferred: stacks.iter().any(|s| s.plan.is_without_set()),
            removes: stacks.iter().any(|s| s.plan == PlannedAs::Removed),
            accounts: stacks.iter().map(|s| s.account.clone()).collect(),
            operation: proposal.operation,
            sets: claimed.into_iter().flat_map(|c| &c.stacks).map(|s| s.change_set_arn.clone()).collect(),
            retries: None,
            stood: false,
            why: String::new(),
        };
        if !carried_over.is_empty() && !claim.without(&carried_over).is_enough(world) {
            claim.retries = opening.retries.as_ref().map(|(_, others)| others.clone());
        }
        claim.look(world, world.now);
        claim.knew_better(world)?;
        Ok(claim)
    }

    /// The same without these voices.
    fn without(&self, places: &[usize]) -> Self {
        let others = self.voices.iter().enumerate().filter(|(place, _)| !places.contains(place));
        Self { voices: others.map(|(_, voice)| voice.clone()).collect(), ..self.clone() }
    }

    /// Whether those who have decided are enough, apart from what else may hold it up.
    fn is_enough(&self, world: &World) -> bool {
        demanded(world, self.kind, &self.stage).is_some_and(|demand| {
            self.passes_by_rule(&demand) || self.count(&demand, self.is_overridden(&demand)).is_ok()
        })
    }

    /// Looks whether all is well now.
    pub fn look(&mut self, world: &World, now: Timestamp) {
        if self.stood {
            return;
        }
        match self.stands(world, now) {
            Ok(()) => self.stood = true,
            Err(why) => self.why = why,
        }
    }

    /// What stands against it at this moment.
    fn stands(&self, world: &World, now: Timestamp) -> Result<(), String> {
        if !self.is_gated {
            return Ok(());
        }
        let demand = demanded(world, self.kind, &self.stage).ok_or("the Stage or Bootstrap is gone")?;
        let overridden = self.is_overridden(&demand);
        // Who executes a part of it by hand has begun it, and what runs is not held up (docs/adr/0003).
        let begun = self.sets.iter().any(|arn| world.cloud.by_hand.contains(arn));
        if !self.passes_by_rule(&demand) {
            self.count(&demand, overridden)?;
            if !begun && demand.verified && !world.policies.in_force() {
                return Err("nothing proves who decides".to_owned());
            }
        }
        if begun { Ok(()) } else { self.held(world, overridden, now) }
    }

    fn held(&self, world: &World, overridden: bool, now: Timestamp) -> Result<(), String> {
        let stage = Some(&self.stage).filter(|_| self.kind == ProposalKind::Stage);
        let stage = stage.and_then(|name| world.cluster.objects.stage(NAMESPACE, name));
        if stage.as_ref().is_some_and(|s| s.spec.suspend) {
            return Err("the Stage is suspended".to_owned());
        }
        if stage.is_some_and(|s| s.spec.observes()) {
            return Err("the Stage observes".to_owned());
        }
        let holds = |(_, m): &(&String, &crate::world::platform::Meant)| {
            self.accounts.iter().any(|a| m.holds(a, self.operation, now))
        };
        match world.freezes.iter().find(holds).filter(|_| !overridden) {
            Some((name, _)) => Err(format!("{name} is active")),
            None => Ok(()),
        }
    }

    /// What its author saw when it was decided does not count as unknown.
    fn knew_better(&self, world: &World) -> Result<(), Violation> {
        let (place, decided) = world.acting;
        let Some(view) = world.cluster.views.get(place) else { return Ok(()) };
        let seen = |key: &ObjectKey| view.held.get(key).is_some_and(|since| *since < decided);
        let stage = world.cluster.objects.stage(NAMESPACE, &self.stage);
        if stage.is_some_and(|s| s.spec.suspend || s.spec.observes())
            && seen(&ObjectKey::Stage(self.stage.clone()))
        {
            return Err(format!("I2: {} was claimed while it was suspended or observed", self.stage));
        }
        let overridden = demanded(world, self.kind, &self.stage).is_some_and(|d| self.is_overridden(&d));
        for (name, meant) in world.freezes.iter().filter(|_| !overridden) {
            let holds = self.accounts.iter().any(|a| meant.holds(a, self.operation, decided));
            let key = ObjectKey::Freeze(name.clone());
            // One that was made again under its name is another one.
            let uid = |objects: &Objects| objects.0.get(&key).map(|o| o.uid().to_owned());
            if holds && uid(&view.seen) == uid(&world.cluster.objects) && seen(&key) {
                return Err(format!("I2: {} was claimed under {name}", self.stage));
            }
        }
        Ok(())
    }

    fn passes_by_rule(&self, demand: &Demand) -> bool {
        match demand.approval {
            _ if self.removes => false,
            RequireApproval::Never => true,
            RequireApproval::OnRisk => {
                !self.deferred
                    && !self.classes.contains(&RiskClass::MaybeReplace)
                    && self.classes.is_disjoint(&demand.acks)
            }
            RequireApproval::AnyChange => false,
        }
    }

    fn count(&self, demand: &Demand, overridden: bool) -> Result<(), String> {
        let mut people: BTreeMap<&str, &BTreeSet<RiskClass>> = BTreeMap::new();
        let needed = if overridden { 1 } else { demand.approvals };
        for voice in &self.voices {
            match voice.action {
                Action::Revoke => {
                    people.remove(voice.by.as_str());
                }
                Action::Approve => {
                    let known = voice.proven || !demand.verified;
                    if !known || (voice.git && demand.verified && needed > 1) {
                        continue;
                    }
                    let ttl = if voice.beforehand { demand.ttl.min(BEFOREHAND) } else { demand.ttl };
                    let covers = !voice.beforehand || (!self.removes && self.classes.is_subset(&voice.acks));
                    // What somebody has said last holds, and nothing of what they said before.
                    if covers && self.is_fresh(voice, ttl) {
                        people.insert(&voice.by, &voice.acks);
                    } else {
                        people.remove(voice.by.as_str());
                    }
                }
                Action::Reject | Action::Retry | Action::Override => {}
            }
        }
        if people.len() < needed {
            return Err(format!("{} of {needed} people had approved", people.len()));
        }
        let is_acked = |class: &RiskClass| people.values().any(|acks| acks.contains(class));
        let missing = self.classes.iter().find(|c| demand.acks.contains(c) && !is_acked(c));
        missing.map_or(Ok(()), |c| Err(format!("nobody had acknowledged {c}")))
    }

    fn is_fresh(&self, voice: &Voice, ttl: SignedDuration) -> bool {
        let end = voice.recorded.saturating_add(ttl).unwrap_or(Timestamp::MAX);
        self.at < voice.until.map_or(end, |u| u.min(end))
    }

    fn is_overridden(&self, demand: &Demand) -> bool {
        let mut by: BTreeSet<&str> = BTreeSet::new();
        for voice in &self.voices {
            match voice.action {
                Action::Revoke => {
                    by.remove(voice.by.as_str());
                }
                Action::Override if voice.proven || !demand.verified => {
                    if self.is_fresh(voice, demand.ttl) {
                        by.insert(&voice.by);
                    } else {
                        by.remove(voice.by.as_str());
                    }
                }
                Action::Override | Action::Approve | Action::Reject | Action::Retry => {}
            }
        }
        !by.is_empty()
    }

    /// A stack is executed.
    pub fn executed(&mut self, world: &World, name: &str, key: &StackKey) -> Result<(), Violation> {
        self.look(world, world.now);
        if !self.stood {
            return Err(format!("I2: {key} was executed by plan {name}, though {}", self.why));
        }
        let changes = |others: &BTreeMap<StackKey, u64>| others.get(key).copied().unwrap_or(0);
        let moved = self.retries.as_ref().is_some_and(|then| changes(then) != changes(&world.cloud.others));
        if moved && !world.reads_lag {
            return Err(format!(
                "I2: {key} was executed by a retry, though others had changed it since it was approved"
            ));
        }
        Ok(())
    }
}

/// A reject counts from when it is written, unless it could be taken away again before anybody saw it.
fn no_reject_stands(world: &World, name: &str, id: &str) -> Result<(), Violation> {
    let on = ObjectKey::Plan(name.to_owned());
    let stands = world
        .said
        .iter()
        .find(|s| s.word == Word::Decides(Action::Reject) && !s.lost && s.id == id && s.on == on);
    stands.map_or(Ok(()), |s| Err(format!("I2: plan {name} was claimed after {} had rejected it", s.by)))
}

/// When a plan of this release was rejected last, as far as ledgers tell.
fn last_reject(world: &World, a1: &str) -> Option<Timestamp> {
    let of_this = |id: &str| {
        world.cluster.objects.0.values().any(|o| match o {
            Object::Plan(p) => {
                let proposal = &p.spec.proposal;
                proposal.id.to_string() == id && proposal.a1.as_ref().is_some_and(|x| x.to_string() == a1)
            }
            _ => false,
        })
    };
    // What another controller has just recorded on another plan is known once it is seen: a claim does not look for it there.
    let several = world.cluster.views.len() > 1;
    let is_new = |s: &crate::world::said::Said| {
        let late = || world.cluster.views.iter().any(|v| v.late.contains_key(&s.on));
        let just = |at: Timestamp| world.now.duration_since(at) < SignedDuration::from_secs(5);
        several && (late() || s.recorded.is_some_and(just))
    };
    let rejects = world.said.iter().filter(|s| s.word == Word::Decides(Action::Reject) && !is_new(s));
    rejects.filter(|s| s.recorded.is_some() && of_this(&s.id)).filter_map(|s| s.recorded).max()
}

/// The classes of risk that a plan shows.
fn classes(plan: &ChangePlan) -> BTreeSet<RiskClass> {
    let proposal = &plan.spec.proposal;
    let mut found: BTreeSet<RiskClass> = proposal.risks.iter().map(|r| r.class).collect();
    for change in proposal.stacks.iter().flat_map(|s| &s.changes) {
        match (change.action.as_str(), change.replacement.as_deref()) {
            ("Remove", _) => found.insert(RiskClass::Delete),
            (_, Some("True")) => found.insert(RiskClass::Replace),
            (_, Some("Conditional")) => found.insert(RiskClass::MaybeReplace),
            _ => false,
        };
    }
    found
}
