//! What a fresh look has confirmed: what cannot be taken back takes nothing else.

use jiff::{SignedDuration, Timestamp};

/// A value that a fresh look has confirmed. Only [`Confirmed::by_look`] makes one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Confirmed<T> {
    value: T,
    as_of: Timestamp,
}

/// How old a look may be to confirm something. By age, not "in this pass": with a step budget of one the latter never
/// gets anywhere.
pub const CONFIRM_WITHIN: SignedDuration = SignedDuration::from_secs(5);

/// How old the look may be when what cannot be taken back is done.
const ACT_WITHIN: SignedDuration = SignedDuration::from_secs(15);

impl<T> Confirmed<T> {
    /// Confirms a value by a look that began at `as_of`, if that is fresh enough.
    #[must_use]
    pub fn by_look(value: T, as_of: Timestamp, now: Timestamp) -> Option<Self> {
        // A look from the future is one from before the clock was set back.
        (as_of <= now && now.duration_since(as_of) <= CONFIRM_WITHIN).then_some(Self { value, as_of })
    }

    /// The value.
    #[must_use]
    pub fn get(&self) -> &T {
        &self.value
    }

    /// Whether the look is too old by now to act on: whoever was held up between deciding and acting does not act.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        now.duration_since(self.as_of) > ACT_WITHIN
    }
}
