//! Reads an archive of a cloud assembly (tar.gz or zip) into a [`Tree`], within caps and without trusting a name.

mod meter;
mod tar;
mod zip;

pub(super) use meter::Meter;

pub(super) use self::zip::read as read_zip;
use super::{
    links,
    path::{BadPath, TreePath},
    tree::{Node, Tree, TreeError},
};

/// How much an archive may hold; enforced while it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// The most bytes that it may unpack to.
    pub unpacked_bytes: u64,
    /// The most entries, directories included.
    pub entries: usize,
    /// The most unpacked bytes for one packed byte; counts beyond [`Caps::ratio_free_bytes`].
    pub ratio: u64,
    /// Unpacked bytes for which the ratio does not count: small archives compress well.
    pub ratio_free_bytes: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Self { unpacked_bytes: 512 << 20, entries: 50_000, ratio: 100, ratio_free_bytes: 1 << 20 }
    }
}

/// Why an archive is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// Neither gzip nor zip.
    #[error("is not an archive: it is neither tar.gz nor zip")]
    NotAnArchive,
    /// The archive is cut off, corrupt, or uses a feature that is not read.
    #[error("the archive cannot be read: {0}")]
    Damaged(String),
    /// It unpacks to too much.
    #[error("the archive unpacks to more than {limit} bytes")]
    TooLarge {
        /// The cap, in bytes.
        limit: u64,
    },
    /// It holds too many entries.
    #[error("the archive holds more than {limit} entries")]
    TooManyEntries {
        /// The cap.
        limit: usize,
    },
    /// It unpacks to suspiciously much.
    #[error("the archive unpacks to more than {limit} times its size")]
    RatioTooHigh {
        /// The cap.
        limit: u64,
    },
    /// The name of an entry is not allowed.
    #[error("an entry of the archive is refused: {0}")]
    Path(#[from] BadPath),
    /// Two entries contradict each other.
    #[error("an entry of the archive is refused: {0}")]
    Tree(#[from] TreeError),
    /// An entry is neither a file, a directory nor a soft link.
    #[error("{path} is a {kind}; only files, directories and soft links are read")]
    Kind {
        /// The entry.
        path: TreePath,
        /// What it is.
        kind: &'static str,
    },
    /// A soft link leaves its asset.
    #[error("{path} is a soft link to {target:?}; links are read only inside their own asset directory")]
    LinkLeaves {
        /// The link.
        path: TreePath,
        /// Its target, cut after 120 characters.
        target: String,
    },
    /// It is no cloud assembly.
    #[error("manifest.json is not at the root of the archive{}", found_at(found.as_ref()))]
    NoManifest {
        /// The manifest nearest to the root, if there is one.
        found: Option<TreePath>,
    },
}

fn found_at(found: Option<&TreePath>) -> String {
    found.map_or_else(String::new, |path| {
        format!(" (found it at {path}); pack the contents of cdk.out, not the directory")
    })
}

impl Tree {
    /// Reads an archive that has `manifest.json` at its root.
    ///
    /// # Errors
    /// [`ArchiveError`], before anything beyond the caps is unpacked.
    pub fn read_archive(bytes: &[u8], caps: &Caps) -> Result<Self, ArchiveError> {
        let mut meter = Meter::new(bytes.len(), *caps);
        let mut tree = match bytes {
            [0x1f, 0x8b, ..] => tar::read(bytes, meter)?,
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => zip::read(bytes, &mut meter)?,
            _ => return Err(ArchiveError::NotAnArchive),
        };
        let manifests =
            || tree.iter().map(|(path, _)| path).filter(|path| path.file_name() == "manifest.json");
        if !manifests().any(|path| path.parent().is_root()) {
            let found = manifests().min_by_key(|path| path.components().count()).cloned();
            return Err(ArchiveError::NoManifest { found });
        }
        tree.share_equal_files();
        Ok(tree)
    }
}

/// Adds a soft link, if it stays inside its own asset.
fn insert_link(tree: &mut Tree, path: TreePath, target: &[u8]) -> Result<(), ArchiveError> {
    let text = String::from_utf8_lossy(target);
    let valid = std::str::from_utf8(target).is_ok() && target.len() <= super::path::MAX_PATH_BYTES;
    if !valid || !links::stays_inside(&path, &text) {
        return Err(ArchiveError::LinkLeaves { path, target: text.chars().take(120).collect() });
    }
    Ok(tree.insert(path, Node::Link { target: text.into_owned() })?)
}

#[cfg(test)]
mod tests;
