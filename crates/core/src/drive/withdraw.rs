//! Taking a change set away, so that nobody can execute it.

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::Reason,
    change::HmacKey,
    effect::{Access, CONFIRM_WITHIN, Effect, Look, Mutation, Seen, SetRef},
    facts::{Facts, Looked},
    stack::SetState,
    verdict::{Need, Step, ask, look_again_at},
    words::{Digest, StackKey},
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

/// Takes away a change set that we have prepared for this input.
///
/// # Errors
/// What has to happen first.
pub fn withdrawn(
    facts: &Facts,
    proof: &HmacKey,
    key: &StackKey,
    set: &SetRef,
    input: &Digest,
    access: &Access,
    now: Timestamp,
) -> Step<Withdrawn> {
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
                if !proof.proves(&row.description, row.name.as_str(), input) {
                    return Ok(Withdrawn::IsNotThere);
                }
                // Somebody may have executed it since.
                if !is_within(*at, CONFIRM_WITHIN) {
                    return Err(ask(facts, look(), now));
                }
                let delete = Mutation::DeleteChangeSet(key.clone(), row.arn.clone(), access.clone());
                Err(ask(facts, Effect::Mutate(delete), now))
            }
            SetState::Gone => {
                let again = look_again_at(*at, *times);
                Err(if now >= again {
                    ask(facts, look(), now)
                } else {
                    Need::Wait(Reason::Withdrawing, format!("change set {} is going", row.name), Some(again))
                })
            }
            SetState::Executing | SetState::Executed => Ok(Withdrawn::HasRun),
        },
    }
}
