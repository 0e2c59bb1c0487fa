//! A controller: the loop of the real one, cut into ticks so that a schedule can stop it anywhere.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use stackgate_core::{
    api::ProposalKind,
    assembly, bootstrap,
    cluster::{ClusterView, Installation},
    effect::{Effect, Next, Outcome, Pace, Refusal, RefusalKind, Seen, Wake, Watched},
    facts::Facts,
    gate::Enforcement,
    plan,
    stack::StackRow,
    stage,
    verdict::Phase,
    words::StackKey,
};

use crate::world::{Happened, NAMESPACE, Object, ObjectKey, Objects, View, World};

/// What befalls an effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The controller dies before it.
    CrashBefore,
    /// The controller dies after it.
    CrashAfter,
    /// It is carried out, the reply is lost.
    LostReply,
    /// It is refused, and does not happen.
    Refused(RefusalKind),
}

/// One controller process.
#[derive(Clone, Debug)]
pub struct Controller {
    /// Its place among the controllers, and among the views of the cluster.
    pub place: usize,
    /// What it remembers: all of it may be lost.
    memory: BTreeMap<ObjectKey, Facts>,
    /// When each object is looked at again.
    due: BTreeMap<ObjectKey, Timestamp>,
    /// The stacks that each object waits for.
    watched: BTreeMap<ObjectKey, Vec<Watched>>,
    /// What the polls have seen of them.
    rows: BTreeMap<StackKey, Seen<StackRow>>,
    /// When the stacks were last polled.
    polled: Timestamp,
    /// The pass that is under way.
    active: Option<Active>,
    /// It does nothing before then.
    pub rests_until: Timestamp,
    /// How many steps a pass may have.
    budget: u32,
    /// Whether Bootstraps have passes.
    toolkits: bool,
}

#[derive(Clone, Debug)]
struct Active {
    object: ObjectKey,
    steps: u32,
    queue: VecDeque<Effect>,
    status: Option<Object>,
    /// Whether, when that was decided, a watch had not shown yet what is there.
    behind: bool,
    /// When it was decided what to do.
    decided: Timestamp,
}

/// What a decision was made of: it can be made again.
#[derive(Clone, Debug)]
pub struct Situation {
    object: ObjectKey,
    seen: Objects,
    facts: Facts,
    now: Timestamp,
}

impl Situation {
    /// What a decision on a Stage is made of, and when.
    #[must_use]
    pub fn of_a_stage<'a>(
        &'a self,
        installation: &'a Installation,
    ) -> Option<(stage::Snapshot<'a>, Timestamp)> {
        let ObjectKey::Stage(name) = &self.object else { return None };
        let snapshot = stage::observe(&self.seen, NAMESPACE, name, &self.facts, installation)?;
        Some((snapshot, self.now))
    }

    /// Observes, decides and derives the status again. Returns how many effects are asked for.
    #[must_use]
    pub fn step(&self, installation: &Installation) -> usize {
        match decide(&self.object, &self.seen, &self.facts, installation, self.now) {
            Some(Decided::Do(_, effects)) => effects.len(),
            Some(Decided::Wait(..)) | None => 0,
        }
    }
}

/// What a decision asks for: effects, or a wait, the object with its new status, and how it stands.
enum Decided {
    Do(String, Vec<Effect>),
    Wait(String, Wake, Option<Object>, Option<Phase>),
}

impl Controller {
    /// A process that has just started.
    #[must_use]
    pub fn new(place: usize, budget: u32, now: Timestamp) -> Self {
        Self {
            place,
            memory: BTreeMap::new(),
            due: BTreeMap::new(),
            watched: BTreeMap::new(),
            rows: BTreeMap::new(),
            polled: now,
            active: None,
            rests_until: now,
            budget,
            toolkits: false,
        }
    }

    /// The process dies and starts again: everything that is not in the cluster is lost.
    pub fn crash(&mut self, world: &mut World) {
        world.tell(|| format!("[{}] crash", self.place));
        *self = Self::new(self.place, self.budget, world.now);
        if let Some(view) = world.cluster.views.get_mut(self.place) {
            view.list(world.now);
            (view.seen.1, view.policies_changed) = (Enforcement::default(), true);
            self.due.extend(view.seen.0.keys().map(|k| (k.clone(), world.now)));
        }
    }

    /// The policies have been looked at: every Stage is due.
    pub fn wake_all(&mut self, view: &View, now: Timestamp) {
        let toolkits = self.toolkits;
        let gated = |k: &&ObjectKey| match k {
            ObjectKey::Stage(_) => true,
            ObjectKey::Bootstrap(_) => toolkits,
            _other => false,
        };
        let stages = view.seen.0.keys().filter(gated);
        stages.for_each(|key| {
            self.due.insert(key.clone(), now);
        });
    }

    /// A watch event has arrived: whoever it concerns is due. `spec`: more than the status has changed.
    pub fn wake(&mut self, key: &ObjectKey, view: &View, spec: bool, now: Timestamp) {
        let mut due = |key: ObjectKey| {
            let at = self.due.entry(key).or_insert(now);
            *at = now.min(*at);
        };
        due(key.clone());
        let concerns_toolkits = match key {
            ObjectKey::Stage(_) | ObjectKey::Assembly(_) => false,
            ObjectKey::Plan(_) => match view.seen.0.get(key) {
                Some(Object::Plan(p)) => p.spec.proposal.kind == ProposalKind::Bootstrap,
                _gone => true,
            },
            ObjectKey::Account(_) | ObjectKey::Bootstrap(_) | ObjectKey::Freeze(_) => spec,
        };
        if self.toolkits && concerns_toolkits {
            let bootstraps = view.seen.0.keys().filter(|k| matches!(k, ObjectKey::Bootstrap(_)));
            bootstraps.for_each(|k| due(k.clone()));
        }
        if spec && matches!(key, ObjectKey::Stage(_) | ObjectKey::Account(_) | ObjectKey::Freeze(_)) {
            let plans = view.seen.0.keys().filter(|k| matches!(k, ObjectKey::Plan(_)));
            plans.for_each(|k| due(k.clone()));
        }
        if spec && let Some(Object::Plan(changed)) = view.seen.0.get(key) {
            // A reject of one means something to the others of its Stage.
            let of_its_stage = |o: &Object| match o {
                Object::Plan(p) => p.spec.proposal.name == changed.spec.proposal.name,
                _ => false,
            };
            view.seen.0.iter().filter(|(_, o)| of_its_stage(o)).for_each(|(k, _)| due(k.clone()));
        }
        let stages = view.seen.0.iter().filter_map(|(k, o)| match o {
            Object::Stage(s) => Some((k, s)),
            _ => None,
        });
        let plan_of = match view.seen.0.get(key) {
            Some(Object::Plan(p)) => Some(p.spec.proposal.name.as_str()),
            _ => None,
        };
        for (k, stage) in stages {
            let concerned = match key {
                ObjectKey::Plan(_) => {
                    plan_of == stage.metadata.name.as_deref()
                        || stage.spec.promote_from.iter().any(|u| Some(u.name.as_str()) == plan_of)
                }
                ObjectKey::Account(_)
                | ObjectKey::Bootstrap(_)
                | ObjectKey::Assembly(_)
                | ObjectKey::Freeze(_) => true,
                ObjectKey::Stage(_) => false,
            };
            if concerned {
                due(k.clone());
            }
        }
    }

    /// When there is something to do next.
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        if self.active.is_some() {
            return Some(self.rests_until);
        }
        let due = self.due.values().min().copied();
        let pace = self.watched.values().flatten().map(|w| w.pace).max();
        let poll = pace.and_then(|p| self.polled.saturating_add(interval(p)).ok());
        let at = match (due, poll) {
            (Some(a), Some(b)) => a.min(b),
            (a, b) => a.or(b)?,
        };
        Some(at.max(self.rests_until))
    }

    /// Does the next thing. `fault` is asked once per effect and status write. `false`: there was nothing to do.
    pub fn tick(
        &mut self,
        world: &mut World,
        installation: &Installation,
        fault: &mut dyn FnMut(&mut World) -> Option<Fault>,
    ) -> bool {
        self.toolkits = world.toolkits;
        if let Some(mut active) = self.active.take() {
            if let Some(effect) = active.queue.pop_front() {
                world.acting = (self.place, active.decided);
                if self.perform(world, &active.object, &effect, fault) {
                    self.active = Some(active);
                }
            } else if let Some(object) = active.status.take() {
                self.write_status(world, object, active.behind, fault);
            } else if active.steps >= self.budget {
                // Budget spent: let others run.
                self.due.insert(active.object, world.now);
            } else {
                self.decide(world, active, installation);
            }
            return true;
        }
        if self.poll_is_due(world.now) {
            self.poll(world);
            return true;
        }
        let ready: Vec<&ObjectKey> =
            self.due.iter().filter(|(_, at)| **at <= world.now).map(|(k, _)| k).collect();
        let place = if world.luck.vary { world.luck.random.place(ready.len()) } else { 0 };
        let Some(object) = ready.get(place).map(|k| (*k).clone()) else { return false };
        self.due.remove(&object);
        self.catch_up(world, &object);
        self.decide(
            world,
            Active {
                object,
                steps: 0,
                queue: VecDeque::new(),
                status: None,
                behind: false,
                decided: world.now,
            },
            installation,
        );
        true
    }

    /// What the polls and watches have shown, at the beginning of a pass.
    fn catch_up(&mut self, world: &World, object: &ObjectKey) {
        let facts = self.memory.entry(object.clone()).or_default();
        for Watched { key, .. } in self.watched.get(object).into_iter().flatten() {
            facts.learn_stack(key, self.rows.get(key).cloned().unwrap_or_default());
        }
        let Some(view) = world.cluster.views.get(self.place) else { return };
        match object {
            ObjectKey::Stage(name) => {
                facts.watch_shows(&view.seen.plans_of_stage(NAMESPACE, name), world.now)
            }
            ObjectKey::Bootstrap(name) => facts.watch_shows(&view.seen.plans_of_bootstrap(name), world.now),
            _other => {}
        }
    }

    fn decide(&mut self, world: &mut World, mut active: Active, installation: &Installation) {
        active.steps += 1;
        active.decided = world.now;
        let Some(view) = world.cluster.views.get(self.place) else { return };
        let facts = self.memory.entry(active.object.clone()).or_default();
        let seen =
            world.protocol.misread(&view.seen, &active.object).map_or(Cow::Borrowed(&view.seen), Cow::Owned);
        if let Some(situations) = &mut world.situations {
            let seen = Objects::clone(&seen);
            let (object, facts) = (active.object.clone(), facts.clone());
            situations.push(Situation { object, seen, facts, now: world.now });
        }
        let decided = match &active.object {
            ObjectKey::Bootstrap(name) if world.toolkits => {
                decide_bootstrap(name, &seen, facts, installation, world.now)
            }
            object => decide(object, &seen, facts, installation, world.now),
        };
        match decided {
            None => {
                self.watched.remove(&active.object);
            }
            Some(Decided::Do(why, effects)) => {
                let place = self.place;
                world.tell(|| format!("[{place}] {:?}: does: {why}", active.object));
                active.queue = effects.into();
                self.active = Some(active);
            }
            Some(Decided::Wait(why, wake, status, phase)) => {
                let place = self.place;
                let status =
                    status.map(|object| as_read(object, world.cluster.views.get(place), &active.object));
                world.tell(|| format!("[{place}] {:?}: waits: {why}", active.object));
                let due = self.memory.get(&active.object).and_then(Facts::watch_is_due);
                if let Some(at) = wake.at.into_iter().chain(due).min() {
                    self.due.insert(active.object.clone(), at.max(world.now));
                }
                self.watched.insert(active.object.clone(), wake.stacks);
                let facts = self.memory.entry(active.object.clone()).or_default();
                match phase {
                    Some(Phase::Done(_)) => facts.rest(true),
                    Some(Phase::Waiting(_) | Phase::Stalled(_)) => facts.rest(false),
                    Some(Phase::Working(_)) | None => {}
                }
                if let Some(object) = status {
                    active.status = Some(object);
                    let late = world.cluster.views.get(place).into_iter().flat_map(|v| v.late.keys());
                    active.behind = late.into_iter().any(|key| *key != active.object);
                    self.active = Some(active);
                }
            }
        }
    }

    /// Performs one effect. `false`: the process has died.
    fn perform(
        &mut self,
        world: &mut World,
        object: &ObjectKey,
        effect: &Effect,
        fault: &mut dyn FnMut(&mut World) -> Option<Fault>,
    ) -> bool {
        let fault = fault(world);
        let started = world.now;
        world.tell(|| format!("[{}] {object:?}: {} {fault:?}", self.place, effect.key()));
        let outcome = match fault {
            Some(Fault::CrashBefore) => {
                self.crash(world);
                return false;
            }
            Some(Fault::Refused(kind)) => {
                Outcome::Refused(Refusal { kind, message: "by the schedule".to_owned() })
            }
            Some(Fault::LostReply) => {
                world.perform(effect);
                Outcome::Unsure("no reply".to_owned())
            }
            Some(Fault::CrashAfter) => {
                world.perform(effect);
                self.crash(world);
                return false;
            }
            None => world.perform(effect),
        };
        if let Outcome::Refused(refusal) = &outcome {
            world.tell(|| format!("[{}]   refused: {:?} {}", self.place, refusal.kind, refusal.message));
        }
        let takes = world.luck.millis(40, 400);
        let later = world.now.saturating_add(takes).unwrap_or(world.now);
        world.pass(later);
        let facts = self.memory.entry(object.clone()).or_default();
        let before = facts.gate.clone();
        let outcome = facts.hushed(effect, outcome);
        facts.note(effect, outcome, started, world.now);
        world.protocol.misremember(before, facts, world.now);
        true
    }

    fn write_status(
        &mut self,
        world: &mut World,
        object: Object,
        behind: bool,
        fault: &mut dyn FnMut(&mut World) -> Option<Fault>,
    ) {
        let fault = fault(world);
        let key = object.key();
        world.tell(|| format!("[{}] {key:?}: status {fault:?}", self.place));
        let soon = world.now.saturating_add(SignedDuration::from_secs(1)).unwrap_or(world.now);
        match fault {
            Some(Fault::CrashBefore) => return self.crash(world),
            Some(Fault::Refused(_)) => {
                self.due.insert(key, soon);
                return;
            }
            Some(Fault::LostReply | Fault::CrashAfter) | None => {}
        }
        world.moment += 1;
        match world.cluster.status(object) {
            Ok(()) => {
                world.writes += 1;
                if let ObjectKey::Stage(name) = &key {
                    world.happened.push(Happened::StageStatus(name.clone(), behind));
                }
            }
            // The watch will bring the newer object; a look soon after is cheap.
            Err(_) => {
                self.due.insert(key, soon);
            }
        }
        let takes = world.luck.millis(40, 400);
        let later = world.now.saturating_add(takes).unwrap_or(world.now);
        world.pass(later);
        if fault == Some(Fault::CrashAfter) {
            self.crash(world);
        }
    }

    fn poll_is_due(&self, now: Timestamp) -> bool {
        let pace = self.watched.values().flatten().map(|w| w.pace).max();
        pace.is_some_and(|p| now.duration_since(self.polled) >= interval(p))
    }

    /// The poll of a region, as `src/aws/region.rs` does it: the pages tell what is there. What is missing in them is asked
    /// for by name, now and then. A row that differs wakes who waits for it.
    fn poll(&mut self, world: &mut World) {
        self.polled = world.now;
        let now = world.now;
        let wanted: BTreeSet<StackKey> = self.watched.values().flatten().map(|w| w.key.clone()).collect();
        self.rows.retain(|key, _| wanted.contains(key));
        for key in wanted {
            let mut read = || {
                world.cloud.read(&key).map(|mut row| {
                    world.protocol.misjudge(&key, &mut row, &world.cloud);
                    row
                })
            };
            let before = self.rows.get(&key).cloned().unwrap_or_default();
            let half = interval(Pace::Slow) / 2;
            let recently = matches!(before, Seen::Absent(at) if now.duration_since(at) < half);
            let row = match read() {
                None if recently => continue,
                None => read(),
                there => there,
            };
            let same = matches!((&before, &row), (Seen::Present(a, _), Some(b)) if a == b);
            self.rows.insert(key.clone(), row.map_or(Seen::Absent(now), |row| Seen::Present(row, now)));
            if !same {
                let waiting = self.watched.iter().filter(|(_, w)| w.iter().any(|w| w.key == key));
                self.due.extend(waiting.map(|(object, _)| (object.clone(), now)));
            }
        }
    }
}

/// A status is all that its write carries, also where a mutant has misread the rest of the object.
fn as_read(object: Object, view: Option<&View>, key: &ObjectKey) -> Object {
    match (object, view.and_then(|v| v.seen.0.get(key))) {
        (Object::Plan(read), Some(Object::Plan(real))) => {
            let mut plan = Arc::clone(real);
            Arc::make_mut(&mut plan).status.clone_from(&read.status);
            Object::Plan(plan)
        }
        (Object::Stage(read), Some(Object::Stage(real))) => {
            let mut stage = Arc::clone(real);
            Arc::make_mut(&mut stage).status.clone_from(&read.status);
            Object::Stage(stage)
        }
        (other, _) => other,
    }
}

/// How often stacks are polled.
fn interval(pace: Pace) -> SignedDuration {
    match pace {
        Pace::Slow => SignedDuration::from_secs(60),
        Pace::Fast => SignedDuration::from_secs(5),
    }
}

fn decide_bootstrap(
    name: &str,
    view: &Objects,
    facts: &Facts,
    installation: &Installation,
    now: Timestamp,
) -> Option<Decided> {
    let s = bootstrap::observe(view, name, facts, installation)?;
    let (verdict, rows) = bootstrap::decide(&s, now);
    Some(match verdict.next {
        Next::Do(effects) => Decided::Do(verdict.message, effects),
        Next::Wait(ref wake) => {
            let status = bootstrap::status(&s, &verdict, rows, now);
            let write = (s.bootstrap.status.as_ref() != Some(&status)).then(|| {
                let mut object = Arc::clone(&s.bootstrap);
                Arc::make_mut(&mut object).status = Some(status);
                Object::Bootstrap(object)
            });
            Decided::Wait(verdict.message, wake.clone(), write, Some(verdict.phase))
        }
    })
}

/// The decision on one object, and the object with its status if that has to be written.
fn decide(
    key: &ObjectKey,
    view: &Objects,
    facts: &Facts,
    installation: &Installation,
    now: Timestamp,
) -> Option<Decided> {
    match key {
        ObjectKey::Stage(name) => {
            let s = stage::observe(view, NAMESPACE, name, facts, installation)?;
            let verdict = stage::decide(&s, now);
            Some(match verdict.next {
                Next::Do(effects) => Decided::Do(verdict.message, effects),
                Next::Wait(ref wake) => {
                    let status = stage::status(&s, &verdict, now);
                    let write = (s.stage.status.as_ref() != Some(&status)).then(|| {
                        let mut object = Arc::clone(&s.stage);
                        Arc::make_mut(&mut object).status = Some(status);
                        Object::Stage(object)
                    });
                    Decided::Wait(verdict.message, wake.clone(), write, Some(verdict.phase))
                }
            })
        }
        ObjectKey::Assembly(name) => {
            let s = assembly::observe(view, NAMESPACE, name, facts)?;
            let (verdict, release) = assembly::decide(&s, now);
            Some(match verdict.next {
                Next::Do(effects) => Decided::Do(verdict.message, effects),
                Next::Wait(ref wake) => {
                    let status = assembly::status(&s, &verdict, release, now);
                    let write = (s.assembly.status.as_ref() != Some(&status)).then(|| {
                        let mut object = Arc::clone(&s.assembly);
                        Arc::make_mut(&mut object).status = Some(status);
                        Object::Assembly(object)
                    });
                    Decided::Wait(verdict.message, wake.clone(), write, Some(verdict.phase))
                }
            })
        }
        ObjectKey::Plan(_) => {
            let Some(Object::Plan(plan)) = view.0.get(key) else { return None };
            let gated = plan::gated(view, plan, &installation.plans, now);
            let (status, changes) = plan::status(plan, gated.as_ref(), &installation.plans, now)?;
            let write = (plan.status.as_ref() != Some(&status)).then(|| {
                let mut object = Arc::clone(plan);
                Arc::make_mut(&mut object).status = Some(status);
                Object::Plan(object)
            });
            Some(Decided::Wait(String::new(), Wake { at: changes, ..Wake::default() }, write, None))
        }
        ObjectKey::Account(_) | ObjectKey::Bootstrap(_) | ObjectKey::Freeze(_) => None,
    }
}
