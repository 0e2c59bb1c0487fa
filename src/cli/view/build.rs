//! From the objects to the model.

use std::sync::Arc;

use jiff::Timestamp;
use stackgate_core::{
    api::{
        CheckResult, IdentityNeeded, ProposalKind, ReleaseRef, RiskClass, Stage, ToolkitChange, user_name,
    },
    freeze::Held,
    gate::{InForce, PlanView, Tally},
    plan::{change_text, toolkit_change_text},
    words::Env,
};

use super::{
    State, Text, VERSION, approvals, next, notes,
    report::{
        CheckShown, ComparedShown, FreezeShown, FreezesShown, GateFieldShown, GateFrom, GateShown,
        PlanReport, ReleaseShown, Subject,
    },
    risks, stacks,
    standing::{Brake, Standing, is_orphaned, standing},
};
use crate::cli::invoked::Invoked;

/// What is known of a plan at one moment.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    /// The plan.
    pub view: &'a PlanView,
    /// The Stage that it is for; `None`: it is for none, or for one that is gone.
    pub stage: Option<&'a Stage>,
    /// The gate that it stands before, and where that comes from.
    pub gate: Option<(&'a InForce, GateFrom)>,
    /// The freezes that hold it up; `None`: they may not be read.
    pub held: Option<&'a [Held]>,
    /// All plans of the Stage, newest first; none where it is gone.
    pub plans: &'a [Arc<PlanView>],
    /// The newest plan of the Stage, if this is not it.
    pub newer: Option<&'a str>,
    /// The classes of risk that whoever looks may acknowledge.
    pub may_ack: &'a [RiskClass],
    /// Whether Kubernetes signs what people decide; where not, they say who they are.
    pub signs: bool,
    /// The time.
    pub now: Timestamp,
    /// How commands are to be printed.
    pub invoked: &'a Invoked,
}

/// The model.
#[must_use]
pub fn report(s: &Seen<'_>) -> PlanReport {
    let p = s.view.proposal();
    let gate = s.gate.map(|(gate, _)| gate);
    let standing = standing(s.view, s.stage, gate, s.held, s.now);
    let (state, count) = (standing.state, standing.count.as_ref());
    let approvals = count.map(|count| approvals::approvals(s.view, count, state));
    PlanReport {
        api_version: VERSION,
        kind: "Plan",
        namespace: namespace(s).into(),
        name: s.view.name.as_str().into(),
        subject: Subject {
            kind: match p.kind {
                ProposalKind::Stage => "Stage",
                ProposalKind::Bootstrap => "Bootstrap",
            },
            name: p.name.as_str().into(),
        },
        id: p.id.clone(),
        a1: p.a1.clone(),
        state,
        message: message(s, &standing),
        operation: p.operation,
        release: s.view.release.as_ref().or(p.release.as_ref()).map(release),
        replaces: p.replaces.as_ref().map(release),
        change: p.changed.as_ref().map_or_else(|| change_text(&p.stacks), toolkit_change_text),
        differences: p.changed.iter().flat_map(told_of_toolkits).collect(),
        stacks: stacks::stacks(s.view),
        risks: risks::risks(s.view),
        compared: p.compared.as_ref().map(|c| ComparedShown {
            stage: c.stage.as_str().into(),
            plan: c.plan.as_str().into(),
            verified_time: c.time.0,
            same: c.differences.is_empty(),
            differences: c.differences.iter().map(Into::into).collect(),
        }),
        gate: gate_shown(s.gate),
        decisions: approvals::decisions(s.view, gate),
        freezes: FreezesShown {
            known: s.held.is_some(),
            held: s.held.unwrap_or_default().iter().map(freeze).collect(),
            told: told_freeze(s),
        },
        checks: checks(s, gate),
        expires_time: gate
            .filter(|_| state == State::AwaitingApproval)
            .map(|g| s.view.opened_time.saturating_add(g.plan_ttl.value).unwrap_or(Timestamp::MAX)),
        notes: notes::notes(s, state, gate),
        next: next::next(s, state, count),
        approvals,
    }
}

/// The namespace of the plan.
pub(super) fn namespace<'a>(s: &'a Seen<'_>) -> &'a str {
    s.view.plan.metadata.namespace.as_deref().unwrap_or_default()
}

fn release(r: &ReleaseRef) -> ReleaseShown {
    ReleaseShown { name: r.name.as_str().into(), digest: r.digest }
}

fn told_freeze(s: &Seen<'_>) -> Option<Text> {
    let status = s.view.plan.status.as_ref().filter(|_| s.held.is_none())?;
    status.frozen.as_deref().map(Into::into)
}

fn freeze(h: &Held) -> FreezeShown {
    FreezeShown { name: h.name.as_str().into(), reason: h.reason.as_str().into(), until_time: h.until }
}

fn gate_shown(gate: Option<(&InForce, GateFrom)>) -> GateShown {
    let Some((gate, from)) = gate else { return GateShown { from: GateFrom::Unknown, fields: Vec::new() } };
    // What becomes of the stacks some day is no part of what is decided here.
    let decides = gate.shown().into_iter().filter(|f| f.field != "deletionPolicy");
    let fields = decides.map(|f| GateFieldShown {
        field: f.field.into(),
        value: f.value.into(),
        source: f.source.into(),
    });
    GateShown { from, fields: fields.collect() }
}

fn message(s: &Seen<'_>, standing: &Standing) -> Text {
    let closed = s.view.closed.as_ref().map(|c| c.message.as_str()).unwrap_or_default();
    let count = standing.count.as_ref();
    match standing.state {
        State::AwaitingApproval => format!("needs {}", count.map(Tally::missing).unwrap_or_default()).into(),
        State::Observing => {
            "shows what would happen: with spec.mode: Observe nothing runs".into()
        }
        State::Approved => {
            let what = match count.and_then(|c| c.by_rule) {
                Some(rule) => format!("passes by itself ({rule})"),
                None => "has what it needs and is about to run".to_owned(),
            };
            let frozen =
                if s.held.is_none() { ", unless a Freeze holds it up: you may not read those" } else { "" };
            (what + frozen).into()
        }
        State::Frozen | State::Suspended | State::PoliciesNotInForce => match &standing.brake {
            Some(Brake::Frozen(by)) => format!("has what it needs and waits for {by}").into(),
            Some(Brake::PoliciesNotInForce(why)) => {
                format!("has what it needs and waits, since nothing proves now who decided: {why}").into()
            }
            // One that observes has a state of its own.
            Some(Brake::Suspended | Brake::Observing) | None => {
                "has what it needs and waits: spec.suspend holds its Stage".into()
            }
        },
        State::Unproven => {
            "nothing proves that the controller wrote what it proposes: nothing of it runs, whoever approves it".into()
        }
        State::Executing => "stacks are changing".into(),
        State::Failing => "a stack failed; the rest is not started".into(),
        State::Succeeded => "carried out".into(),
        State::Rejected => match s.view.rejected() {
            Some(d) => format!("rejected {}", d.told()).into(),
            None => closed.into(),
        },
        State::Superseded | State::Withdrawn | State::Failed | State::Expired => closed.into(),
        State::Pending if is_orphaned(s.view, s.stage) => {
            "can never run: its Stage is gone, or was made anew".into()
        }
        State::Pending if s.view.proposal().kind == ProposalKind::Bootstrap && s.view.proposal().changed.is_none() => {
            "bootstrapping".into()
        }
        State::Pending => "its gate is not known".into(),
    }
}

/// Where toolkit stacks are changed, and what differs there.
fn told_of_toolkits(change: &ToolkitChange) -> Vec<Text> {
    const SHOWN: usize = 8;
    let all: Vec<&Env> = change.environments.iter().chain(&change.made_anew).collect();
    let mut places: Vec<String> = all.iter().take(SHOWN).map(ToString::to_string).collect();
    if let Some(more) = all.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        places.push(format!("and {more} more"));
    }
    let places = format!("in {}", places.join(", "));
    std::iter::once(places.into()).chain(change.differences.iter().map(Into::into)).collect()
}

fn checks(s: &Seen<'_>, gate: Option<&InForce>) -> Vec<CheckShown> {
    let needed = gate.map_or(IdentityNeeded::Verified, |g| g.identity.value);
    let wanted = s.stage.map_or(&[][..], |stage| &stage.spec.checks);
    wanted
        .iter()
        .map(|check| {
            let report = s.view.check(&check.name, needed).map(|(report, _)| report);
            CheckShown {
                name: check.name.as_str().into(),
                result: match report.map(|r| r.result) {
                    None => "Awaited",
                    Some(CheckResult::Passed) => "Passed",
                    Some(CheckResult::Failed) => "Failed",
                },
                by: report.map(|r| user_name(&r.by).into()),
                reason: report.and_then(|r| r.reason.as_ref()).map(Into::into),
            }
        })
        .collect()
}
