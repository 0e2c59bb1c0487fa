//! Images that an assembly carries finished, and that are copied into a repository as they are: an OCI image layout in a
//! directory, or a tar file of `docker save`. All of it is read within caps, and every digest is checked.

mod command;
mod layout;
mod saved;
mod source;
mod tar_files;
#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, ops::Range, sync::Arc};

pub(super) use command::tarball;
pub(super) use source::ImageSource;

use super::tree::{File, Tree};
use crate::words::Digest;

/// The most bytes of a manifest, an index or a config. Registries have to take manifests of 4 MiB (OCI distribution spec), and few take
/// more.
const MOST_TEXT: usize = 4 << 20;
/// The most layers of an image. Docker stacks 125.
const MOST_LAYERS: usize = 128;
/// The most images of an index: platforms, and what was attested of each.
const MOST_PARTS: usize = 64;

/// The most images of an assembly. Directories can link to one manifest, and each has it read.
const MOST_IMAGES: usize = 500;

/// A blob of an image, config or layer: a piece of a file of the assembly.
#[derive(Clone)]
pub struct Blob {
    file: Arc<[u8]>,
    place: Range<usize>,
    digest: Digest,
}

impl Blob {
    fn of(file: &File) -> Self {
        Self { file: Arc::clone(file.bytes()), place: 0..file.bytes().len(), digest: file.digest() }
    }
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.file.get(self.place.clone()).unwrap_or_default()
    }
    /// SHA-256 of the bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }
    fn size(&self) -> u64 {
        self.place.len() as u64
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes, {:?})", self.place.len(), self.digest)
    }
}

/// What a manifest is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ManifestKind {
    /// One image, as OCI writes it.
    Image,
    /// One image, as Docker writes it (schema 2).
    DockerImage,
    /// Images by platform, as OCI writes them.
    Index,
    /// Images by platform, as Docker writes them.
    DockerList,
}

impl ManifestKind {
    const ALL: [Self; 4] = [Self::Image, Self::DockerImage, Self::Index, Self::DockerList];

    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Image => "application/vnd.oci.image.manifest.v1+json",
            Self::DockerImage => "application/vnd.docker.distribution.manifest.v2+json",
            Self::Index => "application/vnd.oci.image.index.v1+json",
            Self::DockerList => "application/vnd.docker.distribution.manifest.list.v2+json",
        }
    }

    fn parse(media_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.media_type() == media_type)
    }
}

/// A manifest, byte for byte.
#[derive(Clone, Debug)]
pub struct ImageManifest {
    /// What it is.
    pub kind: ManifestKind,
    /// Its text.
    pub text: Arc<str>,
    /// SHA-256 of the text: what a repository calls the image.
    pub digest: Digest,
}

/// A finished image. Everything in it follows from the text of its manifest, so two are equal where their digests are.
#[derive(Clone, Debug)]
pub struct CarriedImage {
    blobs: Vec<Blob>,
    parts: Vec<ImageManifest>,
    top: ImageManifest,
    /// Digest of the config, where it is one image and no index.
    config: Option<Digest>,
}

impl PartialEq for CarriedImage {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }
}
impl Eq for CarriedImage {}

impl CarriedImage {
    /// The digest of its manifest, which covers all that is in it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.top.digest
    }
    /// Configs and layers, each once.
    #[must_use]
    pub fn blobs(&self) -> &[Blob] {
        &self.blobs
    }
    /// The manifests of its images, where it is an index.
    #[must_use]
    pub fn parts(&self) -> &[ImageManifest] {
        &self.parts
    }
    /// The manifest that is tagged.
    #[must_use]
    pub fn top(&self) -> &ImageManifest {
        &self.top
    }

    /// Whether a manifest that lies in a repository stands for the same image. Whoever pushes an image packs its layers in their own
    /// way, so their manifest differs; the config stays, and names every layer by what it unpacks to.
    #[must_use]
    pub fn is_stored_as(&self, manifest: &str) -> bool {
        let same_config = || self.config.is_some() && self.config == layout::config_of(manifest.as_bytes());
        Digest::of(manifest) == self.top.digest || same_config()
    }
}

/// Why an image that the assembly carries cannot be copied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Not exactly one image.
    #[error("it holds {found} images, and only one can go under the tag: export one")]
    NotOne {
        /// How many there are.
        found: usize,
    },
    /// Something of it was left out.
    #[error("{file} is not in it: export the whole image, for one platform or with all that its index names")]
    Missing {
        /// The path in it.
        file: String,
    },
    /// A blob is not what is said of it.
    #[error("{file} is not as its descriptor says ({what}): export the image again")]
    Differs {
        /// The path in it.
        file: String,
        /// What differs.
        what: &'static str,
    },
    /// A layer lies elsewhere.
    #[error(
        "{what} lies elsewhere (foreign layer), and nothing is fetched: export the image with all its layers"
    )]
    Elsewhere {
        /// The digest.
        what: String,
    },
    /// A media type that is not copied.
    #[error(
        "{what} has media type {found:?}, which is not copied: export the image as an OCI or a Docker image"
    )]
    MediaType {
        /// Of what.
        what: &'static str,
        /// The media type, cut after 120 characters.
        found: String,
    },
    /// A file is not what it should be.
    #[error("{file} cannot be read: {why}; export the image again")]
    Malformed {
        /// The path in it.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// It is too large, or made of too much.
    #[error("it has more than {0}: make it smaller, or have it pushed to its repository")]
    TooMuch(&'static str),
    /// The assembly carries too many images.
    #[error("the assembly carries more than 500 images: have the others pushed to their repositories")]
    TooMany,
    /// The tar file is compressed.
    #[error(
        "the tar file is compressed: give the app what `docker save` writes, as it is; the assembly's archive is compressed as a whole"
    )]
    Compressed,
}

impl ImageError {
    fn malformed(file: &str, why: impl fmt::Display) -> Self {
        Self::Malformed { file: file.to_owned(), why: why.to_string().chars().take(300).collect() }
    }
}

/// Images by where they lie, each read once: the stacks of many CDK Stages may share one.
pub(super) type Carried = BTreeMap<ImageSource, Result<Arc<CarriedImage>, ImageError>>;

/// Reads images from the files of an assembly.
pub(super) fn read_all(tree: &Tree, sources: impl IntoIterator<Item = ImageSource>) -> Carried {
    let read = |(n, source): (usize, ImageSource)| {
        let image = if n < MOST_IMAGES { read(tree, &source) } else { Err(ImageError::TooMany) };
        (source, image.map(Arc::new))
    };
    sources.into_iter().enumerate().map(read).collect()
}

fn read(tree: &Tree, source: &ImageSource) -> Result<CarriedImage, ImageError> {
    match source {
        ImageSource::Layout(dir) => layout::read(&source::Directory { tree, dir }),
        ImageSource::Tarball(path) => {
            let file = tree.file(path).ok_or_else(|| ImageError::Missing { file: path.to_string() })?;
            saved::read(file.bytes())
        }
    }
}
