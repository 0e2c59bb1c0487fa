//! A git repository with the manifests of one case, and a writer that applies it again and again.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use stackgate_testbed::{
    Chart, Controller, User, repository,
    scenario::{BUCKET, Case, Kind, SHOP, SOON, World, WorldOptions, shared},
};

/// Why an editor's change of a gate is refused.
pub const SETGATE: &str = "lacks the verb setgate on stages/";
/// Why an approval in git is refused that nobody has signed.
pub const SIGNS: &str = "a GitOps controller signs ;by=git:<who merged>";
/// Why a signed one is refused while whoever applies it is an editor alone.
pub const APPROVES: &str = "lacks the verb approve on stages/";

/// Between two reconciliations: far more often than in real life.
const INTERVAL: Duration = Duration::from_secs(1);

/// A world with the chart as it is installed where git may decide, with its controller and its people. Who applies what stands in git may
/// nothing yet.
pub fn world(writer: User) -> Result<World> {
    let binary = Some(env!("CARGO_BIN_EXE_stackgate").into());
    let mut world = World::start(WorldOptions { binary, policies: true, ..WorldOptions::default() })?;
    let kubernetes = if world.signs { "1.37.0" } else { "1.30.0" };
    let chart = Chart::new(kubernetes)
        .set(&format!("policies.gitopsUsers={}", json!([writer.name()])))
        .set(r#"policies.gitDecisions="Allow""#);
    world.kubectl().apply(&chart.render()?)?;
    let deployment = chart.only("templates/deployment.yaml").render()?;
    let objects: Vec<Value> = serde_saphyr::from_multiple(&deployment)?;
    let env = objects.iter().filter_map(|o| o.pointer("/spec/template/spec/containers/0/env")?.as_array());
    let digests = env.flatten().find(|e| e["name"] == "STACKGATE_POLICIES_DIGESTS");
    let digests = digests.and_then(|e| e["value"].as_str()).context("the chart hands no digests over")?;
    world.controller = Some(Controller::start(world.launch()?.env("STACKGATE_POLICIES_DIGESTS", digests))?);
    shared(&world, &[BUCKET])?;
    world.apply_files(&[&repository().join("examples/shop/k8s/people.yaml")])?;
    Ok(world)
}

/// Such a world, and a case in it whose assembly is uploaded. Who applies it is an editor. Nothing of it is applied yet.
pub fn edited_by(writer: User, name: &str) -> Result<(World, Case)> {
    let world = world(writer)?;
    may_edit(&world, writer)?;
    let mut case = Case::new(&world, name)?;
    // An editor makes no Stage whose gate is weaker than the default.
    case.stage["spec"]["gate"]["identity"] = json!("Verified");
    world.upload(&case.key, &case.assembly)?;
    Ok((world, case))
}

/// The role that docs/who-may.md names where git is not to weaken gates. Accounts and Bootstraps lie in git here, too: for them what applying
/// takes, and not `stackgate-platform`, which has `setgate`.
fn may_edit(world: &World, writer: User) -> Result<()> {
    let user = format!("--user={}", writer.name());
    let create = |args: &[&str]| world.kubectl().run(&[&["create"], args].concat()).map(drop);
    create(&["rolebinding", "gitops", "-n", SHOP, "--clusterrole=stackgate-editor", &user])?;
    let resources = "--resource=awsaccounts.stackgate.dev,bootstraps.stackgate.dev";
    create(&["clusterrole", "gitops-accounts", "--verb=get,list,create,patch", resources])?;
    create(&["clusterrolebinding", "gitops-accounts", "--clusterrole=gitops-accounts", &user])
}

/// The verbs, without which nobody decides: git neither.
pub fn may_approve(world: &World, writer: User) -> Result<()> {
    let user = format!("--user={}", writer.name());
    let verbs =
        "--verb=approve,ack-replace,ack-maybe-replace,ack-delete,ack-iam,ack-network,ack-opaque,ack-adopt";
    let resource = "--resource=stages.stackgate.dev";
    world.kubectl().run(&["create", "role", "git-approves", "-n", SHOP, verbs, resource])?;
    let binding = ["create", "rolebinding", "git-approves", "-n", SHOP, "--role=git-approves", &user];
    world.kubectl().run(&binding).map(drop)
}

/// What is decided before the policies are known to be in force may count as unproven for good.
pub fn in_force(world: &World, case: &Case) -> Result<()> {
    world.until((Kind::Stage, SHOP, &case.name), "the policies are in force", SOON, |stage| {
        stage.is("ApprovalsEnforced", None).then_some(())
    })
}

/// What stands in git now.
#[derive(Clone)]
pub struct Git(Arc<Mutex<Vec<Value>>>);

impl Git {
    pub fn of(case: &Case) -> Self {
        let objects = [&case.aws_account, &case.bootstrap, &case.cloud_assembly, &case.stage];
        Self(Arc::new(Mutex::new(objects.into_iter().cloned().collect())))
    }

    fn objects(&self) -> MutexGuard<'_, Vec<Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The manifests, as one text.
    pub fn text(&self) -> String {
        json!({ "apiVersion": "v1", "kind": "List", "items": *self.objects() }).to_string()
    }

    /// The manifest of the Stage.
    pub fn stage(&self) -> Value {
        self.objects().iter().find(|o| o["kind"] == "Stage").cloned().unwrap_or_default()
    }

    /// A commit that changes whose decisions the gate of the Stage takes.
    fn takes(&self, identity: &str) {
        for object in self.objects().iter_mut().filter(|o| o["kind"] == "Stage") {
            object["spec"]["gate"]["identity"] = json!(identity);
        }
    }

    /// A commit that sets an annotation of the Stage, or takes it out.
    pub fn annotate(&self, key: &str, value: Option<&str>) {
        for object in self.objects().iter_mut().filter(|o| o["kind"] == "Stage") {
            match value {
                Some(value) => object["metadata"]["annotations"][key] = json!(value),
                None => {
                    if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
                        annotations.remove(key);
                    }
                }
            }
        }
    }
}

/// What the reconciliations came to.
#[derive(Clone, Default)]
struct Told {
    rounds: usize,
    /// What the last one said that passed.
    said: String,
    /// What the policies have refused, each time.
    refused: Vec<String>,
    /// How many of these since the last one that passed.
    in_a_row: usize,
    /// What else went wrong.
    failed: Option<String>,
}

impl Told {
    fn note(&mut self, outcome: Result<String>) {
        self.rounds += 1;
        match outcome.map_err(|error| format!("{error:#}")) {
            Ok(said) => (self.said, self.in_a_row) = (said, 0),
            // As in real life: said, and tried again at the next interval. That RBAC denies something is another matter.
            Err(why) if why.contains("ValidatingAdmissionPolicy") && why.contains("denied request") => {
                self.refused.push(why);
                self.in_a_row += 1;
            }
            Err(why) => self.failed = Some(why),
        }
    }
}

/// Reconciles until it is dropped.
pub struct Writer {
    stop: Arc<AtomicBool>,
    told: Arc<Mutex<Told>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts; `reconcile` applies what stands in git and returns what it said.
    pub fn start(reconcile: impl Fn() -> Result<String> + Send + 'static) -> Self {
        let (stop, told) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Told::default())));
        let thread = thread::spawn({
            let (stop, told) = (Arc::clone(&stop), Arc::clone(&told));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    let outcome = reconcile();
                    told.lock().unwrap_or_else(PoisonError::into_inner).note(outcome);
                    thread::sleep(INTERVAL);
                }
            }
        });
        Self { stop, told, thread: Some(thread) }
    }

    fn told(&self) -> Result<Told> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(why) = &told.failed {
            bail!("a reconciliation failed: {why}");
        }
        Ok(told)
    }

    /// Waits for whole reconciliations from now on, the last of which passes; returns what that said.
    pub fn rounds(&self, world: &World, number: usize) -> Result<String> {
        // The one that is under way has begun before.
        let until = self.told()?.rounds + number + 1;
        let told = world.until_some(&format!("{number} more reconciliations"), SOON, || {
            Ok(Some(self.told()?).filter(|told| told.rounds >= until))
        })?;
        ensure!(
            told.in_a_row == 0,
            "it is refused {} times in a row: {:?}",
            told.in_a_row,
            told.refused.last()
        );
        Ok(told.said)
    }

    /// Waits until the policies refuse several reconciliations in a row, and say so.
    pub fn refused(&self, world: &World, number: usize, says: &str) -> Result<()> {
        world.until_some(&format!("{number} reconciliations are refused: {says}"), SOON, || {
            let told = self.told()?;
            let in_a_row = told.refused.iter().rev().take(told.in_a_row);
            Ok((in_a_row.take_while(|why| why.contains(says)).count() >= number).then_some(()))
        })
    }

    /// Nothing was refused so far but what git should not have said.
    pub fn refused_only(&self, says: &[&str]) -> Result<()> {
        let others = self.told()?.refused.into_iter().filter(|why| !says.iter().any(|s| why.contains(s)));
        let others: Vec<String> = others.collect();
        ensure!(others.is_empty(), "{} reconciliations were refused: {others:#?}", others.len());
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // its failures are told by `rounds`
        }
    }
}

/// A gate that git makes weaker: refused again and again, until git takes that back.
pub fn a_weaker_gate_is_refused(world: &World, case: &Case, git: &Git, writer: &Writer) -> Result<()> {
    git.takes("Any");
    writer.refused(world, 2, SETGATE)?;
    git.takes("Verified");
    writer.rounds(world, 1)?;
    let stage = world.object(Kind::Stage, SHOP, &case.name)?.context("the Stage is gone")?;
    ensure!(stage.text("/spec/gate/identity") == "Verified", "the gate is another one:\n{stage}");
    Ok(())
}

/// Asserts that a text has only lines that say so.
pub fn all_lines_say(text: &str, what: &str) -> Result<()> {
    ensure!(!text.is_empty() && text.lines().all(|line| line.ends_with(what)), "not all {what}:\n{text}");
    Ok(())
}
