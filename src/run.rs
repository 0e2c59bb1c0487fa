//! `stackgate run`: puts the parts together, leads, and ends in an orderly way.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use stackgate_core::{cluster::Installation, words::StackKey};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};
use tracing::{info, warn};

use crate::{
    aws::{Aws, Calls, Live, Paces, Regions, RowCache, Sessions, Settings},
    cli::RunArgs,
    clock::{SharedClock, SystemClock},
    kube::{
        client::{self, Clients},
        events::Events,
        lease::{Election, Timing},
        policies::Policies,
        stores::Stores,
        writes::Writes,
    },
    pass::{self, Memory},
    queue::{Key, Limits, Queue},
    shutdown::{self, Shutdown, Trigger},
    telemetry::{
        health::Health,
        metrics::{Metrics, PassOutcome},
    },
};

/// Runs until a signal asks for the end or leadership is lost. A second signal ends the process at once.
///
/// # Errors
/// When it cannot start, or no longer leads: the process has to end then, with a status other than 0.
pub async fn run(args: RunArgs) -> Result<()> {
    let (trigger, shutdown) = shutdown::channel();
    end_on_signals(trigger.clone())?;
    let clients = client::connect().await?;
    let clock: SharedClock = Arc::new(SystemClock);
    let metrics = Metrics::new();
    let health = Health::new(metrics.clone());
    let serving = health.clone().serve(args.health_address, shutdown.clone()).await?;
    let serving = tokio::spawn(serving);
    info!(version = env!("CARGO_PKG_VERSION"), namespace = args.namespace, "starting");

    let limits = Limits { workers: args.workers.into(), ..Limits::default() };
    let queue = Queue::new(limits, clock.clone());
    let (stores, writers) = Stores::new(&args.namespace);
    let watching = {
        let (clients, stores, queue) = (clients.clone(), stores.clone(), queue.clone());
        tokio::spawn(async move { stores.watch(&clients, writers, |key| queue.wake(key)).await })
    };
    let started = Started { args, clients, clock, stores, queue, metrics };
    let result = tokio::select! {
        result = lead(started, &health, &trigger, &shutdown) => result,
        ended = watching => bail!("the watches ended: {ended:?}"),
    };
    trigger.pull();
    if !matches!(timeout(Duration::from_millis(500), serving).await, Ok(Ok(Ok(())))) {
        warn!("the health pages did not end in time");
    }
    info!("ended");
    result
}

/// What is there before this replica leads.
struct Started {
    args: RunArgs,
    clients: Clients,
    clock: SharedClock,
    stores: Stores,
    queue: Queue,
    metrics: Metrics,
}

async fn lead(s: Started, health: &Health, trigger: &Trigger, shutdown: &Shutdown) -> Result<()> {
    tokio::select! {
        synced = s.stores.wait_synced() => synced?,
        () = shutdown.requested() => return Ok(()),
    }
    health.synced();
    if s.args.no_leader_election {
        return work(s, shutdown).await;
    }
    let timing = Timing::default();
    let election = Election::new(&s.clients, &s.args.namespace, &s.args.identity(), timing, s.clock.clone());
    let held = tokio::select! {
        held = election.acquire() => held,
        () = shutdown.requested() => return Ok(()),
    };
    let mut lost = false;
    let result = {
        let mut work = std::pin::pin!(work(s, shutdown));
        tokio::select! {
            result = &mut work => result,
            () = election.keep(held) => {
                lost = true;
                trigger.pull();
                work.await
            }
        }
    };
    if lost {
        bail!("no longer the leader");
    }
    election.release().await;
    result
}

/// Runs passes until the end is asked for.
async fn work(s: Started, shutdown: &Shutdown) -> Result<()> {
    let writes = Writes::new(&s.clients);
    let writes = match &s.args.policies_digests {
        Some(expected) => writes.with_policies(expected.signing(), &s.args.namespace),
        None => writes,
    };
    let key = tokio::select! {
        key = writes.hmac_key(&s.args.namespace) => key?,
        () = shutdown.requested() => return Ok(()),
    };
    let events = Events::new(&s.clients, &s.args.identity());
    let policies = Policies::new(&s.clients, &s.args.namespace, s.args.policies_digests.clone());
    let Started { args, clock, stores, queue, metrics, .. } = s;
    let settings = Settings::default();
    let base = Settings::load().await;
    let calls = metrics.register(Calls::new);
    let sessions = Arc::new(Sessions::new(base, settings, calls));
    let rows = RowCache::default();
    let memory = Arc::new(Memory::default());
    let regions = {
        let (memory, queue) = (Arc::clone(&memory), queue.clone());
        let wake =
            move |stack: &StackKey| memory.waiting_for(stack).into_iter().for_each(|key| queue.wake(key));
        Regions::new(Arc::clone(&sessions), rows.clone(), Paces::default(), Arc::new(wake))
    };
    metrics.leads(true);
    let looking_after = {
        let (stores, queue) = (stores.clone(), queue.clone());
        policies.look_after(move |found| stores.enforce(found, |key| queue.wake(key)))
    };
    let context = Arc::new(pass::Context {
        stores,
        rows,
        writes,
        events,
        cloud: Box::new(Live { aws: Aws::new(sessions, key.clone()), regions }),
        bundles: pass::Bundles::default(),
        memory,
        installation: Installation::new(args.namespace, key),
        clock,
        steps: args.steps.try_into().unwrap_or(usize::MAX),
    });
    let passes =
        queue.run(shutdown, |key| measured(Arc::clone(&context), queue.clone(), metrics.clone(), key));
    tokio::select! {
        () = passes => {}
        () = looking_after => {}
    }
    metrics.leads(false);
    Ok(())
}

async fn measured(
    context: Arc<pass::Context>,
    queue: Queue,
    metrics: Metrics,
    key: Key,
) -> Result<Option<Timestamp>, pass::PassError> {
    let kind = key.kind;
    let result = pass::pass(context, key).await;
    let outcome = if result.is_ok() { PassOutcome::Done } else { PassOutcome::Failed };
    metrics.pass_ended(kind, outcome);
    metrics.queue_depth(queue.depth());
    result
}

fn end_on_signals(trigger: Trigger) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    tokio::spawn(async move {
        for times in 1.. {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if times > 1 {
                warn!(signal = name, "ending at once");
                std::process::exit(1);
            }
            info!(signal = name, "ending");
            trigger.pull();
        }
    });
    Ok(())
}
