//! Conditions: one closed list of types and reasons, and how a list of them is made.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::plain::plain;

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }
        impl $name {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];
            /// The name as it stands in the object.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }
        }
    };
}

names! {
    /// The types of condition.
    ConditionType {
        /// What is deployed is healthy.
        Ready,
        /// Nothing newer waits.
        UpToDate,
        /// Work goes on. Present only while True.
        Reconciling,
        /// A person, an upstream or time is awaited. Present only while True.
        Waiting,
        /// Nothing goes on until somebody changes something. Present only while True.
        Stalled,
        /// A Freeze holds changes up now.
        Active,
        /// Resources are not as the templates of their stacks have left them. Absent where nobody has asked for it.
        Drifted,
        /// The admission policies that prove who decided are in force.
        ApprovalsEnforced,
    }
}

names! {
    /// Why a condition is as it is.
    Reason {
        /// The newest release is deployed.
        Deployed,
        /// Resources were changed or deleted past their stack.
        ResourcesDrifted,
        /// Drift was looked for, and there is none.
        InSync,
        /// Drift could not be detected.
        DriftUnknown,
        /// Nothing has been deployed yet.
        NotDeployed,
        /// A newer release or change is on its way.
        ChangePending,
        /// The object is as asked for.
        Accepted,
        /// The toolkit stacks are there, in the version asked for.
        Bootstrapped,
        /// The assembly was read and makes a release.
        Released,
        /// The source is being read.
        Fetching,
        /// Assets are published and change sets prepared.
        Planning,
        /// Change sets run.
        Executing,
        /// Change sets of a plan that will not run are deleted.
        Withdrawing,
        /// The object is being deleted.
        Deleting,
        /// An upstream stage has not verified the release yet.
        AwaitingUpstream,
        /// A decision is awaited.
        AwaitingApproval,
        /// The upstream stage has not carried the release for long enough yet.
        Soaking,
        /// The report of a check is awaited.
        AwaitingCheck,
        /// A Freeze is active.
        Frozen,
        /// The Stage is held by `spec.suspend`.
        Suspended,
        /// `spec.mode: Observe`: it is shown what would happen, and nothing runs.
        Observing,
        /// The plan waited longer than `planTTL`.
        Expired,
        /// A check has failed, or has not reported in time.
        CheckFailed,
        /// `spec.pin` names a release that is not known.
        PinNotFound,
        /// An account demands `promoteFrom`.
        PromotionRequired,
        /// It holds nothing up now.
        Inactive,
        /// The admission policies are in force, as tried by wrong requests.
        PoliciesInForce,
        /// An admission policy or its binding is missing, changed, or does not refuse what it should.
        PoliciesNotInForce,
        /// The assembly has no release yet.
        AwaitingAssembly,
        /// The environment has no toolkit stack, or an older one than needed.
        NotBootstrapped,
        /// Somebody else's operation on the stack has to end first.
        StackBusy,
        /// The change was rejected.
        Rejected,
        /// AWS could not be reached or asked for patience; it is tried again.
        Retrying,
        /// The last change was rolled back by CloudFormation.
        RolledBack,
        /// A roll back failed.
        RollbackFailed,
        /// A change set could not be made.
        PlanFailed,
        /// The assembly cannot be used.
        InvalidAssembly,
        /// The source does not hold what it should.
        SourceFailed,
        /// The bucket keeps no versions, so a release could not be fetched again.
        BucketNotVersioned,
        /// The assembly has no CDK Stage of that name.
        NoSuchCdkStage,
        /// An account is not there, not listed, or does not allow this.
        AccountNotAllowed,
        /// Two AwsAccounts have one account id; neither is used.
        DuplicateAccountID,
        /// A stack of that name exists and is not ours.
        StackNotOurs,
        /// A stack is in a state that needs a person.
        StackStuck,
        /// The assembly names other roles, buckets or parameters than the bootstrap defines.
        RoleNotComputed,
        /// Something else lies under the key of an asset.
        AssetKeyTaken,
        /// AWS denied a call.
        AccessDenied,
        /// AWS refused a call for another reason.
        CallRefused,
        /// A stage named in promoteFrom is not there.
        UpstreamNotFound,
        /// Stages promote from each other in a circle.
        PromotionCycle,
        /// The spec selects nothing, or names what is not there.
        InvalidSpec,
        /// A container image that a stack needs is not in its repository.
        ImageMissing,
        /// Outputs could not be written into their ConfigMap.
        OutputsNotWritten,
        /// A template parameter has no value, or its value cannot be read.
        InvalidParameters,
        /// The plan carries more entries than its ledger can hold.
        LedgerFull,
    }
}

/// Builds the list of conditions of a status; transition times are kept while a condition's status stays.
#[derive(Debug)]
pub struct Conditions<'a> {
    before: &'a [Condition],
    generation: Option<i64>,
    now: Timestamp,
    list: Vec<Condition>,
}

/// The longest message that a condition carries, in characters.
const MAX_MESSAGE: usize = 1024;

impl<'a> Conditions<'a> {
    /// Starts a new list; `before` is what the object shows now.
    #[must_use]
    pub fn new(before: &'a [Condition], generation: Option<i64>, now: Timestamp) -> Self {
        Self { before, generation, now, list: Vec::new() }
    }

    /// Adds a condition.
    #[must_use]
    pub fn with(self, kind: ConditionType, is: bool, reason: Reason, message: impl Into<String>) -> Self {
        self.add(kind, if is { "True" } else { "False" }, reason, message.into())
    }

    /// Adds a condition of which nobody knows whether it is so.
    #[must_use]
    pub fn unknown(self, kind: ConditionType, reason: Reason, message: impl Into<String>) -> Self {
        self.add(kind, "Unknown", reason, message.into())
    }

    fn add(mut self, kind: ConditionType, status: &str, reason: Reason, mut message: String) -> Self {
        let old = self.before.iter().find(|c| c.type_ == kind.as_str() && c.status == status);
        message = plain(&message);
        if message.chars().count() > MAX_MESSAGE {
            message = message.chars().take(MAX_MESSAGE - 1).chain(['…']).collect();
        }
        self.list.push(Condition {
            type_: kind.as_str().to_owned(),
            status: status.to_owned(),
            reason: reason.as_str().to_owned(),
            message,
            observed_generation: self.generation,
            last_transition_time: old.map_or(Time(self.now), |c| c.last_transition_time.clone()),
        });
        self
    }

    /// Keeps a condition as the object shows it now: nothing newer is known of it.
    #[must_use]
    pub fn keep(mut self, kind: ConditionType) -> Self {
        let old = self.before.iter().find(|c| c.type_ == kind.as_str()).cloned();
        self.list.extend(old.map(|c| Condition { observed_generation: self.generation, ..c }));
        self
    }

    /// The finished list.
    #[must_use]
    pub fn build(self) -> Vec<Condition> {
        self.list
    }
}
