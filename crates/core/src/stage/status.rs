//! The status of a Stage: derived from the record and the verdict, never read back.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    Snapshot, coming,
    drift::{self, Drifted},
};
use crate::{
    api::{
        Action, ConditionType, Conditions, DecisionSource, DeployedRelease, Identity, PendingChange,
        PlannedAs, Reason, StageStatus,
    },
    effect::Seen,
    gate::{Annotation, Decision, Full, PlanView, parse_annotation},
    plan::{change_text, risk_text},
    verdict::{Phase, Verdict},
    words::{DecisionId, ReleaseId},
};

/// Begins what `status.ignored` says of an approval that was taken back; by what follows.
pub const TAKEN_BACK: &str = "taken back by ";

/// What the object shows.
#[must_use]
pub fn status(s: &Snapshot<'_>, v: &Verdict, now: Timestamp) -> StageStatus {
    let complete = s.plans.iter().find(|p| p.is_complete());
    let amiss = complete.and_then(|p| amiss(s, p));
    let deployed = complete.and_then(|p| deployed(p));
    let pending = s.newest().filter(|p| !p.is_complete()).and_then(pending);
    let before = s.stage.status.as_ref().map_or(&[][..], |st| &st.conditions);
    let list = Conditions::new(before, s.stage.metadata.generation, now);
    let reason = v.phase.reason();
    let done = matches!(v.phase, Phase::Done(_));
    let observed = v.phase == Phase::Waiting(Reason::Observing);
    let up_to_date = done || (observed && s.newest().is_some_and(PlanView::changes_nothing));
    let (ready, ready_reason, ready_message) = match (&deployed, v.phase) {
        (_, Phase::Stalled(r)) => (false, r, v.message.clone()),
        (Some(_), Phase::Done(_) | Phase::Waiting(_)) if amiss.is_some() => {
            (false, Reason::ChangePending, amiss.unwrap_or_default())
        }
        (Some(_), Phase::Done(_)) => (true, Reason::Deployed, v.message.clone()),
        (Some(d), _) => (true, Reason::Deployed, format!("release {} is deployed", d.name)),
        (None, _) => (false, Reason::NotDeployed, "nothing has been deployed yet".to_owned()),
    };
    let list = list.with(ConditionType::Ready, ready, ready_reason, ready_message).with(
        ConditionType::UpToDate,
        up_to_date,
        if up_to_date { Reason::Deployed } else { Reason::ChangePending },
        if up_to_date { "nothing newer waits".to_owned() } else { v.message.clone() },
    );
    let list = s.enforcement.shown(list);
    let drifted = ConditionType::Drifted;
    let list = match drift::drifted(s, now) {
        Some(Drifted::Yes(message)) => list.with(drifted, true, Reason::ResourcesDrifted, message),
        Some(Drifted::No(message)) => list.with(drifted, false, Reason::InSync, message),
        // What one process could not find out takes nothing from what another has.
        Some(Drifted::Unknown(reason, message)) if !before.iter().any(|c| c.type_ == drifted.as_str()) => {
            list.unknown(drifted, reason, message)
        }
        Some(Drifted::Unknown(..) | Drifted::NotYet) => list.keep(drifted),
        None => list,
    };
    let list = match v.phase {
        Phase::Done(_) => list,
        Phase::Working(r) => list.with(ConditionType::Reconciling, true, r, &v.message),
        Phase::Waiting(r) => list.with(ConditionType::Waiting, true, r, &v.message),
        Phase::Stalled(r) => list.with(ConditionType::Stalled, true, r, &v.message),
    };
    let coming = coming::shown(s, now);
    let after: Vec<&str> = s.stage.spec.promote_from.iter().map(|u| u.name.as_str()).collect();
    StageStatus {
        observed_generation: s.stage.metadata.generation,
        conditions: list.build(),
        state: Some(if done { ConditionType::UpToDate.as_str() } else { reason.as_str() }.to_owned()),
        waiting_for: v.waiting_for.as_ref().map(|w| w.chars().take(256).collect()),
        after: (!after.is_empty()).then(|| after.join(",")),
        deployed,
        pending,
        ignored: ignored(s, coming.as_ref().and_then(|c| c.a1.as_ref()), now),
        coming,
        effective_gate: s.gate.shown(),
    }
}

/// What cannot be read, what names a change that there never was, and what was taken back of the release that is next. An old id is none of
/// these: git may go on carrying it.
fn ignored(s: &Snapshot<'_>, coming: Option<&ReleaseId>, now: Timestamp) -> Vec<String> {
    let never = |id: &DecisionId| match id {
        DecisionId::Change(id) => s.plans.iter().all(|p| p.id() != id),
        DecisionId::Release(_) => false,
    };
    let unheeded = |(key, value): (&String, &String)| match parse_annotation(key, value)? {
        Err(why) => Some(format!("{key}: {why}")),
        Ok(Annotation::Decision(d)) if d.action == Action::Approve => {
            if never(&d.id) {
                return Some(format!("{key}: this stage has no plan with the id {}", d.id));
            }
            match taken_back(s, coming, &d) {
                Some(by) => Some(format!("{key}: {TAKEN_BACK}{by}; approve again, in another slot")),
                None => finds_no_room(s, &d, now).map(|full| format!("{key}: it is not recorded: {full}")),
            }
        }
        Ok(Annotation::Decision(_) | Annotation::Report(_)) => {
            Some(format!("{key}: only approve counts here, the rest on the plan"))
        }
    };
    let annotations = s.stage.metadata.annotations.iter().flatten();
    let on_stage = s.stage.metadata.annotations.as_ref();
    let unheard = s.newest().map(|p| p.unheard(on_stage, DecisionSource::Stage, now)).unwrap_or_default();
    let unheard = unheard.into_iter().filter(|(key, _)| !is_kept_of_release(s, key));
    let unheard = unheard.map(|(key, why)| format!("{key}: {why}"));
    annotations
        .filter_map(unheeded)
        .chain(unheard)
        .take(8)
        .map(|text| text.chars().take(512).collect())
        .collect()
}

/// Whether this annotation of the Stage approves a release, and any ledger holds it.
fn is_kept_of_release(s: &Snapshot<'_>, key: &str) -> bool {
    let value = s.stage.metadata.annotations.as_ref().and_then(|all| all.get(key));
    let (Some(newest), Some(Some(Ok(Annotation::Decision(d))))) =
        (s.newest(), value.map(|value| parse_annotation(key, value)))
    else {
        return false;
    };
    let decided = d.recorded(DecisionSource::Stage, Identity::Unverified, newest.id());
    matches!(d.id, DecisionId::Release(_)) && s.plans.iter().any(|p| p.has_recorded(&decided))
}

/// Why this approval of a release that has no plan yet is not recorded.
fn finds_no_room(s: &Snapshot<'_>, approval: &Decision, now: Timestamp) -> Option<Full> {
    let DecisionId::Release(a1) = &approval.id else { return None };
    let newest = s.newest()?;
    let decided = approval.recorded(DecisionSource::Stage, Identity::Unverified, newest.id());
    let is_heard = |p: &Arc<PlanView>| {
        let waits_for_it = p.proposal().a1.as_ref() == Some(a1) && (p.name == newest.name || !p.is_over());
        waits_for_it || p.has_recorded(&decided)
    };
    if s.plans.iter().any(is_heard) || approval.until.is_some_and(|until| now >= until) {
        return None;
    }
    newest.refuses_beforehand(&[], &decided.by, now)
}

/// What has taken back this approval of the release that the Stage is about to deploy, or that comes after it.
fn taken_back(s: &Snapshot<'_>, coming: Option<&ReleaseId>, approval: &Decision) -> Option<String> {
    let DecisionId::Release(a1) = &approval.id else { return None };
    let newest = s.newest()?;
    let is_planned = !newest.is_complete() && newest.proposal().a1.as_ref() == Some(a1);
    if !is_planned && coming != Some(a1) {
        return None;
    }
    let decided = approval.recorded(DecisionSource::Stage, Identity::Unverified, newest.id());
    let mut recorded = s.plans.iter().filter(|p| p.has_recorded(&decided)).peekable();
    recorded.peek()?;
    let mut rejected = recorded.filter(|p| p.rejected().is_some() && p.proposal().a1.as_ref() == Some(a1));
    if let Some(plan) = rejected.next() {
        return Some(format!("the reject on plan {}", plan.name));
    }
    let counts = |p: &Arc<PlanView>| {
        let mut kept = p.decisions.iter().chain(&p.beforehand);
        p.has_used_up(&decided)
            || kept.any(|r| r.decided.says_the_same(&decided) && !p.has_taken_back(&r.decided))
    };
    let is_revoked = s.plans.iter().any(|p| p.revoked.contains_key(&decided.by));
    if !is_revoked || s.plans.iter().any(counts) {
        return None;
    }
    // As long as it stands there, it takes back what that ledger is to keep.
    let standing = newest.revokes().into_iter().find(|(_, by)| *by == decided.by).map(|(key, _)| {
        format!(", which has to go first (kubectl -n {} annotate plan {} {key}-)", s.namespace, newest.name)
    });
    Some(format!("a revoke of its author{}", standing.unwrap_or_default()))
}

/// Whether a stack is known not to have what this plan deployed: a later change failed half-way, or it is
/// gone, or somebody else has changed it.
fn amiss(s: &Snapshot<'_>, plan: &PlanView) -> Option<String> {
    let owned = s.owned();
    let kept = plan.proposal().stacks.iter().filter(|stack| stack.plan != PlannedAs::Removed);
    kept.into_iter().find_map(|stack| {
        let key = stack.key();
        let Some(left) = owned.get(&key) else { return Some(format!("stack {key} is gone")) };
        if left.input != Some(stack.input) {
            return Some(format!("a later change of stack {key} did not come to its end"));
        }
        match s.row_since(&key, plan.settled_time) {
            Seen::Absent(_) => Some(format!("stack {key} is gone")),
            Seen::Present(row, _) if !row.exists() || row.id != left.stack_id => {
                Some(format!("stack {key} is gone"))
            }
            Seen::Present(row, _) if left.updated_time.as_ref().is_some_and(|t| t.0 != row.updated) => {
                Some(format!("stack {key} was changed by somebody else"))
            }
            Seen::Present(..) | Seen::Unknown => None,
        }
    })
}

fn deployed(plan: &PlanView) -> Option<DeployedRelease> {
    let release = plan.release.as_ref()?;
    Some(DeployedRelease {
        name: release.name.clone(),
        digest: release.digest,
        plan: plan.name.clone(),
        time: Time(plan.settled_time),
    })
}

fn pending(plan: &PlanView) -> Option<PendingChange> {
    let release = plan.release.as_ref()?;
    let risk = risk_text(plan);
    Some(PendingChange {
        name: release.name.clone(),
        digest: release.digest,
        plan: Some(plan.name.clone()),
        id: Some(plan.id().clone()),
        a1: plan.proposal().a1.clone(),
        change: Some(change_text(&plan.proposal().stacks)),
        risk,
    })
}
