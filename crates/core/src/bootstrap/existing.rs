//! Toolkit stacks that others have made: is each environment's version there, and high enough?

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Snapshot, environment::EnvironmentState};
use crate::{
    api::{AwsAccount, EnvironmentStatus, Reason},
    effect::{Access, Effect, Look, Seen, session_name},
    verdict::{Need, Phase, Step, Verdict, ask, fold},
    words::{Env, ToolkitNames},
};

/// How long a version that was seen is believed.
const FRESH: SignedDuration = SignedDuration::from_mins(10);
/// How long it is believed that it is missing, or too low.
const AMISS: SignedDuration = SignedDuration::from_secs(30);

/// What comes next, and how each environment stands.
pub(super) fn existing(
    s: &Snapshot<'_>,
    environments: &BTreeMap<Env, &AwsAccount>,
    now: Timestamp,
) -> (Verdict, Vec<EnvironmentStatus>) {
    let states: Vec<(&Env, EnvironmentState)> = environments
        .iter()
        .map(|(env, account)| {
            let state = match version(s, env, account, now) {
                Ok(version) => EnvironmentState::Ready(version),
                Err(need) => EnvironmentState::Need(need),
            };
            (env, state)
        })
        .collect();
    let rows = states.iter().map(|(env, state)| state.row(env)).collect();
    let total = states.len();
    let needs: Vec<Need> = states
        .into_iter()
        .filter_map(|(_, state)| match state {
            EnvironmentState::Need(need) => Some(need),
            EnvironmentState::Ready(_)
            | EnvironmentState::Claim(_)
            | EnvironmentState::Settle(_)
            | EnvironmentState::Failed(_) => None,
        })
        .collect();
    if needs.is_empty() {
        let least = s.bootstrap.spec.version;
        let what = format!("{total} of {total} environments have version {least} or later, made by others");
        let v = Verdict::rest(Phase::Done(Reason::Bootstrapped), what);
        return (now.saturating_add(FRESH).map_or(v.clone(), |at| v.until(at)), rows);
    }
    let missing = needs.len();
    let v = fold(needs, Reason::Fetching, "looking at the versions");
    (v.waiting_for(format!("{missing} of {total}")), rows)
}

/// The version that an environment says it has.
fn version(s: &Snapshot<'_>, env: &Env, account: &AwsAccount, now: Timestamp) -> Step<u32> {
    s.unique(account)?;
    let names = ToolkitNames { qualifier: s.bootstrap.spec.qualifier.clone(), env: env.clone() };
    let parameter = names.version_parameter();
    let least = s.bootstrap.spec.version;
    let stuck = |why: String, at: Timestamp| {
        Err(Need::Stuck(Reason::NotBootstrapped, why, at.saturating_add(AMISS).ok()))
    };
    match s.facts.toolkits.get(&(env.clone(), parameter.clone())) {
        Some(Seen::Present(found, at)) if *found >= least && now.duration_since(*at) < FRESH => Ok(*found),
        Some(Seen::Present(found, at)) if *found < least && now.duration_since(*at) < AMISS => stuck(
            format!(
                "{env} has bootstrap version {found}, and spec.version asks for {least}: run cdk bootstrap, or ask for less"
            ),
            *at,
        ),
        Some(Seen::Absent(at)) if now.duration_since(*at) < AMISS => stuck(
            format!(
                "{env} has no SSM parameter {parameter}: run cdk bootstrap with this qualifier, or mode: Manage"
            ),
            *at,
        ),
        Some(Seen::Present(..) | Seen::Absent(_) | Seen::Unknown) | None => {
            let access = Access {
                env: env.clone(),
                roles: vec![names.lookup_role()],
                session_name: session_name(&s.uid),
                scope: None,
            };
            // Where nobody has bootstrapped there is no such role.
            Err(ask(s.facts, Effect::Look(Look::Toolkit(env.clone(), parameter, access)), now)
                .told_as(Reason::AccessDenied, Reason::NotBootstrapped))
        }
    }
}
