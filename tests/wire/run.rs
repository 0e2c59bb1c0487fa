//! A run: one process after the other, until the story is told and nothing happens any more.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use crate::{
    ground::Ground,
    process::Process,
    site::Site,
    streams::Shared,
    watch::{Post, prompt},
};
use jiff::{SignedDuration, Timestamp};
use stackgate_core::{api::ProposalKind, gate::PlanView};

/// How long nothing may happen before a run counts as quiet: longer than the longest pause between two tries.
const QUIET: SignedDuration = SignedDuration::from_secs(400);
/// How long a story may wait for something: longer than anything but what never comes.
const PATIENCE: SignedDuration = SignedDuration::from_mins(40);

/// How long a run may be, and how many calls it may make.
const LONGEST: SignedDuration = SignedDuration::from_hours(4);
const MOST_CALLS: usize = 2_000;

/// How a process runs.
#[derive(Clone)]
pub struct Manner {
    /// When news come, where they do not come over the wire.
    pub post: Post,
    /// The streams over which news come, where they do.
    pub streams: Option<Shared>,
    /// Steps of a pass.
    pub steps: usize,
}

impl Default for Manner {
    fn default() -> Self {
        Self { post: prompt(), streams: None, steps: 64 }
    }
}

/// What a run comes to, apart from times and the numbers of things.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct End {
    /// Stages: state, Ready, the release that is deployed, finalizers.
    pub stages: BTreeMap<String, String>,
    /// Stacks: status, template, protection, change sets, values of parameters, and how often anybody has changed what is deployed under the name.
    pub stacks: BTreeMap<String, String>,
    /// Plans: for what, and how each came to its end, in the order in which they were opened.
    pub plans: Vec<String>,
    /// How many decisions, claims and ends each of them holds.
    pub counts: Vec<String>,
    /// What ConfigMaps hold.
    pub others: BTreeMap<String, String>,
}

impl End {
    /// Without what differs where people had to decide again, because what they had approved was about something that had changed by
    /// the time that it was their turn.
    pub fn but_for_counts(&self) -> Self {
        Self { counts: Vec::new(), ..self.clone() }
    }
}

/// A clock that stands still unless everybody waits.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// Runs one process until the story is told and all is quiet.
pub async fn to_the_end(site: &Arc<Site>, manner: Manner) -> Result<End, String> {
    let mut process = Process::start(site, manner).await;
    let result = until_quiet(site, &mut process).await;
    let result = result.and_then(|end| process.has_heard_all(&site.ground()).map(|()| end));
    result.map_err(|why| format!("{why}\n{}", site.trace().join("\n")))
}

/// The same, with what happens at each turn besides.
pub async fn until_quiet(site: &Arc<Site>, process: &mut Process) -> Result<End, String> {
    let begun = site.clock.now();
    let mut still = (site.ground().mark(), begun);
    loop {
        let (mark, next) = {
            let mut ground = site.ground();
            process.hear(&mut ground);
            ground.check()?;
            let next = [process.hears_at(), ground.rests_until()].into_iter().flatten().min();
            (ground.mark(), next)
        };
        if let Some(broken) = site.broken() {
            return Err(broken);
        }
        if process.has_ended() {
            return Err("the loop has ended".to_owned());
        }
        let now = site.clock.now();
        if mark != still.0 {
            still = (mark, now);
        }
        if now.duration_since(begun) > LONGEST || site.calls() > MOST_CALLS {
            return Err(format!("L1: no end in sight after {} calls", site.calls()));
        }
        let quiet = now.duration_since(still.1);
        if let Some(end) = told(&site.ground(), quiet, now)? {
            return Ok(end);
        }
        let most = if quiet > SignedDuration::from_secs(5) {
            Duration::from_secs(20)
        } else {
            Duration::from_secs(1)
        };
        let wait =
            next.map_or(most, |at| Duration::try_from(at.duration_since(now)).unwrap_or_default().min(most));
        tokio::select! {
            biased;
            () = site.changed.notified() => {}
            () = tokio::time::sleep(wait + Duration::from_millis(1)) => {}
        }
    }
}

/// How it ended, if the story is told and all is quiet.
fn told(ground: &Ground, quiet: SignedDuration, now: Timestamp) -> Result<Option<End>, String> {
    match ground.waits_for() {
        None if quiet > QUIET => Ok(Some(end(ground))),
        Some(what) if ground.waited(now) > PATIENCE => {
            Err(format!("L1: the story waits for {what} for ever: {:#?}", end(ground)))
        }
        None | Some(_) => Ok(None),
    }
}

/// What the world has come to.
pub fn end(ground: &Ground) -> End {
    let stages = ground.world.cluster.stages().map(|stage| {
        let status = stage.status.clone().unwrap_or_default();
        let ready = status
            .conditions
            .iter()
            .find(|c| c.type_ == "Ready")
            .map(|c| format!("{} {}", c.status, c.reason));
        let deployed = status.deployed.map(|d| d.digest.short(12).to_string());
        let text = format!("{:?} {ready:?} {deployed:?} {:?}", status.state, stage.metadata.finalizers);
        (stage.metadata.name.clone().unwrap_or_default(), text)
    });
    let stacks = ground.world.cloud.stacks.iter().map(|(key, stack)| {
        let deployed = stack.deployed.as_ref().map(|d| d.digest.short(12).to_string());
        let sets = stack.sets.iter().filter(|s| s.is_available(s.ready)).count();
        let given = stack.deployed.iter().flat_map(|d| &d.given);
        let given: Vec<_> = given.map(|(name, value)| format!("{name}={}", value.reveal())).collect();
        let text =
            format!("{} {deployed:?} {} {sets} {}", stack.status.as_str(), stack.protected, given.join(" "));
        (key.to_string(), text)
    });
    let changed =
        ground.world.cloud.versions.iter().map(|(key, times)| (format!("{key} changed"), times.to_string()));
    let mut plans: Vec<(u64, String, String)> = ground
        .world
        .cluster
        .plans()
        .filter_map(|plan| {
            let view = PlanView::new(Arc::clone(plan))?;
            let ledger = &plan.spec.ledger;
            let order = ledger.iter().rev().find_map(|e| e.opened.as_ref()).map_or(0, |o| o.order);
            let proposal = &plan.spec.proposal;
            let kind = if proposal.kind == ProposalKind::Stage { "Stage" } else { "Bootstrap" };
            let count =
                |is: fn(&stackgate_core::api::LedgerEntry) -> bool| ledger.iter().filter(|e| is(e)).count();
            let end = view.closed.as_ref().map(|c| c.reason);
            let text = format!(
                "{kind} {} {:?} complete {} closed {end:?}",
                proposal.name,
                proposal.operation,
                view.is_complete()
            );
            let counts = format!(
                "decided {} claimed {} settled {}",
                count(|e| e.decided.is_some()),
                count(|e| e.claimed.is_some()),
                count(|e| e.settled.is_some()),
            );
            Some((order, text, counts))
        })
        .collect();
    plans.sort();
    let others = ground.others.iter().filter(|(path, _)| path.contains("configmaps"));
    End {
        stages: stages.collect(),
        stacks: stacks.chain(changed).collect(),
        counts: plans.iter().map(|(.., counts)| counts.clone()).collect(),
        plans: plans.into_iter().map(|(_, text, _)| text).collect(),
        others: others.map(|(path, object)| (path.clone(), object["data"].to_string())).collect(),
    }
}

/// Whether everything is asked for that takes long.
pub fn everything() -> bool {
    static ASKED: OnceLock<bool> = OnceLock::new();
    *ASKED.get_or_init(|| std::env::var_os("STACKGATE_WIRE_ALL").is_some())
}
