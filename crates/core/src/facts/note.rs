//! What an effect leaves in the memory.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Coming, Detection, Discarded, Facts, Looked, Refused, SeenGate, SourceLook};
use crate::{
    change::Hidden,
    effect::{
        Effect, Fact, Look, Mutation, Outcome, Receipt, Record, Refusal, RefusalKind, Seen, SetRef,
        ValueSource,
    },
    stack::SetState,
    words::{ChangeSetArn, StackKey},
};

/// How many values that Secrets held before are remembered.
const FORMER_SECRETS: usize = 256;

impl Facts {
    /// Takes in what came of an effect that began at `started` and ended at `now`.
    pub fn note(&mut self, effect: &Effect, outcome: Outcome, started: Timestamp, now: Timestamp) {
        if matches!(effect, Effect::Record(Record::OpenPlan(_) | Record::Ledger { .. })) {
            // Claim, then look: what was seen of the gate before a record does not count after it, also where the reply
            // was lost and the watch tells of it.
            self.gate = None;
        }
        match outcome {
            Outcome::Refused(refusal) => {
                self.forget_what_a_refusal_contradicts(effect, refusal.kind);
                let key = effect.attempt();
                let times = self.refusals.get(&key).map_or(1, |r| r.times.saturating_add(1));
                self.refusals.insert(key, Refused { refusal, at: now, times });
            }
            Outcome::Unsure(why) => {
                self.remember_withdrawal(effect);
                self.forget_target(effect);
                let refusal = Refusal { kind: RefusalKind::Unavailable, message: why };
                let key = effect.attempt();
                let times = self.refusals.get(&key).map_or(1, |r| r.times.saturating_add(1));
                self.refusals.insert(key, Refused { refusal, at: now, times });
            }
            Outcome::Learnt(fact) => {
                if !self.refusals.is_empty() {
                    self.refusals.remove(&effect.attempt());
                }
                if let Effect::Look(look) = effect {
                    self.learn(look, fact, started);
                }
            }
            Outcome::Accepted(receipt) => {
                // Also what was refused on other versions of the object.
                if !self.refusals.is_empty() {
                    let same = effect.key();
                    self.refusals.retain(|attempt, _| !attempt.starts_with(&same));
                }
                self.accepted(effect, receipt, now);
            }
        }
    }

    fn learn(&mut self, look: &Look, fact: Fact, at: Timestamp) {
        match (look, fact) {
            (Look::Stack(k, _), Fact::Stack(row)) => self.learn_stack(k, seen(row, at)),
            (Look::ChangeSet(k, r, _), Fact::ChangeSet(row)) => {
                if let (SetRef::Arn(arn), None) = (r, &row) {
                    // What was remembered of it by its name is gone, too.
                    self.forget_set(k, arn);
                }
                let slot = self
                    .change_sets
                    .entry((k.clone(), r.clone()))
                    .or_insert(Looked { seen: Seen::Unknown, times: 0 });
                slot.times = slot.times.saturating_add(1);
                slot.seen = seen(row, at);
                self.forget_contents_of_what_is_gone();
            }
            (Look::SetContent(_, arn, ..), Fact::SetContent(Some(content))) => {
                self.contents.insert(arn.clone(), content);
            }
            (Look::SetContent(k, arn, ..), Fact::SetContent(None)) => self.forget_set(k, arn),
            (Look::Template(_, id, updated, _), Fact::Template(t)) => {
                self.templates.retain(|(stack, _), _| stack != id);
                self.templates.insert((id.clone(), *updated), seen(t, at));
            }
            (Look::Failure(_, id, _), Fact::Failure(f)) => {
                self.failures.insert(id.clone(), f);
            }
            (Look::DetectDrift(_, stack, _), Fact::DriftDetection(id)) => {
                let detection = Detection { id, begun: at, at, times: 1 };
                self.detections.insert(stack.clone(), detection);
            }
            (Look::Drift(_, stack, ..), Fact::Drift(Some(drift))) => {
                self.detections.remove(stack);
                self.drifts.insert(stack.clone(), (drift, at));
            }
            (Look::Drift(_, stack, ..), Fact::Drift(None)) => {
                if let Some(detection) = self.detections.get_mut(stack) {
                    (detection.at, detection.times) = (at, detection.times.saturating_add(1));
                }
            }
            (Look::Toolkit(env, parameter, _), Fact::Toolkit(v)) => {
                self.toolkits.insert((env.clone(), parameter.clone()), seen(v, at));
            }
            (Look::Source(source, request, _), Fact::Source(seen)) => {
                self.source = Some(SourceLook { source: source.clone(), request: request.clone(), seen, at });
            }
            (Look::Bundle(p, _), Fact::Bundle(b)) => {
                // One release at a time is worked on; others are fetched again when they are needed.
                self.bundles.retain(|k, _| k == p);
                self.releases.retain(|k, _| k == p);
                if let Ok(bundle) = &b {
                    self.releases.insert(p.clone(), bundle.release());
                }
                self.bundles.insert(p.clone(), b);
            }
            (Look::ReleaseId { source, cdk_stage, given, .. }, Fact::ReleaseId(id)) => {
                let (source, cdk_stage, given) = (source.clone(), cdk_stage.clone(), given.clone());
                self.coming = Some(Coming { source, cdk_stage, given, id });
            }
            (Look::Outputs(_, id, updated, _), Fact::Outputs(all)) => {
                self.outputs.retain(|(stack, _), _| stack != id);
                self.outputs.insert((id.clone(), *updated), all);
            }
            (Look::Image(image, _), Fact::Image(there)) => {
                self.images.insert(image.clone(), seen(there.then_some(()), at));
            }
            (Look::Values(source), Fact::Values(held)) => {
                // With other keys it is another question.
                let of_this = |old: &ValueSource| (old.kind, &old.name) == (source.kind, &source.name);
                let held_before = self.secrets(of_this).filter(|v| !self.former_secrets.contains(v));
                let held_before: Vec<Hidden> = held_before.cloned().collect();
                self.former_secrets.extend(held_before);
                let more = self.former_secrets.len().saturating_sub(FORMER_SECRETS);
                self.former_secrets.drain(..more);
                self.values.retain(|old, _| !of_this(old));
                self.values.insert(source.clone(), seen(held, at));
            }
            (Look::LiveGate { plan, .. }, Fact::LiveGate(g)) => {
                self.gate = Some(SeenGate { live: *g, at, after: plan.clone() });
            }
            // A fact of another kind than was asked for is a mistake of the performer; it teaches nothing.
            _ => {}
        }
    }

    fn forget_set(&mut self, k: &StackKey, arn: &ChangeSetArn) {
        self.change_sets.retain(|(key, _), looked| {
            key != k || !matches!(&looked.seen, Seen::Present(old, _) if old.arn == *arn)
        });
        self.forget_contents_of_what_is_gone();
    }

    fn forget_contents_of_what_is_gone(&mut self) {
        let sets = &self.change_sets;
        self.contents.retain(|arn, _| {
            sets.values().any(|l| matches!(&l.seen, Seen::Present(row, _) if row.arn == *arn))
        });
    }

    fn accepted(&mut self, effect: &Effect, receipt: Receipt, now: Timestamp) {
        match effect {
            Effect::Record(Record::Finalizer { resource_version, .. }) => {
                self.finalizer_written = Some(resource_version.clone());
            }
            Effect::Record(Record::Outputs(written)) => {
                self.outputs_written = Some((**written).clone());
            }
            Effect::Record(Record::OpenPlan(_) | Record::Ledger { .. }) => {
                self.discarded.clear();
                if let Receipt::Plan(plan) = receipt
                    && let Some(name) = plan.metadata.name.clone()
                {
                    self.plans_written.insert(name.clone(), now);
                    self.plans.insert(name, Arc::from(plan));
                }
            }
            Effect::Mutate(Mutation::Publish(u)) => {
                self.published.insert((u.bucket.to_string(), u.key.clone(), u.asset.digest));
            }
            Effect::Mutate(Mutation::PushImage(u)) => {
                self.pushed.insert((u.to.clone(), u.image.digest()));
            }
            Effect::Mutate(Mutation::CreateChangeSet(w)) => {
                self.change_sets.remove(&(w.key.clone(), SetRef::Name(w.name.clone())));
                if let Receipt::ChangeSet(arn, _) = receipt {
                    self.made.insert(arn);
                }
            }
            Effect::Mutate(Mutation::Execute(k, arn, _)) => {
                self.made.remove(arn.get());
                self.executed.insert(arn.get().clone(), now);
                self.failures.clear();
                self.stacks.remove(k);
            }
            Effect::Mutate(Mutation::DeleteChangeSet(k, arn, ..)) => {
                self.made.remove(arn);
                self.remember_withdrawal(effect);
                for ((key, r), looked) in &mut self.change_sets {
                    let same = match (r, &looked.seen) {
                        (SetRef::Arn(a), _) => a == arn,
                        (SetRef::Name(_), Seen::Present(row, _)) => row.arn == *arn,
                        (SetRef::Name(_), Seen::Unknown | Seen::Absent(_)) => false,
                    };
                    if key == k && same {
                        looked.seen = Seen::Absent(now);
                    }
                }
                self.stacks.remove(k);
            }
            Effect::Mutate(Mutation::DeleteStack(k, id, _)) => {
                self.deleted.insert(id.get().clone(), now);
                self.failures.remove(id.get());
                self.stacks.remove(k);
                // They go with it.
                self.change_sets.retain(|(key, _), _| key != k);
                self.forget_contents_of_what_is_gone();
            }
            Effect::Mutate(Mutation::Protect(k, ..)) => {
                self.stacks.remove(k);
            }
            Effect::Look(_) => {}
        }
    }

    /// After a reply that leaves things open, what was known of the target holds no longer: a look has to tell.
    fn forget_target(&mut self, effect: &Effect) {
        match effect {
            Effect::Mutate(Mutation::CreateChangeSet(w)) => {
                self.change_sets.remove(&(w.key.clone(), SetRef::Name(w.name.clone())));
                // Perhaps somebody has tidied the bucket: what lies there is looked at again.
                self.published.clear();
                self.pushed.clear();
            }
            Effect::Mutate(
                Mutation::Execute(k, ..)
                | Mutation::DeleteChangeSet(k, ..)
                | Mutation::DeleteStack(k, ..)
                | Mutation::Protect(k, ..),
            ) => {
                self.stacks.remove(k);
                self.change_sets.retain(|(key, _), _| key != k);
            }
            Effect::Look(Look::Drift(_, stack, ..)) => {
                self.detections.remove(stack);
            }
            Effect::Mutate(Mutation::Publish(_) | Mutation::PushImage(_))
            | Effect::Look(_)
            | Effect::Record(_) => {}
        }
    }

    /// Keeps in mind that we have asked for the deletion of a change set that was there, whether it came about or not: else it would
    /// be made and deleted as often as a reply is lost, and nobody would know whose place the stack was.
    fn remember_withdrawal(&mut self, effect: &Effect) {
        let Effect::Mutate(Mutation::DeleteChangeSet(stack, arn, why, _)) = effect else { return };
        for ((key, _), looked) in &self.change_sets {
            let Seen::Present(row, _) = &looked.seen else { continue };
            if key != stack || row.arn != *arn {
                continue;
            }
            let name = (key.clone(), row.name.clone());
            match row.state() {
                SetState::Empty => {
                    self.empty.insert(name);
                }
                SetState::Failed => {
                    self.discarded.insert(name, Discarded::Failed(row.reason.clone()));
                }
                SetState::Ready | SetState::Preparing => {
                    self.discarded.insert(name, Discarded::Withdrawn(why.clone()));
                }
                SetState::Executing | SetState::Executed | SetState::Obsolete | SetState::Gone => {}
            }
        }
    }

    fn forget_what_a_refusal_contradicts(&mut self, effect: &Effect, kind: RefusalKind) {
        match kind {
            RefusalKind::NotFound => {
                if let Effect::Record(Record::Ledger { plan, .. }) = effect {
                    self.plans.remove(plan);
                    self.plans_written.remove(plan);
                }
                self.remember_withdrawal(effect);
                self.forget_target(effect);
            }
            RefusalKind::AlreadyExists | RefusalKind::Conflict | RefusalKind::Invalid => {
                self.forget_target(effect)
            }
            RefusalKind::Throttled
            | RefusalKind::Unavailable
            | RefusalKind::AssumeDenied
            | RefusalKind::Denied
            | RefusalKind::WrongAccount
            | RefusalKind::AssetKeyTaken => {}
        }
    }
}

fn seen<T>(value: Option<T>, at: Timestamp) -> Seen<T> {
    match value {
        Some(v) => Seen::Present(v, at),
        None => Seen::Absent(at),
    }
}
