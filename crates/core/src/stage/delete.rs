//! A Stage that is being deleted: its stacks stay, what was only prepared goes, and nothing blocks for ever.

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::{Snapshot, fence::fenced};
use crate::{
    api::{FINALIZER, Reason},
    effect::{Effect, Record},
    verdict::{Need, Phase, Verdict, ask, fold},
};

/// How long tidying may take.
const TIDY_WITHIN: SignedDuration = SignedDuration::from_mins(2);

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
    Some(fold(
        vec![ask(s.facts, finalizer(s, false), now)],
        Reason::Deleting,
        "letting go; stacks are retained",
    ))
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
