//! Everything that the controller does, as plain data: what it looks at, what it records, what it changes.
//!
//! Decisions make effects; one place performs them; a simulator can drop, delay and reorder them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use crate::{
    api::{AwsAccount, ChangePlan, Freeze, LedgerEntry, PinnedSource, Proposal, S3Source, Stage},
    bundle::{Bundle, CarriedImage, FileAsset},
    change::{Baseline, Given, Hidden, ParameterValue, StackInput},
    stack::{ChangeSetKind, ChangeSetRow, Drift, FailedResource, SetContent, StackRow},
    words::{
        BucketName, ChangeSetArn, ChangeSetName, Digest, Env, ReleaseId, RoleArn, StackId, StackKey, Uid,
    },
};

mod confirmed;

pub use confirmed::{CONFIRM_WITHIN, Confirmed};

/// What was seen of a thing, and when the looking began. Not having looked is never absence.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Seen<T> {
    /// Nobody has looked, or what was seen holds no longer.
    #[default]
    Unknown,
    /// It is not there.
    Absent(Timestamp),
    /// It is there.
    Present(T, Timestamp),
}

impl<T> Seen<T> {
    /// When the looking began.
    #[must_use]
    pub fn as_of(&self) -> Option<Timestamp> {
        match self {
            Self::Unknown => None,
            Self::Absent(t) | Self::Present(_, t) => Some(*t),
        }
    }
}

/// How an account is reached: which roles, one after the other, and how narrow the session is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Access {
    /// The account that the session must be in, and the region to call.
    pub env: Env,
    /// The roles to assume, each with the one before; empty: the base credentials, if they are in that account.
    pub roles: Vec<RoleArn>,
    /// The session's name, at most 64 characters; CloudTrail shows it.
    pub session_name: String,
    /// Narrows the last session; absent for bootstrapping and reading.
    pub scope: Option<Scope>,
}

/// The only things that a session may do.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scope {
    /// CloudFormation on stacks with these names, passing this role, reading templates in this bucket and this
    /// parameter.
    Deploy {
        /// Patterns of stack names, `*` for any characters.
        stack_names: Vec<String>,
        /// The only role that may be passed.
        execution_role: RoleArn,
        /// The bucket that templates lie in.
        bucket: BucketName,
        /// The parameter with the bootstrap version.
        version_parameter: String,
    },
}

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
    /// Stage, AwsAccounts and Freezes as they are now in the API server, past all caches.
    LiveGate {
        /// Namespace of the Stage.
        namespace: String,
        /// Name of the Stage.
        stage: String,
        /// Names of the AwsAccounts.
        accounts: Vec<String>,
        /// The plan as it was known by then.
        plan: PlanVersion,
    },
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

/// A writing effect on Kubernetes; every one is a compare-and-swap.
#[derive(Clone, PartialEq, Debug)]
pub enum Record {
    /// Creates a ChangePlan.
    OpenPlan(Box<NewPlan>),
    /// Appends to a plan's ledger.
    Ledger {
        /// Namespace of the plan.
        namespace: String,
        /// Name of the plan.
        plan: String,
        /// The resourceVersion that the decision was made on.
        resource_version: String,
        /// What is appended; `seq` continues the list.
        entries: Vec<LedgerEntry>,
    },
    /// Writes outputs into a ConfigMap.
    Outputs(Box<OutputsRecord>),
    /// Adds or removes our finalizer on a Stage.
    Finalizer {
        /// Namespace of the Stage.
        namespace: String,
        /// Name of the Stage.
        stage: String,
        /// The resourceVersion that the decision was made on.
        resource_version: String,
        /// Whether it shall be there.
        present: bool,
    },
}

/// What a ConfigMap of a Stage shall hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutputsRecord {
    /// Its namespace: that of the Stage.
    pub namespace: String,
    /// Its name.
    pub config_map: String,
    /// Name of the Stage.
    pub stage: String,
    /// UID of the Stage, which owns it.
    pub uid: Uid,
    /// The outputs, by `StackName.Key`.
    pub data: BTreeMap<String, Hidden>,
}

/// A ChangePlan to be made.
#[derive(Clone, PartialEq, Debug)]
pub struct NewPlan {
    /// Namespace.
    pub namespace: String,
    /// Name: `<owner>-<40 hex of the id>`.
    pub name: String,
    /// The proposal.
    pub proposal: Proposal,
    /// The first entries of the ledger.
    pub ledger: Vec<LedgerEntry>,
    /// The object that owns it: API kind, name, UID.
    pub owner: (&'static str, String, Uid),
    /// The label that finds it: key and value.
    pub label: (&'static str, String),
}

/// A changing effect on AWS.
#[derive(Clone, PartialEq, Debug)]
pub enum Mutation {
    /// Puts an asset into the bucket unless the same entries lie there already.
    Publish(Box<Upload>),
    /// Copies an image into its repository unless the same lies there already.
    PushImage(Box<ImageUpload>),
    /// CreateChangeSet.
    CreateChangeSet(Box<WantedChangeSet>),
    /// ExecuteChangeSet, of one that a fresh look has confirmed.
    Execute(StackKey, Confirmed<ChangeSetArn>, Access),
    /// DeleteChangeSet, by ARN.
    DeleteChangeSet(StackKey, ChangeSetArn, Access),
    /// UpdateTerminationProtection, on or off.
    Protect(StackKey, Confirmed<StackId>, bool, Access),
    /// DeleteStack, of one that a fresh look has confirmed: in REVIEW_IN_PROGRESS without change sets, or what is left of a
    /// creation that was rolled back.
    DeleteStack(StackKey, Confirmed<StackId>, Access),
}

impl Mutation {
    /// Whether it must not be sent any more: there is no change set that could be withdrawn from whoever was held up between
    /// deciding and acting, and the look that it rests on is too old by now.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        match self {
            Self::DeleteStack(_, id, _) | Self::Protect(_, id, ..) => id.is_over(now),
            Self::Publish(_)
            | Self::PushImage(_)
            | Self::CreateChangeSet(_)
            | Self::Execute(..)
            | Self::DeleteChangeSet(..) => false,
        }
    }
}

/// An asset to be published.
#[derive(Clone, PartialEq, Debug)]
pub struct Upload {
    /// The bucket; its owner must be the account of `access`.
    pub bucket: BucketName,
    /// The key.
    pub key: String,
    /// The entries, and how they are packed.
    pub asset: FileAsset,
    /// How the bucket is reached.
    pub access: Access,
}

/// An image to be copied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImageUpload {
    /// Where it goes.
    pub to: ImageRef,
    /// The asset, as the assembly shows it.
    pub asset: String,
    /// The image.
    pub image: Arc<CarriedImage>,
    /// How the repository is reached.
    pub access: Access,
}

/// A change set to be made.
#[derive(Clone, PartialEq, Debug)]
pub struct WantedChangeSet {
    /// The stack.
    pub key: StackKey,
    /// The change set's name.
    pub name: ChangeSetName,
    /// Whether there is a stack yet.
    pub kind: ChangeSetKind,
    /// Its description, with the proof that it is ours.
    pub description: String,
    /// The template.
    pub template: TemplateSource,
    /// Parameter values; an absent value means the one that the stack has.
    pub parameters: Vec<(String, Option<Hidden>)>,
    /// Stack tags.
    pub tags: Vec<(String, String)>,
    /// Capabilities.
    pub capabilities: Vec<String>,
    /// The role that CloudFormation acts with; absent only for toolkit stacks.
    pub role: Option<RoleArn>,
    /// SNS topics; absent leaves them alone.
    pub notification_arns: Option<Vec<String>>,
    /// Whether existing resources with fixed names are imported (toolkit stacks).
    pub import_existing: bool,
    /// The idempotency token.
    pub token: String,
    /// Whether an answer to it may repeat a secret value that is not known here, so that its words are not shown.
    pub quiet: bool,
    /// How the account is reached.
    pub access: Access,
}

impl WantedChangeSet {
    /// Whether the digest of this input covers the whole call. Both sides are taken apart: a new field of either has to be
    /// placed here.
    #[must_use]
    pub fn is_covered_by(&self, input: &StackInput) -> bool {
        let Self {
            key,
            // Derived from owner, input and baseline.
            name: _,
            kind: _,
            description: _,
            token: _,
            template,
            parameters,
            tags,
            capabilities,
            role,
            notification_arns,
            import_existing,
            // Of the answer, not of the call.
            quiet: _,
            // Who calls makes no difference to what CloudFormation does.
            access: _,
        } = self;
        let StackInput {
            key: of,
            template: digest,
            template_key,
            assets,
            // The template names them by their tags.
            images: _,
            parameters: values,
            tags: covered,
            capabilities: granted,
            role: passed,
            notification_arns: topics,
            // Set by a call of its own.
            termination_protection: _,
            import_existing: import,
        } = input;
        let same_template = match template {
            TemplateSource::Inline(text) => template_key.is_none() && Digest::of(text.as_bytes()) == *digest,
            TemplateSource::Bucket(_, object) => {
                template_key.as_ref() == Some(object) && assets.contains_key(object)
            }
        };
        let value = |(name, value): &(String, Option<Hidden>)| match (values.get(name), value) {
            (Some(ParameterValue::Plain(a)), Some(b)) => a == b.reveal(),
            (Some(ParameterValue::Secret(_)), Some(_)) => true,
            // Which parameters the stack has is said by the baseline, and what stands behind them by the change set.
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        key == of
            && same_template
            && parameters.iter().filter(|(_, v)| v.is_some()).count() == values.len()
            && parameters.iter().all(value)
            && tags.len() == covered.len()
            && tags.iter().all(|(k, v)| covered.get(k) == Some(v))
            && capabilities.len() == granted.len()
            && capabilities.iter().all(|c| granted.contains(c))
            && role == passed
            && notification_arns == topics
            && import_existing == import
    }
}

/// Where CloudFormation gets a template.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TemplateSource {
    /// From the bucket of the environment, path style.
    Bucket(BucketName, String),
    /// From the call itself, at most 51,200 bytes.
    Inline(Arc<str>),
}

/// One effect.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Reads.
    Look(Look),
    /// Writes to Kubernetes.
    Record(Record),
    /// Changes something in AWS.
    Mutate(Mutation),
}

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
    /// The Stage; absent if it is gone.
    pub stage: Option<Stage>,
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

impl Effect {
    /// The key under which a refusal is remembered. A record on another version of the object is another attempt: there is
    /// no reason to hold it back.
    #[must_use]
    pub fn attempt(&self) -> String {
        match self {
            Self::Record(
                Record::Ledger { resource_version, .. } | Record::Finalizer { resource_version, .. },
            ) => format!("{} at {resource_version}", self.key()),
            Self::Record(Record::OpenPlan(_) | Record::Outputs(_)) | Self::Look(_) | Self::Mutate(_) => {
                self.key()
            }
        }
    }

    /// Names what the effect is about, for logs, traces and messages.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Look(look) => match look {
                Look::Stack(k, _) => format!("look stack {k}"),
                Look::ChangeSet(k, SetRef::Name(n), _) => format!("look change set {k} {n}"),
                Look::ChangeSet(k, SetRef::Arn(a), _) => format!("look change set {k} {a}"),
                Look::SetContent(k, a, ..) => format!("look content of change set {k} {a}"),
                Look::Template(k, ..) => format!("look template {k}"),
                Look::Failure(k, ..) => format!("look failure {k}"),
                Look::DetectDrift(k, ..) => format!("detect drift of stack {k}"),
                Look::Drift(k, ..) => format!("look drift of stack {k}"),
                Look::Toolkit(e, p, _) => format!("look toolkit {e} {p}"),
                Look::Source(s, ..) => format!("look source s3://{}/{}", s.bucket, s.key),
                Look::Bundle(PinnedSource::S3(p), _) => {
                    format!("look bundle s3://{}/{} version {}", p.bucket, p.key, p.version_id)
                }
                Look::ReleaseId { source: PinnedSource::S3(p), .. } => {
                    format!("look release id s3://{}/{} version {}", p.bucket, p.key, p.version_id)
                }
                Look::Outputs(k, ..) => format!("look outputs {k}"),
                Look::Image(i, _) => format!("look image {} {}:{}", i.env, i.repository, i.tag),
                Look::Values(s) => format!("look {} {}/{}", s.kind.as_str(), s.namespace, s.name),
                Look::LiveGate { namespace, stage, .. } => format!("look gate {namespace}/{stage}"),
            },
            Self::Record(record) => match record {
                Record::OpenPlan(p) => format!("record plan {}/{}", p.namespace, p.name),
                Record::Ledger { namespace, plan, .. } => format!("record ledger {namespace}/{plan}"),
                Record::Outputs(o) => format!("record outputs {}/{}", o.namespace, o.config_map),
                Record::Finalizer { namespace, stage, .. } => format!("record finalizer {namespace}/{stage}"),
            },
            Self::Mutate(mutation) => match mutation {
                Mutation::Publish(u) => format!("publish s3://{}/{}", u.bucket, u.key),
                Mutation::PushImage(u) => format!("push image {} {}:{}", u.to.env, u.to.repository, u.to.tag),
                Mutation::CreateChangeSet(w) => format!("create change set {} {}", w.key, w.name),
                Mutation::Execute(k, arn, _) => format!("execute change set {k} {}", arn.get()),
                Mutation::DeleteChangeSet(k, arn, _) => format!("delete change set {k} {arn}"),
                Mutation::Protect(k, id, on, _) => {
                    format!("{} stack {k} {}", if *on { "protect" } else { "unprotect" }, id.get())
                }
                Mutation::DeleteStack(k, id, _) => format!("delete stack {k} {}", id.get()),
            },
        }
    }
}

/// What a pass does next.
#[derive(Clone, Debug)]
pub enum Next {
    /// Perform these, at most one per stack, then decide again.
    Do(Vec<Effect>),
    /// Nothing now.
    Wait(Wake),
}

/// What ends a wait. A change of a watched object always does.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wake {
    /// At the latest then; absent: only by a change.
    pub at: Option<Timestamp>,
    /// The stacks whose rows matter.
    pub stacks: Vec<Watched>,
}

/// A stack that the poll of its region looks at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Watched {
    /// The stack.
    pub key: StackKey,
    /// How closely.
    pub pace: Pace,
    /// How the region is read.
    pub access: Access,
}

/// How closely a stack is watched by the poll of its region.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Pace {
    /// Nothing of ours runs: now and then.
    Slow,
    /// An operation of ours runs.
    Fast,
}

/// The name of the sessions that poll; one for each account, whoever waits there.
pub const POLL_SESSION: &str = "sg-poll";

/// The name of the session that acts for an object: `sg-` and 16 hexadecimal digits of its UID.
#[must_use]
pub fn session_name(owner: &Uid) -> String {
    let digits: String = owner.as_str().chars().filter(char::is_ascii_hexdigit).take(16).collect();
    format!("sg-{digits}")
}

/// The baseline that a row stands for.
#[must_use]
pub fn baseline_of(row: Option<&StackRow>) -> Baseline {
    match row {
        Some(r) if r.exists() => Baseline::Stack(r.id.clone(), r.updated),
        Some(_) | None => Baseline::None,
    }
}

/// What people call a release.
#[must_use]
pub fn release_name(digest: &Digest) -> String {
    digest.short(12)
}
