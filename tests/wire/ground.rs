//! What outlives a controller: the world, what else the API server holds, and how far the story has come.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use stackgate_core::{
    api::{Action, AdoptionPolicy, ProposalKind, Stage},
    cluster::ClusterView,
    gate::PlanView,
    stack::StackStatus,
    words::ChangeSetArn,
};
use stackgate_sim::{
    invariants::{Judge, Violation},
    people::{PEOPLE, newest},
    run::Run,
    world::{NAMESPACE, Object, ObjectKey, World, key},
};

use crate::{
    mutants::Defect,
    objects,
    people::sign,
    stories::{DEV, Step, TEST},
};

/// How long people wait before they look again at what they have decided on.
const ASKED_AGAIN: SignedDuration = SignedDuration::from_mins(4);

/// How long watches do not notice that the API server was put back.
const DEAF: SignedDuration = SignedDuration::from_mins(5);

/// What others do to the objects that the controller knows in a version that the API server has forgotten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meanwhile {
    /// They write each of them in the very version in which it was there.
    GiveTheSameVersions,
    /// They write each of them in a version that is newer than any before.
    GiveNewerVersions,
}

/// The namespace of the controller.
pub const OURS: &str = "stackgate";

/// Everything but the memory of a controller: a run can go on from a copy of it.
#[derive(Clone)]
pub struct Ground {
    /// Time, CloudFormation, and the API server's objects of our kinds.
    pub world: World,
    /// Its ConfigMaps and Secrets, by path.
    pub others: BTreeMap<String, Value>,
    /// Events that were recorded: the reasons.
    pub told: Vec<String>,
    judge: Option<Judge>,
    steps: Arc<[Step]>,
    at: usize,
    since: Timestamp,
    /// When people looked again.
    asked: Timestamp,
    /// Whether they do.
    patient: bool,
    /// The API server has forgotten something, and ends the watches.
    pub was_put_back: bool,
    /// It has forgotten something, and the watches do not know: they hear of nothing up to this version, until then.
    deaf: Option<(u64, Timestamp)>,
    /// When they noticed.
    noticed: Timestamp,
    /// It has done so at some time, and nobody has looked at a plan since.
    forgetful: bool,
    plan_was_looked_at: bool,
    /// What is wrong with the controller, where a test plants something.
    pub defect: Option<Defect>,
    /// Mistakes of the controller that neither AWS nor the API server would let pass.
    pub wrong: Vec<String>,
}

impl Ground {
    /// Where a run of the pure simulator has ended, and what people do from there on.
    pub fn new(run: Run, steps: Vec<Step>) -> Self {
        let (mut world, judge) = run.end();
        world.happened.clear();
        world.trace = None;
        for object in world.cluster.objects.0.values_mut() {
            objects::begin_generation(object);
        }
        let bytes = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "stackgate-hmac", "namespace": OURS},
            "data": {"key": bytes}, "immutable": true});
        let others = BTreeMap::from([(format!("/api/v1/namespaces/{OURS}/secrets/stackgate-hmac"), secret)]);
        let since = world.now;
        Self {
            world,
            others,
            told: Vec::new(),
            judge: Some(judge),
            steps: steps.into(),
            at: 0,
            since,
            asked: since,
            patient: false,
            was_put_back: false,
            deaf: None,
            noticed: Timestamp::UNIX_EPOCH,
            forgetful: false,
            plan_was_looked_at: false,
            defect: None,
            wrong: Vec::new(),
        }
    }

    /// Without the checks of the simulator, which knows no Bootstraps and no API server that forgets.
    pub fn unjudged(self) -> Self {
        Self { judge: None, ..self }
    }

    /// Lets time pass until now, and people do what is their turn.
    pub fn advance(&mut self, now: Timestamp) {
        self.world.pass(now);
        loop {
            let Some(step) = self.steps.get(self.at).cloned() else { return };
            let rested = now.duration_since(self.since);
            let done = match step {
                Step::Until(_, is) => {
                    let is = is(self);
                    if !is && now.duration_since(self.since.max(self.asked)) > ASKED_AGAIN {
                        self.look_again(now);
                    }
                    is
                }
                Step::Rest(time) => rested >= time,
                Step::Do(act) => {
                    act(self);
                    true
                }
            };
            if !done {
                return;
            }
            self.at += 1;
            self.since = now;
        }
    }

    /// With people who look again after a while, and approve what has to be approved once more.
    pub fn patient(self) -> Self {
        Self { patient: true, ..self }
    }

    fn look_again(&mut self, now: Timestamp) {
        self.asked = now;
        let asking: Vec<&str> = [DEV, TEST].into_iter().filter(|s| self.patient && self.asks(s)).collect();
        for stage in asking {
            PEOPLE.into_iter().for_each(|by| sign(self, stage, Action::Approve, by));
        }
        if self.patient && self.forgetful && self.state(DEV) == "StackNotOurs" {
            self.edit_stage(DEV, |stage| stage.spec.adoption_policy = Some(AdoptionPolicy::Unowned));
        }
    }

    /// What the story waits for; `None`: it is told.
    pub fn waits_for(&self) -> Option<&'static str> {
        self.steps.get(self.at).map(|step| match step {
            Step::Until(what, _) => *what,
            Step::Rest(_) => "a rest",
            Step::Do(_) => "people",
        })
    }

    /// When the story goes on by itself.
    pub fn rests_until(&self) -> Option<Timestamp> {
        match self.steps.get(self.at)? {
            Step::Rest(time) => self.since.checked_add(*time).ok(),
            Step::Until(..) | Step::Do(_) => None,
        }
    }

    /// The API server forgets whatever has happened since; AWS does not, nor do people forget how far they have come.
    pub fn put_back(&mut self, old: &Self) {
        let view = &mut self.world.cluster.views[0];
        view.late.clear();
        self.world.cluster.objects = old.world.cluster.objects.clone();
        self.world.cluster.version = old.world.cluster.version;
        self.others.clone_from(&old.others);
        (self.was_put_back, self.forgetful, self.plan_was_looked_at) = (true, true, false);
    }

    /// The same, but the watches wait for versions that are newer than what they have shown, and miss those that are given a second time,
    /// for five minutes. Meanwhile others write.
    pub fn put_back_unnoticed(&mut self, old: &Self, meanwhile: Meanwhile) {
        let there = self.world.cluster.objects.0.iter();
        let mut known: Vec<(u64, ObjectKey)> =
            there.filter_map(|(key, o)| Some((o.version().parse().ok()?, key.clone()))).collect();
        known.sort();
        let newest = self.world.cluster.version;
        self.put_back(old);
        self.was_put_back = false;
        self.deaf = self.world.now.saturating_add(DEAF).ok().map(|until| (newest, until));
        let cluster = &mut self.world.cluster;
        for (version, key) in known.into_iter().filter(|(version, _)| *version > old.world.cluster.version) {
            cluster.version = match meanwhile {
                Meanwhile::GiveTheSameVersions => version - 1,
                Meanwhile::GiveNewerVersions => cluster.version.max(newest),
            };
            cluster.annotate(&key, "example.org/note", Some("written by somebody else"));
        }
    }

    /// Whether a controller knows that the API server was put back, and has had a minute to do something about it.
    pub fn has_been_heard(&self) -> bool {
        self.deaf.is_none() && self.world.now.duration_since(self.noticed) > SignedDuration::from_mins(1)
    }

    /// Whether what has been written in good faith may be refused by the rules of the schema, since a version stands for something else.
    pub fn versions_deceive(&self) -> bool {
        self.deaf.is_some() || !self.has_been_heard()
    }

    /// Loses what the watches do not hear of; once they have ended, all is told.
    pub fn lose_what_is_not_heard(&mut self) {
        let Some((newest, until)) = self.deaf else { return };
        if self.world.now >= until {
            (self.deaf, self.was_put_back, self.noticed) = (None, true, self.world.now);
            return;
        }
        let now_at = self.world.cluster.version;
        let version = |event: &Option<Object>| match event {
            Some(object) => object.version().parse().unwrap_or(now_at),
            None => now_at,
        };
        let late = &mut self.world.cluster.views[0].late;
        late.values_mut().for_each(|queue| queue.retain(|event| version(event) > newest));
        late.retain(|_, queue| !queue.is_empty());
    }

    /// Somebody has looked at a plan, past all caches.
    pub fn looked_at_plan(&mut self) {
        self.plan_was_looked_at = true;
    }

    /// I2: a change set is executed. Nobody can know that its claim was forgotten since the last look at the plan.
    pub fn execution(&mut self, arn: &ChangeSetArn) {
        let unknowable = self.forgetful && !self.plan_was_looked_at;
        if self.world.claimed_in(arn).is_none() && !unknowable {
            self.wrong.push(format!("I2: {arn} is executed, and the API server holds no claim of it"));
        }
    }

    /// Whether everything that must hold does.
    pub fn check(&mut self) -> Result<(), Violation> {
        if let Some(wrong) = self.wrong.first() {
            return Err(wrong.clone());
        }
        match &mut self.judge {
            Some(judge) => judge.check(&mut self.world),
            None => {
                self.world.happened.clear();
                self.world.cluster.broken.first().map_or(Ok(()), |rule| Err(format!("schema: {rule}")))
            }
        }
    }

    /// Differs whenever something but the time does.
    pub fn mark(&self) -> (u64, u64, usize, Vec<StackStatus>) {
        let stacks = self.world.cloud.stacks.values().map(|s| s.status).collect();
        (self.world.cluster.version, self.world.writes, self.at, stacks)
    }

    /// A Stage as it is.
    pub fn stage(&self, name: &str) -> Option<Arc<Stage>> {
        self.world.cluster.objects.stage(NAMESPACE, name)
    }

    /// What a Stage shows as its state.
    pub fn state(&self, name: &str) -> String {
        self.stage(name).and_then(|s| s.status.clone()?.state).unwrap_or_default()
    }

    /// Whether a Stage waits for people to decide on the newest release.
    pub fn asks(&self, name: &str) -> bool {
        let pending = self.stage(name).and_then(|s| s.status.clone()?.pending.map(|p| p.digest));
        self.state(name) == "AwaitingApproval" && pending == self.world.source.last().map(|b| b.release())
    }

    /// Whether a Stage is at rest with the newest release.
    pub fn has_newest(&self, name: &str) -> bool {
        let deployed = self.stage(name).and_then(|s| s.status.clone()?.deployed.map(|d| d.digest));
        self.state(name) == "UpToDate" && deployed == self.world.source.last().map(|b| b.release())
    }

    /// The newest plan of a Stage.
    pub fn newest_plan(&self, stage: &str) -> Option<PlanView> {
        newest(&self.world, stage)
    }

    /// The plan of the Bootstrap.
    pub fn plan_of_bootstrap(&self) -> Option<PlanView> {
        let plans = self.world.cluster.plans();
        let plan = plans.into_iter().find(|p| p.spec.proposal.kind == ProposalKind::Bootstrap)?;
        PlanView::new(Arc::clone(plan))
    }

    /// Whether the Bootstrap has done all that it wants.
    pub fn bootstrap_is_ready(&self) -> bool {
        let status = self.world.cluster.objects.bootstraps().first().and_then(|b| b.status.clone());
        status.is_some_and(|s| s.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True"))
    }

    /// Somebody edits a Stage.
    pub fn edit_stage(&mut self, name: &str, edit: impl FnOnce(&mut Stage)) {
        let on = ObjectKey::Stage(name.to_owned());
        let Some(Object::Stage(mut stage)) = self.world.cluster.objects.0.get(&on).cloned() else { return };
        let object = Arc::make_mut(&mut stage);
        let before = object.spec.clone();
        edit(object);
        if object.spec != before || object.metadata.deletion_timestamp.is_some() {
            object.metadata.generation = object.metadata.generation.map(|g| g + 1);
        }
        self.world.cluster.put(Object::Stage(stage));
    }

    /// The key of the installation is the one in the Secret.
    pub fn key() -> stackgate_core::change::HmacKey {
        key()
    }

    /// How long the story has waited by then.
    pub fn waited(&self, now: Timestamp) -> SignedDuration {
        now.duration_since(self.since)
    }
}
