//! The decision on a Bootstrap: one plan for what the toolkit stacks hold, one claim for every environment.

use jiff::Timestamp;
use kube::ResourceExt;

use super::{
    Snapshot,
    environment::{EnvironmentState, Toolkit, allowed},
    existing::existing,
};
use crate::{
    api::{
        BootstrapMode, BootstrapProposal, Claimed, EnvironmentStatus, LABEL_BOOTSTRAP, Opened, Operation,
        Proposal, ProposalKind, Reason,
    },
    change::b1,
    effect::{Effect, NewPlan, Record},
    gate::{Ledger, PlanView},
    plan::{append, by_rule},
    verdict::{Need, Phase, Verdict, ask, fold},
    words::ChangeId,
};

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
    let stuck = |need| alone(fold(vec![need], Reason::Planning, "reading the spec"));
    let wanted = match s.wanted() {
        Ok(w) => w,
        Err(need) => return stuck(need),
    };
    let environments = match s.environments() {
        Ok(e) => e,
        Err(need) => return stuck(need),
    };
    match s.bootstrap.spec.mode.unwrap_or_default() {
        BootstrapMode::Observe => return existing(s, &environments, now),
        BootstrapMode::Manage => {}
    }
    let Some(plan) = s.newest() else {
        // A plan that may go nowhere is none.
        let refused = environments.iter().map(|(env, account)| (env, allowed(s, env, account)));
        let refused: Vec<_> = refused.filter_map(|(env, r)| Some((env, r.err()?))).collect();
        if refused.len() < environments.len() {
            return alone(open(s, &wanted, now));
        }
        let rows = refused.iter().map(|(env, need)| EnvironmentState::Need(need.clone()).row(env)).collect();
        return (
            fold(refused.into_iter().map(|(_, need)| need).collect(), Reason::Planning, "reading the spec"),
            rows,
        );
    };
    if plan.proposal().bootstrap.as_ref() != Some(&wanted) {
        return alone(differs(s, plan, &wanted, now));
    }
    let mut states = Vec::new();
    let mut watched = Vec::new();
    for (env, account) in &environments {
        let toolkit = Toolkit::new(s, env, account, plan, &wanted);
        states.push((env.clone(), toolkit.state(now)));
        watched.push(toolkit.watched());
    }
    let rows = states.iter().map(|(env, state)| state.row(env)).collect();
    let pace = |v: Verdict| {
        let running = |k: &_| plan.claims.contains_key(k) && !plan.settled.contains_key(k);
        v.watching(watched.into_iter().filter(|w| running(&w.key)))
    };
    (pace(next(s, plan, states, now)), rows)
}

fn next(
    s: &Snapshot<'_>,
    plan: &PlanView,
    states: Vec<(crate::words::Env, EnvironmentState)>,
    now: Timestamp,
) -> Verdict {
    let total = states.len();
    let (mut claims, mut ends, mut needs, mut ready) = (Vec::new(), Vec::new(), Vec::new(), 0_usize);
    for (_, state) in states {
        match state {
            EnvironmentState::Ready(_) => ready += 1,
            EnvironmentState::Claim(c) => claims.push(*c),
            EnvironmentState::Settle(x) => ends.push(*x),
            EnvironmentState::Need(n) => needs.push(n),
        }
    }
    if !claims.is_empty() || !ends.is_empty() {
        let mut ledger = ends.into_iter().fold(plan.ledger(now), |l, x| l.with(|e| e.settled = Some(x)));
        if !claims.is_empty() {
            if plan.decisions.is_empty() {
                ledger = ledger.with(|e| e.decided = Some(by_rule("no toolkit stack was there")));
            }
            ledger = ledger.with(|e| e.claimed = Some(Claimed { stacks: claims, approvals: None }));
        }
        let namespace = &s.installation.namespace;
        return append(s.facts, namespace, plan, ledger, Reason::Executing, "recording", now);
    }
    // Environments do not wait for each other: what can be done is done, whoever else is stuck.
    let (doing, rest): (Vec<Need>, Vec<Need>) = needs.into_iter().partition(|n| matches!(n, Need::Do(_)));
    if !doing.is_empty() {
        return fold(doing, Reason::Executing, "bootstrapping");
    }
    if rest.is_empty() {
        return Verdict::rest(
            Phase::Done(Reason::Bootstrapped),
            format!("{ready} of {total} environments have version {}", s.bootstrap.spec.version),
        );
    }
    fold(rest, Reason::Executing, "bootstrapping").waiting_for(format!("{} of {total}", total - ready))
}

/// The spec asks for something else than the plan holds.
fn differs(s: &Snapshot<'_>, plan: &PlanView, wanted: &BootstrapProposal, now: Timestamp) -> Verdict {
    if plan.is_claimed() || !plan.owned_now().is_empty() {
        return Verdict::rest(
            Phase::Stalled(Reason::ChangeNotSupported),
            "toolkit stacks were made with other settings, and this version cannot change them: set trustedAccounts, \
             policies and version back, or use cdk bootstrap",
        );
    }
    open(s, wanted, now)
}

fn open(s: &Snapshot<'_>, wanted: &BootstrapProposal, now: Timestamp) -> Verdict {
    let name = s.bootstrap.name_any();
    let id = b1(&s.uid, None, wanted.toolkit_stack_name.as_str(), &wanted.template, &wanted.parameters);
    let order = s.newest().map_or(1, |p| p.order.saturating_add(1));
    let ledger = Ledger::new(now)
        .with(|e| {
            e.opened = Some(Opened {
                order,
                release: None,
                request: None,
                cdk_stage: None,
                parameters: None,
                secrets: false,
                owned: Vec::new(),
            })
        })
        .entries();
    let plan = NewPlan {
        namespace: s.installation.namespace.clone(),
        name: format!("{name}-{}", id.digits()),
        proposal: Proposal {
            kind: ProposalKind::Bootstrap,
            name: name.clone(),
            uid: s.uid.clone(),
            operation: Operation::Bootstrap,
            id: ChangeId::Bootstrap(id),
            release: None,
            a1: None,
            replaces: None,
            risks: Vec::new(),
            compared: None,
            stacks: Vec::new(),
            unused_parameters: Vec::new(),
            bootstrap: Some(wanted.clone()),
        },
        ledger,
        owner: ("Bootstrap", name.clone(), s.uid.clone()),
        label: (LABEL_BOOTSTRAP, name),
    };
    let effect = Effect::Record(Record::OpenPlan(Box::new(plan)));
    fold(vec![ask(s.facts, effect, now)], Reason::Planning, "writing the plan")
}
