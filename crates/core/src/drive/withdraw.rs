//! Taking a change set away, so that nobody can execute it.

use jiff::{SignedDuration, Timestamp};

use super::Wish;
use crate::{
    api::Reason,
    effect::{CONFIRM_WITHIN, Effect, Look, Mutation, Seen, SetRef},
    facts::Looked,
    stack::{ChangeSetRow, SetState},
    verdict::{Need, Step, ask, look_again_at},
};

/// How old a look at an absent change set may be.
const FRESH: SignedDuration = SignedDuration::from_secs(30);

/// Why nothing of a change set of ours can be executed any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Withdrawn {
    /// There is none, or one of our name without our proof: whoever made that keeps it, it is not what was approved.
    IsNotThere,
    /// It runs, or ran: there is nothing left to fence.
    HasRun,
}

impl Wish<'_> {
    /// Takes away a change set that we have prepared for this, and says why.
    ///
    /// # Errors
    /// What has to happen first.
    pub fn withdrawn(&self, set: &SetRef, why: &str, now: Timestamp) -> Step<Withdrawn> {
        let Self { facts, key, access, .. } = *self;
        let look = || Effect::Look(Look::ChangeSet(key.clone(), set.clone(), access.clone()));
        // One that is yet to come was seen before the clock was set back.
        let is_within = |at: Timestamp, most: SignedDuration| at <= now && now.duration_since(at) <= most;
        match facts.change_sets.get(&(key.clone(), set.clone())) {
            Some(Looked { seen: Seen::Absent(at), .. }) if is_within(*at, FRESH) => Ok(Withdrawn::IsNotThere),
            None | Some(Looked { seen: Seen::Unknown | Seen::Absent(_), .. }) => Err(ask(facts, look(), now)),
            Some(Looked { seen: Seen::Present(row, at), times }) => match row.state() {
                SetState::Ready
                | SetState::Empty
                | SetState::Failed
                | SetState::Obsolete
                | SetState::Preparing => {
                    if !self.proof.proves(&row.description, row.name.as_str(), self.input) {
                        return Ok(Withdrawn::IsNotThere);
                    }
                    // Somebody may have executed it since.
                    if !is_within(*at, CONFIRM_WITHIN) {
                        return Err(ask(facts, look(), now));
                    }
                    Err(self.taken_away(row, why, now))
                }
                SetState::Gone => {
                    let again = look_again_at(*at, *times);
                    Err(if now >= again {
                        ask(facts, look(), now)
                    } else {
                        Need::Wait(
                            Reason::Withdrawing,
                            format!("change set {} is going", row.name),
                            Some(again),
                        )
                    })
                }
                SetState::Executing | SetState::Executed => Ok(Withdrawn::HasRun),
            },
        }
    }

    /// The deletion of a change set that is there.
    pub(crate) fn taken_away(&self, set: &ChangeSetRow, why: &str, now: Timestamp) -> Need {
        ask(self.facts, Effect::Mutate(self.deletion(set, why)), now)
    }

    pub(crate) fn deletion(&self, set: &ChangeSetRow, why: &str) -> Mutation {
        Mutation::DeleteChangeSet(self.key.clone(), set.arn.clone(), why.to_owned(), self.access.clone())
    }
}
