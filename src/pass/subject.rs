//! The kinds that have passes: what each observes, decides and shows.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use stackgate_core::{
    account::{self, Accounts},
    api::{CloudAssemblyStatus, ConditionType, Reason, StageStatus},
    assembly, bootstrap,
    cluster::ClusterView,
    effect::{Next, Wake},
    facts::Facts,
    freeze, plan, stage,
    verdict::{Phase, Verdict},
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
    pub show: Option<Show>,
    /// What is told with it.
    pub note: Option<Note>,
    /// How the object stands.
    pub phase: Option<Phase>,
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
        Kind::Freeze => freezes(cx, &key.name, now),
    }
}

impl Decision {
    fn of(verdict: Verdict, show: impl FnOnce(&Verdict) -> (Option<Show>, Option<Note>)) -> Self {
        let (show, note) = match &verdict.next {
            Next::Do(_) => (None, None),
            Next::Wait(_) => show(&verdict),
        };
        Self { next: verdict.next, show, note, phase: Some(verdict.phase) }
    }

    /// Looks again at the latest then.
    fn until(mut self, at: Option<Timestamp>) -> Self {
        if let Next::Wait(wake) = &mut self.next {
            wake.at = at;
        }
        self
    }

    /// Nothing to do but to show something.
    fn only(show: Option<Show>, note: Option<Note>) -> Self {
        Self { next: Next::Wait(Wake::default()), show, note, phase: None }
    }
}

fn account(cx: &Context, name: &str, now: Timestamp) -> Option<Decision> {
    let object = cx.stores.account(name)?;
    let before = object.status.clone().unwrap_or_default();
    let status = account::status(&object, &Accounts::new(cx.stores.accounts()), now);
    let note = ready_changed(&before.conditions, &status.conditions);
    let show = (object.status.as_ref() != Some(&status)).then(|| Show::Account(object, Box::new(status)));
    Some(Decision::only(show, note))
}

fn change_plan(cx: &Context, namespace: &str, name: &str, now: Timestamp) -> Option<Decision> {
    let object = cx.stores.plan(namespace, name)?;
    // A plan whose ledger does not begin as ours do shows nothing.
    let gated = plan::gated(&cx.stores, &object, &cx.installation.plans, now);
    let Some((status, changes)) = plan::status(&object, gated.as_ref(), &cx.installation.plans, now) else {
        return Some(Decision::only(None, None));
    };
    let before = object.status.clone().unwrap_or_default();
    let note = new_ignored(&before.ignored, &status.ignored);
    let show = (object.status.as_ref() != Some(&status)).then(|| Show::Plan(object, Box::new(status)));
    Some(Decision::only(show, note).until(changes))
}

fn freezes(cx: &Context, name: &str, now: Timestamp) -> Option<Decision> {
    let object = cx.stores.freeze(name)?;
    let (status, changes) = freeze::status(&object, &Accounts::new(cx.stores.accounts()), now);
    let active =
        |list: &[Condition]| list.iter().find(|c| c.type_ == ConditionType::Active.as_str()).cloned();
    let before = object.status.as_ref().and_then(|s| active(&s.conditions));
    let note = active(&status.conditions).filter(|c| before.is_none_or(|b| b.status != c.status)).map(|c| {
        match c.status.as_str() {
            "True" => Note::normal("Frozen", "Freeze", c.message),
            _ => Note::normal("Inactive", "Freeze", c.message),
        }
    });
    let show = (object.status.as_ref() != Some(&status)).then(|| Show::Freeze(object, Box::new(status)));
    Some(Decision::only(show, note).until(changes))
}

fn cloud_assembly(
    cx: &Context,
    namespace: &str,
    name: &str,
    facts: &Facts,
    now: Timestamp,
) -> Option<Decision> {
    let s = assembly::observe(&cx.stores, namespace, name, facts)?;
    let (verdict, release) = assembly::decide(&s, now);
    Some(Decision::of(verdict, |v| {
        let before = s.assembly.status.clone().unwrap_or_default();
        let status = assembly::status(&s, v, release, now);
        let note =
            new_release(&before, &status).or_else(|| ready_changed(&before.conditions, &status.conditions));
        let differs = s.assembly.status.as_ref() != Some(&status);
        (differs.then(|| Show::Assembly(Arc::clone(&s.assembly), Box::new(status))), note)
    }))
}

fn new_release(before: &CloudAssemblyStatus, after: &CloudAssemblyStatus) -> Option<Note> {
    let digest = |s: &CloudAssemblyStatus| s.release.as_ref().map(|r| r.digest);
    let release = after.release.as_ref().filter(|_| digest(before) != digest(after))?;
    Some(Note::normal(
        "Released",
        release.name.clone(),
        format!("release {} is {}", release.name, release.digest),
    ))
}

fn bootstraps(cx: &Context, name: &str, facts: &Facts, now: Timestamp) -> Option<Decision> {
    let s = bootstrap::observe(&cx.stores, name, facts, &cx.installation)?;
    let (verdict, rows) = bootstrap::decide(&s, now);
    Some(Decision::of(verdict, |v| {
        let before = s.bootstrap.status.clone().unwrap_or_default();
        let status = bootstrap::status(&s, v, rows, now);
        let note = ready_changed(&before.conditions, &status.conditions);
        let differs = s.bootstrap.status.as_ref() != Some(&status);
        (differs.then(|| Show::Bootstrap(Arc::clone(&s.bootstrap), Box::new(status))), note)
    }))
}

fn stages(cx: &Context, namespace: &str, name: &str, facts: &Facts, now: Timestamp) -> Option<Decision> {
    let s = stage::observe(&cx.stores, namespace, name, facts, &cx.installation)?;
    let verdict = stage::decide(&s, now);
    Some(Decision::of(verdict, |v| {
        let before = s.stage.status.as_ref();
        let status = stage::status(&s, v, now);
        let note = state_changed(before, &status, v);
        let differs = before != Some(&status);
        (differs.then(|| Show::Stage(Arc::clone(&s.stage), Box::new(status))), note)
    }))
}

fn state_changed(before: Option<&StageStatus>, after: &StageStatus, verdict: &Verdict) -> Option<Note> {
    let changed = before.and_then(|b| b.state.as_ref()) != after.state.as_ref();
    let known = before.map(|b| b.ignored.as_slice()).unwrap_or_default();
    new_ignored(known, &after.ignored)
        .or_else(|| new_drift(before, after))
        .or_else(|| changed.then(|| Note::of_phase(verdict.phase, &verdict.message)))
}

/// Tells of drift once it is found.
fn new_drift(before: Option<&StageStatus>, after: &StageStatus) -> Option<Note> {
    let drifted = |s: &StageStatus| {
        let is = |c: &&Condition| c.type_ == ConditionType::Drifted.as_str() && c.status == "True";
        s.conditions.iter().find(is).cloned()
    };
    let new = drifted(after).filter(|_| before.and_then(drifted).is_none())?;
    Some(Note::warning(Reason::ResourcesDrifted.as_str(), "DetectDrift", new.message))
}

/// Tells of annotations that are no decisions, once.
fn new_ignored(known: &[String], now: &[String]) -> Option<Note> {
    let new: Vec<&str> = now.iter().filter(|i| !known.contains(i)).map(String::as_str).collect();
    (!new.is_empty()).then(|| Note::warning("IgnoredDecision", "Decide", new.join("; ")))
}

/// Tells when Ready has got another reason.
fn ready_changed(before: &[Condition], after: &[Condition]) -> Option<Note> {
    let find =
        |list: &[Condition], kind: ConditionType| list.iter().find(|c| c.type_ == kind.as_str()).cloned();
    let new = find(after, ConditionType::Ready)?;
    if find(before, ConditionType::Ready).is_some_and(|old| old.reason == new.reason) {
        return None;
    }
    let reason = Reason::ALL.iter().map(|r| r.as_str()).find(|r| *r == new.reason)?;
    Some(match find(after, ConditionType::Stalled) {
        Some(_) => Note::warning(reason, reason, new.message),
        None => Note::normal(reason, reason, new.message),
    })
}
