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
    effect::{Held, ImageRef, LiveGate, OutputsRecord, PlanVersion, Seen, SetRef, SourceSeen, ValueSource},
    stack::{ChangeSetRow, Drift, FailedResource, SetContent, StackRow},
    words::{ChangeSetArn, ChangeSetName, Digest, Env, ReleaseId, StackId, StackKey},
};

mod hushed;
mod note;
mod refused;

#[cfg(test)]
pub(crate) use self::refused::TRIES;
pub use refused::Refused;

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
    pub discarded: BTreeMap<(StackKey, ChangeSetName), Discarded>,
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
    /// The change sets that CloudFormation has told us to have made for us. A crash forgets them.
    pub made: BTreeSet<ChangeSetArn>,
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

/// Why a change set was deleted that could have been kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Discarded {
    /// It had failed, as CloudFormation says.
    Failed(String),
    /// Something stood against executing it, as we say.
    Withdrawn(String),
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

impl Facts {
    /// Takes in a row from elsewhere (the poll of a region). Older never replaces newer.
    pub fn learn_stack(&mut self, key: &StackKey, seen: Seen<StackRow>) {
        let slot = self.stacks.entry(key.clone()).or_default();
        if seen.as_of() > slot.as_of() {
            *slot = seen;
        }
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

    /// Whether a change set of that name was there and was deleted by us.
    #[must_use]
    pub fn has_withdrawn(&self, stack: &StackKey, name: &ChangeSetName) -> bool {
        let set = (stack.clone(), name.clone());
        self.discarded.contains_key(&set) || self.empty.contains(&set)
    }
}

/// The age of a plan's version. Kubernetes ≥ 1.35 guarantees that resource versions of one resource type compare as
/// numbers; older ones do so with etcd.
pub(crate) fn version(plan: &ChangePlan) -> u128 {
    plan.metadata.resource_version.as_deref().and_then(|v| v.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::{Effect, Outcome, Receipt, Record};

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
