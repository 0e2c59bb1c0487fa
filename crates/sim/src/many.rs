//! Many runs on all processors.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use crate::run::{Failure, Report, Setting, run};

/// What many runs came to.
#[derive(Debug, Default)]
pub struct Tally {
    /// The number of runs.
    pub runs: u64,
    /// Effects of all runs.
    pub effects: u64,
    /// The failures, by the number of the run, lowest first; after the tenth no more runs are begun.
    pub failures: Vec<(u64, String)>,
}

/// Runs the settings numbered `from..to`.
pub fn many(from: u64, to: u64, setting: impl Fn(u64) -> Setting + Sync) -> Tally {
    let next = AtomicU64::new(from);
    let tally = Mutex::new(Tally::default());
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= to || !note(&tally, number, || run(&setting(number))) {
                        return;
                    }
                }
            });
        }
    });
    let mut tally = tally.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    tally.failures.sort();
    tally
}

/// Runs one and adds it to the tally. `false`: enough has failed.
fn note(tally: &Mutex<Tally>, number: u64, run: impl FnOnce() -> Result<Report, Box<Failure>>) -> bool {
    let result = run();
    let mut tally = tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    tally.runs += 1;
    match result {
        Ok(report) => tally.effects += report.effects,
        Err(failure) => tally.failures.push((number, failure.violation)),
    }
    tally.failures.len() < 10
}
