//! What checks have reported of what was deployed.

use jiff::Timestamp;

use super::PlanView;
use crate::api::{Check, CheckResult, Checked, Identity, IdentityNeeded};

/// What one check has reported since the last claim.
#[derive(Clone, PartialEq, Debug)]
pub struct Reported {
    /// Its newest report, whoever has written it.
    pub newest: Checked,
    /// When that was.
    at: Timestamp,
    /// Since when it has passed: whoever says so again, in other words, does not have it begin anew.
    passed: Option<Timestamp>,
    /// The newest report that it has passed of which it is known who wrote it, and since when there is one.
    verified: Option<(Checked, Timestamp)>,
}

impl Reported {
    /// A report comes to what was there before. `dated`: whether its time is known to be true.
    fn after(before: Option<Self>, newest: Checked, at: Timestamp, dated: bool) -> Self {
        let passed = newest.result == CheckResult::Passed;
        let before = before.filter(|_| passed);
        let verified = before.as_ref().and_then(|b| b.verified.clone());
        let verified = if passed && newest.identity == Identity::Verified {
            let since = verified.map_or(at, |(_, since)| since);
            Some((newest.clone(), since))
        } else {
            verified
        };
        let since = before.and_then(|b| b.passed).or_else(|| (passed && dated).then_some(at));
        Self { newest, at, passed: since, verified }
    }
}

impl PlanView {
    /// Takes a report to what is known.
    pub(super) fn hear(&mut self, checked: Checked, at: Timestamp, dated: bool) {
        let name = checked.name.clone();
        let before = self.checks.remove(&name);
        self.checks.insert(name, Reported::after(before, checked, at, dated));
    }

    /// A deployment begins: what was reported of the one before says nothing of it.
    pub(super) fn forget_reports(&mut self) {
        let heard = std::mem::take(&mut self.checks);
        self.outdated.extend(heard.into_iter().map(|(name, reported)| (name, reported.newest)));
    }

    /// Whether a report that stands on the plan is known already: as what it is, or as one on a deployment before this one, which was not
    /// taken away since. The same words say something new where nothing proved before who had said them.
    #[must_use]
    pub fn has_heard(&self, said: &Checked) -> bool {
        match self.checks.get(&said.name) {
            Some(Reported { newest, .. }) => {
                newest.says_the_same(said)
                    && (newest.identity != Identity::Unverified || said.identity == Identity::Unverified)
            }
            None => self.is_outdated(said),
        }
    }

    /// Whether a check has reported on a deployment before this one, and not on this one.
    #[must_use]
    pub fn was_reported_before(&self, name: &str) -> bool {
        !self.checks.contains_key(name) && self.outdated.contains_key(name)
    }

    /// Whether it says no more than the last report on the deployment before this one.
    #[must_use]
    pub fn is_outdated(&self, said: &Checked) -> bool {
        self.was_reported_before(&said.name)
            && self.outdated.get(&said.name).is_some_and(|old| old.says_the_same(said))
    }

    /// The newest report of a check that counts, and since when it says so. That something has failed counts whoever says so; that it has
    /// passed only from whom the gate believes.
    #[must_use]
    pub fn check(&self, name: &str, needed: IdentityNeeded) -> Option<(&Checked, Timestamp)> {
        let reported = self.checks.get(name)?;
        match (reported.newest.result, needed) {
            (CheckResult::Failed, _) => Some((&reported.newest, reported.at)),
            (CheckResult::Passed, IdentityNeeded::Any) => {
                reported.passed.map(|since| (&reported.newest, since))
            }
            (CheckResult::Passed, IdentityNeeded::Verified) => {
                reported.verified.as_ref().map(|(checked, since)| (checked, *since))
            }
        }
    }

    /// When it was carried out in full and every one of these checks had passed; `None`: that is not so.
    #[must_use]
    pub fn verified_time(&self, checks: &[Check], needed: IdentityNeeded) -> Option<Timestamp> {
        let done = self.is_complete().then_some(self.settled_time)?;
        self.all_passed(checks, needed).map(|at| at.max(done))
    }

    /// Since when all of these checks have passed; of none, ever since. `None`: one of them has not.
    #[must_use]
    pub fn all_passed(&self, checks: &[Check], needed: IdentityNeeded) -> Option<Timestamp> {
        checks.iter().try_fold(Timestamp::MIN, |latest, check| {
            let (checked, at) = self.check(&check.name, needed)?;
            (checked.result == CheckResult::Passed).then(|| latest.max(at))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Arc};

    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::api::ChangePlan;

    /// Reports, one a minute: `P` passed and `F` failed by somebody known, `p` and `f` by anybody; what nothing proves is at these places.
    fn heard(reports: &str, unproven: &[u32]) -> PlanView {
        let mut ledger = vec![json!({ "seq": 0, "time": "2026-11-24T00:00:00Z", "opened": { "order": 1 } })];
        for (minute, letter) in (1..).zip(reports.chars()) {
            let result = if letter.eq_ignore_ascii_case(&'p') { "Passed" } else { "Failed" };
            let identity = if letter.is_ascii_uppercase() { "Verified" } else { "Unverified" };
            ledger.push(json!({ "seq": minute, "time": format!("2026-11-24T00:{minute:02}:00Z"), "checked": {
                "name": "smoke", "result": result, "by": "ci", "identity": identity, "reason": format!("run {minute}") } }));
        }
        let proposal = json!({ "kind": "Stage", "name": "prod", "uid": "5e5cda1a", "operation": "Deploy",
            "id": format!("c1-{}", "1".repeat(40)) });
        let spec = json!({ "proposal": proposal, "ledger": ledger });
        let plan = ChangePlan::new("prod-1", serde_json::from_value(spec).unwrap());
        PlanView::new(Arc::new(plan)).unwrap().doubting(unproven.iter().copied().collect::<BTreeSet<_>>())
    }

    #[rstest]
    #[case::once("P", &[], Some(1))]
    #[case::again_in_other_words("PPP", &[], Some(1))]
    #[case::anew_after_a_failure("PFPP", &[], Some(3))]
    #[case::failed("PF", &[], Some(2))]
    #[case::failed_whoever_says_so("Pf", &[], Some(2))]
    #[case::by_nobody_known("p", &[], None)]
    #[case::anybody_in_between_takes_nothing_away("PpP", &[], Some(1))]
    #[case::anybody_afterwards_takes_nothing_away("Pp", &[], Some(1))]
    #[case::known_only_later("pP", &[], Some(2))]
    #[case::a_failure_undone_by_nobody_known("PFp", &[], None)]
    #[case::what_nothing_proves("P", &[1], None)]
    #[case::what_nothing_proves_comes_first("PPP", &[1], Some(2))]
    #[case::what_nothing_proves_lies_between("PPP", &[2], Some(1))]
    fn a_gate_that_wants_proof(#[case] reports: &str, #[case] unproven: &[u32], #[case] since: Option<i64>) {
        let view = heard(reports, unproven);
        let told = view.check("smoke", IdentityNeeded::Verified).map(|(_, at)| minute(at));
        assert_eq!(told, since);
    }

    #[rstest]
    #[case::anybody("p", &[], Some(1))]
    #[case::known_only_later("pP", &[], Some(1))]
    #[case::anew_after_a_failure("pfPp", &[], Some(3))]
    #[case::a_time_that_nothing_proves("PPP", &[1], Some(2))]
    #[case::nothing_that_is_proven("P", &[1], None)]
    fn a_gate_that_believes_anybody(
        #[case] reports: &str,
        #[case] unproven: &[u32],
        #[case] since: Option<i64>,
    ) {
        let view = heard(reports, unproven);
        assert_eq!(view.check("smoke", IdentityNeeded::Any).map(|(_, at)| minute(at)), since);
    }

    fn minute(at: Timestamp) -> i64 {
        let start: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
        at.duration_since(start).as_mins()
    }
}
