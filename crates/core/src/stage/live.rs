//! What may still stop a change, as it is in the API server past all caches: Stage, AwsAccounts, Freezes, policies.

use jiff::Timestamp;
use kube::ResourceExt;

use super::Snapshot;
use crate::{
    effect::{CONFIRM_WITHIN, Effect, LiveGate, Look, PlanVersion},
    gate::PlanView,
    verdict::{Step, ask},
};

/// As a look showed it that came after all of this version of the plan was there, annotations included. Whatever its clock says:
/// it named the version.
pub(super) fn live_since_version<'a>(
    s: &'a Snapshot<'_>,
    plan: &PlanView,
    now: Timestamp,
) -> Step<&'a LiveGate> {
    let version = plan.version();
    looked(s, |after| *after == version, &version, now)
}

/// As a look showed it that came after all of the plan's ledger was there, its claim included. What has been written elsewhere in the
/// plan meanwhile, as its status, makes no difference to what follows from a claim.
pub(super) fn live_since_recorded<'a>(
    s: &'a Snapshot<'_>,
    plan: &PlanView,
    now: Timestamp,
) -> Step<&'a LiveGate> {
    let version = plan.version();
    let same = |after: &PlanVersion| {
        (&after.name, &after.uid, after.entries) == (&version.name, &version.uid, version.entries)
    };
    looked(s, same, &version, now)
}

fn looked<'a>(
    s: &'a Snapshot<'_>,
    counts: impl Fn(&PlanVersion) -> bool,
    version: &PlanVersion,
    now: Timestamp,
) -> Step<&'a LiveGate> {
    match &s.facts.gate {
        Some(seen) if now.duration_since(seen.at) <= CONFIRM_WITHIN && counts(&seen.after) => Ok(&seen.live),
        Some(_) | None => {
            let look = Look::LiveGate {
                namespace: s.namespace.clone(),
                stage: s.stage.name_any(),
                accounts: s.stage.spec.accounts.clone(),
                plan: version.clone(),
            };
            Err(ask(s.facts, Effect::Look(look), now))
        }
    }
}
