//! Counts decisions: who has approved, what is missing, and until when that holds.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{InForce, PlanView, Recorded};
use crate::{
    api::{Action, Identity, IdentityNeeded, RequireApproval, RiskClass},
    words::DecisionId,
};

/// How long the approval of a release counts that was given before its change was known.
pub(super) const BEFOREHAND_TTL: SignedDuration = SignedDuration::from_hours(24);
/// The same for people.
pub(super) const BEFOREHAND: &str = "24 hours";

/// How a plan stands before its gate.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// The rule that lets it through without anybody, if one does.
    pub by_rule: Option<&'static str>,
    /// Whose approvals count, each once.
    pub counted: Vec<String>,
    /// How many are needed.
    pub needed: u32,
    /// Classes of risk that somebody who counts has acknowledged.
    pub acked: BTreeSet<RiskClass>,
    /// Those that the gate asks for and nobody has.
    pub acks_missing: Vec<RiskClass>,
    /// Whether somebody has overridden freezes and quorum.
    pub overridden: bool,
    /// Why decisions that are there do not count, one line each.
    pub not_counted: Vec<String>,
    /// When this may change without anybody doing anything.
    pub changes: Option<Timestamp>,
}

impl Tally {
    /// Whether the gate is open.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.by_rule.is_some() || (self.enough() && self.acks_missing.is_empty())
    }

    fn enough(&self) -> bool {
        self.had() >= self.needed
    }

    /// How many approvals count.
    #[must_use]
    pub fn had(&self) -> u32 {
        u32::try_from(self.counted.len()).unwrap_or(u32::MAX)
    }

    /// What is missing, such as `approval 1/2, ack iam`; empty if nothing is.
    #[must_use]
    pub fn missing(&self) -> String {
        if self.by_rule.is_some() {
            return String::new();
        }
        let approvals = (!self.enough()).then(|| format!("approval {}/{}", self.had(), self.needed));
        let acks = (!self.acks_missing.is_empty()).then(|| format!("ack {}", self.ack_text()));
        approvals.into_iter().chain(acks).collect::<Vec<_>>().join(", ")
    }

    /// The classes that are missing, as an annotation names them.
    fn ack_text(&self) -> String {
        self.acks_missing.iter().map(|c| c.as_str()).collect::<Vec<_>>().join(",")
    }

    /// The attribute that acknowledges what is missing, with its semicolon; empty where nothing is.
    #[must_use]
    pub fn ack_attribute(&self) -> String {
        if self.acks_missing.is_empty() { String::new() } else { format!(";ack={}", self.ack_text()) }
    }
}

/// Counts the decisions of a plan against a gate.
#[must_use]
pub fn tally(plan: &PlanView, gate: &InForce, now: Timestamp) -> Tally {
    let classes = plan.risk_classes();
    let mut count =
        Count { plan, gate, now, out: Tally { by_rule: by_rule(plan, gate, &classes), ..Tally::default() } };
    if plan.release_rejected && gate.require_approval.value != RequireApproval::AnyChange {
        count.out.not_counted.push("the rule of the gate: the release was rejected before".to_owned());
    }
    count.out.overridden = count.overrides();
    count.out.needed = if count.out.overridden { 1 } else { gate.approvals.value };
    let people = count.people(&classes);
    count.out.acked = people.values().flat_map(|r| r.decided.acks.iter().copied()).collect();
    let demanded = classes.iter().filter(|c| gate.require_ack.value.contains(c));
    count.out.acks_missing = demanded.filter(|c| !count.out.acked.contains(c)).copied().collect();
    count.out.counted = people.into_keys().map(str::to_owned).collect();
    count.out
}

fn by_rule(plan: &PlanView, gate: &InForce, classes: &BTreeSet<RiskClass>) -> Option<&'static str> {
    // Whoever has a stack taken over or deleted is asked, whatever the rule; and so is who wants what somebody has rejected.
    if plan.release_rejected || plan.removes() || plan.proposal().stacks.iter().any(|s| s.adopted) {
        return None;
    }
    let deferred = plan.proposal().stacks.iter().any(|s| s.plan.is_without_set());
    let risky = classes.contains(&RiskClass::MaybeReplace)
        || classes.iter().any(|c| gate.require_ack.value.contains(c));
    match gate.require_approval.value {
        RequireApproval::Never => Some("requireApproval: Never"),
        RequireApproval::OnRisk if !deferred && !risky => {
            Some("requireApproval: OnRisk, and it carries none of the risks")
        }
        RequireApproval::OnRisk | RequireApproval::AnyChange => None,
    }
}

struct Count<'a> {
    plan: &'a PlanView,
    gate: &'a InForce,
    now: Timestamp,
    out: Tally,
}

impl<'a> Count<'a> {
    /// The newest own decision of each person, where it is an approval that counts.
    fn people(&mut self, classes: &BTreeSet<RiskClass>) -> BTreeMap<&'a str, &'a Recorded> {
        let mut newest: BTreeMap<&str, (&Recorded, Timestamp)> = BTreeMap::new();
        let plan = self.plan;
        let approvals = plan.decisions.iter().filter(|r| r.decided.action == Action::Approve);
        for recorded in approvals.filter(|r| !is_revoked(plan, r) && !plan.is_too_late(r)) {
            match self.identity_counts(recorded) {
                Err(why) => self.out.not_counted.push(format!("{}: {why}", recorded.who())),
                Ok(()) => match self.counts_until(recorded, classes) {
                    Some(end) => {
                        newest.insert(&recorded.decided.by, (recorded, end));
                    }
                    // What somebody has said of it last holds, also when it is over: an older word does not come back.
                    None => {
                        newest.remove(recorded.decided.by.as_str());
                    }
                },
            }
        }
        self.out.changes = newest.values().map(|(_, end)| *end).chain(self.out.changes).min();
        newest.into_iter().map(|(by, (recorded, _))| (by, recorded)).collect()
    }

    /// Until when an approval of somebody whose word counts is one of this change; `None`: it is not, or that is over.
    fn counts_until(&mut self, recorded: &Recorded, classes: &BTreeSet<RiskClass>) -> Option<Timestamp> {
        let who = recorded.who();
        let beforehand = matches!(recorded.decided.under, Some(DecisionId::Release(_)));
        if beforehand && self.plan.removes() {
            self.out
                .not_counted
                .push(format!("{who}: approved before anybody knew which stacks are deleted"));
            return None;
        }
        if beforehand && !classes.iter().all(|c| recorded.decided.acks.contains(c)) {
            let beyond: Vec<&str> =
                classes.iter().filter(|c| !recorded.decided.acks.contains(c)).map(|c| c.as_str()).collect();
            self.out.not_counted.push(format!(
                "{who}: approved beforehand without ack={}, which the change turned out to carry",
                beyond.join(",")
            ));
            return None;
        }
        let ttl = if beforehand {
            BEFOREHAND_TTL.min(self.gate.approval_ttl.value)
        } else {
            self.gate.approval_ttl.value
        };
        let end = self.fresh_until(recorded, ttl);
        if end.is_none() {
            self.out.not_counted.push(format!("{who}: expired"));
        }
        end
    }

    fn identity_counts(&self, recorded: &Recorded) -> Result<(), String> {
        match (recorded.decided.identity, self.gate.identity.value) {
            (Identity::Git, _) if self.gate.approvals.value > 1 && !self.out.overridden => {
                Err("a decision in git is no part of a quorum".to_owned())
            }
            (Identity::Verified | Identity::Git, _) | (Identity::Unverified, IdentityNeeded::Any) => Ok(()),
            // A rule that let it through once says nothing of a gate that asks for people now.
            (Identity::System, _) => Err("no person".to_owned()),
            (Identity::Unverified, IdentityNeeded::Verified) => {
                Err("nothing proves who it was; sign again, in another slot, while the policies are in force"
                    .to_owned())
            }
        }
    }

    fn fresh_until(&self, recorded: &Recorded, ttl: SignedDuration) -> Option<Timestamp> {
        Some(recorded.counts_until(ttl)).filter(|end| self.now < *end)
    }

    /// Whether somebody lets it run in spite of what holds it. Of each person the newest word holds, also when it is over.
    fn overrides(&mut self) -> bool {
        let plan = self.plan;
        let mut newest: BTreeMap<&str, Option<Timestamp>> = BTreeMap::new();
        for given in plan.decisions.iter().filter(|r| r.decided.action == Action::Override) {
            let is_person = matches!(
                (given.decided.identity, self.gate.identity.value),
                (Identity::Verified, _) | (Identity::Unverified, IdentityNeeded::Any)
            );
            if is_person && !is_revoked(plan, given) && !plan.is_too_late(given) {
                newest.insert(&given.decided.by, self.fresh_until(given, self.gate.approval_ttl.value));
            }
        }
        self.out.changes = newest.into_values().flatten().max();
        self.out.changes.is_some()
    }
}

/// Whether its author has taken it back on this plan since. Stops count whoever signed them: they fail safe.
fn is_revoked(plan: &PlanView, given: &Recorded) -> bool {
    plan.decisions.iter().any(|later| {
        later.place > given.place
            && later.decided.action == Action::Revoke
            && later.decided.by == given.decided.by
            && !plan.is_too_late(later)
    })
}

#[cfg(test)]
#[path = "tally_tests.rs"]
mod tests;
