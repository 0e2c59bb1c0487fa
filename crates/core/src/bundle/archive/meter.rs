//! Counts what an archive unpacks to, and stops the reading at the caps.

use std::io::{self, Read};

use super::{ArchiveError, Caps};

/// The counts of one archive.
pub(in super::super) struct Meter {
    caps: Caps,
    packed: u64,
    unpacked: u64,
    entries: usize,
}

impl Meter {
    pub(in super::super) fn new(packed: usize, caps: Caps) -> Self {
        Self { caps, packed: packed as u64, unpacked: 0, entries: 0 }
    }

    /// Counts one more entry.
    pub(super) fn entry(&mut self) -> Result<(), ArchiveError> {
        self.entries += 1;
        if self.entries > self.caps.entries {
            return Err(ArchiveError::TooManyEntries { limit: self.caps.entries });
        }
        Ok(())
    }

    /// Counts bytes that came out of the decoder.
    pub(super) fn bytes(&mut self, count: usize) -> Result<(), ArchiveError> {
        self.unpacked = self.unpacked.saturating_add(count as u64);
        if self.unpacked > self.caps.unpacked_bytes {
            return Err(ArchiveError::TooLarge { limit: self.caps.unpacked_bytes });
        }
        let allowed = self.packed.saturating_mul(self.caps.ratio).max(self.caps.ratio_free_bytes);
        if self.unpacked > allowed {
            return Err(ArchiveError::RatioTooHigh { limit: self.caps.ratio });
        }
        Ok(())
    }

    /// Reads to the end, a piece at a time, so that nothing is allocated before it is counted.
    pub(super) fn read(&mut self, mut from: impl Read) -> Result<Vec<u8>, ArchiveError> {
        let mut piece = [0; 16 * 1024];
        let mut all = Vec::new();
        loop {
            match from.read(&mut piece) {
                Ok(0) => return Ok(all),
                Ok(n) => {
                    self.bytes(n)?;
                    all.extend_from_slice(piece.get(..n).unwrap_or_default());
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(ArchiveError::Damaged(e.to_string())),
            }
        }
    }
}
