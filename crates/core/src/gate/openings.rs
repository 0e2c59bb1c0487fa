//! For which releases a plan was opened, one after the other, and what became of it.

use jiff::Timestamp;

use super::PlanView;
use crate::api::{ProposedStack, ReleaseRef};

/// One opening of a plan for a release, as far as it is proven.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// The place of the plan among those of its owner, from then on.
    pub order: u64,
    /// The release.
    pub release: &'a ReleaseRef,
    /// The CDK Stage.
    pub cdk_stage: Option<&'a str>,
    /// When it was opened.
    pub time: Timestamp,
    /// When it was claimed first since then.
    pub claimed: Option<Timestamp>,
    /// Whether it was carried out.
    pub carried_out: bool,
}

impl PlanView {
    /// All openings for releases, oldest first.
    #[must_use]
    pub fn openings(&self) -> Vec<Opening<'_>> {
        let does_nothing = self.does_nothing();
        let mut all: Vec<Opening<'_>> = Vec::new();
        for entry in self.written() {
            if let Some((opened, release)) =
                entry.opened.as_ref().and_then(|o| Some((o, o.release.as_ref()?)))
            {
                all.push(Opening {
                    order: opened.order,
                    release,
                    cdk_stage: opened.cdk_stage.as_deref(),
                    time: entry.time.0,
                    claimed: None,
                    // What changes nothing is done as soon as it is opened.
                    carried_out: does_nothing,
                });
            }
            let Some(last) = all.last_mut() else { continue };
            if entry.claimed.is_some() {
                last.claimed = last.claimed.or(Some(entry.time.0));
                // A plan is opened again once all of it has come to its end.
                last.carried_out = true;
            }
            last.carried_out &= entry.closed.is_none();
        }
        if let Some(last) = all.last_mut() {
            last.carried_out = self.is_complete();
        }
        all
    }

    /// Whether it is done as soon as it is opened: it neither changes a stack nor takes one over.
    #[must_use]
    pub fn does_nothing(&self) -> bool {
        self.proposal().stacks.iter().all(|s| ProposedStack::is_left_alone(s) && !s.adopted)
    }

    /// How often it was opened, whoever has done it.
    #[must_use]
    pub fn times_opened(&self) -> usize {
        self.plan.spec.ledger.iter().filter(|e| e.opened.is_some()).count()
    }
}
