//! A tar file of `docker save`: an OCI image layout where it is one, else the list of layers that older programs write.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    Blob, CarriedImage, ImageError, ImageManifest, MOST_LAYERS, ManifestKind,
    layout::{self, parsed, required},
    tar_files::TarFiles,
};
use crate::words::Digest;

const LIST: &str = "manifest.json";

/// An image in `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    config: String,
    #[serde(default)]
    layers: Vec<String>,
}

/// What is read of a config.
#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

/// The manifest that is made of the list. The order of its fields is that of its text, and its text is its digest.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    schema_version: u8,
    media_type: &'static str,
    config: MadeDescriptor,
    layers: Vec<MadeDescriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MadeDescriptor {
    media_type: &'static str,
    digest: String,
    size: u64,
}

pub(super) fn read(bytes: &Arc<[u8]>) -> Result<CarriedImage, ImageError> {
    let files = TarFiles::open(bytes)?;
    let is_listed = files.holds(LIST);
    if !files.holds("oci-layout") || !files.holds("index.json") {
        return if is_listed { listed(&files) } else { Err(ImageError::Missing { file: LIST.to_owned() }) };
    }
    match layout::read(&files) {
        // Docker with containerd's store saves the whole index of an image, and of its images only those that it has; the list names
        // what it would load.
        Err(ImageError::Missing { .. }) if is_listed => listed(&files),
        read => read,
    }
}

fn listed(files: &TarFiles) -> Result<CarriedImage, ImageError> {
    let images: Vec<Listed> = parsed(LIST, required(files, LIST)?.bytes())?;
    let [Listed { config, layers }] = images.as_slice() else {
        return Err(ImageError::NotOne { found: images.len() });
    };
    if layers.len() > MOST_LAYERS {
        return Err(ImageError::TooMuch("128 layers"));
    }
    let blob = required(files, config)?;
    let Config { rootfs: RootFs { diff_ids } } = parsed(config, blob.bytes())?;
    if diff_ids.len() != layers.len() {
        return Err(ImageError::Differs { file: config.clone(), what: "it has another number of layers" });
    }
    let mut blobs: BTreeMap<Digest, Blob> = BTreeMap::new();
    let mut made = Vec::new();
    for (name, diff_id) in layers.iter().zip(&diff_ids) {
        let layer = required(files, name)?;
        let media_type = media_type(layer.bytes());
        // What is packed unpacks to the diff id; whoever runs the image checks that.
        if media_type == UNPACKED && layer.digest.to_string() != *diff_id {
            return Err(ImageError::Differs {
                file: name.clone(),
                what: "its digest is not that of the config",
            });
        }
        if layer.size() == 0 {
            return Err(ImageError::Differs { file: name.clone(), what: "it is empty" });
        }
        made.push(descriptor(media_type, &layer));
        blobs.insert(layer.digest, layer);
    }
    let manifest = Made {
        schema_version: 2,
        media_type: ManifestKind::Image.media_type(),
        config: descriptor("application/vnd.oci.image.config.v1+json", &blob),
        layers: made,
    };
    let text = serde_json::to_string(&manifest).map_err(|e| ImageError::malformed(LIST, e))?;
    let config = blob.digest;
    blobs.insert(config, blob);
    let top = ImageManifest { kind: ManifestKind::Image, digest: Digest::of(&text), text: Arc::from(text) };
    Ok(CarriedImage { blobs: blobs.into_values().collect(), parts: Vec::new(), top, config: Some(config) })
}

const UNPACKED: &str = "application/vnd.oci.image.layer.v1.tar";

/// How a layer is packed. Docker leaves it as it is; Jib, kaniko and crane compress.
fn media_type(layer: &[u8]) -> &'static str {
    match layer {
        [0x1f, 0x8b, ..] => "application/vnd.oci.image.layer.v1.tar+gzip",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "application/vnd.oci.image.layer.v1.tar+zstd",
        _ => UNPACKED,
    }
}

fn descriptor(media_type: &'static str, blob: &Blob) -> MadeDescriptor {
    MadeDescriptor { media_type, digest: blob.digest.to_string(), size: blob.size() }
}
