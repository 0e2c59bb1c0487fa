//! What all tests of a program use, and the first of them starts.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::{Result, anyhow};

/// Something that is started once. Where that fails, each test says why.
#[derive(Debug)]
pub struct Started<T>(OnceLock<Result<T, String>>);

impl<T> Started<T> {
    /// Nothing is started yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// What was started, by this call or an earlier one.
    ///
    /// # Errors
    /// Why it could not be started.
    pub fn get(&self, start: impl FnOnce() -> Result<T>) -> Result<&T> {
        let started = self.0.get_or_init(|| start().map_err(|error| format!("{error:#}")));
        started.as_ref().map_err(|error| anyhow!("{error}"))
    }
}

impl<T> Started<Mutex<T>> {
    /// The same, for one test at a time. One that failed left it as it was then.
    ///
    /// # Errors
    /// Why it could not be started.
    pub fn in_turn(&self, start: impl FnOnce() -> Result<T>) -> Result<MutexGuard<'_, T>> {
        Ok(self.get(|| start().map(Mutex::new))?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T> Default for Started<T> {
    fn default() -> Self {
        Self::new()
    }
}
