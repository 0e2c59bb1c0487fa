//! `ChangePlan`: what the record says, for people. Derived from the object alone.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use kube::ResourceExt;

use crate::{
    api::{
        Action, ChangePlan, ChangePlanStatus, CloseReason, ConditionType, Conditions, Decided,
        DecisionSource, GATE_PREFIX, Identity, ProposedStack, Reason,
    },
    change::risk_classes,
    effect::{Effect, Record},
    facts::Facts,
    gate::{Ledger, PlanView},
    verdict::{Phase, Verdict, ask, fold},
    words::Uid,
};

/// The plans of the object with that UID, newest first. A plan that we wrote ourselves may be newer than the watch.
#[must_use]
pub(crate) fn views(watched: Vec<Arc<ChangePlan>>, ours: Option<&Facts>, uid: &Uid) -> Vec<PlanView> {
    let mut by_name: BTreeMap<String, Arc<ChangePlan>> =
        watched.into_iter().map(|p| (p.name_any(), p)).collect();
    for (name, plan) in ours.map(|f| &f.plans).into_iter().flatten() {
        let newer = by_name.get(name).is_none_or(|w| version(plan) > version(w));
        if newer {
            by_name.insert(name.clone(), Arc::clone(plan));
        }
    }
    let mut list: Vec<PlanView> = by_name
        .into_values()
        .filter(|p| p.spec.proposal.uid == *uid && p.metadata.deletion_timestamp.is_none())
        .filter_map(PlanView::new)
        .collect();
    list.sort_by(|a, b| (b.order, &b.name).cmp(&(a.order, &a.name)));
    list
}

/// Kubernetes ≥ 1.35 guarantees that resource versions of one resource type compare as numbers; older ones do so with etcd.
fn version(plan: &ChangePlan) -> u128 {
    plan.metadata.resource_version.as_deref().and_then(|v| v.parse().ok()).unwrap_or(0)
}

/// Appends to a plan's ledger.
pub(crate) fn append(
    facts: &Facts,
    namespace: &str,
    plan: &PlanView,
    ledger: Ledger,
    reason: Reason,
    doing: &str,
    now: Timestamp,
) -> Verdict {
    if !ledger.fits() {
        let full = format!("the ledger of plan {} is full", plan.name);
        return Verdict::rest(Phase::Stalled(Reason::LedgerFull), full);
    }
    let effect = Effect::Record(Record::Ledger {
        namespace: namespace.to_owned(),
        plan: plan.name.clone(),
        resource_version: plan.resource_version(),
        entries: ledger.entries(),
    });
    fold(vec![ask(facts, effect, now)], reason, doing)
}

/// A decision of the controller itself.
#[must_use]
pub(crate) fn by_rule(reason: &str) -> Decided {
    Decided {
        action: Action::Approve,
        by: "system:auto".to_owned(),
        identity: Identity::System,
        source: DecisionSource::Rule,
        slot: String::new(),
        acks: Vec::new(),
        under: None,
        since: None,
        until: None,
        reason: Some(reason.to_owned()),
    }
}

/// `+added ~modified -removed`, where replaced resources count as modified.
#[must_use]
pub fn change_text(stacks: &[ProposedStack]) -> String {
    let (mut add, mut modify, mut remove) = (0_u32, 0_u32, 0_u32);
    for c in stacks.iter().map(|s| s.count) {
        add = add.saturating_add(c.add);
        modify = modify.saturating_add(c.modify).saturating_add(c.replace).saturating_add(c.maybe_replace);
        remove = remove.saturating_add(c.remove);
    }
    format!("+{add} ~{modify} -{remove}")
}

/// The status of a plan.
#[must_use]
pub fn status(plan: &Arc<ChangePlan>, now: Timestamp) -> Option<ChangePlanStatus> {
    let view = PlanView::new(Arc::clone(plan))?;
    let before = plan.status.as_ref().map_or(&[][..], |s| &s.conditions);
    let list = Conditions::new(before, plan.metadata.generation, now);
    let is_bootstrap = view.proposal().bootstrap.is_some();
    let approved = view.approved(now).is_some() && view.rejected().is_none();
    let (state, list) = if let Some(closed) = &view.closed {
        let (state, reason) = match closed.reason {
            CloseReason::Rejected => ("Rejected", Reason::Rejected),
            CloseReason::Superseded => ("Superseded", Reason::ChangePending),
            CloseReason::Withdrawn => ("Withdrawn", Reason::ChangePending),
            CloseReason::Failed => ("Failed", Reason::RolledBack),
            CloseReason::Expired => ("Expired", Reason::Expired),
        };
        (state, list.with(ConditionType::Ready, false, reason, &closed.message))
    } else if view.failed().next().is_some() {
        (
            "Failing",
            list.with(
                ConditionType::Reconciling,
                true,
                Reason::Executing,
                "a stack failed; the rest is not started",
            ),
        )
    } else if view.is_complete()
        && (!is_bootstrap || view.is_claimed())
        && view.claims.len() == view.settled.len()
    {
        ("Succeeded", list.with(ConditionType::Ready, true, Reason::Deployed, "carried out"))
    } else if view.is_claimed() {
        ("Executing", list.with(ConditionType::Reconciling, true, Reason::Executing, "stacks are changing"))
    } else if view.rejected().is_some() {
        (
            "Rejected",
            list.with(
                ConditionType::Ready,
                false,
                Reason::Rejected,
                "rejected; change sets are being deleted",
            ),
        )
    } else if approved {
        ("Approved", list.with(ConditionType::Reconciling, true, Reason::Executing, "about to run"))
    } else {
        let namespace = plan.metadata.namespace.as_deref().unwrap_or_default();
        let command =
            format!("kubectl -n {namespace} annotate plan {} {GATE_PREFIX}approve={}", view.name, view.id());
        ("AwaitingApproval", list.with(ConditionType::Waiting, true, Reason::AwaitingApproval, command))
    };
    let waits = state == "AwaitingApproval";
    let risk = risk_classes(&view.proposal().stacks).join(",");
    let (_, bad) = view.annotations(plan.metadata.annotations.as_ref());
    Some(ChangePlanStatus {
        observed_generation: plan.metadata.generation,
        conditions: list.build(),
        state: Some(state.to_owned()),
        release: view.release.as_ref().map(|r| r.name.clone()),
        approvals: Some(if approved { "1/1" } else { "0/1" }.to_owned()),
        needs: waits.then(|| "approval".to_owned()),
        expires_time: None,
        change: (!is_bootstrap).then(|| change_text(&view.proposal().stacks)),
        risk: (!risk.is_empty()).then_some(risk),
        ignored: bad
            .into_iter()
            .take(8)
            .map(|(key, why)| format!("{key}: {why}").chars().take(512).collect())
            .collect(),
    })
}
