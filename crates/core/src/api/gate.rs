//! The gate as people write it: on a Stage what it wants, on an AwsAccount what it has to want at least.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::stage::Leftover;
use crate::words::Span;

/// A kind of danger that an approver has to acknowledge by name.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "kebab-case")]
pub enum RiskClass {
    /// A resource is certainly replaced.
    Replace,
    /// A resource may be replaced: CloudFormation cannot tell yet.
    MaybeReplace,
    /// A resource is deleted.
    Delete,
    /// Somebody may do more than before.
    Iam,
    /// Something can be reached that could not be reached before.
    Network,
    /// Effects that no change list shows: custom resources, transforms of others, unpinned secrets.
    Opaque,
    /// A stack that others made is taken over.
    Adopt,
}

impl RiskClass {
    /// Every class, the gravest first.
    pub const ALL: [Self; 7] = [
        Self::Delete,
        Self::Replace,
        Self::MaybeReplace,
        Self::Iam,
        Self::Network,
        Self::Opaque,
        Self::Adopt,
    ];

    /// The class as annotations and verbs (`ack-<class>`) name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::MaybeReplace => "maybe-replace",
            Self::Delete => "delete",
            Self::Iam => "iam",
            Self::Network => "network",
            Self::Opaque => "opaque",
            Self::Adopt => "adopt",
        }
    }
}

impl std::str::FromStr for RiskClass {
    type Err = ();
    fn from_str(s: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|c| c.as_str() == s).ok_or(())
    }
}

impl std::fmt::Display for RiskClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which changes need an approval, in the words of the CDK, the strictest last.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub enum RequireApproval {
    /// None: what is planned runs.
    Never,
    /// Those that carry a class of `requireAck`, a maybe, or something that is deferred.
    OnRisk,
    /// Every change.
    #[default]
    AnyChange,
}

/// Whose decisions count, the strictest last.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub enum IdentityNeeded {
    /// Also those that nothing proves.
    Any,
    /// Those of people whom the API server has made prove who they are.
    #[default]
    Verified,
}

/// Whether a release has to come from another stage, the strictest last.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub enum Promotion {
    /// A Stage may take releases from the assembly itself.
    #[default]
    Optional,
    /// A Stage has to name at least one upstream in `promoteFrom`; a pin obeys, but for going back.
    Required,
}

/// Who lets changes through.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    /// Which changes need an approval. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_approval: Option<RequireApproval>,
    /// The classes of risk that an approver has to acknowledge by name. Absent: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 7))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub require_ack: Option<Vec<RiskClass>>,
    /// How many people have to approve. Absent: one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16))]
    pub approvals: Option<u32>,
    /// Whose decisions count. Absent: `Verified`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityNeeded>,
    /// How long an approval counts from when it was first seen. Absent: 72h.
    #[serde(rename = "approvalTTL", default, skip_serializing_if = "Option::is_none")]
    pub approval_ttl: Option<Span>,
    /// How long a plan waits for its approvals. Absent: 168h.
    #[serde(rename = "planTTL", default, skip_serializing_if = "Option::is_none")]
    pub plan_ttl: Option<Span>,
}

/// What the gate of every Stage that deploys into an account is at least. Field by field the stricter of the two holds.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MinimumGate {
    /// Which changes need an approval. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_approval: Option<RequireApproval>,
    /// The classes of risk that have to be acknowledged. Absent: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 7))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub require_ack: Option<Vec<RiskClass>>,
    /// How many people have to approve. Absent: what the Stage says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16))]
    pub approvals: Option<u32>,
    /// Whose decisions count. Absent: what the Stage says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityNeeded>,
    /// How long an approval counts at most. Absent: what the Stage says.
    #[serde(rename = "approvalTTL", default, skip_serializing_if = "Option::is_none")]
    pub approval_ttl: Option<Span>,
    /// How long a plan waits at most. Absent: what the Stage says.
    #[serde(rename = "planTTL", default, skip_serializing_if = "Option::is_none")]
    pub plan_ttl: Option<Span>,
    /// Whether a Stage has to promote from another one. Absent: `Optional`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<Promotion>,
    /// Whether a Stage may delete its stacks here when it is deleted itself (`spec.deletionPolicy`). Absent: `Retain`, so it may not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<Leftover>,
    /// How long an upstream stage must have carried a release before it comes here, at least. Absent: what the Stage says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soak: Option<Span>,
}
