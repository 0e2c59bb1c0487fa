//! What was refused, and when it may be tried again.

use jiff::{SignedDuration, Timestamp};

use super::Facts;
use crate::effect::{Effect, Refusal, RefusalKind};

/// How often something is tried that nothing may wait for long: for some 15 s.
pub(crate) const TRIES: u32 = 5;

/// A refusal, and how often it came in a row.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The last one.
    pub refusal: Refusal,
    /// When it came.
    pub at: Timestamp,
    /// How many in a row.
    pub times: u32,
}

impl Refused {
    /// When the same effect may be tried again: 1 s doubling to 60 s where that may help by itself, else doubling to 5 minutes,
    /// from 15 s; from 2 s where a right was missing: rights come into force a little later than they are given, in IAM as in
    /// an API server that has just started.
    #[must_use]
    pub fn retry_at(&self) -> Timestamp {
        let (first, most) = match self.refusal.kind {
            RefusalKind::Throttled | RefusalKind::Unavailable | RefusalKind::Conflict => (1, 60),
            RefusalKind::AssumeDenied | RefusalKind::Denied => (2, 300),
            RefusalKind::WrongAccount
            | RefusalKind::NotFound
            | RefusalKind::AlreadyExists
            | RefusalKind::AssetKeyTaken
            | RefusalKind::Invalid => (15, 300),
        };
        let secs = i64::min(first << self.times.saturating_sub(1).min(10), most);
        self.at.saturating_add(SignedDuration::from_secs(secs)).unwrap_or(self.at)
    }
}

impl Facts {
    /// Whether this was refused so often in a row that what need not have it goes on without.
    pub(crate) fn is_in_vain(&self, effect: &Effect) -> bool {
        self.refusals.get(&effect.attempt()).is_some_and(|refused| refused.times >= TRIES)
    }

    /// The same, but for what passes once something else is done: a change set that is being made cannot be deleted yet.
    pub(crate) fn is_past_hope(&self, effect: &Effect) -> bool {
        let refused = self.refusals.get(&effect.attempt()).filter(|_| self.is_in_vain(effect));
        refused.is_some_and(|refused| refused.refusal.kind != RefusalKind::Conflict)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::passes_by_itself(RefusalKind::Throttled, [1, 2, 4, 60])]
    #[case::a_right_that_comes_into_force(RefusalKind::Denied, [2, 4, 8, 300])]
    #[case::somebody_has_to_act(RefusalKind::Invalid, [15, 30, 60, 300])]
    fn what_was_refused_is_tried_again(#[case] kind: RefusalKind, #[case] seconds: [i64; 4]) {
        let at = Timestamp::UNIX_EPOCH;
        for (times, seconds) in [1, 2, 3, 30].into_iter().zip(seconds) {
            let refused = Refused { refusal: Refusal { kind, message: String::new() }, at, times };
            assert_eq!(refused.retry_at().duration_since(at).as_secs(), seconds);
        }
    }
}
