//! The only place that performs effects.

use futures::{StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{Resource, ResourceExt};
use stackgate_core::{
    api::{Action, ChangePlan, CloseReason, LedgerEntry, SettledAs},
    effect::{Effect, Outcome, Receipt, Record, Refusal, RefusalKind},
    facts::Facts,
};
use tracing::{debug, info, warn};

use super::{Context, shown::Note};
use crate::{
    aws::{Asked, asked},
    queue::Key,
};

/// How many effects of one step run at once.
const PARALLEL: usize = 8;

/// Performs the effects of one step and remembers what came of each.
pub(super) async fn perform_all(cx: &Context, key: &Key, effects: Vec<Effect>, facts: &mut Facts) {
    let mut done = stream::iter(effects)
        .map(|effect| async move {
            let started = cx.clock.now();
            let outcome = perform(cx, &effect).await;
            (effect, outcome, started)
        })
        .buffer_unordered(PARALLEL);
    while let Some((effect, outcome, started)) = done.next().await {
        let now = cx.clock.now();
        log(key, &effect, &outcome, started, now);
        tell(cx, &effect, &outcome).await;
        facts.note(&effect, outcome, started, now);
    }
}

async fn perform(cx: &Context, effect: &Effect) -> Outcome {
    match effect {
        Effect::Look(look) => match asked(look) {
            Asked::Aws(look) => cx.aws.look(&look).await,
            Asked::LiveGate { namespace, stage, accounts } => {
                cx.writes.live_gate(namespace, stage, accounts).await
            }
        },
        Effect::Record(record) => self::record(cx, record).await,
        Effect::Mutate(mutation) => cx.aws.mutate(mutation).await,
    }
}

async fn record(cx: &Context, record: &Record) -> Outcome {
    match record {
        Record::OpenPlan(plan) => cx.writes.open_plan(plan).await,
        Record::Ledger { namespace, plan, resource_version, entries } => {
            cx.writes.append_ledger(namespace, plan, resource_version, entries).await
        }
        Record::Finalizer { namespace, stage, resource_version, present } => {
            let Some(object) = stackgate_core::cluster::ClusterView::stage(&cx.stores, namespace, stage) else {
                return Outcome::Refused(Refusal {
                    kind: RefusalKind::NotFound,
                    message: format!("Stage {namespace}/{stage} is gone"),
                });
            };
            cx.writes.finalizer(&object, resource_version, *present).await
        }
    }
}

fn log(key: &Key, effect: &Effect, outcome: &Outcome, started: Timestamp, now: Timestamp) {
    let took_ms = now.duration_since(started).as_millis();
    let effect_name = effect.key();
    match (effect, outcome) {
        (_, Outcome::Refused(r)) => {
            warn!(object = %key, effect = effect_name, kind = ?r.kind, message = r.message, took_ms, "refused");
        }
        (_, Outcome::Unsure(why)) => {
            warn!(object = %key, effect = effect_name, why, took_ms, "no reply; a look will tell");
        }
        (Effect::Look(_), Outcome::Learnt(_) | Outcome::Accepted(_)) => {
            debug!(object = %key, effect = effect_name, took_ms, "looked");
        }
        (Effect::Record(_) | Effect::Mutate(_), Outcome::Learnt(_) | Outcome::Accepted(_)) => {
            info!(object = %key, effect = effect_name, took_ms, "done");
        }
    }
}

/// Every entry of a ledger is told, on the plan.
async fn tell(cx: &Context, effect: &Effect, outcome: &Outcome) {
    let Outcome::Accepted(Receipt::Plan(plan)) = outcome else { return };
    let Effect::Record(record) = effect else { return };
    let entries: &[LedgerEntry] = match record {
        Record::OpenPlan(new) => &new.ledger,
        Record::Ledger { entries, .. } => entries,
        Record::Finalizer { .. } => &[],
    };
    let reference = reference(plan);
    for note in entries.iter().flat_map(|e| notes(plan, e)) {
        cx.events.tell(&reference, note.warning, note.reason, &note.text).await;
    }
}

fn reference(plan: &ChangePlan) -> ObjectReference {
    plan.object_ref(&())
}

/// What an entry says to people.
fn notes(plan: &ChangePlan, entry: &LedgerEntry) -> Vec<Note> {
    let proposal = &plan.spec.proposal;
    let mut notes = Vec::new();
    if entry.opened.is_some() {
        let text = format!("{} of {:?} {} is planned as {}", plan.name_any(), proposal.kind, proposal.name, proposal.id);
        notes.push(Note::normal("Planned", text));
    }
    if let Some(d) = &entry.decided {
        let by = if d.by.is_empty() { "somebody" } else { d.by.as_str() };
        let reason = d.reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default();
        notes.push(match d.action {
            Action::Approve => Note::normal("Approved", format!("by {by} ({:?}){reason}", d.identity)),
            Action::Reject => Note::warning("Rejected", format!("by {by} ({:?}){reason}", d.identity)),
        });
    }
    if let Some(c) = &entry.claimed {
        let names: Vec<String> = c.stacks.iter().map(|s| s.key().to_string()).collect();
        notes.push(Note::normal("Claimed", format!("may run from now on: {}", names.join(", "))));
    }
    if let Some(s) = &entry.settled {
        let why = s.message.as_deref().map(|m| format!(": {m}")).unwrap_or_default();
        let text = format!("stack {} is in {}{why}", s.key(), s.status);
        notes.push(match s.outcome {
            SettledAs::Succeeded => Note::normal("StackDeployed", text),
            SettledAs::RolledBack => Note::warning("StackRolledBack", text),
            SettledAs::Failed => Note::warning("StackFailed", text),
            SettledAs::Gone => Note::warning("StackGone", text),
        });
    }
    if let Some(c) = &entry.closed {
        notes.push(match c.reason {
            CloseReason::Superseded => Note::normal("Superseded", c.message.clone()),
            CloseReason::Withdrawn => Note::warning("Withdrawn", c.message.clone()),
            CloseReason::Rejected => Note::normal("ClosedAsRejected", c.message.clone()),
            CloseReason::Failed => Note::warning("ClosedAsFailed", c.message.clone()),
        });
    }
    notes
}
