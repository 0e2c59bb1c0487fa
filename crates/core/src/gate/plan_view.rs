//! A ChangePlan as its ledger tells it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use super::{
    Annotation, Decision, Report, Reported, annotation_digest,
    ledger::{self, Ledger},
    owned_key, parse_annotation,
};
use crate::{
    api::{
        Action, ChangePlan, Checked, Claimed, ClaimedStack, Closed, Decided, DecisionSource, Identity,
        IdentityNeeded, LedgerEntry, OwnedStack, PlannedAs, Proposal, ProposalKind, ProposedStack,
        ReleaseRef, RiskClass, Settled, SettledAs, user_name,
    },
    change::risk_classes,
    effect::PlanVersion,
    words::{ChangeId, DecisionId, Digest, StackKey},
};

/// A decision as the ledger holds it.
#[derive(Clone, PartialEq, Debug)]
pub struct Recorded {
    /// The decision.
    pub decided: Decided,
    /// When it was first seen.
    pub since: Timestamp,
    /// The place of its entry.
    pub place: u32,
}

impl Recorded {
    /// Who decided, for people.
    #[must_use]
    pub fn who(&self) -> String {
        self.decided.who()
    }

    /// When it is as old as that, by our own clock: that of clients says nothing.
    pub(super) fn aged(&self, age: SignedDuration) -> Timestamp {
        self.since.saturating_add(age).unwrap_or(Timestamp::MAX)
    }

    /// Until when it counts where nothing counts longer than that; whoever decided may only shorten it.
    pub(super) fn counts_until(&self, at_most: SignedDuration) -> Timestamp {
        let end = self.aged(at_most);
        self.decided.until.as_ref().map_or(end, |until| until.0.min(end))
    }

    /// Whether it is an approval that was given for another plan, or for another opening of this one: beforehand, or for what is tried
    /// again. Only what is carried over has a time of its own.
    #[must_use]
    pub fn is_carried(&self) -> bool {
        let Decided { action, under, since, .. } = &self.decided;
        *action == Action::Approve && (under.is_some() || since.is_some())
    }
}

/// What the annotations of an object say of one plan.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Marks<'a> {
    /// Decisions on it: key, value, and what they say.
    pub decisions: Vec<(&'a str, &'a str, Decision)>,
    /// Reports of checks on it.
    pub reports: Vec<(&'a str, &'a str, Report)>,
    /// What looks like one and is none, and why.
    pub bad: Vec<(&'a str, String)>,
}

/// What the ledger says since the plan was last opened; decisions reach further back.
#[derive(Clone, Debug)]
pub struct PlanView {
    /// The object.
    pub plan: Arc<ChangePlan>,
    /// Its name.
    pub name: String,
    /// How many bytes its spec has, where they may be too many.
    pub(super) bytes: usize,
    /// Its place among the plans of its owner: the highest is the newest.
    pub order: u64,
    /// The release that it was last opened for.
    pub release: Option<ReleaseRef>,
    /// What the releases hold that it was opened for since it was claimed last.
    pub archives: BTreeSet<Digest>,
    /// The CDK Stage that it was last opened for.
    pub cdk_stage: Option<String>,
    /// The parameter values that it was last opened for.
    pub parameters: Option<Digest>,
    /// Whether any of these values came from a Secret.
    pub secrets: bool,
    /// The stacks that were ours then.
    pub owned: Vec<OwnedStack>,
    /// When it was opened last.
    pub opened_time: Timestamp,
    /// The request to plan anew that the last opening answered.
    pub request: Option<String>,
    /// Every reject, and the other decisions that no execution has used up yet, oldest first.
    pub decisions: Vec<Recorded>,
    /// Approvals of releases that have no plan yet; kept here so that they are not lost.
    pub beforehand: Vec<Recorded>,
    /// The reject of a plan whose change this one goes on with.
    pub rejected_before: Option<Recorded>,
    /// What rejects, and revokes on other plans, have taken back of both. It does not count, and its room is taken.
    pub taken_back: Vec<Recorded>,
    /// What checks have reported since the last claim.
    pub checks: BTreeMap<String, Reported>,
    /// The last report of each on a deployment before that.
    pub(super) outdated: BTreeMap<String, Checked>,
    /// Who has ever taken something back here: all that they gave until then, and when that was recorded.
    pub revoked: BTreeMap<String, BTreeSet<(Timestamp, Timestamp)>>,
    /// Whether it was claimed; where all that changes is deferred, the claim names no stack yet.
    pub claimed: bool,
    /// The place of the entry that claimed it first since it was opened.
    pub claimed_place: u32,
    /// The stacks that may run.
    pub claims: BTreeMap<StackKey, ClaimedStack>,
    /// When it was claimed first since then, cut to whole seconds; the gate was open at that time.
    pub claimed_time: Timestamp,
    /// How many approvals the gate wanted then.
    pub claimed_with: Option<u32>,
    /// Whether that is so, as far as is known: else somebody else may have claimed it.
    pub claim_is_proven: bool,
    /// Whether it is known, as far as anybody has looked, that the controller has opened it last, and proposes what it says.
    pub opening_is_proven: bool,
    /// The places of the entries of which nothing proves who wrote them, as far as anybody has looked.
    pub unproven: BTreeSet<u32>,
    /// The stacks that came to an end, and when.
    pub settled: BTreeMap<StackKey, Settled>,
    /// When the last of them did, or the plan was opened.
    pub settled_time: Timestamp,
    /// The place of the entry that says so; of the claim where none does.
    settled_place: u32,
    /// Whether its release was rejected as another change, and nobody has let it run since: no rule does.
    pub release_rejected: bool,
    /// Annotations that came while it was closed, before it was opened last.
    stood: BTreeSet<Digest>,
    /// Why it will not run, if it was closed.
    pub closed: Option<Closed>,
    /// The place of the entry that closed it.
    closed_place: Option<u32>,
}

impl PlanView {
    /// Reads a plan. `None`: its ledger does not begin with an opening, so it is none of ours.
    #[must_use]
    pub fn new(plan: Arc<ChangePlan>) -> Option<Self> {
        Self::leaving_out(&plan, &BTreeSet::new())
    }

    /// The same without the entries at these places.
    pub(super) fn leaving_out(plan: &Arc<ChangePlan>, places: &BTreeSet<u32>) -> Option<Self> {
        let first = plan.spec.ledger.first()?;
        first.opened.as_ref()?;
        let mut view = Self {
            name: plan.metadata.name.clone()?,
            bytes: ledger::bytes(&plan.spec),
            plan: Arc::clone(plan),
            order: 0,
            release: None,
            archives: BTreeSet::new(),
            cdk_stage: None,
            parameters: None,
            secrets: false,
            owned: Vec::new(),
            opened_time: first.time.0,
            request: None,
            decisions: Vec::new(),
            beforehand: Vec::new(),
            rejected_before: None,
            taken_back: Vec::new(),
            checks: BTreeMap::new(),
            outdated: BTreeMap::new(),
            revoked: BTreeMap::new(),
            claimed: false,
            claimed_place: 0,
            claims: BTreeMap::new(),
            claimed_time: first.time.0,
            claimed_with: None,
            claim_is_proven: true,
            opening_is_proven: true,
            release_rejected: false,
            unproven: BTreeSet::new(),
            settled: BTreeMap::new(),
            settled_time: first.time.0,
            settled_place: 0,
            stood: BTreeSet::new(),
            closed: None,
            closed_place: None,
        };
        for (entry, place) in plan.spec.ledger.iter().zip(0_u32..).filter(|(_, at)| !places.contains(at)) {
            view.take(entry, place);
        }
        Some(view)
    }

    fn take(&mut self, entry: &LedgerEntry, place: u32) {
        if let Some(opened) = &entry.opened {
            if self.claimed {
                // What was approved has been tried: an approval counts for one execution.
                let end = self.end_of_run();
                self.decisions.retain(|d| match d.decided.action {
                    Action::Reject => true,
                    Action::Approve | Action::Revoke => end.is_some_and(|end| d.place > end),
                    // It was for the emergency of that time.
                    Action::Override | Action::Retry => false,
                });
                self.archives.clear();
            }
            self.archives.extend(opened.release.as_ref().map(|r| r.digest));
            self.opened_time = entry.time.0;
            self.request.clone_from(&opened.request);
            self.order = opened.order;
            self.release.clone_from(&opened.release);
            self.cdk_stage.clone_from(&opened.cdk_stage);
            self.parameters = opened.parameters;
            self.secrets = opened.secrets;
            if !opened.owned_as_before {
                self.owned.clone_from(&opened.owned);
            }
            self.claimed = false;
            self.claimed_with = None;
            self.claim_is_proven = true;
            self.claims.clear();
            self.settled.clear();
            self.settled_time = entry.time.0;
            self.stood = opened.stood.iter().copied().collect();
            self.closed = None;
            self.closed_place = None;
        }
        if let Some(decided) = &entry.decided {
            let at = entry.time.0;
            // A revoke comes after all that it takes back, whatever the clock said.
            let latest = if decided.action == Action::Revoke { Timestamp::MAX } else { at };
            let recorded = Recorded {
                since: decided.since.as_ref().map_or(at, |t| t.0.min(latest)),
                decided: decided.clone(),
                place,
            };
            if decided.action == Action::Revoke {
                self.revoked.entry(decided.by.clone()).or_default().insert((recorded.since, at));
            }
            match &decided.under {
                Some(DecisionId::Release(a1)) if self.proposal().a1.as_ref() != Some(a1) => {
                    self.beforehand.push(recorded);
                }
                Some(_) | None => self.decisions.push(recorded),
            }
        }
        if let Some(checked) = &entry.checked {
            self.hear(checked.clone(), entry.time.0, true);
        }
        if let Some(Claimed { stacks, approvals }) = &entry.claimed {
            if !self.claimed {
                self.forget_reports();
                self.claimed_time = entry.time.0;
                self.claimed_place = place;
                self.settled_place = place;
                self.claimed_with = *approvals;
            }
            self.claimed = true;
            for claim in stacks {
                // A stack that is claimed again starts over.
                self.settled.remove(&claim.key());
                self.claims.insert(claim.key(), claim.clone());
            }
        }
        if let Some(settled) = &entry.settled {
            self.settled.insert(settled.key(), settled.clone());
            self.settled_time = entry.time.0;
            self.settled_place = place;
        }
        if let Some(closed) = &entry.closed {
            self.closed = Some(closed.clone());
            self.closed_place = Some(place);
        }
    }

    /// The proposal.
    #[must_use]
    pub fn proposal(&self) -> &Proposal {
        &self.plan.spec.proposal
    }

    /// The id that decisions name.
    #[must_use]
    pub fn id(&self) -> &ChangeId {
        &self.proposal().id
    }

    /// The resourceVersion that a write has to name.
    #[must_use]
    pub fn resource_version(&self) -> String {
        self.plan.metadata.resource_version.clone().unwrap_or_default()
    }

    /// Which version of the object this is.
    #[must_use]
    pub fn version(&self) -> PlanVersion {
        PlanVersion {
            name: self.name.clone(),
            uid: self.plan.metadata.uid.clone().unwrap_or_default(),
            resource_version: self.resource_version(),
            generation: self.plan.metadata.generation.unwrap_or_default(),
            entries: self.plan.spec.ledger.len(),
        }
    }

    /// Whether somebody rejected it, ever, or a plan whose change it goes on with.
    #[must_use]
    pub fn rejected(&self) -> Option<&Decided> {
        self.rejects().next().map(|r| &r.decided)
    }

    /// All who did.
    pub(super) fn rejects(&self) -> impl Iterator<Item = &Recorded> {
        self.decisions.iter().filter(|r| r.decided.action == Action::Reject).chain(&self.rejected_before)
    }

    /// The request to try again what has failed, if there is one that counts since the failure.
    #[must_use]
    pub fn retried(&self, needed: IdentityNeeded) -> Option<&Recorded> {
        let counts = |identity: Identity| match (identity, needed) {
            (Identity::Verified, _) | (Identity::Unverified, IdentityNeeded::Any) => true,
            (Identity::Git | Identity::System, _) | (Identity::Unverified, IdentityNeeded::Verified) => false,
        };
        self.decisions.iter().rfind(|r| r.decided.action == Action::Retry && counts(r.decided.identity))
    }

    /// The classes of risk that it carries.
    #[must_use]
    pub fn risk_classes(&self) -> BTreeSet<RiskClass> {
        let proposal = self.proposal();
        match proposal.risks.as_slice() {
            // A plan of an earlier version has numbers alone.
            [] => risk_classes(&proposal.stacks).collect(),
            told => told.iter().map(|r| r.class).collect(),
        }
    }

    /// The stacks that it touches lie in these accounts.
    #[must_use]
    pub fn accounts(&self) -> Vec<crate::words::AccountId> {
        let set: BTreeSet<_> = self.proposal().stacks.iter().map(|s| s.account.clone()).collect();
        set.into_iter().collect()
    }

    /// Whether it was opened for this release of this CDK Stage.
    #[must_use]
    pub fn is_for(&self, release: &ReleaseRef, cdk_stage: Option<&str>) -> bool {
        self.release.as_ref().is_some_and(|r| r.digest == release.digest)
            && self.cdk_stage.as_deref() == cdk_stage
    }

    /// Whether a claim of this plan, or of an earlier opening of it, has used this decision up.
    #[must_use]
    pub fn has_used_up(&self, decision: &Decided) -> bool {
        let mut after = self.plan.spec.ledger.iter().skip_while(|e| !is_the_same(e, decision));
        after.any(|e| e.claimed.is_some())
    }

    /// Whether it was claimed after that moment with this approval of its release, or with a newer word of the same person. What a retry carries
    /// over is written down after the claim that it has been used for.
    pub(super) fn has_run_with(&self, approval: &Recorded, since: Timestamp) -> bool {
        let Recorded { decided: given, since: at, .. } = approval;
        let mut is_there = false;
        self.plan.spec.ledger.iter().any(|entry| {
            is_there |= entry.decided.as_ref().is_some_and(|d| {
                (d.action, &d.by, d.identity, &d.under)
                    == (given.action, &given.by, given.identity, &given.under)
                    && d.since.as_ref().map_or(entry.time.0, |t| t.0) >= *at
            });
            is_there && entry.claimed.is_some() && entry.time.0 > since
        })
    }

    /// When the ledger took it.
    pub(super) fn recorded_at(&self, recorded: &Recorded) -> Timestamp {
        let place = usize::try_from(recorded.place).ok();
        place.and_then(|at| self.plan.spec.ledger.get(at)).map_or(Timestamp::MAX, |entry| entry.time.0)
    }

    /// Whether a decision came too late for what runs, or has run: that rests on what it was claimed with. A change of toolkit stacks goes
    /// out stack by stack, and asks again before each.
    #[must_use]
    pub fn is_too_late(&self, recorded: &Recorded) -> bool {
        self.proposal().kind == ProposalKind::Stage
            && self.claimed
            && recorded.place > self.claimed_place
            && self.closed_place.is_none_or(|closed| recorded.place < closed)
    }

    /// Whether no execution has made use of a decision of this plan: there was none, or it came after that.
    #[must_use]
    pub fn is_unspent(&self, recorded: &Recorded) -> bool {
        !self.claimed || self.end_of_run().is_some_and(|end| recorded.place > end)
    }

    /// The place of the entry that ended the execution, if it has come to its end.
    fn end_of_run(&self) -> Option<u32> {
        self.closed_place.or_else(|| self.says_all_is_done().then_some(self.settled_place))
    }

    /// Whether it has been opened again while approvals of it stood there that do not count.
    #[must_use]
    pub(crate) fn has_ignored_some(&self) -> bool {
        !self.stood.is_empty()
    }

    /// Which of these are to be recorded anew where this plan itself is opened once more: approvals of people of whom it keeps none that is
    /// as new, and that nobody has taken back on it.
    pub fn lacks<'a>(
        &'a self,
        carried: impl Iterator<Item = Decided> + 'a,
    ) -> impl Iterator<Item = Decided> + 'a {
        let keeps = |d: &Decided| self.decisions.iter().any(|r| self.is_unspent(r) && is_newer(r, d));
        carried.filter(move |d| d.action == Action::Approve && !keeps(d) && !self.has_taken_back(d))
    }

    /// Approvals and overrides of this change that stand on it and its owner, and that no ledger holds, by digest: none where it is not over,
    /// since those are yet to be recorded.
    #[must_use]
    pub fn standing_while_closed(&self, on_owner: Option<&BTreeMap<String, String>>) -> Vec<Digest> {
        if !self.is_over() {
            return Vec::new();
        }
        let on_plan = self.plan.metadata.annotations.as_ref();
        let sources = [(DecisionSource::ChangePlan, on_plan), (DecisionSource::Stage, on_owner)];
        let stands = |(source, annotations)| {
            let marks = self.marks(annotations).decisions.into_iter();
            let new = marks.filter(move |(_, _, d)| {
                matches!(d.action, Action::Approve | Action::Override)
                    && matches!(d.id, DecisionId::Change(_))
                    && !self.has_recorded(&d.recorded(source, Identity::Unverified, self.id()))
            });
            new.map(move |(key, value, _)| self.mark_digest(source, key, value))
        };
        sources.into_iter().flat_map(stands).collect()
    }

    /// What came while it was closed, before it was opened last, by digest.
    pub fn stood(&self) -> impl Iterator<Item = Digest> {
        self.stood.iter().copied()
    }

    /// Whether the annotation of this digest is among them.
    #[must_use]
    pub fn ignores(&self, annotation: &Digest) -> bool {
        self.stood.contains(annotation)
    }

    /// Whether an annotation came while it was closed, before it was opened last.
    #[must_use]
    pub fn came_while_closed(&self, source: DecisionSource, key: &str, value: &str) -> bool {
        !self.stood.is_empty() && self.stood.contains(&self.mark_digest(source, key, value))
    }

    fn mark_digest(&self, source: DecisionSource, key: &str, value: &str) -> Digest {
        let own = self.plan.metadata.uid.as_deref().unwrap_or_default();
        let uid = match source {
            DecisionSource::ChangePlan | DecisionSource::Rule => own,
            DecisionSource::Stage => self.proposal().uid.as_str(),
        };
        annotation_digest(uid, key, value)
    }

    /// Whether its author has taken this decision back on this plan.
    #[must_use]
    pub fn has_taken_back(&self, decision: &Decided) -> bool {
        let mut after = self.plan.spec.ledger.iter().skip_while(|e| !is_the_same(e, decision));
        after.any(|e| e.decided.as_ref().is_some_and(|d| d.action == Action::Revoke && d.by == decision.by))
    }

    /// Whether any stack was claimed.
    #[must_use]
    pub fn is_claimed(&self) -> bool {
        self.claimed
    }

    /// When its approvals are counted: what is decided was decided then, and does not run out any more.
    #[must_use]
    pub fn counted_at(&self, now: Timestamp) -> Timestamp {
        if self.is_claimed() {
            return if self.claim_is_proven { self.claimed_time.min(now) } else { now };
        }
        match (&self.closed, self.plan.spec.ledger.last()) {
            (Some(_), Some(last)) => last.time.0.min(now),
            (_, _) => now,
        }
    }

    /// Whether the controller has carried it out in full. A plan that somebody else has put there deploys nothing, whatever it says.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.opening_is_proven && self.says_all_is_done()
    }

    /// Whether every stack is as planned, as the ledger says, whoever has written it. A Bootstrap's plan names none: every one that was
    /// claimed; more may be claimed later.
    #[must_use]
    pub fn says_all_is_done(&self) -> bool {
        let mut stacks = self.proposal().stacks.iter();
        self.closed.is_none()
            && match self.proposal().kind {
                ProposalKind::Stage => stacks.all(|s| {
                    (s.is_left_alone() && (self.claimed || !s.adopted)) || self.has_succeeded(&s.key())
                }),
                ProposalKind::Bootstrap => {
                    self.claimed && self.claims.keys().all(|key| self.has_succeeded(key))
                }
            }
    }

    /// Whether nothing more comes of it: it was carried out, or closed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.closed.is_some() || self.says_all_is_done()
    }

    /// Whether running it would do nothing to any stack but take it over.
    #[must_use]
    pub fn changes_nothing(&self) -> bool {
        self.proposal().stacks.iter().all(ProposedStack::is_left_alone)
    }

    /// Whether a stack came out as planned.
    #[must_use]
    pub fn has_succeeded(&self, key: &StackKey) -> bool {
        self.settled.get(key).is_some_and(|x| x.outcome == SettledAs::Succeeded)
    }

    /// What the controller has written into the ledger, as far as that is proven.
    pub fn written(&self) -> impl Iterator<Item = &LedgerEntry> {
        let all = self.plan.spec.ledger.iter().zip(0_u32..);
        all.filter(|(_, place)| !self.unproven.contains(place)).map(|(entry, _)| entry)
    }

    /// Whether all that it claimed has come to its end as planned, and nothing is to be claimed any more.
    #[must_use]
    pub fn is_carried_out(&self) -> bool {
        self.is_complete()
            && !self.is_rolling_out()
            && self.claims.keys().all(|key| self.settled.contains_key(key))
    }

    /// Whether it deletes stacks that the release does not have any more.
    #[must_use]
    pub fn removes(&self) -> bool {
        self.proposal().stacks.iter().any(|s| s.plan == PlannedAs::Removed)
    }

    /// The stacks that failed. A toolkit stack that is made is tried again, and holds up no other.
    pub fn failed(&self) -> impl Iterator<Item = &Settled> {
        let counts = |x: &Settled| match self.proposal().kind {
            ProposalKind::Stage => true,
            ProposalKind::Bootstrap => self.owned.iter().any(|o| owned_key(o) == x.key()),
        };
        self.settled.values().filter(move |x| x.outcome != SettledAs::Succeeded && counts(x))
    }

    /// What annotations say of this plan. An approval of its release (a1) is one of it, too.
    #[must_use]
    pub fn marks<'a>(&self, annotations: Option<&'a BTreeMap<String, String>>) -> Marks<'a> {
        let mut marks = Marks::default();
        for (key, value) in annotations.into_iter().flatten() {
            let (key, value) = (key.as_str(), value.as_str());
            match parse_annotation(key, value) {
                None => {}
                Some(Err(why)) => marks.bad.push((key, why.to_string())),
                Some(Ok(Annotation::Report(r))) if r.id == *self.id() => marks.reports.push((key, value, r)),
                Some(Ok(Annotation::Decision(d))) if self.is_named_by(&d) => {
                    marks.decisions.push((key, value, d))
                }
                Some(Ok(Annotation::Report(r))) => {
                    marks.bad.push((key, format!("{} is not the id of this plan", r.id)));
                }
                Some(Ok(Annotation::Decision(d))) => {
                    marks.bad.push((key, format!("{} is not the id of this plan", d.id)));
                }
            }
        }
        marks
    }

    /// The revokes that stand on the plan: key, and by whom.
    #[must_use]
    pub fn revokes(&self) -> Vec<(&str, String)> {
        let marks = self.marks(self.plan.metadata.annotations.as_ref());
        let revokes = marks.decisions.into_iter().filter(|(_, _, d)| d.action == Action::Revoke);
        revokes.map(|(key, _, d)| (key, d.by)).collect()
    }

    /// How revokes that stand on the plan are told: they take back whatever their authors approve.
    #[must_use]
    pub fn standing_revokes(&self, namespace: &str) -> String {
        let told = self.revokes().into_iter().map(|(key, by)| {
            let by = user_name(&by);
            format!(
                "; the revoke of {by} stands on the plan and takes back what {by} approves, until it is taken away: kubectl -n {namespace} \
                 annotate plan {} {key}-",
                self.name
            )
        });
        told.take(2).collect()
    }

    fn is_named_by(&self, decision: &Decision) -> bool {
        match &decision.id {
            DecisionId::Change(id) => id == self.id(),
            DecisionId::Release(id) => {
                decision.action == Action::Approve && self.proposal().a1.as_ref() == Some(id)
            }
        }
    }

    /// Whether the ledger holds this decision already, whatever was known then of who it was.
    #[must_use]
    pub fn has_recorded(&self, decision: &Decided) -> bool {
        self.plan.spec.ledger.iter().filter_map(|e| e.decided.as_ref()).any(|d| d.says_the_same(decision))
    }

    /// The plan as it is once these are recorded. No object has that version yet: a look that names it tells nothing.
    #[must_use]
    pub fn once_recorded(&self, ledger: &Ledger) -> Self {
        let mut view = self.clone();
        let mut plan = ChangePlan::clone(&self.plan);
        for entry in ledger.list() {
            view.take(entry, entry.seq);
            plan.spec.ledger.push(entry.clone());
        }
        view.bytes = ledger::bytes(&plan.spec);
        view.plan = Arc::new(plan);
        view
    }

    /// A ledger to append to.
    #[must_use]
    pub fn ledger(&self, now: Timestamp) -> Ledger {
        Ledger::after(self.plan.spec.ledger.len(), now)
    }
}

/// Whether this approval holds in the place of another one of the same person.
fn is_newer(kept: &Recorded, other: &Decided) -> bool {
    let since = other.since.as_ref().map_or(Timestamp::MIN, |t| t.0);
    kept.decided.action == Action::Approve && kept.decided.by == other.by && kept.since >= since
}

fn is_the_same(entry: &LedgerEntry, decision: &Decided) -> bool {
    entry.decided.as_ref().is_some_and(|d| d.says_the_same(decision))
}
