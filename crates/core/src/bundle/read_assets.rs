//! Reads `<stack>.assets.json`.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use serde_json::Value;

use super::{
    archive::Caps,
    asset_manifest::{FileAsset, FileDestination, ImageAsset, ImageDestination, Packaging, StackAssets},
    entries::{AssetContent, ContentError, Entries},
    error::BundleError,
    image::{CarriedImage, ImageSource, tarball},
    links::{self, Target},
    manifest::{Artifact, check_version, join, typed},
    path::TreePath,
    placeholders::resolve,
    read_stack::{Reader, RoleOptions},
    stack_artifact::Dropped,
    tree::{File, Node, Tree},
};
use crate::words::{Env, RoleArn};

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
    pub(super) executable: Option<Value>,
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawImageDestination {
    repository_name: String,
    image_tag: String,
    region: Option<String>,
    assume_role_arn: Option<String>,
    #[serde(flatten)]
    options: RoleOptions,
}

/// Reads the asset manifests of one stack.
pub(super) struct AssetReader<'a> {
    pub(super) of: &'a Reader<'a>,
    pub(super) env: &'a Env,
    pub(super) template: &'a File,
    pub(super) assets: StackAssets,
    pub(super) dropped: Dropped,
    /// Left out unless a template turns out to use them: key, asset id, and the error to give then.
    foreign: Vec<(String, String, BundleError)>,
}

impl<'a> AssetReader<'a> {
    pub(super) fn new(of: &'a Reader<'a>, env: &'a Env, template: &'a File) -> Self {
        Self {
            of,
            env,
            template,
            assets: StackAssets::default(),
            dropped: Dropped::default(),
            foreign: Vec::new(),
        }
    }

    /// Adds the assets of one asset manifest, and returns the bootstrap version that it asks for.
    pub(super) fn add(&mut self, artifact: &Artifact) -> Result<Option<u32>, BundleError> {
        let properties: AssetManifestProperties = typed(&self.of.manifest.path, &artifact.properties)?;
        let (path, json) = self.of.json(&properties.file)?;
        check_version(&path, &json)?;
        let manifest: AssetManifest = typed(&path, &json)?;
        let parameter = properties.bootstrap_stack_version_ssm_parameter;
        self.assets.version_parameters.extend(parameter.map(|parameter| resolve(&parameter, self.env)));
        for (id, asset) in manifest.files {
            self.add_file(&path, &id, asset)?;
        }
        for (id, asset) in manifest.docker_images {
            // The command that loads a tar file is not run; it tells which file that is.
            if asset.source.executable.as_ref().is_none_or(|command| tarball(command).is_none()) {
                refuse_executable(&path, &id, &asset.source)?;
            }
            let carried = self.carried(&path, &id, &asset)?;
            let directory = match &asset.source.directory {
                Some(directory) => Some(join(&path.parent(), directory, path.as_str())?),
                None => None,
            };
            self.add_image(&path, &id, asset, directory.as_ref(), carried.as_ref())?;
        }
        Ok(properties.requires_bootstrap_stack_version)
    }

    fn add_image(
        &mut self,
        path: &TreePath,
        id: &str,
        asset: RawAsset,
        directory: Option<&TreePath>,
        carried: Option<&Arc<CarriedImage>>,
    ) -> Result<(), BundleError> {
        for destination in asset.destinations.values() {
            let raw: RawImageDestination = typed(path, destination)?;
            let region = raw.region.map(|r| resolve(&r, self.env));
            let region = region.as_deref().map_or(Ok(self.env.region.clone()), str::parse).map_err(|e| {
                BundleError::Malformed { path: path.clone(), why: format!("image asset {id}: {e}") }
            })?;
            let role =
                raw.assume_role_arn.map(|r| resolve(&r, self.env).parse()).transpose().map_err(|e| {
                    BundleError::Malformed { path: path.clone(), why: format!("image asset {id}: {e}") }
                })?;
            raw.options.note(&mut self.dropped);
            self.assets.images.push(ImageAsset {
                id: id.to_owned(),
                display_name: asset.display_name.clone(),
                directory: directory.cloned(),
                destination: ImageDestination {
                    env: Env { account: self.env.account.clone(), region },
                    repository: resolve(&raw.repository_name, self.env),
                    tag: raw.image_tag,
                    role,
                },
                carried: carried.cloned(),
            });
        }
        Ok(())
    }

    /// The image of an asset, where the assembly carries it.
    fn carried(
        &self,
        path: &TreePath,
        id: &str,
        asset: &RawAsset,
    ) -> Result<Option<Arc<CarriedImage>>, BundleError> {
        let Some(source) = ImageSource::find(self.of.tree, &path.parent(), &asset.source) else {
            return Ok(None);
        };
        match self.of.images.get(&source) {
            Some(Ok(image)) => Ok(Some(Arc::clone(image))),
            Some(Err(why)) => Err(BundleError::Image {
                asset: asset.display_name.clone().unwrap_or_else(|| id.to_owned()),
                path: source.path().clone(),
                source: why.clone(),
            }),
            // All of them were read when the assembly was opened.
            None => Ok(None),
        }
    }

    fn add_file(&mut self, path: &TreePath, id: &str, asset: RawAsset) -> Result<(), BundleError> {
        refuse_executable(path, id, &asset.source)?;
        let malformed =
            |why: String| BundleError::Malformed { path: path.clone(), why: format!("asset {id}: {why}") };
        let relative = asset.source.path.as_deref().ok_or_else(|| malformed("it has no path".to_owned()))?;
        let packaging = match asset.source.packaging.as_deref() {
            None | Some("file") => Packaging::File,
            Some("zip") => Packaging::Zip,
            Some(other) => return Err(malformed(format!("packaging {other:?} is neither file nor zip"))),
        };
        for destination in asset.destinations.values() {
            let destination = self.destination(path, destination)?;
            let account = destination.role.as_ref().map(RoleArn::account);
            if account.is_some_and(|account| account != self.env.account)
                || destination.env.region != self.env.region
            {
                let error = BundleError::ForeignAsset {
                    asset: id.to_owned(),
                    stack: self.of.label.to_owned(),
                    env: self.env.clone(),
                };
                self.foreign.push((destination.key, id.to_owned(), error));
                continue;
            }
            match content_at(self.of.tree, path, id, relative, packaging) {
                Ok((source, content)) => self.assets.files.push(FileAsset {
                    id: id.to_owned(),
                    display_name: asset.display_name.clone(),
                    packaging,
                    source,
                    destination,
                    digest: content.digest(),
                    content,
                }),
                Err(
                    error @ (BundleError::Path { .. }
                    | BundleError::Content { source: ContentError::Missing(_), .. }),
                ) => self.foreign.push((destination.key, id.to_owned(), error)),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn destination(&mut self, path: &TreePath, json: &Value) -> Result<FileDestination, BundleError> {
        let raw: Destination = typed(path, json)?;
        raw.options.note(&mut self.dropped);
        let region = match &raw.region {
            Some(region) => self.of.word("region of a file asset", &resolve(region, self.env))?,
            None => self.env.region.clone(),
        };
        let role = match &raw.assume_role_arn {
            Some(role) => Some(self.of.word("assumeRoleArn of a file asset", &resolve(role, self.env))?),
            None => None,
        };
        Ok(FileDestination {
            env: Env { account: self.env.account.clone(), region },
            bucket: self.of.word("bucketName of a file asset", &resolve(&raw.bucket_name, self.env))?,
            key: resolve(&raw.object_key, self.env),
            role,
        })
    }

    /// The assets, without those of other stacks.
    ///
    /// A synthesizer that is given to the whole App shares one list of assets among its stacks (aws-cdk issue 29071), so
    /// that a manifest also names assets of other accounts and directories. Those are left out, but never one whose key
    /// the stack's template, or a nested one, mentions.
    pub(super) fn finish(mut self) -> Result<(StackAssets, Dropped), BundleError> {
        let nested = self.assets.files.iter().filter_map(|asset| match &asset.content {
            AssetContent::File(file) if asset.source.as_str().ends_with(".nested.template.json") => {
                Some(file)
            }
            AssetContent::File(_) | AssetContent::Directory(_) => None,
        });
        let texts: Vec<_> = std::iter::once(self.template)
            .chain(nested)
            .map(|file| String::from_utf8_lossy(file.bytes()).into_owned())
            .collect();
        // Where there are several errors for one asset, that of the shared list tells the cause.
        self.foreign.sort_by_key(|(.., error)| !matches!(error, BundleError::ForeignAsset { .. }));
        for (key, id, error) in self.foreign {
            let published = self.assets.files.iter().any(|asset| asset.destination.key == key);
            if !published && texts.iter().any(|text| text.contains(&key)) {
                return Err(error);
            }
            self.assets.left_out.insert(id);
        }
        Ok((self.assets, self.dropped))
    }
}

fn refuse_executable(path: &TreePath, id: &str, source: &Source) -> Result<(), BundleError> {
    match source.executable {
        Some(_) => Err(BundleError::ExecutableAsset { path: path.clone(), asset: id.to_owned() }),
        None => Ok(()),
    }
}

fn content_at(
    tree: &Tree,
    path: &TreePath,
    id: &str,
    relative: &str,
    packaging: Packaging,
) -> Result<(TreePath, AssetContent), BundleError> {
    let source = join(&path.parent(), relative, path.as_str())?;
    let content = content(tree, &source, packaging)
        .map_err(|source| BundleError::Content { asset: id.to_owned(), source })?;
    Ok((source, content))
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
