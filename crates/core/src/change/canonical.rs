//! One unambiguous byte form for everything that goes into a digest.

use sha2::{Digest as _, Sha256};

use crate::words::Digest;

/// Feeds a digest field by field. Every field carries its name and length, lists carry their size, so two different
/// contents never have the same bytes. Strings are taken as they are, without Unicode normalisation.
pub struct Canonical(Sha256);

impl Canonical {
    /// Starts with what the digest is for, and its version.
    #[must_use]
    pub fn new(domain: &str) -> Self {
        Self(Sha256::new()).bytes("domain", domain.as_bytes())
    }

    /// Adds a named field.
    #[must_use]
    pub fn bytes(mut self, name: &str, value: &[u8]) -> Self {
        for part in [name.as_bytes(), value] {
            self.0.update((part.len() as u64).to_be_bytes());
            self.0.update(part);
        }
        self
    }

    /// Adds a named text.
    #[must_use]
    pub fn text(self, name: &str, value: &str) -> Self {
        self.bytes(name, value.as_bytes())
    }

    /// Adds a text that may be absent; absent and empty differ.
    #[must_use]
    pub fn maybe(self, name: &str, value: Option<&str>) -> Self {
        match value {
            None => self.bytes(name, b"-"),
            Some(v) => self.bytes(name, b"+").text("value", v),
        }
    }

    /// Adds a list, in the order given.
    #[must_use]
    pub fn list<T>(
        self,
        name: &str,
        items: impl ExactSizeIterator<Item = T>,
        each: impl Fn(Self, T) -> Self,
    ) -> Self {
        let start = self.bytes(name, &(items.len() as u64).to_be_bytes());
        items.fold(start, each)
    }

    /// The digest.
    #[must_use]
    pub fn digest(self) -> Digest {
        Digest::from_bytes(self.0.finalize().into())
    }
}
