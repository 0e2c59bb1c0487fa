//! `ChangePlan`: what the record says, for people. Derived from the object alone.

use jiff::Timestamp;

use crate::{
    api::{
        ChangePlan, ChangePlanStatus, CloseReason, ConditionType, Conditions, GATE_PREFIX, ProposedStack,
        Reason,
    },
    change::risk_classes,
    gate::PlanView,
};

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
pub fn status(plan: &std::sync::Arc<ChangePlan>, now: Timestamp) -> Option<ChangePlanStatus> {
    let view = PlanView::new(std::sync::Arc::clone(plan))?;
    let before = plan.status.as_ref().map_or(&[][..], |s| &s.conditions);
    let list = Conditions::new(before, plan.metadata.generation, now);
    let is_bootstrap = view.proposal().bootstrap.is_some();
    let approved = view.approved(now).is_some();
    let (state, list) = if let Some(closed) = &view.closed {
        let (state, reason) = match closed.reason {
            CloseReason::Rejected => ("Rejected", Reason::Rejected),
            CloseReason::Superseded => ("Superseded", Reason::ChangePending),
            CloseReason::Withdrawn => ("Withdrawn", Reason::ChangePending),
            CloseReason::Failed => ("Failed", Reason::RolledBack),
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
        let command = format!("kubectl annotate plan {} {GATE_PREFIX}approve={}", view.name, view.id());
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
        change: (!is_bootstrap).then(|| change_text(&view.proposal().stacks)),
        risk: (!risk.is_empty()).then_some(risk),
        ignored: bad
            .into_iter()
            .take(8)
            .map(|(key, why)| format!("{key}: {why}").chars().take(512).collect())
            .collect(),
    })
}
