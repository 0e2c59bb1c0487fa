//! What follows from each state of a stack or change set. One table each, every state named.

use super::status::{ChangeSetStatus, ExecutionStatus, StackStatus};
use crate::api::SettledAs;

/// How a change set for a stack has to be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChangeSetKind {
    /// There is no stack yet.
    Create,
    /// There is one.
    Update,
}

/// What can be done with a stack that shall change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Preparation {
    /// Make a change set of this kind.
    Make(ChangeSetKind),
    /// Somebody's operation has to end first.
    Wait,
    /// Its creation was rolled back, so it never lived. A plan of its owner may delete it and make it anew, as `cdk deploy` does;
    /// for everybody else the text says what to do.
    Recreate(&'static str),
    /// A person has to look; the text says what to do.
    Stuck(&'static str),
}

/// Whether and how a change set for the stack can be made.
#[must_use]
pub fn preparation(status: StackStatus) -> Preparation {
    use StackStatus as S;
    match status {
        S::ReviewInProgress | S::DeleteComplete => Preparation::Make(ChangeSetKind::Create),
        S::CreateComplete
        | S::UpdateComplete
        | S::UpdateRollbackComplete
        | S::ImportComplete
        | S::ImportRollbackComplete => Preparation::Make(ChangeSetKind::Update),
        S::CreateInProgress
        | S::RollbackInProgress
        | S::DeleteInProgress
        | S::UpdateInProgress
        | S::UpdateCompleteCleanupInProgress
        | S::UpdateRollbackInProgress
        | S::UpdateRollbackCompleteCleanupInProgress
        | S::ImportInProgress
        | S::ImportRollbackInProgress => Preparation::Wait,
        S::RollbackComplete => Preparation::Recreate(
            "its creation was rolled back; look at its events, then delete it: aws cloudformation delete-stack",
        ),
        S::CreateFailed | S::RollbackFailed => Preparation::Stuck(
            "its creation failed and what was made is still there; look at its events, then delete it: aws cloudformation delete-stack",
        ),
        S::DeleteFailed => {
            Preparation::Stuck("its deletion failed; finish it with aws cloudformation delete-stack")
        }
        S::UpdateFailed => Preparation::Stuck(
            "an update failed and was not rolled back; run aws cloudformation rollback-stack",
        ),
        S::UpdateRollbackFailed => Preparation::Stuck(
            "a roll back failed; run aws cloudformation continue-update-rollback (with --resources-to-skip if need be)",
        ),
        S::ImportRollbackFailed => {
            Preparation::Stuck("the roll back of an import failed; look at its events")
        }
    }
}

/// What can be done with a stack that shall go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removal {
    /// DeleteStack.
    Delete,
    /// An operation has to end first, perhaps its deletion.
    Wait,
    /// Its deletion has failed; it may be tried again.
    Failed,
    /// It is gone.
    Done,
}

/// Whether and how a stack can be deleted.
#[must_use]
pub fn removal(status: StackStatus) -> Removal {
    use StackStatus as S;
    match status {
        S::DeleteComplete => Removal::Done,
        S::DeleteFailed => Removal::Failed,
        S::CreateInProgress
        | S::RollbackInProgress
        | S::DeleteInProgress
        | S::UpdateInProgress
        | S::UpdateCompleteCleanupInProgress
        | S::UpdateRollbackInProgress
        | S::UpdateRollbackCompleteCleanupInProgress
        | S::ImportInProgress
        | S::ImportRollbackInProgress => Removal::Wait,
        S::ReviewInProgress
        | S::CreateComplete
        | S::UpdateComplete
        | S::UpdateRollbackComplete
        | S::ImportComplete
        | S::ImportRollbackComplete
        | S::RollbackComplete
        | S::CreateFailed
        | S::RollbackFailed
        | S::UpdateFailed
        | S::UpdateRollbackFailed
        | S::ImportRollbackFailed => Removal::Delete,
    }
}

/// How far an execution that we started has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Run {
    /// This state is from before the execution, or the execution has not begun.
    NotStarted,
    /// It runs.
    Running,
    /// It ended.
    Ended(SettledAs),
}

/// What a stack's status says of an execution of ours. `moved`: the stack was updated since the baseline that the change
/// set was made for; without it a complete state is one from before.
#[must_use]
pub fn run(kind: ChangeSetKind, status: StackStatus, moved: bool) -> Run {
    use StackStatus as S;
    let ended = |outcome| match kind {
        ChangeSetKind::Create => Run::Ended(outcome),
        ChangeSetKind::Update if moved => Run::Ended(outcome),
        ChangeSetKind::Update => Run::NotStarted,
    };
    match status {
        S::ReviewInProgress => Run::NotStarted,
        S::CreateInProgress
        | S::RollbackInProgress
        | S::DeleteInProgress
        | S::UpdateInProgress
        | S::UpdateCompleteCleanupInProgress
        | S::UpdateRollbackInProgress
        | S::UpdateRollbackCompleteCleanupInProgress
        | S::ImportInProgress
        | S::ImportRollbackInProgress => Run::Running,
        S::CreateComplete | S::UpdateComplete | S::ImportComplete => ended(SettledAs::Succeeded),
        S::RollbackComplete | S::UpdateRollbackComplete | S::ImportRollbackComplete => {
            ended(SettledAs::RolledBack)
        }
        S::CreateFailed
        | S::RollbackFailed
        | S::DeleteFailed
        | S::UpdateFailed
        | S::UpdateRollbackFailed
        | S::ImportRollbackFailed => ended(SettledAs::Failed),
        S::DeleteComplete => Run::Ended(SettledAs::Gone),
    }
}

/// What can be done with a change set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetState {
    /// It is being made.
    Preparing,
    /// It can be executed.
    Ready,
    /// It contains nothing.
    Empty,
    /// It could not be made.
    Failed,
    /// It runs.
    Executing,
    /// It ran, well or not: the stack says which.
    Executed,
    /// The stack has changed since: it can only be deleted.
    Obsolete,
    /// It is gone, or about to be.
    Gone,
}

/// What a change set's two states mean together. `empty`: it failed since it contains no changes.
#[must_use]
pub fn set_state(status: ChangeSetStatus, execution: ExecutionStatus, empty: bool) -> SetState {
    use {ChangeSetStatus as C, ExecutionStatus as E};
    match execution {
        E::ExecuteInProgress => return SetState::Executing,
        E::ExecuteComplete | E::ExecuteFailed => return SetState::Executed,
        E::Obsolete => return SetState::Obsolete,
        E::Unavailable | E::Available => {}
    }
    match status {
        C::CreatePending | C::CreateInProgress => SetState::Preparing,
        C::CreateComplete => match execution {
            E::Available => SetState::Ready,
            E::Unavailable | E::ExecuteInProgress | E::ExecuteComplete | E::ExecuteFailed | E::Obsolete => {
                SetState::Preparing
            }
        },
        C::DeletePending | C::DeleteInProgress | C::DeleteComplete => SetState::Gone,
        C::DeleteFailed => SetState::Failed,
        C::Failed => {
            if empty {
                SetState::Empty
            } else {
                SetState::Failed
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complete_state_of_before_never_counts_as_the_end_of_an_update() {
        for s in StackStatus::ALL {
            let r = run(ChangeSetKind::Update, *s, false);
            assert!(!matches!(r, Run::Ended(SettledAs::Succeeded | SettledAs::RolledBack)), "{s:?}");
        }
    }

    #[test]
    fn every_state_parses_back() {
        for s in StackStatus::ALL {
            assert_eq!(s.as_str().parse(), Ok(*s));
        }
        assert!("UPDATE_ROLLBACK_COMPLETE_CLEANUP".parse::<StackStatus>().is_err());
    }

    /// Peers deleted live stacks since one status name is contained in another (peers.md, F3).
    #[test]
    fn cleanup_after_a_roll_back_is_waited_for() {
        assert_eq!(preparation(StackStatus::UpdateRollbackCompleteCleanupInProgress), Preparation::Wait);
        assert_eq!(
            preparation(StackStatus::UpdateRollbackComplete),
            Preparation::Make(ChangeSetKind::Update)
        );
    }
}
