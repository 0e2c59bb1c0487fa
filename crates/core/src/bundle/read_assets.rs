//! Reads `<stack>.assets.json`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    archive::Caps,
    asset_manifest::{FileAsset, FileDestination, ImageAsset, Packaging, StackAssets},
    entries::{AssetContent, ContentError, Entries},
    error::BundleError,
    links::{self, Target},
    manifest::{Artifact, check_version, join, typed},
    path::TreePath,
    placeholders::resolve,
    read_stack::{Reader, RoleOptions},
    stack_artifact::Dropped,
    tree::{Node, Tree},
};
use crate::words::Env;

/// The properties of an asset-manifest artifact.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AssetManifestProperties {
    pub(super) file: String,
    requires_bootstrap_stack_version: Option<u32>,
    bootstrap_stack_version_ssm_parameter: Option<String>,
}

/// An asset manifest.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AssetManifest {
    #[serde(default)]
    pub(super) files: BTreeMap<String, RawAsset>,
    #[serde(default)]
    pub(super) docker_images: BTreeMap<String, RawAsset>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawAsset {
    display_name: Option<String>,
    pub(super) source: Source,
    #[serde(default)]
    destinations: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Source {
    pub(super) path: Option<String>,
    pub(super) directory: Option<String>,
    packaging: Option<String>,
    executable: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Destination {
    bucket_name: String,
    object_key: String,
    region: Option<String>,
    assume_role_arn: Option<String>,
    #[serde(flatten)]
    options: RoleOptions,
}

/// Adds the assets of one asset manifest, and returns the bootstrap version that it asks for.
pub(super) fn read(
    of: &Reader<'_>,
    artifact: &Artifact,
    env: &Env,
    into: &mut StackAssets,
    dropped: &mut Dropped,
) -> Result<Option<u32>, BundleError> {
    let properties: AssetManifestProperties = typed(&of.manifest.path, &artifact.properties)?;
    let (path, json) = of.json(&properties.file)?;
    check_version(&path, &json)?;
    let manifest: AssetManifest = typed(&path, &json)?;
    into.version_parameters
        .extend(properties.bootstrap_stack_version_ssm_parameter.map(|parameter| resolve(&parameter, env)));
    for (id, asset) in manifest.files {
        read_file(of, &path, &id, asset, env, into, dropped)?;
    }
    for (id, asset) in manifest.docker_images {
        refuse_executable(&path, &id, &asset.source)?;
        let directory = match &asset.source.directory {
            Some(directory) => Some(join(&path.parent(), directory, path.as_str())?),
            None => None,
        };
        into.images.push(ImageAsset { id, display_name: asset.display_name, directory });
    }
    Ok(properties.requires_bootstrap_stack_version)
}

fn refuse_executable(path: &TreePath, id: &str, source: &Source) -> Result<(), BundleError> {
    match source.executable {
        Some(_) => Err(BundleError::ExecutableAsset { path: path.clone(), asset: id.to_owned() }),
        None => Ok(()),
    }
}

fn read_file(
    of: &Reader<'_>,
    path: &TreePath,
    id: &str,
    asset: RawAsset,
    env: &Env,
    into: &mut StackAssets,
    dropped: &mut Dropped,
) -> Result<(), BundleError> {
    refuse_executable(path, id, &asset.source)?;
    let malformed =
        |why: String| BundleError::Malformed { path: path.clone(), why: format!("asset {id}: {why}") };
    let relative = asset.source.path.as_deref().ok_or_else(|| malformed("it has no path".to_owned()))?;
    let source = join(&path.parent(), relative, path.as_str())?;
    let packaging = match asset.source.packaging.as_deref() {
        None | Some("file") => Packaging::File,
        Some("zip") => Packaging::Zip,
        Some(other) => return Err(malformed(format!("packaging {other:?} is neither file nor zip"))),
    };
    let content = content(of.tree, &source, packaging)
        .map_err(|source| BundleError::Content { asset: id.to_owned(), source })?;
    let digest = content.digest();
    for destination in asset.destinations.values() {
        let destination: Destination = typed(path, destination)?;
        destination.options.note(dropped);
        let region = match &destination.region {
            Some(region) => of.word("region of a file asset", &resolve(region, env))?,
            None => env.region.clone(),
        };
        let role = match &destination.assume_role_arn {
            Some(role) => Some(of.word("assumeRoleArn of a file asset", &resolve(role, env))?),
            None => None,
        };
        into.files.push(FileAsset {
            id: id.to_owned(),
            display_name: asset.display_name.clone(),
            packaging,
            source: source.clone(),
            destination: FileDestination {
                env: Env { account: env.account.clone(), region },
                bucket: of.word("bucketName of a file asset", &resolve(&destination.bucket_name, env))?,
                key: resolve(&destination.object_key, env),
                role,
            },
            content: content.clone(),
            digest,
        });
    }
    Ok(())
}

fn content(tree: &Tree, source: &TreePath, packaging: Packaging) -> Result<AssetContent, ContentError> {
    match packaging {
        Packaging::Zip => Entries::collect(tree, source, &Caps::default()).map(AssetContent::Directory),
        Packaging::File => match tree.get(source) {
            Some(Node::File(file)) => Ok(AssetContent::File(file.clone())),
            Some(Node::Link { target }) => match links::follow(tree, source, target)? {
                Target::File(file) => Ok(AssetContent::File(file.clone())),
                Target::Directory(path) => Err(ContentError::WrongKind { path, expected: "file" }),
            },
            None if tree.is_directory(source) => {
                Err(ContentError::WrongKind { path: source.clone(), expected: "file" })
            }
            None => Err(ContentError::Missing(source.clone())),
        },
    }
}
