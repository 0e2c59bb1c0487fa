//! A digest over a list of fields that cannot be read in two ways: each field is prefixed with its length.

use sha2::Digest as _;

use crate::words::Digest;

/// Feeds fields into SHA-256; the first one names the purpose and its version.
pub(super) struct Canon(sha2::Sha256);

impl Canon {
    pub(super) fn new(purpose: &str) -> Self {
        Self(sha2::Sha256::new()).text(purpose)
    }
    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }
    pub(super) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }
    pub(super) fn flag(self, flag: bool) -> Self {
        self.bytes(&[u8::from(flag)])
    }
    pub(super) fn digest(self, digest: Digest) -> Self {
        self.bytes(digest.bytes())
    }
    pub(super) fn finish(self) -> Digest {
        Digest::from_bytes(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_between_fields_count() {
        let ab_c = Canon::new("t").text("ab").text("c").finish();
        let a_bc = Canon::new("t").text("a").text("bc").finish();
        assert_ne!(ab_c, a_bc);
        assert_ne!(Canon::new("t").finish(), Canon::new("u").finish());
    }
}
