//! A Stage that is being deleted: its stacks stay unless it and its accounts say otherwise, what was only prepared goes, and
//! nothing blocks for ever.

use std::{collections::BTreeSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::{
    Snapshot,
    candidate::{Candidate, candidate},
    decide::moved_since,
    fence::{fenced, tidied},
    given::{keeps_unknown_value, secrets_are_known},
    prepare::wish,
    remove::left_over,
    targets::{Target, access_to, allowed, targets},
};
use crate::{
    account::Accounts,
    api::{FINALIZER, Freeze, Leftover, Operation, OwnedStack, ProposedStack, Reason, Stage},
    change::change_set_name,
    drive::{Withdrawn, fresh_row, in_progress, why_failed},
    effect::{Confirmed, Effect, LiveGate, Look, Mutation, Record, SetRef, baseline_of},
    freeze::{self, Touched},
    gate::{PlanView, in_force},
    hush::UNSHOWN,
    latch::live_since_version,
    stack::{Removal, removal},
    verdict::{Need, Phase, Step, Verdict, ask, fold},
    words::{AccountId, StackKey},
};

/// Why change sets go.
const DELETED: &str = "the Stage is being deleted";
/// How long tidying may take.
const TIDY_WITHIN: SignedDuration = SignedDuration::from_mins(2);
/// How long it is tried to delete what cannot be deleted, before that is let go.
const DELETE_WITHIN: SignedDuration = SignedDuration::from_hours(2);
/// When a deletion that has failed is tried again.
const TRY_AGAIN: SignedDuration = SignedDuration::from_mins(5);

/// Tidies, then lets go. `None`: the Stage is not being deleted.
pub(super) fn delete(s: &Snapshot<'_>, now: Timestamp) -> Option<Verdict> {
    let since = s.stage.metadata.deletion_timestamp.as_ref()?.0;
    if !has_finalizer(s) {
        return Some(Verdict::rest(Phase::Working(Reason::Deleting), "being deleted"));
    }
    let deadline = since.saturating_add(TIDY_WITHIN).unwrap_or(since);
    let needs: Vec<Need> = s
        .newest()
        .filter(|p| !p.is_over())
        .into_iter()
        .flat_map(|p| {
            p.proposal().stacks.iter().filter_map(|stack| fenced(s, p, stack, DELETED, true, now).err())
        })
        .chain(unplanned(s, now))
        .collect();
    if !needs.is_empty() && now < deadline {
        let (needs, _) = doable_first(needs);
        return Some(fold(needs, Reason::Deleting, "deleting unexecuted change sets").until(deadline));
    }
    let giving_up = since.saturating_add(DELETE_WITHIN).unwrap_or(since);
    if s.gate.deletion_policy.value == Leftover::Delete && !s.stage.spec.observes() {
        if let Some(held) = s.newest().and_then(|newest| held(s, newest, None, now)) {
            return Some(held);
        }
        let (needs, hopeless) = doable_first(deletions(s, now));
        let over = needs.is_empty() || (hopeless && now >= giving_up);
        if !over {
            let v = fold(needs, Reason::Deleting, "deleting the stacks");
            return Some(if now < giving_up { v.until(giving_up) } else { v });
        }
    }
    let go = finalizer(s, false);
    Some(fold(vec![ask(s.facts, go, now)], Reason::Deleting, "letting go; what stacks are left are retained"))
}

/// What can be done is done, whatever else is stuck; and whether all of it is.
fn doable_first(needs: Vec<Need>) -> (Vec<Need>, bool) {
    let (doing, rest): (Vec<Need>, Vec<Need>) = needs.into_iter().partition(|n| matches!(n, Need::Do(_)));
    let hopeless = doing.is_empty() && rest.iter().all(|n| matches!(n, Need::Stuck(..)));
    (if doing.is_empty() { rest } else { doing }, hopeless)
}

/// What takes away the change sets that were being prepared for a plan which is not there yet. As long as the assembly is at hand
/// some may be there, whatever plans there are: of other parameters, of a plan that is made again.
fn unplanned(s: &Snapshot<'_>, now: Timestamp) -> Vec<Need> {
    let Ok(Candidate { release, .. }) = candidate(s, now) else { return Vec::new() };
    let is_planned = |p: &PlanView| {
        !p.is_over() || (p.is_for(&release, s.stage.spec.cdk_stage.as_deref()) && moved_since(s, p).is_none())
    };
    let is_at_hand = s.facts.bundles.contains_key(&release.source);
    if !is_at_hand && s.newest().is_some_and(is_planned) {
        return Vec::new();
    }
    match targets(s, &release, now) {
        Ok(targets) => targets.list.iter().filter_map(|t| forgone(s, t, now).err()).collect(),
        Err(need @ Need::Do(_)) => vec![need],
        // It could not have been planned either.
        Err(Need::Wait(..) | Need::Stuck(..)) => Vec::new(),
    }
}

/// Nothing is there of a change set that was prepared, nor of a stack that was nothing but its place.
fn forgone(s: &Snapshot<'_>, t: &Target, now: Timestamp) -> Step<()> {
    let (key, access) = (&t.key, &t.access);
    let wish = wish(s, t);
    let row = wish.fresh_row(now)?;
    let name = change_set_name(&s.uid, &t.digest, &baseline_of(row));
    let set = SetRef::Name(name.clone());
    match wish.withdrawn(&set, DELETED, now)? {
        Withdrawn::IsNotThere => tidied(s, key, access, None, &name, now),
        Withdrawn::HasRun => Ok(()),
    }
}

/// What holds deletions up: `spec.suspend`, a Freeze.
fn held(
    s: &Snapshot<'_>,
    newest: &PlanView,
    live: Option<(&LiveGate, &Accounts)>,
    now: Timestamp,
) -> Option<Verdict> {
    let stage = live.and_then(|(live, _)| live.stage.as_ref()).unwrap_or(&s.stage);
    if stage.spec.suspend {
        let message = "spec.suspend holds the deletion of the stacks";
        return Some(Verdict::rest(Phase::Waiting(Reason::Suspended), message).waiting_for("spec.suspend"));
    }
    let list: Vec<Arc<Freeze>> = match live {
        Some((live, _)) => live.freezes.iter().cloned().map(Arc::new).collect(),
        None => s.freezes.clone(),
    };
    let accounts = live.map_or(&s.accounts, |(_, accounts)| accounts);
    let owned: Vec<AccountId> = newest.owned_now().into_iter().map(|o| o.account).collect();
    // No operation of a plan, so none that a Freeze lets through.
    let touched = Touched { namespace: &s.namespace, accounts: &owned, operation: Operation::Prune };
    let (held, changes) = freeze::held(&list, accounts, touched, now);
    let first = held.first()?;
    let v = Verdict::rest(Phase::Waiting(Reason::Frozen), format!("the stacks stay: {}", first.told()))
        .waiting_for(format!("freeze {}", first.name));
    Some(changes.map_or(v.clone(), |at| v.until(at)))
}

/// What is needed until the stacks are gone, those first that come after others. Empty: nothing can be done any more.
fn deletions(s: &Snapshot<'_>, now: Timestamp) -> Vec<Need> {
    let Some(newest) = s.newest() else { return Vec::new() };
    let all: Vec<_> = left_over(s, |_| false).collect();
    let mut gone: BTreeSet<StackKey> = BTreeSet::new();
    let mut needs = Vec::new();
    for (key, owned, told) in &all {
        match deleted(s, newest, key, owned, told, false, now) {
            Ok(true) => {
                gone.insert(key.clone());
            }
            Ok(false) => {}
            Err(need) => needs.push(need),
        }
    }
    for (key, owned, told) in all.iter().filter(|(key, ..)| !gone.contains(key)) {
        let comes_after = |other: &ProposedStack| other.after.contains(&told.artifact);
        let held = all.iter().any(|(other, _, told)| comes_after(told) && !gone.contains(other));
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
    let Some(row) = row.filter(|r| r.id == owned.stack_id && r.exists()) else { return Ok(true) };
    let begun = s.facts.deleted.get(&row.id).copied();
    let seen = s.row(key).as_of().unwrap_or(now);
    let look = || ask(s.facts, Effect::Look(Look::Stack(key.clone(), access.clone())), now);
    match (removal(row.status), begun) {
        (Removal::Done, _) => return Ok(true),
        (Removal::Wait, _) => {
            let what = format!("stack {key} is in {}", row.status.as_str());
            return Err(in_progress(s.facts, key, &access, Reason::Deleting, what, now));
        }
        (Removal::Failed, Some(at)) if now < at.saturating_add(TRY_AGAIN).unwrap_or(at) => {
            let known = secrets_are_known(s, s.newest(), now)? && !keeps_unknown_value(s, key, Some(row));
            let why = if known {
                why_failed(s.facts, key, &row.id, &access, now)?.unwrap_or_default()
            } else {
                UNSHOWN.to_owned()
            };
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
    let live = live_since_version(&s.owner(), newest, now)?;
    let there = Accounts::new(live.accounts.iter().cloned().map(Arc::new).collect());
    let is_this = |stage: &&Stage| stage.uid().as_deref() == Some(s.uid.as_str());
    let stage = live.stage.as_ref().filter(is_this);
    if stage.is_some_and(|stage| stage.metadata.deletion_timestamp.is_none()) {
        // The look came just before the deletion; it counts for a few seconds.
        let again = now.saturating_add(SignedDuration::from_secs(1)).ok();
        let what = format!("making sure that stack {key} is to be deleted");
        return Err(Need::Wait(Reason::Deleting, what, again));
    }
    let stands = stage.is_some_and(|stage| {
        let gate = in_force(stage, there.named(&stage.spec.accounts));
        gate.deletion_policy.value == Leftover::Delete
            && !stage.spec.observes()
            && allowed(stage, &s.namespace, &there, key, &told.qualifier).is_ok()
            && held(s, newest, Some((live, &there)), now).is_none()
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
