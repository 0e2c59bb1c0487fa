//! The release that comes next, before it is planned: its id can be approved beforehand.

use jiff::Timestamp;

use super::{Snapshot, candidate, given::given, targets::access_to_source};
use crate::{
    api::{ComingRelease, ReleaseRef},
    change::Given,
    effect::{Effect, Look, Next},
    facts::Coming,
    verdict::{Need, Phase, Verdict, ask},
};

/// Looks for the id of the release that comes, where nothing else is to be done.
pub(super) fn announced(s: &Snapshot<'_>, v: Verdict, now: Timestamp) -> Verdict {
    match (&v.next, v.phase) {
        (Next::Wait(_), Phase::Done(_) | Phase::Waiting(_)) => {}
        (Next::Wait(_), Phase::Working(_) | Phase::Stalled(_)) | (Next::Do(_), _) => return v,
    }
    let given = match given(s, now) {
        Ok(given) => given,
        Err(Need::Do(look)) => return Verdict { next: Next::Do(vec![*look]), ..v },
        Err(Need::Wait(..) | Need::Stuck(..)) => return v,
    };
    let Some(release) = candidate::coming(s, now).filter(|r| known(s, r, &given).is_none()) else { return v };
    // Who may not read it learns that when it is planned.
    let Ok(access) = access_to_source(s, &release) else { return v };
    let look = Look::ReleaseId {
        source: release.source,
        access,
        stage: s.uid.clone(),
        cdk_stage: s.stage.spec.cdk_stage.clone(),
        given,
    };
    match ask(s.facts, Effect::Look(look), now) {
        Need::Do(effect) => Verdict { next: Next::Do(vec![*effect]), ..v },
        Need::Wait(_, _, Some(at)) | Need::Stuck(_, _, Some(at)) => v.until(at),
        Need::Wait(_, _, None) | Need::Stuck(_, _, None) => v,
    }
}

fn known<'a>(s: &'a Snapshot<'_>, release: &ReleaseRef, given: &Given) -> Option<&'a Coming> {
    let here = |c: &&Coming| {
        c.source == release.source && c.cdk_stage == s.stage.spec.cdk_stage && c.given == *given
    };
    s.facts.coming.as_ref().filter(here)
}

/// What status shows of it.
pub(super) fn shown(s: &Snapshot<'_>, now: Timestamp) -> Option<ComingRelease> {
    let release = candidate::coming(s, now)?;
    let a1 = given(s, now).ok().and_then(|given| known(s, &release, &given)?.id.clone());
    Some(ComingRelease { name: release.name, digest: release.digest, a1 })
}
