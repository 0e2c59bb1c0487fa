//! What the upstreams of a stage let go, and what it stays at.

use std::{cmp::Reverse, collections::BTreeMap, ops::Range, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::{
    Snapshot,
    candidate::{Candidate, has_had},
    snapshot::Upstream,
};
use crate::{
    api::{Reason, ReleaseRef, SettledAs, Upstream as PromoteFrom},
    gate::{Opening, PlanView},
    verdict::{Need, Step},
    words::Digest,
};

pub(super) fn upstream_names(s: &Snapshot<'_>) -> String {
    let names: Vec<&str> = s.stage.spec.promote_from.iter().map(|u| u.name.as_str()).collect();
    names.join(" and ")
}

/// What each upstream has to offer, where a release soaks there for as long as `soak` says.
pub(super) fn offers<'a>(
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
pub(super) fn ripe(offers: &[Vec<Offer<'_>>], release: &ReleaseRef) -> Option<Timestamp> {
    offers.iter().try_fold(Timestamp::MIN, |latest, list| {
        let same = list.iter().filter(|o| o.release.digest == release.digest);
        Some(latest.max(same.filter_map(|o| o.ripe).min()?))
    })
}

pub(super) fn promoted(s: &Snapshot<'_>, now: Timestamp) -> Step<Candidate> {
    let names = upstream_names(s);
    let OnOffer { wanted, soaking, passed_over } = on_offer(s, now)?;
    match (wanted, soaking) {
        (Some(Wanted::Begun(release, ripe)), soaking) => {
            let (reason, then) = match ripe {
                Some(at) => (
                    Reason::Soaking,
                    format!("soaks in {names} until {at}; then it goes on, or may be tried again"),
                ),
                None => (
                    Reason::AwaitingUpstream,
                    format!("{names} does not let it go; if that comes, it goes on, or may be tried again"),
                ),
            };
            let next = match &soaking {
                Some((newer, at)) => {
                    format!("release {} soaks there until {at} and takes its place", newer.name)
                }
                None => "a newer release takes its place".to_owned(),
            };
            let message = format!(
                "release {} is deployed here in part, and {then}; {next}; going back takes a pin",
                release.name
            );
            Err(Need::Wait(reason, message, ripe.into_iter().chain(soaking.map(|(_, at)| at)).min()))
        }
        (Some(Wanted::Whole(release)), soaking) => Ok(Candidate { release, soaking, passed_over }),
        (None, Some((release, at))) => Err(Need::Wait(
            Reason::Soaking,
            format!("release {} is verified in {names} and soaks there until {at}", release.name),
            Some(at),
        )),
        (None, None) => {
            let message = format!("{names} lets no release go yet: none is verified there, and has soaked");
            Err(Need::Wait(Reason::AwaitingUpstream, message, None))
        }
    }
}

/// The release that a stage should have.
pub(super) enum Wanted {
    /// One that the upstreams let go, or that this stage has carried out.
    Whole(ReleaseRef),
    /// One that it has carried out in part, and that the upstreams do not let go any more; or not yet, and when they do.
    Begun(ReleaseRef, Option<Timestamp>),
}

/// What there is.
pub(super) struct OnOffer {
    /// The release that this stage should have.
    pub wanted: Option<Wanted>,
    /// A newer one that has not soaked upstream yet, with its time.
    pub soaking: Option<(ReleaseRef, Timestamp)>,
    /// One that the upstreams let go, and of which this stage takes it that it is older than what it has: the first upstream, which would
    /// know, has never had that.
    pub passed_over: Option<ReleaseRef>,
}

pub(super) fn on_offer(s: &Snapshot<'_>, now: Timestamp) -> Step<OnOffer> {
    let own = |u: &PromoteFrom| u.soak.as_ref().map_or(SignedDuration::ZERO, |s| s.get());
    let mut offers = offers(s, |u| own(u).max(s.gate.soak.value))?;
    for list in &mut offers {
        list.retain(|offer| !offer.was_left);
    }
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
    let passed_over = stays.as_ref().filter(|has| upstream_place(s, has.release).is_none()).and(free);
    let wanted = match (&stays, free) {
        (Some(has), _) if has.in_part => {
            let soaks_until = ripe(&offers, has.release).filter(|at| *at > now);
            Some(Wanted::Begun(has.release.clone(), soaks_until))
        }
        (Some(has), _) => Some(Wanted::Whole(has.release.clone())),
        (None, Some(offer)) => Some(Wanted::Whole(offer.release.clone())),
        (None, None) => None,
    };
    Ok(OnOffer { wanted, soaking, passed_over: passed_over.map(|offer| offer.release.clone()) })
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

fn carried_out(plans: &[Arc<PlanView>]) -> impl Iterator<Item = Opening<'_>> {
    plans.iter().flat_map(|p| p.openings()).filter(|o| o.carried_out)
}

/// Where the first upstream has carried out a release last, among its plans.
fn upstream_place(s: &Snapshot<'_>, release: &ReleaseRef) -> Option<u64> {
    let first = first_upstream(s)?;
    carried_out(&first.plans).filter(|o| o.release.digest == release.digest).map(|o| o.order).max()
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
    let first = |release: &ReleaseRef| {
        carried_out(&s.plans).filter(|o| o.release.digest == release.digest).map(|o| o.order).min()
    };
    match first(offer.release) {
        Some(then) => then < first(has.release).unwrap_or(has.order),
        None => {
            let there = first_upstream(s).and_then(|u| first_opened(&u.plans, offer.release));
            there < first_opened(&s.plans, has.release)
        }
    }
}

/// A release that a stage has verified.
pub(super) struct Offer<'a> {
    release: &'a ReleaseRef,
    /// The place of its plan among those of that stage.
    order: u64,
    /// When it has soaked, or will have; `None`: another took its place before.
    ripe: Option<Timestamp>,
    /// Whether that stage has left it since for what it had before, or come back to it: what it was like then tells nothing any more.
    was_left: bool,
}

/// The releases that a stage has deployed in full and verified, newest first.
fn offered(upstream: &Upstream, soak: SignedDuration) -> Vec<Offer<'_>> {
    let mut there: Vec<(Opening<'_>, Option<Timestamp>)> = upstream
        .plans
        .iter()
        .flat_map(|plan| {
            let proven = plan.openings().into_iter().map(|opening| verified(upstream, plan, opening));
            proven.chain(unproven(plan).map(|opening| (opening, None)))
        })
        .collect();
    there.sort_by_key(|(opening, _)| Reverse(opening.order));
    let turns = turns(&there);
    let mut replaced: Option<Timestamp> = None;
    let mut list = Vec::new();
    for (opening, verified) in there {
        if let Some(at) = verified {
            let ripe = at.saturating_add(soak).unwrap_or(at);
            list.push(Offer {
                release: opening.release,
                order: opening.order,
                ripe: replaced.is_none_or(|end| ripe <= end).then_some(ripe),
                was_left: turns.iter().any(|places| places.contains(&opening.order)),
            });
        }
        replaced = opening.claimed.or(replaced);
    }
    list
}

/// An opening, and when what it deployed was verified.
fn verified<'a>(
    upstream: &Upstream,
    plan: &'a PlanView,
    opening: Opening<'a>,
) -> (Opening<'a>, Option<Timestamp>) {
    let (checks, needed) = (&upstream.checks, upstream.identity);
    if opening.order == plan.order {
        return (opening, plan.verified_time(checks, needed));
    }
    // Of releases in which nothing differs for a stage it has all that it was opened for. What is known of checks is about the last claim.
    let stands = opening.carried_out && plan.does_nothing();
    let passed = stands.then(|| plan.all_passed(checks, needed)).flatten();
    (opening, passed.map(|at| at.max(opening.time)))
}

/// What a plan was opened for last, where nothing proves it and it was claimed all the same: what was there before may be gone.
fn unproven(plan: &PlanView) -> Option<Opening<'_>> {
    let release = plan.release.as_ref().filter(|_| !plan.opening_is_proven && plan.is_claimed())?;
    Some(Opening {
        order: plan.order,
        release,
        cdk_stage: plan.cdk_stage.as_deref(),
        time: plan.opened_time,
        claimed: Some(plan.claimed_time),
        carried_out: false,
    })
}

/// Where a stage has turned to a release that it had before, with others in between: from the place where it had it first, up to the last.
fn turns(newest_first: &[(Opening<'_>, Option<Timestamp>)]) -> Vec<Range<u64>> {
    let had = || newest_first.iter().map(|(o, _)| o).filter(|o| o.carried_out || o.claimed.is_some());
    let mut places: BTreeMap<Digest, Range<u64>> = BTreeMap::new();
    for opening in had() {
        places.entry(opening.release.digest).or_insert(opening.order..opening.order).start = opening.order;
    }
    let has_others = |(release, places): &(Digest, Range<u64>)| {
        had().any(|o| places.contains(&o.order) && o.release.digest != *release)
    };
    places.into_iter().filter(has_others).map(|(_, places)| places).collect()
}
