//! What is looked at.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Access;
use crate::{
    api::{PinnedSource, S3Source},
    change::{Given, Hidden},
    words::{ChangeSetArn, ChangeSetName, Env, StackId, StackKey, Uid},
};

/// A reading effect.
#[derive(Clone, PartialEq, Debug)]
pub enum Look {
    /// DescribeStacks by name.
    Stack(StackKey, Access),
    /// DescribeChangeSet, all pages, with property values turned into HMACs.
    ChangeSet(StackKey, SetRef, Access),
    /// What DescribeChangeSet does not tell of a change set that is ready: processed templates, nested change sets (by
    /// logical id, as its row tells them), what validations and hooks have said.
    SetContent(StackKey, ChangeSetArn, BTreeMap<String, ChangeSetArn>, Access),
    /// GetTemplate, as it was submitted, of the stack as it was updated then.
    Template(StackKey, StackId, Timestamp, Access),
    /// The first failed resource of the stack's last operation.
    Failure(StackKey, StackId, Access),
    /// DetectStackDrift: begins to compare the resources of a stack with its template. It changes nothing.
    DetectDrift(StackKey, StackId, Access),
    /// What came of a detection of drift, by its id, or of the last one that there was.
    Drift(StackKey, StackId, Option<String>, Access),
    /// The SSM parameter with the bootstrap version.
    Toolkit(Env, String, Access),
    /// The newest version of an S3 object, and whether its bucket keeps versions; on whose request, if anybody asked.
    Source(S3Source, Option<String>, Access),
    /// The archive under a pinned reference.
    Bundle(PinnedSource, Access),
    /// What the archive under a pinned reference comes to for a Stage: its a1.
    ReleaseId {
        /// The reference.
        source: PinnedSource,
        /// How it is read.
        access: Access,
        /// UID of the Stage.
        stage: Uid,
        /// The CDK Stage.
        cdk_stage: Option<String>,
        /// The parameter values that the Stage gives.
        given: Given,
    },
    /// What a stack puts out, as it was updated then.
    Outputs(StackKey, StackId, Timestamp, Access),
    /// Whether an image lies in its repository.
    Image(ImageRef, Access),
    /// What a ConfigMap or Secret holds of what a Stage needs.
    Values(ValueSource),
    /// Stage or Bootstrap, AwsAccounts and Freezes as they are now in the API server, past all caches.
    LiveGate {
        /// The object that stands before the gate.
        owner: PlanOwner,
        /// Names of the AwsAccounts.
        accounts: Vec<String>,
        /// The plan as it was known by then.
        plan: PlanVersion,
    },
}

/// The object that plans are for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum PlanOwner {
    /// A Stage, in the namespace of its plans.
    Stage {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
    },
    /// A Bootstrap, which lies in no namespace.
    Bootstrap {
        /// The namespace of its plans: the controller's.
        namespace: String,
        /// The name.
        name: String,
    },
}

impl PlanOwner {
    /// The namespace of its plans.
    #[must_use]
    pub fn namespace(&self) -> &str {
        match self {
            Self::Stage { namespace, .. } | Self::Bootstrap { namespace, .. } => namespace,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Stage { name, .. } | Self::Bootstrap { name, .. } => name,
        }
    }
}

/// A plan as it was when something else was looked at: that look came after all that this version holds.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PlanVersion {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its resourceVersion, which every write changes.
    pub resource_version: String,
    /// Its generation, which a record alone changes.
    pub generation: i64,
    /// The length of its ledger, which a record alone changes.
    pub entries: usize,
}

/// An image in a repository of container images.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ImageRef {
    /// Account and region.
    pub env: Env,
    /// The repository's name.
    pub repository: String,
    /// The tag.
    pub tag: String,
}

/// The kind of an object that holds parameter values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ValueKind {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

impl ValueKind {
    /// As Kubernetes calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }
}

/// An object that holds parameter values, and the keys that are wanted of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ValueSource {
    /// Its kind.
    pub kind: ValueKind,
    /// Its namespace: that of the Stage.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The keys.
    pub keys: BTreeSet<String>,
}

/// What such an object holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// Whether Stages may use it.
    pub offered: bool,
    /// Its text under the keys that are wanted; what is no text, or longer than 4,096 bytes (CloudFormation's bound on a value), is
    /// left out.
    pub values: BTreeMap<String, Hidden>,
}

/// How a change set is looked up.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SetRef {
    /// By name, within its stack: a lost reply leaves no ARN.
    Name(ChangeSetName),
    /// By ARN.
    Arn(ChangeSetArn),
}
