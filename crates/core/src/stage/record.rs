//! Decisions go into the ledger as they come. Where they open the gate, the claim goes with them, in the same write; what has to be looked
//! at before the claim is looked at meanwhile.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Snapshot, decide::towards_the_candidate};
use crate::{
    api::{LedgerEntry, Reason},
    effect::{Effect, Look, Next, Record},
    gate::{Ledger, PlanView},
    latch::{Latched, latch, late_stops},
    plan::append,
    verdict::Verdict,
};

/// Records what was found, or what has to happen before.
pub(super) fn record(s: &Snapshot<'_>, plan: &PlanView, latched: Latched, now: Timestamp) -> Verdict {
    match latched {
        Latched::Uncertain(first, later) => match allowed(s, plan, &later, now) {
            Then::Look(looks) => first.with(looks),
            Then::Claim(_) | Then::Nothing => first,
        },
        Latched::Certain(ledger) => match allowed(s, plan, &ledger, now) {
            Then::Look(looks) => written(s, plan, ledger, now).with(looks),
            Then::Claim(entries) => written(s, plan, ledger.and(&entries), now),
            Then::Nothing => written(s, plan, ledger, now),
        },
    }
}

/// Records decisions that lead to nothing else.
pub(super) fn written(s: &Snapshot<'_>, plan: &PlanView, ledger: Ledger, now: Timestamp) -> Verdict {
    append(s.facts, &s.namespace, plan, ledger, Reason::AwaitingApproval, "recording a decision", now)
}

/// What these decisions lead to.
enum Then {
    /// A claim.
    Claim(Vec<LedgerEntry>),
    /// Looks, and perhaps a claim after them.
    Look(Vec<Effect>),
    /// Neither.
    Nothing,
}

/// What is decided once they are in the ledger. Anything but a claim waits until they are.
fn allowed(s: &Snapshot<'_>, plan: &PlanView, ledger: &Ledger, now: Timestamp) -> Then {
    let open = !plan.is_over() && !plan.is_claimed() && plan.rejected().is_none();
    if !open || ledger.is_empty() || !ledger.only_allows() {
        return Then::Nothing;
    }
    let mut then = s.clone();
    match then.plans.first_mut() {
        Some(first) if first.name == plan.name => *first = Arc::new(plan.once_recorded(ledger)),
        Some(_) | None => return Then::Nothing,
    }
    let more = late_stops(&then.owner(), now).is_some()
        || then.newest().is_none_or(|recorded| latch(&then.owner(), recorded, now).is_some());
    if more {
        return Then::Nothing;
    }
    let Next::Do(effects) = towards_the_candidate(&then, now).next else { return Then::Nothing };
    match effects.as_slice() {
        [Effect::Record(Record::Ledger { plan: name, entries, .. })] if *name == plan.name => {
            if entries.iter().any(|e| e.claimed.is_some()) {
                Then::Claim(entries.clone())
            } else {
                Then::Nothing
            }
        }
        all if all.iter().all(|e| matches!(e, Effect::Look(_))) => {
            // What is in the ledger by then has a version of its own: the gate is looked at after that.
            let ahead = |e: &Effect| !matches!(e, Effect::Look(Look::LiveGate { .. }));
            Then::Look(effects.into_iter().filter(ahead).collect())
        }
        _ => Then::Nothing,
    }
}
