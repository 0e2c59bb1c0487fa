//! What is drawn.

use std::{
    env,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};

/// Runs a test with the seed that was given, else with one of this moment; a failure tells it.
pub fn with_seed(test: impl FnOnce(u64) -> Result<()>) -> Result<()> {
    let seed = match env::var("SURVIVAL_SEED") {
        Ok(given) => given.parse().context("SURVIVAL_SEED is no number")?,
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
    };
    test(seed).with_context(|| format!("SURVIVAL_SEED={seed}"))
}

/// Numbers from a seed (SplitMix64).
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 to below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        let at = usize::try_from(self.below(all.len() as u64)).unwrap_or_default();
        all[at]
    }

    /// Up to `most`, short ones more often.
    pub fn moment(&mut self, most: Duration) -> Duration {
        let share = self.below(1000) as f64 / 1000.0;
        most.mul_f64(share * share)
    }
}
