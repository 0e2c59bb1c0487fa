//! `ChangePlan`: one proposed change, what was decided on it and what came of it. The durable record.

mod environments;
mod grouped;
mod ledger;
mod listed;
mod proposal;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use grouped::{MOST_GROUPS, groups as risk_groups};
pub use ledger::{
    Action, CheckResult, Checked, Claimed, ClaimedStack, CloseReason, Closed, Decided, DecisionSource,
    Identity, LedgerEntry, Opened, OwnedStack, Settled, SettledAs, user_name,
};
pub use proposal::{
    BootstrapProposal, ChangeCount, Compared, Operation, PlannedAs, Proposal, ProposalKind, ProposedStack,
    ResourceChange, Risk, ToolkitChange,
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
    /// The Freeze that holds it up, now or once it is approved, until when, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub frozen: Option<String>,
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
    /// The places of ledger entries (openings, decisions, reports, claims) that nothing proves the controller to have written. Of an
    /// opening: nothing of the plan runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024))]
    pub unproven: Vec<u32>,
    /// The places of approvals that a reject has taken back (of the release, or of the change that they came from), or a revoke on another
    /// plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024))]
    pub taken_back: Vec<u32>,
    /// Whether its release was rejected as another change: no rule lets it run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub release_rejected: bool,
    /// Annotations that look like decisions and are none, each with the reason; at most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(max = 512)))]
    pub ignored: Vec<String>,
}
