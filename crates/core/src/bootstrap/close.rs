//! Closing a plan: what has begun comes to its end, what has not is taken away first, so that nobody can execute it.

use jiff::{SignedDuration, Timestamp};

use super::{
    Snapshot,
    environment::{Toolkit, Unprepared},
};
use crate::{
    api::{CloseReason, Closed, Reason, Settled, SettledAs},
    drive::{Progress, Withdrawn},
    gate::PlanView,
    plan::append,
    verdict::{Need, Verdict, fold},
};

/// Closes the plan, or says what has to happen before.
pub(super) fn close(
    s: &Snapshot<'_>,
    plan: &PlanView,
    reason: CloseReason,
    message: &str,
    now: Timestamp,
) -> Verdict {
    let (mut ends, mut needs) = (Vec::new(), Vec::new());
    let Some(content) = plan.proposal().bootstrap.as_ref() else {
        return fold(
            vec![Need::stuck(Reason::PlanFailed, "the plan proposes nothing")],
            Reason::Withdrawing,
            "",
        );
    };
    for (key, claim) in plan.claims.iter().filter(|(key, _)| !plan.settled.contains_key(*key)) {
        // Without its AwsAccount nobody here reaches the stack, or knows how it comes out.
        let Some(account) = s.accounts.of_id(&key.env.account) else {
            let (state, why) = (("UNKNOWN", now), "its AwsAccount is gone".to_owned());
            ends.push(Settled::of(key, claim.stack_id.clone(), SettledAs::Failed, state, Some(why)));
            continue;
        };
        let toolkit = Toolkit::new(s, &key.env, account, plan, content);
        match toolkit.drive(claim, false, now) {
            Progress::Need(need) => needs.push(need),
            Progress::Settle(end) => ends.push(*end),
            Progress::Idle | Progress::Stop(_) => match toolkit.withdrawn(claim, now) {
                Ok(Withdrawn::IsNotThere) => {}
                Ok(Withdrawn::HasRun) => {
                    let again = now.saturating_add(SignedDuration::from_secs(5)).ok();
                    needs.push(Need::Wait(Reason::Withdrawing, format!("stack {key} is changing"), again));
                }
                Err(need) => needs.push(need),
            },
        }
    }
    // They were made once the gate was open, by people or by a rule, which stands in no ledger before the claim.
    let told = plan.proposal().changed.iter().flat_map(|c| c.environments.iter().chain(&c.made_anew));
    let mut left = Vec::new();
    for env in told {
        let Some(account) = s.accounts.of_id(&env.account) else {
            left.push(env.to_string());
            continue;
        };
        let toolkit = Toolkit::new(s, env, account, plan, content);
        let is_claimed = plan.claims.contains_key(&toolkit.key) && !plan.settled.contains_key(&toolkit.key);
        // One that was tried and has failed may have been prepared again.
        if is_claimed || toolkit.is_done() {
            continue;
        }
        match toolkit.unprepared(now) {
            Ok(Unprepared::Gone) => {}
            Ok(Unprepared::Left) => left.push(env.to_string()),
            Err(need) => needs.push(need),
        }
    }
    let namespace = &s.installation.namespace;
    if !ends.is_empty() {
        let ledger = ends.into_iter().fold(plan.ledger(now), |l, x| l.with(|e| e.settled = Some(x)));
        let what = "recording how the toolkit stacks came out";
        return append(s.facts, namespace, plan, ledger, Reason::Withdrawing, what, now);
    }
    let doing = format!("closing plan {}", plan.name);
    // What can be taken away is, whoever else is stuck.
    let (can, cannot): (Vec<Need>, Vec<Need>) = needs.into_iter().partition(|n| matches!(n, Need::Do(_)));
    if !can.is_empty() || !cannot.is_empty() {
        return fold(if can.is_empty() { cannot } else { can }, Reason::Withdrawing, &doing);
    }
    let message = if let [first, more @ ..] = left.as_slice() {
        let more =
            if more.is_empty() { String::new() } else { format!(" and {} more environments", more.len()) };
        format!("{message}; what may have been prepared in {first}{more} could not be taken away")
    } else {
        message.to_owned()
    };
    let closed = Closed::of(reason, &message);
    let ledger = plan.ledger(now).with(|e| e.closed = Some(closed));
    append(s.facts, namespace, plan, ledger, Reason::Withdrawing, &doing, now)
}
