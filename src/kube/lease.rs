//! Leader election on a Lease: claimed and renewed by replacing it in the version that was read.
//!
//! The Lease keeps two replicas from doing the same work twice. Nothing is wrong if they do: safety never rests on it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
};
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};

use super::client::Clients;
use crate::clock::SharedClock;

/// The name of the Lease, in the controller's namespace.
pub const LEASE: &str = "stackgate";

/// The process has to end within 5 s of being asked to, of which running passes may take 3.
const RELEASE_WITHIN: Duration = Duration::from_secs(1);

/// How long a claim lasts and how often it is renewed.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Others wait that long after the last renewal.
    pub duration: Duration,
    /// A leader that could not renew for that long gives up; shorter than `duration`.
    pub renew_deadline: Duration,
    /// Time between tries.
    pub retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// Who may lead, judging by the Lease alone.
#[derive(Clone, Debug, PartialEq)]
pub enum Claim {
    /// We may, if we get to write this.
    Write(Box<LeaseSpec>),
    /// Somebody else leads.
    HeldBy(String),
}

/// Whether `me` may lead now, and what the Lease has to say then. `seconds`: how long the claim is to last.
#[must_use]
pub fn claim(now: Timestamp, lease: &LeaseSpec, me: &str, seconds: i32) -> Claim {
    let holder = lease.holder_identity.as_deref().filter(|h| !h.is_empty());
    let until = lease.renew_time.as_ref().and_then(|MicroTime(renewed)| {
        let lasts = SignedDuration::from_secs(lease.lease_duration_seconds.unwrap_or(0).into());
        renewed.saturating_add(lasts).ok()
    });
    match holder {
        Some(other) if other != me && until.is_some_and(|until| now < until) => {
            Claim::HeldBy(other.to_owned())
        }
        Some(_) | None => {
            let mine = holder == Some(me);
            let transitions = lease.lease_transitions.unwrap_or(0);
            Claim::Write(Box::new(LeaseSpec {
                holder_identity: Some(me.to_owned()),
                lease_duration_seconds: Some(seconds),
                acquire_time: lease.acquire_time.clone().filter(|_| mine).or(Some(MicroTime(now))),
                renew_time: Some(MicroTime(now)),
                lease_transitions: Some(if mine { transitions } else { transitions.saturating_add(1) }),
                ..lease.clone()
            }))
        }
    }
}

/// We lead.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    renewed: Instant,
}

/// One candidate.
#[derive(Clone, Debug)]
pub struct Election {
    api: Api<Lease>,
    me: String,
    timing: Timing,
    clock: SharedClock,
}

impl Election {
    /// A candidate for the Lease in this namespace. `me` has to differ between replicas.
    #[must_use]
    pub fn new(clients: &Clients, namespace: &str, me: &str, timing: Timing, clock: SharedClock) -> Self {
        let api = Api::namespaced(clients.calls.clone(), namespace);
        Self { api, me: me.to_owned(), timing, clock }
    }

    /// Returns when we lead. May be dropped at any moment.
    pub async fn acquire(&self) -> Held {
        let mut told = None;
        loop {
            match self.attempt().await {
                Ok(Ok(held)) => {
                    info!(identity = self.me, "leading");
                    return held;
                }
                Ok(Err(holder)) => {
                    if told.as_ref() != Some(&holder) {
                        info!(%holder, "standing by");
                        told = Some(holder);
                    }
                }
                Err(error) => warn!(%error, "the Lease cannot be claimed; it is tried again"),
            }
            sleep(self.timing.retry).await;
        }
    }

    /// Renews until that fails for too long or somebody else has taken over; then we no longer lead.
    pub async fn keep(&self, mut held: Held) {
        loop {
            sleep(self.timing.retry).await;
            let left = self.timing.renew_deadline.saturating_sub(held.renewed.elapsed());
            match timeout(left, self.attempt()).await {
                Ok(Ok(Ok(again))) => held = again,
                Ok(Ok(Err(holder))) => {
                    warn!(%holder, "another replica leads now");
                    return;
                }
                Ok(Err(error)) => debug!(%error, "the Lease was not renewed; it is tried again"),
                Err(_) => {
                    warn!("the Lease could not be renewed in time");
                    return;
                }
            }
        }
    }

    /// Lets others lead at once. What fails here ends by itself when the claim runs out.
    pub async fn release(&self) {
        match timeout(RELEASE_WITHIN, self.try_release()).await {
            Ok(Ok(())) => info!("the Lease is released"),
            Ok(Err(error)) => warn!(%error, "the Lease was not released"),
            Err(_) => warn!("the Lease was not released in time"),
        }
    }

    async fn try_release(&self) -> kube::Result<()> {
        // Read anew: a renewal may have been under way when the end was asked for.
        let mut lease = self.api.get(LEASE).await?;
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_ref() != Some(&self.me) {
            return Ok(());
        }
        spec.holder_identity = None;
        spec.acquire_time = None;
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(MicroTime(self.clock.now()));
        self.api.replace(LEASE, &PostParams::default(), &lease).await.map(drop)
    }

    /// One try: we lead, or who does.
    async fn attempt(&self) -> kube::Result<Result<Held, String>> {
        // Counts from before the call: the claim may have been stored long before the reply comes.
        let renewed = Instant::now();
        let now = self.clock.now();
        let seconds = i32::try_from(self.timing.duration.as_secs()).unwrap_or(i32::MAX);
        let found = self.api.get_opt(LEASE).await?;
        let spec = found.as_ref().and_then(|l| l.spec.clone()).unwrap_or_default();
        let spec = match claim(now, &spec, &self.me, seconds) {
            Claim::HeldBy(holder) => return Ok(Err(holder)),
            Claim::Write(spec) => *spec,
        };
        match found {
            Some(mut lease) => {
                lease.spec = Some(spec);
                self.api.replace(LEASE, &PostParams::default(), &lease).await?;
            }
            None => {
                let metadata = ObjectMeta { name: Some(LEASE.to_owned()), ..ObjectMeta::default() };
                let lease = Lease { metadata, spec: Some(spec) };
                self.api.create(&PostParams::default(), &lease).await?;
            }
        }
        Ok(Ok(Held { renewed }))
    }
}

#[cfg(test)]
#[path = "lease_tests.rs"]
mod tests;
