//! The names in an assembly have to be the ones that the bootstrap gives; an assembly cannot choose its roles.

use super::stack_artifact::StackArtifact;
use crate::words::{Qualifier, ToolkitNames};

/// A name in the assembly is not the computed one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "stack {stack}: the {what} in the assembly is {found:?}, but that of qualifier {qualifier} is {expected:?}; \
     synthesise with this qualifier and the default names"
)]
pub struct NotComputed {
    /// The stack's display name.
    pub stack: String,
    /// The qualifier that was compared with.
    pub qualifier: Qualifier,
    /// Which name.
    pub what: &'static str,
    /// The name in the assembly.
    pub found: String,
    /// The computed name.
    pub expected: String,
}

/// Checks that roles, buckets, repositories and version parameters of a stack and of its assets equal those of the qualifier.
///
/// # Errors
/// [`NotComputed`] for the first that differs.
pub fn check_computed(stack: &StackArtifact, qualifier: &Qualifier) -> Result<(), NotComputed> {
    let names = ToolkitNames { qualifier: qualifier.clone(), env: stack.env.clone() };
    let same = |what, found: &str, expected: &str| {
        if found == expected {
            return Ok(());
        }
        Err(NotComputed {
            stack: stack.display_name.clone(),
            qualifier: qualifier.clone(),
            what,
            found: found.to_owned(),
            expected: expected.to_owned(),
        })
    };
    same("deploy role", stack.deploy_role.as_str(), names.deploy_role().as_str())?;
    same("execution role", stack.execution_role.as_str(), names.execution_role().as_str())?;
    if let Some(role) = &stack.lookup_role {
        same("lookup role", role.as_str(), names.lookup_role().as_str())?;
    }
    same("template bucket", stack.template_object.bucket.as_str(), names.bucket().as_str())?;
    for parameter in stack.version_parameter.iter().chain(&stack.assets.version_parameters) {
        same("bootstrap version parameter", parameter, &names.version_parameter())?;
    }
    for asset in &stack.assets.files {
        let to = &asset.destination;
        same("region of a file asset", to.env.region.as_str(), stack.env.region.as_str())?;
        same("asset bucket", to.bucket.as_str(), names.bucket().as_str())?;
        if let Some(role) = &to.role {
            same("file publishing role", role.as_str(), names.file_publishing_role().as_str())?;
        }
    }
    for image in &stack.assets.images {
        let at = &image.destination;
        same("region of an image asset", at.env.region.as_str(), stack.env.region.as_str())?;
        same("image repository", &at.repository, &names.repository())?;
        if let Some(role) = &at.role {
            same("image publishing role", role.as_str(), names.image_publishing_role().as_str())?;
        }
    }
    Ok(())
}
