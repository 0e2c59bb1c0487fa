//! Whether what says who decided is proven at this moment. What the watches show may be behind: the policies may have gone
//! and come back since they were tried, and what a Stage shows may be from before that.

use jiff::{SignedDuration, Timestamp};

use super::{Owner, live::live_since_version};
use crate::{
    api::{DecisionSource, Identity, Reason},
    effect::LiveGate,
    gate::PlanView,
    verdict::{Phase, Step, Verdict, fold},
};

/// How soon is looked again where the policies are others than those that were tried, or cannot be read.
const AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// A look at the API server that came after the annotations were seen, if there was one.
pub(super) struct Proof<'a> {
    o: &'a Owner<'a>,
    plan: &'a PlanView,
    now: Timestamp,
    live: Option<Step<&'a LiveGate>>,
    /// Whether something waits for other policies than those that are there.
    waits: bool,
}

impl<'a> Proof<'a> {
    pub(super) fn new(o: &'a Owner<'a>, plan: &'a PlanView, now: Timestamp) -> Self {
        Self { o, plan, now, live: None, waits: false }
    }

    /// Whether an annotation may be recorded as one of that identity. The look names the version of the plan that was seen, and
    /// the write demands that it is the newest still; a Stage is not written, so the look has to have shown it, too.
    pub(super) fn holds(
        &mut self,
        identity: Identity,
        source: DecisionSource,
        key: &str,
        value: &str,
    ) -> bool {
        match identity {
            Identity::Verified | Identity::Git => {}
            Identity::Unverified | Identity::System => return true,
        }
        let Ok(live) = self.live.get_or_insert_with(|| live_since_version(self.o, self.plan, self.now))
        else {
            return false;
        };
        if live.policies.is_none() || live.policies != self.o.enforcement.fingerprint {
            self.waits = true;
            return false;
        }
        match source {
            DecisionSource::ChangePlan | DecisionSource::Rule => true,
            DecisionSource::Stage => {
                let annotations = live.stage.as_ref().and_then(|s| s.metadata.annotations.as_ref());
                annotations.and_then(|a| a.get(key)).is_some_and(|v| v == value)
            }
        }
    }

    /// What has to happen before what was left out can be recorded, if that is all that is left.
    pub(super) fn missing(self) -> Option<Verdict> {
        if let Some(Err(need)) = self.live {
            return Some(fold(vec![need], Reason::AwaitingApproval, "making sure who decided"));
        }
        let what = "decisions wait to be recorded until it is known again whether the admission policies are in force";
        let wait = || {
            Verdict::rest(Phase::Waiting(Reason::PoliciesNotInForce), what).waiting_for("admission policies")
        };
        self.waits.then(|| match self.now.saturating_add(AGAIN) {
            Ok(at) => wait().until(at),
            Err(_) => wait(),
        })
    }
}
