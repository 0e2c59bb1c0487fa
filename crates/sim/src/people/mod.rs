//! The people of the scenario. Those who do what the status tells them are here; the others in `chaos`.

mod chaos;

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Condition, jiff};
use stackgate_core::{
    api::{ANNOTATION_REQUESTED_AT, Action, CheckResult, GATE_PREFIX, RiskClass, Stage},
    gate::PlanView,
    words::Digest,
};

use crate::{
    bundle::RELEASES,
    world::{
        ObjectKey, World,
        said::{Note, Word, Writer},
    },
};

pub use chaos::Chaos;

/// The Stages, in the order of promotion.
pub const STAGES: [&str; 3] = ["dev", "test", "prod"];
/// Those who may approve.
pub const PEOPLE: [&str; 3] = ["alice", "bob", "carol"];

/// A release is made, and every stage comes to an end with it.
#[derive(Clone, Copy, Debug)]
pub struct Chapter {
    /// Its place in [`RELEASES`].
    pub release: usize,
    /// The stage in which it is rejected, if it is.
    pub rejected: Option<usize>,
}

/// Those who do what the status says.
#[derive(Clone, Debug)]
pub struct People {
    /// How many of the stages there are.
    pub stages: usize,
    chapters: Vec<Chapter>,
    at: Option<usize>,
    since: Timestamp,
    looked_at: u64,
    looked: Timestamp,
    /// What each stage said when something was done about it, how often by now, and when.
    done: BTreeMap<&'static str, (String, Timestamp)>,
    signed: usize,
    asked: usize,
}

/// How long a chapter lasts at least.
const CHAPTER: SignedDuration = SignedDuration::from_mins(7);
/// How long people wait for what they did to have an effect before they do it again.
const PATIENCE: SignedDuration = SignedDuration::from_mins(4);

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
            done: BTreeMap::new(),
            signed: 0,
            asked: 0,
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
        (!self.are_done())
            .then(|| self.looked.saturating_add(SignedDuration::from_mins(1)).unwrap_or(self.since))
    }

    /// The digest of the last release.
    #[must_use]
    pub fn last_release(&self) -> Option<Digest> {
        self.chapters.last().and_then(|c| RELEASES.get(c.release)).map(|b| b.release())
    }

    /// Looks, and acts.
    pub fn act(&mut self, world: &mut World) {
        let a_while = world.now.duration_since(self.looked) >= SignedDuration::from_mins(1);
        if self.at.is_some() && self.looked_at == world.cluster.version && !a_while {
            return;
        }
        (self.looked_at, self.looked) = (world.cluster.version, world.now);
        let Some(at) = self.at else { return self.begin(0, world) };
        let chapter = self.chapters.get(at).copied();
        self.obey(world, chapter);
        let Some(chapter) = chapter else { return };
        let ripe = world.now.duration_since(self.since) >= CHAPTER;
        if ripe && self.is_over(world, chapter) {
            self.begin(at + 1, world);
        }
    }

    /// Every stage has the release, or has rejected it.
    fn is_over(&self, world: &World, chapter: Chapter) -> bool {
        let release = RELEASES.get(chapter.release).map(|b| b.release());
        for (place, name) in STAGES.iter().enumerate().take(self.stages) {
            let Some(status) = stage(world, name).and_then(|s| s.status.clone()) else { return false };
            let state = status.state.as_deref().unwrap_or_default();
            if chapter.rejected == Some(place) {
                return state == "Rejected";
            }
            if state != "UpToDate" || status.deployed.map(|d| d.digest) != release {
                return false;
            }
        }
        true
    }

    fn begin(&mut self, at: usize, world: &mut World) {
        self.at = Some(at);
        self.since = world.now;
        self.looked_at = 0;
        if let Some(bundle) = self.chapters.get(at).and_then(|c| RELEASES.get(c.release)) {
            world.tell(|| format!("  [people] release {}", bundle.release().short(12)));
            world.source.push(Arc::clone(bundle));
        }
    }

    /// Does what the status of each stage says.
    pub fn obey(&mut self, world: &mut World, chapter: Option<Chapter>) {
        for (place, name) in STAGES.into_iter().enumerate().take(self.stages) {
            let Some(stage) = stage(world, name) else { continue };
            let Some((says, message)) = says(&stage) else { continue };
            let before = self.done.get(name);
            let again =
                before.is_none_or(|(m, at)| *m != message || world.now.duration_since(*at) >= PATIENCE);
            if !again {
                continue;
            }
            self.done.insert(name, (message.clone(), world.now));
            let rejects = chapter.is_some_and(|c| c.rejected == Some(place) && is_for(&stage, c));
            self.heed(world, name, &says, &message, rejects);
        }
    }

    fn heed(&mut self, world: &mut World, stage: &str, says: &str, message: &str, rejects: bool) {
        match says {
            "AwaitingApproval" if rejects => self.follow(world, message, Action::Reject),
            "AwaitingApproval" => self.follow(world, message, Action::Approve),
            "RolledBack" | "RollbackFailed" => self.follow(world, message, Action::Retry),
            "AwaitingCheck" | "CheckFailed" => report(world, stage, CheckResult::Passed),
            "Expired" => {
                self.asked += 1;
                let key = ObjectKey::Stage(stage.to_owned());
                let text = self.asked.to_string();
                world.tell(|| format!("  [people] ask for a new plan of {stage}"));
                world.cluster.annotate(&key, ANNOTATION_REQUESTED_AT, Some(&text));
            }
            "StackStuck" | "StackNotOurs" | "PlanFailed" => world.mend(message),
            _ => {}
        }
    }

    /// Does what the command in a message says, signed by the next of the people.
    fn follow(&mut self, world: &mut World, message: &str, action: Action) {
        let verb = if action == Action::Retry { "retry" } else { "approve" };
        let Some(command) = Command::read(message, verb) else { return };
        let by = PEOPLE.get(self.signed % PEOPLE.len()).copied().unwrap_or(PEOPLE[0]);
        self.signed += 1;
        let note = Note {
            word: Word::Decides(action),
            slot: &command.slot,
            id: &command.id,
            by,
            acks: &command.acks,
            until: None,
        };
        world.write(Writer::Person(by), &ObjectKey::Plan(command.plan), &note);
    }
}

/// A command that a message prints.
struct Command {
    plan: String,
    slot: String,
    id: String,
    acks: Vec<RiskClass>,
}

impl Command {
    /// Reads `annotate plan <name> gate.stackgate.dev/<verb>[.<slot>]=<id>[;ack=…]`.
    fn read(message: &str, verb: &str) -> Option<Self> {
        let start = format!("{GATE_PREFIX}{verb}");
        let at = message.find(&start)?;
        let plan = message.get(..at)?.trim_end().rsplit(' ').next()?.to_owned();
        let (slot, rest) = message.get(at + start.len()..)?.split_once('=')?;
        let value = rest.split(' ').next()?.trim_matches('\'').trim_end_matches([';', ',']);
        let (id, acks) = value.split_once(";ack=").unwrap_or((value, ""));
        Some(Self {
            plan,
            slot: slot.trim_start_matches('.').to_owned(),
            id: id.to_owned(),
            acks: acks.split(',').filter_map(|c| c.parse().ok()).collect(),
        })
    }
}

/// The checks of a stage report on what it has deployed last.
pub fn report(world: &mut World, stage_name: &str, result: CheckResult) {
    let Some(stage) = stage(world, stage_name) else { return };
    let plans = world.cluster.plans().filter(|p| p.spec.proposal.name == stage_name);
    let newest = plans.max_by_key(|p| order(p));
    let Some((id, on)) = newest
        .and_then(|p| Some((p.spec.proposal.id.to_string(), ObjectKey::Plan(p.metadata.name.clone()?))))
    else {
        return;
    };
    for check in &stage.spec.checks {
        let note = Note {
            word: Word::Reports(result),
            slot: &check.name,
            id: &id,
            by: "ci",
            acks: &[],
            until: None,
        };
        world.write(Writer::Checks, &on, &note);
    }
}

/// The place of a plan among those of its stage.
fn order(plan: &stackgate_core::api::ChangePlan) -> u64 {
    plan.spec.ledger.iter().rev().find_map(|e| e.opened.as_ref()).map_or(0, |o| o.order)
}

fn is_for(stage: &Stage, chapter: Chapter) -> bool {
    let pending = stage.status.as_ref().and_then(|s| s.pending.as_ref());
    pending.map(|p| p.digest) == RELEASES.get(chapter.release).map(|b| b.release())
}

fn stage(world: &World, name: &str) -> Option<Arc<Stage>> {
    world.cluster.stages().find(|s| s.metadata.name.as_deref() == Some(name)).cloned()
}

/// What a stage waits for: the reason, and the whole message.
fn says(stage: &Stage) -> Option<(String, String)> {
    let is = |c: &&Condition| matches!(c.type_.as_str(), "Waiting" | "Stalled");
    let condition = stage.status.as_ref()?.conditions.iter().find(is)?;
    Some((condition.reason.clone(), condition.message.clone()))
}

/// The newest plan of a stage, as it is.
#[must_use]
pub fn newest(world: &World, stage: &str) -> Option<PlanView> {
    let plans = world.cluster.plans().filter(|p| p.spec.proposal.name == stage);
    plans.max_by_key(|p| order(p)).and_then(|p| PlanView::new(Arc::clone(p)))
}
