//! One run: a world, one or two controllers, people, and a schedule.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use jiff::SignedDuration;
use k8s_openapi::jiff;
use stackgate_core::{
    api::{
        AccountSelection, AssemblyRef, AssemblySource, AwsAccount, AwsAccountSpec, Bootstrap, BootstrapSpec,
        Check, CloudAssembly, CloudAssemblySpec, Gate, Leftover, MinimumGate, NamespaceGrant, S3Source,
        Stage, StageSpec, Upstream,
    },
    cluster::Installation,
    words::{Digest, Span, StackKey},
};

use crate::{
    bundle,
    controller::{Controller, Fault, Situation},
    invariants::{Judge, Violation},
    people::{Chaos, Chapter, People, STAGES},
    protocol::Protocol,
    random::Random,
    scenario,
    weather::{Luck, Weather},
    world::{NAMESPACE, Object, View, World, key},
};

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The seed of everything that is chosen.
    pub seed: u64,
    /// What the controllers do.
    pub protocol: Protocol,
    /// The weather until it clears up.
    pub weather: Weather,
    /// The number of ticks after which the weather clears up, and people do what the status says.
    pub clears_after: u64,
    /// Whether it ends there, without looking whether it comes to its end.
    pub ends_there: bool,
    /// How many controllers believe to be the leader.
    pub controllers: usize,
    /// Steps per pass.
    pub budget: u32,
    /// How many of the stages there are.
    pub stages: usize,
    /// Whether the first release is deployed everywhere already.
    pub deployed: bool,
    /// Whether stacks go that a release does not have any more, and releases without one are made.
    pub removes: bool,
    /// The gates, by stage.
    pub gates: Vec<Gates>,
    /// The script.
    pub chapters: Vec<Chapter>,
    /// Faults at effects, counted from 0.
    pub strikes: Vec<(u64, Fault)>,
    /// Whether Argo CD and Flux may approve, as `git:`.
    pub git: bool,
    /// Whether durations and order vary.
    pub vary: bool,
    /// Whether a trace is wanted.
    pub trace: bool,
}

/// What a stage and its account ask for.
#[derive(Clone, Debug, Default)]
pub struct Gates {
    /// The Stage.
    pub stage: Option<Gate>,
    /// The account.
    pub account: Option<MinimumGate>,
    /// Whether there is a check.
    pub check: bool,
    /// How long releases soak upstream.
    pub soak: Option<Span>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Report {
    /// Effects and status writes, until the end is reached.
    pub effects: u64,
    /// Mutations and Kubernetes writes.
    pub writes: u64,
    /// What is deployed, by stack.
    pub deployed: BTreeMap<StackKey, Digest>,
    /// The id of each release for each Stage, as plans name it.
    pub a1s: BTreeMap<(String, Digest), String>,
    /// The trace.
    pub trace: Vec<String>,
}

/// A run that broke an invariant.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which.
    pub violation: Violation,
    /// The trace.
    pub trace: Vec<String>,
}

/// The most ticks of a run; a run that needs more goes in circles.
const MOST_TICKS: u64 = 20_000;
/// How long nothing may happen before a run counts as quiet: longer than anything that the controllers wait for.
const QUIET: SignedDuration = SignedDuration::from_secs(400);

/// A run under way.
pub struct Run {
    world: World,
    controllers: Vec<Controller>,
    people: People,
    chaos: Option<Chaos>,
    judge: Judge,
    installation: Installation,
    setting: Setting,
    effects: u64,
    ticks: u64,
}

/// Worlds, by the number of stages, in which the first release is deployed everywhere, and who has watched that. A schedule
/// that starts from there is done in half the time.
static DEPLOYED: LazyLock<Vec<(World, Judge)>> = LazyLock::new(|| {
    let worlds = (0..=STAGES.len()).map(|stages| {
        let mut run = Run::new(&scenario::first_release(stages));
        let end = run.until(QUIET);
        debug_assert_eq!(end, Ok(()));
        (run.world, run.judge)
    });
    worlds.collect()
});

/// Runs a setting to its end, and beyond: then nothing may happen any more, also after a restart.
pub fn run(setting: &Setting) -> Result<Report, Box<Failure>> {
    let mut run = Run::new(setting);
    run.all().map_err(|violation| {
        Box::new(Failure { violation, trace: run.world.trace.take().unwrap_or_default() })
    })
}

/// Everything that was decided on in a run without faults, and the controller that did.
///
/// # Errors
/// When something breaks.
pub fn situations(setting: &Setting) -> Result<(Vec<Situation>, Installation), Violation> {
    let mut run = Run::new(setting);
    run.world.situations = Some(Vec::new());
    run.all()?;
    Ok((run.world.situations.take().unwrap_or_default(), run.installation))
}

impl Run {
    /// The beginning of a run.
    #[must_use]
    pub fn new(setting: &Setting) -> Self {
        let luck = Luck { random: Random::new(setting.seed), weather: setting.weather, vary: setting.vary };
        let (mut world, judge) = match setting.deployed.then(|| DEPLOYED.get(setting.stages)).flatten() {
            Some((world, judge)) => {
                (World { luck, protocol: setting.protocol, ..world.clone() }, judge.clone())
            }
            None => (World::new(luck, setting.protocol), Judge::default()),
        };
        world.reads_lag = setting.weather.stale > 0;
        world.trace = setting.trace.then(Vec::new);
        world.policies.git = setting.git;
        if setting.deployed {
            let view = world.cluster.views.pop().unwrap_or_default();
            world.cluster.views = vec![view; setting.controllers];
        } else {
            world.cluster.views = vec![View::new(); setting.controllers];
        }
        for object in objects(setting) {
            world.apply(object);
        }
        let now = world.now;
        let mut controllers: Vec<Controller> =
            (0..setting.controllers).map(|n| Controller::new(n, setting.budget, now)).collect();
        controllers.iter_mut().for_each(|c| c.crash(&mut world));
        Self {
            controllers,
            people: People::new(setting.stages, setting.chapters.clone(), now),
            chaos: (setting.weather.people > 0).then(Chaos::default),
            judge,
            installation: Installation::new("stackgate", key()),
            setting: setting.clone(),
            world,
            effects: 0,
            ticks: 0,
        }
    }

    /// Ends it: what it leaves, for another kind of run to go on with, and who has watched.
    #[must_use]
    pub fn end(self) -> (World, Judge) {
        (self.world, self.judge)
    }

    fn all(&mut self) -> Result<Report, Violation> {
        while self.ticks < self.setting.clears_after {
            self.step()?;
        }
        self.clear_up();
        if self.setting.ends_there {
            return Ok(self.report());
        }
        self.until(QUIET)?;
        self.end_state()?;
        let writes = self.world.writes;
        self.setting.strikes.clear();
        self.again("a while", writes)?;
        self.restart();
        self.again("a restart", writes)?;
        Ok(self.report())
    }

    fn report(&mut self) -> Report {
        let deployed = self.world.cloud.stacks.iter();
        let plans = self.world.cluster.plans();
        let a1s = plans.flat_map(|p| {
            let proposal = &p.spec.proposal;
            let opened = p.spec.ledger.iter().filter_map(|e| e.opened.as_ref()?.release.as_ref());
            opened
                .filter_map(|r| Some(((proposal.name.clone(), r.digest), proposal.a1.as_ref()?.to_string())))
        });
        Report {
            effects: self.effects,
            writes: self.world.writes,
            deployed: deployed.filter_map(|(k, s)| Some((k.clone(), s.deployed.as_ref()?.digest))).collect(),
            a1s: a1s.collect(),
            trace: self.world.trace.take().unwrap_or_default(),
        }
    }

    fn again(&mut self, what: &str, writes: u64) -> Result<(), Violation> {
        self.until(QUIET)?;
        if self.world.writes == writes {
            return Ok(());
        }
        Err(format!("quiet: {} writes after {what}, where nothing had changed", self.world.writes - writes))
    }

    /// Lets controllers and time go on for so long, with nobody else about.
    ///
    /// # Errors
    /// When an invariant breaks, or the controllers never rest.
    pub fn alone(&mut self, time: SignedDuration) -> Result<(), Violation> {
        let end = self.world.now.saturating_add(time).unwrap_or(self.world.now);
        // A story may be as long as it likes.
        self.ticks = 0;
        for _ in 0..MOST_TICKS {
            if self.world.now >= end {
                return Ok(());
            }
            self.step()?;
        }
        Err("L1: no end in sight".to_owned())
    }

    /// How many effects there were so far.
    #[must_use]
    pub fn effects(&self) -> u64 {
        self.effects
    }

    /// All controllers die and start again.
    pub fn restart(&mut self) {
        for controller in &mut self.controllers {
            controller.crash(&mut self.world);
        }
    }

    /// The world, to look at and to meddle with.
    pub fn world(&mut self) -> &mut World {
        &mut self.world
    }

    /// Goes on until people are done and nothing is written for that long.
    fn until(&mut self, quiet: SignedDuration) -> Result<(), Violation> {
        let mut since = (self.world.writes, self.world.cluster.version, self.world.now);
        loop {
            let now_at = (self.world.writes, self.world.cluster.version);
            if now_at != (since.0, since.1) || !self.people.are_done() {
                since = (now_at.0, now_at.1, self.world.now);
            } else if self.world.now.duration_since(since.2) > quiet {
                return Ok(());
            }
            self.people.act(&mut self.world);
            self.step()?;
        }
    }

    fn step(&mut self) -> Result<(), Violation> {
        self.ticks += 1;
        if self.ticks > MOST_TICKS {
            return Err("L1: no end in sight".to_owned());
        }
        self.deliver();
        self.outside();
        if !self.tick()? {
            self.wait();
        }
        Ok(())
    }

    fn clear_up(&mut self) {
        self.world.tell(|| "  [weather] clears up".to_owned());
        self.chaos = None;
        self.world.calm();
        for controller in &mut self.controllers {
            controller.rests_until = self.world.now;
        }
    }

    fn deliver(&mut self) {
        let late = self.world.luck.weather.late;
        for (place, controller) in self.controllers.iter_mut().enumerate() {
            let Some(view) = self.world.cluster.views.get_mut(place) else { continue };
            let keys: Vec<_> = view.late.keys().cloned().collect();
            for key in keys {
                if !view.shows_all(&key) {
                    // Whom it concerns: as it was, and as it is.
                    controller.wake(&key, view, false, self.world.now);
                }
                while !self.world.luck.random.chance(late)
                    && let Some(spec) = view.deliver(&key, self.world.now)
                {
                    controller.wake(&key, view, spec, self.world.now);
                }
            }
            if view.policies_changed && !self.world.luck.random.chance(late) {
                let seen = self.world.look_at_policies();
                let Some(view) = self.world.cluster.views.get_mut(place) else { continue };
                (view.seen.1, view.policies_changed) = (seen, false);
                controller.wake_all(view, self.world.now);
            }
        }
    }

    fn outside(&mut self) {
        let Weather { outside, rules, people, releases, .. } = self.world.luck.weather;
        if self.world.luck.random.chance(outside) {
            self.world.meddle();
        }
        if self.world.luck.random.chance(rules) {
            self.world.rule();
        }
        let Some(chaos) = &mut self.chaos else { return };
        if self.world.source.is_empty() || self.world.luck.random.chance(releases) {
            let place = self.world.luck.random.place(3);
            let lean = self.setting.removes && self.world.luck.random.chance(400);
            if let Some(bundle) = if lean { Some(&*bundle::LEAN_UPDATE) } else { bundle::RELEASES.get(place) }
            {
                self.world.tell(|| format!("  [people] release {}", bundle.release().short(12)));
                self.world.source.push(Arc::clone(bundle));
            }
        }
        if self.world.luck.random.chance(people) {
            chaos.act(&mut self.world, self.setting.stages);
        }
        if self.world.luck.random.chance(people) {
            self.people.obey(&mut self.world, None);
        }
    }

    /// Lets one controller do one thing. `false`: none has anything to do now.
    fn tick(&mut self) -> Result<bool, Violation> {
        let now = self.world.now;
        let ready: Vec<usize> = self
            .controllers
            .iter()
            .enumerate()
            .filter(|(_, c)| c.next().is_some_and(|at| at <= now))
            .map(|(n, _)| n)
            .collect();
        let chosen = ready.get(self.world.luck.random.place(ready.len())).copied();
        let Some(controller) = chosen.and_then(|n| self.controllers.get_mut(n)) else { return Ok(false) };
        if self.world.luck.random.chance(self.world.luck.weather.pause) {
            let rest = self.world.luck.millis(1_000, 600_000);
            controller.rests_until = now.saturating_add(rest).unwrap_or(now);
            return Ok(true);
        }
        let (strikes, effects) = (&self.setting.strikes, &mut self.effects);
        let mut fault = |world: &mut World| {
            let at = *effects;
            *effects += 1;
            strikes.iter().find(|(k, _)| *k == at).map(|(_, f)| *f).or_else(|| by_chance(world))
        };
        let did = controller.tick(&mut self.world, &self.installation, &mut fault);
        self.judge.check(&mut self.world)?;
        Ok(did)
    }

    /// Nobody has anything to do: time passes until somebody has.
    fn wait(&mut self) {
        let late = self.world.cluster.views.iter().any(|v| !v.late.is_empty() || v.policies_changed);
        let now = self.world.now;
        if self.world.luck.random.chance(self.world.luck.weather.sleeps) {
            // Nobody does anything for long.
            let long = self.world.luck.millis(60_000, 8_000_000);
            return self.world.pass(now.saturating_add(long).unwrap_or(now));
        }
        let soon = now.saturating_add(SignedDuration::from_millis(200)).unwrap_or(now);
        let next = self
            .controllers
            .iter()
            .filter_map(Controller::next)
            .chain(self.people.next().filter(|_| self.chaos.is_none()))
            .chain(late.then_some(soon))
            .filter(|t| *t > now)
            .min();
        let limit = now.saturating_add(SignedDuration::from_mins(1)).unwrap_or(now);
        self.world.pass(next.map_or(limit, |t| t.min(limit)));
    }

    /// L1: the end is that of an undisturbed run: the last release everywhere.
    fn end_state(&self) -> Result<(), Violation> {
        let wanted = self.people.last_release();
        for (name, (cdk_stage, _)) in STAGES.iter().zip(bundle::STAGES).take(self.setting.stages) {
            let stage = self.world.cluster.stages().find(|s| s.metadata.name.as_deref() == Some(*name));
            let Some(status) = stage.and_then(|s| s.status.clone()) else {
                return Err(format!("L1: {name} says nothing"));
            };
            if status.deployed.as_ref().map(|d| d.digest) != wanted
                || status.state.as_deref() != Some("UpToDate")
            {
                return Err(format!("L1: {name} is {:?} with {:?}", status.state, status.deployed));
            }
            let bundle = bundle::RELEASES.iter().find(|b| Some(b.release()) == wanted);
            for artifact in bundle.map(|b| bundle::stacks(b, cdk_stage)).into_iter().flatten() {
                let key = artifact.key();
                let stack = self.world.cloud.stacks.get(&key);
                let is = stack.and_then(|s| s.deployed.as_ref()).map(|d| &d.template.json);
                if is != Some(&artifact.template.json) {
                    return Err(format!("L1: {key} is not what the last release says"));
                }
            }
        }
        Ok(())
    }
}

fn by_chance(world: &mut World) -> Option<Fault> {
    use stackgate_core::effect::RefusalKind;
    let Luck { random, weather, .. } = &mut world.luck;
    if random.chance(weather.crash_before) {
        return Some(Fault::CrashBefore);
    }
    if random.chance(weather.crash_after) {
        return Some(Fault::CrashAfter);
    }
    if random.chance(weather.lost) {
        return Some(Fault::LostReply);
    }
    random.chance(weather.refused).then(|| {
        Fault::Refused(if random.chance(500) { RefusalKind::Throttled } else { RefusalKind::Unavailable })
    })
}

#[expect(clippy::panic, reason = "only words of this file are given")]
fn word<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text} is no such word"))
}

/// The objects that the platform team and the application team apply.
fn objects(Setting { stages, gates, removes, .. }: &Setting) -> Vec<Object> {
    let stages = *stages;
    let account = |name: &str, id: &str, grant: NamespaceGrant, minimum_gate: Option<MinimumGate>| {
        let mut account = AwsAccount::new(
            name,
            AwsAccountSpec {
                account_id: word(id),
                regions: vec![word(bundle::REGION)],
                bootstrap_role_chain: None,
                allowed_namespaces: vec![grant],
                allowed_bootstrap: None,
                minimum_gate,
            },
        );
        account.metadata.uid = Some(format!("account-{name}"));
        Object::Account(Arc::new(account))
    };
    let grant = || NamespaceGrant {
        name: NAMESPACE.to_owned(),
        qualifiers: vec![word(bundle::QUALIFIER)],
        stack_names: vec!["*".to_owned()],
        assembly_buckets: Vec::new(),
        assembly_role_arn: None,
        allow: Vec::new(),
    };
    let mut list = vec![account(
        "build",
        "999999999999",
        NamespaceGrant { assembly_buckets: vec![word("shop-cdk-out")], ..grant() },
        None,
    )];
    let mut bootstrap = Bootstrap::new(
        "acme",
        BootstrapSpec {
            mode: None,
            qualifier: word(bundle::QUALIFIER),
            toolkit_stack_name: word("CDKToolkit-acme"),
            version: 33,
            accounts: AccountSelection {
                names: Some(STAGES.iter().map(|s| (*s).to_owned()).collect()),
                selector: None,
            },
            trusted_accounts: Vec::new(),
            trusted_accounts_for_lookup: Vec::new(),
            cloud_formation_execution_policies: Vec::new(),
            gate: None,
            rollout: None,
        },
    );
    bootstrap.metadata.uid = Some("bootstrap-acme".to_owned());
    list.push(Object::Bootstrap(Arc::new(bootstrap)));
    let source = S3Source {
        account: "build".to_owned(),
        bucket: word("shop-cdk-out"),
        key: "cdk.out.zip".to_owned(),
        region: word(bundle::REGION),
        version_id: None,
    };
    let spec = CloudAssemblySpec { source: AssemblySource::S3(source), interval: Some("5m".to_owned()) };
    let mut assembly = CloudAssembly::new("shop", spec);
    assembly.metadata.namespace = Some(NAMESPACE.to_owned());
    assembly.metadata.uid = Some("assembly-shop".to_owned());
    assembly.metadata.generation = Some(1);
    list.push(Object::Assembly(Arc::new(assembly)));
    let mut before: Option<&str> = None;
    for (place, (name, (cdk_stage, id))) in STAGES.iter().zip(bundle::STAGES).take(stages).enumerate() {
        let asked = gates.get(place).cloned().unwrap_or_default();
        // Nothing soaks before the first.
        let floor =
            asked.account.map(|m| MinimumGate { soak: m.soak.clone().filter(|_| before.is_some()), ..m });
        list.push(account(name, id, grant(), floor));
        let mut stage = Stage::new(
            name,
            StageSpec {
                mode: None,
                assembly_ref: AssemblyRef { name: "shop".to_owned() },
                cdk_stage: Some(cdk_stage.to_owned()),
                accounts: vec![(*name).to_owned()],
                promote_from: before
                    .iter()
                    .map(|b| Upstream { name: (*b).to_owned(), soak: asked.soak.clone() })
                    .collect(),
                checks: asked
                    .check
                    .then(|| Check { name: "smoke".to_owned(), timeout: None })
                    .into_iter()
                    .collect(),
                gate: asked.stage,
                adoption_policy: None,
                parameters: Vec::new(),
                drift_detection: None,
                outputs_to: None,
                removed_stacks: removes.then_some(Leftover::Delete),
                deletion_policy: None,
                suspend: false,
                pin: None,
            },
        );
        stage.metadata.namespace = Some(NAMESPACE.to_owned());
        stage.metadata.uid = Some(format!("stage-{name}"));
        stage.metadata.generation = Some(1);
        list.push(Object::Stage(Arc::new(stage)));
        before = Some(name);
    }
    list
}
