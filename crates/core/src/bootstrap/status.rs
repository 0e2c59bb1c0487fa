//! The status of a Bootstrap.

use jiff::Timestamp;

use super::Snapshot;
use crate::{
    api::{BootstrapMode, BootstrapStatus, ConditionType, Conditions, EnvironmentStatus, Reason},
    verdict::{Phase, Verdict},
};

/// The most rows that are shown.
const SHOWN: usize = 64;

/// What the object shows.
#[must_use]
pub fn status(
    s: &Snapshot<'_>,
    v: &Verdict,
    mut rows: Vec<EnvironmentStatus>,
    now: Timestamp,
) -> BootstrapStatus {
    let before = s.bootstrap.status.as_ref().map_or(&[][..], |st| &st.conditions);
    let done = matches!(v.phase, Phase::Done(_));
    // Where a change waits, is under way or cannot be had, what there was before works on.
    let stands = !rows.is_empty() && rows.iter().all(|r| r.version.is_some());
    let reason = v.phase.reason();
    let list = Conditions::new(before, s.bootstrap.metadata.generation, now)
        .with(
            ConditionType::Ready,
            done || stands,
            if stands { Reason::Bootstrapped } else { reason },
            &v.message,
        )
        .with(
            ConditionType::UpToDate,
            done,
            if done { Reason::Bootstrapped } else { Reason::ChangePending },
            &v.message,
        );
    let list = s.enforcement.shown(list);
    let list = match v.phase {
        Phase::Done(_) => list,
        Phase::Working(r) => list.with(ConditionType::Reconciling, true, r, &v.message),
        Phase::Waiting(r) => list.with(ConditionType::Waiting, true, r, &v.message),
        Phase::Stalled(r) => list.with(ConditionType::Stalled, true, r, &v.message),
    };
    let ready = rows.iter().filter(|r| r.version.is_some()).count();
    let counted = (!rows.is_empty()).then(|| format!("{ready}/{}", rows.len()));
    rows.sort_by_key(|r| (r.version.is_some(), r.account.clone(), r.region.clone()));
    rows.truncate(SHOWN);
    BootstrapStatus {
        observed_generation: s.bootstrap.metadata.generation,
        conditions: list.build(),
        state: Some(reason.as_str().to_owned()),
        ready: counted,
        plan: s.newest().map(|p| p.name.clone()),
        effective_gate: match s.bootstrap.spec.mode.unwrap_or_default() {
            BootstrapMode::Manage => s.gate.shown(),
            BootstrapMode::Observe => Vec::new(),
        },
        environments: rows,
    }
}
