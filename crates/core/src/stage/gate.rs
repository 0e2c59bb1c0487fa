//! The gate: decisions are recorded as they come; a plan that has what it needs is claimed.

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::{
    Snapshot,
    fence::{baseline, close, set_of},
    targets::{access_to, watched},
};
use crate::{
    api::{
        Action, Claimed, ClaimedStack, CloseReason, Decided, DecisionSource, GATE_PREFIX, PlannedAs,
        ProposedStack, Reason, RequireApproval,
    },
    change::leaf,
    drive::content,
    effect::{CONFIRM_WITHIN, Effect, Look, Pace, Seen, SetRef},
    facts::Looked,
    gate::{Decision, PlanView},
    plan::{append, by_rule},
    stack::SetState,
    verdict::{Need, Phase, Step, Verdict, ask, fold},
};

/// Decisions that one plan takes; beyond that only rejects are recorded.
const MAX_DECISIONS: usize = 100;

/// Records decisions that the ledger does not hold yet.
pub(super) fn latch(s: &Snapshot<'_>, plan: &PlanView, now: Timestamp) -> Option<Verdict> {
    if plan.closed.is_some() || plan.is_complete() {
        return None;
    }
    // Once it runs, only a reject still says something: what has not started stays so.
    let counts = |d: &Decision| match d.action {
        Action::Reject => true,
        Action::Revoke | Action::Retry | Action::Override => false,
        Action::Approve => !plan.is_claimed() && d.until.is_none_or(|until| now < until),
    };
    let (on_plan, _) = plan.annotations(plan.plan.metadata.annotations.as_ref());
    let (on_stage, _) = plan.annotations(s.stage.metadata.annotations.as_ref());
    let on_stage = on_stage.into_iter().filter(|d| d.action == Action::Approve && counts(d));
    let new: Vec<Decided> = on_plan
        .into_iter()
        .filter(counts)
        .map(|d| d.recorded(DecisionSource::ChangePlan))
        .chain(on_stage.map(|d| d.recorded(DecisionSource::Stage)))
        .filter(|d| !plan.decisions.contains(d))
        .filter(|d| d.action == Action::Reject || !plan.has_recorded(d))
        .filter(|d| d.action == Action::Reject || plan.decisions.len() < MAX_DECISIONS)
        .take(16)
        .collect();
    if new.is_empty() {
        return None;
    }
    let ledger = new.into_iter().fold(plan.ledger(now), |l, d| l.with(|e| e.decided = Some(d)));
    Some(append(s.facts, &s.namespace, plan, ledger, Reason::AwaitingApproval, "recording a decision", now))
}

/// Waits for what is missing, or claims.
pub(super) fn gate(s: &Snapshot<'_>, plan: &PlanView, now: Timestamp) -> Verdict {
    if let Some(what) = moved(s, plan) {
        return close(s, plan, CloseReason::Superseded, &what, false, now);
    }
    let passes = plan.approved(now).is_some() || s.require_approval() == RequireApproval::Never;
    if !passes {
        return wait_for_approval(s, plan);
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
    if plan.approved(now).is_none() {
        ledger = ledger.with(|e| e.decided = Some(by_rule("requireApproval: Never")));
    }
    let ledger = ledger.with(|e| e.claimed = Some(Claimed { stacks: claims }));
    append(s.facts, &s.namespace, plan, ledger, Reason::Executing, "claiming the stacks", now)
}

fn wait_for_approval(s: &Snapshot<'_>, plan: &PlanView) -> Verdict {
    let id = plan.id();
    // An approval that an earlier try has used up stays recorded: a new one needs a slot of its own.
    let (slot, again) = match plan.approvals_ever() {
        0 => (String::new(), String::new()),
        n => (format!(".again-{n}"), format!("-again-{n}")),
    };
    let command =
        format!("kubectl -n {} annotate plan {} {GATE_PREFIX}approve{slot}={id}", s.namespace, plan.name);
    let on_stage = format!(
        "kubectl -n {} annotate cdkstage {} {GATE_PREFIX}approve.{}{again}={id}",
        s.namespace,
        s.stage.name_any(),
        id.digits().get(..8).unwrap_or_default()
    );
    let watch = plan.proposal().stacks.iter().map(|p| watched(p, Pace::Slow));
    Verdict::rest(
        Phase::Waiting(Reason::AwaitingApproval),
        format!(
            "read it: kubectl -n {} describe plan {}; let it run: {command}  or  {on_stage}",
            s.namespace, plan.name
        ),
    )
    .waiting_for("approval 0/1")
    .watching(watch)
}

/// What has changed since the plan was made, as far as anybody has seen.
pub(super) fn moved(s: &Snapshot<'_>, plan: &PlanView) -> Option<String> {
    plan.proposal().stacks.iter().find_map(|stack| {
        let key = stack.key();
        let there = match s.row(&key) {
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
