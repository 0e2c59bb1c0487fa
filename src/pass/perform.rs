//! The only place that performs effects.

use std::{collections::BTreeMap, sync::Arc};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use kube::{Resource, ResourceExt};
use stackgate_core::{
    api::{Action, ChangePlan, CheckResult, CloseReason, LedgerEntry, PinnedS3, SettledAs},
    change::coming,
    cluster::ClusterView,
    effect::{Access, Effect, Fact, NewPlan, Outcome, Receipt, Record, Refusal, RefusalKind},
    facts::Facts,
    gate::{SealedFor, sealed},
    stack::StackStatus,
    words::DecisionId,
};
use tracing::{debug, info, warn};

use super::{
    Context,
    shown::{self, Note},
};
use crate::aws::{Asked, AwsLook, asked};

/// How many effects of one step run at once.
const PARALLEL: usize = 8;

/// Performs the effects of one step and remembers what came of each.
pub(super) async fn perform_all(cx: &Context, effects: Vec<Effect>, facts: &mut Facts) {
    // A record builds on the plan that was decided on; the notes of the others may come in while it is written.
    let plans = facts.plans.clone();
    let plans = &plans;
    let mut done = stream::iter(effects)
        .map(|effect| async move {
            let started = cx.clock.now();
            let outcome = perform(cx, &effect, plans).await;
            (effect, outcome, started)
        })
        .buffer_unordered(PARALLEL);
    while let Some((effect, outcome, started)) = done.next().await {
        let now = cx.clock.now();
        let outcome = facts.hushed(&effect, outcome);
        log(&effect, &outcome, started, now);
        tell(cx, &effect, &outcome).await;
        facts.note(&effect, outcome, started, now);
    }
}

/// The plans that our own writes left.
type Plans = BTreeMap<String, Arc<ChangePlan>>;

async fn perform(cx: &Context, effect: &Effect, plans: &Plans) -> Outcome {
    match effect {
        Effect::Look(look) => match asked(look) {
            Asked::Aws(AwsLook::Bundle(source, access)) => bundle(cx, source, access).await,
            Asked::Values(source) => cx.writes.values(source).await,
            Asked::ReleaseId { source, access, stage, cdk_stage, given } => match bundle(cx, source, access)
                .await
            {
                Outcome::Learnt(Fact::Bundle(bundle)) => {
                    let id =
                        bundle.ok().and_then(|b| coming(&b, stage, cdk_stage, given, &cx.installation.key));
                    Outcome::Learnt(Fact::ReleaseId(id))
                }
                other => other,
            },
            Asked::Aws(look) => cx.cloud.look(&look).await,
            Asked::LiveGate { owner, accounts, plan } => cx.writes.live_gate(owner, accounts, plan).await,
        },
        Effect::Record(record) => self::record(cx, record, plans).await,
        Effect::Mutate(mutation) => cx.cloud.mutate(mutation, &|| cx.clock.now()).await,
    }
}

async fn bundle(cx: &Context, source: &PinnedS3, access: &Access) -> Outcome {
    let fetch = async { cx.cloud.look(&AwsLook::Bundle(source, access)).await };
    cx.bundles.get(source, access, cx.clock.now(), fetch).await
}

async fn record(cx: &Context, record: &Record, plans: &Plans) -> Outcome {
    let gone = |what: &str, namespace: &str, name: &str| {
        let message = format!("{what} {namespace}/{name} is gone");
        Outcome::Refused(Refusal { kind: RefusalKind::NotFound, message })
    };
    match record {
        Record::OpenPlan(plan) => {
            let ledger = sealed(
                &plan.ledger,
                SealedFor::new_plan(&plan.namespace, &plan.name, &plan.proposal),
                &cx.installation.key,
            );
            cx.writes.open_plan(&NewPlan { ledger, ..NewPlan::clone(plan) }).await
        }
        Record::Ledger { namespace, plan, resource_version, entries } => {
            let is_base =
                |p: &Arc<ChangePlan>| p.metadata.resource_version.as_ref() == Some(resource_version);
            let base = plans.get(plan).cloned().filter(is_base).or_else(|| cx.stores.plan(namespace, plan));
            match base {
                Some(base) => {
                    let entries = sealed(entries, SealedFor::plan(&base), &cx.installation.key);
                    cx.writes.append_ledger(&base, resource_version, &entries).await
                }
                None => gone("ChangePlan", namespace, plan),
            }
        }
        Record::Outputs(outputs) => cx.writes.outputs(outputs).await,
        Record::Finalizer { namespace, stage, resource_version, present } => {
            match cx.stores.stage(namespace, stage) {
                Some(base) => cx.writes.finalizer(&base, resource_version, *present).await,
                None => gone("Stage", namespace, stage),
            }
        }
    }
}

fn log(effect: &Effect, outcome: &Outcome, started: Timestamp, now: Timestamp) {
    let took_ms = now.duration_since(started).as_millis();
    let effect_name = effect.key();
    match (effect, outcome) {
        (_, Outcome::Refused(r)) => {
            warn!(effect = effect_name, kind = ?r.kind, message = r.message, took_ms, "refused");
        }
        (_, Outcome::Unsure(why)) => {
            warn!(effect = effect_name, why, took_ms, "no reply; a look will tell");
        }
        (Effect::Look(_), Outcome::Learnt(_) | Outcome::Accepted(_)) => {
            debug!(effect = effect_name, took_ms, "looked");
        }
        (Effect::Record(_) | Effect::Mutate(_), Outcome::Learnt(_) | Outcome::Accepted(_)) => {
            info!(effect = effect_name, took_ms, "done");
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
        Record::Outputs(_) | Record::Finalizer { .. } => &[],
    };
    let reference = plan.object_ref(&());
    for note in entries.iter().flat_map(|e| notes(plan, e)) {
        shown::tell(cx, &reference, &note).await;
    }
}

/// What an entry says to people.
fn notes(plan: &ChangePlan, entry: &LedgerEntry) -> Vec<Note> {
    let proposal = &plan.spec.proposal;
    let mut notes = Vec::new();
    if entry.opened.is_some() {
        let text = format!(
            "{} of {:?} {} is planned as {}",
            plan.name_any(),
            proposal.kind,
            proposal.name,
            proposal.id
        );
        notes.push(Note::normal("Planned", proposal.id.as_str(), text));
    }
    if let Some(d) = &entry.decided {
        let by = d.who();
        let said = format!("by {by} ({:?})", d.identity);
        let reason = d.reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default();
        notes.push(match d.action {
            Action::Approve => match &d.under {
                Some(DecisionId::Release(a1)) if proposal.a1.as_ref() != Some(a1) => {
                    let text = format!("{said}: release {a1}, kept until its plan is there{reason}");
                    Note::normal("PreApproved", by, text)
                }
                Some(_) | None => Note::normal("Approved", by, said + &reason),
            },
            Action::Reject => Note::warning("Rejected", by, said + &reason),
            Action::Revoke => Note::normal("Revoked", by, said + &reason),
            Action::Retry => Note::normal("RetryAsked", by, said + &reason),
            Action::Override => Note::warning("Overridden", by, said + &reason),
        });
    }
    if let Some(c) = &entry.checked {
        let why = c.reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default();
        notes.push(match c.result {
            CheckResult::Passed => Note::normal("CheckPassed", &c.name, format!("check {}{why}", c.name)),
            CheckResult::Failed => Note::warning("CheckFailed", &c.name, format!("check {}{why}", c.name)),
        });
    }
    if let Some(c) = &entry.claimed {
        let names: Vec<String> = c.stacks.iter().map(|s| s.key().to_string()).collect();
        notes.push(Note::normal(
            "Claimed",
            names.join(","),
            format!("may run from now on: {}", names.join(", ")),
        ));
    }
    if let Some(s) = &entry.settled {
        let why = s.message.as_deref().map(|m| format!(": {m}")).unwrap_or_default();
        let text = format!("stack {} is in {}{why}", s.key(), s.status);
        notes.push(match s.outcome {
            SettledAs::Succeeded if s.status == StackStatus::DeleteComplete.as_str() => {
                Note::normal("StackDeleted", s.key().to_string(), text)
            }
            SettledAs::Succeeded => Note::normal("StackDeployed", s.key().to_string(), text),
            SettledAs::RolledBack => Note::warning("StackRolledBack", s.key().to_string(), text),
            SettledAs::Failed => Note::warning("StackFailed", s.key().to_string(), text),
            SettledAs::Gone => Note::warning("StackGone", s.key().to_string(), text),
        });
    }
    if let Some(c) = &entry.closed {
        notes.push(match c.reason {
            CloseReason::Superseded => Note::normal("Superseded", "Close", c.message.clone()),
            CloseReason::Withdrawn => Note::warning("Withdrawn", "Close", c.message.clone()),
            CloseReason::Rejected => Note::normal("ClosedAsRejected", "Close", c.message.clone()),
            CloseReason::Failed => Note::warning("ClosedAsFailed", "Close", c.message.clone()),
            CloseReason::Expired => Note::normal("Expired", "Close", c.message.clone()),
        });
    }
    notes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Reason and text of what is told of this approval on a plan whose release is `a1-bbb…`.
    fn told(approval: serde_json::Value) -> (&'static str, String) {
        let id = |kind: &str, digit: &str| format!("{kind}-{}", digit.repeat(40));
        let mut decided = json!({ "action": "Approve", "by": "rex", "identity": "Verified", "source": "Stage", "slot": "" });
        decided.as_object_mut().unwrap().extend(approval.as_object().unwrap().clone());
        let time = "2026-11-24T10:00:00Z";
        let plan: ChangePlan = serde_json::from_value(json!({
            "apiVersion": "stackgate.dev/v1alpha1", "kind": "ChangePlan", "metadata": { "name": "prod-0" },
            "spec": {
                "proposal": { "kind": "Stage", "name": "prod", "uid": "u", "operation": "Deploy", "id": id("c1", "0"), "a1": id("a1", "b") },
                "ledger": [{ "seq": 0, "time": time, "decided": decided }],
            },
        }))
        .unwrap();
        let note = notes(&plan, &plan.spec.ledger[0]).remove(0);
        (note.reason, note.text)
    }

    #[test]
    fn an_approval_of_another_release_is_told_as_such() {
        let other = format!("a1-{}", "c".repeat(40));
        let kept = format!("by rex (Verified): release {other}, kept until its plan is there: CHG-1");
        assert_eq!(told(json!({ "under": other, "reason": "CHG-1" })), ("PreApproved", kept));
        let own = format!("a1-{}", "b".repeat(40));
        assert_eq!(told(json!({ "under": own })), ("Approved", "by rex (Verified)".to_owned()));
        assert_eq!(told(json!({})).0, "Approved");
    }

    #[test]
    fn people_are_told_by_the_name_that_they_have() {
        assert_eq!(told(json!({ "by": "jo%3Bx%253B" })).1, "by jo;x%3B (Verified)");
    }
}
