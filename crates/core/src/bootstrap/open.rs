//! Opening a plan: for what the toolkit stacks shall hold, or again for what they were to hold before.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::{
    Snapshot,
    change::{Told, told},
    gate::not_as_written,
};
use crate::{
    api::{
        BootstrapProposal, CloseReason, Decided, LABEL_BOOTSTRAP, Opened, Operation, OwnedStack, Proposal,
        ProposalKind, Reason, SettledAs,
    },
    change::b1,
    effect::{Effect, NewPlan, Record},
    gate::{Ledger, PlanView, owned_key},
    plan::{append, next_order, opened_on},
    verdict::{Verdict, ask, fold},
    words::{ChangeId, Env},
};

/// Opens the plan of this content.
pub(super) fn open(s: &Snapshot<'_>, wanted: &BootstrapProposal, now: Timestamp) -> Verdict {
    let told = match told(s, wanted, now) {
        Ok(told) => told,
        Err(need) => return fold(vec![need], Reason::Planning, "looking at what the toolkit stacks hold"),
    };
    let (changed, made_anew): (&[Env], &[Env]) =
        told.as_ref().map_or((&[], &[]), |t| (&t.change.environments, &t.change.made_anew));
    let last = s.carried_out_last();
    // Again the one that was carried out last, where it tells of all that is to be changed; what somebody has deleted is told anew.
    let back = last.filter(|p| p.proposal().bootstrap.as_ref() == Some(wanted));
    let back = back.filter(|p| made_anew.is_empty() && changed.iter().all(|env| p.changes(env)));
    let executed_last = last.and_then(|p| match p.id() {
        ChangeId::Bootstrap(id) => Some(id),
        ChangeId::Stage(_) => None,
    });
    let stack_name = wanted.toolkit_stack_name.as_str();
    let BootstrapProposal { template, parameters, .. } = wanted;
    let (changed, made_anew) = (changed.iter(), made_anew.iter());
    let id = b1(&s.uid, executed_last, stack_name, template, parameters, changed, made_anew);
    let id = ChangeId::Bootstrap(id);
    match back.or_else(|| s.plans.iter().find(|p| *p.id() == id).map(|p| &**p)) {
        Some(plan) => open_again(s, plan, now),
        None => open_new(s, wanted, id, told, now),
    }
}

/// The most stacks that an entry carries forward (`Opened.owned`).
const MOST_OWNED: usize = 256;

/// What is ours, as far as it fits. What is left out, once an installation has had more toolkit stacks in all than that, counts as
/// somebody else's from here on: those of which the AwsAccount is gone first, then those that are not selected any more.
fn carried_forward(s: &Snapshot<'_>) -> Vec<OwnedStack> {
    let selected = s.environments().unwrap_or_default();
    let rank = |o: &OwnedStack| {
        let env = owned_key(o).env;
        (!selected.contains_key(&env), s.accounts.of_id(&env.account).is_none())
    };
    let mut owned: Vec<OwnedStack> = s.owned().into_values().collect();
    if owned.len() > MOST_OWNED {
        owned.sort_by_key(rank);
        owned.truncate(MOST_OWNED);
    }
    owned
}

fn opened(s: &Snapshot<'_>) -> Opened {
    Opened {
        order: next_order(&s.plans),
        release: None,
        request: s.request(),
        cdk_stage: None,
        parameters: None,
        secrets: false,
        owned: carried_forward(s),
        owned_as_before: false,
        stood: Vec::new(),
    }
}

fn open_new(
    s: &Snapshot<'_>,
    wanted: &BootstrapProposal,
    id: ChangeId,
    told: Option<Told>,
    now: Timestamp,
) -> Verdict {
    let name = s.bootstrap.name_any();
    let (changed, risks) = told.map(|t| (t.change, t.risks)).unzip();
    let plan = NewPlan {
        namespace: s.installation.namespace.clone(),
        name: format!("{name}-{}", id.digits()),
        proposal: Proposal {
            kind: ProposalKind::Bootstrap,
            name: name.clone(),
            uid: s.uid.clone(),
            operation: Operation::Bootstrap,
            id,
            release: None,
            a1: None,
            replaces: None,
            risks: risks.unwrap_or_default(),
            compared: None,
            stacks: Vec::new(),
            unused_parameters: Vec::new(),
            bootstrap: Some(wanted.clone()),
            changed,
        },
        ledger: Ledger::new(now).with(|e| e.opened = Some(opened(s))).entries(),
        owner: ("Bootstrap", name.clone(), s.uid.clone()),
        label: (LABEL_BOOTSTRAP, name),
    };
    let effect = Effect::Record(Record::OpenPlan(Box::new(plan)));
    fold(vec![ask(s.facts, effect, now)], Reason::Planning, "writing the plan")
}

/// The same change again. What was approved of one that failed counts on, where somebody has asked to try it again: nothing of
/// what they read is another one.
fn open_again(s: &Snapshot<'_>, plan: &PlanView, now: Timestamp) -> Verdict {
    let failed = plan.closed.as_ref().is_some_and(|c| c.reason == CloseReason::Failed);
    // Somebody has deleted a stack, and may have meant it.
    let is_gone = plan.settled.values().any(|x| x.outcome == SettledAs::Gone);
    let is_retried =
        failed && !is_gone && plan.rejected().is_none() && plan.retried(s.gate.identity.value).is_some();
    let approved = plan.decisions.iter().filter(|_| is_retried);
    let carried: Vec<Decided> =
        plan.lacks(approved.map(|r| Decided { since: Some(Time(r.since)), ..r.decided.clone() })).collect();
    if !plan.opening_is_proven {
        return not_as_written(s, plan);
    }
    let ledger =
        plan.ledger(now).with(|e| e.opened = Some(opened_on(plan, opened(s), s.owner().annotations)));
    let ledger = carried.into_iter().fold(ledger, |l, d| l.with(|e| e.decided = Some(d)));
    let namespace = &s.installation.namespace;
    append(s.facts, namespace, plan, ledger, Reason::Planning, "opening the plan again", now)
}
