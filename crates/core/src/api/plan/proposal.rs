//! What a plan proposes: written once, never changed.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    environments,
    grouped::{self, RiskGroup},
    listed::{self, ChangeGroup},
};
use crate::{
    api::{ReleaseRef, RiskClass},
    words::{
        AccountId, ChangeId, Digest, Env, Qualifier, Region, ReleaseId, StackId, StackKey, StackName, Uid,
    },
};

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
    /// Deploy a release, and delete stacks that it does not have any more.
    Prune,
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
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "grouped")]
    #[schemars(with = "Vec<RiskGroup>", length(max = 2560))]
    pub risks: Vec<Risk>,
    /// How it compares with what an upstream stage has executed and verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<Compared>,
    /// The stacks, in an order that their dependencies allow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub stacks: Vec<ProposedStack>,
    /// Parameters that the Stage gives and no stack of the release declares.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), inner(length(max = 384)))]
    pub unused_parameters: Vec<String>,
    /// What is put into the toolkit stacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<BootstrapProposal>,
    /// What the toolkit stacks hold that are there, and what becomes of it; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<ToolkitChange>,
}

/// One danger: an acknowledgement of its class covers exactly this resource of this stack.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Risk {
    /// The class.
    pub class: RiskClass,
    /// The artifact id of the stack.
    pub stack: String,
    /// The logical id of the resource, with those of the nested stacks around it, such as `Network/Vpc`; for what concerns
    /// the whole stack empty.
    pub logical_id: String,
    /// Its type, such as `AWS::IAM::Role`.
    pub resource_type: String,
    /// What makes it dangerous, in a few words: of values at most actions, principals and ports.
    pub cause: String,
    /// What becomes of the old resource, as CloudFormation says it: `Delete`, `Retain`, `Snapshot` …
    pub policy: Option<String>,
    /// The path of the construct in the CDK app.
    pub construct_path: Option<String>,
}

impl Risk {
    /// One that concerns the whole stack of an artifact. A cause has 256 characters at most; parameters may have names of 255.
    #[must_use]
    pub fn of_stack(class: RiskClass, artifact: &str, cause: &str) -> Self {
        Self {
            class,
            stack: artifact.to_owned(),
            logical_id: String::new(),
            resource_type: "AWS::CloudFormation::Stack".to_owned(),
            cause: cause.chars().take(256).collect(),
            policy: None,
            construct_path: None,
        }
    }
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

/// What becomes of toolkit stacks that are there.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ToolkitChange {
    /// What was put into them last.
    pub before: BootstrapProposal,
    /// Where stacks are changed, in order. No other one is changed by this plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "environments")]
    #[schemars(with = "Vec<String>", length(max = 256), inner(length(max = 64)))]
    pub environments: Vec<Env>,
    /// Where stacks are made anew that somebody has deleted, in order. No other one is by this plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "environments")]
    #[schemars(with = "Vec<String>", length(max = 256), inner(length(max = 64)))]
    pub made_anew: Vec<Env>,
    /// What differs between the two, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 400), inner(length(max = 2200)))]
    pub differences: Vec<String>,
    /// The resources that differ between the two templates; none where the template is the same. A change set that shows another one
    /// is not executed.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "listed")]
    #[schemars(with = "Vec<ChangeGroup>", length(max = 40))]
    pub resources: Vec<ResourceChange>,
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
    /// The release does not have it any more: it is deleted, after all the others are done.
    Removed,
}

impl PlannedAs {
    /// Whether its change set is made after the approval, and the template alone says what it does.
    #[must_use]
    pub fn is_without_set(self) -> bool {
        match self {
            Self::Deferred | Self::Recreated => true,
            Self::Prepared | Self::Unchanged | Self::Removed => false,
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
    /// Whether the deployed stack has another protection than it shall have, so that this is switched.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub switches_protection: bool,
    /// The topics of other accounts that the stack sends its events to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 2048)))]
    pub foreign_topics: Vec<String>,
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
    /// What changes, riskiest first: at most 20 in all stacks of a plan, so that `kubectl describe` stays readable. Every risk
    /// stands in `risks`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "listed")]
    #[schemars(with = "Vec<ChangeGroup>", length(max = 40))]
    pub changes: Vec<ResourceChange>,
    /// How many more resources change than `changes` holds; those that get other code and nothing else stand in `count`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unlisted: u32,
}

impl ProposedStack {
    /// Whether running the plan does nothing to the stack.
    #[must_use]
    pub fn is_left_alone(&self) -> bool {
        self.plan == PlannedAs::Unchanged && !self.switches_protection
    }

    /// The protection that is set: on where it is wanted, off only where the plan has told of it. Somebody may have protected the
    /// stack since.
    #[must_use]
    pub fn protects(&self) -> Option<bool> {
        self.termination_protection.filter(|on| *on || self.switches_protection)
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// Numbers of resources; what is not there is none.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ChangeCount {
    /// Resources that are made or imported.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub add: u32,
    /// Resources that are changed in place.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub modify: u32,
    /// Resources that are deleted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub remove: u32,
    /// Resources that are certainly replaced.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replace: u32,
    /// Resources that may be replaced.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub maybe_replace: u32,
    /// Of `modify`: how many get other code and nothing else, a version that takes the place of another one among them. They are
    /// not listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub code: u32,
}

/// One resource of a proposal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceChange {
    /// Its logical id, with those of the nested stacks around it, such as `Network/Vpc`.
    pub logical_id: String,
    /// Its type, such as `AWS::S3::Bucket`.
    pub resource_type: String,
    /// `Add`, `Modify`, `Remove`, `Import` …, as CloudFormation says it.
    pub action: String,
    /// `True`, `False` or `Conditional`, as CloudFormation says it.
    pub replacement: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_no_longer_than_the_schema_takes() {
        let cause = format!("parameter {} refers to another value", "ä".repeat(255));
        assert_eq!(Risk::of_stack(RiskClass::Opaque, "Store", &cause).cause.chars().count(), 256);
    }
}
