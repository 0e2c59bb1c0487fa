//! Everything that the controller does, as plain data: what it looks at, what it records, what it changes.
//!
//! Decisions make effects; one place performs them; a simulator can drop, delay and reorder them.

use jiff::Timestamp;

use crate::{
    api::PinnedSource,
    change::Baseline,
    stack::StackRow,
    words::{BucketName, Digest, Env, RoleArn, StackKey, Uid},
};

mod confirmed;
mod look;
mod mutation;
mod outcome;
mod record;

pub use confirmed::{CONFIRM_WITHIN, Confirmed};
pub use look::{Held, ImageRef, Look, PlanOwner, PlanVersion, SetRef, ValueKind, ValueSource};
pub use mutation::{ImageUpload, Mutation, TemplateSource, Upload, WantedChangeSet};
pub use outcome::{Fact, LiveGate, LivePlan, Outcome, Receipt, Refusal, RefusalKind, SourceSeen};
pub use record::{NewPlan, OutputsRecord, Record};

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
                Look::LiveGate { owner: PlanOwner::Stage { namespace, name }, .. } => {
                    format!("look gate {namespace}/{name}")
                }
                Look::LiveGate { owner: PlanOwner::Bootstrap { name, .. }, .. } => {
                    format!("look gate {name}")
                }
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
                Mutation::DeleteChangeSet(k, arn, ..) => format!("delete change set {k} {arn}"),
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
