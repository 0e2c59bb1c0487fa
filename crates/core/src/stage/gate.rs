//! The gate: decisions are recorded as they come; a plan that has what it needs is claimed.

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::{
    Snapshot,
    adopt::whose,
    fence::{baseline, close, set_of},
    targets::{access_to, allowed, reaches_too_far, watched},
};
use crate::{
    account::Accounts,
    api::{Action, Claimed, ClaimedStack, CloseReason, DecisionSource, PlannedAs, ProposedStack, Reason},
    change::leaf,
    drive::content,
    effect::{CONFIRM_WITHIN, Effect, Look, Pace, Seen, SetRef},
    facts::Looked,
    freeze::{Held, Touched, held, held_afterwards},
    gate::{InForceState, PlanView, Tally, slot, tally},
    latch::live_since_version,
    plan::{append, by_rule},
    stack::SetState,
    verdict::{Need, Phase, Step, Verdict, ask, fold},
};

/// Waits for what is missing, or claims.
pub(super) fn gate(s: &Snapshot<'_>, plan: &PlanView, now: Timestamp) -> Verdict {
    if let Some(what) = moved(s, plan) {
        return close(s, plan, CloseReason::Superseded, &what, false, now);
    }
    let expires = plan.opened_time.saturating_add(s.gate.plan_ttl.value).unwrap_or(Timestamp::MAX);
    if s.stage.spec.observes() {
        return observing(s, plan, expires, now);
    }
    if !plan.opening_is_proven {
        return not_as_written(s, plan);
    }
    let tally = tally(plan, &s.gate, now);
    if !tally.passes() {
        if now >= expires {
            let why = format!("waited for {} longer than planTTL allows", tally.missing());
            return close(s, plan, CloseReason::Expired, &why, true, now);
        }
        let wait = match barred(s, plan) {
            Some(v) => v,
            None if plan.is_full(Action::Approve) => no_room(plan, &tally),
            None => wait_for_approval(s, plan, &tally, now),
        };
        let wait = wait.until(expires);
        return match tally.changes {
            Some(at) => wait.until(at),
            None => wait,
        };
    }
    if let Some(v) = barred(s, plan).or_else(|| unproven(s, plan, &tally)) {
        return v;
    }
    if let Some(v) = frozen(s, plan, &tally, now) {
        return v;
    }
    match adopts_still(s, plan, now) {
        Ok(None) => {}
        Ok(Some(why)) => return close(s, plan, CloseReason::Superseded, &why, false, now),
        Err(need) => return fold(vec![need], Reason::Executing, "looking whether stacks may be taken over"),
    }
    let mut needs: Vec<Need> =
        plan.proposal().stacks.iter().filter_map(|stack| seen_since(s, plan, stack, now).err()).collect();
    if !needs.is_empty() {
        return fold(needs, Reason::Executing, "looking at the stacks that were approved to change");
    }
    let mut claims = Vec::new();
    for stack in plan.proposal().stacks.iter().filter(|p| p.plan == PlannedAs::Prepared) {
        match claimable(s, plan, stack, now) {
            Ok(claim) => claims.push(claim),
            Err(Unclaimable::Need(need)) => needs.push(need),
            Err(Unclaimable::Lost(what)) => {
                return close(s, plan, CloseReason::Superseded, &what, false, now);
            }
        }
    }
    if !needs.is_empty() {
        return fold(needs, Reason::Executing, "looking at the change sets that were approved");
    }
    let mut ledger = plan.ledger(now);
    if let Some(rule) = tally.by_rule {
        ledger = ledger.with(|e| e.decided = Some(by_rule(rule)));
    }
    let approvals = tally.by_rule.is_none().then_some(tally.needed);
    let ledger = ledger.with(|e| e.claimed = Some(Claimed { stacks: claims, approvals }));
    append(s.facts, &s.namespace, plan, ledger, Reason::Executing, "claiming the stacks", now)
}

/// Shows what would happen, and plans that anew where it is older than a plan that somebody could approve.
fn observing(s: &Snapshot<'_>, plan: &PlanView, expires: Timestamp, now: Timestamp) -> Verdict {
    if now >= expires {
        return close(s, plan, CloseReason::Expired, "is as old as planTTL allows", true, now);
    }
    let (release, name) = (plan.release.as_ref().map_or("", |r| r.name.as_str()), &plan.name);
    let what = if plan.changes_nothing() {
        format!("release {release} differs in nothing from what is there")
    } else {
        format!(
            "release {release} would change stacks; read it: kubectl -n {} describe plan {name}",
            s.namespace
        )
    };
    Verdict::rest(Phase::Waiting(Reason::Observing), format!("{what}; with spec.mode: Observe nothing runs"))
        .waiting_for("spec.mode")
        .watching(plan.proposal().stacks.iter().map(|p| watched(p, Pace::Slow)))
        .until(expires)
}

/// Of a Stage with a pin nothing comes of a new release.
pub(super) fn or_unpin(s: &Snapshot<'_>) -> String {
    match &s.stage.spec.pin {
        Some(_) => format!(
            " and take spec.pin away, which holds the Stage to this one: kubectl stackgate -n {} rollback {} --unpin",
            s.namespace,
            s.stage.name_any()
        ),
        None => String::new(),
    }
}

/// People approve what they read in a plan: where nothing proves that the controller wrote it, none of it runs.
pub(super) fn not_as_written(s: &Snapshot<'_>, plan: &PlanView) -> Verdict {
    // Nobody may delete what has run, or was rejected.
    let (todo, awaited) = if plan.is_claimed() || plan.rejected().is_some() {
        (format!("It is kept for the record: make a new release{}", or_unpin(s)), "a new release")
    } else {
        let delete = format!("kubectl -n {} delete plan {}", s.namespace, plan.name);
        (format!("An administrator deletes it, and it is planned anew: {delete}"), "the plan to be deleted")
    };
    let message = format!(
        "nothing proves that the controller wrote what plan {} proposes: it was replaced while the admission policies were away, or the \
         Secret stackgate-hmac is another one by now. Nothing of it runs, whoever approves it. {todo}",
        plan.name
    );
    Verdict::rest(Phase::Stalled(Reason::PlanFailed), message)
        .waiting_for(awaited)
        .watching(plan.proposal().stacks.iter().map(|p| watched(p, Pace::Slow)))
}

/// Why stacks that the plan takes over may no longer be: where nothing of a stack changes, the claim is all that there is, and
/// nothing is looked at after it.
fn adopts_still(s: &Snapshot<'_>, plan: &PlanView, now: Timestamp) -> Step<Option<String>> {
    let adopted: Vec<&ProposedStack> = plan.proposal().stacks.iter().filter(|p| p.adopted).collect();
    if adopted.is_empty() {
        return Ok(None);
    }
    if !s.stage.spec.adopts() {
        return Ok(Some("spec.adoptionPolicy was changed".to_owned()));
    }
    let live = live_since_version(&s.owner(), plan, now)?;
    if !live.stage.as_ref().is_some_and(|stage| stage.spec.adopts()) {
        // The watch shows it in a moment; planned before that, the same would come out.
        let again = now.saturating_add(SignedDuration::from_secs(5)).ok();
        let why = "spec.adoptionPolicy was changed: it takes nothing over".to_owned();
        return Err(Need::Wait(Reason::AwaitingApproval, why, again));
    }
    let there = Accounts::new(live.accounts.iter().cloned().map(std::sync::Arc::new).collect());
    let granted = |p: &ProposedStack| {
        let stage = live.stage.as_ref().unwrap_or(&s.stage);
        allowed(stage, &s.namespace, &there, &p.key(), &p.qualifier).map(drop)
    };
    if let Some((reason, why)) = adopted.iter().find_map(|p| granted(p).err()) {
        // The watch shows it in a moment.
        let again = now.saturating_add(SignedDuration::from_secs(5)).ok();
        return Err(Need::Stuck(reason, why, again));
    }
    let taken = adopted.iter().map(|p| p.key()).find_map(|key| s.taken.get(&key).map(|other| (key, other)));
    Ok(taken.map(|(key, other)| format!("stack {key} belongs to {}", whose(s, other))))
}

/// Why nothing of the plan may run, whoever approves it: an account is not granted any more, or stands there twice. What was decided
/// counts on once that is mended.
fn barred(s: &Snapshot<'_>, plan: &PlanView) -> Option<Verdict> {
    let touched = plan.proposal().stacks.iter().filter(|p| p.adopted || !p.is_left_alone());
    let (reason, why) = touched.into_iter().find_map(|p| {
        let key = p.key();
        allowed(&s.stage, &s.namespace, &s.accounts, &key, &p.qualifier).err().or_else(|| {
            let too_far = reaches_too_far(s, &s.stage, &s.accounts, &key, &p.foreign_topics)?;
            Some((Reason::AccountNotAllowed, too_far))
        })
    })?;
    let watch = plan.proposal().stacks.iter().map(|p| watched(p, Pace::Slow));
    let message = format!("plan {} cannot run: {why}", plan.name);
    Some(Verdict::rest(Phase::Stalled(reason), message).waiting_for("an AwsAccount").watching(watch))
}

/// Where nothing proves now who decides, decisions of before do not open the gate either.
fn unproven(s: &Snapshot<'_>, plan: &PlanView, tally: &Tally) -> Option<Verdict> {
    if !s.gate.rests_on_policies(tally) || s.enforcement.state == InForceState::InForce {
        return None;
    }
    let watch = plan.proposal().stacks.iter().map(|p| watched(p, Pace::Slow));
    let why = s.enforcement.why();
    let message = format!("it is approved, and waits: the gate wants verified identities, and {why}");
    Some(
        Verdict::rest(Phase::Waiting(Reason::PoliciesNotInForce), message)
            .waiting_for("admission policies")
            .watching(watch),
    )
}

/// The freezes that hold the plan up, unless somebody has overridden them; and when that may change by itself.
pub(super) fn freezes(
    s: &Snapshot<'_>,
    plan: &PlanView,
    live: Option<(&[std::sync::Arc<crate::api::Freeze>], &Accounts)>,
    now: Timestamp,
) -> (Vec<Held>, Option<Timestamp>) {
    let (list, accounts) = live.unwrap_or((&s.freezes, &s.accounts));
    let touched =
        Touched { namespace: &s.namespace, accounts: &plan.accounts(), operation: plan.proposal().operation };
    held(list, accounts, touched, now)
}

fn frozen(s: &Snapshot<'_>, plan: &PlanView, tally: &Tally, now: Timestamp) -> Option<Verdict> {
    let (held, changes) = freezes(s, plan, None, now);
    let first = held.first().filter(|_| !tally.overridden)?;
    let names: Vec<&str> = held.iter().map(|h| h.name.as_str()).collect();
    let list: Vec<String> = held.iter().map(Held::told).collect();
    let watch = plan.proposal().stacks.iter().map(|p| watched(p, Pace::Slow));
    let message = format!(
        "{}; it starts by itself then. In an emergency: kubectl -n {} annotate plan {} {}={}",
        few(list, 2).join("; "),
        s.namespace,
        plan.name,
        plan.next_key(Action::Override),
        s.enforcement.value(plan.id(), "")
    );
    let v = Verdict::rest(Phase::Waiting(Reason::Frozen), message)
        .waiting_for(format!("freeze {}", if held.len() == 1 { first.name.clone() } else { names.join(",") }))
        .watching(watch);
    let v = match changes {
        Some(at) => v.until(at),
        None => v,
    };
    Some(match tally.changes {
        Some(at) => v.until(at),
        None => v,
    })
}

/// What is missing can no longer be recorded.
fn no_room(plan: &PlanView, tally: &Tally) -> Verdict {
    let message = format!(
        "needs {}, and the ledger of plan {} takes no more approvals: what is left is kept for rejects and revokes; make a new release",
        tally.missing(),
        plan.name
    );
    Verdict::rest(Phase::Stalled(Reason::LedgerFull), message)
        .waiting_for("a new release")
        .watching(plan.proposal().stacks.iter().map(|p| watched(p, Pace::Slow)))
}

fn wait_for_approval(s: &Snapshot<'_>, plan: &PlanView, tally: &Tally, now: Timestamp) -> Verdict {
    let value = s.enforcement.value(plan.id(), &tally.ack_attribute());
    // An approval that is there already, counted or not, stays: another one needs a slot of its own.
    let key = plan.next_key(Action::Approve);
    let command = format!("kubectl -n {} annotate plan {} {key}={value}", s.namespace, plan.name);
    // A Stage outlives its plans.
    let wanted = plan.id().digits().get(..8).unwrap_or_default();
    let slot = plan.free_slot(s.stage.metadata.annotations.as_ref(), Action::Approve, wanted);
    let on_stage = format!(
        "  or, with the right to write Stages:  kubectl -n {} annotate cdkstage {} {}={value}",
        s.namespace,
        s.stage.name_any(),
        slot::key(Action::Approve, &slot)
    );
    // Where people sign for themselves the commands are long, and a condition has an end.
    let on_stage = if s.enforcement.unsigned { String::new() } else { on_stage };
    let watch = plan.proposal().stacks.iter().map(|p| watched(p, Pace::Slow));
    let unheard = plan.unheard(plan.plan.metadata.annotations.as_ref(), DecisionSource::ChangePlan, now);
    let unheard = unheard.into_iter().take(4).map(|(key, why)| format!("{key}: {why}"));
    let not_counted = match few(tally.not_counted.iter().cloned().chain(unheard).collect(), 4) {
        list if list.is_empty() => String::new(),
        list => format!("; does not count: {}", list.join("; ")),
    };
    let (held, changes) = freezes(s, plan, None, now);
    let v = Verdict::rest(
        Phase::Waiting(Reason::AwaitingApproval),
        format!(
            "needs {}; read it: kubectl -n {} describe plan {}; let it run: {command}{on_stage}{}{}{}{not_counted}",
            tally.missing(),
            s.namespace,
            plan.name,
            held_afterwards(&held, tally.overridden),
            s.enforcement.unheeded(s.gate.identity.value),
            plan.standing_revokes(&s.namespace),
        ),
    )
    .waiting_for(tally.missing())
    .watching(watch);
    changes.map_or(v.clone(), |at| v.until(at))
}

/// A message has an end: of a long list the first few, and how many more there are.
fn few(mut list: Vec<String>, most: usize) -> Vec<String> {
    let more = list.len().saturating_sub(most);
    list.truncate(most);
    if more > 0 {
        list.push(format!("… and {more} more"));
    }
    list
}

/// What has changed since the plan was made, as far as anybody has seen.
pub(super) fn moved(s: &Snapshot<'_>, plan: &PlanView) -> Option<String> {
    plan.proposal().stacks.iter().find_map(|stack| {
        let key = stack.key();
        let there = match s.row_since(&key, plan.opened_time) {
            Seen::Unknown => return None,
            Seen::Absent(_) => None,
            Seen::Present(row, _) => Some(row).filter(|r| r.exists()),
        };
        match (&stack.baseline_stack_id, there) {
            (None, None) => None,
            (None, Some(row)) => Some(format!("stack {key} has been made by somebody else ({})", row.id)),
            (Some(_), None) => Some(format!("stack {key} is gone")),
            (Some(id), Some(row)) => {
                let same =
                    *id == row.id && stack.baseline_updated_time.as_ref().is_some_and(|t| t.0 == row.updated);
                (!same).then(|| format!("stack {key} was changed by somebody else since this was planned"))
            }
        }
    })
}

/// Whether the stack that a change set updates was looked at after the plan was opened. The change set was there by then,
/// so what that look shows is what it was made from: an update between the look of the planning and the change set
/// would show. Mostly the poll has looked while people thought.
fn seen_since(s: &Snapshot<'_>, plan: &PlanView, stack: &ProposedStack, now: Timestamp) -> Step<()> {
    // Times of a ledger have whole seconds.
    let since = plan.settled_time.saturating_add(SignedDuration::from_secs(1)).unwrap_or(plan.settled_time);
    let updates = stack.plan == PlannedAs::Prepared && stack.baseline_stack_id.is_some();
    if !updates || s.row(&stack.key()).as_of().is_some_and(|at| at >= since) {
        return Ok(());
    }
    if now < since {
        let what = "waiting for the clock to pass the opening of the plan".to_owned();
        return Err(Need::Wait(Reason::Executing, what, Some(since)));
    }
    Err(ask(s.facts, Effect::Look(Look::Stack(stack.key(), access_to(s, stack))), now))
}

enum Unclaimable {
    Need(Need),
    Lost(String),
}

fn claimable(
    s: &Snapshot<'_>,
    plan: &PlanView,
    stack: &ProposedStack,
    now: Timestamp,
) -> Result<ClaimedStack, Unclaimable> {
    let key = stack.key();
    let set = set_of(s, plan, stack);
    match s.facts.change_sets.get(&(key.clone(), set.clone())) {
        None | Some(Looked { seen: Seen::Unknown, .. }) => Err(Unclaimable::Need(look(s, stack, set, now))),
        // People may have thought for days: a claim of what is gone meanwhile would use up their approval.
        Some(Looked { seen: Seen::Present(_, at) | Seen::Absent(at), .. })
            if now.duration_since(*at) > CONFIRM_WITHIN =>
        {
            Err(Unclaimable::Need(look(s, stack, set, now)))
        }
        Some(Looked { seen: Seen::Absent(_), .. }) => {
            Err(Unclaimable::Lost(format!("the change set of stack {key} is gone")))
        }
        Some(Looked { seen: Seen::Present(row, _), .. }) => {
            let ours = s.installation.key.proves(&row.description, row.name.as_str(), &stack.input);
            let lost = || Unclaimable::Lost(format!("the change set of stack {key} is not what was planned"));
            if row.state() != SetState::Ready || !ours {
                return Err(lost());
            }
            let inside = content(s.facts, &key, row, &access_to(s, stack), now).map_err(Unclaimable::Need)?;
            if leaf(&key, &stack.input, &baseline(stack), row, inside) != stack.leaf {
                return Err(lost());
            }
            Ok(ClaimedStack::of(&key, row, stack.leaf, stack.input))
        }
    }
}

fn look(s: &Snapshot<'_>, stack: &ProposedStack, set: SetRef, now: Timestamp) -> Need {
    ask(s.facts, Effect::Look(Look::ChangeSet(stack.key(), set, access_to(s, stack))), now)
}
