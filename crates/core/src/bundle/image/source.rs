//! Where in an assembly the image of an asset lies, if it does.

use super::{Blob, ImageError, command::tarball, layout::Files};
use crate::bundle::{
    links::{self, Target},
    path::TreePath,
    read_assets::Source,
    tree::{Node, Tree},
};

/// Where an image lies.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in super::super) enum ImageSource {
    /// A directory that is an OCI image layout, whatever else it holds.
    Layout(TreePath),
    /// A tar file, as `docker save` writes it.
    Tarball(TreePath),
}

impl ImageSource {
    /// Where the image of an asset lies; `dir` is the directory of the asset manifest. An image that the assembly does not carry is
    /// no error: perhaps somebody pushes it.
    pub(in super::super) fn find(tree: &Tree, dir: &TreePath, source: &Source) -> Option<Self> {
        if let Some(executable) = &source.executable {
            let file = tarball(executable)?;
            // In a CDK Stage the path is that from the root of the assembly, though commands run where the manifest lies
            // (aws-cdk issue 24827).
            let places = [dir, &TreePath::root()].map(|dir| dir.join(file));
            return places.into_iter().flatten().find(|path| tree.file(path).is_some()).map(Self::Tarball);
        }
        let dir = dir.join(source.directory.as_deref()?).ok()?;
        let holds = |name: &str| dir.join(name).is_ok_and(|path| tree.file(&path).is_some());
        (holds("oci-layout") && holds("index.json")).then_some(Self::Layout(dir))
    }

    pub(in super::super) fn path(&self) -> &TreePath {
        match self {
            Self::Layout(path) | Self::Tarball(path) => path,
        }
    }
}

/// The files of a directory, with links followed as in any asset.
pub(super) struct Directory<'a> {
    pub(super) tree: &'a Tree,
    pub(super) dir: &'a TreePath,
}

impl Files for Directory<'_> {
    fn get(&self, file: &str) -> Result<Option<Blob>, ImageError> {
        let path = self.dir.join(file).map_err(|e| ImageError::malformed(file, e))?;
        match self.tree.get(&path) {
            None => Ok(None),
            Some(Node::File(found)) => Ok(Some(Blob::of(found))),
            Some(Node::Link { target }) => match links::follow(self.tree, &path, target) {
                Ok(Target::File(found)) => Ok(Some(Blob::of(found))),
                Ok(Target::Directory(_)) => Ok(None),
                Err(e) => Err(ImageError::malformed(file, e)),
            },
        }
    }
}
