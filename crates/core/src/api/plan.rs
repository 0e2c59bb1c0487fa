//! `ChangePlan`: one proposed change, what was decided on it and what came of it. The durable record.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{assembly::ReleaseRef, gate::RiskClass};
use crate::stack::ChangeSetRow;
use crate::words::{
    AccountId, ChangeId, ChangeSetArn, DecisionId, Digest, Env, Qualifier, Region, ReleaseId, StackId,
    StackKey, StackName, Uid,
};

/// A proposed change. Written by the controller alone: the proposal never changes, the ledger only grows.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "stackgate.dev",
    version = "v1alpha1",
    kind = "ChangePlan",
    plural = "changeplans",
    shortname = "plan",
    category = "stackgate",
    namespaced,
    status = "ChangePlanStatus",
    derive = "PartialEq",
    printcolumn(name = "For", type_ = "string", json_path = ".spec.proposal.name"),
    printcolumn(name = "Op", type_ = "string", json_path = ".spec.proposal.operation"),
    printcolumn(name = "Release", type_ = "string", json_path = ".status.release"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Approvals", type_ = "string", json_path = ".status.approvals"),
    printcolumn(name = "Needs", type_ = "string", json_path = ".status.needs"),
    printcolumn(name = "Change", type_ = "string", json_path = ".status.change"),
    printcolumn(name = "Risk", type_ = "string", json_path = ".status.risk"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = Rule::new("!has(oldSelf.ledger) || has(self.ledger)").message("the ledger cannot be dropped")
)]
#[serde(rename_all = "camelCase")]
pub struct ChangePlanSpec {
    /// What is proposed. Immutable.
    #[x_kube(validation = Rule::new("self == oldSelf").message("the proposal is immutable"))]
    pub proposal: Proposal,
    /// What happened to it, oldest first. Append only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024), extend("x-kubernetes-list-type" = "atomic"))]
    #[x_kube(
        validation = Rule::new(
            "self.size() >= oldSelf.size() && oldSelf.all(o, self[o.seq] == o)"
        ).message("the ledger is append-only")
    )]
    pub ledger: Vec<LedgerEntry>,
}

/// What the plan is for.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProposalKind {
    /// A Stage.
    Stage,
    /// A Bootstrap.
    Bootstrap,
}

/// What running the plan would do.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Deploy a release.
    Deploy,
    /// Deploy a release again that was deployed before the one that is there.
    Rollback,
    /// Take over stacks that this Stage has not made, and deploy a release into them.
    Adopt,
    /// Make or change toolkit stacks.
    Bootstrap,
}

/// One change, in full.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Proposal {
    /// The kind of the object that it is for.
    pub kind: ProposalKind,
    /// The name of that object.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The UID of that object: one of the same name made later is another one.
    pub uid: Uid,
    /// What running it would do.
    pub operation: Operation,
    /// The id that decisions name.
    pub id: ChangeId,
    /// The release that it was first made for; see `opened` in the ledger for the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseRef>,
    /// Names the release for this Stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub a1: Option<ReleaseId>,
    /// The release that is deployed now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<ReleaseRef>,
    /// What is dangerous about it: all of it, however long the list of changes is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4096))]
    pub risks: Vec<Risk>,
    /// How it compares with what an upstream stage has executed and verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<Compared>,
    /// The stacks, in an order that their dependencies allow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub stacks: Vec<ProposedStack>,
    /// What is put into the toolkit stacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<BootstrapProposal>,
}

/// One danger: an acknowledgement of its class covers exactly this resource of this stack.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct Risk {
    /// The class.
    pub class: RiskClass,
    /// The artifact id of the stack.
    #[schemars(length(max = 256))]
    pub stack: String,
    /// The logical id of the resource, with those of the nested stacks around it, such as `Network/Vpc`; for what concerns
    /// the whole stack empty.
    #[serde(rename = "logicalID", default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub logical_id: String,
    /// Its type, such as `AWS::IAM::Role`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 255))]
    pub resource_type: String,
    /// What makes it dangerous, in a few words; never a value.
    #[schemars(length(max = 256))]
    pub cause: String,
    /// What becomes of the old resource, as CloudFormation says it: `Delete`, `Retain`, `Snapshot` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub policy: Option<String>,
    /// The path of the construct in the CDK app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub construct_path: Option<String>,
}

/// A plan beside what an upstream stage has executed and verified.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Compared {
    /// The upstream Stage.
    #[schemars(length(max = 50))]
    pub stage: String,
    /// Its plan.
    #[schemars(length(max = 253))]
    pub plan: String,
    /// When it was verified.
    pub time: Time,
    /// What differs, at most 32 lines; empty: nothing but accounts, regions and names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 512)))]
    pub differences: Vec<String>,
}

/// The content of the toolkit stacks, the same in every environment.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BootstrapProposal {
    /// The name of the toolkit stack.
    pub toolkit_stack_name: StackName,
    /// The version of the template.
    pub version: u32,
    /// The digest of the template.
    pub template: Digest,
    /// The parameters.
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = { "type": "string", "maxLength": 4096 }))]
    pub parameters: BTreeMap<String, String>,
}

/// How a stack is planned.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlannedAs {
    /// A change set is prepared and exactly that is executed.
    Prepared,
    /// It imports from a stack that is not deployed yet: the template difference is known, the change set comes later.
    Deferred,
    /// Its creation was rolled back: what is left of it is deleted, and the stack is made anew. The template is known, the
    /// change set comes later.
    Recreated,
    /// Nothing differs.
    Unchanged,
}

impl PlannedAs {
    /// Whether its change set is made after the approval, and the template alone says what it does.
    #[must_use]
    pub fn is_without_set(self) -> bool {
        match self {
            Self::Deferred | Self::Recreated => true,
            Self::Prepared | Self::Unchanged => false,
        }
    }
}

/// One stack of a proposal.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ProposedStack {
    /// The account id.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// The stack's name.
    pub stack_name: StackName,
    /// The bootstrap qualifier that it is deployed with.
    pub qualifier: Qualifier,
    /// The artifact id in the assembly; unique within the proposal.
    #[schemars(length(min = 1, max = 256))]
    pub artifact: String,
    /// Artifact ids of the stacks that must be done before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(max = 256)))]
    pub after: Vec<String>,
    /// How it is planned.
    pub plan: PlannedAs,
    /// The StackId of the deployed stack that this builds on; absent where there is none yet.
    #[serde(rename = "baselineStackID", default, skip_serializing_if = "Option::is_none")]
    pub baseline_stack_id: Option<StackId>,
    /// The StackId of the stack in REVIEW_IN_PROGRESS that our change set stands in, where there is no stack yet. Not part
    /// of the id.
    #[serde(rename = "reviewStackID", default, skip_serializing_if = "Option::is_none")]
    pub review_stack_id: Option<StackId>,
    /// Whether claiming the plan takes the stack over: it is there, and this Stage has not made it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
    /// When the stack that this builds on was last updated (or created).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_updated_time: Option<MicroTime>,
    /// Whether the stack shall be protected against deletion; absent leaves that as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_protection: Option<bool>,
    /// The digest of everything that goes into the change-set call.
    pub input: Digest,
    /// The stack's share of the id: input, baseline and what would happen.
    pub leaf: Digest,
    /// The stack's share of the id without account, region and baseline: equal where two stages do the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sameness: Option<Digest>,
    /// The change set, in the console of CloudFormation.
    #[serde(rename = "consoleURL", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub console_url: Option<String>,
    /// Warnings of validations and hooks, and of the assembly.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 512)))]
    pub warnings: Vec<String>,
    /// How many resources change.
    pub count: ChangeCount,
    /// What changes, riskiest first: at most 40, so that `kubectl describe` stays readable. Every risk stands in `risks`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub changes: Vec<ResourceChange>,
    /// How many more resources change than `changes` holds; those that get other code and nothing else stand in `count`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unlisted: u32,
}

impl ProposedStack {
    /// Where the stack lives.
    #[must_use]
    pub fn key(&self) -> StackKey {
        StackKey {
            env: Env { account: self.account.clone(), region: self.region.clone() },
            name: self.stack_name.clone(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// Numbers of resources.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ChangeCount {
    /// Resources that are made or imported.
    pub add: u32,
    /// Resources that are changed in place.
    pub modify: u32,
    /// Resources that are deleted.
    pub remove: u32,
    /// Resources that are certainly replaced.
    pub replace: u32,
    /// Resources that may be replaced.
    pub maybe_replace: u32,
    /// Of those that are changed in place: how many get other code and nothing else. They are not listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub code: u32,
}

/// One resource of a proposal.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct ResourceChange {
    /// Its logical id, with those of the nested stacks around it, such as `Network/Vpc`.
    #[serde(rename = "logicalID")]
    #[schemars(length(max = 512))]
    pub logical_id: String,
    /// Its type, such as `AWS::S3::Bucket`.
    #[schemars(length(max = 255))]
    pub resource_type: String,
    /// `Add`, `Modify`, `Remove`, `Import` …, as CloudFormation says it.
    #[schemars(length(max = 32))]
    pub action: String,
    /// `True`, `False` or `Conditional`, as CloudFormation says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub replacement: Option<String>,
}

/// One thing that happened. Exactly one of the fields after `time` is set.
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
}

/// The plan is the newest of its Stage from here on.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    /// Counts the openings of all plans of the Stage: the highest is the newest.
    pub order: u64,
    /// The release that it is opened for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseRef>,
    /// The last request to plan anew that this answers (annotation `stackgate.dev/requestedAt` of the Stage).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub request: Option<String>,
    /// The CDK Stage that it is opened for; absent for the stacks at the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub cdk_stage: Option<String>,
    /// The stacks that are ours, carried forward from the plan before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub owned: Vec<OwnedStack>,
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

/// What somebody wants.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Let it run.
    Approve,
    /// Never let it run.
    Reject,
    /// Take back an own approval, before the plan is claimed.
    Revoke,
    /// Plan anew what was rolled back, and let the approvals count if nothing else has changed.
    Retry,
    /// Start in spite of a Freeze; one approval is enough.
    Override,
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
    /// When it was first seen, where that was before this entry.
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
    /// Who decided and why, in a few words.
    #[must_use]
    pub fn told(&self) -> String {
        let by = if self.by.is_empty() { "somebody" } else { self.by.as_str() };
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

/// Stacks that may run from here on.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Claimed {
    /// The stacks; none where all that changes is deferred.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub stacks: Vec<ClaimedStack>,
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
            message: message.map(|m| m.chars().take(1000).collect()),
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

/// What the record says, for people. Derived from `spec` alone; may be lost.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ChangePlanStatus {
    /// The generation that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`: whether it was carried out; `Waiting`, `Reconciling`, `Stalled` while True.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// One word for the column STATE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub state: Option<String>,
    /// What people call the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub release: Option<String>,
    /// Approvals that count, out of those needed, such as `0/1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub approvals: Option<String>,
    /// What is missing before it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub needs: Option<String>,
    /// When it expires, or the approvals that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_time: Option<Time>,
    /// What changes, such as `+3 ~1 -0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub change: Option<String>,
    /// The classes of risk, such as `replace,delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub risk: Option<String>,
    /// Annotations that look like decisions and are none, each with the reason; at most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(max = 512)))]
    pub ignored: Vec<String>,
}
