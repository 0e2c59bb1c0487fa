//! When a region is polled next: fast while something runs, slower in trouble, seldom else.

use std::time::Duration;

use stackgate_core::{
    effect::{Pace, RefusalKind},
    words::{Digest, Env},
};
use tokio::time::Instant;

use super::class::Class;

/// The least time between two polls, however many operations begin.
const GAP: Duration = Duration::from_millis(250);

/// How often a region is polled.
#[derive(Clone, Copy, Debug)]
pub struct Paces {
    /// While an operation of ours runs there.
    pub fast: Duration,
    /// While nothing does; spread by up to a tenth.
    pub slow: Duration,
    /// The longest that failures stretch the fast pace to.
    pub most: Duration,
}

impl Default for Paces {
    fn default() -> Self {
        Self { fast: Duration::from_secs(2), slow: Duration::from_mins(10), most: Duration::from_secs(60) }
    }
}

/// When the next poll is due.
pub(super) struct Rhythm {
    last: Instant,
    polls: u64,
    /// Doubles the pace that often; goes down by one with each success, so that a throttled pace recovers slowly.
    trouble: u32,
    /// Whose access is used.
    turn: usize,
}

impl Rhythm {
    /// A rhythm that begins at `now`, without a poll.
    pub(super) fn new(now: Instant) -> Self {
        Self { last: now, polls: 0, trouble: 0, turn: 0 }
    }

    /// When to poll next; `due` asks for it at once.
    pub(super) fn next(&self, paces: &Paces, due: bool, pace: Pace, env: &Env) -> Instant {
        let fast = paces.fast.saturating_mul(1 << self.trouble.min(16)).min(paces.most.max(paces.fast));
        let wait = match (due, self.trouble, pace) {
            (true, 0, _) if self.polls == 0 => Duration::ZERO,
            (true, 0, _) => GAP.min(paces.fast),
            (true, _, _) | (false, _, Pace::Fast) => fast,
            (false, _, Pace::Slow) => paces.slow.saturating_sub(self.spread(paces.slow, env)),
        };
        self.last + wait
    }

    /// Up to a tenth of the slow pace, other for each environment and poll, so that they do not march in step.
    fn spread(&self, slow: Duration, env: &Env) -> Duration {
        let digest = Digest::of(format!("{env} {}", self.polls));
        let tenth = slow / 10;
        tenth.mul_f64(f64::from(digest.bytes().first().copied().unwrap_or_default()) / 255.0)
    }

    /// Whose access the next poll uses.
    pub(super) fn choose<'a, T>(&self, accesses: &'a [T]) -> Option<&'a T> {
        accesses.get(self.turn.checked_rem(accesses.len())?)
    }

    /// Takes down that a poll begins.
    pub(super) fn begins(&mut self, now: Instant) {
        self.last = now;
        self.polls = self.polls.saturating_add(1);
    }

    /// Takes down that a poll was complete.
    pub(super) fn succeeded(&mut self) {
        self.trouble = self.trouble.saturating_sub(1);
    }

    /// Takes down that a poll broke off.
    pub(super) fn failed(&mut self, class: Class) {
        self.trouble = self.trouble.saturating_add(1);
        if matches!(class, Class::Refused(RefusalKind::Denied | RefusalKind::AssumeDenied)) {
            // Another object may have been given a role that works.
            self.turn = self.turn.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACES: Paces =
        Paces { fast: Duration::from_secs(2), slow: Duration::from_secs(600), most: Duration::from_secs(60) };

    fn wait(rhythm: &Rhythm, due: bool, pace: Pace) -> Duration {
        let env = Env { account: "111111111111".parse().unwrap(), region: "ap-southeast-2".parse().unwrap() };
        rhythm.next(&PACES, due, pace, &env) - rhythm.last
    }

    #[test]
    fn what_begins_to_run_is_polled_at_once_then_at_the_pace() {
        let mut rhythm = Rhythm::new(Instant::now());
        assert_eq!(wait(&rhythm, true, Pace::Fast), Duration::ZERO);
        rhythm.begins(Instant::now());
        assert_eq!(wait(&rhythm, false, Pace::Fast), PACES.fast);
        assert_eq!(wait(&rhythm, true, Pace::Fast), GAP);
        let slow = wait(&rhythm, false, Pace::Slow);
        assert!(slow <= PACES.slow && slow >= PACES.slow - PACES.slow / 10, "{slow:?}");
    }

    #[test]
    fn trouble_stretches_the_pace_and_goes_slowly() {
        let mut rhythm = Rhythm::new(Instant::now());
        rhythm.failed(Class::Refused(RefusalKind::Throttled));
        rhythm.failed(Class::Open);
        assert_eq!(wait(&rhythm, true, Pace::Fast), PACES.fast * 4);
        rhythm.succeeded();
        assert_eq!(wait(&rhythm, false, Pace::Fast), PACES.fast * 2);
        (0..100).for_each(|_| rhythm.failed(Class::Open));
        assert_eq!(wait(&rhythm, false, Pace::Fast), PACES.most);
    }

    #[test]
    fn only_a_denial_passes_the_turn_on() {
        let mut rhythm = Rhythm::new(Instant::now());
        rhythm.failed(Class::Open);
        assert_eq!(rhythm.choose(&["a", "b"]), Some(&"a"));
        rhythm.failed(Class::Refused(RefusalKind::AssumeDenied));
        assert_eq!(rhythm.choose(&["a", "b"]), Some(&"b"));
        assert_eq!(rhythm.choose::<&str>(&[]), None);
    }
}
