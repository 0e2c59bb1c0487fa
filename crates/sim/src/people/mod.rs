//! The people of the scenario: they make releases, read plans, approve and reject, and mend what only they can.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use stackgate_core::{
    api::{Action, CloseReason, GATE_PREFIX, RiskClass, Stage},
    cluster::ClusterView,
    gate::PlanView,
    words::Digest,
};

use crate::{
    bundle::RELEASES,
    world::{NAMESPACE, Object, ObjectKey, World},
};

/// The Stages, in the order of promotion.
pub const STAGES: [&str; 3] = ["dev", "test", "prod"];

/// What people think of a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Vote {
    /// They approve, on the ChangePlan.
    OnPlan,
    /// They approve, on the Stage.
    OnStage,
    /// They reject, and approve afterwards, which must have no effect.
    Reject,
    /// One approves on the Stage and one rejects, at the same moment.
    Both,
}

/// A release is made, and every stage comes to an end with it.
#[derive(Clone, Copy, Debug)]
pub struct Chapter {
    /// Its place in [`RELEASES`].
    pub release: usize,
    /// What people think of it, by stage.
    pub votes: [Vote; 3],
}

/// The people.
#[derive(Clone, Debug)]
pub struct People {
    /// How many of the stages there are.
    pub stages: usize,
    chapters: Vec<Chapter>,
    at: Option<usize>,
    since: Timestamp,
    looked_at: u64,
    looked: Timestamp,
    slots: u64,
    afterthoughts: BTreeMap<String, ()>,
    voted: BTreeMap<String, (usize, Timestamp)>,
    mended: Timestamp,
}

/// How long a chapter lasts at least.
const CHAPTER: SignedDuration = SignedDuration::from_mins(7);
/// When a chapter that leads nowhere is left.
const PATIENCE: SignedDuration = SignedDuration::from_hours(3);

impl People {
    /// People with a script.
    #[must_use]
    pub fn new(stages: usize, chapters: Vec<Chapter>, now: Timestamp) -> Self {
        Self {
            stages,
            chapters,
            at: None,
            since: now,
            looked_at: 0,
            looked: now,
            slots: 0,
            afterthoughts: BTreeMap::new(),
            voted: BTreeMap::new(),
            mended: now,
        }
    }

    /// Whether the last chapter has come to its end.
    #[must_use]
    pub fn are_done(&self) -> bool {
        self.at == Some(self.chapters.len())
    }

    /// When they want to do something even if nothing changes.
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        (!self.are_done()).then(|| self.since.saturating_add(CHAPTER).unwrap_or(self.since))
    }

    /// The digest of the last release.
    #[must_use]
    pub fn last_release(&self) -> Option<Digest> {
        self.chapters.last().and_then(|c| RELEASES.get(c.release)).map(|b| b.release())
    }

    /// Looks, and acts.
    pub fn act(&mut self, world: &mut World) {
        let ripe = world.now.duration_since(self.since) >= CHAPTER
            && world.now.duration_since(self.looked) >= SignedDuration::from_mins(1);
        if self.at.is_some() && self.looked_at == world.cluster.version && !ripe {
            return;
        }
        (self.looked_at, self.looked) = (world.cluster.version, world.now);
        let Some(at) = self.at else { return self.begin(0, world) };
        let Some(chapter) = self.chapters.get(at).copied() else {
            self.mend(world);
            return self.vote_again(world);
        };
        self.mend(world);
        let mut ended = true;
        for (place, stage) in STAGES.iter().enumerate().take(self.stages) {
            let Some(plan) = newest(world, stage) else {
                ended = false;
                break;
            };
            let vote = chapter.votes.get(place).copied().unwrap_or(Vote::OnPlan);
            let release = RELEASES.get(chapter.release).map(|b| b.release());
            let is_this = plan.release.as_ref().map(|r| r.digest) == release;
            self.decide(world, stage, &plan, if is_this { vote } else { Vote::OnPlan });
            let over = plan.is_complete()
                || plan
                    .closed
                    .as_ref()
                    .is_some_and(|c| matches!(c.reason, CloseReason::Rejected | CloseReason::Failed));
            if !(is_this && over) {
                ended = false;
                break;
            }
            if !plan.is_complete() {
                break;
            }
        }
        let last = at + 1 == self.chapters.len();
        let impatient = !last && world.now.duration_since(self.since) > PATIENCE;
        if ripe && (ended || impatient) {
            self.begin(at + 1, world);
        }
    }

    fn begin(&mut self, at: usize, world: &mut World) {
        self.at = Some(at);
        self.since = world.now;
        self.looked_at = 0;
        if let Some(bundle) = self.chapters.get(at).and_then(|c| RELEASES.get(c.release)) {
            world.tell(|| format!("  [people] release {}", bundle.release().short(12)));
            world.source.push(Arc::clone(bundle));
            if at + 1 == self.chapters.len() {
                // What fails is not tried again without a newer release, and there is none after the last.
                world.luck.weather.fails = 0;
                world.gentle = true;
            }
        }
    }

    /// After the last chapter they go on approving what still comes.
    fn vote_again(&mut self, world: &mut World) {
        for stage in STAGES.iter().take(self.stages) {
            if let Some(plan) = newest(world, stage) {
                self.decide(world, stage, &plan, Vote::OnPlan);
            }
        }
    }

    fn decide(&mut self, world: &mut World, stage: &str, plan: &PlanView, vote: Vote) {
        let id = plan.id().to_string();
        let on_plan = ObjectKey::Plan(plan.name.clone());
        let on_stage = ObjectKey::Stage(stage.to_owned());
        if plan.closed.is_some() || plan.rejected().is_some() {
            if plan.rejected().is_some() && self.afterthoughts.insert(plan.name.clone(), ()).is_none() {
                self.sign(world, &on_plan, Action::Approve, &id);
                self.sign(world, &on_stage, Action::Approve, &id);
            }
            return;
        }
        let length = plan.plan.spec.ledger.len();
        let decided = plan.decisions.iter().any(|r| {
            r.decided.action == Action::Approve && r.decided.until.as_ref().is_none_or(|u| world.now < u.0)
        }) || self.voted.get(&plan.name).is_some_and(|(then, at)| {
            // Who sees no effect for long signs again: something may have wiped the annotation.
            *then == length && world.now.duration_since(*at) < SignedDuration::from_mins(4)
        });
        if plan.is_claimed() || plan.is_complete() || decided {
            return;
        }
        self.voted.insert(plan.name.clone(), (length, world.now));
        match vote {
            Vote::OnPlan => self.sign(world, &on_plan, Action::Approve, &id),
            Vote::OnStage => self.sign(world, &on_stage, Action::Approve, &id),
            Vote::Reject => self.sign(world, &on_plan, Action::Reject, &id),
            Vote::Both => {
                self.sign(world, &on_stage, Action::Approve, &id);
                self.sign(world, &on_plan, Action::Reject, &id);
            }
        }
    }

    fn sign(&mut self, world: &mut World, key: &ObjectKey, action: Action, id: &str) {
        self.slots += 1;
        let (verb, signed) = match action {
            Action::Approve => ("approve", &mut world.approved),
            Action::Reject => ("reject", &mut world.rejected),
            Action::Revoke | Action::Retry | Action::Override => return,
        };
        signed.insert(id.to_owned());
        world.tell(|| format!("  [people] {verb} {id} on {key:?}"));
        let name = format!("{GATE_PREFIX}{verb}.s{}", self.slots);
        let classes: Vec<&str> = RiskClass::ALL.iter().map(|c| c.as_str()).collect();
        let value = format!("{id};by=alice;ack={};until=2099-01-01T00:00:00.5Z", classes.join(","));
        world.cluster.annotate(key, &name, Some(&value));
    }

    /// Deletes what the controller says that a person has to delete.
    fn mend(&mut self, world: &mut World) {
        if world.now.duration_since(self.mended) < SignedDuration::from_mins(2) {
            return;
        }
        self.mended = world.now;
        for stage in STAGES.iter().take(self.stages) {
            let Some(complaint) = complaint(world.cluster.objects.stage(NAMESPACE, stage)) else { continue };
            world.mend(&complaint);
        }
    }

    /// Writes an annotation that must not let anything through, or takes away any that is there.
    pub fn noise(&mut self, world: &mut World) {
        self.slots += 1;
        let keys: Vec<ObjectKey> = world
            .cluster
            .objects
            .0
            .iter()
            .filter(|(_, o)| matches!(o, Object::Plan(_) | Object::Stage(_)))
            .map(|(k, _)| k.clone())
            .collect();
        let ids: Vec<String> = world.cluster.plans().map(|p| p.spec.proposal.id.to_string()).collect();
        let key = keys.get(world.luck.random.place(keys.len())).cloned();
        let id = ids.get(world.luck.random.place(ids.len())).cloned();
        let (Some(key), Some(id)) = (key, id) else { return };
        let name = format!("{GATE_PREFIX}approve.s{}", self.slots);
        match world.luck.random.below(4) {
            // A prefix of an id.
            0 => {
                let length = 3 + world.luck.random.place(38);
                world.cluster.annotate(&key, &name, id.get(..length));
            }
            1 => world.cluster.annotate(&key, &name, Some("yes")),
            // GitOps takes all annotations of ours away.
            2 => {
                let Some(object) = world.cluster.objects.0.get(&key).cloned() else { return };
                let mut object = object;
                for s in 0..self.slots {
                    object.annotate(&format!("{GATE_PREFIX}approve.s{s}"), None);
                    object.annotate(&format!("{GATE_PREFIX}reject.s{s}"), None);
                }
                world.cluster.put(object);
            }
            // A plan that was rejected is approved.
            _ => {
                if world.rejected.contains(&id) {
                    self.sign(world, &key, Action::Approve, &id);
                }
            }
        }
    }
}

fn complaint(stage: Option<Arc<Stage>>) -> Option<String> {
    let status = stage?.status.clone()?;
    let stalled = status.conditions.into_iter().find(|c| c.type_ == "Stalled")?;
    matches!(stalled.reason.as_str(), "StackStuck" | "StackNotOurs" | "PlanFailed").then_some(stalled.message)
}

/// The newest plan of a stage, as it is.
#[must_use]
pub fn newest(world: &World, stage: &str) -> Option<PlanView> {
    let mut plans: Vec<PlanView> = world
        .cluster
        .plans()
        .filter(|p| p.spec.proposal.name == stage)
        .filter_map(|p| PlanView::new(Arc::clone(p)))
        .collect();
    plans.sort_by_key(|p| p.order);
    plans.pop()
}
