//! The proof that a change set is ours: a keyed hash in its description.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::words::Digest;

/// The key of this installation; kept in one Secret, never shown.
#[derive(Clone)]
pub struct HmacKey([u8; 32]);

impl std::fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HmacKey(…)")
    }
}

impl HmacKey {
    /// Wraps 32 random bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The keyed hash of parts, each with its length.
    #[must_use]
    pub fn sign(&self, parts: &[&[u8]]) -> Digest {
        // A key shorter than the block counts as padded with zeros (RFC 2104), which spares a fallible constructor.
        let mut block = [0_u8; 64];
        block[..32].copy_from_slice(&self.0);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Digest::from_bytes(mac.finalize().into_bytes().into())
    }

    /// The description of a change set of ours with this name and input.
    #[must_use]
    pub fn description(&self, object: &str, name: &str, input: &Digest) -> String {
        let proof = self.sign(&[b"change set", name.as_bytes(), input.bytes()]);
        // CloudFormation allows 1,024 characters; `object` has at most 63 + 1 + 253.
        format!("Stackgate: {object} proof={}", proof.hex())
    }

    /// Whether a change set's description proves that we made it for this input.
    #[must_use]
    pub fn proves(&self, description: &str, name: &str, input: &Digest) -> bool {
        let proof = self.sign(&[b"change set", name.as_bytes(), input.bytes()]);
        description.rsplit_once("proof=").is_some_and(|(_, p)| p == proof.hex())
    }
}
