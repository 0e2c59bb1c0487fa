//! After the claim: look once more, execute, watch, record how it came out. In the order of the stacks' dependencies.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::{
    Snapshot,
    adopt::is_taken_over,
    failure::{failure_text, told},
    fence::{baseline, close, found},
    gate::freezes,
    given::{may_be_told, repeats_unknown_value, secrets_known},
    prepare::{assessed, parameters, wanted, wish, without_set},
    protect::protect,
    remove::remove,
    targets::{access_to, allowed, reaches_too_far, targets, watched},
};
use crate::{
    account::Accounts,
    api::{
        Claimed, ClaimedStack, CloseReason, Freeze, IdentityNeeded, PlannedAs, ProposedStack, Reason, Risk,
        RiskClass, Settled, SettledAs,
    },
    change::change_set_name,
    drive::{Prepared, Progress, Running, beyond, in_progress},
    effect::{Confirmed, Effect, LiveGate, Look, Mutation, Pace, baseline_of},
    facts::Discarded,
    gate::{InForceState, PlanView, in_force, tally},
    hush::UNSHOWN,
    latch::{has_been_rejected, is_forgotten, live_since_recorded},
    plan::append,
    stack::{Preparation, StackRow, preparation},
    verdict::{Need, Step, Verdict, ask, fold},
    words::DecisionId,
};

/// Drives a claimed plan to its end.
pub(super) fn execute(s: &Snapshot<'_>, plan: &PlanView, now: Timestamp) -> Verdict {
    // A controller that has just started knows no values, and what CloudFormation says may repeat them.
    if let Err(need @ Need::Do(_)) = secrets_known(s, now) {
        return watch(fold(vec![need], Reason::Executing, "reading the Secrets of spec.parameters"), plan);
    }
    let failed = plan.failed().next().map(failure_text);
    let rejected = plan.rejected().map(|d| format!("rejected after it had begun, {}", d.told()));
    let first = sweep(s, plan, failed.is_none() && rejected.is_none(), now);
    let stop = failed.clone().or(rejected).or_else(|| first.stop());
    // Once something stands against it, a second sweep starts nothing.
    let sweep = if stop.is_some() && failed.is_none() { sweep(s, plan, false, now) } else { first };
    let Sweep { mut needs, settled, claims, .. } = sweep;
    if !settled.is_empty() || !claims.is_empty() {
        let mut ledger = settled.into_iter().fold(plan.ledger(now), |l, x| l.with(|e| e.settled = Some(x)));
        if !claims.is_empty() {
            ledger = ledger.with(|e| e.claimed = Some(Claimed { stacks: claims, approvals: None }));
        }
        return append(
            s.facts,
            &s.namespace,
            plan,
            ledger,
            Reason::Executing,
            "recording how the stacks came out",
            now,
        );
    }
    if stop.is_none() && needs.iter().any(looks_at_change_set) {
        // The gate is looked at beside the change sets, not after them.
        needs.extend(live_since_recorded(&s.owner(), plan, now).err());
    }
    if !needs.is_empty() {
        return watch(fold(needs, Reason::Executing, &format!("executing plan {}", plan.name)), plan);
    }
    match (failed, stop) {
        (Some(why), _) => close(s, plan, CloseReason::Failed, &why, false, now),
        (None, Some(why)) => close(s, plan, CloseReason::Withdrawn, &why, false, now),
        (None, None) => {
            watch(fold(Vec::new(), Reason::Executing, &format!("executing plan {}", plan.name)), plan)
        }
    }
}

fn watch(v: Verdict, plan: &PlanView) -> Verdict {
    let runs =
        |p: &&ProposedStack| plan.claims.contains_key(&p.key()) && !plan.settled.contains_key(&p.key());
    v.watching(plan.proposal().stacks.iter().filter(runs).map(|p| watched(p, Pace::Fast)))
}

#[derive(Default)]
struct Sweep {
    needs: Vec<Need>,
    settled: Vec<Settled>,
    claims: Vec<ClaimedStack>,
    stops: Vec<String>,
}

impl Sweep {
    fn stop(&self) -> Option<String> {
        self.stops.first().cloned()
    }
}

fn sweep(s: &Snapshot<'_>, plan: &PlanView, may_start: bool, now: Timestamp) -> Sweep {
    let done: BTreeMap<&str, bool> =
        plan.proposal().stacks.iter().map(|p| (p.artifact.as_str(), is_done(plan, p))).collect();
    let mut out = Sweep::default();
    for stack in &plan.proposal().stacks {
        if stack.is_left_alone() || plan.settled.contains_key(&stack.key()) {
            continue;
        }
        let ready = stack.after.iter().all(|a| done.get(a.as_str()).copied().unwrap_or(true));
        let progress = match plan.claims.get(&stack.key()) {
            Some(claim) => drive(s, plan, stack, claim, may_start && ready, now),
            None if stack.plan == PlannedAs::Removed => remove(s, plan, stack, may_start && ready, now),
            None if may_start && ready && stack.plan == PlannedAs::Unchanged => {
                match gate_stands(s, plan, stack, now) {
                    Ok(None) => protect(s, stack, now),
                    Ok(Some(why)) => Progress::Stop(why),
                    Err(need) => Progress::Need(need),
                }
            }
            None if may_start && ready => match claim_later(s, plan, stack, now) {
                Ok(claim) => {
                    out.claims.push(claim);
                    continue;
                }
                Err(progress) => progress,
            },
            None => Progress::Idle,
        };
        match progress {
            Progress::Need(n) => out.needs.push(n),
            Progress::Settle(x) => match told(s, plan, stack, *x, now) {
                Ok(x) => out.settled.push(x),
                Err(n) => out.needs.push(n),
            },
            Progress::Stop(why) => out.stops.push(why),
            Progress::Idle => {}
        }
    }
    out
}

fn is_done(plan: &PlanView, stack: &ProposedStack) -> bool {
    stack.is_left_alone() || plan.settled.get(&stack.key()).is_some_and(|x| x.outcome == SettledAs::Succeeded)
}

/// A stack that was claimed: confirm, execute, watch, settle.
fn drive(
    s: &Snapshot<'_>,
    plan: &PlanView,
    stack: &ProposedStack,
    claim: &ClaimedStack,
    may_start: bool,
    now: Timestamp,
) -> Progress {
    let running = Running {
        facts: s.facts,
        key: &stack.key(),
        baseline: &baseline(stack),
        claim,
        access: &access_to(s, stack),
        protect: stack.protects(),
    };
    running.drive(may_start, || gate_stands(s, plan, stack, now), now)
}

/// The objects that may still stop it, looked at live after the claim. `Some`: one does.
pub(super) fn gate_stands(
    s: &Snapshot<'_>,
    plan: &PlanView,
    stack: &ProposedStack,
    now: Timestamp,
) -> Step<Option<String>> {
    let live = live_since_recorded(&s.owner(), plan, now)?;
    if has_been_rejected(plan, live) {
        // It stops what has not begun, as soon as it is recorded.
        let again = now.saturating_add(SignedDuration::from_secs(1)).ok();
        let what = format!("a reject has just been written on plan {}", plan.name);
        return Err(Need::Wait(Reason::Executing, what, again));
    }
    if is_forgotten(s.facts, live) {
        let again = now.saturating_add(SignedDuration::from_secs(5)).ok();
        let what = format!("the API server does not hold what was recorded of plan {}", plan.name);
        return Err(Need::Wait(Reason::Executing, what, again));
    }
    // After a restart nobody has tried the policies yet: that is no reason to withdraw what was claimed before.
    if s.enforcement.state == InForceState::Unknown && s.gate.identity.value == IdentityNeeded::Verified {
        let again = now.saturating_add(SignedDuration::from_secs(5)).ok();
        return Err(Need::Wait(
            Reason::Executing,
            "the admission policies are being tried".to_owned(),
            again,
        ));
    }
    Ok(stops(s, plan, stack, live, now))
}

fn looks_at_change_set(need: &Need) -> bool {
    matches!(need, Need::Do(effect) if matches!(**effect, Effect::Look(Look::ChangeSet(..))))
}

/// Why nothing of a claimed plan may start on this stack any more, where that is so.
pub(super) fn stops(
    s: &Snapshot<'_>,
    plan: &PlanView,
    stack: &ProposedStack,
    live: &LiveGate,
    now: Timestamp,
) -> Option<String> {
    if !plan.opening_is_proven {
        return Some("nothing proves that the controller wrote what it proposes".to_owned());
    }
    if let Some(claim) = plan.claims.get(&stack.key()).filter(|_| stack.plan == PlannedAs::Prepared)
        && (claim.leaf, claim.input) != (stack.leaf, stack.input)
    {
        return Some(format!("what was claimed of stack {} is not what the plan shows", stack.key()));
    }
    let Some(stage) = &live.stage else { return Some("the Stage is gone".to_owned()) };
    if stage.uid().as_deref() != Some(s.uid.as_str()) || stage.metadata.deletion_timestamp.is_some() {
        return Some("the Stage is being deleted, or was made anew".to_owned());
    }
    if stage.spec.cdk_stage != plan.cdk_stage {
        return Some("spec.cdkStage was changed".to_owned());
    }
    if stack.adopted && !stage.spec.adopts() {
        return Some("spec.adoptionPolicy was changed".to_owned());
    }
    if stack.plan == PlannedAs::Removed && !stage.spec.removes() {
        return Some("spec.removedStacks was changed".to_owned());
    }
    // Only the accounts that were named before were looked at.
    if stage.spec.accounts.iter().any(|name| !s.stage.spec.accounts.contains(name)) {
        return Some("spec.accounts was changed".to_owned());
    }
    let now_there = Accounts::new(live.accounts.iter().cloned().map(Arc::new).collect());
    // The gate was open at the claim; is it still, with what it demands now?
    let gate = in_force(stage, now_there.named(&stage.spec.accounts));
    let tally = tally(plan, &gate, plan.counted_at(now));
    if !tally.passes() {
        return Some(format!("the gate asks for {} now", tally.missing()));
    }
    // What runs already runs to its end: these stop a beginning, and what cannot be taken back.
    if plan.settled.is_empty() || stack.plan == PlannedAs::Removed {
        let the_same = live.policies.is_some() && live.policies == s.enforcement.fingerprint;
        if gate.rests_on_policies(&tally) && !the_same {
            return Some(
                "the admission policies that prove who decided are not those any more that did".to_owned(),
            );
        }
        if stage.spec.suspend {
            return Some("spec.suspend holds the stage".to_owned());
        }
        if stage.spec.observes() {
            return Some("with spec.mode: Observe the stage runs nothing".to_owned());
        }
        let list: Vec<Arc<Freeze>> = live.freezes.iter().cloned().map(Arc::new).collect();
        let (held, _) = freezes(s, plan, Some((&list, &now_there)), now);
        if let Some(h) = held.first().filter(|_| !tally.overridden) {
            return Some(h.told());
        }
    }
    let key = stack.key();
    [&now_there, &s.accounts].into_iter().find_map(|accounts| {
        allowed(stage, &s.namespace, accounts, &key, &stack.qualifier)
            .err()
            .map(|(_, message)| message)
            .or_else(|| reaches_too_far(s, stage, accounts, &key, &stack.foreign_topics))
    })
}

/// A stack that was planned without a change set, and whose turn has come: it is made now. It may show what the template
/// difference showed, and nothing beyond.
fn claim_later(
    s: &Snapshot<'_>,
    plan: &PlanView,
    stack: &ProposedStack,
    now: Timestamp,
) -> Result<ClaimedStack, Progress> {
    let stop = |why: String| Err(Progress::Stop(why));
    let Some(release) = &plan.release else { return stop("the plan has no release".to_owned()) };
    let targets = targets(s, release, now).map_err(stop_or_need)?;
    let key = stack.key();
    let Some(t) = targets.list.iter().find(|t| t.key == key && t.digest == stack.input) else {
        return stop(format!("the release no longer holds stack {key} as it was approved"));
    };
    let wish = wish(s, t);
    let row = wish.fresh_row(now).map_err(stop_or_need)?;
    if is_taken_over(s, t, row, s.owned().get(&key), now).map_err(stop_or_need)? {
        return stop(format!("stack {key} was made by somebody else after the approval"));
    }
    let on = match stack.plan {
        PlannedAs::Recreated => {
            removed(s, plan, stack, row, now)?;
            found(stack)
        }
        PlannedAs::Prepared | PlannedAs::Deferred | PlannedAs::Unchanged | PlannedAs::Removed => {
            baseline_of(row)
        }
    };
    let announced = without_set(s, t, stack.plan, on, now).map_err(stop_or_need)?;
    if announced.leaf != stack.leaf {
        return stop(format!("stack {key} was changed by somebody else after the approval"));
    }
    let known = may_be_told(s, t, row, now);
    let said = |words: &String| if known { s.facts.hush(words.clone()) } else { UNSHOWN.to_owned() };
    // What a stop has deleted is not made again, else it would stop and be deleted for ever.
    let name = change_set_name(&s.uid, &stack.input, &baseline_of(row));
    match s.facts.discarded.get(&(key.clone(), name)) {
        Some(Discarded::Failed(why)) => {
            return stop(format!("the change set of stack {key} cannot be used: {}", said(why)));
        }
        Some(Discarded::Withdrawn(why)) => return stop(why.clone()),
        None => {}
    }
    let quiet = repeats_unknown_value(s, t, row);
    let prepared = parameters(t, row)
        .and_then(|p| wish.change_set(row, !known, |kind, name| wanted(s, t, p, quiet, kind, name), now))
        .map_err(stop_or_need)?;
    if let Some(why) = other_than_carried(s, plan, stack, &prepared) {
        return stop(why);
    }
    if let Some(c) = beyond(&prepared.changes, &announced.changes) {
        return stop(format!(
            "the change set of stack {key} shows more than its template: {} of {} ({})",
            c.action, c.logical_id, c.resource_type
        ));
    }
    // Nobody could see what validations and hooks say before there was a change set.
    if let Some(warning) = prepared.warnings.first() {
        return stop(format!("the change set of stack {key} comes with a warning: {}", said(warning)));
    }
    let risks = assessed(s, t, &prepared, now).map_err(stop_or_need)?.risks;
    let tally = tally(plan, &s.gate, plan.counted_at(now));
    let mut asks = s.gate.require_ack.value.clone();
    asks.retain(|class| tally.by_rule.is_none() && !tally.acked.contains(class));
    if let Some(risk) = risks.iter().find(|r| !is_announced(&plan.proposal().risks, &asks, r)) {
        return stop(format!(
            "the change set of stack {key} carries a risk that was not acknowledged: {} of {} ({}): {}",
            risk.class, risk.logical_id, risk.resource_type, risk.cause
        ));
    }
    match (prepared.set, row) {
        (Some(set), _) => Ok(ClaimedStack::of(&key, &set, prepared.leaf, stack.input)),
        // Nothing differs after all.
        (None, Some(row)) => {
            let state = (row.status.as_str(), row.updated);
            let settled = Settled::of(&key, row.id.clone(), SettledAs::Succeeded, state, None);
            Err(Progress::Settle(Box::new(settled)))
        }
        (None, None) => stop(format!("stack {key} has neither a change set nor a stack")),
    }
}

/// An approval that a retry has carried over to a stack that is made anew is one of the change set that was rolled back: with other
/// values behind its parameters it is another one.
fn other_than_carried(
    s: &Snapshot<'_>,
    plan: &PlanView,
    stack: &ProposedStack,
    prepared: &Prepared,
) -> Option<String> {
    let key = stack.key();
    let carried = plan.decisions.iter().find_map(|r| match &r.decided.under {
        Some(DecisionId::Change(id)) if stack.plan == PlannedAs::Recreated && id != plan.id() => Some(id),
        Some(DecisionId::Change(_) | DecisionId::Release(_)) | None => None,
    })?;
    let before = s.plans.iter().find(|p| p.id() == carried).and_then(|p| p.claims.get(&key));
    let same = before.is_some_and(|claim| claim.leaf == prepared.leaf);
    (!same).then(|| {
        format!("the change set of stack {key} is not the one that was rolled back, which was approved")
    })
}

/// What a creation left that was rolled back is deleted first. `Ok`: it is gone.
fn removed(
    s: &Snapshot<'_>,
    plan: &PlanView,
    stack: &ProposedStack,
    row: Option<&StackRow>,
    now: Timestamp,
) -> Result<(), Progress> {
    let Some(row) = row.filter(|r| r.exists() && stack.baseline_stack_id.as_ref() == Some(&r.id)) else {
        return Ok(());
    };
    let (key, access) = (stack.key(), access_to(s, stack));
    let as_of = s.row(&key).as_of().unwrap_or(now);
    let act = |effect| Err(stop_or_need(ask(s.facts, effect, now)));
    let look = || act(Effect::Look(Look::Stack(key.clone(), access.clone())));
    match preparation(row.status) {
        Preparation::Recreate(_) => {
            match gate_stands(s, plan, stack, now) {
                Err(need) => return Err(Progress::Need(need)),
                Ok(Some(stop)) => return Err(Progress::Stop(stop)),
                Ok(None) => {}
            }
            match Confirmed::by_look(row.id.clone(), as_of, now) {
                Some(id) => act(Effect::Mutate(Mutation::DeleteStack(key, id, access))),
                None => look(),
            }
        }
        Preparation::Wait => {
            let what = format!("what was rolled back of stack {key} is being deleted");
            let need = in_progress(s.facts, &key, &access, Reason::Executing, what, now);
            Err(stop_or_need(need))
        }
        Preparation::Make(_) | Preparation::Stuck(_) => Err(Progress::Stop(format!(
            "what was rolled back of stack {key} could not be deleted: it is in {}",
            row.status.as_str()
        ))),
    }
}

/// Whether the plan told of this danger of this resource. That it may be replaced says that it is, unless somebody is still to acknowledge
/// that: `asks`, the classes that the gate wants acknowledged and nobody has.
fn is_announced(told: &[Risk], asks: &BTreeSet<RiskClass>, risk: &Risk) -> bool {
    let covers = |class: RiskClass| {
        class == risk.class
            || (class == RiskClass::MaybeReplace
                && risk.class == RiskClass::Replace
                && !asks.contains(&risk.class))
    };
    told.iter().any(|t| t.stack == risk.stack && t.logical_id == risk.logical_id && covers(t.class))
}

/// After the claim, what would stall a plan stops it: the rest is fenced, and planned anew.
fn stop_or_need(need: Need) -> Progress {
    match need {
        Need::Stuck(_, why, _) => Progress::Stop(why),
        Need::Do(_) | Need::Wait(..) => Progress::Need(need),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn risk(class: RiskClass, stack: &str, id: &str) -> Risk {
        Risk { logical_id: id.to_owned(), ..Risk::of_stack(class, stack, "x") }
    }

    #[rstest]
    #[case::as_it_was_told(risk(RiskClass::MaybeReplace, "Api", "Table"), "replace,maybe-replace", true)]
    #[case::certain_now_and_certainty_is_to_be_acknowledged(
        risk(RiskClass::Replace, "Api", "Table"),
        "replace",
        false
    )]
    #[case::certain_now_and_that_is_to_be_acknowledged_besides(
        risk(RiskClass::Replace, "Api", "Table"),
        "replace,maybe-replace",
        false
    )]
    #[case::certain_now_and_that_was_acknowledged_or_need_not_be(
        risk(RiskClass::Replace, "Api", "Table"),
        "delete",
        true
    )]
    #[case::of_another_resource(risk(RiskClass::MaybeReplace, "Api", "Queue"), "", false)]
    #[case::of_another_stack(risk(RiskClass::MaybeReplace, "Web", "Table"), "", false)]
    #[case::of_another_class(risk(RiskClass::Iam, "Api", "Table"), "", false)]
    fn what_a_change_set_shows_was_told_before(#[case] shown: Risk, #[case] asks: &str, #[case] told: bool) {
        let named = |class: &&RiskClass| asks.split(',').any(|word| word == class.as_str());
        let asks: BTreeSet<RiskClass> = RiskClass::ALL.iter().filter(named).copied().collect();
        assert_eq!(is_announced(&[risk(RiskClass::MaybeReplace, "Api", "Table")], &asks, &shown), told);
    }
}
