//! A Stage that is being deleted: its stacks stay unless it and its accounts say otherwise, what was only prepared goes, and
//! nothing blocks for ever.

use std::{collections::BTreeSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::{
    Snapshot,
    execute::live_gate,
    fence::fenced,
    remove::left_over,
    targets::{access_to, allowed},
};
use crate::{
    account::Accounts,
    api::{FINALIZER, Leftover, OwnedStack, ProposedStack, Reason},
    drive::{fresh_row, why_failed},
    effect::{Confirmed, Effect, Look, Mutation, Record},
    gate::{PlanView, in_force},
    stack::{Removal, removal},
    verdict::{Need, Phase, Step, Verdict, ask, fold},
    words::StackKey,
};

/// How long tidying may take.
const TIDY_WITHIN: SignedDuration = SignedDuration::from_mins(2);
/// How long deleting the stacks may take, before what is left is let go.
const DELETE_WITHIN: SignedDuration = SignedDuration::from_hours(2);
/// When a deletion that has failed is tried again.
const TRY_AGAIN: SignedDuration = SignedDuration::from_mins(5);
/// How long to wait before a stack that is being deleted is looked at again.
const DELETING: SignedDuration = SignedDuration::from_secs(3);

/// Tidies, then lets go. `None`: the Stage is not being deleted.
pub(super) fn delete(s: &Snapshot<'_>, now: Timestamp) -> Option<Verdict> {
    let since = s.stage.metadata.deletion_timestamp.as_ref()?.0;
    if !has_finalizer(s) {
        return Some(Verdict::rest(Phase::Working(Reason::Deleting), "being deleted"));
    }
    let deadline = since.saturating_add(TIDY_WITHIN).unwrap_or(since);
    let needs: Vec<Need> = s
        .newest()
        .filter(|p| p.closed.is_none() && !p.is_complete())
        .into_iter()
        .flat_map(|p| p.proposal().stacks.iter().filter_map(|stack| fenced(s, p, stack, true, now).err()))
        .collect();
    if !needs.is_empty() && now < deadline {
        return Some(fold(needs, Reason::Deleting, "deleting unexecuted change sets").until(deadline));
    }
    let giving_up = since.saturating_add(DELETE_WITHIN).unwrap_or(since);
    if s.gate.deletion_policy.value == Leftover::Delete && now < giving_up {
        let needs = deletions(s, now);
        if !needs.is_empty() {
            return Some(fold(needs, Reason::Deleting, "deleting the stacks").until(giving_up));
        }
    }
    let go = finalizer(s, false);
    Some(fold(vec![ask(s.facts, go, now)], Reason::Deleting, "letting go; what stacks are left are retained"))
}

/// What is needed until the stacks are gone, those first that come after others. Empty: nothing can be done any more.
fn deletions(s: &Snapshot<'_>, now: Timestamp) -> Vec<Need> {
    let Some(newest) = s.newest() else { return Vec::new() };
    let all: Vec<_> = left_over(s, |_| false).collect();
    let mut gone: BTreeSet<String> = BTreeSet::new();
    let mut needs = Vec::new();
    for (key, owned, told) in &all {
        match deleted(s, newest, key, owned, told, false, now) {
            Ok(true) => {
                gone.insert(told.artifact.clone());
            }
            Ok(false) => {}
            Err(need) => needs.push(need),
        }
    }
    for (key, owned, told) in all.iter().filter(|(.., told)| !gone.contains(&told.artifact)) {
        let comes_after = |other: &ProposedStack| other.after.contains(&told.artifact);
        let held = all.iter().any(|(.., other)| comes_after(other) && !gone.contains(&other.artifact));
        if !held && let Err(need) = deleted(s, newest, key, owned, told, true, now) {
            needs.push(need);
        }
    }
    needs
}

/// Whether a stack is gone. `false`: it stays, or its turn has not come.
fn deleted(
    s: &Snapshot<'_>,
    newest: &PlanView,
    key: &StackKey,
    owned: &OwnedStack,
    told: &ProposedStack,
    may_start: bool,
    now: Timestamp,
) -> Step<bool> {
    // Where the grant is gone, so is the right to delete.
    if allowed(&s.stage, &s.namespace, &s.accounts, key, &told.qualifier).is_err() {
        return Ok(false);
    }
    let access = access_to(s, told);
    let row = fresh_row(s.facts, key, &access, now)?;
    let Some(row) = row.filter(|r| r.id == owned.stack_id) else { return Ok(true) };
    let begun = s.facts.deleted.get(&row.id).copied();
    let seen = s.row(key).as_of().unwrap_or(now);
    let look = || ask(s.facts, Effect::Look(Look::Stack(key.clone(), access.clone())), now);
    let later = |after: SignedDuration, what: String| {
        Err(match seen.saturating_add(after).unwrap_or(seen) {
            again if now < again => Need::Wait(Reason::Deleting, what, Some(again)),
            _ => look(),
        })
    };
    match (removal(row.status), begun) {
        (Removal::Done, _) => return Ok(true),
        (Removal::Wait, _) => {
            return later(DELETING, format!("stack {key} is in {}", row.status.as_str()));
        }
        (Removal::Failed, Some(at)) if now < at.saturating_add(TRY_AGAIN).unwrap_or(at) => {
            let why = why_failed(s.facts, key, &row.id, &access, now)?.unwrap_or_default();
            return Err(Need::Stuck(
                Reason::StackStuck,
                format!(
                    "stack {key} could not be deleted: {why}; mend the cause, or let go of it (spec.deletionPolicy: Retain)"
                ),
                at.saturating_add(TRY_AGAIN).ok(),
            ));
        }
        (Removal::Delete | Removal::Failed, _) => {}
    }
    if !may_start || row.protected {
        return Ok(false);
    }
    let live = live_gate(s, newest, now)?;
    let there = Accounts::new(live.accounts.iter().cloned().map(Arc::new).collect());
    let stands = live.stage.as_ref().is_some_and(|stage| {
        let gate = in_force(stage, there.named(&stage.spec.accounts));
        stage.uid().as_deref() == Some(s.uid.as_str())
            && stage.metadata.deletion_timestamp.is_some()
            && gate.deletion_policy.value == Leftover::Delete
            && allowed(stage, &s.namespace, &there, key, &told.qualifier).is_ok()
    });
    if !stands {
        return Ok(false);
    }
    match Confirmed::by_look(row.id.clone(), seen, now) {
        Some(id) => Err(ask(s.facts, Effect::Mutate(Mutation::DeleteStack(key.clone(), id, access)), now)),
        None => Err(look()),
    }
}

/// Puts our finalizer on, before anything is made that would have to be tidied.
pub(super) fn add_finalizer(s: &Snapshot<'_>, now: Timestamp) -> Option<Verdict> {
    let written =
        s.facts.finalizer_written.is_some() && s.facts.finalizer_written == s.stage.resource_version();
    (!has_finalizer(s) && !written)
        .then(|| fold(vec![ask(s.facts, finalizer(s, true), now)], Reason::Planning, "adding the finalizer"))
}

fn has_finalizer(s: &Snapshot<'_>) -> bool {
    s.stage.finalizers().iter().any(|f| f == FINALIZER)
}

fn finalizer(s: &Snapshot<'_>, present: bool) -> Effect {
    Effect::Record(Record::Finalizer {
        namespace: s.namespace.clone(),
        stage: s.stage.name_any(),
        resource_version: s.stage.resource_version().unwrap_or_default(),
        present,
    })
}
