//! After the claim: look once more, execute, watch, record how it came out. In the order of the stacks' dependencies.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::ResourceExt;

use super::{
    Snapshot,
    fence::{baseline, close},
    plan::append,
    prepare::{change_set, deferred, fresh_row, ours},
    targets::{Targets, access_to, allowed, targets},
};
use crate::{
    account::Accounts,
    api::{Claimed, ClaimedStack, CloseReason, PlannedAs, ProposedStack, Reason, Settled, SettledAs},
    change::leaf,
    effect::{Access, CONFIRM_WITHIN, Confirmed, Effect, LiveGate, Look, Mutation, Pace, Seen, SetRef},
    facts::Looked,
    gate::PlanView,
    stack::{ChangeSetKind, ChangeSetRow, ExecutionStatus, Run, SetState, StackRow, run},
    verdict::{Need, Step, Verdict, ask, fold},
    words::{StackId, StackKey},
};

/// How old a row of a running stack may get before the stack is looked at by name.
const ROW_OVERDUE: SignedDuration = SignedDuration::from_secs(10);
/// How long a stack may look as if an accepted execution had not begun, before the change set is asked.
const START_OVERDUE: SignedDuration = SignedDuration::from_mins(5);

/// What one stack of a claimed plan needs.
enum Progress {
    /// An effect, or time.
    Need(Need),
    /// It has come to an end.
    Settle(Settled),
    /// Its change set is there and may be recorded as claimed.
    Claim(ClaimedStack),
    /// Something stands against it: nothing more is started.
    Stop(String),
    /// Nothing, for now.
    Idle,
}

/// Drives a claimed plan to its end.
pub(super) fn execute(s: &Snapshot<'_>, plan: &PlanView, now: Timestamp) -> Verdict {
    let failed = plan.failed().next().map(failure_text);
    let first = sweep(s, plan, failed.is_none(), now);
    let stop = failed.clone().or_else(|| first.stop());
    // Once something stands against it, a second sweep starts nothing.
    let sweep = if stop.is_some() && failed.is_none() { sweep(s, plan, false, now) } else { first };
    let Sweep { needs, settled, claims, .. } = sweep;
    if !settled.is_empty() || !claims.is_empty() {
        let mut ledger = settled.into_iter().fold(plan.ledger(now), |l, x| l.with(|e| e.settled = Some(x)));
        if !claims.is_empty() {
            ledger = ledger.with(|e| e.claimed = Some(Claimed { stacks: claims }));
        }
        return append(s, plan, ledger, Reason::Executing, "recording how the stacks came out", now);
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

/// The sentence that a failed stack is told in.
pub(super) fn failure_text(x: &Settled) -> String {
    let what = match x.outcome {
        SettledAs::RolledBack => "was rolled back by CloudFormation",
        SettledAs::Failed => "failed and could not be rolled back",
        SettledAs::Gone => "was deleted meanwhile",
        SettledAs::Succeeded => "succeeded",
    };
    let why = x.message.as_deref().map(|m| format!(": {m}")).unwrap_or_default();
    format!("stack {} {what} ({}){why}", x.key(), x.status)
}

fn watch(v: Verdict, plan: &PlanView) -> Verdict {
    let running = plan.claims.keys().filter(|k| !plan.settled.contains_key(*k));
    v.watching(running.map(|k| (k.clone(), Pace::Fast)))
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
        if stack.plan == PlannedAs::Unchanged || plan.settled.contains_key(&stack.key()) {
            continue;
        }
        let ready = stack.after.iter().all(|a| done.get(a.as_str()).copied().unwrap_or(true));
        let progress = match plan.claims.get(&stack.key()) {
            Some(claim) => drive(s, stack, claim, may_start && ready, now),
            None if may_start && ready => claim_deferred(s, plan, stack, now),
            None => Progress::Idle,
        };
        match progress {
            Progress::Need(n) => out.needs.push(n),
            Progress::Settle(x) => out.settled.push(x),
            Progress::Claim(c) => out.claims.push(c),
            Progress::Stop(why) => out.stops.push(why),
            Progress::Idle => {}
        }
    }
    out
}

fn is_done(plan: &PlanView, stack: &ProposedStack) -> bool {
    stack.plan == PlannedAs::Unchanged
        || plan.settled.get(&stack.key()).is_some_and(|x| x.outcome == SettledAs::Succeeded)
}

/// A stack that was claimed: confirm, execute, watch, settle.
fn drive(
    s: &Snapshot<'_>,
    stack: &ProposedStack,
    claim: &ClaimedStack,
    may_start: bool,
    now: Timestamp,
) -> Progress {
    let access = access_to(s, stack);
    if let Some(since) = s.facts.executed.get(&claim.change_set_arn) {
        return follow(s, stack, claim, &access, *since, now);
    }
    let set = SetRef::Arn(claim.change_set_arn.clone());
    let look = || ask(s.facts, Effect::Look(Look::ChangeSet(stack.key(), set.clone(), access.clone())), now);
    match s.facts.change_sets.get(&(stack.key(), set.clone())) {
        Some(Looked { seen: Seen::Present(row, at), .. }) if now.duration_since(*at) <= CONFIRM_WITHIN => {
            after_look(s, stack, claim, &access, (row, *at), may_start, now)
        }
        Some(Looked { seen: Seen::Absent(at), .. }) if now.duration_since(*at) <= CONFIRM_WITHIN => {
            Progress::Stop(format!("the change set of stack {} is gone", stack.key()))
        }
        None | Some(_) => Progress::Need(look()),
    }
}

/// The change set is there, as a fresh look says.
fn after_look(
    s: &Snapshot<'_>,
    stack: &ProposedStack,
    claim: &ClaimedStack,
    access: &Access,
    (row, at): (&ChangeSetRow, Timestamp),
    may_start: bool,
    now: Timestamp,
) -> Progress {
    let key = stack.key();
    match row.state() {
        SetState::Ready if !may_start => Progress::Idle,
        SetState::Ready => {
            if leaf(&key, &claim.input, &baseline(stack), &row.changes) != claim.leaf {
                return Progress::Stop(format!(
                    "the change set of stack {key} shows something else than was approved"
                ));
            }
            match gate_stands(s, stack, now) {
                Err(need) => return Progress::Need(need),
                Ok(Some(stop)) => return Progress::Stop(stop),
                Ok(None) => {}
            }
            match Confirmed::by_look(claim.change_set_arn.clone(), at, now) {
                Some(confirmed) => {
                    let execute = Mutation::Execute(key, confirmed, access.clone());
                    Progress::Need(ask(s.facts, Effect::Mutate(execute), now))
                }
                None => Progress::Idle,
            }
        }
        SetState::Executing => follow(s, stack, claim, access, at, now),
        SetState::Executed if s.row(&key).as_of().is_none_or(|seen| seen < at) => {
            Progress::Need(ask(s.facts, Effect::Look(Look::Stack(key, access.clone())), now))
        }
        SetState::Executed => match follow(s, stack, claim, access, at, now) {
            // It failed before it touched the stack.
            Progress::Need(Need::Wait(..)) if row.execution == ExecutionStatus::ExecuteFailed => {
                settle_unmoved(s, stack, claim, at)
            }
            other => other,
        },
        SetState::Obsolete => {
            Progress::Stop(format!("stack {key} was changed by somebody else after the approval"))
        }
        SetState::Preparing | SetState::Empty | SetState::Failed | SetState::Gone => {
            Progress::Stop(format!("the change set of stack {key} can no longer be executed"))
        }
    }
}

/// The objects that may still stop it, looked at live after the claim. `Some`: one does.
fn gate_stands(s: &Snapshot<'_>, stack: &ProposedStack, now: Timestamp) -> Step<Option<String>> {
    let live = match &s.facts.gate {
        Some((live, at)) if now.duration_since(*at) <= CONFIRM_WITHIN => live,
        Some(_) | None => {
            let look = Look::LiveGate {
                namespace: s.namespace.clone(),
                stage: s.stage.name_any(),
                accounts: s.stage.spec.accounts.clone(),
            };
            return Err(ask(s.facts, Effect::Look(look), now));
        }
    };
    Ok(stops(s, stack, live))
}

fn stops(s: &Snapshot<'_>, stack: &ProposedStack, live: &LiveGate) -> Option<String> {
    let Some(stage) = &live.stage else { return Some("the Stage is gone".to_owned()) };
    if stage.uid().as_deref() != Some(s.uid.as_str()) || stage.metadata.deletion_timestamp.is_some() {
        return Some("the Stage is being deleted, or was made anew".to_owned());
    }
    let now_there = Accounts::new(live.accounts.iter().cloned().map(std::sync::Arc::new).collect());
    let key = stack.key();
    [&now_there, &s.accounts]
        .into_iter()
        .find_map(|accounts| allowed(stage, &s.namespace, accounts, &key, &stack.qualifier).err())
        .map(|(_, message)| message)
}

/// The execution was accepted at `since`, or was seen going on then: what do the stack's rows say?
fn follow(
    s: &Snapshot<'_>,
    stack: &ProposedStack,
    claim: &ClaimedStack,
    access: &Access,
    since: Timestamp,
    now: Timestamp,
) -> Progress {
    let key = stack.key();
    let kind = match stack.baseline_stack_id {
        None => ChangeSetKind::Create,
        Some(_) => ChangeSetKind::Update,
    };
    let look_stack = || ask(s.facts, Effect::Look(Look::Stack(key.clone(), access.clone())), now);
    let wait = |at: Timestamp| {
        Progress::Need(Need::Wait(Reason::Executing, format!("stack {key} is changing"), Some(at)))
    };
    let row = match s.row(&key) {
        Seen::Present(row, at) if *at >= since => Some((Some(row), *at)),
        Seen::Absent(at) if *at >= since => Some((None, *at)),
        Seen::Present(..) | Seen::Absent(_) | Seen::Unknown => None,
    };
    let seen_at = row.as_ref().map_or(since, |(_, at)| *at);
    let overdue = seen_at.saturating_add(ROW_OVERDUE).unwrap_or(seen_at);
    let state = match &row {
        Some((Some(r), _)) if r.id == claim.stack_id => run(kind, r.status, updated_since(stack, r)),
        Some((Some(_) | None, _)) | None => Run::NotStarted,
    };
    match (state, row) {
        (Run::Ended(outcome), Some((Some(r), _))) => settle(s, stack, r, outcome, access, now),
        (Run::Running, _) if now < overdue => wait(overdue),
        (Run::NotStarted, _) if now.duration_since(since) > START_OVERDUE => {
            let set = SetRef::Arn(claim.change_set_arn.clone());
            Progress::Need(ask(s.facts, Effect::Look(Look::ChangeSet(key.clone(), set, access.clone())), now))
        }
        (Run::NotStarted, _) if now < overdue => wait(overdue),
        (Run::Running | Run::NotStarted | Run::Ended(_), _) => Progress::Need(look_stack()),
    }
}

fn updated_since(stack: &ProposedStack, row: &StackRow) -> bool {
    stack.baseline_updated_time.as_ref().is_none_or(|t| row.updated > t.0)
}

fn settle(
    s: &Snapshot<'_>,
    stack: &ProposedStack,
    row: &StackRow,
    outcome: SettledAs,
    access: &Access,
    now: Timestamp,
) -> Progress {
    let message = if outcome == SettledAs::Succeeded {
        None
    } else {
        match why_failed(s, stack, &row.id, access, row.updated, now) {
            Ok(message) => message,
            Err(need) => return Progress::Need(need),
        }
    };
    Progress::Settle(Settled {
        account: stack.account.clone(),
        region: stack.region.clone(),
        stack_name: stack.stack_name.clone(),
        stack_id: row.id.clone(),
        outcome,
        status: row.status.as_str().to_owned(),
        updated_time: MicroTime(row.updated),
        message,
    })
}

fn settle_unmoved(s: &Snapshot<'_>, stack: &ProposedStack, claim: &ClaimedStack, at: Timestamp) -> Progress {
    let (status, updated) = match s.row(&stack.key()) {
        Seen::Present(row, _) => (row.status.as_str(), row.updated),
        Seen::Absent(_) | Seen::Unknown => ("EXECUTE_FAILED", at),
    };
    Progress::Settle(Settled {
        account: stack.account.clone(),
        region: stack.region.clone(),
        stack_name: stack.stack_name.clone(),
        stack_id: claim.stack_id.clone(),
        outcome: SettledAs::Failed,
        status: status.to_owned(),
        updated_time: MicroTime(updated),
        message: Some("the change set could not be executed".to_owned()),
    })
}

/// The first failed resource. Not being able to ask is no reason to wait for ever.
fn why_failed(
    s: &Snapshot<'_>,
    stack: &ProposedStack,
    id: &StackId,
    access: &Access,
    updated: Timestamp,
    now: Timestamp,
) -> Step<Option<String>> {
    if let Some((failure, at)) = s.facts.failures.get(id)
        && *at >= updated
    {
        return Ok(failure.as_ref().map(|f| {
            format!("{} ({}): {}", f.logical_id, f.resource_type, f.reason).chars().take(1000).collect()
        }));
    }
    match ask(s.facts, Effect::Look(Look::Failure(stack.key(), id.clone(), access.clone())), now) {
        Need::Do(effect) => Err(Need::Do(effect)),
        Need::Wait(_, m, _) | Need::Stuck(_, m, _) => Ok(Some(format!("its events could not be read: {m}"))),
    }
}

/// A stack that was deferred, and whose turn has come: its change set is made now. It may show what the template
/// difference showed, and nothing beyond.
fn claim_deferred(s: &Snapshot<'_>, plan: &PlanView, stack: &ProposedStack, now: Timestamp) -> Progress {
    let Some(release) = &plan.release else { return Progress::Stop("the plan has no release".to_owned()) };
    let targets: Targets = match targets(s, release, now) {
        Ok(t) => t,
        Err(Need::Stuck(_, why, _)) => return Progress::Stop(why),
        Err(need) => return Progress::Need(need),
    };
    let key: StackKey = stack.key();
    let Some(t) = targets.list.iter().find(|t| t.key == key && t.digest == stack.input) else {
        return Progress::Stop(format!("the release no longer holds stack {key} as it was approved"));
    };
    let prepared = || {
        let row = fresh_row(s, t, now)?;
        ours(t, row, s.owned().get(&key))?;
        let announced = deferred(s, t, row, now)?;
        if announced.leaf != stack.leaf {
            return Ok(Err(format!("stack {key} was changed by somebody else after the approval")));
        }
        let prepared = change_set(s, t, row, now)?;
        let beyond = prepared.changes.iter().find(|c| {
            // The template difference leaves out the notes of the CDK in `Metadata`; a change set shows them.
            let notes = c.action == "Modify" && c.scope.iter().all(|s| s == "Metadata");
            !notes && !announced.changes.iter().any(|a| a.logical_id == c.logical_id && a.action == c.action)
        });
        Ok(match beyond {
            Some(c) => Err(format!(
                "the change set of stack {key} shows more than its template: {} of {} ({})",
                c.action, c.logical_id, c.resource_type
            )),
            None => Ok((prepared, row.cloned())),
        })
    };
    match prepared() {
        Err(Need::Stuck(_, why, _)) => Progress::Stop(why),
        Err(need) => Progress::Need(need),
        Ok(Err(why)) => Progress::Stop(why),
        Ok(Ok((prepared, row))) => match (prepared.set, row) {
            (Some(set), _) => Progress::Claim(ClaimedStack {
                account: stack.account.clone(),
                region: stack.region.clone(),
                stack_name: stack.stack_name.clone(),
                stack_id: set.stack_id.clone(),
                change_set_arn: set.arn.clone(),
                leaf: prepared.leaf,
                input: stack.input,
            }),
            // Nothing differs after all.
            (None, Some(row)) => settle(s, stack, &row, SettledAs::Succeeded, &t.access, now),
            (None, None) => Progress::Stop(format!("stack {key} has neither a change set nor a stack")),
        },
    }
}
