//! The gate of a change of toolkit stacks: before its first claim, and before each of them begins.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::{Snapshot, environment::ceiling, snapshot::wanted};
use crate::{
    account::Accounts,
    api::{Action, AwsAccount, BootstrapMode, DecisionSource, Freeze, IdentityNeeded, Operation, Reason},
    effect::LiveGate,
    freeze::{Held, Touched, held, held_afterwards},
    gate::{InForceState, PlanView, Tally, in_force_for, tally},
    latch::{has_been_rejected, is_forgotten, live_since_recorded},
    verdict::{Need, Phase, Step, Verdict},
    words::{AccountId, Env},
};

/// What opens the gate of a plan that is not claimed yet, or what is waited for.
pub(super) fn before_claim(
    s: &Snapshot<'_>,
    plan: &PlanView,
    accounts: &[AccountId],
    now: Timestamp,
) -> Result<Tally, Box<Verdict>> {
    let tally = tally(plan, &s.gate, now);
    let (held, thaws) = freezes(s, &s.freezes, &s.accounts, accounts, now);
    let until = |v: Verdict, at: Option<Timestamp>| at.map_or(v.clone(), |at| v.until(at));
    if !tally.passes() {
        let wait = if plan.is_full(Action::Approve) {
            let what = format!(
                "needs {}, and the ledger of plan {} takes no more approvals: reject it, and change the spec",
                tally.missing(),
                plan.name
            );
            Verdict::rest(Phase::Stalled(Reason::LedgerFull), what)
        } else {
            Verdict::rest(Phase::Waiting(Reason::AwaitingApproval), asked(s, plan, &tally, &held, now))
        };
        let wait = until(until(wait, thaws), tally.changes).until(expires(s, plan));
        return Err(Box::new(wait.waiting_for(tally.missing())));
    }
    if s.gate.rests_on_policies(&tally) && s.enforcement.state != InForceState::InForce {
        let why = s.enforcement.why();
        let what = format!("it is approved, and waits: the gate wants verified identities, and {why}");
        return Err(Box::new(
            Verdict::rest(Phase::Waiting(Reason::PoliciesNotInForce), what).waiting_for("admission policies"),
        ));
    }
    if let Some(first) = held.first().filter(|_| !tally.overridden) {
        let v = Verdict::rest(Phase::Waiting(Reason::Frozen), until_it_thaws(s, plan, first))
            .waiting_for(format!("freeze {}", first.name));
        return Err(Box::new(until(until(v, thaws), tally.changes)));
    }
    Ok(tally)
}

fn until_it_thaws(s: &Snapshot<'_>, plan: &PlanView, freeze: &Held) -> String {
    format!(
        "{}; it starts by itself then. In an emergency: kubectl -n {} annotate plan {} {}={}",
        freeze.told(),
        s.installation.namespace,
        plan.name,
        plan.next_key(Action::Override),
        s.enforcement.value(plan.id(), "")
    )
}

/// When approvals of a plan that is claimed are counted: where no person let it through, they are not decided on yet.
pub(super) fn counted_at(plan: &PlanView, now: Timestamp) -> Timestamp {
    if plan.claimed_with.is_some() { plan.counted_at(now) } else { now }
}

/// The Freeze that holds up the change of one stack while others have had theirs, as it is told.
pub(super) fn frozen(s: &Snapshot<'_>, plan: &PlanView, env: &Env, now: Timestamp) -> Option<String> {
    let (held, _) = freezes(s, &s.freezes, &s.accounts, std::slice::from_ref(&env.account), now);
    let first = held.first().filter(|_| !tally(plan, &s.gate, now).overridden)?;
    Some(until_it_thaws(s, plan, first))
}

/// A plan of which nothing proves that the controller wrote it: nothing is done with it, and nothing rests on it.
pub(super) fn not_as_written(s: &Snapshot<'_>, plan: &PlanView) -> Verdict {
    let namespace = &s.installation.namespace;
    let message = format!(
        "nothing proves that the controller wrote plan {0}: it was replaced while the admission policies were away, or the Secret \
         stackgate-hmac is another one by now. Nothing of it runs, whoever approves it. An administrator deletes it: kubectl -n \
         {namespace} delete plan {0}",
        plan.name
    );
    Verdict::rest(Phase::Stalled(Reason::PlanFailed), message).waiting_for("the plan to be deleted")
}

/// When a plan that waits is over.
pub(super) fn expires(s: &Snapshot<'_>, plan: &PlanView) -> Timestamp {
    plan.opened_time.saturating_add(s.gate.plan_ttl.value).unwrap_or(Timestamp::MAX)
}

fn asked(s: &Snapshot<'_>, plan: &PlanView, tally: &Tally, held: &[Held], now: Timestamp) -> String {
    let (namespace, name) = (&s.installation.namespace, &plan.name);
    let unheard = plan.unheard(plan.plan.metadata.annotations.as_ref(), DecisionSource::ChangePlan, now);
    let unheard = unheard.into_iter().map(|(key, why)| format!("{key}: {why}"));
    let not_counted: Vec<String> = tally.not_counted.iter().cloned().chain(unheard).take(4).collect();
    let not_counted = match not_counted.as_slice() {
        [] => String::new(),
        list => format!("; does not count: {}", list.join("; ")),
    };
    let unheeded = s.enforcement.unheeded(s.gate.identity.value);
    let revokes = plan.standing_revokes(namespace);
    format!(
        "needs {}; read it: kubectl -n {namespace} describe plan {name}; let it run: kubectl -n {namespace} annotate plan {name} \
         {}={}{}{unheeded}{not_counted}{revokes}",
        tally.missing(),
        plan.next_key(Action::Approve),
        s.enforcement.value(plan.id(), &tally.ack_attribute()),
        held_afterwards(held, tally.overridden),
    )
}

fn freezes(
    s: &Snapshot<'_>,
    list: &[Arc<Freeze>],
    all: &Accounts,
    accounts: &[AccountId],
    now: Timestamp,
) -> (Vec<Held>, Option<Timestamp>) {
    let touched = Touched { namespace: &s.installation.namespace, accounts, operation: Operation::Bootstrap };
    held(list, all, touched, now)
}

/// What stands against beginning in an environment, as a look shows it that came after the claim. `Some`: something does.
/// Making a stack asks less: what it gets has passed the gate when the plan was claimed.
pub(super) fn stands(
    s: &Snapshot<'_>,
    plan: &PlanView,
    env: &Env,
    is_gated: bool,
    now: Timestamp,
) -> Step<Option<String>> {
    let live = live_since_recorded(&s.owner(), plan, now)?;
    let soon = |what: &str| {
        let again = now.saturating_add(SignedDuration::from_secs(5)).ok();
        Err(Need::Wait(Reason::Executing, format!("{what} {}", plan.name), again))
    };
    if has_been_rejected(plan, live) {
        return soon("a reject has just been written on plan");
    }
    if is_forgotten(s.facts, live) {
        return soon("the API server does not hold what was recorded of plan");
    }
    if is_gated
        && s.enforcement.state == InForceState::Unknown
        && s.gate.identity.value == IdentityNeeded::Verified
    {
        return soon("the admission policies are being tried, for plan");
    }
    Ok(stops(s, plan, env, is_gated, live, now))
}

fn stops(
    s: &Snapshot<'_>,
    plan: &PlanView,
    env: &Env,
    is_gated: bool,
    live: &LiveGate,
    now: Timestamp,
) -> Option<String> {
    if !plan.opening_is_proven {
        return Some("nothing proves that the controller wrote what the plan proposes".to_owned());
    }
    let Some(bootstrap) = &live.bootstrap else { return Some("the Bootstrap is gone".to_owned()) };
    if bootstrap.uid().as_deref() != Some(s.uid.as_str()) || bootstrap.metadata.deletion_timestamp.is_some() {
        return Some("the Bootstrap is being deleted, or was made anew".to_owned());
    }
    if bootstrap.spec.mode.unwrap_or_default() == BootstrapMode::Observe {
        return Some("with spec.mode: Observe nothing is changed".to_owned());
    }
    if wanted(bootstrap).ok().as_ref() != plan.proposal().bootstrap.as_ref() {
        return Some("the spec of the Bootstrap was changed".to_owned());
    }
    // The accounts were looked at by the names that were known.
    if bootstrap.spec.accounts != s.bootstrap.spec.accounts {
        return Some("spec.accounts was changed".to_owned());
    }
    let there = Accounts::new(live.accounts.iter().cloned().map(Arc::new).collect());
    let selected = there.selected(&bootstrap.spec.accounts);
    let is_there =
        |a: &&&AwsAccount| a.spec.account_id == env.account && a.spec.regions.contains(&env.region);
    let Some(account) = selected.iter().find(is_there) else {
        return Some(format!("the Bootstrap does not select {env} any more"));
    };
    if let Some(twin) = there.twin(account) {
        return Some(format!(
            "AwsAccounts {} and {} have the same accountID",
            account.name_any(),
            twin.name_any()
        ));
    }
    if let Err(Need::Stuck(_, why, _)) = ceiling(&bootstrap.spec, account) {
        return Some(why);
    }
    if !is_gated {
        return None;
    }
    let gate = in_force_for(bootstrap, selected.iter().copied());
    let count = tally(plan, &gate, counted_at(plan, now));
    if !count.passes() {
        return Some(format!("the gate asks for {} now", count.missing()));
    }
    let the_same = live.policies.is_some() && live.policies == s.enforcement.fingerprint;
    let has_begun = plan.settled.keys().any(|key| plan.covers(&key.env));
    if !has_begun && gate.rests_on_policies(&count) && !the_same {
        return Some(
            "the admission policies that prove who decided are not those any more that did".to_owned(),
        );
    }
    let list: Vec<Arc<Freeze>> = live.freezes.iter().cloned().map(Arc::new).collect();
    let (held, _) = freezes(s, &list, &there, std::slice::from_ref(&env.account), now);
    // A rollout may last for weeks: an override is for the freezes of its time.
    held.first().filter(|_| !tally(plan, &gate, now).overridden).map(Held::told)
}
