//! Whether a release had come far enough: deployed upstream, its checks really passed, its soak over.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use stackgate_core::{
    api::{ChangePlan, CheckResult, IdentityNeeded, LedgerEntry},
    cluster::ClusterView,
    words::Digest,
};

use super::Violation;
use crate::world::{NAMESPACE, Object, ObjectKey, World, said::Word};

/// A deployment that came to its end.
#[derive(Clone, Debug)]
struct Deployment {
    release: Digest,
    at: Timestamp,
    /// What checks have reported on it: name, result, whether that is proven, and when.
    reports: Vec<(String, CheckResult, bool, Timestamp)>,
}

/// What each Stage has deployed, by the name of the plan.
#[derive(Clone, Debug, Default)]
pub struct Promotion {
    deployed: BTreeMap<String, Vec<(String, Deployment)>>,
}

impl Promotion {
    /// An entry was added to the ledger of a plan.
    pub fn note(&mut self, world: &World, plan: &ChangePlan, entry: &LedgerEntry, is_complete: bool) {
        let name = plan.metadata.name.clone().unwrap_or_default();
        let list = self.deployed.entry(plan.spec.proposal.name.clone()).or_default();
        if let Some(checked) = &entry.checked {
            let number = checked.reason.as_deref().and_then(|r| r.strip_prefix('n')?.parse::<usize>().ok());
            let said = number.and_then(|n| world.said.get(n));
            let really = said.filter(|s| s.word == Word::Reports(checked.result));
            if let (Some(said), Some((_, d))) = (really, list.iter_mut().rfind(|(n, _)| *n == name)) {
                d.reports.push((checked.name.clone(), checked.result, said.proven, entry.time.0));
            }
        }
        if is_complete && (entry.settled.is_some() || entry.opened.is_some()) {
            let opened = plan.spec.ledger.iter().rev().find_map(|e| e.opened.as_ref());
            if let Some(release) = opened.and_then(|o| o.release.as_ref()) {
                // A plan that does nothing and comes back shows what is there, and was there all the time: so its checks did.
                let stayed = list.iter().rfind(|(n, _)| *n == name && entry.opened.is_some());
                let reports = stayed.map(|(_, d)| d.reports.clone()).unwrap_or_default();
                let new = Deployment { release: release.digest, at: entry.time.0, reports };
                list.push((name, new));
            }
        }
    }

    /// A plan is claimed at that time by somebody who saw the Stage like this.
    pub fn may_claim(&self, world: &World, plan: &ChangePlan, at: Timestamp) -> Result<(), Violation> {
        let name = &plan.spec.proposal.name;
        let view = world.cluster.views.get(world.acting.0);
        let Some(stage) = view.and_then(|v| v.seen.stage(NAMESPACE, name)) else { return Ok(()) };
        let opened = plan.spec.ledger.iter().rev().find_map(|e| e.opened.as_ref());
        let release = opened.and_then(|o| o.release.as_ref()).map(|r| r.digest);
        let (Some(release), None) = (release, &stage.spec.pin) else { return Ok(()) };
        let minimum = stage.spec.accounts.iter().filter_map(|a| {
            match world.cluster.objects.0.get(&ObjectKey::Account(a.clone()))? {
                Object::Account(a) => a.spec.minimum_gate.as_ref()?.soak.as_ref().map(|s| s.get()),
                _ => None,
            }
        });
        let minimum = minimum.max().unwrap_or(SignedDuration::ZERO);
        for upstream in &stage.spec.promote_from {
            let soak = upstream.soak.as_ref().map_or(SignedDuration::ZERO, |s| s.get()).max(minimum);
            let ripe = |d: &Deployment| {
                self.verified(world, &upstream.name, d)
                    .is_some_and(|t| t.saturating_add(soak).is_ok_and(|ripe| ripe <= at))
            };
            let list = self.deployed.get(&upstream.name);
            if !list.into_iter().flatten().any(|(_, d)| d.release == release && ripe(d)) {
                return Err(format!(
                    "I2: {name} was claimed for release {}, which is not verified in {} and soaked there for {soak:#}",
                    release.short(12),
                    upstream.name
                ));
            }
        }
        Ok(())
    }

    /// Whether the checks of a Stage have passed on what this plan has deployed last.
    pub fn is_verified(&self, world: &World, plan: &ChangePlan) -> bool {
        let (stage, name) = (&plan.spec.proposal.name, plan.metadata.name.as_deref().unwrap_or_default());
        let list = self.deployed.get(stage);
        let last = list.into_iter().flatten().rfind(|(n, _)| n == name);
        last.is_some_and(|(_, d)| self.verified(world, stage, d).is_some())
    }

    /// When all checks had passed.
    fn verified(&self, world: &World, stage: &str, d: &Deployment) -> Option<Timestamp> {
        let stage = world.cluster.objects.stage(NAMESPACE, stage)?;
        let any = stage.spec.gate.as_ref().and_then(|g| g.identity) == Some(IdentityNeeded::Any);
        stage.spec.checks.iter().try_fold(d.at, |latest, check| {
            let passed = d.reports.iter().filter(|(name, result, proven, _)| {
                *name == check.name && *result == CheckResult::Passed && (*proven || any)
            });
            Some(latest.max(passed.map(|(.., at)| *at).min()?))
        })
    }
}
