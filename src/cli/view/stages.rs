//! Stages: what is deployed, what waits, for whom, how risky, what to type next.

use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;
use stackgate_core::api::{ConditionType, Reason, Stage};

use super::{
    Text, VERSION,
    style::{BAD, FAINT, GOOD, HEAD, WARN},
    table::{Cell, table},
    when::span,
};
use crate::cli::invoked::Invoked;

/// Some Stages.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct StageList {
    /// The version of all JSON that is printed.
    pub api_version: &'static str,
    /// `StageList`.
    pub kind: &'static str,
    /// The Stages.
    pub items: Vec<StageShown>,
}

/// One Stage.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct StageShown {
    /// The namespace.
    pub namespace: Text,
    /// The name.
    pub name: Text,
    /// The stages before it.
    pub after: Text,
    /// `True`, `False`, or empty.
    pub ready: Text,
    /// The release that is deployed.
    pub deployed: Text,
    /// The release that waits or runs.
    pub pending: Text,
    /// The plan of that.
    pub plan: Text,
    /// The release that comes next and is not planned yet.
    pub coming: Text,
    /// The id that approves that one beforehand, once it is known.
    pub coming_id: Text,
    /// One word.
    pub state: Text,
    /// What is awaited.
    pub waiting_for: Text,
    /// The classes of risk.
    pub risk: Text,
    /// Why it is as it is.
    pub message: Text,
    /// What drift was found; empty where none was, or nobody looks for it.
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub drift: Text,
    /// The command to type next; empty where nothing is to be done, or only the message tells.
    pub next: String,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_time: Option<Timestamp>,
}

/// The model.
#[must_use]
pub fn stage_list<'a>(stages: impl IntoIterator<Item = &'a Stage>, invoked: &Invoked) -> StageList {
    StageList {
        api_version: VERSION,
        kind: "StageList",
        items: stages.into_iter().map(|s| shown(s, invoked)).collect(),
    }
}

fn shown(stage: &Stage, invoked: &Invoked) -> StageShown {
    let status = stage.status.clone().unwrap_or_default();
    let condition = |kind: ConditionType| status.conditions.iter().find(|c| c.type_ == kind.as_str());
    let telling =
        [ConditionType::Stalled, ConditionType::Waiting, ConditionType::Reconciling, ConditionType::Ready];
    let namespace = stage.namespace().unwrap_or_default();
    let plan = status.pending.as_ref().and_then(|p| p.plan.clone()).unwrap_or_default();
    let state = status.state.unwrap_or_default();
    let next = Reason::ALL
        .iter()
        .find(|r| r.as_str() == state)
        .map(|r| next(*r, &namespace, &stage.name_any(), &plan, invoked))
        .unwrap_or_default();
    StageShown {
        namespace: namespace.into(),
        name: stage.name_any().into(),
        after: status.after.unwrap_or_default().into(),
        ready: condition(ConditionType::Ready).map(|c| c.status.as_str()).unwrap_or_default().into(),
        deployed: status.deployed.map(|d| d.name).unwrap_or_default().into(),
        risk: status.pending.as_ref().and_then(|p| p.risk.clone()).unwrap_or_default().into(),
        pending: status.pending.map(|p| p.name).unwrap_or_default().into(),
        plan: plan.into(),
        coming: status.coming.as_ref().map(|c| c.name.clone()).unwrap_or_default().into(),
        coming_id: status.coming.and_then(|c| c.a1).map(|a1| a1.to_string()).unwrap_or_default().into(),
        state: state.into(),
        waiting_for: status.waiting_for.unwrap_or_default().into(),
        message: telling
            .into_iter()
            .find_map(condition)
            .map(|c| c.message.as_str())
            .unwrap_or_default()
            .into(),
        drift: condition(ConditionType::Drifted)
            .filter(|c| c.status == "True")
            .map(|c| c.message.as_str())
            .unwrap_or_default()
            .into(),
        next,
        creation_time: stage.metadata.creation_timestamp.as_ref().map(|t| t.0),
    }
}

/// The command that brings a Stage on, where there is one.
fn next(reason: Reason, namespace: &str, stage: &str, plan: &str, invoked: &Invoked) -> String {
    match reason {
        Reason::AwaitingApproval if !plan.is_empty() => invoked.ours(namespace, &["approve", plan]),
        Reason::AwaitingApproval => invoked.ours(namespace, &["plan", stage]),
        Reason::Frozen | Reason::AwaitingCheck | Reason::CheckFailed => {
            invoked.ours(namespace, &["plan", stage])
        }
        Reason::RolledBack | Reason::RollbackFailed => invoked.ours(namespace, &["retry", stage]),
        Reason::PinNotFound => invoked.ours(namespace, &["history", stage]),
        Reason::Suspended => {
            let patch = r#"{"spec":{"suspend":false}}"#;
            invoked.kubectl(namespace, &["patch", "cdkstage", stage, "--type=merge", "-p", patch])
        }
        Reason::Expired => {
            // A shell fills the time in: any new value will do.
            let args = ["annotate", "--overwrite", "cdkstage", stage];
            format!("{} stackgate.dev/requestedAt=\"$(date +%s)\"", invoked.kubectl(namespace, &args))
        }
        // Nothing to do, or what the message says and no command of ours does.
        Reason::Deployed
        | Reason::ResourcesDrifted
        | Reason::InSync
        | Reason::DriftUnknown
        | Reason::NotDeployed
        | Reason::ChangePending
        | Reason::Accepted
        | Reason::Bootstrapped
        | Reason::Released
        | Reason::Fetching
        | Reason::Planning
        | Reason::Executing
        | Reason::Withdrawing
        | Reason::Deleting
        | Reason::AwaitingUpstream
        | Reason::Soaking
        | Reason::Observing
        | Reason::PromotionRequired
        | Reason::Inactive
        | Reason::PoliciesInForce
        | Reason::PoliciesNotInForce
        | Reason::AwaitingAssembly
        | Reason::NotBootstrapped
        | Reason::StackBusy
        | Reason::Rejected
        | Reason::Retrying
        | Reason::PlanFailed
        | Reason::InvalidAssembly
        | Reason::SourceFailed
        | Reason::BucketNotVersioned
        | Reason::NoSuchCdkStage
        | Reason::AccountNotAllowed
        | Reason::DuplicateAccountID
        | Reason::StackNotOurs
        | Reason::StackStuck
        | Reason::RoleNotComputed
        | Reason::AssetKeyTaken
        | Reason::AccessDenied
        | Reason::CallRefused
        | Reason::UpstreamNotFound
        | Reason::PromotionCycle
        | Reason::InvalidSpec
        | Reason::ImageMissing
        | Reason::OutputsNotWritten
        | Reason::InvalidParameters
        | Reason::LedgerFull => String::new(),
    }
}

impl StageList {
    /// As a table, and under it what to type next.
    #[must_use]
    pub fn text(&self, with_namespace: bool, now: Timestamp) -> String {
        let head = [
            "NAMESPACE",
            "NAME",
            "AFTER",
            "READY",
            "DEPLOYED",
            "PENDING",
            "STATE",
            "WAITING FOR",
            "RISK",
            "AGE",
        ];
        let skip = usize::from(!with_namespace);
        let mut rows: Vec<Vec<Cell>> =
            vec![head.into_iter().skip(skip).map(|h| Cell::styled(HEAD, h)).collect()];
        for s in &self.items {
            let age = s.creation_time.map(|t| span(now.duration_since(t))).unwrap_or_default();
            let style = match s.ready.as_str() {
                "True" => GOOD,
                "False" => BAD,
                _ => FAINT,
            };
            let row: Vec<Cell> = vec![
                (&s.namespace).into(),
                (&s.name).into(),
                (&s.after).into(),
                Cell::styled(style, &s.ready),
                (&s.deployed).into(),
                (&s.pending).into(),
                (&s.state).into(),
                Cell::styled(WARN, &s.waiting_for),
                Cell::styled(BAD, &s.risk),
                age.into(),
            ];
            rows.push(row.into_iter().skip(skip).collect());
        }
        let mut out = table("", &rows);
        for s in &self.items {
            let name =
                if with_namespace { format!("{}/{}", s.namespace, s.name) } else { s.name.to_string() };
            if s.has_more_to_say() {
                let what = if s.next.is_empty() { s.message.as_str() } else { s.next.as_str() };
                out.push_str(&format!("\n{HEAD}{name}{HEAD:#}: {what}\n"));
            }
            if !s.drift.is_empty() {
                out.push_str(&format!("\n{HEAD}{name}{HEAD:#}: {WARN}drift{WARN:#}: {}\n", s.drift));
            }
        }
        out
    }
}

impl StageShown {
    fn has_more_to_say(&self) -> bool {
        let waits = self.state.as_str() != ConditionType::UpToDate.as_str() || !self.waiting_for.is_empty();
        !self.next.is_empty() || (waits && !self.message.is_empty())
    }
}
