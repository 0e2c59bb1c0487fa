//! A ChangePlan as the API server hands it out: its ledger, what annotations say of it, how it compares with another one.

use std::{collections::BTreeMap, hint::black_box, sync::Arc};

use jiff::Timestamp;
use serde_json::Value;
use stackgate_core::{
    api::{Action, ChangePlan, DecisionSource, Identity, IdentityNeeded},
    bundle::parse_json,
    change::compare,
    gate::{Ledger, PlanView},
};

use super::parts::{part, parts};

/// Parts `plan`, `upstream` and `annotations`, each JSON.
pub fn run(input: &[u8]) {
    let parts = parts(input);
    let json = |name| part(&parts, name).and_then(|text| parse_json(text).ok());
    let Some(plan) = json("plan").and_then(read) else { return };
    // Stacks of a former version cannot be compared.
    if plan.spec.proposal.stacks.iter().all(|stack| stack.sameness.is_some()) {
        let lines = compare(&plan.spec.proposal, &plan.spec.proposal, false);
        assert!(lines.is_empty(), "a plan is like itself: {lines:?}");
    }
    if let Some(other) = json("upstream").and_then(read) {
        let lines = compare(&plan.spec.proposal, &other.spec.proposal, false);
        assert!(lines.len() <= 32);
    }
    let Some(view) = PlanView::new(Arc::new(plan)) else { return };
    seen(&view);
    let annotations = json("annotations").and_then(|a| serde_json::from_value(a).ok());
    decided(&view, annotations.as_ref());
}

fn read(json: Value) -> Option<ChangePlan> {
    let plan: ChangePlan = serde_json::from_value(json).ok()?;
    // Times of Kubernetes are written in whole seconds, whatever was read.
    let printed = serde_json::to_value(&plan).expect("a plan can be written");
    let again: ChangePlan = serde_json::from_value(printed.clone()).expect("what is written is read");
    assert_eq!(serde_json::to_value(&again).ok(), Some(printed), "what is written is read as it was");
    Some(plan)
}

fn seen(view: &PlanView) {
    assert_eq!(view.rejected().is_some(), view.decisions.iter().any(|d| d.decided.action == Action::Reject));
    assert!(view.claimed || view.claims.is_empty());
    assert!(view.failed().all(|s| view.settled.contains_key(&s.key())));
    black_box(view.owned_now());
    black_box(view.accounts());
    black_box(view.risk_classes());
    black_box(view.is_complete());
    black_box(view.removes());
    black_box(view.revokes());
}

/// A decision that is recorded is known from then on; a reject always finds room.
fn decided(view: &PlanView, annotations: Option<&BTreeMap<String, String>>) {
    let now = Timestamp::UNIX_EPOCH;
    let marks = view.marks(annotations);
    for (_, _, decision) in &marks.decisions {
        let decided = decision.recorded(DecisionSource::ChangePlan, Identity::Unverified, view.id());
        if decision.action == Action::Reject {
            assert_eq!(view.refuses(&[], Action::Reject, &decided.by), None);
        }
        let ledger = Ledger::new(now).with(|entry| entry.decided = Some(decided.clone()));
        let after = view.once_recorded(&ledger);
        let about_this = after.decisions.iter().chain(&after.beforehand).any(|r| r.decided == decided);
        assert!(about_this, "{decided:?} is lost");
        assert!(decision.action != Action::Reject || after.rejected().is_some(), "a reject is lost");
    }
    black_box(view.unheard(annotations, DecisionSource::Stage, now));
    black_box(view.retried(IdentityNeeded::Any));
    for (_, _, report) in &marks.reports {
        let checked = report.recorded(Identity::Unverified);
        let after = view.once_recorded(&Ledger::new(now).with(|entry| entry.checked = Some(checked.clone())));
        assert_eq!(after.checks.get(&report.name).map(|r| &r.newest), Some(&checked));
    }
}
