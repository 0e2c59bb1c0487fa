//! Which release the stage should have.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use super::{Snapshot, snapshot::Upstream};
use crate::{
    api::{Pin, Promotion, Reason, ReleaseRef, SettledAs, Stage, Upstream as PromoteFrom},
    gate::PlanView,
    verdict::{Need, Step},
    words::Digest,
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
        (Some(Free::Begun(release, ripe)), soaking) => {
            let (reason, until) = match ripe {
                Some(at) => (Reason::Soaking, format!("soaks in {names} until {at}")),
                None => (Reason::AwaitingUpstream, format!("is not verified in {names} any more")),
            };
            let message = format!(
                "release {} is deployed here in part, and {until}: then it goes on, or may be tried again; or make a newer one. Going back \
                 takes a pin",
                release.name
            );
            Err(Need::Wait(reason, message, ripe.into_iter().chain(soaking.map(|(_, at)| at)).min()))
        }
        (Some(Free::Whole(release)), soaking) => Ok(Candidate { release, soaking }),
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

/// A release that nothing upstream stands against.
enum Free {
    /// That the upstreams let go, or that this stage has carried out.
    Whole(ReleaseRef),
    /// That it has carried out in part, and that the upstreams do not let go any more; or not yet, and when they do.
    Begun(ReleaseRef, Option<Timestamp>),
}

/// The release that this stage should have, and a newer one that has not soaked upstream yet, with its time.
type OnOffer = (Option<Free>, Option<(ReleaseRef, Timestamp)>);

fn on_offer(s: &Snapshot<'_>, now: Timestamp) -> Step<OnOffer> {
    let own = |u: &PromoteFrom| u.soak.as_ref().map_or(SignedDuration::ZERO, |s| s.get());
    let offers = offers(s, |u| own(u).max(s.gate.soak.value))?;
    let first = offers.first().map_or(&[][..], Vec::as_slice);
    let ripe_time = |offer: &Offer<'_>| ripe(&offers, offer.release);
    let free = first.iter().find(|offer| ripe_time(offer).is_some_and(|at| at <= now));
    let stays = has(s).filter(|has| free.is_none_or(|offer| is_older(s, offer, has)));
    let is_news = |offer: &Offer<'_>| match (&stays, free) {
        (Some(has), _) => offer.release.digest != has.release.digest && !is_older(s, offer, has),
        (None, Some(free)) => offer.order > free.order,
        (None, None) => true,
    };
    let soaking = first.iter().find_map(|offer| {
        let at = ripe_time(offer).filter(|at| *at > now && is_news(offer))?;
        Some((offer.release.clone(), at))
    });
    let release = match (&stays, free) {
        (Some(has), _) if has.in_part => Some(Free::Begun(has.release.clone(), ripe(&offers, has.release))),
        (Some(has), _) => Some(Free::Whole(has.release.clone())),
        (None, Some(offer)) => Some(Free::Whole(offer.release.clone())),
        (None, None) => None,
    };
    Ok((release, soaking))
}

/// What this stage has: the newest release of which it has carried out anything.
struct Has<'a> {
    release: &'a ReleaseRef,
    /// The place of its plan among those of this stage.
    order: u64,
    /// Whether some of it is still to be done.
    in_part: bool,
}

fn has<'a>(s: &'a Snapshot<'_>) -> Option<Has<'a>> {
    let begun = |p: &PlanView| p.settled.values().any(|x| x.outcome == SettledAs::Succeeded);
    let is_of_this = |p: &PlanView| p.cdk_stage.as_deref() == s.stage.spec.cdk_stage.as_deref();
    let mut had =
        s.plans.iter().filter(|p| is_of_this(p) && (p.is_complete() || (p.opening_is_proven && begun(p))));
    let plan = had.next()?;
    let release = plan.release.as_ref()?;
    // What it has had as a whole it may have again, with other values.
    Some(Has { release, order: plan.order, in_part: !has_had(s, release) })
}

/// When a release was planned first, as far as that is proven.
fn first_opened(plans: &[Arc<PlanView>], release: &ReleaseRef) -> Option<Timestamp> {
    let entries = plans.iter().flat_map(|p| p.written());
    let of_this = entries.filter(|e| {
        e.opened.as_ref().and_then(|o| o.release.as_ref()).is_some_and(|r| r.digest == release.digest)
    });
    of_this.map(|e| e.time.0).min()
}

fn first_upstream<'a>(s: &'a Snapshot<'_>) -> Option<&'a Upstream> {
    s.upstreams.get(&s.stage.spec.promote_from.first()?.name)
}

/// Where the first upstream has carried out a release last, among its plans.
fn upstream_place(s: &Snapshot<'_>, release: &ReleaseRef) -> Option<u64> {
    let first = first_upstream(s)?;
    let had = first.plans.iter().flat_map(|p| p.carried_out());
    had.filter(|(_, digest)| *digest == release.digest).map(|(order, _)| order).max()
}

/// Whether what is on offer comes before what this stage has: a check that fails now, a longer soak or another upstream holds back what
/// comes after, and nobody goes back by it, but by a pin, or with the first upstream.
fn is_older(s: &Snapshot<'_>, offer: &Offer<'_>, has: &Has<'_>) -> bool {
    if offer.release.digest == has.release.digest {
        return false;
    }
    if let Some(place) = upstream_place(s, has.release) {
        return offer.order < place;
    }
    // The first upstream knows nothing of what is here: what this stage had first is older, else what was planned first.
    let own: Vec<(u64, Digest)> = s.plans.iter().flat_map(|p| p.carried_out()).collect();
    let first = |release: &ReleaseRef| {
        own.iter().filter(|(_, d)| *d == release.digest).map(|(order, _)| *order).min()
    };
    match first(offer.release) {
        Some(then) => then < first(has.release).unwrap_or(has.order),
        None => {
            let there = first_upstream(s).and_then(|u| first_opened(&u.plans, offer.release));
            there < first_opened(&s.plans, has.release)
        }
    }
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
    let free = free.map(|(Free::Whole(release) | Free::Begun(release, _))| release);
    let mut offered = free.into_iter().chain(soaking.map(|(release, _)| release)).filter(|r| !is_planned(r));
    offered.next().or_else(|| from_assembly(s).ok().filter(|r| !is_planned(r) && !was_had(r)))
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
