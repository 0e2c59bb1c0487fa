//! The decision on a Bootstrap: one plan for what the toolkit stacks hold, one claim for every environment. Making a toolkit stack
//! asks nobody; changing those that are there waits for the gate.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kube::ResourceExt;

use super::{
    Snapshot,
    close::close,
    environment::{EnvironmentState, Toolkit, allowed, reason_of},
    existing::existing,
    gate::{before_claim, counted_at, expires, not_as_written},
    open::open,
    waves::Waves,
};
use crate::{
    api::{
        ANNOTATION_REQUESTED_AT, Action, AwsAccount, BootstrapMode, Claimed, CloseReason, Closed,
        EnvironmentStatus, Reason,
    },
    effect::{Effect, Mutation},
    gate::{Ledger, PlanView, tally},
    latch::{Latched, latch, late_stops},
    plan::{append, by_rule, stray},
    verdict::{Need, Phase, Verdict, fold},
    words::{AccountId, Env},
};

/// The environments that a Bootstrap covers.
type Environments<'a> = BTreeMap<Env, &'a AwsAccount>;

/// The most environments of one Bootstrap: so many stacks fit into one entry of a ledger.
const MOST: usize = 250;

/// What comes next, and how each environment stands.
#[must_use]
pub fn decide(s: &Snapshot<'_>, now: Timestamp) -> (Verdict, Vec<EnvironmentStatus>) {
    let alone = |v: Verdict| (v, Vec::new());
    if s.bootstrap.metadata.deletion_timestamp.is_some() {
        return alone(Verdict::rest(
            Phase::Working(Reason::Deleting),
            "being deleted; toolkit stacks are retained",
        ));
    }
    let stuck = |need| {
        // Whatever else stands in the spec, what people decide is recorded.
        let manages = s.bootstrap.spec.mode.unwrap_or_default() == BootstrapMode::Manage;
        let plan = s.newest().filter(|p| manages && p.opening_is_proven);
        let recorded = plan.and_then(|p| recorded(s, p, now));
        alone(recorded.unwrap_or_else(|| fold(vec![need], Reason::Planning, "reading the spec")))
    };
    let wanted = match s.wanted() {
        Ok(w) => w,
        Err(need) => return stuck(need),
    };
    let environments = match s.environments() {
        Ok(e) => e,
        Err(need) => return stuck(need),
    };
    if environments.len() > MOST {
        let many = environments.len();
        let what = format!(
            "spec.accounts selects {many} environments, and one Bootstrap takes {MOST}: make two, by other labels"
        );
        return stuck(Need::stuck(Reason::InvalidSpec, what));
    }
    match s.bootstrap.spec.mode.unwrap_or_default() {
        BootstrapMode::Observe => return existing(s, &environments, now),
        BootstrapMode::Manage => {}
    }
    let refused = || all_refused(s, &environments);
    let Some(plan) = s.newest() else {
        return refused().unwrap_or_else(|| alone(open(s, &wanted, now)));
    };
    if !plan.opening_is_proven && plan.closed.is_none() {
        return alone(not_as_written(s, plan));
    }
    let meanwhile = |v: Verdict| {
        let rows = standing(s, plan, &environments, v.phase.reason(), now);
        (v, rows.iter().map(|(env, state)| state.row(env)).collect())
    };
    if let Some(v) = recorded(s, plan, now).or_else(|| closed_stray(s, plan, now)) {
        return meanwhile(v);
    }
    let same = plan.proposal().bootstrap.as_ref() == Some(&wanted);
    if let Some(closed) = &plan.closed {
        return match over(s, plan, closed, same) {
            Some(v) => shown(s, plan, &environments, v, now),
            None => match refused() {
                Some((verdict, _)) => shown(s, plan, &environments, verdict, now),
                None => alone(open(s, &wanted, now)),
            },
        };
    }
    let toolkits: Vec<(Env, Toolkit<'_>)> = environments
        .iter()
        .map(|(env, account)| (env.clone(), Toolkit::new(s, env, account, plan, &wanted)))
        .collect();
    // What was carried out everywhere stays as it is, whatever somebody says of it afterwards.
    let is_done = same && plan.is_claimed() && toolkits.iter().all(|(_, t)| t.is_done());
    if let Some(reject) = plan.rejected().filter(|_| !is_done) {
        return meanwhile(close(s, plan, CloseReason::Rejected, &format!("rejected {}", reject.told()), now));
    }
    if !same {
        return meanwhile(close(
            s,
            plan,
            CloseReason::Superseded,
            "the spec asks for something else now",
            now,
        ));
    }
    if let Some((env, _)) = toolkits.iter().find(|(_, t)| t.is_untold()) {
        let why = format!("the stack in {env} is to be changed or made anew as well");
        return meanwhile(close(s, plan, CloseReason::Superseded, &why, now));
    }
    if let Some(why) = no_longer(s, plan, &environments, &toolkits, now) {
        return meanwhile(close(s, plan, CloseReason::Withdrawn, &why, now));
    }
    carried_out(s, plan, &environments, &toolkits, now)
}

/// Where no account takes what the spec asks for there is nothing to plan: nobody is asked to approve what goes nowhere.
fn all_refused(
    s: &Snapshot<'_>,
    environments: &Environments<'_>,
) -> Option<(Verdict, Vec<EnvironmentStatus>)> {
    let refused = environments.iter().map(|(env, account)| (env, allowed(s, env, account)));
    let refused: Vec<_> = refused.filter_map(|(env, r)| Some((env, r.err()?))).collect();
    (refused.len() == environments.len()).then(|| {
        let rows = refused.iter().map(|(env, need)| EnvironmentState::Need(need.clone()).row(env)).collect();
        let needs = refused.into_iter().map(|(_, need)| need).collect();
        (fold(needs, Reason::Planning, "reading the spec"), rows)
    })
}

/// What people have written is recorded before anything else.
fn recorded(s: &Snapshot<'_>, plan: &PlanView, now: Timestamp) -> Option<Verdict> {
    let owner = s.owner();
    let written = |plan: &PlanView, ledger: Ledger| {
        let namespace = &s.installation.namespace;
        append(s.facts, namespace, plan, ledger, Reason::AwaitingApproval, "recording a decision", now)
    };
    if let Some((plan, ledger)) = late_stops(&owner, now) {
        return Some(written(plan, ledger));
    }
    match latch(&owner, plan, now) {
        Some(Latched::Certain(ledger)) => Some(written(plan, ledger)),
        Some(Latched::Uncertain(first, _)) => Some(first),
        None => None,
    }
}

/// A plan that was opened beside the newest one goes.
fn closed_stray(s: &Snapshot<'_>, plan: &PlanView, now: Timestamp) -> Option<Verdict> {
    let stray = stray(&s.plans)?;
    Some(close(s, stray, CloseReason::Superseded, &format!("plan {} was opened beside it", plan.name), now))
}

/// A plan that was closed, while the spec asks for the same still; `None`: what the spec asks for is planned.
fn over(s: &Snapshot<'_>, plan: &PlanView, closed: &Closed, same: bool) -> Option<Verdict> {
    let namespace = &s.installation.namespace;
    let rest = |phase, message: String, whom: &str| Some(Verdict::rest(phase, message).waiting_for(whom));
    match closed.reason {
        CloseReason::Rejected if same => {
            let what = format!(
                "change {} was {}; it stays so: change the spec, or set it back",
                plan.id(),
                closed.message
            );
            rest(Phase::Waiting(Reason::Rejected), what, "another spec")
        }
        CloseReason::Failed if same && plan.retried(s.gate.identity.value).is_none() => {
            let reason = plan.failed().next().map_or(Reason::RolledBack, reason_of);
            let what = format!(
                "{}; mend the cause, then change the spec, or try this again: kubectl -n {namespace} annotate plan {} {}={}",
                closed.message,
                plan.name,
                plan.next_key(Action::Retry),
                s.enforcement.value(plan.id(), "")
            );
            rest(Phase::Stalled(reason), what, "retry, or another spec")
        }
        CloseReason::Expired if same && plan.request == s.request() => {
            let what = format!(
                "change {} {}; to plan it again: kubectl annotate --overwrite cdkboot {} {ANNOTATION_REQUESTED_AT}=\"$(date)\"",
                plan.id(),
                closed.message,
                s.bootstrap.name_any()
            );
            rest(Phase::Waiting(Reason::Expired), what, "a request, or another spec")
        }
        CloseReason::Rejected
        | CloseReason::Failed
        | CloseReason::Superseded
        | CloseReason::Withdrawn
        | CloseReason::Expired => None,
    }
}

/// How the toolkit stacks stand, whatever goes on: those that are there work on.
fn standing<'e>(
    s: &Snapshot<'_>,
    plan: &PlanView,
    environments: &'e Environments<'_>,
    reason: Reason,
    now: Timestamp,
) -> Vec<(&'e Env, EnvironmentState)> {
    let owned: BTreeSet<Env> = s.owned().into_keys().map(|key| key.env).collect();
    let Some(content) = plan.proposal().bootstrap.as_ref() else { return Vec::new() };
    let states = environments.iter().map(|(env, account)| {
        let state = if owned.contains(env) {
            let toolkit = Toolkit::new(s, env, account, plan, content);
            toolkit.version(now).map_or_else(EnvironmentState::Need, EnvironmentState::Ready)
        } else {
            EnvironmentState::Need(Need::Wait(reason, format!("waits for plan {}", plan.name), None))
        };
        (env, state)
    });
    states.collect()
}

/// While nothing is done: how the toolkit stacks stand that are there.
fn shown(
    s: &Snapshot<'_>,
    plan: &PlanView,
    environments: &Environments<'_>,
    verdict: Verdict,
    now: Timestamp,
) -> (Verdict, Vec<EnvironmentStatus>) {
    let states = standing(s, plan, environments, verdict.phase.reason(), now);
    let looks = states.iter().filter_map(|(_, state)| match state {
        EnvironmentState::Need(need @ Need::Do(_)) => Some(need.clone()),
        _other => None,
    });
    let looks: Vec<Need> = looks.collect();
    let rows = states.iter().map(|(env, state)| state.row(env)).collect();
    if looks.is_empty() {
        (verdict, rows)
    } else {
        (fold(looks, Reason::Executing, "looking at the versions"), rows)
    }
}

/// The newest plan is the one that the spec asks for, and nothing has stopped it.
fn carried_out(
    s: &Snapshot<'_>,
    plan: &PlanView,
    environments: &Environments<'_>,
    toolkits: &[(Env, Toolkit<'_>)],
    now: Timestamp,
) -> (Verdict, Vec<EnvironmentStatus>) {
    let passed = match passed(s, plan, environments, toolkits, now) {
        Ok(passed) => passed,
        Err(waits) => return *waits,
    };
    let failed = plan.failed().next();
    let waves = Waves::of(s);
    let hold = |env: &Env, toolkit: &Toolkit<'_>| match failed {
        Some(x) => {
            let what = format!("stack {} failed: nothing more is begun", x.key());
            Some(Need::Wait(Reason::Executing, what, None))
        }
        None if toolkit.is_changed() => waves.hold(env, toolkits, now),
        None => None,
    };
    let states: Vec<(Env, EnvironmentState)> =
        toolkits.iter().map(|(env, toolkit)| (env.clone(), toolkit.state(hold(env, toolkit), now))).collect();
    let watched: Vec<_> = toolkits.iter().map(|(_, toolkit)| toolkit.watched()).collect();
    let shown = states.iter().zip(toolkits).map(|((env, state), (_, toolkit))| {
        let row = state.row(env);
        let before = || toolkit.version_before(now).filter(|_| !state.is_not_ours());
        EnvironmentStatus { version: row.version.or_else(before), ..row }
    });
    let rows = shown.collect();
    let running = |k: &_| plan.claims.contains_key(k) && !plan.settled.contains_key(k);
    let v = next(s, plan, states, passed, now);
    (v.watching(watched.into_iter().filter(|w| running(&w.key))), rows)
}

/// Why a plan that is claimed goes on no more, and what is left of it is planned anew: it has to be approved again, or is no longer
/// asked for. Nobody can approve a plan that is claimed.
fn no_longer(
    s: &Snapshot<'_>,
    plan: &PlanView,
    environments: &Environments<'_>,
    toolkits: &[(Env, Toolkit<'_>)],
    now: Timestamp,
) -> Option<String> {
    if plan.failed().next().is_some() {
        return None;
    }
    let open = plan.claims.keys().filter(|key| !plan.settled.contains_key(key));
    if let Some(key) = open.into_iter().find(|key| !environments.contains_key(&key.env)) {
        return Some(format!("the Bootstrap does not select {} any more", key.env));
    }
    let waits = |t: &Toolkit<'_>| t.is_gated() && !t.is_done();
    let count = tally(plan, &s.gate, counted_at(plan, now));
    (plan.is_claimed() && !count.passes() && toolkits.iter().any(|(_, t)| waits(t)))
        .then(|| format!("the gate asks for {} now", count.missing()))
}

/// What has opened the gate of a plan that is not claimed yet.
struct Passed {
    /// The rule, where nobody was asked.
    rule: Option<&'static str>,
    /// How many approvals the gate wanted.
    approvals: Option<u32>,
}

/// Whether the plan may be carried out: `None`: it was claimed before. Where not, what is waited for, and how things stand meanwhile.
fn passed(
    s: &Snapshot<'_>,
    plan: &PlanView,
    environments: &Environments<'_>,
    toolkits: &[(Env, Toolkit<'_>)],
    now: Timestamp,
) -> Result<Option<Passed>, Box<(Verdict, Vec<EnvironmentStatus>)>> {
    let by_rule = |rule| Ok(Some(Passed { rule: Some(rule), approvals: None }));
    if plan.is_claimed() {
        return Ok(None);
    }
    let brings_back = !s.lost().is_empty();
    if plan.proposal().changed.is_none() && !brings_back {
        return by_rule("no toolkit stack was there");
    }
    // The spec was set back before anything ran: there is nothing to approve.
    let mut there = toolkits.iter().filter(|(_, t)| t.is_changed()).peekable();
    if !brings_back && there.peek().is_some() && there.all(|(_, t)| t.is_done()) {
        return by_rule("the toolkit stacks hold this already");
    }
    if now >= expires(s, plan) && !tally(plan, &s.gate, now).passes() {
        let why = "waited for approvals longer than planTTL allows";
        return Err(Box::new((close(s, plan, CloseReason::Expired, why, now), Vec::new())));
    }
    if let Some((verdict, _)) = all_refused(s, environments) {
        return Err(Box::new(shown(s, plan, environments, verdict.until(expires(s, plan)), now)));
    }
    let accounts: BTreeSet<AccountId> = environments.keys().map(|env| env.account.clone()).collect();
    let accounts: Vec<AccountId> = accounts.into_iter().collect();
    match before_claim(s, plan, &accounts, now) {
        Ok(tally) => {
            let approvals = tally.by_rule.is_none().then_some(tally.needed);
            Ok(Some(Passed { rule: tally.by_rule, approvals }))
        }
        Err(wait) => Err(Box::new(shown(s, plan, environments, *wait, now))),
    }
}

/// How many executions begin on the same look at the gate: what is written meanwhile stops those that have not.
const AT_ONCE: usize = 8;

fn begins(need: &Need) -> bool {
    match need {
        Need::Do(effect) => matches!(&**effect, Effect::Mutate(Mutation::Execute(..))),
        Need::Wait(..) | Need::Stuck(..) => false,
    }
}

fn next(
    s: &Snapshot<'_>,
    plan: &PlanView,
    states: Vec<(Env, EnvironmentState)>,
    passed: Option<Passed>,
    now: Timestamp,
) -> Verdict {
    let total = states.len();
    let (mut claims, mut ends, mut needs, mut failed, mut ready) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), 0_usize);
    for (_, state) in states {
        match state {
            EnvironmentState::Ready(_) => ready += 1,
            EnvironmentState::Claim(c) => claims.push(*c),
            EnvironmentState::Settle(x) => ends.push(*x),
            EnvironmentState::Failed(x) => failed.push(*x),
            EnvironmentState::Need(n) => needs.push(n),
        }
    }
    // Each claim needs a place for its end, and the plan one for each revoke that may come, a first reject, this claim, its rule, and the
    // closing.
    let open = plan.claims.keys().filter(|key| !plan.settled.contains_key(*key)).count();
    let taken = open + ends.len() + plan.revokes_to_come() + 4;
    let fit = (1..=claims.len()).rev().find(|n| plan.ledger(now).leaves(taken + n)).unwrap_or(0);
    if fit < claims.len() {
        claims.truncate(fit);
        let full =
            format!("the ledger of plan {} takes no more claims: reject it, or change the spec", plan.name);
        needs.push(Need::stuck(Reason::LedgerFull, full));
    }
    let is_there_already = needs.is_empty() && failed.is_empty() && passed.is_some();
    if !claims.is_empty() || !ends.is_empty() || is_there_already {
        let mut ledger = ends.into_iter().fold(plan.ledger(now), |l, x| l.with(|e| e.settled = Some(x)));
        let (rule, approvals) = passed.as_ref().map_or((None, None), |p| (p.rule, p.approvals));
        if let Some(rule) = rule {
            ledger = ledger.with(|e| e.decided = Some(by_rule(rule)));
        }
        if !claims.is_empty() || passed.is_some() {
            ledger = ledger.with(|e| e.claimed = Some(Claimed { stacks: claims, approvals }));
        }
        let namespace = &s.installation.namespace;
        return append(s.facts, namespace, plan, ledger, Reason::Executing, "recording", now);
    }
    // Environments do not wait for each other: what can be done is done, whoever else is stuck.
    let (doing, rest): (Vec<Need>, Vec<Need>) = needs.into_iter().partition(|n| matches!(n, Need::Do(_)));
    if !doing.is_empty() {
        // They go first: the look at the gate is not to grow old meanwhile.
        let (begun, others): (Vec<Need>, Vec<Need>) = doing.into_iter().partition(begins);
        let in_order = begun.into_iter().take(AT_ONCE).chain(others).collect();
        return fold(in_order, Reason::Executing, "bootstrapping");
    }
    // What runs is waited for on the way. One that is not selected any more has failed as well.
    if let Some(first) = failed.first().or_else(|| plan.failed().next()) {
        let why = first.message.as_deref().map(|m| format!(": {m}")).unwrap_or_default();
        let what = format!("stack {} ended in {}{why}", first.key(), first.status);
        return close(s, plan, CloseReason::Failed, &what, now);
    }
    if rest.is_empty() && failed.is_empty() && plan.is_rolling_out() {
        let why = "the Bootstrap does not select all any more that were to be changed";
        return close(s, plan, CloseReason::Withdrawn, why, now);
    }
    if rest.is_empty() && failed.is_empty() {
        return Verdict::rest(
            Phase::Done(Reason::Bootstrapped),
            format!("{ready} of {total} environments have version {}", s.bootstrap.spec.version),
        );
    }
    fold(rest, Reason::Executing, "bootstrapping").waiting_for(format!("{} of {total}", total - ready))
}
