//! The loop: observe → decide → perform a set of effects → … → when the verdict is *wait*: status, if it differs.
//!
//! Observing does no IO, deciding is pure, and [`perform`] is the only place that reads or changes the world.

mod bundles;
mod memory;
mod perform;
mod shown;
mod subject;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use stackgate_core::{
    api::ChangePlan,
    cluster::{ClusterView, Installation},
    effect::Next,
    verdict::Phase,
};
use tracing::Instrument;

use self::subject::{Decision, decide};
pub use self::{bundles::Bundles, memory::Memory};
use crate::{
    aws::{Cloud, RowCache},
    clock::SharedClock,
    kube::{events::Events, stores::Stores, writes::Writes},
    queue::{Key, Kind},
};

/// How soon a status is derived again that met a conflict.
const SOON: SignedDuration = SignedDuration::from_secs(5);

/// Everything that a pass works with.
pub struct Context {
    /// What the watches showed.
    pub stores: Stores,
    /// What the polls showed.
    pub rows: RowCache,
    /// Changes Kubernetes.
    pub writes: Writes,
    /// Tells people.
    pub events: Events,
    /// Reads, changes and polls AWS.
    pub cloud: Box<dyn Cloud>,
    /// The assemblies that objects work on.
    pub bundles: Bundles,
    /// What is remembered of each object.
    pub memory: Arc<Memory>,
    /// The controller itself.
    pub installation: Installation,
    /// The time.
    pub clock: SharedClock,
    /// How many steps one pass may take before others get their turn; at least 1.
    pub steps: usize,
}

/// Why a pass ended early. It is tried again, after a while.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The status could not be written.
    #[error("the status could not be written: {0}")]
    Status(String),
}

/// One pass over one object; says when it wants the next at the latest.
///
/// # Errors
/// When the status could not be written; nothing but the status is lost by that.
pub async fn pass(cx: Arc<Context>, key: Key) -> Result<Option<Timestamp>, PassError> {
    // Every line that is logged meanwhile, down to the calls of AWS, names the object.
    let span = tracing::info_span!("pass", object = %key);
    run(cx, key).instrument(span).await
}

async fn run(cx: Arc<Context>, key: Key) -> Result<Option<Timestamp>, PassError> {
    cx.bundles.forget_idle(cx.clock.now());
    let mut facts = cx.memory.take(&key);
    for stack in cx.memory.watched(&key) {
        facts.learn_stack(&stack, cx.rows.get(&stack));
    }
    facts.watch_shows(&plans_of(&cx, &key), cx.clock.now());
    for _ in 0..cx.steps.max(1) {
        let now = cx.clock.now();
        let Some(Decision { next, show, note, phase }) = decide(&cx, &key, &facts, now) else {
            cx.memory.forget(&key);
            cx.cloud.forget(&key.to_string());
            return Ok(None);
        };
        match next {
            Next::Do(effects) => perform::perform_all(&cx, effects, &mut facts).await,
            Next::Wait(mut wake) => {
                wake.at = wake.at.into_iter().chain(facts.watch_is_due()).min();
                match phase {
                    Some(Phase::Done(_)) => facts.rest(true),
                    Some(Phase::Waiting(_) | Phase::Stalled(_)) => facts.rest(false),
                    Some(Phase::Working(_)) | None => {}
                }
                let watched = cx.memory.put(&key, facts, &wake);
                watch_regions(&cx, &key, watched);
                if let Some(show) = show
                    && !shown::show(&cx, show, note).await?
                {
                    // An answer alone is no news: what people see must not rest on the watch having some.
                    let soon = now.saturating_add(SOON).unwrap_or(now);
                    return Ok(Some(wake.at.map_or(soon, |at| at.min(soon))));
                }
                return Ok(wake.at);
            }
        }
    }
    cx.memory.keep(&key, facts);
    Ok(Some(cx.clock.now()))
}

/// The plans of an object, as the watch shows them.
fn plans_of(cx: &Context, key: &Key) -> Vec<Arc<ChangePlan>> {
    match key.kind {
        Kind::Stage => cx.stores.plans_of_stage(key.namespace.as_deref().unwrap_or_default(), &key.name),
        Kind::Bootstrap => cx.stores.plans_of_bootstrap(&key.name),
        Kind::AwsAccount | Kind::ChangePlan | Kind::CloudAssembly | Kind::Freeze => Vec::new(),
    }
}

/// Says to the polls what the object waits for now, environment by environment.
fn watch_regions(cx: &Context, key: &Key, by_access: memory::ByAccess) {
    let owner = key.to_string();
    cx.cloud.forget(&owner);
    for (access, keys) in by_access {
        cx.cloud.want(&owner, access, keys);
    }
}
