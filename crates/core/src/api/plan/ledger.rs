//! What happened to a plan, entry by entry: it only grows.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{ReleaseRef, RiskClass},
    plain::plain,
    stack::ChangeSetRow,
    words::{AccountId, ChangeSetArn, DecisionId, Digest, Env, Region, StackId, StackKey, StackName},
};

/// One thing that happened. Exactly one of the fields from `opened` to `closed` is set.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LedgerEntry {
    /// Its place in the list, from 0.
    #[schemars(range(min = 0, max = 1023))]
    pub seq: u32,
    /// When the controller wrote it.
    pub time: Time,
    /// The plan was opened, or came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened: Option<Opened>,
    /// Somebody decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Decided>,
    /// A check reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<Checked>,
    /// Stacks were claimed: from here on they may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed: Option<Claimed>,
    /// A stack came to an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
    /// The plan will not run (any more), its change sets are gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
    /// Proves that the controller wrote it: a keyed hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<Digest>,
}

/// The plan is the newest of its Stage or Bootstrap from here on.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    /// Counts the openings of all plans of the Stage or Bootstrap: the highest is the newest.
    pub order: u64,
    /// The release that it is opened for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseRef>,
    /// The last request to plan anew that this answers (annotation `stackgate.dev/requestedAt` of the Stage or Bootstrap).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub request: Option<String>,
    /// The CDK Stage that it is opened for; absent for the stacks at the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub cdk_stage: Option<String>,
    /// Stands for the parameter values that the Stage gives, by a keyed hash; absent where it gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Digest>,
    /// Whether any of these values comes from a Secret.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secrets: bool,
    /// The stacks that are ours, carried forward from the plan before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub owned: Vec<OwnedStack>,
    /// They are those of the opening before, and not told again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub owned_as_before: bool,
    /// Annotations that approved or overrode it while it was closed, by digest (UID of their object, key and value): they do not count.
    /// Nobody knows how old they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub stood: Vec<Digest>,
}

/// A stack of ours, as we last left it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct OwnedStack {
    /// The account id.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// The stack's name.
    pub stack_name: StackName,
    /// Its StackId.
    #[serde(rename = "stackID")]
    pub stack_id: StackId,
    /// When it was last updated by us; absent while not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_time: Option<MicroTime>,
    /// The input that was last deployed; absent while not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Digest>,
}

impl OwnedStack {
    /// A stack of which nothing more is known yet.
    #[must_use]
    pub fn of(key: &StackKey, stack_id: StackId) -> Self {
        Self {
            account: key.env.account.clone(),
            region: key.env.region.clone(),
            stack_name: key.name.clone(),
            stack_id,
            updated_time: None,
            input: None,
        }
    }
}

/// What somebody wants.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Let it run.
    Approve,
    /// Never let it run.
    Reject,
    /// Take back the own approvals: of this plan before it is claimed, or while a change of toolkit stacks goes out; and what was given
    /// beforehand, or for a change that is tried again, whichever plan of the Stage or Bootstrap keeps it.
    Revoke,
    /// Plan anew what was rolled back, and let the approvals count if nothing else has changed.
    Retry,
    /// Start in spite of a Freeze; one approval is enough.
    Override,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 5] = [Self::Approve, Self::Reject, Self::Revoke, Self::Retry, Self::Override];

    /// The word of it in the key of an annotation, and in commands.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Revoke => "revoke",
            Self::Retry => "retry",
            Self::Override => "override",
        }
    }
}

/// How sure we are who it was.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The API server made sure that `by` is who wrote the annotation.
    Verified,
    /// A GitOps controller that is listed wrote it; `by` is who it says has merged it.
    Git,
    /// `by` is what the annotation claims, nothing proves it.
    Unverified,
    /// The controller itself, by a rule.
    System,
}

/// On which object a decision was found.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecisionSource {
    /// The ChangePlan.
    ChangePlan,
    /// The Stage.
    Stage,
    /// A rule of the controller.
    Rule,
}

/// A decision, as first seen.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Decided {
    /// What is wanted.
    pub action: Action,
    /// Who says so; `system:auto` for the controller.
    #[schemars(length(max = 256))]
    pub by: String,
    /// Whether that is proven.
    pub identity: Identity,
    /// Where it was found.
    pub source: DecisionSource,
    /// The annotation's slot, empty for none.
    #[schemars(length(max = 40))]
    pub slot: String,
    /// The classes of risk that are acknowledged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 7))]
    pub acks: Vec<RiskClass>,
    /// The id that it named, where that is not the id of this plan: a release that was approved beforehand, or the change whose
    /// retry this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under: Option<DecisionId>,
    /// When it was first seen, where that was before this entry. Of a revoke: when the last approval was given that it takes back, where the
    /// clock says that this is yet to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Until when it counts; absent: as long as the gate says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Why, in the words of whoever decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    pub reason: Option<String>,
}

impl Decided {
    /// Who decided, for people.
    #[must_use]
    pub fn who(&self) -> String {
        if self.by.is_empty() { "somebody".to_owned() } else { user_name(&self.by) }
    }

    /// Who decided and why, in a few words.
    #[must_use]
    pub fn told(&self) -> String {
        let by = self.who();
        let how = match self.identity {
            Identity::Verified => "verified",
            Identity::Git => "in git",
            Identity::Unverified => "unverified",
            Identity::System => "by rule",
        };
        let why = self.reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default();
        format!("by {by} ({how}){why}")
    }

    /// Whether this is the same word of the same annotation; when it was seen, and what was known then of who wrote it,
    /// may differ.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        let Self { action, by, identity: _, source, slot, acks, under, since: _, until, reason } = self;
        *action == other.action
            && *by == other.by
            && *source == other.source
            && *slot == other.slot
            && *acks == other.acks
            && *under == other.under
            && *until == other.until
            && *reason == other.reason
    }
}

/// A user's name as it was before `;` and `%` were encoded for an annotation.
#[must_use]
pub fn user_name(by: &str) -> String {
    by.replace("%3B", ";").replace("%25", "%")
}

/// What a check says of a deployment.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckResult {
    /// All is well.
    Passed,
    /// It is not.
    Failed,
}

/// The report of a check, as first seen.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// The name of the check.
    #[schemars(length(max = 40))]
    pub name: String,
    /// What it says.
    pub result: CheckResult,
    /// Who reports.
    #[schemars(length(max = 256))]
    pub by: String,
    /// Whether that is proven.
    pub identity: Identity,
    /// Why, in the words of whoever reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    pub reason: Option<String>,
}

impl Checked {
    /// Whether this is the same report; what was known then of who wrote it may differ.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        let Self { name, result, by, identity: _, reason } = self;
        *name == other.name && *result == other.result && *by == other.by && *reason == other.reason
    }
}

/// Stacks that may run from here on.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Claimed {
    /// The stacks; none where all that changes is deferred.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub stacks: Vec<ClaimedStack>,
    /// How many approvals the gate wanted then; absent where it wanted none, and for what is claimed in the course of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<u32>,
}

/// One stack that may run, and the only change set that may.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ClaimedStack {
    /// The account id.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// The stack's name.
    pub stack_name: StackName,
    /// Its StackId: from here on the stack is ours.
    #[serde(rename = "stackID")]
    pub stack_id: StackId,
    /// The change set.
    #[serde(rename = "changeSetARN")]
    pub change_set_arn: ChangeSetArn,
    /// The leaf that the change set must still have.
    pub leaf: Digest,
    /// The input of the change set.
    pub input: Digest,
}

impl ClaimedStack {
    /// A claim of the stack at `key` for exactly this change set.
    #[must_use]
    pub fn of(key: &StackKey, set: &ChangeSetRow, leaf: Digest, input: Digest) -> Self {
        Self {
            account: key.env.account.clone(),
            region: key.env.region.clone(),
            stack_name: key.name.clone(),
            stack_id: set.stack_id.clone(),
            change_set_arn: set.arn.clone(),
            leaf,
            input,
        }
    }

    /// Where the stack lives.
    #[must_use]
    pub fn key(&self) -> StackKey {
        StackKey {
            env: Env { account: self.account.clone(), region: self.region.clone() },
            name: self.stack_name.clone(),
        }
    }
}

/// What is told, as far as the schema has room for it.
fn told(message: &str) -> String {
    plain(&message.chars().take(1000).collect::<String>())
}

/// How a stack came out.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettledAs {
    /// As planned.
    Succeeded,
    /// CloudFormation went back to what was there before.
    RolledBack,
    /// It failed, and is not back either.
    Failed,
    /// The stack is gone.
    Gone,
}

/// The end of one stack's operation.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Settled {
    /// The account id.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// The stack's name.
    pub stack_name: StackName,
    /// Its StackId.
    #[serde(rename = "stackID")]
    pub stack_id: StackId,
    /// How it came out.
    pub outcome: SettledAs,
    /// The stack's status, as CloudFormation says it.
    #[schemars(length(max = 64))]
    pub status: String,
    /// When it was last updated.
    pub updated_time: MicroTime,
    /// The first resource that failed and why, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}

impl Settled {
    /// The same with another message.
    #[must_use]
    pub fn saying(self, message: &str) -> Self {
        Self { message: Some(told(message)), ..self }
    }

    /// The end of an operation on the stack at `key`.
    #[must_use]
    pub fn of(
        key: &StackKey,
        stack_id: StackId,
        outcome: SettledAs,
        (status, updated): (&str, Timestamp),
        message: Option<String>,
    ) -> Self {
        Self {
            account: key.env.account.clone(),
            region: key.env.region.clone(),
            stack_name: key.name.clone(),
            stack_id,
            outcome,
            status: status.to_owned(),
            updated_time: MicroTime(updated),
            message: message.as_deref().map(told),
        }
    }

    /// Where the stack lives.
    #[must_use]
    pub fn key(&self) -> StackKey {
        StackKey {
            env: Env { account: self.account.clone(), region: self.region.clone() },
            name: self.stack_name.clone(),
        }
    }
}

/// Why a plan will not run.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Somebody rejected it.
    Rejected,
    /// A newer release, or a change of the stacks, took its place.
    Superseded,
    /// After the claim something stood against it.
    Withdrawn,
    /// A stack failed, so the rest was not started.
    Failed,
    /// It waited longer than `planTTL`.
    Expired,
}

/// The plan is closed: its change sets were deleted before this was written.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Closed {
    /// Why.
    pub reason: CloseReason,
    /// Why, in a sentence.
    #[schemars(length(max = 1024))]
    pub message: String,
}

impl Closed {
    /// The closing of a plan.
    #[must_use]
    pub fn of(reason: CloseReason, message: &str) -> Self {
        Self { reason, message: told(message) }
    }
}
