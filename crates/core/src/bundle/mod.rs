//! The contents of a cloud assembly (`cdk.out`): from the bytes of an archive to the stacks of a CDK Stage, without IO.

mod archive;
mod asset_manifest;
mod canon;
#[cfg(test)]
pub(crate) mod carried_tests;
mod computed;
mod defer;
mod difference;
mod drawn_in;
mod entries;
mod error;
mod image;
mod intrinsic;
mod json;
mod links;
mod manifest;
mod metadata;
mod order;
mod origin;
mod path;
mod placeholders;
mod read_assets;
mod read_stack;
mod release;
mod report;
mod stack_artifact;
mod stages;
mod template;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tree;
mod zip;

pub use archive::{ArchiveError, Caps};
pub use asset_manifest::{FileAsset, FileDestination, ImageAsset, ImageDestination, Packaging, StackAssets};
pub use computed::{NotComputed, check_computed};
pub use defer::defer;
pub(crate) use difference::meaning;
pub use difference::{DifferenceKind, ResourceDifference, difference};
pub use entries::{AssetContent, ContentError, Entries};
pub use error::BundleError;
pub use image::{Blob, CarriedImage, ImageError, ImageManifest, ManifestKind};
pub(crate) use intrinsic::unfolds_to;
pub use json::{canonical as canonical_json, parse as parse_json};
pub use manifest::MAX_SCHEMA_MAJOR;
pub use origin::{OBJECT_LISTS, OBJECT_NAMES, Origin, Origins};
pub use path::{BadPath, TreePath};
pub use stack_artifact::{ArtifactId, Dropped, StackArtifact, TemplateObject};
pub use stages::{Bundle, CdkStage};
pub use template::{ExportNames, Parameter, Resource, Template, TemplateError};
pub use tree::{File, Node, Tree, TreeError};
pub use zip::{entries_of_zip, write_zip};
