//! How bad things get, and when they get better.

use jiff::SignedDuration;

use crate::random::Random;

/// How often things happen, each in 1,000 chances.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Weather {
    /// A controller dies before an effect.
    pub crash_before: u32,
    /// A controller dies after an effect.
    pub crash_after: u32,
    /// The reply to an effect that was carried out is lost.
    pub lost: u32,
    /// An effect is refused: throttled or not reachable.
    pub refused: u32,
    /// A watch event stays behind, per tick.
    pub late: u32,
    /// Reads of a changed stack show its old row, up to five times.
    pub stale: u32,
    /// An operation or the preparation of a change set fails.
    pub fails: u32,
    /// A controller rests for up to ten minutes in the middle of a step.
    pub pause: u32,
    /// Somebody else does something to a stack, a change set or a grant, per tick.
    pub outside: u32,
    /// The platform team freezes, holds, pins, demands something else, or turns the policies, per tick.
    pub rules: u32,
    /// People sign what they saw, or do what the status says, per tick.
    pub people: u32,
    /// A release is made, per tick.
    pub releases: u32,
    /// Nobody does anything for up to two hours, whenever there is nothing to do.
    pub sleeps: u32,
}

impl Weather {
    /// Nothing goes wrong.
    pub const CALM: Self = Self {
        crash_before: 0,
        crash_after: 0,
        lost: 0,
        refused: 0,
        late: 0,
        stale: 0,
        fails: 0,
        pause: 0,
        outside: 0,
        rules: 0,
        people: 0,
        releases: 0,
        sleeps: 0,
    };

    /// One of several kinds of bad weather.
    #[must_use]
    pub fn choose(random: &mut Random) -> Self {
        let mut some = |most: u64| {
            let heavy = random.chance(500);
            u32::try_from(if heavy { random.below(most + 1) } else { 0 }).unwrap_or(0)
        };
        Self {
            crash_before: some(60),
            crash_after: some(60),
            lost: some(120),
            refused: some(120),
            late: some(900),
            stale: some(900),
            fails: some(120),
            pause: some(30),
            outside: some(12),
            rules: some(30),
            people: 100 + some(200),
            releases: 10 + some(20),
            sleeps: some(100),
        }
    }
}

/// Chance, and the weather that it works in.
#[derive(Clone, Debug)]
pub struct Luck {
    /// The source.
    pub random: Random,
    /// The weather now.
    pub weather: Weather,
    /// Whether durations are chosen; else each is the shortest.
    pub vary: bool,
}

impl Luck {
    /// A duration between two numbers of milliseconds.
    pub fn millis(&mut self, least: u64, most: u64) -> SignedDuration {
        let more = if self.vary { self.random.below(most - least + 1) } else { 0 };
        SignedDuration::from_millis(i64::try_from(least + more).unwrap_or(0))
    }
}
