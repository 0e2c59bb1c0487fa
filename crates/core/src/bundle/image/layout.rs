//! An OCI image layout: `oci-layout`, `index.json`, and the blobs by digest.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, de::DeserializeOwned};

use super::{
    Blob, CarriedImage, ImageError, ImageManifest, MOST_LAYERS, MOST_PARTS, MOST_TEXT, ManifestKind,
};
use crate::{bundle::json, words::Digest};

/// Media types of configs.
const CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
/// Media types of layers. The last is what buildx attests of an image, which makes an image of its own in the index.
const LAYERS: [&str; 6] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.in-toto+json",
];

/// Files by path.
pub(super) trait Files {
    /// The file at a path.
    fn get(&self, path: &str) -> Result<Option<Blob>, ImageError>;
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LayoutFile {
    image_layout_version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    urls: Vec<String>,
}

/// A manifest or an index.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u64,
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

/// What a document says.
enum Read {
    Image { config: Descriptor, layers: Vec<Descriptor> },
    Index(Vec<Descriptor>),
}

/// Reads the one image of a layout.
pub(super) fn read(files: &impl Files) -> Result<CarriedImage, ImageError> {
    let LayoutFile { image_layout_version: version } =
        parsed("oci-layout", required(files, "oci-layout")?.bytes())?;
    if !version.starts_with("1.") {
        return Err(ImageError::malformed("oci-layout", format!("version {version:?} is not known")));
    }
    let index = document("index.json", required(files, "index.json")?.bytes(), None)?;
    let Read::Index(entries) = index else {
        return Err(ImageError::malformed("index.json", "it is no index"));
    };
    // One image under several names is one image.
    let mut images: BTreeMap<&str, &Descriptor> = BTreeMap::new();
    for entry in &entries {
        images.entry(&entry.digest).or_insert(entry);
    }
    let found = images.len();
    let mut images = images.into_values();
    let (Some(one), None) = (images.next(), images.next()) else {
        return Err(ImageError::NotOne { found });
    };
    Reader { files, blobs: BTreeMap::new() }.image(one)
}

/// The digest of the config, where the text is the manifest of one image.
pub(super) fn config_of(manifest: &[u8]) -> Option<Digest> {
    let document: Document = parsed("manifest", manifest).ok()?;
    document.config?.digest.parse().ok()
}

struct Reader<'a, F> {
    files: &'a F,
    blobs: BTreeMap<Digest, Blob>,
}

impl<F: Files> Reader<'_, F> {
    fn image(mut self, one: &Descriptor) -> Result<CarriedImage, ImageError> {
        let (top, document) = self.manifest(one)?;
        let (parts, config) = match document {
            Read::Image { config, layers } => (Vec::new(), Some(self.blobs_of(&config, &layers)?)),
            Read::Index(entries) => (self.parts(&entries)?, None),
        };
        Ok(CarriedImage { blobs: self.blobs.into_values().collect(), parts, top, config })
    }

    fn parts(&mut self, entries: &[Descriptor]) -> Result<Vec<ImageManifest>, ImageError> {
        if entries.len() > MOST_PARTS {
            return Err(ImageError::TooMuch("64 images in its index"));
        }
        let mut parts: Vec<ImageManifest> = Vec::new();
        for entry in entries {
            if parts.iter().any(|known| known.digest.to_string() == entry.digest) {
                continue;
            }
            let (manifest, document) = self.manifest(entry)?;
            let Read::Image { config, layers } = document else {
                return Err(media_type("an image of its index", &entry.media_type));
            };
            self.blobs_of(&config, &layers)?;
            parts.push(manifest);
        }
        if parts.is_empty() {
            return Err(ImageError::NotOne { found: 0 });
        }
        Ok(parts)
    }

    fn manifest(&self, of: &Descriptor) -> Result<(ImageManifest, Read), ImageError> {
        let kind = ManifestKind::parse(&of.media_type)
            .ok_or_else(|| media_type("a manifest of it", &of.media_type))?;
        let blob = self.blob(of)?;
        let file = path_of(&blob.digest);
        let document = document(&file, blob.bytes(), Some(kind))?;
        let text = std::str::from_utf8(blob.bytes()).map_err(|e| ImageError::malformed(&file, e))?;
        Ok((ImageManifest { kind, text: Arc::from(text), digest: blob.digest }, document))
    }

    /// Takes in config and layers; returns the digest of the config.
    fn blobs_of(&mut self, config: &Descriptor, layers: &[Descriptor]) -> Result<Digest, ImageError> {
        if layers.len() > MOST_LAYERS {
            return Err(ImageError::TooMuch("128 layers"));
        }
        for layer in layers {
            let what = &layer.media_type;
            if what.contains("foreign") || what.contains("nondistributable") {
                return Err(ImageError::Elsewhere { what: digest_of(layer)?.to_string() });
            }
            if !LAYERS.contains(&what.as_str()) {
                return Err(media_type("a layer", what));
            }
            let blob = self.blob(layer)?;
            self.blobs.insert(blob.digest, blob);
        }
        if !CONFIGS.contains(&config.media_type.as_str()) {
            return Err(media_type("its config", &config.media_type));
        }
        let blob = self.blob(config)?;
        let digest = blob.digest;
        self.blobs.insert(digest, blob);
        Ok(digest)
    }

    /// The blob of a descriptor, if it is what the descriptor says.
    fn blob(&self, of: &Descriptor) -> Result<Blob, ImageError> {
        let digest = digest_of(of)?;
        if !of.urls.is_empty() {
            return Err(ImageError::Elsewhere { what: digest.to_string() });
        }
        let file = path_of(&digest);
        let blob = required(self.files, &file)?;
        if blob.size() != of.size {
            return Err(ImageError::Differs { file, what: "its size is another" });
        }
        if blob.digest != digest {
            return Err(ImageError::Differs { file, what: "its digest is another" });
        }
        if blob.size() == 0 {
            return Err(ImageError::Differs { file, what: "it is empty" });
        }
        Ok(blob)
    }
}

fn digest_of(descriptor: &Descriptor) -> Result<Digest, ImageError> {
    descriptor.digest.parse().map_err(|e| ImageError::malformed("a descriptor", e))
}

fn path_of(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

pub(super) fn required(files: &impl Files, file: &str) -> Result<Blob, ImageError> {
    files.get(file)?.ok_or_else(|| ImageError::Missing { file: file.to_owned() })
}

/// Reads a file as JSON.
pub(super) fn parsed<T: DeserializeOwned>(file: &str, bytes: &[u8]) -> Result<T, ImageError> {
    if bytes.len() > MOST_TEXT {
        return Err(ImageError::TooMuch("4 MiB in a manifest, an index or a config"));
    }
    let value = json::parse(bytes).map_err(|e| ImageError::malformed(file, e))?;
    T::deserialize(value).map_err(|e| ImageError::malformed(file, e))
}

/// Reads a manifest or an index; where it is known what it is said to be, it has to be that. No document can be taken for both: then
/// two readers would see two images under one digest.
fn document(file: &str, bytes: &[u8], said: Option<ManifestKind>) -> Result<Read, ImageError> {
    let Document { schema_version, media_type, config, layers, manifests } = parsed(file, bytes)?;
    if schema_version != 2 {
        return Err(ImageError::malformed(file, "its schemaVersion is not 2"));
    }
    let other = |found: &str| Err(ImageError::malformed(file, format!("its mediaType is {:?}", cut(found))));
    match (said, media_type.as_deref()) {
        (Some(said), Some(found)) if said.media_type() != found => return other(found),
        (None, Some(found)) if found != ManifestKind::Index.media_type() => return other(found),
        // Docker's say what they are; OCI's may.
        (Some(ManifestKind::DockerImage | ManifestKind::DockerList), None) => return other("missing"),
        (Some(_) | None, Some(_)) | (Some(ManifestKind::Image | ManifestKind::Index) | None, None) => {}
    }
    let is_image = match said {
        Some(ManifestKind::Image | ManifestKind::DockerImage) => true,
        Some(ManifestKind::Index | ManifestKind::DockerList) | None => false,
    };
    match (is_image, config, layers, manifests) {
        (true, Some(config), Some(layers), None) => Ok(Read::Image { config, layers }),
        (false, None, None, Some(manifests)) => Ok(Read::Index(manifests)),
        (true, ..) => Err(ImageError::malformed(file, "it is no manifest of one image")),
        (false, ..) => Err(ImageError::malformed(file, "it is no index")),
    }
}

fn media_type(what: &'static str, found: &str) -> ImageError {
    ImageError::MediaType { what, found: cut(found) }
}

fn cut(text: &str) -> String {
    text.chars().take(120).collect()
}
