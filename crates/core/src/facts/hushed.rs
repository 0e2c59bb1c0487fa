//! What may be remembered, logged and shown of an answer: nothing that a Secret holds.

use super::Facts;
use crate::{
    change::Hidden,
    effect::{Effect, Fact, Mutation, Outcome, Refusal, RefusalKind, Seen, ValueKind, ValueSource},
    hush::{self, UNSHOWN},
    stack::{ChangeSetRow, Drift, FailedResource},
};

impl Facts {
    /// The text without what it shares with the values that Secrets hold for the object: parts of them, and what they look like
    /// encoded, too.
    #[must_use]
    pub fn hush(&self, text: String) -> String {
        let all = self.secrets(|_| true).chain(&self.former_secrets).map(Hidden::reveal);
        hush::hush(text, all)
    }

    /// What came of an effect, as it may be remembered, logged and shown: AWS may repeat values that it was given, now or earlier.
    #[must_use]
    pub fn hushed(&self, effect: &Effect, outcome: Outcome) -> Outcome {
        let unshown = |what: &str| {
            let give = match effect {
                Effect::Mutate(Mutation::CreateChangeSet(_)) => {
                    "give all parameters of the stack in spec.parameters of the Stage, or "
                }
                Effect::Mutate(_) | Effect::Look(_) | Effect::Record(_) => "",
            };
            format!("{what}: {UNSHOWN}; {give}see the call in CloudTrail with your own rights")
        };
        match outcome {
            Outcome::Refused(Refusal { kind, .. }) if self.is_quiet(effect, Some(kind)) => {
                Outcome::Refused(Refusal { kind, message: unshown(&format!("refused ({kind:?})")) })
            }
            Outcome::Unsure(_) if self.is_quiet(effect, None) => Outcome::Unsure(unshown("no clear answer")),
            Outcome::Refused(r) => Outcome::Refused(Refusal { message: self.hush(r.message), ..r }),
            Outcome::Unsure(why) => Outcome::Unsure(self.hush(why)),
            Outcome::Learnt(Fact::ChangeSet(Some(row))) => {
                Outcome::Learnt(Fact::ChangeSet(Some(ChangeSetRow { reason: self.hush(row.reason), ..row })))
            }
            Outcome::Learnt(Fact::Failure(Some(f))) => {
                Outcome::Learnt(Fact::Failure(Some(FailedResource { reason: self.hush(f.reason), ..f })))
            }
            Outcome::Learnt(Fact::Drift(Some(Drift::Failed(why)))) => {
                Outcome::Learnt(Fact::Drift(Some(Drift::Failed(self.hush(why)))))
            }
            Outcome::Learnt(_) | Outcome::Accepted(_) => outcome,
        }
    }

    /// Whether an answer may hold a secret value that is not known here. `None`: no clear answer.
    fn is_quiet(&self, effect: &Effect, kind: Option<RefusalKind>) -> bool {
        // The codes of these tell all, before anybody has read a parameter: nothing of it stands there, and people need the words.
        let about_the_call = match kind {
            Some(
                RefusalKind::Throttled
                | RefusalKind::Unavailable
                | RefusalKind::AssumeDenied
                | RefusalKind::Denied
                | RefusalKind::WrongAccount
                | RefusalKind::AssetKeyTaken,
            ) => true,
            Some(
                RefusalKind::NotFound
                | RefusalKind::AlreadyExists
                | RefusalKind::Conflict
                | RefusalKind::Invalid,
            )
            | None => false,
        };
        match effect {
            Effect::Mutate(Mutation::CreateChangeSet(wanted)) => wanted.quiet && !about_the_call,
            // It begins with the values that the stack has; without a look nobody can tell.
            Effect::Mutate(Mutation::Execute(key, ..)) => match (kind, self.stacks.get(key)) {
                (None | Some(RefusalKind::Invalid), Some(Seen::Present(row, _))) => !row.masked.is_empty(),
                (None | Some(RefusalKind::Invalid), Some(Seen::Absent(_))) => false,
                (None | Some(RefusalKind::Invalid), Some(Seen::Unknown) | None) => true,
                (Some(_), _) => false,
            },
            // Names and states are all that these take and tell.
            Effect::Mutate(
                Mutation::Publish(_)
                | Mutation::PushImage(_)
                | Mutation::DeleteChangeSet(..)
                | Mutation::Protect(..)
                | Mutation::DeleteStack(..),
            )
            | Effect::Look(_)
            | Effect::Record(_) => false,
        }
    }

    /// The values that these Secrets hold, as far as they were read.
    pub(super) fn secrets(&self, of: impl Fn(&ValueSource) -> bool) -> impl Iterator<Item = &Hidden> {
        let read =
            self.values.iter().filter(move |(source, _)| source.kind == ValueKind::Secret && of(source));
        let held = read.filter_map(|(_, seen)| match seen {
            Seen::Present(held, _) => Some(held.values.values()),
            Seen::Absent(_) | Seen::Unknown => None,
        });
        held.flatten()
    }
}
