//! One run: a world, one or two controllers, people, and a schedule.

use std::{collections::BTreeMap, sync::Arc};

use jiff::SignedDuration;
use k8s_openapi::jiff;
use stackgate_core::{
    api::{
        AccountSelection, AssemblyRef, AssemblySource, AwsAccount, AwsAccountSpec, Bootstrap, BootstrapSpec,
        CloudAssembly, CloudAssemblySpec, NamespaceGrant, S3Source, Stage, StageSpec, Upstream,
    },
    change::HmacKey,
    cluster::Installation,
    words::{Digest, StackKey},
};

use crate::{
    bundle,
    controller::{Controller, Fault},
    invariants::{Judge, Violation},
    people::{Chapter, People, STAGES, newest},
    protocol::Protocol,
    random::Random,
    weather::{Luck, Weather},
    world::{NAMESPACE, Object, View, World},
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
    /// The number of effects after which the weather clears up.
    pub clears_after: u64,
    /// How many controllers believe to be the leader.
    pub controllers: usize,
    /// Steps per pass.
    pub budget: u32,
    /// How many of the stages there are.
    pub stages: usize,
    /// The script.
    pub chapters: Vec<Chapter>,
    /// One fault at one effect, counted from 0.
    pub strike: Option<(u64, Fault)>,
    /// Whether durations and order vary.
    pub vary: bool,
    /// Whether a trace is wanted.
    pub trace: bool,
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
    judge: Judge,
    installation: Installation,
    setting: Setting,
    effects: u64,
    ticks: u64,
}

/// Runs a setting to its end, and beyond: then nothing may happen any more, also after a restart.
pub fn run(setting: &Setting) -> Result<Report, Box<Failure>> {
    let mut run = Run::new(setting);
    run.all().map_err(|violation| {
        Box::new(Failure { violation, trace: run.world.trace.take().unwrap_or_default() })
    })
}

impl Run {
    /// The beginning of a run.
    #[must_use]
    pub fn new(setting: &Setting) -> Self {
        let luck = Luck { random: Random::new(setting.seed), weather: setting.weather, vary: setting.vary };
        let mut world = World::new(luck, setting.protocol);
        world.trace = setting.trace.then(Vec::new);
        world.cluster.views = vec![View::default(); setting.controllers];
        for object in objects(setting.stages) {
            world.cluster.put(object);
        }
        let now = world.now;
        Self {
            controllers: (0..setting.controllers).map(|n| Controller::new(n, setting.budget, now)).collect(),
            people: People::new(setting.stages, setting.chapters.clone(), now),
            judge: Judge::default(),
            installation: Installation { namespace: "stackgate".to_owned(), key: HmacKey::new([7; 32]) },
            setting: setting.clone(),
            world,
            effects: 0,
            ticks: 0,
        }
    }

    fn all(&mut self) -> Result<Report, Violation> {
        self.until(SignedDuration::ZERO)?;
        self.clear_up();
        self.until(QUIET)?;
        self.end_state()?;
        let (effects, writes) = (self.effects, self.world.writes);
        self.setting.strike = None;
        self.again("a while", writes)?;
        for place in 0..self.controllers.len() {
            if let Some(c) = self.controllers.get_mut(place) {
                c.crash(&mut self.world);
            }
        }
        self.again("a restart", writes)?;
        let deployed = self.world.cloud.stacks.iter();
        Ok(Report {
            effects,
            writes,
            deployed: deployed.filter_map(|(k, s)| Some((k.clone(), s.deployed.as_ref()?.digest))).collect(),
            trace: self.world.trace.take().unwrap_or_default(),
        })
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
        for _ in 0..MOST_TICKS {
            if self.world.now >= end {
                return Ok(());
            }
            self.deliver();
            if !self.tick()? {
                self.wait();
            }
        }
        Err("L1: no end in sight".to_owned())
    }

    /// The world, to look at and to meddle with.
    pub fn world(&mut self) -> &mut World {
        &mut self.world
    }

    /// Goes on until people are done and nothing is written for that long.
    fn until(&mut self, quiet: SignedDuration) -> Result<(), Violation> {
        let mut since = (self.world.writes, self.world.cluster.version, self.world.now);
        loop {
            self.ticks += 1;
            if self.ticks > MOST_TICKS {
                return Err("L1: no end in sight".to_owned());
            }
            let now_at = (self.world.writes, self.world.cluster.version);
            if now_at != (since.0, since.1) || !self.people.are_done() {
                since = (now_at.0, now_at.1, self.world.now);
            } else if self.world.now.duration_since(since.2) > quiet {
                return Ok(());
            }
            if self.effects >= self.setting.clears_after && self.world.luck.weather != Weather::CALM {
                self.world.tell(|| "  [weather] clears up".to_owned());
                self.clear_up();
            }
            self.deliver();
            self.people.act(&mut self.world);
            self.outside();
            if !self.tick()? {
                self.wait();
            }
        }
    }

    fn clear_up(&mut self) {
        self.world.calm();
        for controller in &mut self.controllers {
            controller.rests_until = self.world.now;
        }
    }

    fn deliver(&mut self) {
        for (place, controller) in self.controllers.iter_mut().enumerate() {
            let Some(view) = self.world.cluster.views.get_mut(place) else { continue };
            let late = self.world.luck.weather.late;
            let keys: Vec<_> = view.late.keys().cloned().collect();
            for key in keys {
                while !self.world.luck.random.chance(late) {
                    // Whom it concerns: as it was, and as it is.
                    controller.wake(&key, view, self.world.now);
                    if !view.deliver(&key) {
                        break;
                    }
                    controller.wake(&key, view, self.world.now);
                }
            }
        }
    }

    fn outside(&mut self) {
        let weather = self.world.luck.weather;
        if self.world.luck.random.chance(weather.outside) {
            self.world.meddle();
        }
        if self.world.luck.random.chance(weather.noise) {
            self.people.noise(&mut self.world);
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
        let (strike, effects) = (self.setting.strike, &mut self.effects);
        let mut fault = |world: &mut World| {
            let at = *effects;
            *effects += 1;
            strike.filter(|(k, _)| *k == at).map(|(_, f)| f).or_else(|| by_chance(world))
        };
        let did = controller.tick(&mut self.world, &self.installation, &mut fault);
        self.judge.check(&mut self.world)?;
        Ok(did)
    }

    /// Nobody has anything to do: time passes until somebody has.
    fn wait(&mut self) {
        let late = self.world.cluster.views.iter().any(|v| !v.late.is_empty());
        let now = self.world.now;
        let soon = now.saturating_add(SignedDuration::from_millis(200)).unwrap_or(now);
        let next = self
            .controllers
            .iter()
            .filter_map(Controller::next)
            .chain(self.people.next())
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
            let plan = newest(&self.world, name);
            let Some(plan) =
                plan.filter(|p| p.is_complete() && p.release.as_ref().map(|r| r.digest) == wanted)
            else {
                return Err(format!("L1: {name} has not deployed the last release"));
            };
            let stage = self.world.cluster.objects.0.values().find_map(|o| match o {
                Object::Stage(s) if s.metadata.name.as_deref() == Some(name) => s.status.clone(),
                _ => None,
            });
            if stage.is_none_or(|s| s.state.as_deref() != Some("UpToDate")) {
                return Err(format!("L1: {name} does not say UpToDate of plan {}", plan.name));
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
fn objects(stages: usize) -> Vec<Object> {
    let account = |name: &str, id: &str, grant: NamespaceGrant| {
        let mut account = AwsAccount::new(
            name,
            AwsAccountSpec {
                account_id: word(id),
                regions: vec![word(bundle::REGION)],
                bootstrap_role_chain: None,
                allowed_namespaces: vec![grant],
                allowed_bootstrap: None,
                minimum_gate: None,
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
    };
    let mut list = vec![account(
        "build",
        "999999999999",
        NamespaceGrant { assembly_buckets: vec![word("shop-cdk-out")], ..grant() },
    )];
    let mut bootstrap = Bootstrap::new(
        "acme",
        BootstrapSpec {
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
    for (name, (cdk_stage, id)) in STAGES.iter().zip(bundle::STAGES).take(stages) {
        list.push(account(name, id, grant()));
        let mut stage = Stage::new(
            name,
            StageSpec {
                assembly_ref: AssemblyRef { name: "shop".to_owned() },
                cdk_stage: Some(cdk_stage.to_owned()),
                accounts: vec![(*name).to_owned()],
                promote_from: before.iter().map(|b| Upstream { name: (*b).to_owned(), soak: None }).collect(),
                checks: Vec::new(),
                gate: None,
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
