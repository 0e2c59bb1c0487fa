//! Drift: resources that somebody has changed past their stack. It is looked for while nothing runs, and shown. Nothing undoes it: that
//! would be a change that nobody has approved.

use jiff::{SignedDuration, Timestamp};

use super::{
    Snapshot,
    given::keeps_unknown_value,
    targets::{access_to_look, allowed},
};
use crate::{
    api::{ConditionType, PlannedAs, ProposedStack, Reason},
    effect::{Effect, Look, Next, Seen},
    gate::{PlanView, owned_key},
    hush::UNSHOWN,
    stack::{Drift, DriftStatus, DriftedResource, StackRow, StackStatus},
    verdict::{Need, Phase, Verdict, ask, look_again_at},
    words::StackId,
};

/// The time from one detection to the next where nobody says otherwise.
const INTERVAL: SignedDuration = SignedDuration::from_hours(24);
/// The least time.
const LEAST: SignedDuration = SignedDuration::from_mins(10);
/// After which a detection is awaited no longer: they take minutes.
const GIVEN_UP: SignedDuration = SignedDuration::from_hours(1);
/// How old a row may be that changes what the Stage shows: another process may have seen a newer one, and said so.
const FRESH: SignedDuration = SignedDuration::from_secs(60);
/// How many stacks of a stage are asked about at once.
const AT_ONCE: usize = 4;
/// How many resources of a stack are named.
const NAMED: usize = 8;

/// Looks for drift where nothing else is to be done.
pub(super) fn looked_for(s: &Snapshot<'_>, mut v: Verdict, now: Timestamp) -> Verdict {
    match (&v.next, v.phase) {
        (Next::Wait(_), Phase::Done(_) | Phase::Waiting(_) | Phase::Stalled(_)) => {}
        (Next::Wait(_), Phase::Working(_)) | (Next::Do(_), _) => return v,
    }
    let mut effects = Vec::new();
    for stack in stacks(s) {
        match step(s, &stack, now) {
            Some(Need::Do(effect)) if effects.len() < AT_ONCE => effects.push(*effect),
            Some(Need::Wait(_, _, Some(at)) | Need::Stuck(_, _, Some(at))) => v = v.until(at),
            Some(Need::Do(_) | Need::Wait(_, _, None) | Need::Stuck(_, _, None)) | None => {}
        }
    }
    if effects.is_empty() && drifted(s, now).is_some_and(|told| !is_shown(s, &told)) {
        let is_old = |stack: &Resting<'_>| {
            let as_of = s.row(&stack.proposed.key()).as_of();
            as_of.is_none_or(|at| now.duration_since(at) > FRESH)
        };
        let old = stacks(s).into_iter().filter(is_old).take(AT_ONCE);
        let looks = old.map(|stack| Look::Stack(stack.proposed.key(), access_to_look(stack.proposed)));
        for look in looks {
            match ask(s.facts, Effect::Look(look), now) {
                Need::Do(effect) => effects.push(*effect),
                Need::Wait(_, _, Some(at)) | Need::Stuck(_, _, Some(at)) => v = v.until(at),
                Need::Wait(_, _, None) | Need::Stuck(_, _, None) => {}
            }
        }
    }
    if effects.is_empty() { v } else { Verdict { next: Next::Do(effects), ..v } }
}

/// Whether the Stage says so already.
fn is_shown(s: &Snapshot<'_>, told: &Drifted) -> bool {
    let (is, text) = match told {
        Drifted::Yes(text) => ("True", text),
        Drifted::No(text) => ("False", text),
        // What one process could not find out, and what is kept, takes nothing from another.
        Drifted::Unknown(..) | Drifted::NotYet => return true,
    };
    let conditions = s.stage.status.iter().flat_map(|status| &status.conditions);
    let mut shown = conditions.filter(|c| c.type_ == ConditionType::Drifted.as_str());
    shown.any(|c| c.status == is && c.message == *text)
}

/// What the condition `Drifted` says.
pub(super) enum Drifted {
    /// Something differs.
    Yes(String),
    /// Nothing does.
    No(String),
    /// It could not be told.
    Unknown(Reason, String),
    /// Nothing is known yet.
    NotYet,
}

/// What is known of the drift of all stacks; `None`: nobody has asked for it.
pub(super) fn drifted(s: &Snapshot<'_>, now: Timestamp) -> Option<Drifted> {
    s.stage.spec.drift_detection.as_ref()?;
    let (mut differ, mut unknown, mut since) = (Vec::new(), None, None::<Timestamp>);
    let stacks = stacks(s);
    for stack in &stacks {
        let key = stack.proposed.key();
        match stack.known() {
            Some((DriftStatus::Drifted, at)) => match stack.differing(at) {
                Some(resources) => {
                    let named = named(resources);
                    differ
                        .push(format!("stack {key} does not have what its template says{named}, as of {at}"));
                }
                // They are asked for.
                None => return Some(Drifted::NotYet),
            },
            Some((DriftStatus::InSync, at)) => since = Some(since.map_or(at, |old| old.min(at))),
            Some((DriftStatus::Unknown | DriftStatus::NotChecked, _)) | None => {
                let told = match (stack.found(), step(s, stack, now)) {
                    (_, Some(Need::Stuck(reason, message, _))) => Some((reason, message)),
                    (Some(Drift::Failed(why)), _) => {
                        let unknown = keeps_unknown_value(s, &key, Some(stack.row));
                        let why = if unknown { UNSHOWN } else { why };
                        Some((
                            Reason::DriftUnknown,
                            format!("drift of stack {key} cannot be detected: {why}"),
                        ))
                    }
                    (Some(Drift::Detected { .. }), _) => {
                        let why = format!("CloudFormation cannot tell the drift of stack {key}");
                        Some((Reason::DriftUnknown, why))
                    }
                    (None, _) => None,
                };
                unknown = unknown.or(Some(told));
            }
        }
    }
    Some(match (differ.is_empty(), unknown, since) {
        (false, ..) => Drifted::Yes(format!(
            "{}; nothing is undone: change the app, or put the resources back (docs/drift.md)",
            differ.join("; ")
        )),
        (true, Some(Some((reason, message))), _) => Drifted::Unknown(reason, message),
        (true, Some(None), _) | (true, None, None) => Drifted::NotYet,
        (true, None, Some(at)) => {
            Drifted::No(format!("the resources of all stacks are as their templates say, as of {at}"))
        }
    })
}

fn named(resources: &[DriftedResource]) -> String {
    let mut list: Vec<&DriftedResource> = resources.iter().collect();
    list.sort();
    let more = list.len().saturating_sub(NAMED);
    let mut named: Vec<String> = list
        .iter()
        .take(NAMED)
        .map(|r| format!("{} {} ({})", r.logical_id, r.resource_type, r.status))
        .collect();
    named.extend((more > 0).then(|| format!("and {more} more")));
    if named.is_empty() { String::new() } else { format!(": {}", named.join(", ")) }
}

/// A stack of ours that is there and rests.
struct Resting<'a> {
    proposed: &'a ProposedStack,
    id: StackId,
    row: &'a StackRow,
    s: &'a Snapshot<'a>,
}

impl Resting<'_> {
    /// What came of the last detection, as far as this process knows.
    fn found(&self) -> Option<&Drift> {
        self.s.facts.drifts.get(&self.id).map(|(drift, _)| drift)
    }

    /// What differs, where that was looked at since then.
    fn differing(&self, since: Timestamp) -> Option<&[DriftedResource]> {
        match self.s.facts.drifts.get(&self.id) {
            Some((Drift::Detected { status: DriftStatus::Drifted, resources }, at)) if *at >= since => {
                Some(resources)
            }
            Some((Drift::Detected { .. } | Drift::Failed(_), _)) | None => None,
        }
    }

    /// When that was looked at.
    fn found_at(&self) -> Option<Timestamp> {
        self.s.facts.drifts.get(&self.id).map(|(_, at)| *at)
    }

    /// How it stands, and as of when, by CloudFormation's clock.
    fn known(&self) -> Option<(DriftStatus, Timestamp)> {
        self.row.drift.filter(|(status, _)| *status != DriftStatus::NotChecked)
    }
}

/// The stacks that can be asked about; none while a plan runs.
fn stacks<'a>(s: &'a Snapshot<'a>) -> Vec<Resting<'a>> {
    let runs = |p: &&PlanView| p.is_claimed() && !p.is_over();
    let Some(newest) = s.newest().filter(|p| s.stage.spec.drift_detection.is_some() && !runs(p)) else {
        return Vec::new();
    };
    let owned = newest.owned_now();
    let kept = newest.proposal().stacks.iter().filter(|p| p.plan != PlannedAs::Removed);
    kept.filter_map(|proposed| {
        let key = proposed.key();
        let ours = owned.iter().find(|o| owned_key(o) == key)?;
        allowed(&s.stage, &s.namespace, &s.accounts, &key, &proposed.qualifier).ok()?;
        match s.row(&key) {
            Seen::Present(row, _) if row.id == ours.stack_id && can_be_checked(row.status) => {
                Some(Resting { proposed, id: row.id.clone(), row, s })
            }
            Seen::Present(..) | Seen::Absent(_) | Seen::Unknown => None,
        }
    })
    .collect()
}

/// As the CloudFormation User Guide lists them ("Detect drift on an entire CloudFormation stack"), and after an import.
fn can_be_checked(status: StackStatus) -> bool {
    use StackStatus as S;
    matches!(
        status,
        S::CreateComplete
            | S::UpdateComplete
            | S::UpdateRollbackComplete
            | S::UpdateRollbackFailed
            | S::ImportComplete
            | S::ImportRollbackComplete
    )
}

/// What is to be asked about a stack, or when.
fn step(s: &Snapshot<'_>, stack: &Resting<'_>, now: Timestamp) -> Option<Need> {
    let asked = s.stage.spec.drift_detection.as_ref()?;
    let every = asked.interval.as_ref().map_or(INTERVAL, |i| i.get()).max(LEAST);
    let (key, id, access) = (stack.proposed.key(), stack.id.clone(), access_to_look(stack.proposed));
    let wait = |at| Some(Need::Wait(Reason::InSync, String::new(), Some(at)));
    let after = |time: Timestamp, span| time.saturating_add(span).unwrap_or(Timestamp::MAX);
    let running = s.facts.detections.get(&id).filter(|d| now < after(d.begun, GIVEN_UP));
    if let Some(detection) = running {
        let again = look_again_at(detection.at, detection.times);
        if now < again {
            return wait(again);
        }
        let look = Look::Drift(key, id, Some(detection.id.clone()), access);
        return Some(ask(s.facts, Effect::Look(look), now));
    }
    let found = stack.found_at();
    let known = stack.known();
    let due = found.max(known.map(|(_, at)| at)).map(|last| after(last, every));
    if due.is_none_or(|due| due <= now) {
        return Some(ask(s.facts, Effect::Look(Look::DetectDrift(key, id, access)), now));
    }
    if found > s.row(&key).as_of() {
        // The row says as of when it is so.
        return Some(ask(s.facts, Effect::Look(Look::Stack(key, access)), now));
    }
    // Another process has detected it: what differs is asked for, once in a while, since clocks may differ.
    match known {
        Some((DriftStatus::Drifted, at)) if stack.differing(at).is_none() => {
            let again = found.map_or(now, |found| after(found, LEAST));
            if now < again {
                return wait(again);
            }
            Some(ask(s.facts, Effect::Look(Look::Drift(key, id, None, access)), now))
        }
        Some(_) | None => due.and_then(wait),
    }
}
