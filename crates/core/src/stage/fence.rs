//! Closing a plan: its change sets go first, so that nobody can execute them, then the record says so.

use jiff::{SignedDuration, Timestamp};

use super::{Snapshot, prepare::wish_of, targets::access_to};
use crate::{
    api::{CloseReason, Closed, PlannedAs, ProposedStack, Reason},
    change::{Baseline, change_set_name},
    drive::{Withdrawn, fresh_row, in_progress},
    effect::{Access, Confirmed, Effect, Look, Mutation, Seen, SetRef},
    gate::PlanView,
    plan::append,
    stack::{Removal, StackStatus, removal},
    verdict::{Need, Step, Verdict, ask, fold},
    words::{ChangeSetName, StackId, StackKey},
};

/// How long after the last entry of a plan nobody acts on an older one: longer than a look counts, and clocks differ.
const DRAIN: SignedDuration = SignedDuration::from_secs(30);

/// Deletes what the plan has prepared and not executed, then closes it. `tidy`: also deletes stacks that are nothing but
/// the place of such a change set.
pub(super) fn close(
    s: &Snapshot<'_>,
    plan: &PlanView,
    reason: CloseReason,
    message: &str,
    tidy: bool,
    now: Timestamp,
) -> Verdict {
    let fenced = |stack| fenced(s, plan, stack, message, tidy, now);
    let needs: Vec<Need> = plan.proposal().stacks.iter().filter_map(|stack| fenced(stack).err()).collect();
    if !needs.is_empty() {
        return fold(needs, Reason::Withdrawing, &format!("deleting the change sets of plan {}", plan.name));
    }
    let closed = Closed::of(reason, message);
    let ledger = plan.ledger(now).with(|e| e.closed = Some(closed));
    append(
        s.facts,
        &s.namespace,
        plan,
        ledger,
        Reason::Withdrawing,
        &format!("closing plan {}", plan.name),
        now,
    )
}

/// What the change set of a plan's stack builds on.
pub(super) fn baseline(stack: &ProposedStack) -> Baseline {
    match stack.plan {
        // What was found there is gone by the time that it is made.
        PlannedAs::Recreated => Baseline::None,
        PlannedAs::Prepared | PlannedAs::Deferred | PlannedAs::Unchanged | PlannedAs::Removed => found(stack),
    }
}

/// What was found when a plan's stack was planned.
pub(super) fn found(stack: &ProposedStack) -> Baseline {
    match (&stack.baseline_stack_id, &stack.baseline_updated_time) {
        (Some(id), Some(at)) => Baseline::Stack(id.clone(), at.0),
        (_, None) | (None, _) => Baseline::None,
    }
}

/// How the change set of a plan's stack is looked up.
pub(super) fn set_of(s: &Snapshot<'_>, plan: &PlanView, stack: &ProposedStack) -> SetRef {
    match plan.claims.get(&stack.key()) {
        Some(claim) => SetRef::Arn(claim.change_set_arn.clone()),
        None => SetRef::Name(change_set_name(&s.uid, &stack.input, &baseline(stack))),
    }
}

/// Nothing of the plan can be executed on this stack any more, and why.
pub(super) fn fenced(
    s: &Snapshot<'_>,
    plan: &PlanView,
    stack: &ProposedStack,
    why: &str,
    tidy: bool,
    now: Timestamp,
) -> Step<()> {
    let key = stack.key();
    if stack.is_left_alone() || plan.settled.contains_key(&key) || is_wanted_beside(s, plan, stack) {
        return Ok(());
    }
    let access = access_to(s, stack);
    // There is no change set that could be withdrawn: what was begun is waited for.
    if matches!(stack.plan, PlannedAs::Removed | PlannedAs::Unchanged) {
        return drained(s, plan, &key, &access, now);
    }
    let wish = wish_of(s, &key, &stack.input, &access);
    if wish.withdrawn(&set_of(s, plan, stack), why, now)? == Withdrawn::HasRun {
        return Ok(());
    }
    if !tidy || baseline(stack) != Baseline::None {
        return Ok(());
    }
    let name = change_set_name(&s.uid, &stack.input, &Baseline::None);
    let recorded = plan.claims.get(&key).map(|c| &c.stack_id).or(stack.review_stack_id.as_ref());
    tidied(s, &key, &access, recorded, &name, now)
}

/// Whether the newest plan, opened beside this one, goes on with the very same change set.
fn is_wanted_beside(s: &Snapshot<'_>, plan: &PlanView, stack: &ProposedStack) -> bool {
    let newest = s.newest().filter(|n| n.name != plan.name && !n.is_over());
    let same = |n: &ProposedStack| {
        n.key() == stack.key() && n.input == stack.input && baseline(n) == baseline(stack)
    };
    newest.is_some_and(|n| n.proposal().stacks.iter().any(same))
}

/// Nobody deletes or unprotects the stack for this plan any more: whoever was about to has seen by now what the plan holds, and a
/// deletion that has begun is over.
fn drained(s: &Snapshot<'_>, plan: &PlanView, key: &StackKey, access: &Access, now: Timestamp) -> Step<()> {
    if !plan.is_claimed() {
        return Ok(());
    }
    let last = plan.plan.spec.ledger.last().map_or(plan.claimed_time, |e| e.time.0);
    let until = last.saturating_add(DRAIN).unwrap_or(last);
    if now < until {
        let what = format!("a deletion of stack {key} that was begun may still show");
        return Err(Need::Wait(Reason::Withdrawing, what, Some(until)));
    }
    match fresh_row(s.facts, key, access, now)? {
        Some(row) if removal(row.status) == Removal::Wait => {
            let what = format!("stack {key} is in {}", row.status.as_str());
            Err(in_progress(s.facts, key, access, Reason::Withdrawing, what, now))
        }
        Some(_) | None => Ok(()),
    }
}

/// A stack that never came to be is gone, if our plan recorded it, or a change set of ours with that name stood in it.
pub(super) fn tidied(
    s: &Snapshot<'_>,
    key: &StackKey,
    access: &Access,
    recorded: Option<&StackId>,
    set: &ChangeSetName,
    now: Timestamp,
) -> Step<()> {
    let has_withdrawn = s.facts.has_withdrawn(key, set);
    if recorded.is_none() && !has_withdrawn {
        return Ok(());
    }
    let look = || Effect::Look(Look::Stack(key.clone(), access.clone()));
    match s.row(key) {
        Seen::Unknown => Err(ask(s.facts, look(), now)),
        Seen::Absent(_) => Ok(()),
        Seen::Present(row, _)
            if row.status != StackStatus::ReviewInProgress
                || !(has_withdrawn || recorded == Some(&row.id)) =>
        {
            Ok(())
        }
        Seen::Present(row, at) => match (row.change_sets, Confirmed::by_look(row.id.clone(), *at, now)) {
            (Some(0), Some(id)) => {
                let delete = Mutation::DeleteStack(key.clone(), id, access.clone());
                Err(ask(s.facts, Effect::Mutate(delete), now))
            }
            // Somebody else has a change set there.
            (Some(1..), Some(_)) => Ok(()),
            (None, _) | (_, None) => Err(ask(s.facts, look(), now)),
        },
    }
}
