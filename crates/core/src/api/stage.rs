//! `Stage`: one CDK Stage of an assembly, into which accounts, after which stages, behind which gate.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{gate::Gate, outputs::OutputsTo, parameters::Parameter};
use crate::words::{ChangeId, Digest, ReleaseId, Span};

/// A deployment stage.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "stackgate.dev",
    version = "v1alpha1",
    kind = "Stage",
    plural = "stages",
    shortname = "cdkstage",
    category = "stackgate",
    namespaced,
    status = "StageStatus",
    derive = "PartialEq",
    validation = Rule::new("self.metadata.name.size() <= 50 && !self.metadata.name.contains('.')")
        .message("the name of a Stage has at most 50 characters and no dots: it becomes part of plan names"),
    validation = Rule::new("!self.metadata.name.matches('-[0-9a-f]{40}$')")
        .message("the name of a Stage does not end like that of a plan, in the 40 digits of an id"),
    printcolumn(name = "After", type_ = "string", json_path = ".status.after"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(name = "Deployed", type_ = "string", json_path = ".status.deployed.name"),
    printcolumn(name = "Pending", type_ = "string", json_path = ".status.pending.name"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Waiting for", type_ = "string", json_path = ".status.waitingFor"),
    printcolumn(name = "Risk", type_ = "string", json_path = ".status.pending.risk"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct StageSpec {
    /// Whether what is planned may run. Absent: `Manage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<StageMode>,
    /// The CloudAssembly of this namespace whose releases are deployed.
    pub assembly_ref: AssemblyRef,
    /// The CDK Stage of the assembly, `Outer/Inner` for nested ones. Absent: the stacks at the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub cdk_stage: Option<String>,
    /// Names of the AwsAccounts that may be deployed into; an assembly that targets another account is refused.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 253)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub accounts: Vec<String>,
    /// The stages that must have verified a release before it comes here. Absent: an entry stage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub promote_from: Vec<Upstream>,
    /// What others have to say about a deployment before it counts as verified. Absent: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub checks: Vec<Check>,
    /// Who lets changes through. Absent: one person, for any change, who acknowledges every risk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// Whether stacks that are there already, and that nobody in this cluster owns, are taken over by a plan that says so. Absent:
    /// `Never`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption_policy: Option<AdoptionPolicy>,
    /// Values for template parameters; they take the place of those in the assembly. What neither gives keeps the value that the
    /// stack has, else the template's default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub parameters: Vec<Parameter>,
    /// Where outputs of the stacks are written once a release is deployed. Absent: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs_to: Option<OutputsTo>,
    /// What becomes of a stack that a release does not have any more. Absent: `Retain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_stacks: Option<Leftover>,
    /// What becomes of the stacks when the Stage is deleted. Absent: `Retain`. `Delete` counts where every account that it deploys into
    /// allows that (`minimumGate.deletionPolicy`); a stack that is protected against deletion stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<Leftover>,
    /// How often it is looked whether somebody has changed resources past their stack. Absent: never. What is found is shown, and never
    /// undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift_detection: Option<DriftDetection>,
    /// Whether this stage is held: nothing is planned and nothing starts. What runs already runs to its end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// The release to go back to, or to stay on. It takes the place of what `promoteFrom` and the assembly offer; plan and
    /// gate stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Pin>,
}

impl StageSpec {
    /// Whether stacks that the release does not have any more are deleted.
    #[must_use]
    pub fn removes(&self) -> bool {
        self.removed_stacks == Some(Leftover::Delete)
    }

    /// Whether nothing that is planned may run.
    #[must_use]
    pub fn observes(&self) -> bool {
        self.mode == Some(StageMode::Observe)
    }

    /// Whether stacks of others may be taken over.
    #[must_use]
    pub fn adopts(&self) -> bool {
        self.adoption_policy == Some(AdoptionPolicy::Unowned)
    }
}

/// Whether a stage changes stacks.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StageMode {
    /// What is planned runs, once its gate is open.
    #[default]
    Manage,
    /// What would happen is planned, so that it can be read, and never runs: no stack is made, changed, taken over or deleted.
    /// Assets are published and change sets are made as ever, since a plan is made of them.
    Observe,
}

/// What becomes of a stack that this stage has not made.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AdoptionPolicy {
    /// It is not touched, and the stage stalls.
    #[default]
    Never,
    /// It is taken over as it is, whoever made it (the CDK CLI, CDK Pipelines, a Stage that is gone), unless it belongs to
    /// another Stage. The plan carries the risk `adopt`.
    Unowned,
}

/// What becomes of a stack that nobody wants any more.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leftover {
    /// It stays as it is, and is looked after no longer.
    #[default]
    Retain,
    /// It is deleted, with all its resources but those that a template retains.
    Delete,
}

/// How drift is detected.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DriftDetection {
    /// The time from one detection to the next, for each stack; less than 10m counts as 10m. Absent: 24h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Span>,
}

/// What others report on a deployment, through `gate.stackgate.dev/check.<name>` on the plan.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Its name.
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^[a-z0-9-]+$"))]
    pub name: String,
    /// How long its report is awaited. Absent: 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
}

/// A release that a stage is held on.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Pin {
    /// The digest of the release: whole, as status shows it, or its first 12 digits or more, as columns do. It has to be one that this stage or
    /// an upstream has had, or that the assembly has now.
    #[schemars(length(min = 12, max = 71), regex(pattern = "^(sha256:)?[0-9a-f]{12,64}$"))]
    pub digest: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    pub reason: Option<String>,
}

/// The name of a CloudAssembly in the same namespace.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AssemblyRef {
    /// The name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// A stage that releases come from.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Upstream {
    /// The name of a Stage in the same namespace.
    #[schemars(length(min = 1, max = 50))]
    pub name: String,
    /// How long it must have carried a verified release before that comes here. Absent: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soak: Option<Span>,
}

/// What is deployed, what waits, and for whom.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct StageStatus {
    /// The generation that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready` and `UpToDate`; `Reconciling`, `Waiting`, `Stalled` while True.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// One word for the column STATE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub state: Option<String>,
    /// What is awaited, for the column WAITING FOR.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub waiting_for: Option<String>,
    /// The upstream stages, for the column AFTER.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub after: Option<String>,
    /// The release that is deployed and verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployed: Option<DeployedRelease>,
    /// The change that is planned, waits or runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingChange>,
    /// The release that comes next and is not planned yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coming: Option<ComingRelease>,
    /// The gate in force: field by field the stricter of this Stage's own and of the accounts it deploys into.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["field"]))]
    pub effective_gate: Vec<GateField>,
    /// Annotations that look like decisions and cannot be read, each with the reason; at most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(max = 512)))]
    pub ignored: Vec<String>,
}

/// One field of the gate in force, and where it comes from.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct GateField {
    /// The field.
    #[schemars(length(max = 32))]
    pub field: String,
    /// Its value.
    #[schemars(length(max = 128))]
    pub value: String,
    /// The object that demands it, such as `AwsAccount shop-prod`, with `(default)` where that does not say it; or `default`.
    #[schemars(length(max = 320))]
    pub source: String,
}

/// A release that a stage has deployed.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DeployedRelease {
    /// What people call it.
    #[schemars(length(max = 64))]
    pub name: String,
    /// Its digest.
    pub digest: Digest,
    /// The ChangePlan that deployed it.
    #[schemars(length(max = 253))]
    pub plan: String,
    /// When the last stack was done.
    pub time: Time,
}

/// A release that the assembly or an upstream stage has, before this stage plans it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ComingRelease {
    /// What people call the release.
    #[schemars(length(max = 64))]
    pub name: String,
    /// Its digest.
    pub digest: Digest,
    /// The id that approves it beforehand for this stage, whatever its change turns out to be; absent while it is not known,
    /// or where the release has no such CDK Stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub a1: Option<ReleaseId>,
}

/// A change on its way.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PendingChange {
    /// What people call the release.
    #[schemars(length(max = 64))]
    pub name: String,
    /// Its digest.
    pub digest: Digest,
    /// The ChangePlan, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub plan: Option<String>,
    /// The id to approve or reject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ChangeId>,
    /// The id that approves the release for this stage, whatever its change turns out to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub a1: Option<ReleaseId>,
    /// What changes, such as `+3 ~1 -0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub change: Option<String>,
    /// The classes of risk, such as `replace,delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub risk: Option<String>,
}
