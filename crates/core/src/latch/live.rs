//! What may still stop a change, as it is in the API server past all caches: Stage or Bootstrap, AwsAccounts, Freezes, policies.

use jiff::Timestamp;

use super::Owner;
use crate::{
    api::Action,
    effect::{CONFIRM_WITHIN, Effect, LiveGate, Look, PlanVersion},
    facts::Facts,
    gate::PlanView,
    verdict::{Step, ask},
};

/// As a look showed it that came after all of this version of the plan was there, annotations included. Whatever its clock says:
/// it named the version.
pub(crate) fn live_since_version<'a>(o: &Owner<'a>, plan: &PlanView, now: Timestamp) -> Step<&'a LiveGate> {
    let version = plan.version();
    looked(o, |after| *after == version, &version, now)
}

/// As a look showed it that came after all of the plan's ledger was there, its claim included. What has been written elsewhere in the
/// plan meanwhile, as its status, makes no difference to what follows from a claim.
pub(crate) fn live_since_recorded<'a>(o: &Owner<'a>, plan: &PlanView, now: Timestamp) -> Step<&'a LiveGate> {
    let version = plan.version();
    let same = |after: &PlanVersion| {
        (&after.name, &after.uid, after.entries) == (&version.name, &version.uid, version.entries)
    };
    looked(o, same, &version, now)
}

fn looked<'a>(
    o: &Owner<'a>,
    counts: impl Fn(&PlanVersion) -> bool,
    version: &PlanVersion,
    now: Timestamp,
) -> Step<&'a LiveGate> {
    match &o.facts.gate {
        // One that is yet to come was seen before the clock was set back.
        Some(seen)
            if seen.at <= now && now.duration_since(seen.at) <= CONFIRM_WITHIN && counts(&seen.after) =>
        {
            Ok(&seen.live)
        }
        Some(_) | None => {
            let look = Look::LiveGate {
                owner: o.reference.clone(),
                accounts: o.accounts.clone(),
                plan: version.clone(),
            };
            Err(ask(o.facts, Effect::Look(look), now))
        }
    }
}

/// Whether the plan is gone, is another of that name, or was put back to what it was before the look: nothing may begin on what we
/// remember alone. The watch will show the same, or our memory of it ends. What is written into the plan after the look, as its
/// status, says nothing of that. A version may be given a second time, or a newer one to what is older: the generation counts records.
pub(crate) fn is_forgotten(facts: &Facts, live: &LiveGate) -> bool {
    let number = |version: &str| version.parse::<u128>().ok();
    let Some(known) = facts.gate.as_ref().map(|seen| &seen.after) else { return live.plan.is_none() };
    live.plan.as_ref().is_none_or(|there| {
        let versions = number(&there.resource_version).zip(number(&known.resource_version));
        let is_older = versions.is_some_and(|(there, known)| there < known);
        there.uid != known.uid || is_older || there.generation < known.generation
    })
}

/// Whether somebody has rejected the plan, and the watch does not show it yet.
pub(crate) fn has_been_rejected(plan: &PlanView, live: &LiveGate) -> bool {
    let marks = live.plan.as_ref().map(|p| plan.marks(Some(&p.annotations)));
    marks.is_some_and(|m| m.decisions.iter().any(|(_, _, d)| d.action == Action::Reject))
        && plan.rejected().is_none()
}
