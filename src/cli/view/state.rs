//! How a plan stands, from its record and its gate.

use serde::Serialize;
use stackgate_core::{
    api::CloseReason,
    gate::{PlanView, Tally},
};

use super::standing::Brake;

/// How a plan stands.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// People are awaited.
    AwaitingApproval,
    /// It shows what would happen: its Stage runs nothing.
    Observing,
    /// It has what it needs and will run.
    Approved,
    /// It has what it needs and waits for a freeze to end.
    Frozen,
    /// It has what it needs, and its Stage starts nothing.
    Suspended,
    /// It has what it needs, and nothing proves now who decided.
    PoliciesNotInForce,
    /// Nothing proves that the controller wrote what it proposes: nothing of it runs.
    Unproven,
    /// Stacks are changing.
    Executing,
    /// A stack has failed, what has not started stays so.
    Failing,
    /// It was carried out.
    Succeeded,
    /// Somebody has rejected it.
    Rejected,
    /// A newer one, or a change of the stacks, took its place.
    Superseded,
    /// After the claim something stood against it.
    Withdrawn,
    /// It was tried, and a stack failed.
    Failed,
    /// It waited too long.
    Expired,
    /// It waits, and its gate is not known.
    Pending,
}

impl State {
    /// From the record, from the count where there is a gate, and from what holds it up.
    #[must_use]
    pub(super) fn of(view: &PlanView, tally: Option<&Tally>, brake: Option<&Brake>) -> Self {
        if let Some(closed) = &view.closed {
            return match closed.reason {
                CloseReason::Rejected => Self::Rejected,
                CloseReason::Superseded => Self::Superseded,
                CloseReason::Withdrawn => Self::Withdrawn,
                CloseReason::Failed => Self::Failed,
                CloseReason::Expired => Self::Expired,
            };
        }
        // Whatever a plan says of itself that somebody else has put there.
        if view.opening_is_proven || view.rejected().is_some() {
            if view.failed().next().is_some() {
                return Self::Failing;
            }
            if view.is_carried_out() {
                return Self::Succeeded;
            }
            if view.claimed {
                return Self::Executing;
            }
        }
        if view.rejected().is_some() {
            return Self::Rejected;
        }
        match (tally, brake) {
            (None, _) => Self::Pending,
            (Some(_), _) if !view.opening_is_proven => Self::Unproven,
            (Some(_), Some(Brake::Observing)) => Self::Observing,
            (Some(t), _) if !t.passes() => Self::AwaitingApproval,
            (Some(_), Some(Brake::Suspended)) => Self::Suspended,
            (Some(_), Some(Brake::PoliciesNotInForce(_))) => Self::PoliciesNotInForce,
            (Some(_), Some(Brake::Frozen(_))) => Self::Frozen,
            (Some(_), None) => Self::Approved,
        }
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AwaitingApproval => "AwaitingApproval",
            Self::Observing => "Observing",
            Self::Approved => "Approved",
            Self::Frozen => "Frozen",
            Self::Suspended => "Suspended",
            Self::PoliciesNotInForce => "PoliciesNotInForce",
            Self::Unproven => "Unproven",
            Self::Executing => "Executing",
            Self::Failing => "Failing",
            Self::Succeeded => "Succeeded",
            Self::Rejected => "Rejected",
            Self::Superseded => "Superseded",
            Self::Withdrawn => "Withdrawn",
            Self::Failed => "Failed",
            Self::Expired => "Expired",
            Self::Pending => "Pending",
        }
    }

    /// Whether decisions still change anything: it has neither begun nor ended.
    #[must_use]
    pub fn is_open(self) -> bool {
        match self {
            Self::AwaitingApproval
            | Self::Observing
            | Self::Approved
            | Self::Frozen
            | Self::Suspended
            | Self::PoliciesNotInForce
            | Self::Pending => true,
            Self::Unproven
            | Self::Executing
            | Self::Failing
            | Self::Succeeded
            | Self::Rejected
            | Self::Superseded
            | Self::Withdrawn
            | Self::Failed
            | Self::Expired => false,
        }
    }
}
