//! What the controller remembers between passes of one object: all of it may be lost at any moment.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{ChangePlan, PinnedSource, S3Source},
    bundle::Bundle,
    change::{Given, Hidden},
    effect::{
        Effect, Fact, Held, ImageRef, LiveGate, Look, Mutation, Outcome, OutputsRecord, PlanVersion, Receipt,
        Record, Refusal, RefusalKind, Seen, SetRef, SourceSeen, ValueKind, ValueSource,
    },
    hush::{self, UNSHOWN},
    stack::{ChangeSetRow, Drift, FailedResource, SetContent, SetState, StackRow},
    words::{ChangeSetArn, ChangeSetName, Digest, Env, ReleaseId, StackId, StackKey},
};

/// How long a watch may be behind our own writes.
pub const CATCHES_UP: SignedDuration = SignedDuration::from_secs(60);

/// The volatile memory of one object.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Stacks, newest look each.
    pub stacks: BTreeMap<StackKey, Seen<StackRow>>,
    /// Change sets, by name or by ARN as they were asked for.
    pub change_sets: BTreeMap<(StackKey, SetRef), Looked<ChangeSetRow>>,
    /// What change sets hold, by ARN: under the same ARN it never changes, and is asked once. Never by name: a change set
    /// that is made again may hold something else.
    pub contents: BTreeMap<ChangeSetArn, SetContent>,
    /// Change sets that were found empty and whose deletion was asked for: nothing differs.
    pub empty: BTreeSet<(StackKey, ChangeSetName)>,
    /// Change sets that were deleted though they could have been kept, and why: they cannot be used. Holds until the next
    /// record, which says what follows from it.
    pub discarded: BTreeMap<(StackKey, ChangeSetName), String>,
    /// Templates of deployed stacks, each as it was updated then.
    pub templates: BTreeMap<(StackId, Timestamp), Seen<Arc<str>>>,
    /// Why the last operation failed; an execution forgets it. No time of ours is held against one of AWS.
    pub failures: BTreeMap<StackId, Option<FailedResource>>,
    /// Detections of drift that have begun, by StackId.
    pub detections: BTreeMap<StackId, Detection>,
    /// What came of the last one, and when that was looked at.
    pub drifts: BTreeMap<StackId, (Drift, Timestamp)>,
    /// Bootstrap versions, by the parameter that holds them.
    pub toolkits: BTreeMap<(Env, String), Seen<u32>>,
    /// The source as last seen.
    pub source: Option<SourceLook>,
    /// Assemblies, or why they are none. An assembly is large: it is forgotten when the object rests.
    pub bundles: BTreeMap<PinnedSource, Result<Arc<Bundle>, String>>,
    /// What the assembly that was fetched last is called.
    pub releases: BTreeMap<PinnedSource, Digest>,
    /// What stacks put out, each as it was updated then.
    pub outputs: BTreeMap<(StackId, Timestamp), BTreeMap<String, Hidden>>,
    /// What the ConfigMap with outputs holds, as we have written it.
    pub outputs_written: Option<OutputsRecord>,
    /// Images that were looked for.
    pub images: BTreeMap<ImageRef, Seen<()>>,
    /// What ConfigMaps and Secrets hold for the Stage.
    pub values: BTreeMap<ValueSource, Seen<Held>>,
    /// What Secrets held before: AWS may still speak of it.
    pub former_secrets: Vec<Hidden>,
    /// The id of the release that comes next.
    pub coming: Option<Coming>,
    /// The gate, live.
    pub gate: Option<SeenGate>,
    /// Assets that lie in their bucket: bucket, key and the digest of the entries.
    pub published: BTreeSet<(String, String, Digest)>,
    /// Images that lie in their repository, with the digest of what was copied there.
    pub pushed: BTreeSet<(ImageRef, Digest)>,
    /// When an accepted deletion of a stack was asked for.
    pub deleted: BTreeMap<StackId, Timestamp>,
    /// When an accepted execution was asked for.
    pub executed: BTreeMap<ChangeSetArn, Timestamp>,
    /// The resourceVersion of the object that our finalizer was written to; the watch may be behind.
    pub finalizer_written: Option<String>,
    /// Plans as our own writes left them; the watch may be behind.
    pub plans: BTreeMap<String, Arc<ChangePlan>>,
    /// When those writes were made.
    pub plans_written: BTreeMap<String, Timestamp>,
    /// Those of them that the watch has shown in an older version, by name and UID.
    pub plans_shown: BTreeSet<(String, String)>,
    /// What was refused, by [`Effect::attempt`].
    pub refusals: BTreeMap<String, Refused>,
}

/// A detection of drift that goes on.
#[derive(Clone, Debug)]
pub struct Detection {
    /// Its id.
    pub id: String,
    /// When it began.
    pub begun: Timestamp,
    /// When it was looked at last.
    pub at: Timestamp,
    /// How often.
    pub times: u32,
}

/// A release that is not planned yet, and its id.
#[derive(Clone, Debug)]
pub struct Coming {
    /// The release.
    pub source: PinnedSource,
    /// The CDK Stage that the id is for.
    pub cdk_stage: Option<String>,
    /// The parameter values that the Stage gives.
    pub given: Given,
    /// The id; `None`: it has none.
    pub id: Option<ReleaseId>,
}

/// The gate as a look showed it.
#[derive(Clone, Debug)]
pub struct SeenGate {
    /// What was seen.
    pub live: LiveGate,
    /// When the looking began.
    pub at: Timestamp,
    /// The plan that the looking came after: a claim in it was there by then.
    pub after: PlanVersion,
}

/// A thing that is asked for again and again until it is ready.
#[derive(Clone, Debug)]
pub struct Looked<T> {
    /// What was seen last.
    pub seen: Seen<T>,
    /// How often it was looked at without anything happening in between.
    pub times: u32,
}

/// One look at a source.
#[derive(Clone, Debug)]
pub struct SourceLook {
    /// What was looked at.
    pub source: S3Source,
    /// On whose request, if anybody asked.
    pub request: Option<String>,
    /// What was seen.
    pub seen: SourceSeen,
    /// When the looking began.
    pub at: Timestamp,
}

/// A refusal, and how often it came in a row.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The last one.
    pub refusal: Refusal,
    /// When it came.
    pub at: Timestamp,
    /// How many in a row.
    pub times: u32,
}

impl Refused {
    /// When the same effect may be tried again: 1 s doubling to 60 s where that may help by itself, else doubling to 5 minutes,
    /// from 15 s; from 2 s where a right was missing: rights come into force a little later than they are given, in IAM as in
    /// an API server that has just started.
    #[must_use]
    pub fn retry_at(&self) -> Timestamp {
        let (first, most) = match self.refusal.kind {
            RefusalKind::Throttled | RefusalKind::Unavailable | RefusalKind::Conflict => (1, 60),
            RefusalKind::AssumeDenied | RefusalKind::Denied => (2, 300),
            RefusalKind::WrongAccount
            | RefusalKind::NotFound
            | RefusalKind::AlreadyExists
            | RefusalKind::AssetKeyTaken
            | RefusalKind::Invalid => (15, 300),
        };
        let secs = i64::min(first << self.times.saturating_sub(1).min(10), most);
        self.at.saturating_add(SignedDuration::from_secs(secs)).unwrap_or(self.at)
    }
}

/// How many values that Secrets held before are remembered.
const FORMER_SECRETS: usize = 256;

impl Facts {
    /// Takes in a row from elsewhere (the poll of a region). Older never replaces newer.
    pub fn learn_stack(&mut self, key: &StackKey, seen: Seen<StackRow>) {
        let slot = self.stacks.entry(key.clone()).or_default();
        if seen.as_of() > slot.as_of() {
            *slot = seen;
        }
    }

    /// The text without what it shares with the values that Secrets hold for the object: parts of them, and what they look like
    /// encoded, too.
    #[must_use]
    pub fn hush(&self, text: String) -> String {
        let all = self.secrets(|_| true).chain(&self.former_secrets).map(Hidden::reveal);
        hush::hush(text, all)
    }

    /// What came of an effect, as it may be remembered, logged and shown: AWS may repeat values that it was given, now or earlier.
    #[must_use]
    pub fn hushed(&self, effect: &Effect, outcome: Outcome) -> Outcome {
        let unshown = |what: &str| {
            let give = match effect {
                Effect::Mutate(Mutation::CreateChangeSet(_)) => {
                    "give all parameters of the stack in spec.parameters of the Stage, or "
                }
                Effect::Mutate(_) | Effect::Look(_) | Effect::Record(_) => "",
            };
            format!("{what}: {UNSHOWN}; {give}see the call in CloudTrail with your own rights")
        };
        match outcome {
            Outcome::Refused(Refusal { kind, .. }) if self.is_quiet(effect, Some(kind)) => {
                Outcome::Refused(Refusal { kind, message: unshown(&format!("refused ({kind:?})")) })
            }
            Outcome::Unsure(_) if self.is_quiet(effect, None) => Outcome::Unsure(unshown("no clear answer")),
            Outcome::Refused(r) => Outcome::Refused(Refusal { message: self.hush(r.message), ..r }),
            Outcome::Unsure(why) => Outcome::Unsure(self.hush(why)),
            Outcome::Learnt(Fact::ChangeSet(Some(row))) => {
                Outcome::Learnt(Fact::ChangeSet(Some(ChangeSetRow { reason: self.hush(row.reason), ..row })))
            }
            Outcome::Learnt(Fact::Failure(Some(f))) => {
                Outcome::Learnt(Fact::Failure(Some(FailedResource { reason: self.hush(f.reason), ..f })))
            }
            Outcome::Learnt(Fact::Drift(Some(Drift::Failed(why)))) => {
                Outcome::Learnt(Fact::Drift(Some(Drift::Failed(self.hush(why)))))
            }
            Outcome::Learnt(_) | Outcome::Accepted(_) => outcome,
        }
    }

    /// Whether an answer may hold a secret value that is not known here. `None`: no clear answer.
    fn is_quiet(&self, effect: &Effect, kind: Option<RefusalKind>) -> bool {
        // The codes of these tell all, before anybody has read a parameter: nothing of it stands there, and people need the words.
        let about_the_call = match kind {
            Some(
                RefusalKind::Throttled
                | RefusalKind::Unavailable
                | RefusalKind::AssumeDenied
                | RefusalKind::Denied
                | RefusalKind::WrongAccount
                | RefusalKind::AssetKeyTaken,
            ) => true,
            Some(
                RefusalKind::NotFound
                | RefusalKind::AlreadyExists
                | RefusalKind::Conflict
                | RefusalKind::Invalid,
            )
            | None => false,
        };
        match effect {
            Effect::Mutate(Mutation::CreateChangeSet(wanted)) => wanted.quiet && !about_the_call,
            // It begins with the values that the stack has; without a look nobody can tell.
            Effect::Mutate(Mutation::Execute(key, ..)) => match (kind, self.stacks.get(key)) {
                (None | Some(RefusalKind::Invalid), Some(Seen::Present(row, _))) => !row.masked.is_empty(),
                (None | Some(RefusalKind::Invalid), Some(Seen::Absent(_))) => false,
                (None | Some(RefusalKind::Invalid), Some(Seen::Unknown) | None) => true,
                (Some(_), _) => false,
            },
            // Names and states are all that these take and tell.
            Effect::Mutate(
                Mutation::Publish(_)
                | Mutation::PushImage(_)
                | Mutation::DeleteChangeSet(..)
                | Mutation::Protect(..)
                | Mutation::DeleteStack(..),
            )
            | Effect::Look(_)
            | Effect::Record(_) => false,
        }
    }

    /// The values that these Secrets hold, as far as they were read.
    fn secrets(&self, of: impl Fn(&ValueSource) -> bool) -> impl Iterator<Item = &Hidden> {
        let read =
            self.values.iter().filter(move |(source, _)| source.kind == ValueKind::Secret && of(source));
        let held = read.filter_map(|(_, seen)| match seen {
            Seen::Present(held, _) => Some(held.values.values()),
            Seen::Absent(_) | Seen::Unknown => None,
        });
        held.flatten()
    }

    /// The object rests: nothing goes on until something changes. What is large and can be asked for again is forgotten: the
    /// assembly, and once all is done change lists and templates. What was found out about them stays, since planning may
    /// have stopped half-way: else it would make and delete the same empty change set again and again.
    pub fn rest(&mut self, done: bool) {
        self.bundles.retain(|_, bundle| bundle.is_err());
        if done {
            self.change_sets.clear();
            self.templates.clear();
        }
    }

    /// Takes in the plans that the watch shows. Our own writes are remembered until it has caught up with them: what it has
    /// shown once and shows no longer was deleted; and what it has not shown by [`CATCHES_UP`] is not there any more, since somebody has
    /// put the API server back to an older revision. (Whoever forgets too early is where a restart would be.)
    pub fn watch_shows(&mut self, watched: &[Arc<ChangePlan>], now: Timestamp) {
        let (shown, written) = (&mut self.plans_shown, &self.plans_written);
        self.plans.retain(|name, ours| {
            if written.get(name).is_none_or(|at| now.duration_since(*at) >= CATCHES_UP) {
                return false;
            }
            let uid = ours.metadata.uid.clone().unwrap_or_default();
            let id = (name.clone(), uid);
            let same = |w: &&Arc<ChangePlan>| {
                w.metadata.name.as_ref() == Some(name) && w.metadata.uid == ours.metadata.uid
            };
            match watched.iter().find(same) {
                Some(w) if version(w) >= version(ours) => false,
                Some(_) => {
                    shown.insert(id);
                    true
                }
                None => !shown.contains(&id),
            }
        });
        let plans = &self.plans;
        self.plans_written.retain(|name, _| plans.contains_key(name));
        shown.retain(|(name, uid)| {
            plans.get(name).is_some_and(|p| p.metadata.uid.as_deref().unwrap_or_default() == uid)
        });
    }

    /// When the watch has to have caught up with our own writes.
    #[must_use]
    pub fn watch_is_due(&self) -> Option<Timestamp> {
        self.plans_written.values().min()?.checked_add(CATCHES_UP).ok()
    }

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
                if let Effect::Mutate(Mutation::DeleteChangeSet(k, arn, _)) = effect {
                    self.remember_withdrawal(k, arn);
                }
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
            }
            Effect::Mutate(Mutation::Execute(k, arn, _)) => {
                self.executed.insert(arn.get().clone(), now);
                self.failures.clear();
                self.stacks.remove(k);
            }
            Effect::Mutate(Mutation::DeleteChangeSet(k, arn, _)) => {
                self.remember_withdrawal(k, arn);
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

    /// Whether a change set of that name was there and was deleted by us.
    #[must_use]
    pub fn has_withdrawn(&self, stack: &StackKey, name: &ChangeSetName) -> bool {
        let set = (stack.clone(), name.clone());
        self.discarded.contains_key(&set) || self.empty.contains(&set)
    }

    /// A change set was there, and we have asked for its deletion. Whether that is known to have come about or not: else it would
    /// be made and deleted as often as a reply is lost, and nobody would know whose place the stack was.
    fn remember_withdrawal(&mut self, stack: &StackKey, arn: &ChangeSetArn) {
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
                    self.discarded.insert(name, row.reason.clone());
                }
                SetState::Ready | SetState::Preparing => {
                    self.discarded.insert(name, "it was withdrawn".to_owned());
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
                if let Effect::Mutate(Mutation::DeleteChangeSet(k, arn, _)) = effect {
                    self.remember_withdrawal(k, arn);
                }
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

/// The age of a plan's version. Kubernetes ≥ 1.35 guarantees that resource versions of one resource type compare as
/// numbers; older ones do so with etcd.
pub(crate) fn version(plan: &ChangePlan) -> u128 {
    plan.metadata.resource_version.as_deref().and_then(|v| v.parse().ok()).unwrap_or(0)
}

fn seen<T>(value: Option<T>, at: Timestamp) -> Seen<T> {
    match value {
        Some(v) => Seen::Present(v, at),
        None => Seen::Absent(at),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::effect::Refusal;

    #[rstest]
    #[case::passes_by_itself(RefusalKind::Throttled, [1, 2, 4, 60])]
    #[case::a_right_that_comes_into_force(RefusalKind::Denied, [2, 4, 8, 300])]
    #[case::somebody_has_to_act(RefusalKind::Invalid, [15, 30, 60, 300])]
    fn what_was_refused_is_tried_again(#[case] kind: RefusalKind, #[case] seconds: [i64; 4]) {
        let at = Timestamp::UNIX_EPOCH;
        for (times, seconds) in [1, 2, 3, 30].into_iter().zip(seconds) {
            let refused = Refused { refusal: Refusal { kind, message: String::new() }, at, times };
            assert_eq!(refused.retry_at().duration_since(at).as_secs(), seconds);
        }
    }

    #[test]
    fn a_plan_that_the_watch_never_shows_is_not_believed_in_for_ever() {
        let plan = |version: &str| {
            let spec = serde_json::json!({"apiVersion": "stackgate.dev/v1alpha1", "kind": "ChangePlan",
                "metadata": {"name": "prod-0", "uid": "u", "resourceVersion": version},
                "spec": {"ledger": [], "proposal": {"kind": "Stage", "name": "prod", "uid": "u", "operation": "Deploy",
                    "id": format!("c1-{}", "0".repeat(40))}}});
            serde_json::from_value::<ChangePlan>(spec).unwrap()
        };
        let ledger = Effect::Record(Record::Ledger {
            namespace: "shop".to_owned(),
            plan: "prod-0".to_owned(),
            resource_version: "6".to_owned(),
            entries: Vec::new(),
        });
        let at = |s| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(s);
        let mut facts = Facts::default();
        facts.note(&ledger, Outcome::Accepted(Receipt::Plan(Box::new(plan("7")))), at(0), at(1));
        let behind = [Arc::new(plan("5"))];
        facts.watch_shows(&behind, at(60));
        assert_eq!((facts.plans.len(), facts.watch_is_due()), (1, Some(at(61))));
        facts.watch_shows(&behind, at(61));
        assert_eq!((facts.plans.len(), facts.watch_is_due()), (0, None));
    }
}
