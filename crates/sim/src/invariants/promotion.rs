//! Whether a release had come far enough: deployed upstream, its checks really passed, its soak over.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use stackgate_core::{
    api::{ChangePlan, CheckResult, IdentityNeeded, LedgerEntry, Stage},
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
    /// The Stage, which may have been made again under its name.
    uid: String,
    /// How many entries the ledger had by then: who has seen so many knows of it.
    entries: usize,
    /// When that really was.
    noted: Timestamp,
    /// What checks have reported on it: name, result, whether that is proven, and when.
    reports: Vec<(String, CheckResult, bool, Timestamp)>,
}

/// What each Stage has deployed, by the name of the plan.
#[derive(Clone, Debug, Default)]
pub struct Promotion {
    deployed: BTreeMap<String, Vec<(String, Deployment)>>,
    /// Whether the policies were ever away: of what was written then nobody knows that it is true.
    doubted: bool,
}

impl Promotion {
    /// An entry was added to the ledger of a plan.
    pub fn note(&mut self, world: &World, plan: &ChangePlan, entry: &LedgerEntry, is_complete: bool) {
        self.doubted |= !world.policies.in_force();
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
                let new = Deployment {
                    release: release.digest,
                    at: entry.time.0,
                    uid: plan.spec.proposal.uid.to_string(),
                    entries: plan.spec.ledger.len(),
                    noted: world.now,
                    reports,
                };
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
        // What it has it may have again, with other values, or where somebody has changed a stack.
        let uid = plan.spec.proposal.uid.to_string();
        let has = self.deployed.get(name).into_iter().flatten().rfind(|(_, d)| d.uid == uid);
        if has.is_some_and(|(_, d)| d.release == release) {
            return Ok(());
        }
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

    /// I9: a Stage goes on to what its first upstream had later, not back; but by a pin, or with that upstream. Judged by what could be
    /// seen by whoever claims.
    pub fn goes_forward(&self, world: &World, plan: &ChangePlan) -> Result<(), Violation> {
        let proposal = &plan.spec.proposal;
        let (place, decided) = world.acting;
        let Some(view) = world.cluster.views.get(place) else { return Ok(()) };
        let Some(stage) = view.seen.stage(NAMESPACE, &proposal.name) else { return Ok(()) };
        let upstream = stage.spec.promote_from.first().and_then(|u| view.seen.stage(NAMESPACE, &u.name));
        let Some(upstream) = upstream.filter(|_| stage.spec.pin.is_none() && !self.doubted) else {
            return Ok(());
        };
        let opened = plan.spec.ledger.iter().rev().find_map(|e| e.opened.as_ref());
        let next = opened.and_then(|o| o.release.as_ref()).map(|r| r.digest);
        let is_seen = |name: &str, d: &Deployment| {
            let plan = view.seen.0.get(&ObjectKey::Plan(name.to_owned()));
            d.noted < decided && matches!(plan, Some(Object::Plan(p)) if p.spec.ledger.len() >= d.entries)
        };
        let had = |stage: &Stage| {
            let (name, uid) = (stage.name_any(), stage.uid().unwrap_or_default());
            let list = self.deployed.get(&name).into_iter().flatten();
            let seen = list.filter(|(plan, d)| d.uid == uid && is_seen(plan, d));
            seen.map(|(_, d)| d.release).collect::<Vec<_>>()
        };
        let (own, theirs) = (had(&stage), had(&upstream));
        let last = |release: Option<Digest>| theirs.iter().rposition(|r| Some(*r) == release);
        match (last(own.last().copied()), last(next)) {
            (Some(now), Some(then)) if then < now => Err(format!(
                "I9: {} goes back by itself to a release that {} had before the one that it has",
                proposal.name,
                upstream.name_any()
            )),
            _ => Ok(()),
        }
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
