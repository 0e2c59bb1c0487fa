//! `Stage`: one CDK Stage of an assembly, into which accounts, after which stages, behind which gate.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::words::{ChangeId, Digest};

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
    /// What needs an approval. Absent: any change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
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
}

/// Who lets changes through.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    /// Which changes need an approval. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_approval: Option<RequireApproval>,
}

/// Which changes need an approval.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequireApproval {
    /// Every change.
    #[default]
    AnyChange,
    /// None: what is planned runs.
    Never,
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
    /// Annotations that look like decisions and cannot be read, each with the reason; at most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(max = 512)))]
    pub ignored: Vec<String>,
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
    /// What changes, such as `+3 ~1 -0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub change: Option<String>,
    /// The classes of risk, such as `replace,delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub risk: Option<String>,
}
