//! Which release the stage should have.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use super::{Snapshot, snapshot::Upstream};
use crate::{
    api::{Pin, Promotion, Reason, ReleaseRef, Stage, Upstream as PromoteFrom},
    verdict::{Need, Step},
};

/// What the stage should have now, and what comes after.
#[derive(Debug)]
pub(super) struct Candidate {
    /// The release.
    pub release: ReleaseRef,
    /// A newer one that its upstreams have verified and that has not soaked there yet, and when it will have.
    pub soaking: Option<(ReleaseRef, Timestamp)>,
}

/// The assembly's current release for an entry stage; for any other the newest that every upstream stage has verified
/// and carried for long enough. A pin takes the place of both, as far as the accounts let it.
pub(super) fn candidate(s: &Snapshot<'_>, now: Timestamp) -> Step<Candidate> {
    let only = |release| Candidate { release, soaking: None };
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
fn has_had(s: &Snapshot<'_>, release: &ReleaseRef) -> bool {
    let cdk_stage = s.stage.spec.cdk_stage.as_deref();
    s.plans.iter().any(|p| p.is_complete() && p.is_for(release, cdk_stage))
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

fn upstream_names(s: &Snapshot<'_>) -> String {
    let names: Vec<&str> = s.stage.spec.promote_from.iter().map(|u| u.name.as_str()).collect();
    names.join(" and ")
}

/// What each upstream has to offer, where a release soaks there for as long as `soak` says.
fn offers<'a>(
    s: &'a Snapshot<'_>,
    soak: impl Fn(&PromoteFrom) -> SignedDuration,
) -> Step<Vec<Vec<Offer<'a>>>> {
    let of = |upstream: &PromoteFrom| {
        s.upstreams.get(&upstream.name).map(|found| offered(found, soak(upstream))).ok_or_else(|| {
            Need::stuck(
                Reason::UpstreamNotFound,
                format!("promoteFrom names Stage {}, which is not in this namespace", upstream.name),
            )
        })
    };
    s.stage.spec.promote_from.iter().map(of).collect()
}

/// From when on every upstream lets a release go; `None`: one of them never will.
fn ripe(offers: &[Vec<Offer<'_>>], release: &ReleaseRef) -> Option<Timestamp> {
    offers.iter().try_fold(Timestamp::MIN, |latest, list| {
        let same = list.iter().filter(|o| o.release.digest == release.digest);
        Some(latest.max(same.filter_map(|o| o.ripe).min()?))
    })
}

fn promoted(s: &Snapshot<'_>, now: Timestamp) -> Step<Candidate> {
    let names = upstream_names(s);
    match on_offer(s, now)? {
        (Some(release), soaking) => Ok(Candidate { release, soaking }),
        (None, Some((release, at))) => Err(Need::Wait(
            Reason::Soaking,
            format!("release {} is verified in {names} and soaks there until {at}", release.name),
            Some(at),
        )),
        (None, None) => {
            Err(Need::Wait(Reason::AwaitingUpstream, format!("no release is verified in {names} yet"), None))
        }
    }
}

/// The newest release that the upstreams let go, and a newer one that has not soaked there yet, with its time.
type OnOffer = (Option<ReleaseRef>, Option<(ReleaseRef, Timestamp)>);

fn on_offer(s: &Snapshot<'_>, now: Timestamp) -> Step<OnOffer> {
    let own = |u: &PromoteFrom| u.soak.as_ref().map_or(SignedDuration::ZERO, |s| s.get());
    let offers = offers(s, |u| own(u).max(s.gate.soak.value))?;
    let mut soaking: Option<(&Offer<'_>, Timestamp)> = None;
    for offer in offers.first().map_or(&[][..], Vec::as_slice) {
        match ripe(&offers, offer.release) {
            Some(at) if at <= now => {
                let stays = stays_at(s, offer);
                let after = stays.as_ref().map_or(offer.order, |(_, order)| *order);
                let soaking = soaking.filter(|(newer, _)| newer.order > after);
                let release = stays.map_or(offer.release, |(release, _)| release);
                return Ok((Some(release.clone()), soaking.map(|(o, at)| (o.release.clone(), at))));
            }
            Some(at) if soaking.is_none() => soaking = Some((offer, at)),
            Some(_) | None => {}
        }
    }
    let soaking = soaking.map(|(offer, at)| (offer.release.clone(), at));
    Ok((None, soaking))
}

/// The release that this stage has, and its place upstream, where the first upstream had the one on offer before that. A check that fails
/// now, or a longer soak, holds back what comes after; nobody goes back by it, but by a pin, or with the first upstream.
fn stays_at<'a>(s: &'a Snapshot<'_>, offer: &Offer<'_>) -> Option<(&'a ReleaseRef, u64)> {
    let plan = s.plans.iter().find(|p| p.is_complete())?;
    let deployed = plan.release.as_ref().filter(|r| r.digest != offer.release.digest)?;
    if !plan.is_for(deployed, s.stage.spec.cdk_stage.as_deref()) {
        return None;
    }
    let first = s.upstreams.get(&s.stage.spec.promote_from.first()?.name)?;
    let had = first.plans.iter().flat_map(|p| p.carried_out());
    let place = had.filter(|(_, release)| *release == deployed.digest).map(|(order, _)| order).max()?;
    (offer.order < place).then_some((deployed, place))
}

/// The release that comes next and has no plan yet: what is pinned or let go, else what soaks upstream, else what the
/// assembly has and this stage has not had.
pub(super) fn coming(s: &Snapshot<'_>, now: Timestamp) -> Option<ReleaseRef> {
    let cdk_stage = s.stage.spec.cdk_stage.as_deref();
    let is_planned = |r: &ReleaseRef| s.newest().is_some_and(|p| p.is_for(r, cdk_stage));
    let was_had = |r: &ReleaseRef| s.plans.iter().any(|p| p.is_complete() && p.is_for(r, cdk_stage));
    if let Some(pin) = &s.stage.spec.pin {
        return pinned(s, pin).ok().filter(|r| !is_planned(r));
    }
    let (free, soaking) = on_offer(s, now).ok()?;
    let offered = free.or(soaking.map(|(release, _)| release)).filter(|r| !is_planned(r));
    offered.or_else(|| from_assembly(s).ok().filter(|r| !is_planned(r) && !was_had(r)))
}

/// A release that a stage has verified.
struct Offer<'a> {
    release: &'a ReleaseRef,
    /// The place of its plan among those of that stage.
    order: u64,
    /// When it has soaked, or will have; `None`: another took its place before.
    ripe: Option<Timestamp>,
}

/// The releases that a stage has deployed in full and verified, newest first.
fn offered(upstream: &Upstream, soak: SignedDuration) -> Vec<Offer<'_>> {
    let mut replaced: Option<Timestamp> = None;
    let mut list = Vec::new();
    for plan in &upstream.plans {
        if let (Some(at), Some(release)) =
            (plan.verified_time(&upstream.checks, upstream.identity), plan.release.as_ref())
        {
            let ripe = at.saturating_add(soak).unwrap_or(at);
            let ripe = replaced.is_none_or(|end| ripe <= end).then_some(ripe);
            list.push(Offer { release, order: plan.order, ripe });
        }
        if plan.is_claimed() {
            replaced = Some(plan.claimed_time);
        }
    }
    list
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
    let known = s.plans.iter().chain(upstream).filter_map(|p| p.release.clone()).chain(from_assembly(s).ok());
    let digits = pin.digest.strip_prefix("sha256:").unwrap_or(&pin.digest);
    let found: BTreeMap<_, ReleaseRef> =
        known.filter(|r| r.digest.hex().starts_with(digits)).map(|r| (r.digest, r)).collect();
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
fn circle(start: &str, stages: &BTreeMap<String, std::sync::Arc<Stage>>) -> Option<Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut path = vec![start.to_owned()];
    walk(start, start, stages, &mut seen, &mut path).then_some(path)
}

fn walk(
    at: &str,
    start: &str,
    stages: &BTreeMap<String, std::sync::Arc<Stage>>,
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
