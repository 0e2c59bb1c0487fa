//! Reads the stack artifacts of one manifest.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::{
    error::BundleError,
    image::Carried,
    manifest::{Artifact, Manifest, join, read_json, typed},
    metadata,
    placeholders::{environment, resolve},
    read_assets::AssetReader,
    stack_artifact::{Dropped, StackArtifact, TemplateObject},
    template::Template,
    tree::Tree,
};
use crate::words::{BadWord, BucketName, Env, StackKey, StackName};

pub(super) const STACK: &str = "aws:cloudformation:stack";
pub(super) const ASSET_MANIFEST: &str = "cdk:asset-manifest";

/// The properties of a stack artifact that are used.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StackProperties {
    pub(super) template_file: String,
    stack_name: Option<String>,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    termination_protection: Option<bool>,
    notification_arns: Option<Vec<String>>,
    assume_role_arn: Option<String>,
    cloud_formation_execution_role_arn: Option<String>,
    stack_template_asset_object_url: Option<String>,
    requires_bootstrap_stack_version: Option<u32>,
    bootstrap_stack_version_ssm_parameter: Option<String>,
    #[serde(default)]
    additional_dependencies: Vec<String>,
    lookup_role: Option<LookupRole>,
    #[serde(flatten)]
    options: RoleOptions,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LookupRole {
    arn: String,
    #[serde(flatten)]
    options: RoleOptions,
}

/// What may come with a role, and is left out.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoleOptions {
    assume_role_external_id: Option<String>,
    assume_role_additional_options: Option<Value>,
}

impl RoleOptions {
    pub(super) fn note(&self, dropped: &mut Dropped) {
        dropped.external_id |= self.assume_role_external_id.is_some();
        dropped.session_options |= self.assume_role_additional_options.is_some();
    }
}

/// Reads one stack with its template and assets.
pub(super) fn read_stack(
    tree: &Tree,
    images: &Carried,
    manifest: &Manifest,
    id: &str,
    artifact: &Artifact,
) -> Result<StackArtifact, BundleError> {
    let label = artifact.display_name.clone().unwrap_or_else(|| id.to_owned());
    let of = Reader { tree, images, manifest, label: &label };
    let properties: StackProperties = typed(&manifest.path, &artifact.properties)?;
    let metadata = metadata::read(tree, manifest, artifact, &label)?;
    let env = environment(&label, artifact.environment.as_deref())?;
    let name: StackName = of.word("stackName", properties.stack_name.as_deref().unwrap_or(id))?;
    of.check_tags(&properties.tags)?;

    let template_path = join(&manifest.dir, &properties.template_file, &label)?;
    let template_file = tree
        .file(&template_path)
        .ok_or_else(|| BundleError::MissingFile { path: template_path.clone(), named_by: label.clone() })?
        .clone();
    let template = Template::parse(template_file.bytes(), &StackKey { env: env.clone(), name: name.clone() })
        .map_err(|source| BundleError::Template { path: template_path.clone(), source })?;

    let mut dropped = Dropped::default();
    properties.options.note(&mut dropped);
    let role = |field: &'static str, text: &Option<String>| {
        let missing = || BundleError::OtherSynthesizer { stack: label.clone(), field };
        of.word(field, &resolve(text.as_deref().ok_or_else(missing)?, &env))
    };
    let deploy_role = role("assumeRoleArn", &properties.assume_role_arn)?;
    let execution_role =
        role("cloudFormationExecutionRoleArn", &properties.cloud_formation_execution_role_arn)?;
    let lookup_role = match &properties.lookup_role {
        Some(lookup) => {
            lookup.options.note(&mut dropped);
            Some(of.word("lookupRole", &resolve(&lookup.arn, &env))?)
        }
        None => None,
    };
    let template_object = of.template_object(properties.stack_template_asset_object_url.as_deref(), &env)?;

    let named: BTreeSet<&String> =
        artifact.dependencies.iter().chain(&properties.additional_dependencies).collect();
    let mut asset_reader = AssetReader::new(&of, &env, &template_file);
    let mut version = properties.requires_bootstrap_stack_version;
    for dependency in &named {
        if let Some(asset) = manifest.artifacts.get(*dependency).filter(|a| a.kind == ASSET_MANIFEST) {
            version = version.max(asset_reader.add(asset)?);
        }
    }
    let (assets, also_dropped) = asset_reader.finish()?;
    if !assets.publish(&template_file, &template_object) {
        return Err(BundleError::TemplateNotPublished {
            stack: label,
            template: template_path,
            bucket: template_object.bucket,
            key: template_object.key,
        });
    }
    dropped.external_id |= also_dropped.external_id;
    dropped.session_options |= also_dropped.session_options;
    let mut construct_paths = metadata::template_paths(&template);
    construct_paths.extend(metadata.construct_paths);

    Ok(StackArtifact {
        id: id.to_owned(),
        dependencies: of.stacks_before(named)?,
        version_parameter: properties
            .bootstrap_stack_version_ssm_parameter
            .map(|parameter| resolve(&parameter, &env)),
        display_name: label,
        name,
        env,
        template_path,
        template_file,
        template,
        template_object,
        tags: properties.tags,
        termination_protection: properties.termination_protection,
        notification_arns: properties.notification_arns,
        deploy_role,
        execution_role,
        lookup_role,
        requires_bootstrap_version: version,
        parameters: properties.parameters,
        construct_paths,
        warnings: metadata.warnings,
        assets,
        dropped,
    })
}

/// What is being read, for errors.
pub(super) struct Reader<'a> {
    pub(super) tree: &'a Tree,
    pub(super) images: &'a Carried,
    pub(super) manifest: &'a Manifest,
    pub(super) label: &'a str,
}

impl Reader<'_> {
    pub(super) fn word<W: std::str::FromStr<Err = BadWord>>(
        &self,
        field: &'static str,
        text: &str,
    ) -> Result<W, BundleError> {
        text.parse().map_err(|source| BundleError::BadWord { stack: self.label.to_owned(), field, source })
    }

    pub(super) fn json(&self, relative: &str) -> Result<(super::TreePath, Value), BundleError> {
        let path = join(&self.manifest.dir, relative, self.label)?;
        let (_, json) = read_json(self.tree, &path, self.label)?;
        Ok((path, json))
    }

    fn check_tags(&self, tags: &BTreeMap<String, String>) -> Result<(), BundleError> {
        let reserved = |tag: &&String| tag.starts_with("stackgate.dev/") || tag.starts_with("aws-cdk:");
        match tags.keys().find(reserved) {
            Some(tag) => Err(BundleError::ReservedTag { stack: self.label.to_owned(), tag: tag.clone() }),
            None => Ok(()),
        }
    }

    fn template_object(&self, url: Option<&str>, env: &Env) -> Result<TemplateObject, BundleError> {
        let field = "stackTemplateAssetObjectUrl";
        let url = url.ok_or_else(|| BundleError::OtherSynthesizer { stack: self.label.to_owned(), field })?;
        let url = resolve(url, env);
        let (bucket, key) = url
            .strip_prefix("s3://")
            .and_then(|rest| rest.split_once('/'))
            .filter(|(_, key)| !key.is_empty())
            .ok_or_else(|| BundleError::Malformed {
                path: self.manifest.path.clone(),
                why: format!("{}: {field} is not s3://<bucket>/<key>", self.label),
            })?;
        Ok(TemplateObject { bucket: self.word::<BucketName>(field, bucket)?, key: key.to_owned() })
    }

    /// The stacks among the dependencies, and those behind artifacts of other types.
    fn stacks_before(&self, named: BTreeSet<&String>) -> Result<BTreeSet<String>, BundleError> {
        let mut stacks = BTreeSet::new();
        let mut seen: BTreeSet<&String> = BTreeSet::new();
        let mut open: Vec<&String> = named.into_iter().collect();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            let artifact = self.manifest.artifacts.get(id).ok_or_else(|| BundleError::Malformed {
                path: self.manifest.path.clone(),
                why: format!("{} depends on the artifact {id:?}, which is not there", self.label),
            })?;
            if artifact.kind == STACK {
                stacks.insert(id.clone());
            } else {
                open.extend(&artifact.dependencies);
            }
        }
        Ok(stacks)
    }
}
