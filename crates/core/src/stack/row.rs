//! What one look at a stack or change set tells, in our words.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    ChangeSetStatus, DriftStatus, ExecutionStatus, Preparation, SetState, StackStatus, preparation, set_state,
};
use crate::words::{ChangeSetArn, ChangeSetName, Digest, StackId};

/// A stack, from DescribeStacks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StackRow {
    /// Its StackId.
    pub id: StackId,
    /// Its status.
    pub status: StackStatus,
    /// LastUpdatedTime, or CreationTime where it was never updated.
    pub updated: Timestamp,
    /// The names that its outputs are exported under.
    pub exports: BTreeSet<String>,
    /// The names of its parameters.
    pub parameters: BTreeSet<String>,
    /// Those of them whose values CloudFormation shows to nobody: their template says `NoEcho`.
    pub masked: BTreeSet<String>,
    /// Whether it is protected against deletion.
    pub protected: bool,
    /// The ARN of the role that CloudFormation acts with on it, whoever calls, as AWS writes it: a stack of others may have
    /// any. Absent: the caller's own rights.
    pub role: Option<String>,
    /// What came of the last detection of drift, and when that was; absent: there was none.
    pub drift: Option<(DriftStatus, Timestamp)>,
    /// For a stack in REVIEW_IN_PROGRESS that was looked at by name: how many change sets it has.
    pub change_sets: Option<u32>,
}

impl StackRow {
    /// Whether there is a stack at all: REVIEW_IN_PROGRESS and DELETE_COMPLETE count as none.
    #[must_use]
    pub fn exists(&self) -> bool {
        !matches!(self.status, StackStatus::ReviewInProgress | StackStatus::DeleteComplete)
    }

    /// Whether it is what a creation left that was rolled back.
    #[must_use]
    pub fn is_remnant(&self) -> bool {
        matches!(preparation(self.status), Preparation::Recreate(_))
    }
}

/// A change set, from DescribeChangeSet with all its pages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangeSetRow {
    /// Its ARN.
    pub arn: ChangeSetArn,
    /// Its name.
    pub name: ChangeSetName,
    /// The stack that it is for.
    pub stack_id: StackId,
    /// When it was made, by CloudFormation's clock.
    pub created: Timestamp,
    /// Its status.
    pub status: ChangeSetStatus,
    /// Whether it can be executed.
    pub execution: ExecutionStatus,
    /// Whether it failed because it contains no changes.
    pub empty: bool,
    /// Why it is in that status, in CloudFormation's words.
    pub reason: String,
    /// Its description; ours carries a proof that we made it.
    pub description: String,
    /// What it would change in its own stack. What it changes in nested stacks is in its [`SetContent`].
    pub changes: Vec<Change>,
    /// HMACs of its parameters' values, those that CloudFormation has looked up elsewhere (SSM) included.
    pub parameters: BTreeMap<String, Digest>,
    /// The change sets of its nested stacks, by logical id.
    pub nested: BTreeMap<String, ChangeSetArn>,
}

/// What a change set holds that DescribeChangeSet does not tell of it. Nothing of it changes under the same ARN: a change
/// set is immutable, and was validated when it was made.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SetContent {
    /// SHA-256 of the processed templates: that of the stack under the empty path, those of nested stacks under theirs,
    /// such as `Network/Subnets`.
    pub processed: BTreeMap<String, Digest>,
    /// What changes in nested stacks; logical ids carry the path, such as `Network/Vpc`.
    pub changes: Vec<Change>,
    /// HMACs of the values of nested stacks' parameters, by path.
    pub parameters: BTreeMap<String, Digest>,
    /// What validations and hooks have to say, and what could not be learnt; in order, each once, without anything that
    /// differs by itself from one time to the next.
    pub warnings: Vec<String>,
    /// The templates that nested stacks have now, by path; none where one is new. They are no part of what is approved, but
    /// say how dangerous it is.
    pub deployed: BTreeMap<String, Arc<str>>,
}

impl ChangeSetRow {
    /// What can be done with it.
    #[must_use]
    pub fn state(&self) -> SetState {
        set_state(self.status, self.execution, self.empty)
    }
}

/// One resource of a change set.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Change {
    /// The logical id.
    pub logical_id: String,
    /// The resource type.
    pub resource_type: String,
    /// `Add`, `Modify`, `Remove`, `Import`, `Dynamic` …
    pub action: String,
    /// `True`, `False`, `Conditional`, or empty.
    pub replacement: String,
    /// What becomes of the old resource: `Delete`, `Retain`, `Snapshot`, `ReplaceAndDelete` …, or empty.
    pub policy_action: String,
    /// Which parts change: `Properties`, `Tags`, `Metadata` …
    pub scope: BTreeSet<String>,
    /// Why each of them changes.
    pub details: BTreeSet<ValueSource>,
    /// An HMAC of the values before and after; the values themselves are never kept.
    pub values: Option<Digest>,
}

/// Why one attribute of a resource changes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ValueSource {
    /// `Properties`, `Metadata` …
    pub attribute: String,
    /// The property's name, or empty.
    pub name: String,
    /// `Never`, `Conditionally`, `Always`, or empty.
    pub requires_recreation: String,
    /// `Static` or `Dynamic`.
    pub evaluation: String,
    /// `DirectModification`, `ResourceReference`, `ParameterReference` …, or empty.
    pub change_source: String,
    /// What caused it, or empty.
    pub causing_entity: String,
}

/// What came of a detection of drift.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Drift {
    /// It was carried out.
    Detected {
        /// How the stack as a whole stands.
        status: DriftStatus,
        /// What differs; nothing where nothing does.
        resources: Vec<DriftedResource>,
    },
    /// It failed, in CloudFormation's words.
    Failed(String),
}

/// A resource that is not as its template has left it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DriftedResource {
    /// Its logical id.
    pub logical_id: String,
    /// Its type.
    pub resource_type: String,
    /// `MODIFIED` or `DELETED`.
    pub status: String,
}

/// The first resource that failed in an operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailedResource {
    /// Its logical id.
    pub logical_id: String,
    /// Its type.
    pub resource_type: String,
    /// Why, in CloudFormation's words.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(status: StackStatus) -> StackRow {
        StackRow {
            id: "arn:aws:cloudformation:eu-west-1:333333333333:stack/Store/1".parse().unwrap(),
            status,
            updated: Timestamp::UNIX_EPOCH,
            exports: BTreeSet::new(),
            parameters: BTreeSet::new(),
            masked: BTreeSet::new(),
            protected: false,
            role: None,
            drift: None,
            change_sets: None,
        }
    }

    #[test]
    fn a_stack_is_there_unless_it_is_a_mere_place_or_gone() {
        let none: Vec<_> = StackStatus::ALL.iter().copied().filter(|s| !row(*s).exists()).collect();
        assert_eq!(none, [StackStatus::DeleteComplete, StackStatus::ReviewInProgress]);
    }

    #[test]
    fn what_a_creation_left_that_was_rolled_back_is_a_remnant() {
        let remnants: Vec<_> = StackStatus::ALL.iter().copied().filter(|s| row(*s).is_remnant()).collect();
        assert_eq!(remnants, [StackStatus::RollbackComplete]);
    }
}
