//! The files of a cloud assembly, in memory: nothing in it can name a file of the machine that reads it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::path::TreePath;
use crate::words::Digest;

/// A file: its bytes, whether it may be executed, and the digest of the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    bytes: Arc<[u8]>,
    executable: bool,
    digest: Digest,
}

impl File {
    /// Makes a file and hashes its bytes, once.
    #[must_use]
    pub fn new(bytes: impl Into<Arc<[u8]>>, executable: bool) -> Self {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        Self { bytes, executable, digest }
    }
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }
    /// Whether any of the execute bits was set.
    #[must_use]
    pub fn executable(&self) -> bool {
        self.executable
    }
    /// SHA-256 of the bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let x = if self.executable { ", executable" } else { "" };
        write!(f, "File({} bytes, {:?}{x})", self.bytes.len(), self.digest)
    }
}

/// What stands at a path; directories exist only as the parents of these.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Node {
    /// A file.
    File(File),
    /// A soft link with its target as written, relative to the link's directory.
    Link {
        /// The target text.
        target: String,
    },
}

/// Why a node cannot be added to a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The path is taken already.
    #[error("{0} is there twice")]
    Duplicate(TreePath),
    /// Something that is no directory is used as one.
    #[error("{0} is a file or link, and also the directory of another entry")]
    NotADirectory(TreePath),
    /// The root cannot be a file.
    #[error("an entry has an empty path")]
    EmptyPath,
}

/// A tree of files by normalised path.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tree {
    nodes: BTreeMap<TreePath, Node>,
}

impl Tree {
    /// Adds a node.
    ///
    /// # Errors
    /// [`TreeError`] when the path is taken, is the root, or lies below a file or link.
    pub fn insert(&mut self, path: TreePath, node: Node) -> Result<(), TreeError> {
        if path.is_root() {
            return Err(TreeError::EmptyPath);
        }
        if self.nodes.contains_key(&path) {
            return Err(TreeError::Duplicate(path));
        }
        let mut dir = path.parent();
        while !dir.is_root() {
            if self.nodes.contains_key(&dir) {
                return Err(TreeError::NotADirectory(dir));
            }
            dir = dir.parent();
        }
        if self.is_directory(&path) {
            return Err(TreeError::NotADirectory(path));
        }
        self.nodes.insert(path, node);
        Ok(())
    }

    /// Lets equal files share their bytes.
    pub(super) fn share_equal_files(&mut self) {
        let mut known: BTreeMap<Digest, Arc<[u8]>> = BTreeMap::new();
        for node in self.nodes.values_mut() {
            if let Node::File(file) = node {
                file.bytes = Arc::clone(known.entry(file.digest).or_insert_with(|| Arc::clone(&file.bytes)));
            }
        }
    }

    /// Drops the nodes that are not wanted.
    pub(super) fn retain(&mut self, wanted: impl Fn(&TreePath) -> bool) {
        self.nodes.retain(|path, _| wanted(path));
    }

    /// The bytes of all files; those that files share count once.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let mut seen = BTreeSet::new();
        let files = self.nodes.values().filter_map(|node| match node {
            Node::File(file) => Some(&file.bytes),
            Node::Link { .. } => None,
        });
        files.filter(|bytes| seen.insert(bytes.as_ptr().addr())).map(|bytes| bytes.len() as u64).sum()
    }

    /// What stands at exactly this path.
    #[must_use]
    pub fn get(&self, path: &TreePath) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// The file at exactly this path; links are not followed.
    #[must_use]
    pub fn file(&self, path: &TreePath) -> Option<&File> {
        match self.nodes.get(path)? {
            Node::File(file) => Some(file),
            Node::Link { .. } => None,
        }
    }

    /// Whether any node lies below this path.
    #[must_use]
    pub fn is_directory(&self, path: &TreePath) -> bool {
        self.below(path).next().is_some()
    }

    /// All nodes below the directory, with their whole paths, sorted.
    pub fn below<'a>(&'a self, dir: &'a TreePath) -> impl Iterator<Item = (&'a TreePath, &'a Node)> {
        // "dir/" sorts after "dir", and '/' is not the smallest character: "dir-x" stands between the two.
        let from = if dir.is_root() { String::new() } else { format!("{dir}/") };
        let from = TreePath::from_sorted_prefix(from);
        self.nodes.range(from..).take_while(move |(path, _)| path.below(dir).is_some())
    }

    /// All nodes, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = (&TreePath, &Node)> {
        self.nodes.iter()
    }

    /// How many files and links there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(p: &str) -> TreePath {
        TreePath::parse(p).unwrap()
    }

    #[test]
    fn files_are_no_directories() {
        let file = || Node::File(File::new(*b"x", false));
        let mut tree = Tree::default();
        tree.insert(path("a/b"), file()).unwrap();
        assert_eq!(tree.insert(path("a/b"), file()), Err(TreeError::Duplicate(path("a/b"))));
        assert_eq!(tree.insert(path("a"), file()), Err(TreeError::NotADirectory(path("a"))));
        assert_eq!(tree.insert(path("a/b/c"), file()), Err(TreeError::NotADirectory(path("a/b"))));
    }

    #[test]
    fn below_is_not_fooled_by_a_common_prefix() {
        let mut tree = Tree::default();
        for p in ["d-x", "d.x", "d/1", "d/2/3", "d0"] {
            tree.insert(path(p), Node::File(File::new(*b"", false))).unwrap();
        }
        let dir = path("d");
        let found: Vec<&str> = tree.below(&dir).map(|(p, _)| p.as_str()).collect();
        assert_eq!(found, ["d/1", "d/2/3"]);
        assert_eq!(tree.below(&TreePath::root()).count(), 5);
    }
}
