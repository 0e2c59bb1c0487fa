//! The digest that names a release: over what the assembly deploys, and nothing that tells where it was synthesised.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    canon::Canon,
    error::BundleError,
    image::ImageSource,
    json,
    manifest::{Artifact, Manifest, join, read_json, typed},
    path::TreePath,
    read_assets::{AssetManifest, AssetManifestProperties},
    read_stack::{ASSET_MANIFEST, STACK},
    tree::{Node, Tree},
};
use crate::words::Digest;

/// What stands at a path of the release.
enum Part {
    /// The digest of a manifest without its notes.
    Manifest(Digest),
    /// A file, with its execute bit.
    File(bool, Digest),
    /// A soft link, with its target.
    Link(String),
    /// Something that a manifest names and that is not there.
    Absent,
}

/// What the manifests of a release name, put together one by one: none of them is kept.
#[derive(Default)]
pub(super) struct Release {
    parts: BTreeMap<TreePath, Part>,
    images: BTreeSet<ImageSource>,
    /// What else may be read of them.
    notes: BTreeSet<TreePath>,
}

impl Release {
    /// Reads a manifest and adds what it names.
    pub(super) fn read(&mut self, tree: &Tree, dir: &TreePath, by: &str) -> Result<Manifest, BundleError> {
        let (path, json) = Manifest::json(tree, dir, by)?;
        let normalised = Digest::of(json::canonical(&normalised(&json)));
        let manifest = Manifest::of(dir, path, json)?;
        self.parts.insert(manifest.path.clone(), Part::Manifest(normalised));
        for artifact in manifest.artifacts.values() {
            add_artifact(tree, &manifest, artifact, &mut self.parts, &mut self.images)?;
            let notes = artifact.additional_metadata_file.as_deref();
            // One that leads out of the assembly is refused when its stack is read.
            self.notes.extend(notes.and_then(|file| join(&manifest.dir, file, manifest.path.as_str()).ok()));
        }
        Ok(manifest)
    }

    /// The digest of the manifests (normalised), templates, asset manifests and asset files, and what else may be read of them.
    pub(super) fn finish(self) -> (Digest, Used) {
        let Self { parts, images, notes } = self;
        let start = Canon::new("stackgate release v1").bytes(&(parts.len() as u64).to_be_bytes());
        let add = |canon: Canon, (path, part): (&TreePath, &Part)| {
            let canon = canon.text(path.as_str());
            match part {
                Part::Manifest(digest) => canon.text("manifest").digest(*digest),
                Part::File(executable, digest) => canon.text("file").flag(*executable).digest(*digest),
                Part::Link(target) => canon.text("link").text(target),
                Part::Absent => canon.text("absent"),
            }
        };
        let digest = parts.iter().fold(start, add).finish();
        let directories = parts.keys().filter_map(TreePath::asset_directory).collect();
        (digest, Used { files: parts.into_keys().chain(notes).collect(), directories, images })
    }
}

/// What is read of an assembly after its manifests.
pub(super) struct Used {
    files: BTreeSet<TreePath>,
    /// Links lead to anything in their own asset directory.
    directories: BTreeSet<TreePath>,
    /// Where images lie.
    pub(super) images: BTreeSet<ImageSource>,
}

impl Used {
    pub(super) fn holds(&self, path: &TreePath) -> bool {
        self.files.contains(path) || path.asset_directory().is_some_and(|d| self.directories.contains(&d))
    }
}

fn add_artifact(
    tree: &Tree,
    manifest: &Manifest,
    artifact: &Artifact,
    parts: &mut BTreeMap<TreePath, Part>,
    images: &mut BTreeSet<ImageSource>,
) -> Result<(), BundleError> {
    let named_by = manifest.path.as_str();
    match artifact.kind.as_str() {
        STACK => {
            if let Some(template) = artifact.properties.get("templateFile").and_then(Value::as_str) {
                add_path(tree, join(&manifest.dir, template, named_by)?, parts);
            }
        }
        ASSET_MANIFEST => {
            let properties: AssetManifestProperties = typed(&manifest.path, &artifact.properties)?;
            let path = join(&manifest.dir, &properties.file, named_by)?;
            let (_, json) = read_json(tree, &path, named_by)?;
            let assets: AssetManifest = typed(&path, &json)?;
            for asset in assets.files.values().chain(assets.docker_images.values()) {
                for relative in asset.source.path.iter().chain(&asset.source.directory) {
                    // A path that leads nowhere may belong to another stack (see AssetReader::finish); the bytes
                    // of the asset manifest cover it.
                    if let Ok(source) = path.parent().join(relative) {
                        add_path(tree, source, parts);
                    }
                }
            }
            for asset in assets.docker_images.values() {
                if let Some(image) = ImageSource::find(tree, &path.parent(), &asset.source) {
                    add_path(tree, image.path().clone(), parts);
                    images.insert(image);
                }
            }
            add_path(tree, path, parts);
        }
        _ => {}
    }
    Ok(())
}

fn add_path(tree: &Tree, path: TreePath, parts: &mut BTreeMap<TreePath, Part>) {
    let part = |node: &Node| match node {
        Node::File(file) => Part::File(file.executable(), file.digest()),
        Node::Link { target } => Part::Link(target.clone()),
    };
    let before = parts.len();
    for (below, node) in tree.below(&path) {
        parts.entry(below.clone()).or_insert_with(|| part(node));
    }
    if parts.len() > before || tree.is_directory(&path) {
        return;
    }
    let own = tree.get(&path).map_or(Part::Absent, part);
    parts.entry(path).or_insert(own);
}

/// The manifest without metadata (stack traces hold paths of a machine), without reports, and without the names of the
/// libraries that made it.
fn normalised(manifest: &Value) -> Value {
    let mut manifest = manifest.clone();
    if let Some(top) = manifest.as_object_mut() {
        top.remove("runtime");
        if let Some(Value::Object(artifacts)) = top.get_mut("artifacts") {
            normalise_artifacts(artifacts);
        }
    }
    manifest
}

fn normalise_artifacts(artifacts: &mut Map<String, Value>) {
    artifacts.retain(|_, artifact| {
        !matches!(artifact.get("type").and_then(Value::as_str), Some("cdk:tree" | "cdk:feature-flag-report"))
    });
    for artifact in artifacts.values_mut().filter_map(Value::as_object_mut) {
        artifact.remove("metadata");
        artifact.remove("additionalMetadataFile");
    }
}
