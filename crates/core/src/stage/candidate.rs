//! Which release the stage should have.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use super::{
    Snapshot,
    promotion::{OnOffer, Wanted, offers, on_offer, promoted, ripe, upstream_names},
};
use crate::{
    api::{Pin, Promotion, Reason, ReleaseRef, Stage},
    verdict::{Need, Step},
};

/// What the stage should have now, and what comes after.
#[derive(Debug)]
pub(super) struct Candidate {
    /// The release.
    pub release: ReleaseRef,
    /// A newer one that its upstreams have verified and that has not soaked there yet, and when it will have.
    pub soaking: Option<(ReleaseRef, Timestamp)>,
    /// One that its upstreams let go, and that is older than what is here, as far as the stage can tell.
    pub passed_over: Option<ReleaseRef>,
}

/// The assembly's current release for an entry stage; for any other the newest that every upstream stage has verified
/// and carried for long enough. A pin takes the place of both, as far as the accounts let it.
pub(super) fn candidate(s: &Snapshot<'_>, now: Timestamp) -> Step<Candidate> {
    let only = |release| Candidate { release, soaking: None, passed_over: None };
    let spec = &s.stage.spec;
    let pinned = spec.pin.as_ref().map(|pin| pinned(s, pin)).transpose()?;
    if let Some(floor) = floor(s).filter(|_| spec.promote_from.is_empty()) {
        return match pinned {
            Some(release) if has_had(s, &release) => Ok(only(release)),
            Some(_) | None => Err(Need::stuck(
                Reason::PromotionRequired,
                format!(
                    "{floor} demands that releases come from another stage, or soak in one: name one in promoteFrom, or pin a release \
                     that this stage has had"
                ),
            )),
        };
    }
    if let Some(release) = pinned {
        return let_through(s, release, now).map(only);
    }
    if spec.promote_from.is_empty() {
        return from_assembly(s).map(only);
    }
    if let Some(circle) = circle(&s.stage.name_any(), &s.stages) {
        return Err(Need::stuck(
            Reason::PromotionCycle,
            format!("promoteFrom leads in a circle: {}", circle.join(" → ")),
        ));
    }
    promoted(s, now)
}

/// What demands that a release has been in another stage before.
fn floor<'a>(s: &'a Snapshot<'_>) -> Option<&'a str> {
    let gate = &s.gate;
    let promotion = Some(&gate.promotion.source).filter(|_| gate.promotion.value == Promotion::Required);
    promotion
        .or_else(|| Some(&gate.soak.source).filter(|_| gate.soak.value > SignedDuration::ZERO))
        .map(String::as_str)
}

/// Whether this stage has carried out a release before.
pub(super) fn has_had(s: &Snapshot<'_>, release: &ReleaseRef) -> bool {
    let cdk_stage = s.stage.spec.cdk_stage.as_deref();
    let mut openings = s.plans.iter().flat_map(|p| p.openings());
    openings.any(|o| o.carried_out && o.release.digest == release.digest && o.cdk_stage == cdk_stage)
}

/// A pin is a field of the Stage, so who may set it gets no further than the Stage's own settings go: what an account demands
/// of releases holds for a pinned one, too. Going back to what this stage has carried out before is what a pin is for.
fn let_through(s: &Snapshot<'_>, release: ReleaseRef, now: Timestamp) -> Step<ReleaseRef> {
    let Some(floor) = floor(s) else { return Ok(release) };
    if has_had(s, &release) {
        return Ok(release);
    }
    let names = upstream_names(s);
    let soak = s.gate.soak.value;
    match ripe(&offers(s, |_| soak)?, &release) {
        Some(at) if at <= now => Ok(release),
        Some(at) => Err(Need::Wait(
            Reason::Soaking,
            format!(
                "spec.pin names release {}, which is verified in {names} and soaks there until {at}, as {floor} demands",
                release.name
            ),
            Some(at),
        )),
        None => Err(Need::stuck(
            Reason::PromotionRequired,
            format!(
                "spec.pin names release {}, which {names} has not verified and carried for as long as {floor} demands, and which \
                 this stage has not had: pin one that it has had, or promote this one",
                release.name
            ),
        )),
    }
}

/// The release that comes next and has no plan yet: what is pinned or let go, else what soaks upstream, else what the
/// assembly has and this stage has not had.
pub(super) fn coming(s: &Snapshot<'_>, now: Timestamp) -> Option<ReleaseRef> {
    let cdk_stage = s.stage.spec.cdk_stage.as_deref();
    let is_planned = |r: &ReleaseRef| s.newest().is_some_and(|p| p.is_for(r, cdk_stage));
    let has = s.plans.iter().find(|p| p.is_complete());
    let is_here = |r: &ReleaseRef| has.is_some_and(|p| p.is_for(r, cdk_stage));
    if let Some(pin) = &s.stage.spec.pin {
        return pinned(s, pin).ok().filter(|r| !is_planned(r) && !is_here(r));
    }
    let offered = if s.stage.spec.promote_from.is_empty() {
        None
    } else {
        let OnOffer { wanted, soaking, .. } = on_offer(s, now).ok()?;
        let wanted = wanted.map(|(Wanted::Whole(release) | Wanted::Begun(release, _))| release);
        let mut news = wanted.into_iter().chain(soaking.map(|(release, _)| release));
        news.find(|r| !is_planned(r) && !is_here(r))
    };
    offered.or_else(|| from_assembly(s).ok().filter(|r| !is_planned(r) && !has_had(s, r)))
}

fn from_assembly(s: &Snapshot<'_>) -> Step<ReleaseRef> {
    let name = &s.stage.spec.assembly_ref.name;
    let Some(assembly) = &s.assembly else {
        return Err(Need::stuck(
            Reason::AwaitingAssembly,
            format!("there is no CloudAssembly {name} in this namespace"),
        ));
    };
    let status = assembly.status.as_ref();
    status.and_then(|st| st.release.clone()).ok_or_else(|| {
        let stalled = |c: &&Condition| c.type_ == "Stalled" && c.status == "True";
        let why = status.and_then(|st| st.conditions.iter().find(stalled));
        let why = why.map(|c| format!(": {}", c.message)).unwrap_or_default();
        Need::Wait(Reason::AwaitingAssembly, format!("CloudAssembly {name} has no release yet{why}"), None)
    })
}

/// The release that `spec.pin` names: one that this stage or an upstream has had, or that the assembly has now.
fn pinned(s: &Snapshot<'_>, pin: &Pin) -> Step<ReleaseRef> {
    let upstream = s.upstreams.values().flat_map(|u| &u.plans);
    let digits = pin.digest.strip_prefix("sha256:").unwrap_or(&pin.digest);
    let is_meant = |r: &ReleaseRef| r.digest.hex().starts_with(digits);
    let opened = s.plans.iter().chain(upstream).flat_map(|p| {
        // The last opening counts here also where nothing proves it: which release it is, its digest says.
        p.release.iter().chain(p.openings().into_iter().map(|o| o.release))
    });
    let known = opened.cloned().chain(from_assembly(s).ok()).filter(is_meant);
    let found: BTreeMap<_, ReleaseRef> = known.map(|r| (r.digest, r)).collect();
    let several = found.len() > 1;
    match found.into_values().next() {
        Some(release) if !several => Ok(release),
        Some(_) => Err(Need::stuck(
            Reason::PinNotFound,
            format!("spec.pin.digest {} fits several releases: write more of it", pin.digest),
        )),
        None => Err(Need::stuck(
            Reason::PinNotFound,
            format!(
                "spec.pin.digest {} is no release that this stage or one of promoteFrom has had, or that the assembly has now",
                pin.digest
            ),
        )),
    }
}

/// The circle that a stage is in, if it is in one.
fn circle(start: &str, stages: &BTreeMap<String, Arc<Stage>>) -> Option<Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut path = vec![start.to_owned()];
    walk(start, start, stages, &mut seen, &mut path).then_some(path)
}

fn walk(
    at: &str,
    start: &str,
    stages: &BTreeMap<String, Arc<Stage>>,
    seen: &mut BTreeSet<String>,
    path: &mut Vec<String>,
) -> bool {
    let Some(stage) = stages.get(at) else { return false };
    for up in &stage.spec.promote_from {
        path.push(up.name.clone());
        if up.name == start || (seen.insert(up.name.clone()) && walk(&up.name, start, stages, seen, path)) {
            return true;
        }
        path.pop();
    }
    false
}
