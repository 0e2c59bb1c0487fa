//! The resources of group `stackgate.dev`, version `v1alpha1`: their fields, schema rules and columns.
//!
//! Rules that need no other object are CEL rules of the schema, so that a bad object is refused when it is applied.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

mod account;
mod assembly;
mod bootstrap;
mod condition;
mod freeze;
mod gate;
mod outputs;
mod parameters;
mod plan;
mod stage;

pub use account::{
    AllowedBootstrap, AwsAccount, AwsAccountSpec, AwsAccountStatus, Beyond, NamespaceGrant, RoleHop,
};
pub use assembly::{
    AssemblySource, CloudAssembly, CloudAssemblySpec, CloudAssemblyStatus, PinnedS3, PinnedSource,
    ReleaseRef, S3Source,
};
pub use bootstrap::{
    AccountSelection, Bootstrap, BootstrapMode, BootstrapSpec, BootstrapStatus, EnvironmentStatus,
    LabelMatch, Rollout, Wave,
};
pub use condition::{ConditionType, Conditions, Reason};
pub use freeze::{Freeze, FreezeSchedule, FreezeSpec, FreezeStatus};
pub use gate::{Gate, IdentityNeeded, MinimumGate, Promotion, RequireApproval, RiskClass};
pub use outputs::OutputsTo;
pub use parameters::{KeyRef, LABEL_PARAMETERS, Parameter, ValueFrom};
pub use plan::{
    Action, BootstrapProposal, ChangeCount, ChangePlan, ChangePlanSpec, ChangePlanStatus, CheckResult,
    Checked, Claimed, ClaimedStack, CloseReason, Closed, Compared, Decided, DecisionSource, Identity,
    LedgerEntry, Opened, Operation, OwnedStack, PlannedAs, Proposal, ProposalKind, ProposedStack,
    ResourceChange, Risk, Settled, SettledAs, ToolkitChange, user_name,
};
pub(crate) use plan::{MOST_GROUPS, risk_groups};
pub use stage::{
    AdoptionPolicy, AssemblyRef, Check, ComingRelease, DeployedRelease, DriftDetection, GateField, Leftover,
    PendingChange, Pin, Stage, StageMode, StageSpec, StageStatus, Upstream,
};

/// An instant as Kubernetes keeps it, in whole seconds: what is read back has to equal what was written, else a status
/// would be written again and again.
#[must_use]
pub fn whole_seconds(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}

/// The API group of all kinds.
pub const GROUP: &str = "stackgate.dev";
/// The finalizer on a Stage: it tidies unexecuted change sets and never blocks for longer than two minutes.
pub const FINALIZER: &str = "stackgate.dev/tidy";
/// Label of a ChangePlan: the name of its Stage.
pub const LABEL_STAGE: &str = "stackgate.dev/stage";
/// Label of a ChangePlan: the name of its Bootstrap.
pub const LABEL_BOOTSTRAP: &str = "stackgate.dev/bootstrap";
/// Annotation that asks a CloudAssembly to look at its source now; any new value does.
pub const ANNOTATION_REQUESTED_AT: &str = "stackgate.dev/requestedAt";
/// Prefix of the annotations that carry decisions.
pub const GATE_PREFIX: &str = "gate.stackgate.dev/";
