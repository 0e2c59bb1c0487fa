//! The status of a plan: derived from its own record, and from the gate that it stands before.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;
use kube::ResourceExt;

use super::{change_text, risk_text, toolkit_change_text, views};
use crate::{
    account::Accounts,
    api::{
        Action, BootstrapMode, ChangePlan, ChangePlanStatus, CloseReason, ConditionType, Conditions,
        DecisionSource, Identity, ProposalKind, Reason, whole_seconds,
    },
    cluster::ClusterView,
    freeze::{Held, Touched, held, held_afterwards},
    gate::{
        Enforcement, InForce, InForceState, PlanReader, PlanView, Report, Tally, in_force, in_force_for,
        tally,
    },
};

/// The gate that a plan stands before.
#[derive(Clone, Debug)]
pub struct Gated {
    /// The plan, without what was taken back on other plans.
    view: Arc<PlanView>,
    gate: InForce,
    held: Vec<Held>,
    thaws: Option<Timestamp>,
    suspended: bool,
    observed: bool,
    enforcement: Enforcement,
    checks: BTreeSet<String>,
}

/// The gate of the Stage or Bootstrap that the plan is for; `None`: it makes toolkit stacks and changes none, so there is no gate, or
/// the object is gone or another one now.
#[must_use]
pub fn gated(
    cluster: &impl ClusterView,
    plan: &Arc<ChangePlan>,
    reader: &PlanReader,
    now: Timestamp,
) -> Option<Gated> {
    let proposal = &plan.spec.proposal;
    if proposal.kind == ProposalKind::Bootstrap {
        return gated_bootstrap(cluster, plan, reader, now);
    }
    let namespace = plan.metadata.namespace.as_deref()?;
    let stage = cluster.stage(namespace, &proposal.name)?;
    if stage.uid().as_deref() != Some(proposal.uid.as_str()) {
        return None;
    }
    let view = beside(plan, cluster.plans_of_stage(namespace, &proposal.name), reader)?;
    let accounts = Accounts::new(cluster.accounts());
    let gate = in_force(&stage, accounts.named(&stage.spec.accounts));
    let touched = Touched { namespace, accounts: &view.accounts(), operation: proposal.operation };
    let (held, thaws) = held(&cluster.freezes(), &accounts, touched, now);
    let checks = stage.spec.checks.iter().map(|c| c.name.clone()).collect();
    let (suspended, observed) = (stage.spec.suspend, stage.spec.observes());
    Some(Gated { view, gate, held, thaws, suspended, observed, enforcement: cluster.enforcement(), checks })
}

/// The plan without what was taken back on others of its object. What is over stays as it was.
fn beside(plan: &Arc<ChangePlan>, all: Vec<Arc<ChangePlan>>, reader: &PlanReader) -> Option<Arc<PlanView>> {
    let all = views(all, None, &plan.spec.proposal.uid, reader);
    let this = all.into_iter().find(|v| Arc::ptr_eq(&v.plan, plan) && v.closed.is_none());
    this.or_else(|| reader.read(plan))
}

fn gated_bootstrap(
    cluster: &impl ClusterView,
    plan: &Arc<ChangePlan>,
    reader: &PlanReader,
    now: Timestamp,
) -> Option<Gated> {
    let proposal = &plan.spec.proposal;
    proposal.changed.as_ref()?;
    let view = beside(plan, cluster.plans_of_bootstrap(&proposal.name), reader)?;
    let all = cluster.bootstraps();
    let bootstrap = all.iter().find(|b| b.uid().as_deref() == Some(proposal.uid.as_str()))?;
    let accounts = Accounts::new(cluster.accounts());
    let selected = accounts.selected(&bootstrap.spec.accounts);
    let ids: Vec<_> = selected.iter().map(|a| a.spec.account_id.clone()).collect();
    let namespace = plan.metadata.namespace.as_deref()?;
    let touched = Touched { namespace, accounts: &ids, operation: proposal.operation };
    let (held, thaws) = held(&cluster.freezes(), &accounts, touched, now);
    Some(Gated {
        view,
        gate: in_force_for(bootstrap, selected),
        held,
        thaws,
        suspended: false,
        observed: bootstrap.spec.mode.unwrap_or_default() == BootstrapMode::Observe,
        enforcement: cluster.enforcement(),
        checks: BTreeSet::new(),
    })
}

/// What the object shows, and when that changes by itself. `None`: it is no plan of ours.
#[must_use]
pub fn status(
    plan: &Arc<ChangePlan>,
    gated: Option<&Gated>,
    reader: &PlanReader,
    now: Timestamp,
) -> Option<(ChangePlanStatus, Option<Timestamp>)> {
    let view = gated.map(|g| Arc::clone(&g.view)).or_else(|| reader.read(plan))?;
    let before = plan.status.as_ref().map_or(&[][..], |s| &s.conditions);
    let list = Conditions::new(before, plan.metadata.generation, now);
    let is_bootstrap = view.proposal().bootstrap.is_some();
    let tally = gated.map(|g| tally(&view, &g.gate, view.counted_at(now)));
    let (state, list) =
        over(&view, list).unwrap_or_else(|list| before_the_gate(&view, gated, tally.as_ref(), plan, list));
    let waits = matches!(state, "AwaitingApproval" | "Frozen" | "Suspended" | "PoliciesNotInForce");
    let expires = gated.filter(|_| waits).map(|g| expires(&view, g, tally.as_ref()));
    let marks = view.marks(plan.metadata.annotations.as_ref());
    let status = ChangePlanStatus {
        observed_generation: plan.metadata.generation,
        conditions: list.build(),
        unproven: view.unproven.iter().copied().collect(),
        taken_back: reader.read(plan).map(|whole| view.taken_back_from(&whole)).unwrap_or_default(),
        release_rejected: view.release_rejected,
        state: Some(state.to_owned()),
        release: view.release.as_ref().map(|r| r.name.clone()),
        approvals: tally
            .as_ref()
            // Nobody was asked where a rule let it through, or where there was nothing to run.
            .filter(|t| t.by_rule.is_none() && !was_let_through_by_rule(&view))
            .filter(|_| view.is_claimed() || !view.is_complete())
            // Its gate may be another one by now.
            .map(|t| format!("{}/{}", t.had(), view.claimed_with.unwrap_or(t.needed))),
        needs: tally.as_ref().filter(|_| waits).map(Tally::missing).filter(|m| !m.is_empty()),
        frozen: gated
            .filter(|_| waits && !tally.as_ref().is_some_and(|t| t.overridden))
            .and_then(|g| g.held.first())
            .map(|h| h.told().chars().take(512).collect()),
        expires_time: expires.map(whole_seconds),
        change: match &view.proposal().changed {
            Some(changed) => Some(toolkit_change_text(changed)),
            None => (!is_bootstrap).then(|| change_text(&view.proposal().stacks)),
        },
        risk: risk_text(&view),
        ignored: marks
            .bad
            .into_iter()
            .chain(unknown(&marks.reports, gated))
            .chain(view.unheard_reports(&marks.reports))
            .chain(view.unheard(plan.metadata.annotations.as_ref(), DecisionSource::ChangePlan, now))
            .take(8)
            .map(|(key, why)| format!("{key}: {why}").chars().take(512).collect())
            .collect(),
    };
    // What has expired stays so until the Stage closes the plan, which may take long: nothing changes by itself any more.
    let ahead = expires.filter(|at| *at > now);
    let changes = gated.filter(|_| waits).and_then(|g| g.thaws).into_iter().chain(ahead).min();
    Some((status, changes))
}

/// Whether a rule has let it through when it was claimed, whatever its gate wants today.
fn was_let_through_by_rule(view: &PlanView) -> bool {
    view.is_claimed()
        && view.claimed_with.is_none()
        && view.decisions.iter().any(|d| d.decided.identity == Identity::System)
}

/// Reports of checks that the Stage does not have.
fn unknown<'a>(reports: &[(&'a str, &'a str, Report)], gated: Option<&Gated>) -> Vec<(&'a str, String)> {
    let Some(gated) = gated else { return Vec::new() };
    let nobody_asked = reports.iter().filter(|(_, _, report)| !gated.checks.contains(&report.name));
    let why = |name: &str| format!("{name} is none of spec.checks of the Stage");
    nobody_asked.map(|(key, _, report)| (*key, why(&report.name))).collect()
}

/// A plan that nobody has to decide on any more; or the list as it was.
fn over<'a>(view: &PlanView, list: Conditions<'a>) -> Result<(&'static str, Conditions<'a>), Conditions<'a>> {
    use ConditionType::{Ready, Reconciling};
    Ok(if let Some(closed) = &view.closed {
        let (state, reason) = match closed.reason {
            CloseReason::Rejected => ("Rejected", Reason::Rejected),
            CloseReason::Superseded => ("Superseded", Reason::ChangePending),
            CloseReason::Withdrawn => ("Withdrawn", Reason::ChangePending),
            CloseReason::Failed => ("Failed", Reason::RolledBack),
            CloseReason::Expired => ("Expired", Reason::Expired),
        };
        (state, list.with(Ready, false, reason, &closed.message))
    } else if !view.opening_is_proven && view.rejected().is_none() {
        // Whatever it says of itself: it was put there by somebody else.
        return Err(list);
    } else if view.failed().next().is_some() {
        let what = "a stack failed; the rest is not started";
        ("Failing", list.with(Reconciling, true, Reason::Executing, what))
    } else if view.is_carried_out() {
        ("Succeeded", list.with(Ready, true, Reason::Deployed, "carried out"))
    } else if view.is_claimed() {
        let what = match view.proposal().bootstrap {
            Some(_) => "stacks are changing, or wait for their turn",
            None => "stacks are changing",
        };
        ("Executing", list.with(Reconciling, true, Reason::Executing, what))
    } else if view.rejected().is_some() {
        let what = "rejected; change sets are being deleted";
        ("Rejected", list.with(Ready, false, Reason::Rejected, what))
    } else {
        return Err(list);
    })
}

fn before_the_gate<'a>(
    view: &PlanView,
    gated: Option<&Gated>,
    tally: Option<&Tally>,
    plan: &ChangePlan,
    list: Conditions<'a>,
) -> (&'static str, Conditions<'a>) {
    let (Some(gated), Some(tally)) = (gated, tally) else {
        let what = if view.proposal().bootstrap.is_some() { "bootstrapping" } else { "its Stage is gone" };
        return ("Pending", list.with(ConditionType::Waiting, true, Reason::Planning, what));
    };
    if !view.opening_is_proven {
        let namespace = plan.metadata.namespace.as_deref().unwrap_or_default();
        let what = format!(
            "nothing proves that the controller wrote what it proposes, so nothing of it runs, whoever approves it; an administrator \
             deletes it, and it is planned anew: kubectl -n {namespace} delete plan {}",
            view.name
        );
        return ("Unproven", list.with(ConditionType::Stalled, true, Reason::PlanFailed, what));
    }
    if gated.observed {
        let what = "it shows what would happen; with spec.mode: Observe nothing runs";
        return ("Observing", list.with(ConditionType::Waiting, true, Reason::Observing, what));
    }
    if tally.passes() {
        return approved(gated, tally, list);
    }
    if view.is_full(Action::Approve) {
        let what = format!(
            "needs {}, and its ledger takes no more approvals: reject it, and make another change",
            tally.missing()
        );
        return ("AwaitingApproval", list.with(ConditionType::Waiting, true, Reason::LedgerFull, what));
    }
    let namespace = plan.metadata.namespace.as_deref().unwrap_or_default();
    let command = format!(
        "needs {}: kubectl -n {namespace} annotate plan {} {}={}{}{}",
        tally.missing(),
        view.name,
        view.next_key(Action::Approve),
        gated.enforcement.value(view.id(), &tally.ack_attribute()),
        held_afterwards(&gated.held, tally.overridden),
        view.standing_revokes(namespace),
    );
    ("AwaitingApproval", list.with(ConditionType::Waiting, true, Reason::AwaitingApproval, command))
}

/// A plan that has what it needs: what else holds it, in the order in which its Stage asks.
fn approved<'a>(gated: &Gated, tally: &Tally, list: Conditions<'a>) -> (&'static str, Conditions<'a>) {
    use ConditionType::{Reconciling, Waiting};
    if gated.suspended {
        let what = "approved; spec.suspend of its Stage holds it";
        return ("Suspended", list.with(Waiting, true, Reason::Suspended, what));
    }
    if gated.gate.rests_on_policies(tally) && gated.enforcement.state != InForceState::InForce {
        let why = gated.enforcement.why();
        let what = format!("approved, and waits: its gate wants verified identities, and {why}");
        return ("PoliciesNotInForce", list.with(Waiting, true, Reason::PoliciesNotInForce, what));
    }
    match gated.held.first().filter(|_| !tally.overridden) {
        Some(h) => {
            let what = format!("Freeze {}: {}", h.name, h.reason);
            ("Frozen", list.with(Waiting, true, Reason::Frozen, what))
        }
        None => ("Approved", list.with(Reconciling, true, Reason::Executing, "about to run")),
    }
}

/// When the plan, or the approvals that it has, expire.
fn expires(view: &PlanView, gated: &Gated, tally: Option<&Tally>) -> Timestamp {
    let plan = view.opened_time.saturating_add(gated.gate.plan_ttl.value).unwrap_or(Timestamp::MAX);
    match tally {
        Some(t) if t.passes() => t.changes.unwrap_or(plan),
        Some(t) => t.changes.map_or(plan, |at| at.min(plan)),
        None => plan,
    }
}
