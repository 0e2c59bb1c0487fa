//! `AwsAccount`: an account, how to reach it, and who may deploy what into it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gate::MinimumGate;
use crate::words::{AccountId, BucketName, Qualifier, Region, RoleArn};

/// An AWS account that Stackgate may work in. An account belongs to no namespace until it is granted to one.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "stackgate.dev",
    version = "v1alpha1",
    kind = "AwsAccount",
    plural = "awsaccounts",
    shortname = "awsacct",
    category = "stackgate",
    status = "AwsAccountStatus",
    derive = "PartialEq",
    printcolumn(name = "Account", type_ = "string", json_path = ".spec.accountID"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "State",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = Rule::new(
        "!has(self.bootstrapRoleChain) || self.bootstrapRoleChain[self.bootstrapRoleChain.size() - 1].roleARN.split(':')[4] == self.accountID"
    ).message("the last role of bootstrapRoleChain must lie in accountID")
)]
#[serde(rename_all = "camelCase")]
pub struct AwsAccountSpec {
    /// The 12 digits of the account. Immutable. Two objects with one id: neither is used.
    #[serde(rename = "accountID")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("accountID is immutable"))]
    pub account_id: AccountId,
    /// The regions that Stackgate may use in this account.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub regions: Vec<Region>,
    /// The roles that lead to the account for bootstrapping, each assumed with the one before. The last one lies in
    /// `accountID`. Absent: this is the controller's own account, reached by its base credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2))]
    pub bootstrap_role_chain: Option<Vec<RoleHop>>,
    /// Who may deploy what. Absent or empty: nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub allowed_namespaces: Vec<NamespaceGrant>,
    /// What a Bootstrap may at most ask for here. Absent: anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_bootstrap: Option<AllowedBootstrap>,
    /// What the gate of every Stage is at least that deploys here. Absent: any change needs an approval and every risk an
    /// acknowledgement; the rest is as the Stage says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_gate: Option<MinimumGate>,
}

/// One role on the way to an account.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RoleHop {
    /// The role to assume. No ExternalId is ever sent.
    #[serde(rename = "roleARN")]
    pub role_arn: RoleArn,
}

/// What one namespace may do in the account.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceGrant {
    /// The namespace.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The bootstrap qualifiers that its Stages may use. Absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub qualifiers: Vec<Qualifier>,
    /// Patterns of the stack names that its Stages may deploy; `*` stands for any characters. Absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z*][A-Za-z0-9*-]*$"))
    )]
    pub stack_names: Vec<String>,
    /// The buckets in this account that its CloudAssemblies may read. Absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub assembly_buckets: Vec<BucketName>,
    /// The role to read those buckets with, where they do not lie in the controller's own account.
    #[serde(rename = "assemblyRoleARN", default, skip_serializing_if = "Option::is_none")]
    pub assembly_role_arn: Option<RoleArn>,
    /// What its Stages may do there besides, though it reaches beyond the account. Absent: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    pub allow: Vec<Beyond>,
}

/// What reaches beyond the account that a stack is deployed to.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// Stacks where a Bootstrap of other accounts trusts this one: what is deployed here may assume their deploy roles.
    TrustedAccount,
    /// Stacks that send their events to topics of other accounts.
    ForeignTopics,
}

/// A ceiling for Bootstraps.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AllowedBootstrap {
    /// The accounts that may be trusted. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub trusted_accounts: Option<Vec<AccountId>>,
    /// The execution policies that may be given. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), inner(length(max = 2048)))]
    pub execution_policies: Option<Vec<String>>,
}

/// What is known of an account.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AwsAccountStatus {
    /// The generation that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready` only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
