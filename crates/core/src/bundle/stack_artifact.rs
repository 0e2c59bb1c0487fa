//! A stack of the assembly: everything that a deployment of it needs.

use std::collections::{BTreeMap, BTreeSet};

use super::{asset_manifest::StackAssets, path::TreePath, template::Template, tree::File};
use crate::words::{BucketName, Env, Qualifier, RoleArn, StackKey, StackName};

/// The id of an artifact in its manifest.
pub type ArtifactId = String;

/// Where the synthesizer expects the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateObject {
    /// The bucket.
    pub bucket: BucketName,
    /// The key in it.
    pub key: String,
}

/// What the assembly asks for and Stackgate leaves out: bootstrap roles deny external ids, and session tags are not its to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Some role came with an external id.
    pub external_id: bool,
    /// Some role came with session tags or other options.
    pub session_options: bool,
}

/// A stack of the assembly, with placeholders resolved for its environment.
#[derive(Debug, Clone, PartialEq)]
pub struct StackArtifact {
    /// The artifact's id, unique in its manifest.
    pub id: ArtifactId,
    /// The construct path, such as `Prod/Data`.
    pub display_name: String,
    /// The stack's name.
    pub name: StackName,
    /// Account and region.
    pub env: Env,
    /// The template's path in the assembly.
    pub template_path: TreePath,
    /// The template's bytes, with their digest.
    pub template_file: File,
    /// The template, read.
    pub template: Template,
    /// Where the template is published.
    pub template_object: TemplateObject,
    /// Stack tags.
    pub tags: BTreeMap<String, String>,
    /// Absent: leave the protection as it is.
    pub termination_protection: Option<bool>,
    /// Absent: leave the topics as they are; empty: remove them.
    pub notification_arns: Option<Vec<String>>,
    /// The role that calls CloudFormation.
    pub deploy_role: RoleArn,
    /// The role that CloudFormation acts with.
    pub execution_role: RoleArn,
    /// The role that reads.
    pub lookup_role: Option<RoleArn>,
    /// The highest bootstrap version that the stack or its assets ask for.
    pub requires_bootstrap_version: Option<u32>,
    /// The SSM parameter that holds the bootstrap version.
    pub version_parameter: Option<String>,
    /// Parameters that the assembly sets; the CDK CLI ignores them.
    pub parameters: BTreeMap<String, String>,
    /// The stacks of the same CDK Stage that come first, also through assets.
    pub dependencies: BTreeSet<ArtifactId>,
    /// Construct paths by logical id, where the assembly tells them.
    pub construct_paths: BTreeMap<String, String>,
    /// What the app and the validations of its synthesis warn of, in order.
    pub warnings: BTreeSet<String>,
    /// What is published before it.
    pub assets: StackAssets,
    /// What the assembly asks for and is not done.
    pub dropped: Dropped,
}

impl StackArtifact {
    /// Account, region and name.
    #[must_use]
    pub fn key(&self) -> StackKey {
        StackKey { env: self.env.clone(), name: self.name.clone() }
    }

    /// The qualifier that the deploy role's name mentions; a hint of which Bootstrap to look for, proof of nothing.
    #[must_use]
    pub fn mentioned_qualifier(&self) -> Option<Qualifier> {
        let (_, name) = self.deploy_role.as_str().rsplit_once("role/")?;
        let suffix = format!("-deploy-role-{}-{}", self.env.account, self.env.region);
        name.strip_prefix("cdk-")?.strip_suffix(&suffix)?.parse().ok()
    }
}
