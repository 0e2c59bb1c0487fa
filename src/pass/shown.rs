//! What people see: status and Events.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use stackgate_core::{
    api::{
        AwsAccount, AwsAccountStatus, Bootstrap, BootstrapStatus, ChangePlan, ChangePlanStatus,
        CloudAssembly, CloudAssemblyStatus, Freeze, FreezeStatus, Stage, StageStatus,
    },
    effect::{Outcome, RefusalKind},
    verdict::Phase,
};

use super::{Context, PassError};
use crate::kube::events::Severity;

/// A status that differs from what the object shows.
#[derive(Debug)]
pub(super) enum Show {
    Account(Arc<AwsAccount>, Box<AwsAccountStatus>),
    Bootstrap(Arc<Bootstrap>, Box<BootstrapStatus>),
    Assembly(Arc<CloudAssembly>, Box<CloudAssemblyStatus>),
    Stage(Arc<Stage>, Box<StageStatus>),
    Plan(Arc<ChangePlan>, Box<ChangePlanStatus>),
    Freeze(Arc<Freeze>, Box<FreezeStatus>),
}

/// An Event.
#[derive(Debug)]
pub(super) struct Note {
    /// Whether something is wrong.
    pub severity: Severity,
    /// One word.
    pub reason: &'static str,
    /// What it is about. Events of one object that agree in reason and action are counted together.
    pub action: String,
    /// The sentence.
    pub text: String,
}

impl Note {
    pub(super) fn normal(reason: &'static str, action: impl Into<String>, text: impl Into<String>) -> Self {
        Self { severity: Severity::Normal, reason, action: action.into(), text: text.into() }
    }
    pub(super) fn warning(reason: &'static str, action: impl Into<String>, text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::normal(reason, action, text) }
    }
    /// How things stand now.
    pub(super) fn of_phase(phase: Phase, text: &str) -> Self {
        let reason = phase.reason().as_str();
        match phase {
            Phase::Stalled(_) => Self::warning(reason, reason, text),
            Phase::Done(_) | Phase::Working(_) | Phase::Waiting(_) => Self::normal(reason, reason, text),
        }
    }
}

/// Writes the status and tells. A newer version of the object wins: it wakes a pass of its own. `false`: so it is said to be.
pub(super) async fn show(cx: &Context, show: Show, note: Option<Note>) -> Result<bool, PassError> {
    let (outcome, reference) = match show {
        Show::Account(o, s) => (cx.writes.cluster_status(&*o, &s).await, o.object_ref(&())),
        Show::Bootstrap(o, s) => (cx.writes.cluster_status(&*o, &s).await, o.object_ref(&())),
        Show::Assembly(o, s) => (cx.writes.status(&*o, &s).await, o.object_ref(&())),
        Show::Stage(o, s) => (cx.writes.status(&*o, &s).await, o.object_ref(&())),
        Show::Plan(o, s) => (cx.writes.status(&*o, &s).await, o.object_ref(&())),
        Show::Freeze(o, s) => (cx.writes.cluster_status(&*o, &s).await, o.object_ref(&())),
    };
    match outcome {
        Outcome::Accepted(_) | Outcome::Learnt(_) => {
            if let Some(note) = note {
                tell(cx, &reference, &note).await;
            }
            Ok(true)
        }
        Outcome::Refused(r) if r.kind == RefusalKind::NotFound => Ok(true),
        Outcome::Refused(r) if r.kind == RefusalKind::Conflict => Ok(false),
        Outcome::Refused(r) => Err(PassError::Status(r.message)),
        Outcome::Unsure(why) => Err(PassError::Status(why)),
    }
}

/// Emits an Event.
pub(super) async fn tell(cx: &Context, reference: &ObjectReference, note: &Note) {
    cx.events.emit(reference, note.severity, note.reason, &note.action, &note.text).await;
}
