//! The assets of a stack: files to publish, and images that have to be there.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    entries::AssetContent, image::CarriedImage, path::TreePath, stack_artifact::TemplateObject, tree::File,
};
use crate::words::{BucketName, Digest, Env, RoleArn};

/// How a file asset becomes an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packaging {
    /// The file as it is.
    File,
    /// A zip of the directory.
    Zip,
}

/// Where a file asset goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDestination {
    /// The stack's account, and the destination's region.
    pub env: Env,
    /// The bucket, as the assembly names it.
    pub bucket: BucketName,
    /// The key in it.
    pub key: String,
    /// The role to upload with, as the assembly names it.
    pub role: Option<RoleArn>,
}

/// One file asset for one destination.
#[derive(Debug, Clone, PartialEq)]
pub struct FileAsset {
    /// The asset's id in its manifest.
    pub id: String,
    /// Its construct path, where given.
    pub display_name: Option<String>,
    /// How it becomes an object.
    pub packaging: Packaging,
    /// Its file or directory in the assembly.
    pub source: TreePath,
    /// Where it goes.
    pub destination: FileDestination,
    /// What it holds.
    pub content: AssetContent,
    /// The digest of what it holds: packaging, paths, execute bits and bytes.
    pub digest: Digest,
}

/// Where an image asset lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageDestination {
    /// The stack's account, and the destination's region.
    pub env: Env,
    /// The repository, as the assembly names it.
    pub repository: String,
    /// The tag; the CDK makes it of what the image is built from, and tags of bootstrapped repositories are immutable.
    pub tag: String,
    /// The role to push with, as the assembly names it.
    pub role: Option<RoleArn>,
}

/// One image asset for one destination. Unless the assembly carries it finished, somebody else builds and pushes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageAsset {
    /// The asset's id in its manifest.
    pub id: String,
    /// Its construct path, where given.
    pub display_name: Option<String>,
    /// The build directory in the assembly, where there is one.
    pub directory: Option<TreePath>,
    /// Where it lies.
    pub destination: ImageDestination,
    /// The image itself, where the assembly carries it finished.
    pub carried: Option<Arc<CarriedImage>>,
}

/// What is published before a stack is deployed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StackAssets {
    /// Files, the stack's own template among them.
    pub files: Vec<FileAsset>,
    /// Images.
    pub images: Vec<ImageAsset>,
    /// Ids of assets that the asset manifests name for other stacks, and that are not published for this one.
    pub left_out: BTreeSet<String>,
    /// The SSM parameters that the asset manifests name for the bootstrap version.
    pub version_parameters: BTreeSet<String>,
}

impl StackAssets {
    /// Whether exactly these bytes are published there.
    pub(super) fn publish(&self, file: &File, at: &TemplateObject) -> bool {
        let holds = |content: &AssetContent| match content {
            AssetContent::File(published) => published.digest() == file.digest(),
            AssetContent::Directory(_) => false,
        };
        self.files.iter().any(|asset| {
            let to = &asset.destination;
            to.bucket == at.bucket && to.key == at.key && holds(&asset.content)
        })
    }
}
