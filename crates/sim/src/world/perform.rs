//! The world's answer to each effect. There is no `_` arm: a new effect has to be simulated.

use std::{collections::BTreeMap, sync::Arc};

use jiff::SignedDuration;
use kube::ResourceExt;
use stackgate_core::{
    api::{Action, ChangePlan, CloseReason, Decided, LedgerEntry, PinnedSource},
    bundle::{AssetContent, Bundle, Template},
    change::{Hidden, coming},
    cluster::ClusterView,
    effect::{
        Effect, Fact, LiveGate, LivePlan, Look, Mutation, NewPlan, Outcome, PlanOwner, Receipt, Record,
        Refusal, RefusalKind, SetRef, SourceSeen, TemplateSource, WantedChangeSet,
    },
    gate::{SealedFor, sealed},
    stack::StackStatus,
    words::{ChangeSetName, DecisionId, Digest},
};

use super::{
    Happened, World,
    change_set::Fate,
    cloud::{Deployed, Stack},
    key,
};
use crate::{bundle, protocol::Protocol, weather::Luck};

impl World {
    /// Carries an effect out and answers truthfully.
    pub fn perform(&mut self, effect: &Effect) -> Outcome {
        self.moment += 1;
        let answer = match effect {
            Effect::Look(Look::Stack(key, _) | Look::ChangeSet(key, ..) | Look::Template(key, ..))
                if self.cloud.silent.as_ref() == Some(&key.env.account) =>
            {
                Err(refusal(RefusalKind::Unavailable, "no answer"))
            }
            Effect::Look(Look::DetectDrift(key, id, _)) if !self.cloud.can_be_checked(key, id) => {
                Err(refusal(RefusalKind::Invalid, "drift cannot be detected while the stack changes"))
            }
            Effect::Look(look) => Ok(Outcome::Learnt(self.look(look))),
            Effect::Record(record) => self.record(record).map(Outcome::Accepted),
            Effect::Mutate(mutation) => self.mutate(mutation).map(Outcome::Accepted),
        };
        match (&answer, effect) {
            (Ok(_), Effect::Record(_) | Effect::Mutate(_)) => self.writes += 1,
            (Ok(_), Effect::Look(_)) | (Err(_), _) => {}
        }
        answer.unwrap_or_else(Outcome::Refused)
    }

    fn look(&mut self, look: &Look) -> Fact {
        match look {
            Look::Stack(key, _) => {
                let mut row = self.cloud.read(key);
                if let Some(row) = &mut row {
                    self.protocol.misjudge(key, row, &self.cloud);
                }
                Fact::Stack(row)
            }
            Look::ChangeSet(key, set, _) => {
                Fact::ChangeSet(self.cloud.set(key, set).map(|(stack, s)| s.row(&stack.id, self.now)))
            }
            Look::SetContent(key, arn, ..) => {
                let set = SetRef::Arn(arn.clone());
                let found = self.cloud.set(key, &set).map(|(_, s)| (s.name.clone(), s.content.clone()));
                Fact::SetContent(found.map(|(name, content)| match self.protocol {
                    Protocol::ContentByName => {
                        self.known_contents.entry((key.clone(), name)).or_insert(content).clone()
                    }
                    _ => content,
                }))
            }
            Look::Template(key, id, ..) => {
                let stack = self.cloud.stacks.get(key).filter(|s| s.id == *id);
                Fact::Template(
                    stack.and_then(|s| s.deployed.as_ref()).map(|d| Arc::from(d.template.json.to_string())),
                )
            }
            Look::Failure(key, id, _) => {
                let stack = self.cloud.stacks.get(key).filter(|s| s.id == *id);
                Fact::Failure(stack.and_then(|s| s.failure.clone()))
            }
            Look::DetectDrift(key, id, _) => {
                let takes = self.luck.millis(1_000, 20_000);
                Fact::DriftDetection(self.cloud.detect_drift(key, id, takes, self.now))
            }
            Look::Drift(key, id, detection, _) => {
                Fact::Drift(self.cloud.drift(key, id, detection.as_deref(), self.now))
            }
            Look::Toolkit(..) => Fact::Toolkit(Some(33)),
            Look::Source(..) => Fact::Source(SourceSeen::Version(self.source.len().to_string())),
            Look::Bundle(source, _) => {
                Fact::Bundle(self.bundle(source).ok_or_else(|| format!("there is no {source:?}")))
            }
            Look::Outputs(key, id, ..) => {
                let stack = self.cloud.stacks.get(key).filter(|s| s.id == *id);
                Fact::Outputs(stack.and_then(|s| s.deployed.as_ref()).map(outputs).unwrap_or_default())
            }
            // What no assembly carries, somebody has pushed.
            Look::Image(..) => Fact::Image(true),
            Look::Values(_) => Fact::Values(None),
            Look::ReleaseId { source, stage, cdk_stage, given, .. } => {
                let id = |b: Arc<Bundle>| coming(&b, stage, cdk_stage.as_deref(), given, &key());
                Fact::ReleaseId(self.bundle(source).and_then(id))
            }
            Look::LiveGate { owner, accounts, plan } => self.live_gate(owner, accounts, &plan.name),
        }
    }

    fn bundle(&self, PinnedSource::S3(pinned): &PinnedSource) -> Option<Arc<Bundle>> {
        let place = pinned.version_id.parse::<usize>().ok()?.checked_sub(1)?;
        self.source.get(place).map(Arc::clone)
    }

    fn live_gate(&mut self, owner: &PlanOwner, accounts: &[String], plan: &str) -> Fact {
        self.happened.push(Happened::Looked(self.now));
        let Luck { random, weather, .. } = &mut self.luck;
        let readable = self.policies.readable && !random.chance(weather.refused);
        let plan = self.cluster.plan(plan).map(|p| LivePlan {
            uid: p.uid().unwrap_or_default(),
            resource_version: p.resource_version().unwrap_or_default(),
            generation: p.metadata.generation.unwrap_or_default(),
            annotations: p.annotations().clone(),
        });
        let objects = &self.cluster.objects;
        Fact::LiveGate(Box::new(LiveGate {
            stage: match owner {
                PlanOwner::Stage { namespace, name } => {
                    objects.stage(namespace, name).map(Arc::unwrap_or_clone)
                }
                PlanOwner::Bootstrap { .. } => None,
            },
            bootstrap: match owner {
                PlanOwner::Stage { .. } => None,
                PlanOwner::Bootstrap { name, .. } => {
                    let all = objects.bootstraps().into_iter();
                    all.map(Arc::unwrap_or_clone).find(|b| b.name_any() == *name)
                }
            },
            plan,
            accounts: objects
                .accounts()
                .into_iter()
                .filter(|a| a.metadata.name.as_ref().is_some_and(|n| accounts.contains(n)))
                .map(Arc::unwrap_or_clone)
                .collect(),
            freezes: objects.freezes().into_iter().map(Arc::unwrap_or_clone).collect(),
            policies: readable.then(|| self.policies.fingerprint()),
        }))
    }

    fn record(&mut self, record: &Record) -> Result<Receipt, Refusal> {
        match record {
            Record::OpenPlan(new) => {
                let other = self.carried(new).or_else(|| {
                    let ledger = self.protocol.written(&new.ledger)?;
                    Some(NewPlan { ledger, ..NewPlan::clone(new) })
                });
                let new = other.as_ref().unwrap_or(new);
                let ledger = sealed(
                    &new.ledger,
                    SealedFor::new_plan(&new.namespace, &new.name, &new.proposal),
                    &key(),
                );
                let plan = self.cluster.open_plan(&NewPlan { ledger, ..NewPlan::clone(new) }, self.now)?;
                self.recorded(&plan, 0);
                Ok(Receipt::Plan(Box::new(Arc::unwrap_or_clone(plan))))
            }
            Record::Ledger { plan, resource_version, entries, .. } => {
                if self.protocol == Protocol::NoClaim && entries.iter().any(|e| e.claimed.is_some()) {
                    return Ok(self.only_remembered(plan, entries));
                }
                let other = self.protocol.written(entries);
                let there = self.cluster.plan(plan);
                let entries = other.as_ref().unwrap_or(entries);
                let entries = &there
                    .as_deref()
                    .map_or_else(|| entries.clone(), |p| sealed(entries, SealedFor::plan(p), &key()));
                let from = there.as_ref().map_or(0, |p| p.spec.ledger.len());
                let swap = self.protocol != Protocol::NoCompareAndSwap;
                let stored = self.cluster.append(plan, resource_version, entries, swap)?;
                self.recorded(&stored, from);
                Ok(Receipt::Plan(Box::new(Arc::unwrap_or_clone(stored))))
            }
            Record::Outputs(_) => Ok(Receipt::Done),
            Record::Finalizer { stage, resource_version, present, .. } => {
                self.cluster.finalizer(stage, resource_version, *present)?;
                Ok(Receipt::Done)
            }
        }
    }

    /// Takes note of what a plan's ledger holds from this place on.
    pub fn recorded(&mut self, plan: &ChangePlan, from: usize) {
        let entries = plan.spec.ledger.get(from..).unwrap_or_default();
        entries.iter().filter_map(|e| e.decided.as_ref()).for_each(|d| self.is_recorded(d));
        for settled in entries.iter().filter_map(|e| e.settled.as_ref()) {
            self.cloud.unrecorded.remove(&settled.key());
        }
        if entries.iter().any(|e| e.closed.is_some()) {
            let keys = plan.spec.proposal.stacks.iter().map(|s| s.key());
            keys.for_each(|key| {
                self.cloud.unrecorded.remove(&key);
            });
        }
        self.happened.push(Happened::Appended(plan.name_any(), from));
    }

    /// The mutant whose retry carries approvals over whatever else has changed.
    fn carried(&self, new: &NewPlan) -> Option<NewPlan> {
        if self.protocol != Protocol::RetryCarriesAll {
            return None;
        }
        let plans = self.cluster.plans().filter(|p| p.spec.proposal.name == new.proposal.name);
        let order = |p: &&Arc<ChangePlan>| {
            p.spec.ledger.iter().filter_map(|e| e.opened.as_ref()).map(|o| o.order).max()
        };
        let old = plans.max_by_key(order)?;
        let failed = |e: &LedgerEntry| e.closed.as_ref().is_some_and(|c| c.reason == CloseReason::Failed);
        let decided = || old.spec.ledger.iter().filter_map(|e| e.decided.as_ref());
        if !old.spec.ledger.iter().any(failed) || !decided().any(|d| d.action == Action::Retry) {
            return None;
        }
        let mut new = new.clone();
        for decided in decided().filter(|d| d.action == Action::Approve) {
            let under = Some(DecisionId::Change(old.spec.proposal.id.clone()));
            let entry = new.ledger.last().cloned()?;
            let seq = entry.seq + 1;
            let decided = Some(Decided { under, ..decided.clone() });
            new.ledger.push(LedgerEntry { seq, opened: None, decided, ..entry });
        }
        Some(new)
    }

    /// The mutant that claims in memory only.
    fn only_remembered(&self, plan: &str, entries: &[LedgerEntry]) -> Receipt {
        let Some(plan) = self.cluster.plan(plan) else { return Receipt::Done };
        let mut plan = Arc::unwrap_or_clone(plan);
        plan.spec.ledger.extend(sealed(entries, SealedFor::plan(&plan), &key()));
        Receipt::Plan(Box::new(plan))
    }

    fn mutate(&mut self, mutation: &Mutation) -> Result<Receipt, Refusal> {
        if mutation.is_over(self.now) {
            return Err(refusal(RefusalKind::Conflict, "the look that it rests on is too old by now"));
        }
        match mutation {
            Mutation::Publish(upload) => {
                let digest = match &upload.asset.content {
                    AssetContent::File(file) => file.digest(),
                    AssetContent::Directory(_) => upload.asset.digest,
                };
                let there = self.assets.entry(format!("{}/{}", upload.bucket, upload.key)).or_insert(digest);
                if *there == digest {
                    Ok(Receipt::Done)
                } else {
                    Err(refusal(RefusalKind::AssetKeyTaken, "something else lies there"))
                }
            }
            Mutation::PushImage(upload) => {
                let digest = upload.image.digest();
                let there = self.images.entry(upload.to.clone()).or_insert(digest);
                if *there == digest {
                    Ok(Receipt::Done)
                } else {
                    Err(refusal(RefusalKind::AssetKeyTaken, "another image lies there"))
                }
            }
            Mutation::CreateChangeSet(wanted) => self.create(wanted),
            Mutation::Execute(key, confirmed, _) => {
                let arn = confirmed.get();
                let set = match self.protocol {
                    Protocol::ExecuteByName => {
                        name_in(arn.as_str()).map_or_else(|| SetRef::Arn(arn.clone()), SetRef::Name)
                    }
                    _ => SetRef::Arn(arn.clone()),
                };
                let fails = self.luck.random.chance(self.luck.weather.fails);
                let takes = self.luck.millis(3_000, 30_000);
                let reads = self.stale_reads();
                let before = self.cloud.stacks.get(key).map(super::Stack::row);
                let set = self.cloud.execute_set(key, &set, takes, fails, self.now)?;
                if reads > 0 {
                    self.cloud.stale.insert(key.clone(), (before, reads));
                }
                let now = self.now;
                if let Some(stack) = self.cloud.stacks.get_mut(key) {
                    stack.ours |= stack.deployed.is_none();
                    stack.updated_by_us = now;
                }
                self.cloud.meddled.remove(key);
                self.cloud.unrecorded.insert(key.clone());
                self.happened.push(Happened::Executed(key.clone(), Box::new(set)));
                Ok(Receipt::Done)
            }
            Mutation::DeleteChangeSet(key, arn, ..) => {
                if self.protocol == Protocol::NoFence {
                    return Ok(Receipt::Done);
                }
                if let Some(set) = self.cloud.delete_set(key, &SetRef::Arn(arn.clone()))? {
                    self.happened.push(Happened::SetDeleted(key.clone(), Box::new(set)));
                }
                Ok(Receipt::Done)
            }
            Mutation::Protect(key, id, on, _) => {
                if let Some(stack) = self.cloud.stacks.get_mut(key).filter(|s| s.id == *id.get()) {
                    stack.protected = *on;
                }
                Ok(Receipt::Done)
            }
            Mutation::DeleteStack(key, id, _) => {
                let there = |s: &&Stack| s.id == *id.get() && s.gone.is_none();
                let busy = |s: &Stack| there(&s) && s.running.is_some();
                if self.cloud.stacks.get(key).filter(there).is_some_and(|s| s.protected) {
                    return Err(refusal(RefusalKind::Invalid, "TerminationProtection is enabled"));
                }
                if self.cloud.stacks.get(key).is_some_and(busy) {
                    return Err(refusal(RefusalKind::Conflict, "it cannot be deleted while it is updated"));
                }
                if let Some(stack) = self.cloud.stacks.get(key).filter(there).cloned() {
                    let reads = self.stale_reads();
                    self.cloud.about_to_change(key, reads);
                    self.happened.push(Happened::StackDeleted(key.clone(), Box::new(stack)));
                    let takes = self.luck.millis(500, 8_000);
                    self.cloud.delete(key, takes, self.now);
                }
                Ok(Receipt::Done)
            }
        }
    }

    fn create(&mut self, wanted: &WantedChangeSet) -> Result<Receipt, Refusal> {
        let digest = match &wanted.template {
            TemplateSource::Bucket(bucket, key) => self.assets.get(&format!("{bucket}/{key}")).copied(),
            TemplateSource::Inline(text) => Some(Digest::of(text.as_bytes())),
        };
        let known = |d: Digest| match (bundle::TEMPLATES.get(&d), &wanted.template) {
            (Some(template), _) => Some((d, Arc::clone(template))),
            (None, TemplateSource::Inline(text)) => {
                Template::parse(text.as_bytes(), &wanted.key).ok().map(|t| (d, Arc::new(t)))
            }
            (None, TemplateSource::Bucket(..)) => None,
        };
        let template = digest.and_then(known);
        let Some((digest, template)) = template else {
            return Err(refusal(RefusalKind::Invalid, "the template is not there"));
        };
        let fate = Fate {
            takes: self.luck.millis(500, 3_000) + SignedDuration::from_millis(100),
            fails: self.luck.random.chance(self.luck.weather.fails / 4),
        };
        let reads = self.stale_reads();
        let is_new = !self.cloud.stacks.contains_key(&wanted.key);
        let fresh = (self.protocol == Protocol::FreshNames).then(|| {
            let name = ChangeSetName::ours(&Digest::of(format!("{} {}", wanted.name, self.moment)));
            WantedChangeSet { name, ..wanted.clone() }
        });
        let wanted = fresh.as_ref().unwrap_or(wanted);
        let to = Deployed { template, digest, given: self.cloud.given(wanted) };
        let (arn, id) = self.cloud.create_set(wanted, to, fate, self.now)?;
        if is_new && reads > 0 {
            self.cloud.stale.insert(wanted.key.clone(), (None, reads));
        }
        debug_assert!(
            self.cloud.stacks.get(&wanted.key).is_some_and(|s| s.status != StackStatus::DeleteComplete)
        );
        self.happened.push(Happened::SetMade(wanted.key.clone()));
        Ok(Receipt::ChangeSet(arn, id))
    }
}

/// What a stack puts out: something that tells what is deployed.
fn outputs(deployed: &Deployed) -> BTreeMap<String, Hidden> {
    let named = deployed.template.json.get("Outputs").and_then(|o| o.as_object());
    let keys = named.into_iter().flat_map(|o| o.keys());
    keys.map(|key| (key.clone(), Hidden::new(format!("{key} of {}", deployed.digest.short(12))))).collect()
}

fn refusal(kind: RefusalKind, message: &str) -> Refusal {
    Refusal { kind, message: message.to_owned() }
}

/// The change set's name in an ARN.
fn name_in(arn: &str) -> Option<ChangeSetName> {
    arn.split('/').nth(1)?.parse().ok()
}
