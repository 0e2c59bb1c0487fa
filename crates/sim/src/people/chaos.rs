//! People who sign what they saw long ago, forget to acknowledge, change their minds; git that wipes and puts back;
//! somebody who signs with the names of others.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use stackgate_core::api::{Action, ChangePlan, CheckResult, CloseReason, GATE_PREFIX, RiskClass};

use super::{PEOPLE, STAGES, order, report};
use crate::{
    bundle::{A1S, RELEASES},
    world::{
        Object, ObjectKey, World,
        said::{GIT, Note, Word, Writer},
    },
};

/// A plan, as somebody saw it.
#[derive(Clone, Debug)]
struct Seen {
    plan: String,
    id: String,
    a1: Option<String>,
    classes: Vec<RiskClass>,
    failed: bool,
}

/// What the people have in mind.
#[derive(Clone, Debug, Default)]
pub struct Chaos {
    /// What each of them saw last, of each stage.
    views: BTreeMap<(&'static str, &'static str), Seen>,
}

impl Chaos {
    /// Somebody does something.
    pub fn act(&mut self, world: &mut World, stages: usize) {
        let who = pick(world, &PEOPLE);
        let stage = STAGES.get(world.luck.random.place(stages)).copied().unwrap_or(STAGES[0]);
        match world.luck.random.below(25) {
            0..=6 => self.look(world, who, stage),
            7..=12 => self.sign(world, who, stage, Action::Approve, false),
            13 => self.sign(world, who, stage, Action::Approve, true),
            14 => before_the_plan(world, who, stage),
            15 => self.sign(world, who, stage, Action::Reject, false),
            16 => self.sign(world, who, stage, Action::Revoke, false),
            17 => self.sign(world, who, stage, Action::Override, false),
            18 => self.retry(world, who, stage),
            19 => put_back(world, who),
            20 => wipe(world),
            21 => self.forge(world, who, stage),
            22 => scribble(world),
            23 if world.policies.git => self.merge(world, stage),
            _ => {
                let failed = world.luck.random.chance(250);
                report(world, stage, if failed { CheckResult::Failed } else { CheckResult::Passed });
            }
        }
    }

    fn look(&mut self, world: &World, who: &'static str, stage: &'static str) {
        let plans = world.cluster.plans().filter(|p| p.spec.proposal.name == stage);
        if let Some(seen) = plans.max_by_key(|p| order(p)).and_then(|p| Seen::of(p)) {
            self.views.insert((who, stage), seen);
        }
    }

    fn sign(
        &self,
        world: &mut World,
        who: &'static str,
        stage: &'static str,
        action: Action,
        on_stage: bool,
    ) {
        let Some(seen) = self.views.get(&(who, stage)) else { return };
        let acks = match world.luck.random.below(8) {
            0 => Vec::new(),
            1 => seen.classes.iter().take(1).copied().collect(),
            _ => seen.classes.clone(),
        };
        let id = if on_stage && world.luck.random.chance(500) { seen.a1.as_ref() } else { Some(&seen.id) };
        let on =
            if on_stage { ObjectKey::Stage(stage.to_owned()) } else { ObjectKey::Plan(seen.plan.clone()) };
        let until = world.luck.random.chance(100).then(|| soon(world));
        self.put(world, Writer::Person(who), &on, action, who, id, &acks, until);
    }

    fn retry(&self, world: &mut World, who: &'static str, stage: &'static str) {
        let Some(seen) = self.views.get(&(who, stage)).filter(|s| s.failed) else { return };
        let on = ObjectKey::Plan(seen.plan.clone());
        self.put(world, Writer::Person(who), &on, Action::Retry, who, Some(&seen.id), &[], None);
    }

    /// Somebody signs with the name of another.
    fn forge(&self, world: &mut World, who: &'static str, stage: &'static str) {
        let plans = world.cluster.plans().filter(|p| p.spec.proposal.name == stage);
        let Some(seen) = plans.max_by_key(|p| order(p)).and_then(|p| Seen::of(p)) else { return };
        let on_stage = world.luck.random.chance(300);
        let on =
            if on_stage { ObjectKey::Stage(stage.to_owned()) } else { ObjectKey::Plan(seen.plan.clone()) };
        let action = if world.luck.random.chance(200) { Action::Override } else { Action::Approve };
        self.put(world, Writer::Intruder, &on, action, who, Some(&seen.id), &seen.classes, None);
    }

    /// A commit approves a release or a change, and Argo CD or Flux brings it.
    fn merge(&self, world: &mut World, stage: &'static str) {
        let plans = world.cluster.plans().filter(|p| p.spec.proposal.name == stage);
        let newest = plans.max_by_key(|p| order(p)).and_then(|p| Seen::of(p));
        let release = RELEASES.get(world.luck.random.place(3)).map(|b| b.release());
        let a1 = release.and_then(|r| A1S.get(&(stage, r)).cloned());
        let id = if world.luck.random.chance(500) { a1 } else { newest.map(|seen| seen.id) };
        let on = ObjectKey::Stage(stage.to_owned());
        let name = format!("{GIT}release");
        self.put(world, Writer::GitOps, &on, Action::Approve, &name, id.as_ref(), &RiskClass::ALL, None);
    }

    #[expect(clippy::too_many_arguments, reason = "what an annotation is made of")]
    fn put(
        &self,
        world: &mut World,
        writer: Writer,
        on: &ObjectKey,
        action: Action,
        by: &str,
        id: Option<&String>,
        acks: &[RiskClass],
        until: Option<Timestamp>,
    ) {
        let Some(id) = id else { return };
        // Mostly a slot of its own; now and then one that somebody else takes, too.
        let slot = match world.luck.random.below(6) {
            0 => String::new(),
            1 => "x".to_owned(),
            _ => format!("s{}", world.said.len()),
        };
        let note = Note { word: Word::Decides(action), slot: &slot, id, by, acks, until };
        world.write(writer, on, &note);
    }
}

impl Seen {
    fn of(plan: &ChangePlan) -> Option<Self> {
        let proposal = &plan.spec.proposal;
        let shown = proposal.stacks.iter().flat_map(|s| &s.changes);
        let of_change = |action: &str, replacement: Option<&str>| match (action, replacement) {
            ("Remove", _) => Some(RiskClass::Delete),
            (_, Some("True")) => Some(RiskClass::Replace),
            (_, Some("Conditional")) => Some(RiskClass::MaybeReplace),
            _ => None,
        };
        let mut classes: Vec<RiskClass> = proposal.risks.iter().map(|r| r.class).collect();
        classes.extend(shown.filter_map(|c| of_change(&c.action, c.replacement.as_deref())));
        classes.sort();
        classes.dedup();
        let closed = plan.spec.ledger.iter().rev().find_map(|e| e.closed.as_ref());
        Some(Self {
            plan: plan.metadata.name.clone()?,
            id: proposal.id.to_string(),
            a1: proposal.a1.as_ref().map(ToString::to_string),
            classes,
            failed: closed.is_some_and(|c| c.reason == CloseReason::Failed),
        })
    }
}

fn pick(world: &mut World, from: &[&'static str]) -> &'static str {
    from.get(world.luck.random.place(from.len())).copied().unwrap_or_default()
}

fn soon(world: &mut World) -> Timestamp {
    let minutes = 1 + world.luck.random.below(60);
    let span = SignedDuration::from_mins(i64::try_from(minutes).unwrap_or(1));
    world.now.saturating_add(span).unwrap_or(world.now)
}

/// A release is approved before there is a plan of it, as a merged pull request does.
fn before_the_plan(world: &mut World, who: &'static str, stage: &'static str) {
    let release = RELEASES.get(world.luck.random.place(3)).map(|b| b.release());
    let Some(id) = release.and_then(|r| A1S.get(&(stage, r))) else { return };
    let acks = if world.luck.random.chance(700) { RiskClass::ALL.to_vec() } else { Vec::new() };
    let slot = format!("s{}", world.said.len());
    let note =
        Note { word: Word::Decides(Action::Approve), slot: &slot, id, by: who, acks: &acks, until: None };
    world.write(Writer::Person(who), &ObjectKey::Stage(stage.to_owned()), &note);
}

/// What somebody once wrote is written again: by its author, or by git.
fn put_back(world: &mut World, who: &'static str) {
    let number = world.luck.random.place(world.said.len());
    let writer = if world.luck.random.chance(500) { Writer::Person(who) } else { Writer::GitOps };
    world.write_again(writer, number);
}

fn wipe(world: &mut World) {
    if let Some(on) = annotated(world) {
        let writer = if world.luck.random.chance(500) { Writer::GitOps } else { Writer::Intruder };
        world.wipe(writer, &on);
    }
}

/// A prefix of an id, or no id at all.
fn scribble(world: &mut World) {
    let Some(on) = annotated(world) else { return };
    let ids: Vec<String> = world.cluster.plans().map(|p| p.spec.proposal.id.to_string()).collect();
    let Some(id) = ids.get(world.luck.random.place(ids.len())) else { return };
    let length = 3 + world.luck.random.place(38);
    let value = if world.luck.random.chance(300) { Some("yes") } else { id.get(..length) };
    let key = format!("{GATE_PREFIX}approve.y{}", world.moment);
    world.scribble(&on, &key, value.unwrap_or("yes"));
}

fn annotated(world: &mut World) -> Option<ObjectKey> {
    let objects = world.cluster.objects.0.iter();
    let keys: Vec<ObjectKey> = objects
        .filter(|(_, o)| matches!(o, Object::Plan(_) | Object::Stage(_)))
        .map(|(k, _)| k.clone())
        .collect();
    keys.get(world.luck.random.place(keys.len())).cloned()
}
