//! `Bootstrap`: one qualifier, in which accounts, with which trust.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{gate::Gate, stage::GateField};
use crate::words::{AccountId, Qualifier, Region, Span, StackName};

/// What `cdk bootstrap` would do, for one qualifier, in many accounts.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "stackgate.dev",
    version = "v1alpha1",
    kind = "Bootstrap",
    plural = "bootstraps",
    shortname = "cdkboot",
    category = "stackgate",
    status = "BootstrapStatus",
    derive = "PartialEq",
    validation = Rule::new("self.metadata.name.size() <= 50")
        .message("the name of a Bootstrap has at most 50 characters: it becomes part of plan names and a label of plans"),
    printcolumn(name = "Qualifier", type_ = "string", json_path = ".spec.qualifier"),
    printcolumn(name = "Version", type_ = "integer", json_path = ".spec.version"),
    printcolumn(name = "Environments", type_ = "string", json_path = ".status.ready"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = Rule::new("self.version == 33 || self.?mode.orValue('Manage') == 'Observe'")
        .message("version: this version of Stackgate makes toolkit stacks of version 33; mode: Observe takes older ones"),
    validation = Rule::new("self.trustedAccounts.size() == 0 || self.cloudFormationExecutionPolicies.size() > 0")
        .message("trustedAccounts needs cloudFormationExecutionPolicies: say what trusted accounts may do")
)]
#[serde(rename_all = "camelCase")]
pub struct BootstrapSpec {
    /// Whether toolkit stacks are made. Absent: `Manage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<BootstrapMode>,
    /// The qualifier. Immutable.
    #[x_kube(validation = Rule::new("self == oldSelf").message("qualifier is immutable"))]
    pub qualifier: Qualifier,
    /// The name of the toolkit stack. Immutable.
    #[x_kube(validation = Rule::new("self == oldSelf").message("toolkitStackName is immutable"))]
    pub toolkit_stack_name: StackName,
    /// The version of the bootstrap template; this version of Stackgate makes 33. With `mode: Observe` the least version that
    /// an environment must have, from 6 on.
    #[schemars(range(min = 6, max = 33))]
    pub version: u32,
    /// The accounts, each in all regions of its AwsAccount.
    pub accounts: AccountSelection,
    /// The accounts that may deploy into these.
    #[serde(default)]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub trusted_accounts: Vec<AccountId>,
    /// The accounts that may look things up in these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub trusted_accounts_for_lookup: Vec<AccountId>,
    /// ARNs of the managed policies that CloudFormation deploys with.
    #[serde(default)]
    #[schemars(
        length(max = 10),
        inner(
            length(max = 2048),
            regex(pattern = r"^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[A-Za-z0-9+=.@_/-]+$")
        )
    )]
    pub cloud_formation_execution_policies: Vec<String>,
    /// Who lets a change of toolkit stacks through that are there. Making one where none is asks nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// In which order toolkit stacks are changed. Absent: all at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
}

/// In which order a change goes out.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// One after the other; accounts in none of them come last. What fails in one keeps the change from all that come after it.
    #[schemars(length(min = 1, max = 16))]
    pub waves: Vec<Wave>,
}

/// Accounts that are changed together.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Wave {
    /// What people call it.
    #[schemars(length(min = 1, max = 40), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// The accounts. One that several waves name is changed in the first of them.
    pub accounts: AccountSelection,
    /// How long the next wave waits after the last stack of this one was changed. Absent: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soak: Option<Span>,
}

/// Who makes the toolkit stacks.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BootstrapMode {
    /// Stackgate does.
    #[default]
    Manage,
    /// Others have made them (`cdk bootstrap`): only the version is looked at, with the lookup role.
    Observe,
}

/// Which AwsAccounts, by name or by label; at least one of the two.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[x_kube(
    validation = Rule::new("has(self.names) != has(self.selector)").message("exactly one of names and selector")
)]
#[serde(rename_all = "camelCase")]
pub struct AccountSelection {
    /// Names of AwsAccounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), inner(length(min = 1, max = 253)))]
    pub names: Option<Vec<String>>,
    /// Labels that an AwsAccount must carry, all of them. An empty selector is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelMatch>,
}

/// A label selector by equality.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LabelMatch {
    /// Label keys and the values that they must have.
    #[schemars(extend(
        "minProperties" = 1,
        "maxProperties" = 16,
        "additionalProperties" = { "type": "string", "maxLength": 63 }
    ))]
    pub match_labels: BTreeMap<String, String>,
}

/// What is known of the toolkit stacks.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BootstrapStatus {
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
    /// Environments that are ready, out of all, such as `3/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub ready: Option<String>,
    /// The name of the ChangePlan that made or makes the toolkit stacks, in the controller's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub plan: Option<String>,
    /// The gate in force for changes, field by field, each with the object that demands it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["field"]))]
    pub effective_gate: Vec<GateField>,
    /// One row per account and region; at most 64, those with problems first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub environments: Vec<EnvironmentStatus>,
}

/// The toolkit stack of one environment.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentStatus {
    /// The account id.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// The bootstrap version found there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// `Ready`, or what is going on.
    #[schemars(length(max = 64))]
    pub state: String,
    /// What is wrong, where something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}
