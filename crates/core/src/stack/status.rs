//! The states of CloudFormation, each with what it means for us.
//!
//! Source: the API references of `Stack.StackStatus`, `DescribeChangeSet.Status` and `ExecutionStatus`.

use std::str::FromStr;

use crate::words::BadWord;

macro_rules! states {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }
        impl $name {
            /// Every state.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];
            /// The state as the API spells it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
        impl FromStr for $name {
            type Err = BadWord;
            fn from_str(s: &str) -> Result<Self, BadWord> {
                match s {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(BadWord { what: $what, text: s.chars().take(80).collect(), rule: "a state that this version knows" }),
                }
            }
        }
    };
}

states! {
    /// The status of a stack.
    StackStatus, "stack status" {
        /// Being made.
        CreateInProgress = "CREATE_IN_PROGRESS",
        /// Could not be made, and was left as it is.
        CreateFailed = "CREATE_FAILED",
        /// Made.
        CreateComplete = "CREATE_COMPLETE",
        /// Could not be made, is being taken back.
        RollbackInProgress = "ROLLBACK_IN_PROGRESS",
        /// Could not be made, nor taken back.
        RollbackFailed = "ROLLBACK_FAILED",
        /// Could not be made, was taken back: an empty stack that never lived.
        RollbackComplete = "ROLLBACK_COMPLETE",
        /// Being deleted.
        DeleteInProgress = "DELETE_IN_PROGRESS",
        /// Could not be deleted.
        DeleteFailed = "DELETE_FAILED",
        /// Deleted.
        DeleteComplete = "DELETE_COMPLETE",
        /// Being updated.
        UpdateInProgress = "UPDATE_IN_PROGRESS",
        /// Updated; what was replaced is being deleted.
        UpdateCompleteCleanupInProgress = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        /// Updated.
        UpdateComplete = "UPDATE_COMPLETE",
        /// Could not be updated, and was left as it is.
        UpdateFailed = "UPDATE_FAILED",
        /// Could not be updated, is being taken back.
        UpdateRollbackInProgress = "UPDATE_ROLLBACK_IN_PROGRESS",
        /// Could not be updated, nor taken back.
        UpdateRollbackFailed = "UPDATE_ROLLBACK_FAILED",
        /// Could not be updated, taken back; what was made is being deleted.
        UpdateRollbackCompleteCleanupInProgress = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        /// Could not be updated, was taken back.
        UpdateRollbackComplete = "UPDATE_ROLLBACK_COMPLETE",
        /// Has a change set and nothing else: does not exist yet.
        ReviewInProgress = "REVIEW_IN_PROGRESS",
        /// Resources are being imported.
        ImportInProgress = "IMPORT_IN_PROGRESS",
        /// Resources were imported.
        ImportComplete = "IMPORT_COMPLETE",
        /// An import is being taken back.
        ImportRollbackInProgress = "IMPORT_ROLLBACK_IN_PROGRESS",
        /// An import could not be taken back.
        ImportRollbackFailed = "IMPORT_ROLLBACK_FAILED",
        /// An import was taken back.
        ImportRollbackComplete = "IMPORT_ROLLBACK_COMPLETE",
    }
}

states! {
    /// Whether the resources of a stack are as its template has left them (`StackDriftInformation`).
    DriftStatus, "drift status" {
        /// Something differs.
        Drifted = "DRIFTED",
        /// Nothing differs, as far as it can be told.
        InSync = "IN_SYNC",
        /// CloudFormation does not know.
        Unknown = "UNKNOWN",
        /// Nobody has looked.
        NotChecked = "NOT_CHECKED",
    }
}

states! {
    /// The status of a change set.
    ChangeSetStatus, "change set status" {
        /// Not begun.
        CreatePending = "CREATE_PENDING",
        /// Being made.
        CreateInProgress = "CREATE_IN_PROGRESS",
        /// Made.
        CreateComplete = "CREATE_COMPLETE",
        /// To be deleted.
        DeletePending = "DELETE_PENDING",
        /// Being deleted.
        DeleteInProgress = "DELETE_IN_PROGRESS",
        /// Deleted.
        DeleteComplete = "DELETE_COMPLETE",
        /// Could not be deleted.
        DeleteFailed = "DELETE_FAILED",
        /// Could not be made, or contains nothing.
        Failed = "FAILED",
    }
}

states! {
    /// Whether a change set can be, is being or was executed.
    ExecutionStatus, "execution status" {
        /// Cannot be executed.
        Unavailable = "UNAVAILABLE",
        /// Can be executed.
        Available = "AVAILABLE",
        /// Runs.
        ExecuteInProgress = "EXECUTE_IN_PROGRESS",
        /// Ran to its end.
        ExecuteComplete = "EXECUTE_COMPLETE",
        /// Ran and failed.
        ExecuteFailed = "EXECUTE_FAILED",
        /// The stack has changed since it was made.
        Obsolete = "OBSOLETE",
    }
}
