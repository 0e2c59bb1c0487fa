//! What people and checks write is recorded as soon as it is seen: annotations may vanish, the ledger stays.

mod live;
mod owner;
mod proof;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use crate::{
    api::{
        Action, CheckResult, Checked, CloseReason, Decided, DecisionSource, GATE_PREFIX, Identity,
        IdentityNeeded,
    },
    gate::{
        Annotation, Decision, InForceState, Ledger, Marks, PlanView, annotation_digest, parse_annotation,
    },
    verdict::Verdict,
    words::DecisionId,
};

/// Rejects that one plan takes. One is enough to stop it; the admission policies let as many be written at once, and each
/// of them stay until it is recorded.
const MAX_REJECTS: usize = 32;
/// Entries that are written at once.
const AT_ONCE: usize = 64;

use self::proof::Proof;
pub(crate) use self::{
    live::{has_been_rejected, is_forgotten, live_since_recorded, live_since_version},
    owner::Owner,
};

/// What people and checks have written and the ledger does not hold yet.
pub(crate) enum Latched {
    /// It can be recorded.
    Certain(Ledger),
    /// What has to happen first, so that it is certain who decided; and what can be recorded then.
    Uncertain(Verdict, Ledger),
}

/// Looks for what the ledger does not hold yet.
pub(crate) fn latch(o: &Owner<'_>, plan: &PlanView, now: Timestamp) -> Option<Latched> {
    if plan.rejected().is_some() && !plan.is_over() {
        // Stopping comes first: who goes on writing annotations does not put it off.
        return None;
    }
    let on_plan = plan.marks(plan.plan.metadata.annotations.as_ref());
    let on_stage = plan.marks(o.annotations);
    let mut new: Vec<Decided> = Vec::new();
    let mut revokes: Vec<Decided> = Vec::new();
    let mut uncertain: Vec<Decided> = Vec::new();
    let mut proof = Proof::new(o, plan, now);
    let plan_uid = plan.plan.uid().unwrap_or_default();
    let sources = [
        (DecisionSource::ChangePlan, plan_uid.as_str(), &on_plan),
        (DecisionSource::Stage, o.uid.as_str(), &on_stage),
    ];
    for (source, uid, marks) in sources {
        for (key, value, decision) in &marks.decisions {
            // Nothing negative lives on a Stage: a reject there would race with nothing on the plan.
            if source == DecisionSource::Stage && decision.action != Action::Approve {
                continue;
            }
            if !says_something_now(o, plan, source, decision, now)
                || (opens(decision) && is_undated(o, uid, key, value))
            {
                continue;
            }
            let identity = o.enforcement.identity(&decision.by, uid, key, value);
            let decided = decision.recorded(source, identity, plan.id());
            // An approval beforehand is taken once: what is left of it went into this plan when it was opened.
            let beforehand = matches!(decision.id, DecisionId::Release(_));
            if beforehand && o.plans.iter().any(|p| p.name != plan.name && p.has_recorded(&decided)) {
                continue;
            }
            if decided.action == Action::Revoke {
                revokes.push(decided);
                continue;
            }
            let is_new = plan.refuses(&new, decided.action, &decided.by).is_none()
                && !is_known(plan, &decided)
                && !new.iter().any(|d| d.says_the_same(&decided));
            // What stops counts whoever has signed it, and waits for nothing.
            let stops = decided.action == Action::Reject;
            if !is_new {
                continue;
            }
            if stops || proof.holds(identity, source, key, value) {
                new.push(decided);
            } else {
                uncertain.push(decided);
            }
        }
    }
    // A revoke that is seen together with an approval takes it back, whichever came first.
    for revoke in revokes {
        if is_heard(o, plan, &new, &revoke) {
            new.push(after_all_it_takes_back(o, revoke, now));
        }
    }
    let mut reports = reports(o, plan, &plan_uid, &on_plan, &mut proof);
    if !reports.is_empty() {
        reports.sort_by_key(|report| report.result != CheckResult::Failed);
        reports.truncate(plan.room_for_reports(&new));
    }
    let spare = plan.spare(&new);
    let recorded = plan.decisions.iter().filter(|d| d.decided.action == Action::Reject).count();
    let Stops { stops, others, room } = stops(o, plan, &on_stage, &on_plan, new, recorded, now);
    let beforehand = beforehand(o, plan, &mut proof, now).into_iter().take(spare);
    let beforehand = beforehand.filter(|given| !stops.iter().any(|d| d.says_the_same(given)));
    let at_once = AT_ONCE.max(stops.len());
    let decided: Vec<Decided> = stops.iter().cloned().chain(others).chain(beforehand).collect();
    if decided.is_empty() && reports.is_empty() {
        let later = uncertain.into_iter().take(AT_ONCE.min(plan.room()));
        return proof.missing().map(|v| Latched::Uncertain(v, decisions(plan, later, now)));
    }
    let decided = decided.into_iter().take(at_once.min(room));
    let ledger = decisions(plan, decided, now);
    let ledger = reports.into_iter().fold(ledger, |l, c| l.with(|e| e.checked = Some(c)));
    (!ledger.is_empty()).then_some(Latched::Certain(ledger))
}

/// What is recorded now, what stops first.
struct Stops {
    /// The first reject; what people who revoke have approved before, recorded or not; their revokes; further rejects. All of it, or what
    /// finds room.
    stops: Vec<Decided>,
    /// What others let run.
    others: Vec<Decided>,
    /// How many entries there is room for.
    room: usize,
}

/// Puts what is new in the order that it is recorded in. A stop always finds room; the rest has to leave what the end of the plan needs.
/// `recorded`: how many rejects are in the ledger.
fn stops(
    o: &Owner<'_>,
    plan: &PlanView,
    on_stage: &Marks<'_>,
    on_plan: &Marks<'_>,
    new: Vec<Decided>,
    recorded: usize,
    now: Timestamp,
) -> Stops {
    let mut before = unheard_of(o, plan, on_stage, on_plan, &new, now);
    if new.iter().any(|d| d.action == Action::Reject) {
        before.extend(standing(o, plan, on_stage, on_plan, &new, &before));
    }
    let (rejects, new): (Vec<_>, Vec<_>) = new.into_iter().partition(|d| d.action == Action::Reject);
    let mut rejects = rejects.into_iter().take(MAX_REJECTS.saturating_sub(recorded));
    let (revokes, new): (Vec<_>, Vec<_>) = new.into_iter().partition(|d| d.action == Action::Revoke);
    let (own, others): (Vec<_>, Vec<_>) =
        new.into_iter().partition(|d| revokes.iter().any(|revoke| revoke.by == d.by));
    let first = if plan.rejected().is_none() { rejects.next() } else { None };
    let always = revokes.len() + usize::from(first.is_some());
    before.extend(own);
    // Nobody fills the place of what others take back.
    let free = plan.room_for_stops().saturating_sub(plan.revokes_to_come() + always);
    let before = of_whole_authors(before, free);
    let more: Vec<_> = rejects.take(free.saturating_sub(before.len())).collect();
    let stops = first.into_iter().chain(before).chain(revokes).chain(more).collect();
    Stops { stops, others, room: plan.room_for_stops().max(always).min(plan.left()) }
}

/// What finds room of what people have approved: all of a person's or nothing, those first who have written the least. Nobody takes the
/// place of others by writing much.
fn of_whole_authors(given: Vec<Decided>, room: usize) -> Vec<Decided> {
    let mut by_author: BTreeMap<&str, usize> = BTreeMap::new();
    for decided in &given {
        *by_author.entry(&decided.by).or_default() += 1;
    }
    let mut authors: Vec<(usize, &str)> = by_author.into_iter().map(|(by, many)| (many, by)).collect();
    authors.sort_unstable();
    let mut left = room;
    let fits = |(many, by): (usize, &str)| {
        left = left.checked_sub(many)?;
        Some(by.to_owned())
    };
    let fitting: BTreeSet<String> = authors.into_iter().map_while(fits).collect();
    given.into_iter().filter(|d| fitting.contains(&d.by)).collect()
}

/// Whether this revoke says something new and is recorded: one that takes something back always is, wherever that is kept. One takes back
/// all that its author has approved: others that come with it are judged by what is left then.
fn is_heard(o: &Owner<'_>, plan: &PlanView, new: &[Decided], revoke: &Decided) -> bool {
    if new.iter().any(|d| d.action == Action::Revoke && d.by == revoke.by) {
        return false;
    }
    let has_room = || {
        plan.refuses(new, revoke.action, &revoke.by).is_none()
            || o.plans.iter().any(|p| p.carries_of(&revoke.by))
    };
    !is_taken_back(plan, new, revoke) && has_room()
}

/// The approvals of the release of a plan that is rejected now which no ledger holds. Written down as proven by nothing they
/// never count; left out, they could not be told from those that are given after the reject.
fn standing(
    o: &Owner<'_>,
    plan: &PlanView,
    on_stage: &Marks<'_>,
    on_plan: &Marks<'_>,
    new: &[Decided],
    before: &[Decided],
) -> Vec<Decided> {
    let sources = [(DecisionSource::Stage, on_stage), (DecisionSource::ChangePlan, on_plan)];
    let all = sources
        .into_iter()
        .flat_map(|(source, marks)| marks.decisions.iter().map(move |(_, _, decision)| (source, decision)));
    all.filter(|(_, d)| matches!(d.id, DecisionId::Release(_)))
        .map(|(source, d)| d.recorded(source, Identity::Unverified, plan.id()))
        .filter(|d| !o.plans.iter().any(|p| p.has_recorded(d)))
        .filter(|d| !new.iter().chain(before).any(|n| n.says_the_same(d)))
        .collect()
}

/// A revoke as it is recorded: not before what it takes back, also where the clock was set back since, or another controller's is ahead.
fn after_all_it_takes_back(o: &Owner<'_>, revoke: Decided, now: Timestamp) -> Decided {
    let given = o.plans.iter().flat_map(|p| p.decisions.iter().chain(&p.beforehand));
    let own = given.filter(|r| r.is_carried() && r.decided.by == revoke.by);
    let since = own.map(|r| r.since).max().filter(|last| *last > now);
    Decided { since: since.map(Time), ..revoke }
}

/// What those who take something back in the same moment have approved before, of this plan or beforehand, and no ledger holds yet: it
/// could not be told from what they give after the revoke. Written down before that, and as proven by nothing.
fn unheard_of(
    o: &Owner<'_>,
    plan: &PlanView,
    on_stage: &Marks<'_>,
    on_plan: &Marks<'_>,
    new: &[Decided],
    now: Timestamp,
) -> Vec<Decided> {
    let revoking: BTreeSet<&str> =
        new.iter().filter(|d| d.action == Action::Revoke).map(|d| d.by.as_str()).collect();
    if revoking.is_empty() {
        return Vec::new();
    }
    let named = [(DecisionSource::ChangePlan, on_plan), (DecisionSource::Stage, on_stage)];
    let named = named
        .into_iter()
        .flat_map(|(source, marks)| marks.decisions.iter().map(move |(_, _, d)| (source, d.clone())));
    let said = o.annotations.into_iter().flatten().filter_map(|(key, value)| parse_annotation(key, value));
    let beforehand = said.filter_map(|said| match said {
        Ok(Annotation::Decision(d)) if matches!(d.id, DecisionId::Release(_)) => {
            Some((DecisionSource::Stage, d))
        }
        Ok(Annotation::Decision(_) | Annotation::Report(_)) | Err(_) => None,
    });
    let mut found: Vec<Decided> = Vec::new();
    for (source, given) in named.chain(beforehand) {
        let is_past = given.until.is_some_and(|until| now >= until);
        if !opens(&given) || is_past || !revoking.contains(given.by.as_str()) {
            continue;
        }
        let given = given.recorded(source, Identity::Unverified, plan.id());
        // The words that name a change may be those of another change.
        let is_recorded = match given.under {
            None => plan.has_recorded(&given),
            Some(_) => o.plans.iter().any(|p| p.has_recorded(&given)),
        };
        let is_new = !is_recorded && !new.iter().chain(&found).any(|known| known.says_the_same(&given));
        if is_new && !plan.holds_enough_of(&found, &given.by) {
            found.push(given);
        }
    }
    found
}

fn decisions(plan: &PlanView, decided: impl Iterator<Item = Decided>, now: Timestamp) -> Ledger {
    decided.fold(plan.ledger(now), |l, d| l.with(|e| e.decided = Some(d)))
}

/// Approvals of releases (a1) that have no plan which waits for them. They are kept in the newest ledger that there is, with the time
/// that they were first seen, and go into their plan when it is opened.
fn beforehand(o: &Owner<'_>, newest: &PlanView, proof: &mut Proof<'_>, now: Timestamp) -> Vec<Decided> {
    let mut new = Vec::new();
    for (key, value) in o.annotations.into_iter().flatten().filter(|_| is_told_apart(o)) {
        let Some(Ok(Annotation::Decision(d))) = parse_annotation(key, value) else { continue };
        let DecisionId::Release(a1) = &d.id else { continue };
        // One that is over may come back, or another one of it: this is as old as it is then.
        let planned = o
            .plans
            .iter()
            .any(|p| p.proposal().a1.as_ref() == Some(a1) && (p.name == newest.name || !p.is_over()));
        let is_late = is_undated(o, o.uid.as_str(), key, value);
        if planned || is_late || d.action != Action::Approve || d.until.is_some_and(|until| now >= until) {
            continue;
        }
        let identity = o.enforcement.identity(&d.by, o.uid.as_str(), key, value);
        let decided = d.recorded(DecisionSource::Stage, identity, newest.id());
        let known = o.plans.iter().any(|p| p.has_recorded(&decided));
        let is_kept = !known && newest.refuses_beforehand(&new, &decided.by, now).is_none();
        if is_kept && proof.holds(identity, DecisionSource::Stage, key, value) {
            new.push(decided);
        }
    }
    new
}

/// A reject is remembered for good. The others are forgotten with what used them up, and their annotations stay: only
/// what the whole ledger does not hold is new.
fn is_known(plan: &PlanView, decided: &Decided) -> bool {
    match decided.action {
        Action::Reject => plan.decisions.iter().any(|d| d.decided.says_the_same(decided)),
        Action::Approve | Action::Revoke | Action::Retry | Action::Override => plan.has_recorded(decided),
    }
}

/// Whether this revoke says nothing new: it is recorded, and its author has approved nothing since, nor does so in what is
/// recorded with it. Who repeats a revoke in the same words would see no error and no effect otherwise. That one which still
/// stands takes back a new approval of its author, too, is the safe side: nothing tells it from one that was put back.
fn is_taken_back(plan: &PlanView, new: &[Decided], revoke: &Decided) -> bool {
    let recorded = plan.plan.spec.ledger.iter().filter_map(|e| e.decided.as_ref());
    recorded.chain(new).fold(false, |known, d| match d.action {
        Action::Revoke => known || d.says_the_same(revoke),
        Action::Approve | Action::Override => known && d.by != revoke.by,
        Action::Reject | Action::Retry => known,
    })
}

/// Stops on a plan that has made way: what was approved of its release or its change may stand in another one.
pub(crate) fn late_stops<'a>(o: &Owner<'a>, now: Timestamp) -> Option<(&'a PlanView, Ledger)> {
    let made_way = o.plans.iter().skip(1).filter(|plan| carries_stops(plan));
    made_way.into_iter().find_map(|plan| {
        let marks = plan.marks(plan.plan.metadata.annotations.as_ref());
        let uid = plan.plan.uid().unwrap_or_default();
        let mut new: Vec<Decided> = Vec::new();
        for (key, value, decision) in &marks.decisions {
            if !matches!(decision.action, Action::Reject | Action::Revoke) {
                continue;
            }
            let identity = o.enforcement.identity(&decision.by, &uid, key, value);
            let decided = decision.recorded(DecisionSource::ChangePlan, identity, plan.id());
            let is_new = match decided.action {
                Action::Revoke => is_heard(o, plan, &new, &decided),
                Action::Reject | Action::Approve | Action::Retry | Action::Override => {
                    !is_known(plan, &decided) && !new.iter().any(|d| d.says_the_same(&decided))
                }
            };
            let rejects = |d: &&Decided| d.action == Action::Reject;
            let recorded = plan.decisions.iter().map(|r| &r.decided).chain(&new).filter(rejects).count();
            let is_one_too_many = decided.action == Action::Reject && recorded >= MAX_REJECTS;
            if is_new && !is_one_too_many {
                new.push(if decided.action == Action::Revoke {
                    after_all_it_takes_back(o, decided, now)
                } else {
                    decided
                });
            }
        }
        let recorded = plan.decisions.iter().filter(|r| r.decided.action == Action::Reject).count();
        let Stops { stops, others: _, room } =
            stops(o, plan, &plan.marks(o.annotations), &marks, new, recorded, now);
        let ledger = decisions(plan, stops.into_iter().take(room), now);
        (!ledger.is_empty() && ledger.fits()).then_some((&**plan, ledger))
    })
}

/// Whether anything on a plan stops: most carry old approvals only.
fn carries_stops(plan: &PlanView) -> bool {
    let keys = plan.plan.metadata.annotations.iter().flatten().map(|(key, _)| key);
    let mut said = keys.filter_map(|key| key.strip_prefix(GATE_PREFIX));
    said.any(|word| word.starts_with("reject") || word.starts_with("revoke"))
}

/// Whether the opening of a plan says that nobody knows how old it is. What is of a release says nothing of its other plans, either.
fn is_undated(o: &Owner<'_>, uid: &str, key: &str, value: &str) -> bool {
    if !o.plans.iter().any(|p| p.has_ignored_some()) {
        return false;
    }
    let digest = annotation_digest(uid, key, value);
    o.plans.iter().any(|p| p.ignores(&digest))
}

/// Whether it lets a plan run.
fn opens(decision: &Decision) -> bool {
    matches!(decision.action, Action::Approve | Action::Override)
}

/// Whether a decision means anything in the state that the plan is in.
fn says_something_now(
    o: &Owner<'_>,
    plan: &PlanView,
    source: DecisionSource,
    decision: &Decision,
    now: Timestamp,
) -> bool {
    let failed = plan.closed.as_ref().is_some_and(|c| c.reason == CloseReason::Failed);
    // A change of toolkit stacks may go out for weeks.
    let goes_out = plan.is_going_out();
    let open = !plan.is_over() && !plan.is_claimed();
    match decision.action {
        // Whatever has become of the plan: its release, or this very change, may come back, and it may keep approvals of another
        // one. And until they are recorded, the admission policies keep both on the plan.
        Action::Reject | Action::Revoke => true,
        Action::Retry => failed && is_told_apart(o),
        Action::Approve | Action::Override => {
            // Of a release it is kept for its next plan.
            let counts = open
                || (goes_out && decision.action == Action::Override)
                || (matches!(decision.id, DecisionId::Release(_)) && plan.rejected().is_none());
            let is_past = decision.until.is_some_and(|until| now >= until);
            counts && is_told_apart(o) && (!is_past || takes_the_place(plan, source, decision))
        }
    }
}

/// Whether it stands where its author has written another one, which is recorded: that holds no longer than this one does.
fn takes_the_place(plan: &PlanView, source: DecisionSource, decision: &Decision) -> bool {
    let Decision { action, by, slot, .. } = decision;
    let mut recorded = plan.decisions.iter().map(|r| &r.decided);
    recorded.any(|d| d.source == source && d.action == *action && d.by == *by && d.slot == *slot)
}

/// Whether it is known yet if the policies are in force. Before that, what would be recorded as unproven stays so for good.
fn is_told_apart(o: &Owner<'_>) -> bool {
    match o.enforcement.state {
        InForceState::Unknown => o.identity == IdentityNeeded::Any,
        InForceState::InForce | InForceState::NotInForce => true,
    }
}

/// Reports of the checks of this Stage on what has been deployed.
fn reports(
    o: &Owner<'_>,
    plan: &PlanView,
    uid: &str,
    marks: &Marks<'_>,
    proof: &mut Proof<'_>,
) -> Vec<Checked> {
    if !plan.is_complete() || !is_told_apart(o) {
        return Vec::new();
    }
    let wanted = |name: &str| o.checks.iter().any(|c| c.name == name);
    let mut new = Vec::new();
    for (key, value, report) in marks.reports.iter().filter(|(_, _, r)| wanted(&r.name)) {
        let checked = report.recorded(o.enforcement.identity(&report.by, uid, key, value));
        let known = plan.has_heard(&checked);
        // That something has failed counts whoever says so.
        let failed = checked.result == CheckResult::Failed;
        if !known && (failed || proof.holds(checked.identity, DecisionSource::ChangePlan, key, value)) {
            new.push(checked);
        }
    }
    new
}
