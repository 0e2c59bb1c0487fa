//! A git repository with the manifests of one case, and a writer that applies it again and again.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Result, anyhow, ensure};
use serde_json::{Value, json};
use stackgate_testbed::scenario::{BUCKET, Case, SOON, World, WorldOptions, shared};

/// Between two reconciliations: far more often than in real life.
const INTERVAL: Duration = Duration::from_secs(1);

/// A world with a controller, and a case in it whose assembly is uploaded. Nothing of the case is applied yet.
pub fn world(name: &str) -> Result<(World, Case)> {
    let binary = Some(env!("CARGO_BIN_EXE_stackgate").into());
    let mut world = World::start(WorldOptions { binary, ..WorldOptions::default() })?;
    world.start_controller()?;
    shared(&world, &[BUCKET])?;
    let mut case = Case::new(&world, name)?;
    // No policies are installed here: nothing proves who decided.
    case.stage["spec"]["gate"]["identity"] = json!("Any");
    world.upload(&case.key, &case.assembly)?;
    Ok((world, case))
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

/// Reconciles until it is dropped.
pub struct Writer {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    failed: Arc<Mutex<Option<String>>>,
    last: Arc<Mutex<String>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts; `reconcile` applies what stands in git and returns what it said.
    pub fn start(reconcile: impl Fn() -> Result<String> + Send + 'static) -> Self {
        let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (failed, last) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(String::new())));
        let thread = thread::spawn({
            let (stop, rounds, failed, last) =
                (Arc::clone(&stop), Arc::clone(&rounds), Arc::clone(&failed), Arc::clone(&last));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    match reconcile() {
                        Ok(said) => *last.lock().unwrap_or_else(PoisonError::into_inner) = said,
                        Err(error) => {
                            *failed.lock().unwrap_or_else(PoisonError::into_inner) =
                                Some(format!("{error:#}"));
                        }
                    }
                    rounds.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(INTERVAL);
                }
            }
        });
        Self { stop, rounds, failed, last, thread: Some(thread) }
    }

    /// Waits for whole reconciliations from now on; returns what the last one said.
    pub fn rounds(&self, world: &World, number: usize) -> Result<String> {
        // The one that is under way has begun before.
        let until = self.rounds.load(Ordering::Relaxed) + number + 1;
        world.until_some(&format!("{number} more reconciliations"), SOON, || {
            if let Some(error) = self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone() {
                return Err(anyhow!("a reconciliation failed: {error}"));
            }
            Ok((self.rounds.load(Ordering::Relaxed) >= until).then_some(()))
        })?;
        Ok(self.last.lock().unwrap_or_else(PoisonError::into_inner).clone())
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

/// Asserts that a text has only lines that say so.
pub fn all_lines_say(text: &str, what: &str) -> Result<()> {
    ensure!(!text.is_empty() && text.lines().all(|line| line.ends_with(what)), "not all {what}:\n{text}");
    Ok(())
}
