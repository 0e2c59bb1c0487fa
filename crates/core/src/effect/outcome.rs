//! What came of an effect.

use std::{collections::BTreeMap, sync::Arc};

use super::Held;
use crate::{
    api::{AwsAccount, Bootstrap, ChangePlan, Freeze, Stage},
    bundle::Bundle,
    change::Hidden,
    stack::{ChangeSetRow, Drift, FailedResource, SetContent, StackRow},
    words::{ChangeSetArn, Digest, ReleaseId, StackId},
};

/// What came of an effect.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A look told this.
    Learnt(Fact),
    /// A mutation or record was accepted.
    Accepted(Receipt),
    /// No reply, or one that leaves it open whether it was carried out. A look has to tell.
    Unsure(String),
    /// It was refused: it did not happen.
    Refused(Refusal),
}

/// What a look told.
#[derive(Clone, Debug)]
pub enum Fact {
    /// A stack, or that there is none of that name.
    Stack(Option<StackRow>),
    /// A change set, or that there is none.
    ChangeSet(Option<ChangeSetRow>),
    /// What a change set holds, or that there is none.
    SetContent(Option<SetContent>),
    /// A template's text, or that there is none.
    Template(Option<Arc<str>>),
    /// The first failed resource, if one failed.
    Failure(Option<FailedResource>),
    /// The id of a detection of drift that has begun.
    DriftDetection(String),
    /// What came of one; `None`: it goes on.
    Drift(Option<Drift>),
    /// The bootstrap version, or that the parameter is not there.
    Toolkit(Option<u32>),
    /// The S3 object as it is now.
    Source(SourceSeen),
    /// The assembly, or why it is none.
    Bundle(Result<Arc<Bundle>, String>),
    /// The id of the release for the Stage; `None`: it cannot be deployed there, and planning it will say why.
    ReleaseId(Option<ReleaseId>),
    /// What a stack puts out; nothing where it is gone.
    Outputs(BTreeMap<String, Hidden>),
    /// Whether the image is there.
    Image(bool),
    /// What a ConfigMap or Secret holds, or that it is not there.
    Values(Option<Held>),
    /// What the gate looks like now.
    LiveGate(Box<LiveGate>),
}

/// An S3 object, as it is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SourceSeen {
    /// It is not there, or the bucket is not.
    Missing(String),
    /// The bucket keeps no versions, so this could not be fetched again.
    Unversioned,
    /// Its version.
    Version(String),
}

/// The objects that may still stop a claimed change.
#[derive(Clone, Debug, Default)]
pub struct LiveGate {
    /// The Stage that was looked for; absent if it is gone.
    pub stage: Option<Stage>,
    /// The Bootstrap that was looked for; absent if it is gone.
    pub bootstrap: Option<Bootstrap>,
    /// The AwsAccounts that are there.
    pub accounts: Vec<AwsAccount>,
    /// All Freezes.
    pub freezes: Vec<Freeze>,
    /// The plan; absent if it is gone.
    pub plan: Option<LivePlan>,
    /// Which objects the admission policies are, and in which generation; absent where they cannot be read.
    pub policies: Option<Digest>,
}

/// What the metadata of a plan say.
#[derive(Clone, Debug, Default)]
pub struct LivePlan {
    /// Its UID.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// Its generation.
    pub generation: i64,
    /// What people have written on it.
    pub annotations: BTreeMap<String, String>,
}

/// What an accepted effect left behind.
#[derive(Clone, Debug)]
pub enum Receipt {
    /// Nothing more is known.
    Done,
    /// The plan as the API server stored it.
    Plan(Box<ChangePlan>),
    /// The ids of the change set that is being made.
    ChangeSet(ChangeSetArn, StackId),
}

/// Why an effect was refused. The kind decides what follows, the message is for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The kind.
    pub kind: RefusalKind,
    /// What AWS or Kubernetes said, with the request id, cut at 1,000 characters.
    pub message: String,
}

/// The kinds of refusal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RefusalKind {
    /// Too many calls; later.
    Throttled,
    /// Not reachable, or an error on their side; later.
    Unavailable,
    /// A role could not be assumed.
    AssumeDenied,
    /// The call is not allowed.
    Denied,
    /// The session is in another account than it should be.
    WrongAccount,
    /// The thing is not there.
    NotFound,
    /// Something of that name is there already.
    AlreadyExists,
    /// The object has changed since it was read (409), or the stack is in the wrong state.
    Conflict,
    /// Something else lies under the key of an asset, or under the tag of an image.
    AssetKeyTaken,
    /// The call itself is wrong.
    Invalid,
}
