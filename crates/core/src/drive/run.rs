//! One claimed stack: confirm, execute, watch, and tell how it came out.

use jiff::{SignedDuration, Timestamp};

use super::content;
use crate::{
    api::{ClaimedStack, Reason, Settled, SettledAs},
    change::{Baseline, leaf},
    effect::{Access, CONFIRM_WITHIN, Confirmed, Effect, Look, Mutation, Seen, SetRef},
    facts::{Facts, Looked},
    stack::{ChangeSetKind, ChangeSetRow, ExecutionStatus, Run, SetState, StackRow, StackStatus, run},
    verdict::{Need, Step, ask},
    words::{StackId, StackKey},
};

/// How old a row of a running stack may get before the stack is looked at by name.
const ROW_OVERDUE: SignedDuration = SignedDuration::from_secs(10);
/// How old a look at a change set may be that is not to be executed now.
const HELD_FRESH: SignedDuration = SignedDuration::from_secs(30);
/// How long a stack may look as if an accepted execution had not begun, before the change set is asked.
const START_OVERDUE: SignedDuration = SignedDuration::from_secs(30);
/// How long nothing is concluded from not seeing it: nobody says how old an answer of AWS may be.
const GIVE_UP_AFTER: SignedDuration = SignedDuration::from_mins(5);
/// How long an answer holds that leaves an execution open.
const ASK_AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// What one stack of a claimed plan needs.
#[derive(Debug)]
pub enum Progress {
    /// An effect, or time.
    Need(Need),
    /// It has come to an end.
    Settle(Box<Settled>),
    /// Something stands against it: nothing more is started.
    Stop(String),
    /// Nothing, for now.
    Idle,
}

/// A claimed stack.
#[derive(Clone, Copy, Debug)]
pub struct Running<'a> {
    /// What is remembered.
    pub facts: &'a Facts,
    /// Where it lives.
    pub key: &'a StackKey,
    /// What its change set was made for.
    pub baseline: &'a Baseline,
    /// The claim.
    pub claim: &'a ClaimedStack,
    /// How CloudFormation is called.
    pub access: &'a Access,
    /// Whether the stack shall be protected against deletion; absent leaves that as it is.
    pub protect: Option<bool>,
}

impl Running<'_> {
    /// Drives the stack on. `gate` is asked just before the execution: `Some` is a reason against it.
    pub fn drive(
        &self,
        may_start: bool,
        gate: impl FnOnce() -> Step<Option<String>>,
        now: Timestamp,
    ) -> Progress {
        if let Some(since) = self.facts.executed.get(&self.claim.change_set_arn) {
            return self.follow(*since, now);
        }
        // Where nothing begins, many are looked at in turn: the first is not to be looked at again before the last.
        let fresh = if may_start { CONFIRM_WITHIN } else { HELD_FRESH };
        match self.facts.change_sets.get(&(self.key.clone(), self.set())) {
            Some(Looked { seen: Seen::Present(row, at), .. }) if now.duration_since(*at) <= fresh => {
                self.after_look(row, *at, may_start, gate, now)
            }
            Some(Looked { seen: Seen::Absent(at), .. }) if now.duration_since(*at) <= fresh => {
                // Where something stands against it, we have deleted it for that.
                let why = if may_start { gate() } else { Ok(None) };
                let gone = || format!("the change set of stack {} is gone", self.key);
                why.map_or_else(Progress::Need, |why| Progress::Stop(why.unwrap_or_else(gone)))
            }
            None | Some(_) => Progress::Need(self.look_at_set(now)),
        }
    }

    fn set(&self) -> SetRef {
        SetRef::Arn(self.claim.change_set_arn.clone())
    }

    fn look_at_set(&self, now: Timestamp) -> Need {
        ask(self.facts, Effect::Look(Look::ChangeSet(self.key.clone(), self.set(), self.access.clone())), now)
    }

    fn look_at_stack(&self, now: Timestamp) -> Need {
        ask(self.facts, Effect::Look(Look::Stack(self.key.clone(), self.access.clone())), now)
    }

    fn row(&self) -> &Seen<StackRow> {
        self.facts.stacks.get(self.key).unwrap_or(&Seen::Unknown)
    }

    /// The change set is there, as a fresh look says.
    fn after_look(
        &self,
        row: &ChangeSetRow,
        at: Timestamp,
        may_start: bool,
        gate: impl FnOnce() -> Step<Option<String>>,
        now: Timestamp,
    ) -> Progress {
        let key = self.key;
        match row.state() {
            SetState::Ready if !may_start => Progress::Idle,
            SetState::Ready => {
                let inside = match content(self.facts, key, row, self.access, now) {
                    Ok(inside) => inside,
                    Err(need) => return Progress::Need(need),
                };
                if leaf(key, &self.claim.input, self.baseline, row, inside) != self.claim.leaf {
                    return Progress::Stop(format!(
                        "the change set of stack {key} shows something else than was approved"
                    ));
                }
                match gate() {
                    Err(need) => return Progress::Need(need),
                    Ok(Some(stop)) => return Progress::Stop(stop),
                    Ok(None) => {}
                }
                match Confirmed::by_look(self.claim.change_set_arn.clone(), at, now) {
                    Some(confirmed) => {
                        let execute = Mutation::Execute(key.clone(), confirmed, self.access.clone());
                        Progress::Need(ask(self.facts, Effect::Mutate(execute), now))
                    }
                    None => Progress::Need(self.look_at_set(now)),
                }
            }
            SetState::Executing => self.follow(at, now),
            SetState::Executed if self.row().as_of().is_none_or(|seen| seen < at) => {
                Progress::Need(self.look_at_stack(now))
            }
            SetState::Executed => match self.follow(at, now) {
                // It failed before it touched the stack.
                Progress::Need(Need::Wait(..)) if row.execution == ExecutionStatus::ExecuteFailed => {
                    self.settle_unmoved(at)
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

    /// The execution was accepted at `since`, or was seen going on then: what do the stack's rows say?
    fn follow(&self, since: Timestamp, now: Timestamp) -> Progress {
        let (row, seen_at) = match self.row() {
            Seen::Present(row, at) if *at >= since => (Some(row), *at),
            Seen::Absent(at) if *at >= since => (None, *at),
            Seen::Present(..) | Seen::Absent(_) | Seen::Unknown => (None, since),
        };
        let overdue = seen_at.saturating_add(ROW_OVERDUE).unwrap_or(seen_at);
        let row = row.filter(|r| r.id == self.claim.stack_id);
        let state = match row.map(|r| Ok((r, self.updated_since(r, now)?))).transpose() {
            Ok(seen) => seen.map_or(Run::NotStarted, |(r, moved)| run(self.kind(), r.status, moved)),
            Err(need) => return Progress::Need(need),
        };
        match (state, row) {
            (Run::Ended(outcome), Some(r)) => self.settle(r, outcome, now),
            (Run::NotStarted, _) if now.duration_since(since) > START_OVERDUE => self.never_began(since, now),
            (Run::Running | Run::NotStarted | Run::Ended(_), _) if now < overdue => Progress::Need(
                Need::Wait(Reason::Executing, format!("stack {} is changing", self.key), Some(overdue)),
            ),
            (Run::Running | Run::NotStarted | Run::Ended(_), _) => Progress::Need(self.look_at_stack(now)),
        }
    }

    /// The execution was accepted long ago, and the stack does not show it. Each question is asked again after a while
    /// only, since any of them may stay open for long.
    fn never_began(&self, since: Timestamp, now: Timestamp) -> Progress {
        let late = since.saturating_add(START_OVERDUE).unwrap_or(since);
        let recent = |at: Timestamp| at >= late && now.duration_since(at) < ASK_AGAIN;
        let wait = |at: Timestamp| {
            let again = at.saturating_add(ASK_AGAIN).unwrap_or(at);
            let what = format!("stack {} does not show the execution yet", self.key);
            Progress::Need(Need::Wait(Reason::Executing, what, Some(again)))
        };
        let sure = now.duration_since(since) > GIVE_UP_AFTER;
        let (row, row_at) = match self.row() {
            Seen::Present(row, at) if recent(*at) => (Some(row).filter(|r| r.id == self.claim.stack_id), *at),
            Seen::Absent(at) if recent(*at) => (None, *at),
            Seen::Present(..) | Seen::Absent(_) | Seen::Unknown => {
                return Progress::Need(self.look_at_stack(now));
            }
        };
        let stop = || match sure {
            true => Progress::Stop(format!("the change set of stack {} was never executed", self.key)),
            false => wait(row_at),
        };
        match (self.facts.change_sets.get(&(self.key.clone(), self.set())), row) {
            // One answer may be behind; a stack is gone when its change sets are gone with it.
            (Some(Looked { seen: Seen::Absent(at), .. }), None) if recent(*at) => {
                if sure {
                    self.gone(row_at)
                } else {
                    wait(row_at)
                }
            }
            (Some(Looked { seen: Seen::Absent(at), .. }), Some(_)) if recent(*at) => stop(),
            (Some(Looked { seen: Seen::Present(set, at), .. }), row) if recent(*at) => match set.state() {
                SetState::Executing | SetState::Executed if sure && self.is_taken(set) => self.gone(row_at),
                SetState::Executing => wait(row_at),
                SetState::Executed if set.execution == ExecutionStatus::ExecuteFailed => {
                    self.settle_unmoved(*at)
                }
                // The clocks of CloudFormation's two answers may differ: here the states alone count.
                SetState::Executed => match row.map(|r| (run(self.kind(), r.status, true), r)) {
                    Some((Run::Ended(outcome), r)) => self.settle(r, outcome, now),
                    Some((Run::Running | Run::NotStarted, _)) | None => wait(row_at),
                },
                SetState::Ready
                | SetState::Preparing
                | SetState::Empty
                | SetState::Failed
                | SetState::Obsolete
                | SetState::Gone => stop(),
            },
            (None | Some(_), _) => Progress::Need(self.look_at_set(now)),
        }
    }

    /// Whether another stack has the name, one that lived after the change set was made: so it came after ours. An answer that
    /// is behind may show one from before.
    fn is_taken(&self, set: &ChangeSetRow) -> bool {
        match self.row() {
            Seen::Present(row, _) => row.id != self.claim.stack_id && row.updated >= set.created,
            Seen::Absent(_) | Seen::Unknown => false,
        }
    }

    /// The stack that was executed on is not there any more.
    fn gone(&self, at: Timestamp) -> Progress {
        let gone = StackStatus::DeleteComplete.as_str();
        let id = self.claim.stack_id.clone();
        Progress::Settle(Box::new(Settled::of(self.key, id, SettledAs::Gone, (gone, at), None)))
    }

    fn protecting(&self) -> Protecting<'_> {
        Protecting { facts: self.facts, key: self.key, access: self.access, wanted: self.protect }
    }

    fn kind(&self) -> ChangeSetKind {
        match self.baseline {
            Baseline::None => ChangeSetKind::Create,
            Baseline::Stack(..) => ChangeSetKind::Update,
        }
    }

    /// Whether the stack was updated after the change set was made. Not: after the baseline. A read that was behind may
    /// have made an older state the baseline; then a second such read would show somebody else's update as ours. After
    /// the change set was made, only its own execution updates the stack: any other makes it obsolete.
    fn updated_since(&self, row: &StackRow, now: Timestamp) -> Step<bool> {
        let Baseline::Stack(_, baseline) = self.baseline else { return Ok(true) };
        match self.facts.change_sets.get(&(self.key.clone(), self.set())) {
            Some(Looked { seen: Seen::Present(set, _), .. }) => {
                Ok(row.updated > *baseline && row.updated >= set.created)
            }
            Some(Looked { seen: Seen::Absent(_), .. }) => Ok(row.updated > *baseline),
            None | Some(Looked { seen: Seen::Unknown, .. }) => Err(self.look_at_set(now)),
        }
    }

    /// Records how the stack came out; why it failed is asked first.
    pub fn settle(&self, row: &StackRow, outcome: SettledAs, now: Timestamp) -> Progress {
        let message = if outcome == SettledAs::Succeeded {
            match self.protecting().protected(row, now) {
                Ok(message) => message,
                Err(need) => return Progress::Need(need),
            }
        } else {
            match why_failed(self.facts, self.key, &row.id, self.access, now) {
                Ok(message) => message,
                Err(need) => return Progress::Need(need),
            }
        };
        let state = (row.status.as_str(), row.updated);
        Progress::Settle(Box::new(Settled::of(self.key, row.id.clone(), outcome, state, message)))
    }

    fn settle_unmoved(&self, at: Timestamp) -> Progress {
        let (status, updated) = match self.row() {
            Seen::Present(row, _) => (row.status.as_str(), row.updated),
            Seen::Absent(_) | Seen::Unknown => ("EXECUTE_FAILED", at),
        };
        let why = Some("the change set could not be executed".to_owned());
        let id = self.claim.stack_id.clone();
        Progress::Settle(Box::new(Settled::of(self.key, id, SettledAs::Failed, (status, updated), why)))
    }
}

/// The first failed resource of a stack's last operation. Not being able to ask is no reason to wait for ever.
///
/// # Errors
/// The look that tells.
pub fn why_failed(
    facts: &Facts,
    key: &StackKey,
    id: &StackId,
    access: &Access,
    now: Timestamp,
) -> Step<Option<String>> {
    if let Some(failure) = facts.failures.get(id) {
        return Ok(failure.as_ref().map(|f| {
            format!("{} ({}): {}", f.logical_id, f.resource_type, f.reason).chars().take(1000).collect()
        }));
    }
    let look = Look::Failure(key.clone(), id.clone(), access.clone());
    let left = at_last(facts, Effect::Look(look), now)?;
    Ok(Some(format!("its events could not be read: {left}")))
}

/// A stack whose protection is set as the assembly wants it, as the CDK CLI does.
#[derive(Clone, Copy, Debug)]
pub struct Protecting<'a> {
    /// What is remembered.
    pub facts: &'a Facts,
    /// Where it lives.
    pub key: &'a StackKey,
    /// How CloudFormation is called.
    pub access: &'a Access,
    /// Whether it shall be protected; absent leaves that as it is.
    pub wanted: Option<bool>,
}

impl Protecting<'_> {
    /// A stack of which nothing else changes: what it needs until it is as wanted.
    #[must_use]
    pub fn settle(&self, row: &StackRow, now: Timestamp) -> Progress {
        match self.protected(row, now) {
            Ok(message) => {
                let state = (row.status.as_str(), row.updated);
                let settled = Settled::of(self.key, row.id.clone(), SettledAs::Succeeded, state, message);
                Progress::Settle(Box::new(settled))
            }
            Err(need) => Progress::Need(need),
        }
    }

    /// That it cannot be set is told, and keeps nothing from going on.
    fn protected(&self, row: &StackRow, now: Timestamp) -> Step<Option<String>> {
        let Some(wanted) = self.wanted.filter(|p| *p != row.protected) else { return Ok(None) };
        let seen = self.facts.stacks.get(self.key).and_then(Seen::as_of);
        let Some(id) = Confirmed::by_look(row.id.clone(), seen.unwrap_or(now), now) else {
            let look = Look::Stack(self.key.clone(), self.access.clone());
            return Err(ask(self.facts, Effect::Look(look), now));
        };
        let effect = Mutation::Protect(self.key.clone(), id, wanted, self.access.clone());
        at_last(self.facts, Effect::Mutate(effect), now)
            .map(|why| Some(format!("termination protection could not be set: {why}")))
    }
}

/// Has something done that nothing may wait for long: what passes by itself is tried again a few times, then it is left.
/// `Ok`: why it was left.
fn at_last(facts: &Facts, effect: Effect, now: Timestamp) -> Step<String> {
    let is_in_vain = facts.is_in_vain(&effect);
    match ask(facts, effect, now) {
        need @ Need::Do(_) => Err(need),
        need @ Need::Wait(..) if !is_in_vain => Err(need),
        Need::Wait(_, why, _) | Need::Stuck(_, why, _) => Ok(why),
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
