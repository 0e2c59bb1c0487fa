//! The kinds that have passes: what each observes, decides and shows.

use jiff::Timestamp;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use stackgate_core::{
    account::{self, Accounts},
    api::{CloudAssemblyStatus, StageStatus},
    assembly, bootstrap,
    cluster::ClusterView,
    effect::{Next, Wake},
    facts::Facts,
    plan, stage,
    verdict::Verdict,
};

use super::{
    Context,
    shown::{Note, Show},
};
use crate::queue::{Key, Kind};

/// What one step decided.
pub(super) struct Decision {
    /// What comes next.
    pub next: Next,
    /// What the object shall show while it waits, if that differs from what it shows.
    pub status: Option<Show>,
}

/// Observes and decides; `None`: the object is gone.
pub(super) fn decide(cx: &Context, key: &Key, facts: &Facts, now: Timestamp) -> Option<Decision> {
    let namespace = key.namespace.as_deref().unwrap_or_default();
    match key.kind {
        Kind::AwsAccount => account(cx, &key.name, now),
        Kind::ChangePlan => change_plan(cx, namespace, &key.name, now),
        Kind::CloudAssembly => cloud_assembly(cx, namespace, &key.name, facts, now),
        Kind::Bootstrap => bootstraps(cx, &key.name, facts, now),
        Kind::Stage => stages(cx, namespace, &key.name, facts, now),
    }
}

/// Nothing to do but to show something.
fn only_status(status: Option<Show>) -> Decision {
    Decision { next: Next::Wait(Wake::default()), status }
}

fn account(cx: &Context, name: &str, now: Timestamp) -> Option<Decision> {
    let object = cx.stores.account(name)?;
    let status = account::status(&object, &Accounts::new(cx.stores.accounts()), now);
    let note = changed_reason(
        object.status.as_ref().map(|s| s.conditions.as_slice()),
        &status.conditions,
        "Ready",
    );
    Some(only_status(Show::if_differs(Kind::AwsAccount, &*object, object.status.as_ref(), &status, note)))
}

fn change_plan(cx: &Context, namespace: &str, name: &str, now: Timestamp) -> Option<Decision> {
    let object = cx.stores.plan(namespace, name)?;
    // A plan whose ledger does not begin as ours do shows nothing.
    let Some(status) = plan::status(&object, now) else { return Some(only_status(None)) };
    let before = object.status.as_ref().map(|s| s.ignored.as_slice()).unwrap_or_default();
    let new: Vec<&str> =
        status.ignored.iter().filter(|i| !before.contains(i)).map(String::as_str).collect();
    let note = (!new.is_empty()).then(|| Note::warning("IgnoredDecision", new.join("; ")));
    Some(only_status(Show::if_differs(Kind::ChangePlan, &*object, object.status.as_ref(), &status, note)))
}

fn cloud_assembly(
    cx: &Context,
    namespace: &str,
    name: &str,
    facts: &Facts,
    now: Timestamp,
) -> Option<Decision> {
    let s = assembly::observe(&cx.stores, namespace, name, facts, &cx.installation)?;
    let (verdict, release) = assembly::decide(&s, now);
    let status = || {
        let before = s.assembly.status.as_ref();
        let status = assembly::status(&s, &verdict, release.clone(), now);
        let note = new_release(before, &status).or_else(|| {
            changed_reason(before.map(|b| b.conditions.as_slice()), &status.conditions, "Ready")
        });
        Show::if_differs(Kind::CloudAssembly, &*s.assembly, before, &status, note)
    };
    Some(decision(&verdict, status))
}

fn new_release(before: Option<&CloudAssemblyStatus>, after: &CloudAssemblyStatus) -> Option<Note> {
    let digest = |s: &CloudAssemblyStatus| s.release.as_ref().map(|r| r.digest);
    let release = after.release.as_ref().filter(|_| before.and_then(digest) != digest(after))?;
    Some(Note::normal("Released", format!("release {} is {}", release.name, release.digest)))
}

fn bootstraps(cx: &Context, name: &str, facts: &Facts, now: Timestamp) -> Option<Decision> {
    let s = bootstrap::observe(&cx.stores, name, facts, &cx.installation)?;
    let (verdict, rows) = bootstrap::decide(&s, now);
    let status = || {
        let before = s.bootstrap.status.as_ref();
        let status = bootstrap::status(&s, &verdict, rows.clone(), now);
        let note = changed_reason(before.map(|b| b.conditions.as_slice()), &status.conditions, "Ready");
        Show::if_differs(Kind::Bootstrap, &*s.bootstrap, before, &status, note)
    };
    Some(decision(&verdict, status))
}

fn stages(cx: &Context, namespace: &str, name: &str, facts: &Facts, now: Timestamp) -> Option<Decision> {
    let s = stage::observe(&cx.stores, namespace, name, facts, &cx.installation)?;
    let verdict = stage::decide(&s, now);
    let status = || {
        let before = s.stage.status.as_ref();
        let status = stage::status(&s, &verdict, now);
        let note = changed_state(before, &status, &verdict);
        Show::if_differs(Kind::Stage, &*s.stage, before, &status, note)
    };
    Some(decision(&verdict, status))
}

fn decision(verdict: &Verdict, status: impl FnOnce() -> Option<Show>) -> Decision {
    let status = match verdict.next {
        Next::Do(_) => None,
        Next::Wait(_) => status(),
    };
    Decision { next: verdict.next.clone(), status }
}

fn changed_state(before: Option<&StageStatus>, after: &StageStatus, verdict: &Verdict) -> Option<Note> {
    let state = after.state.as_deref().unwrap_or_default();
    if before.and_then(|b| b.state.as_deref()) == Some(state) {
        return None;
    }
    Some(Note::of_phase(verdict.phase, verdict.message.clone()))
}

fn changed_reason(
    before: Option<&[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition]>,
    after: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition],
    kind: &str,
) -> Option<Note> {
    let new = after.iter().find(|c| c.type_ == kind)?;
    let old = before.unwrap_or_default().iter().find(|c| c.type_ == kind);
    if old.is_some_and(|o| o.reason == new.reason) {
        return None;
    }
    let stalled = after.iter().any(|c| c.type_ == "Stalled");
    let note = if stalled { Note::warning } else { Note::normal };
    Some(note(reason_name(&new.reason), new.message.clone()))
}

/// The reason, as a name that lives as long as the program: events are told apart by it.
fn reason_name(reason: &str) -> &'static str {
    stackgate_core::api::Reason::ALL.iter().map(|r| r.as_str()).find(|r| *r == reason).unwrap_or("Changed")
}

impl Show {
    /// What is to be shown, unless it is shown already.
    fn if_differs<K, S>(kind: Kind, object: &K, before: Option<&S>, after: &S, note: Option<Note>) -> Option<Self>
    where
        K: Resource<DynamicType = ()> + ResourceExt,
        S: Serialize + PartialEq,
    {
        if before == Some(after) {
            return None;
        }
        let json = |s: &S| serde_json::to_value(s).unwrap_or_default();
        Some(Self {
            kind,
            reference: object.object_ref(&()),
            resource_version: object.resource_version().unwrap_or_default(),
            before: before.map(json).unwrap_or_default(),
            after: json(after),
            note,
        })
    }
}
