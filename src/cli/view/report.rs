//! The plan that an approver reads, as a model. As JSON this is an interface: fields are added, never renamed (docs/cli.md).

use jiff::Timestamp;
use serde::Serialize;
use stackgate_core::{
    api::{Action, Identity, Operation, PlannedAs, RiskClass, SettledAs},
    words::{ChangeId, Digest, ReleaseId},
};

use super::{State, Text};

/// The version of all JSON that is printed.
pub const VERSION: &str = "cli.stackgate.dev/v1";

/// A plan.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PlanReport {
    /// [`VERSION`].
    pub api_version: &'static str,
    /// `Plan`.
    pub kind: &'static str,
    /// The namespace of the ChangePlan.
    pub namespace: Text,
    /// The name of the ChangePlan.
    pub name: Text,
    /// What it is for.
    #[serde(rename = "for")]
    pub subject: Subject,
    /// The id that decisions name.
    pub id: ChangeId,
    /// Names the release for this Stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub a1: Option<ReleaseId>,
    /// How it stands.
    pub state: State,
    /// That in a sentence.
    pub message: Text,
    /// What running it does.
    pub operation: Operation,
    /// The release that it brings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseShown>,
    /// The release that is deployed now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<ReleaseShown>,
    /// Numbers of all stacks: `+3 ~1 -0`.
    pub change: String,
    /// What differs in what toolkit stacks hold, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Text>,
    /// The stacks, in the order of the deployment.
    pub stacks: Vec<StackShown>,
    /// All that is dangerous, gravest class first.
    pub risks: Vec<RiskShown>,
    /// Beside what an upstream stage has executed and verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compared: Option<ComparedShown>,
    /// The gate in force.
    pub gate: GateShown,
    /// Approvals had and missing; absent where no gate is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approvals: Option<Approvals>,
    /// Who decided what, oldest first.
    pub decisions: Vec<DecisionShown>,
    /// Freezes that hold it up now.
    pub freezes: FreezesShown,
    /// Reports of checks.
    pub checks: Vec<CheckShown>,
    /// When the plan expires, while it waits for approvals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_time: Option<Timestamp>,
    /// What else whoever decides should know.
    pub notes: Vec<Text>,
    /// What can be typed next.
    pub next: Vec<Next>,
}

/// A Stage or a Bootstrap.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct Subject {
    /// `Stage` or `Bootstrap`.
    pub kind: &'static str,
    /// Its name.
    pub name: Text,
}

/// A release.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct ReleaseShown {
    /// What people call it.
    pub name: Text,
    /// What it is.
    pub digest: Digest,
}

/// One stack.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct StackShown {
    /// The artifact id in the assembly.
    pub artifact: Text,
    /// The stack's name.
    pub stack_name: Text,
    /// The account id.
    pub account: Text,
    /// The region.
    pub region: Text,
    /// How it is planned.
    pub plan: PlannedAs,
    /// Whether there is no such stack yet.
    pub is_new: bool,
    /// Resources that are made or imported.
    pub add: u32,
    /// Resources that are changed in place, those of `code` included.
    pub modify: u32,
    /// Resources that are deleted.
    pub remove: u32,
    /// Resources that are certainly replaced.
    pub replace: u32,
    /// Resources that may be replaced.
    pub maybe_replace: u32,
    /// Resources that get other code and nothing else.
    pub code: u32,
    /// What changes, riskiest first; `code` is left out.
    pub changes: Vec<ChangeShown>,
    /// How many more there are than `changes` holds.
    pub unlisted: u32,
    /// Warnings of validations, hooks and the assembly.
    pub warnings: Vec<Text>,
    /// The change set in the console of CloudFormation.
    #[serde(rename = "consoleURL", skip_serializing_if = "Option::is_none")]
    pub console_url: Option<Text>,
    /// How it came out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OutcomeShown>,
    /// The values of properties, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<ValuesShown>,
}

/// Values of properties, as CloudFormation tells them whoever may describe the change set.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ValuesShown {
    /// Why there are none, or why some may be missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Text>,
    /// The resources, those of nested stacks, too.
    pub resources: Vec<ResourceValuesShown>,
}

/// The values of one resource.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ResourceValuesShown {
    /// Its logical id.
    #[serde(rename = "logicalID")]
    pub logical_id: Text,
    /// Its type.
    pub resource_type: Text,
    /// What differs.
    pub properties: Vec<PropertyShown>,
}

/// One property, or with an empty path the whole resource.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PropertyShown {
    /// Where it stands.
    pub path: Text,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Text>,
    /// What it becomes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Text>,
}

/// One resource.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ChangeShown {
    /// `Add`, `Modify`, `Remove`, `Import` …, as CloudFormation says it.
    pub action: Text,
    /// Its logical id.
    #[serde(rename = "logicalID")]
    pub logical_id: Text,
    /// Its type.
    pub resource_type: Text,
    /// `True`, `False` or `Conditional`, as CloudFormation says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replacement: Option<Text>,
}

/// How a stack came out.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct OutcomeShown {
    /// In our words.
    pub outcome: SettledAs,
    /// In those of CloudFormation.
    pub status: Text,
    /// The first resource that failed, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Text>,
}

/// One danger.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RiskShown {
    /// Its class.
    pub class: RiskClass,
    /// The artifact id of the stack.
    pub stack: Text,
    /// The logical id of the resource; empty for the whole stack.
    #[serde(rename = "logicalID")]
    pub logical_id: Text,
    /// Its type.
    pub resource_type: Text,
    /// What makes it dangerous.
    pub cause: Text,
    /// What becomes of the old resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Text>,
    /// The construct in the CDK app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub construct_path: Option<Text>,
    /// The change set in the console of CloudFormation.
    #[serde(rename = "consoleURL", skip_serializing_if = "Option::is_none")]
    pub console_url: Option<Text>,
}

/// Beside an upstream stage.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ComparedShown {
    /// The upstream Stage.
    pub stage: Text,
    /// Its plan.
    pub plan: Text,
    /// When that was verified.
    pub verified_time: Timestamp,
    /// Whether nothing differs but accounts, regions and names.
    pub same: bool,
    /// What differs.
    pub differences: Vec<Text>,
}

/// The gate in force.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct GateShown {
    /// Where the fields come from.
    pub from: GateFrom,
    /// The fields, each with who demands it.
    pub fields: Vec<GateFieldShown>,
}

/// Where the gate comes from.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateFrom {
    /// From Stage and AwsAccounts, as they are now.
    Objects,
    /// From the status of the Stage, since the AwsAccounts may not be read.
    Status,
    /// It is not known: the plan is for no Stage, or for one that is gone.
    Unknown,
}

/// One field of the gate.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct GateFieldShown {
    /// Its name.
    pub field: Text,
    /// Its value.
    pub value: Text,
    /// Who demands it.
    pub source: Text,
}

/// Approvals had and missing.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Approvals {
    /// Whether the gate is open.
    pub passes: bool,
    /// The rule that lets it through without anybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Text>,
    /// How many count.
    pub had: u32,
    /// How many are needed.
    pub needed: u32,
    /// Whose count.
    pub by: Vec<Text>,
    /// Classes of risk that nobody who counts has acknowledged.
    pub acks_missing: Vec<RiskClass>,
    /// What is missing, in a few words.
    pub missing: Text,
    /// Decisions that do not count, and why.
    pub not_counted: Vec<Text>,
    /// Whether freezes and quorum are overridden.
    pub overridden: bool,
}

/// One decision.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DecisionShown {
    /// What was decided.
    pub action: Action,
    /// By whom.
    pub by: Text,
    /// What proves that.
    pub identity: Identity,
    /// When it was first seen.
    pub time: Timestamp,
    /// Until when an approval or override counts at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_time: Option<Timestamp>,
    /// The classes of risk that are acknowledged.
    pub acks: Vec<RiskClass>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
}

/// Freezes.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct FreezesShown {
    /// Whether they could be read.
    pub known: bool,
    /// Those that hold the plan up now.
    pub held: Vec<FreezeShown>,
    /// Where they could not be read: the one that the status of the plan names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<Text>,
}

/// One freeze.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FreezeShown {
    /// Its name.
    pub name: Text,
    /// Why.
    pub reason: Text,
    /// Until when, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_time: Option<Timestamp>,
}

/// One check of the Stage.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct CheckShown {
    /// Its name.
    pub name: Text,
    /// `Awaited`, `Passed` or `Failed`.
    pub result: &'static str,
    /// Who reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Text>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
}

/// What can be typed next.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct Next {
    /// What for.
    pub what: &'static str,
    /// The command.
    pub command: String,
}
