//! What a ledger takes of decisions. Approvals are bounded, for each person and in all, and never take the room that stops need:
//! else one approver could fill it, and what another rejects or takes back would run.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    PlanView, Recorded, Report,
    ledger::{self, Held},
    tally::{BEFOREHAND, BEFOREHAND_TTL},
};
use crate::{
    api::{Action, Decided, DecisionSource, Identity, Opened, ProposalKind},
    words::DecisionId,
};

/// Approvals, overrides and retries, each, that count for one execution.
const MAX_OF_A_KIND: usize = 64;
/// As many of them as one person gives, and as many revokes that take nothing back. Who changes their mind more often than that does not
/// know it.
const MAX_OF_A_PERSON: usize = 8;
/// Approvals and overrides of one person that nothing proves.
const MAX_WRITTEN_DOWN: usize = 64;
/// Revokes that take nothing back.
const MAX_IDLE: usize = 32;

/// Why a decision is not recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Full {
    /// Nobody's is any more.
    #[error(
        "the ledger takes no more of these: what is left is kept for rejects and revokes; another change has a plan of its own"
    )]
    Ledger,
    /// This person's is not any more.
    #[error(
        "its author has done so {MAX_OF_A_PERSON} times on this plan, and no more is recorded: somebody else has to decide"
    )]
    Person,
    /// This person's of releases that have no plan yet are not for a while.
    #[error("its author has given {MAX_OF_A_PERSON} within {BEFOREHAND}; {LATER}")]
    Beforehand,
    /// Nobody's of releases that have no plan yet are.
    #[error("{MAX_OF_A_KIND} were given within {BEFOREHAND}; {LATER}")]
    BeforehandOfAll,
}

/// What comes of an approval beforehand that finds no room.
const LATER: &str =
    "it is recorded once a place is free, and counts as long from then on: take it away if that is too late";

/// How approvals and revokes of a plan stand to each other.
#[derive(Default)]
struct Standing<'a> {
    /// Whose approval or override no revoke of their own has taken back.
    people: BTreeSet<&'a str>,
    /// Whose revokes took nothing back, one by one.
    idle: Vec<&'a str>,
}

/// The most annotations that an opening says not to count (`Opened.stood`).
const MOST_STOOD: usize = 256;

/// What is said of a revoke that stands there and takes nothing back.
const IDLE: &str =
    "it takes nothing back, is not recorded, and takes back what its author approves here later";
const NO_REPORT: &str =
    "it is not recorded: the ledger takes no more reports; the plan of another change has room";
const OLD_REPORT: &str = "it is of the deployment before this one, and says nothing of this one: report again, in other words (;reason=…)";
const CLOSED: &str = "it does not count, also where this very plan is opened again: that was closed before; where something waits, it is another \
                      plan";
const REJECTED: &str = "it is not recorded: this plan is rejected; where the release is planned anew, sign again then, in another slot";
const CAME_WHILE_CLOSED: &str =
    "it does not count: it came while this plan was closed; sign again, in another slot";

impl PlanView {
    /// How many more decisions and reports the ledger takes. What a stack needs until its end always has room.
    #[must_use]
    pub fn room(&self) -> usize {
        self.held().room()
    }

    /// How many more rejects and revokes it takes, and what has to be written down before them.
    #[must_use]
    pub fn room_for_stops(&self) -> usize {
        self.held().room_for_stops()
    }

    /// How many more entries of any kind it takes.
    #[must_use]
    pub fn left(&self) -> usize {
        ledger::left(self.plan.spec.ledger.len())
    }

    /// Whether it may be opened again by this entry and so many decisions, and has room for all that comes of it.
    #[must_use]
    pub fn takes_opening(&self, opened: &Opened, decisions: &[Decided]) -> bool {
        let then = self.ledger(self.opened_time).with(|e| e.opened = Some(opened.clone()));
        let then = decisions.iter().fold(then, |l, d| l.with(|e| e.decided = Some(d.clone())));
        if opened.stood.len() > MOST_STOOD || self.once_recorded(&then).is_full(Action::Approve) {
            return false;
        }
        let stacks = self.proposal().stacks.len();
        let held = self.plan.spec.ledger.len() + decisions.len();
        ledger::takes_opening(held, stacks, ledger::written(&self.plan.spec), ledger::written(opened))
    }

    fn held(&self) -> Held {
        Held { entries: self.plan.spec.ledger.len(), bytes: self.bytes, to_come: self.to_come() }
    }

    /// How many stacks may still be claimed and come to an end.
    fn to_come(&self) -> usize {
        match self.proposal().kind {
            ProposalKind::Stage if self.is_over() => 0,
            ProposalKind::Stage => self.proposal().stacks.len(),
            // It names none. Many are claimed by one entry, so what each needs is one for its end, and as much again for those that come.
            ProposalKind::Bootstrap => {
                let running = self.claims.keys().filter(|key| !self.settled.contains_key(*key)).count();
                self.owned.len().max(running)
            }
        }
    }

    /// What stands against recording a decision of this kind by this person on top of these new ones; `None`: there is room.
    /// A reject, and a revoke that takes back what this plan holds, always have room.
    #[must_use]
    pub fn refuses(&self, new: &[Decided], action: Action, by: &str) -> Option<Full> {
        let Standing { people, idle } = self.standing(new);
        match action {
            Action::Reject => None,
            Action::Revoke => {
                if people.contains(by) {
                    return None;
                }
                let free = self.room_for_stops().saturating_sub(new.len());
                if idle.len() >= MAX_IDLE || free <= people.len() {
                    return Some(Full::Ledger);
                }
                (idle.iter().filter(|author| **author == by).count() >= MAX_OF_A_PERSON)
                    .then_some(Full::Person)
            }
            Action::Approve | Action::Override | Action::Retry => {
                if self.holds_enough_of(new, by) {
                    return Some(Full::Person);
                }
                let given: Vec<&Decided> = self.with(new).filter(|d| d.action == action).collect();
                let free = self.room().saturating_sub(new.len());
                // Its own place, and one for each revoke that may come, its own included.
                let others = people.iter().filter(|p| **p != by).count();
                if given.len() >= MAX_OF_A_KIND || free < others + 2 {
                    return Some(Full::Ledger);
                }
                (given.into_iter().filter(|d| d.by == by).count() >= MAX_OF_A_PERSON).then_some(Full::Person)
            }
        }
    }

    /// Whether nobody's decision of this kind is recorded any more.
    #[must_use]
    pub fn is_full(&self, action: Action) -> bool {
        // Nobody is called that: a line break is no part of a name.
        self.refuses(&[], action, "\n").is_some()
    }

    /// How many entries the ledger takes on top of these new decisions, beyond what revokes may need.
    #[must_use]
    pub fn spare(&self, new: &[Decided]) -> usize {
        self.room().saturating_sub(new.len()).saturating_sub(self.standing(new).people.len())
    }

    /// Whether so many approvals and overrides of this person were written down unproven, besides these, that no more are: nothing but a
    /// revoke of their own writes them down one by one. None of theirs is recorded from then on, else it would count after that revoke.
    #[must_use]
    pub fn holds_enough_of(&self, new: &[Decided], by: &str) -> bool {
        let recorded = self.plan.spec.ledger.iter().filter_map(|e| e.decided.as_ref());
        let is_opening = |d: &&Decided| d.by == by && matches!(d.action, Action::Approve | Action::Override);
        let unproven = |d: &&Decided| is_opening(d) && d.identity == Identity::Unverified;
        recorded.filter(unproven).count() + new.iter().filter(unproven).count() >= MAX_WRITTEN_DOWN
    }

    /// How many people may still take back what they approved.
    #[must_use]
    pub fn revokes_to_come(&self) -> usize {
        self.standing(&[]).people.len()
    }

    /// How many reports of checks it takes on top of these: nobody approves less for them.
    #[must_use]
    pub fn room_for_reports(&self, new: &[Decided]) -> usize {
        self.spare(new).saturating_sub(MAX_OF_A_KIND)
    }

    /// All that was decided of this plan since it was claimed last, taken back or not, and these new ones.
    fn with<'a>(&'a self, new: &'a [Decided]) -> impl Iterator<Item = &'a Decided> {
        let taken_back = self.taken_back.iter().filter(|r| !self.is_kept_for_another(r));
        let mut recorded: Vec<&Recorded> = self.decisions.iter().chain(taken_back).collect();
        recorded.sort_by_key(|r| r.place);
        recorded.into_iter().map(|r| &r.decided).chain(new).filter(|d| d.identity != Identity::System)
    }

    /// What stands against recording another approval of this person for a release that has no plan yet, besides these new ones. Those that
    /// were taken back have their place, too, for as long as one counts at most.
    #[must_use]
    pub fn refuses_beforehand(&self, new: &[Decided], by: &str, now: Timestamp) -> Option<Full> {
        // Whatever end their author has given them: else their places are free as soon as that author likes.
        let young = self.kept_for_others().filter(|r| now < r.aged(BEFOREHAND_TTL));
        let kept: Vec<&Decided> = young.map(|r| &r.decided).chain(new).collect();
        if self.holds_enough_of(new, by) {
            Some(Full::Person)
        } else if kept.iter().filter(|d| d.by == by).count() >= MAX_OF_A_PERSON {
            Some(Full::Beforehand)
        } else if kept.len() >= MAX_OF_A_KIND {
            Some(Full::BeforehandOfAll)
        } else {
            (self.spare(new) == 0).then_some(Full::Ledger)
        }
    }

    /// The approvals of releases that have no plan yet which would count now, and until when each does at the longest.
    pub fn kept(&self, now: Timestamp) -> impl Iterator<Item = (&Recorded, Timestamp)> {
        self.beforehand.iter().map(|r| (r, r.counts_until(BEFOREHAND_TTL))).filter(move |(_, end)| now < *end)
    }

    /// All approvals of releases that have no plan yet which its ledger holds, taken back or not.
    pub fn kept_for_others(&self) -> impl Iterator<Item = &Recorded> {
        self.beforehand.iter().chain(self.taken_back.iter().filter(|r| self.is_kept_for_another(r)))
    }

    fn is_kept_for_another(&self, recorded: &Recorded) -> bool {
        matches!(&recorded.decided.under, Some(DecisionId::Release(a1)) if self.proposal().a1.as_ref() != Some(a1))
    }

    fn standing<'a>(&'a self, new: &'a [Decided]) -> Standing<'a> {
        let mut found = Standing::default();
        for d in self.with(new) {
            match d.action {
                Action::Approve | Action::Override => {
                    found.people.insert(d.by.as_str());
                }
                Action::Revoke => {
                    if !found.people.remove(d.by.as_str()) {
                        found.idle.push(&d.by);
                    }
                }
                Action::Reject | Action::Retry => {}
            }
        }
        // What is kept for another plan is taken back here, too.
        found.people.extend(self.beforehand.iter().map(|r| r.decided.by.as_str()));
        found
    }

    /// Approvals, overrides and revokes that stand there well-formed and will not be recorded, and why.
    #[must_use]
    pub fn unheard<'a>(
        &self,
        annotations: Option<&'a BTreeMap<String, String>>,
        source: DecisionSource,
        now: Timestamp,
    ) -> Vec<(&'a str, String)> {
        // A Stage may go on carrying what is over: git does.
        let is_on_plan = source == DecisionSource::ChangePlan;
        let over = self.closed.is_some() && is_on_plan;
        let is_too_late = !over && (self.is_over() || self.is_claimed());
        let marks = self.marks(annotations);
        let told = marks.decisions.into_iter().filter(|(_, _, d)| match d.action {
            // Of a release it is kept for the next plan.
            Action::Approve => !is_too_late || matches!(d.id, DecisionId::Release(_)),
            Action::Override => !is_too_late && is_on_plan,
            Action::Revoke => is_on_plan,
            Action::Reject | Action::Retry => false,
        });
        told.filter_map(|(key, value, d)| {
            let decided = d.recorded(source, Identity::Unverified, self.id());
            let opens = d.action != Action::Revoke;
            let why = match d.until {
                _ if over && opens => CLOSED.to_owned(),
                _ if opens && !is_too_late && self.came_while_closed(source, key, value) => {
                    CAME_WHILE_CLOSED.to_owned()
                }
                Some(until) if until <= now && opens && !is_too_late => {
                    format!("it is not recorded, and does not count: until={until} is in the past")
                }
                Some(_) | None
                    if opens && matches!(d.id, DecisionId::Release(_)) && self.rejected().is_some() =>
                {
                    REJECTED.to_owned()
                }
                Some(_) | None => {
                    let full = self.refuses(&[], d.action, &d.by)?;
                    if opens { full.to_string() } else { format!("{IDLE}: {full}") }
                }
            };
            (!self.has_recorded(&decided)).then_some((key, why))
        })
        .collect()
    }

    /// Reports that stand on the plan, say something new, and will not be recorded, and why.
    #[must_use]
    pub fn unheard_reports<'a>(&self, reports: &[(&'a str, &'a str, Report)]) -> Vec<(&'a str, String)> {
        if !self.is_complete() {
            return Vec::new();
        }
        let is_full = self.room_for_reports(&[]) == 0;
        let why = |report: &Report| {
            let said = report.recorded(Identity::Unverified);
            let is_lost = is_full && !self.has_heard(&said);
            if self.is_outdated(&said) { Some(OLD_REPORT) } else { is_lost.then_some(NO_REPORT) }
        };
        reports.iter().filter_map(|(key, _, report)| Some((*key, why(report)?.to_owned()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{api::ChangePlan, plan::by_rule};

    /// A plan with this many stacks and these decisions, action and author.
    fn plan(stacks: usize, decisions: &[(&str, String)]) -> PlanView {
        let digest = crate::words::Digest::of("x").to_string();
        let stack = |n: usize| {
            serde_json::json!({
                "account": "333333333333", "region": "eu-west-1", "stackName": format!("S{n}"), "qualifier": "acme",
                "artifact": "S", "plan": "Prepared", "input": digest, "leaf": digest,
                "count": { "add": 1, "modify": 0, "remove": 0, "replace": 0, "maybeReplace": 0 }
            })
        };
        let time = "2026-11-24T00:00:00Z";
        let opened = serde_json::json!({ "seq": 0, "time": time, "opened": { "order": 1 } });
        let decided = decisions.iter().zip(1..).map(|((action, by), seq): (_, u32)| {
            serde_json::json!({ "seq": seq, "time": time, "decided": {
                "action": action, "by": by, "identity": "Verified", "source": "ChangePlan", "slot": seq.to_string()
            } })
        });
        let spec = serde_json::json!({
            "proposal": {
                "kind": "Stage", "name": "prod", "uid": "u", "operation": "Deploy",
                "id": format!("c1-{}", "0".repeat(40)), "stacks": (0..stacks).map(stack).collect::<Vec<_>>()
            },
            "ledger": std::iter::once(opened).chain(decided).collect::<Vec<_>>()
        });
        PlanView::new(Arc::new(ChangePlan::new("prod-0", serde_json::from_value(spec).unwrap()))).unwrap()
    }

    fn approvals(people: usize, each: usize) -> Vec<(&'static str, String)> {
        (0..people).flat_map(|p| (0..each).map(move |_| ("Approve", format!("p{p}")))).collect()
    }

    #[rstest::rstest]
    #[case::while_it_waits(None, DecisionSource::ChangePlan, false)]
    #[case::once_it_is_closed(Some("Superseded"), DecisionSource::ChangePlan, true)]
    #[case::a_stage_that_git_goes_on_writing(Some("Superseded"), DecisionSource::Stage, false)]
    fn who_approves_a_plan_that_is_over_is_told(
        #[case] closed: Option<&str>,
        #[case] source: DecisionSource,
        #[case] told: bool,
    ) {
        let mut object = ChangePlan::clone(&plan(1, &[]).plan);
        let closing = closed.map(|reason| {
            serde_json::json!({ "seq": 1, "time": "2026-11-24T00:01:00Z", "closed": { "reason": reason, "message": "x" } })
        });
        object.spec.ledger.extend(closing.map(|entry| serde_json::from_value(entry).unwrap()));
        let plan = PlanView::new(Arc::new(object)).unwrap();
        let id = plan.id();
        let said = [
            ("gate.stackgate.dev/approve".to_owned(), format!("{id};by=alice")),
            ("gate.stackgate.dev/reject".to_owned(), format!("{id};by=bob")),
        ];
        let now = "2026-11-24T00:02:00Z".parse().unwrap();
        let said = said.into();
        let unheard = plan.unheard(Some(&said), source, now);
        let keys: Vec<_> = unheard.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, if told { vec!["gate.stackgate.dev/approve"] } else { Vec::new() });
    }

    #[test]
    fn one_person_approves_eight_times_and_the_others_still_may() {
        let plan = plan(1, &approvals(1, 8));
        assert_eq!(plan.refuses(&[], Action::Approve, "p0"), Some(Full::Person));
        assert_eq!(plan.refuses(&[], Action::Override, "p0"), None);
        assert_eq!(plan.refuses(&[], Action::Approve, "bob"), None);
        assert!(!plan.is_full(Action::Approve));
    }

    #[test]
    fn stops_have_room_when_approvals_have_none() {
        let plan = plan(1, &approvals(64, 1));
        assert!(plan.is_full(Action::Approve));
        assert_eq!(plan.refuses(&[], Action::Approve, "p0"), Some(Full::Ledger));
        for (action, by) in [(Action::Reject, "bob"), (Action::Revoke, "p0"), (Action::Revoke, "p63")] {
            assert_eq!(plan.refuses(&[], action, by), None, "{action:?} of {by}");
        }
    }

    #[test]
    fn revokes_that_take_nothing_back_are_bounded_and_take_no_room_of_those_that_do() {
        let mut said: Vec<_> = (0..32).map(|n| ("Revoke", format!("p{}", n % 4))).collect();
        said.push(("Approve", "alice".to_owned()));
        let plan = plan(1, &said);
        assert_eq!(plan.refuses(&[], Action::Revoke, "p0"), Some(Full::Ledger));
        assert_eq!(plan.refuses(&[], Action::Revoke, "bob"), Some(Full::Ledger));
        assert_eq!(plan.refuses(&[], Action::Revoke, "alice"), None);
    }

    // What is not recorded stays on the plan, since nobody may take it away, and takes back what its author approves later.
    #[test]
    fn one_person_revokes_for_nothing_eight_times_and_the_others_still_may() {
        let said: Vec<_> = (0..8).map(|_| ("Revoke", "mallory".to_owned())).collect();
        let plan = plan(1, &said);
        assert_eq!(plan.refuses(&[], Action::Revoke, "mallory"), Some(Full::Person));
        assert_eq!(plan.refuses(&[], Action::Revoke, "bob"), None);
    }

    /// A revoke on any plan takes them out of what counts, and makes no room for as many again.
    #[test]
    fn what_was_taken_back_has_its_place_too() {
        let mut object = ChangePlan::clone(&plan(1, &[]).plan);
        let a1 = format!("a1-{}", "1".repeat(40));
        object.spec.proposal.a1 = Some(a1.parse().unwrap());
        let entry = |seq: usize, action: &str, slot: &str| {
            serde_json::from_value(
                serde_json::json!({ "seq": seq, "time": "2026-11-24T00:01:00Z", "decided": {
                "action": action, "by": "p0", "identity": "Verified", "source": "Stage", "slot": slot,
                "under": if action == "Approve" { Some(&a1) } else { None }
            } }),
            )
            .unwrap()
        };
        object.spec.ledger.extend((1..=8).map(|n| entry(n, "Approve", &n.to_string())));
        object.spec.ledger.push(entry(9, "Revoke", ""));
        let mut plans = vec![Arc::new(PlanView::new(Arc::new(object)).unwrap())];
        crate::gate::take_back(&mut plans);
        assert_eq!((plans[0].decisions.len(), plans[0].taken_back.len()), (1, 8));
        assert_eq!(plans[0].refuses(&[], Action::Approve, "p0"), Some(Full::Person));
        assert_eq!(plans[0].refuses(&[], Action::Approve, "bob"), None);
        // It took something back: it is none of those that take nothing back.
        assert_eq!(plans[0].standing(&[]).idle, Vec::<&str>::new());
    }

    #[test]
    fn one_person_approves_eight_releases_beforehand_a_day_and_the_others_still_may() {
        let mut object = ChangePlan::clone(&plan(1, &[]).plan);
        object.spec.ledger.extend((1..=8).map(|seq: usize| {
            let decided = serde_json::json!({
                "action": "Approve", "by": "p0", "identity": "Verified", "source": "Stage", "slot": seq.to_string(),
                "under": format!("a1-{seq:040}"), "until": "2026-11-24T00:01:05Z"
            });
            let entry = serde_json::json!({ "seq": seq, "time": "2026-11-24T00:01:00Z", "decided": decided });
            serde_json::from_value(entry).unwrap()
        }));
        let plan = PlanView::new(Arc::new(object)).unwrap();
        let at = |time: &str| time.parse::<Timestamp>().unwrap();
        let refused = |by: &str, time: &str| plan.refuses_beforehand(&[], by, at(time));
        assert_eq!(refused("p0", "2026-11-25T00:00:59Z"), Some(Full::Beforehand));
        assert_eq!(refused("bob", "2026-11-24T00:02:00Z"), None);
        assert_eq!(refused("p0", "2026-11-25T00:01:00Z"), None);
    }

    /// The same with so many reports of a check.
    fn reported(plan: &PlanView, reports: usize) -> PlanView {
        let mut object = ChangePlan::clone(&plan.plan);
        let held = object.spec.ledger.len();
        object.spec.ledger.extend((held..held + reports).map(|seq| {
            let checked = serde_json::json!({ "name": "smoke", "result": "Passed", "by": "ci", "identity": "Verified" });
            let entry = serde_json::json!({ "seq": seq, "time": "2026-11-24T00:01:00Z", "checked": checked });
            serde_json::from_value(entry).unwrap()
        }));
        PlanView::new(Arc::new(object)).unwrap()
    }

    // A claim and an outcome for each of 256 stacks, 8 and 64 for stops are kept; the opening takes one.
    #[test]
    fn a_plan_of_as_many_stacks_as_there_can_be_has_room_for_all_who_decide() {
        assert_eq!(plan(256, &[]).room(), 1024 - 2 * 256 - 8 - 64 - 1);
    }

    #[test]
    fn where_little_is_left_each_approval_leaves_the_place_of_its_revoke() {
        let plan = |people| reported(&plan(250, &approvals(people, 1)), 430);
        assert_eq!(plan(0).room(), 21);
        let taken = (1..).find(|n| plan(*n).is_full(Action::Approve)).unwrap();
        assert!(plan(taken).room() >= taken, "{} revokes find {} places", taken, plan(taken).room());
        assert!(taken >= 10, "{taken}");
    }

    #[test]
    fn who_can_be_approved_no_more_can_be_stopped_still() {
        let full = reported(&plan(250, &approvals(1, 1)), 450);
        assert_eq!((full.room(), full.room_for_stops()), (0, 64));
        assert_eq!(full.refuses(&[], Action::Approve, "bob"), Some(Full::Ledger));
        for (action, by) in [(Action::Reject, "bob"), (Action::Revoke, "p0"), (Action::Revoke, "bob")] {
            assert_eq!(full.refuses(&[], action, by), None, "{action:?} of {by}");
        }
        let at = "2026-11-24T00:02:00Z".parse().unwrap();
        assert_eq!(full.refuses_beforehand(&[], "bob", at), Some(Full::Ledger));
    }

    // What is over claims nothing any more.
    #[test]
    fn reports_of_a_deployment_take_no_room_of_decisions_and_are_told_where_they_find_none() {
        let mut object = ChangePlan::clone(&plan(0, &[]).plan);
        object.spec.ledger[0].opened.as_mut().unwrap().order = 1;
        let done = PlanView::new(Arc::new(object)).unwrap();
        assert!(done.is_complete());
        let room = done.room_for_reports(&[]);
        assert_eq!(room, 1024 - 8 - 64 - 1 - 64);
        let full = reported(&done, room);
        assert_eq!((full.room_for_reports(&[]), full.room()), (0, 64));
        let value = format!("{};result=failed;by=ci", full.id());
        let said: BTreeMap<_, _> = [("gate.stackgate.dev/check.smoke".to_owned(), value)].into();
        let reports = full.marks(Some(&said)).reports;
        let told = full.unheard_reports(&reports);
        assert!(matches!(told.as_slice(), [(_, why)] if why.contains("takes no more reports")), "{told:?}");
        assert_eq!(done.unheard_reports(&reports), Vec::new());
    }

    #[test]
    fn a_plan_is_opened_again_as_long_as_what_comes_of_it_has_room() {
        let opened = |plan: &PlanView| plan.plan.spec.ledger[0].opened.clone().unwrap();
        let held = |n| reported(&plan(100, &[]), n);
        let most = 1024 - 2 * 100 - 8 - 64 - 1 - 128;
        assert!(held(most - 1).takes_opening(&opened(&plan(100, &[])), &[]));
        assert!(!held(most).takes_opening(&opened(&plan(100, &[])), &[]));
        assert!(!held(most - 1).takes_opening(&opened(&plan(100, &[])), &[by_rule("x")]));
        // What was approved counts on, so nobody more could approve.
        assert!(!plan(1, &approvals(64, 1)).takes_opening(&opened(&plan(1, &[])), &[]));
        // A ledger that says much in few entries: etcd takes 1.5 MiB of an object.
        let mut object = ChangePlan::clone(&plan(1, &[]).plan);
        let mut long = opened(&plan(1, &[]));
        long.cdk_stage = Some("x".repeat(1_100_000));
        assert!(!plan(1, &[]).takes_opening(&long, &[]));
        // Where it would be opened, and then take nobody's approval, since its stacks need what is left.
        let mut large = ChangePlan::clone(&plan(100, &vec![("Retry", "alice".to_owned()); 128]).plan);
        large.spec.proposal.stacks[0].warnings = vec!["x".repeat(960_000)];
        let large = |entries: usize| {
            let mut large = large.clone();
            large.spec.ledger.truncate(entries);
            PlanView::new(Arc::new(large)).unwrap()
        };
        for (entries, takes) in [(120, true), (128, false), (129, false)] {
            let plan = large(entries);
            let opening = opened(&plan);
            assert_eq!(plan.takes_opening(&opening, &[]), takes, "{entries}");
            let opened =
                plan.once_recorded(&plan.ledger(Timestamp::UNIX_EPOCH).with(|e| e.opened = Some(opening)));
            assert_eq!(opened.room() > 0, takes, "{entries}");
        }
        object.spec.ledger[0].opened = Some(long);
        assert!(!PlanView::new(Arc::new(object)).unwrap().takes_opening(&opened(&plan(1, &[])), &[]));
    }
}
