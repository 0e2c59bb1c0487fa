//! What an asset holds, so that two packings of it can be told equal: paths, execute bits and bytes.

use std::collections::BTreeMap;

use super::{
    archive::{ArchiveError, Caps},
    canon::Canon,
    links::{self, Target},
    path::TreePath,
    tree::{File, Node, Tree},
    zip,
};
use crate::words::Digest;

/// Why the files of an asset cannot be collected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// Nothing stands at the source path.
    #[error("{0} is not in the assembly; ship the whole cdk.out")]
    Missing(TreePath),
    /// A directory where a file is packaged, or the other way round.
    #[error("{path} is not a {expected}")]
    WrongKind {
        /// The source path.
        path: TreePath,
        /// `file` or `directory`.
        expected: &'static str,
    },
    /// A soft link leads nowhere.
    #[error("link {link} leads to {target:?}, which is not there")]
    Dangling {
        /// The link.
        link: TreePath,
        /// Its target as written.
        target: String,
    },
    /// A soft link leads out of its asset.
    #[error("link {link} leads to {target:?}, outside its own asset")]
    Escapes {
        /// The link.
        link: TreePath,
        /// Its target as written.
        target: String,
    },
    /// Soft links lead in a circle.
    #[error("link {link} leads in a circle")]
    Circle {
        /// The link.
        link: TreePath,
    },
    /// Links multiply the files beyond the caps.
    #[error("with its links followed, the asset holds more than {0}")]
    TooMuch(String),
    /// A path becomes too long when links are followed.
    #[error("with its links followed: {0}")]
    Path(#[from] super::path::BadPath),
}

/// Files by path relative to the asset, sorted; modes are 0755 or 0644.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entries(pub BTreeMap<TreePath, File>);

impl Entries {
    /// Collects the files below a directory, with links followed inside the asset.
    ///
    /// # Errors
    /// [`ContentError`] when there is no such directory, or a link dangles, escapes or circles, or the caps are passed.
    pub fn collect(tree: &Tree, source: &TreePath, caps: &Caps) -> Result<Self, ContentError> {
        if !tree.is_directory(source) {
            return Err(match tree.get(source) {
                Some(_) => ContentError::WrongKind { path: source.clone(), expected: "directory" },
                None => ContentError::Missing(source.clone()),
            });
        }
        let mut walk = Walk { tree, caps, entries: Self::default(), bytes: 0 };
        walk.directory(source, &TreePath::root(), &mut Vec::new())?;
        Ok(walk.entries)
    }

    /// How many bytes the files have.
    fn bytes(&self) -> u64 {
        self.0.values().map(|file| file.bytes().len() as u64).sum()
    }

    /// The digest of paths, execute bits and bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let start = Canon::new("stackgate asset directory v1").bytes(&(self.0.len() as u64).to_be_bytes());
        self.0
            .iter()
            .fold(start, |canon, (path, file)| {
                canon.text(path.as_str()).flag(file.executable()).digest(file.digest())
            })
            .finish()
    }
}

/// What an asset holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssetContent {
    /// One file, published as it is.
    File(File),
    /// A directory, published as a zip.
    Directory(Entries),
}

impl AssetContent {
    /// The digest that two packings of the same content share.
    #[must_use]
    pub fn digest(&self) -> Digest {
        match self {
            // Objects have no mode, so that of a single file says nothing.
            Self::File(file) => Canon::new("stackgate asset file v1").digest(file.digest()).finish(),
            Self::Directory(entries) => entries.digest(),
        }
    }

    /// The bytes of the object to publish; the same content always gives the same bytes.
    ///
    /// # Errors
    /// [`ArchiveError`] when the zip format cannot hold the content.
    pub fn object(&self) -> Result<std::sync::Arc<[u8]>, ArchiveError> {
        match self {
            Self::File(file) => Ok(file.bytes().clone()),
            Self::Directory(entries) => zip::write_zip(entries).map(Into::into),
        }
    }

    /// Whether an object that is there already holds the same: equal bytes, or a zip of equal entries.
    ///
    /// # Errors
    /// [`ArchiveError`] when a zip was expected and the object is none, or passes the caps.
    pub fn equals_object(&self, object: &[u8], caps: &Caps) -> Result<bool, ArchiveError> {
        match self {
            Self::File(file) => Ok(**file.bytes() == *object),
            Self::Directory(entries) => {
                // However well it is packed: as much as is here is no bomb.
                let free = caps.ratio_free_bytes.max(entries.bytes());
                let caps = Caps { ratio_free_bytes: free, ..*caps };
                Ok(zip::entries_of_zip(object, &caps)? == *entries)
            }
        }
    }
}

struct Walk<'a> {
    tree: &'a Tree,
    caps: &'a Caps,
    entries: Entries,
    bytes: u64,
}

impl Walk<'_> {
    /// `via` are the links that led here: a directory that holds one of them would be walked for ever.
    fn directory(
        &mut self,
        dir: &TreePath,
        to: &TreePath,
        via: &mut Vec<TreePath>,
    ) -> Result<(), ContentError> {
        for (path, node) in self.tree.below(dir) {
            let to = to.join(path.below(dir).unwrap_or_default())?;
            match node {
                Node::File(file) => self.add(to, file)?,
                Node::Link { target } => match links::follow(self.tree, path, target)? {
                    Target::File(file) => self.add(to, file)?,
                    Target::Directory(inner) => {
                        via.push(path.clone());
                        if via.iter().any(|link| link.below(&inner).is_some()) {
                            return Err(ContentError::Circle { link: path.clone() });
                        }
                        self.directory(&inner, &to, via)?;
                        via.pop();
                    }
                },
            }
        }
        Ok(())
    }

    fn add(&mut self, to: TreePath, file: &File) -> Result<(), ContentError> {
        self.bytes = self.bytes.saturating_add(file.bytes().len() as u64);
        if self.bytes > self.caps.unpacked_bytes {
            return Err(ContentError::TooMuch(format!("{} bytes", self.caps.unpacked_bytes)));
        }
        if self.entries.0.len() >= self.caps.entries {
            return Err(ContentError::TooMuch(format!("{} files", self.caps.entries)));
        }
        self.entries.0.insert(to, file.clone());
        Ok(())
    }
}
