//! `manifest.json`: read tolerantly, since its schema grows with every release of the CDK, but never a newer major version.

use std::collections::BTreeMap;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    error::BundleError,
    json,
    path::TreePath,
    tree::{File, Tree},
};
use crate::plain::plain;

/// The highest major version of the cloud assembly schema that is read (aws-cdk-lib 2.276).
pub const MAX_SCHEMA_MAJOR: u32 = 55;

/// One artifact; unknown keys and types are kept aside, not refused.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Artifact {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) environment: Option<String>,
    pub(super) metadata: Option<Value>,
    pub(super) additional_metadata_file: Option<String>,
    #[serde(default)]
    pub(super) dependencies: Vec<String>,
    #[serde(default)]
    pub(super) properties: Value,
    pub(super) display_name: Option<String>,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    artifacts: BTreeMap<String, Artifact>,
    #[serde(default)]
    missing: Vec<Value>,
}

/// A manifest and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Manifest {
    /// The directory that its paths are relative to.
    pub(super) dir: TreePath,
    /// The file.
    pub(super) path: TreePath,
    /// Artifacts by id.
    pub(super) artifacts: BTreeMap<String, Artifact>,
}

impl Manifest {
    pub(super) fn read(tree: &Tree, dir: &TreePath, named_by: &str) -> Result<Self, BundleError> {
        let (path, json) = Self::json(tree, dir, named_by)?;
        Self::of(dir, path, json)
    }

    /// All of it, and where it stands.
    pub(super) fn json(
        tree: &Tree,
        dir: &TreePath,
        named_by: &str,
    ) -> Result<(TreePath, Value), BundleError> {
        let path = join(dir, "manifest.json", named_by)?;
        let (_, json) = read_json(tree, &path, named_by)?;
        check_version(&path, &json)?;
        Ok((path, json))
    }

    pub(super) fn of(dir: &TreePath, path: TreePath, json: Value) -> Result<Self, BundleError> {
        let raw: Raw = serde_json::from_value(json).map_err(|e| malformed(&path, &e))?;
        if !raw.missing.is_empty() {
            let key = |m: &Value| m.get("key").and_then(Value::as_str).unwrap_or("(unnamed)").to_owned();
            return Err(BundleError::MissingContext { path, keys: raw.missing.iter().map(key).collect() });
        }
        // They stand in plans and messages, which people read line by line.
        let names = || raw.artifacts.iter().flat_map(|(id, a)| [Some(id), a.display_name.as_ref()]);
        if let Some(name) = names().flatten().find(|name| plain(name) != **name) {
            let why = format!("the artifact {name:?} has characters in its name that are not seen");
            return Err(BundleError::Malformed { path, why });
        }
        Ok(Self { dir: dir.clone(), path, artifacts: raw.artifacts })
    }
}

fn malformed(path: &TreePath, why: &serde_json::Error) -> BundleError {
    BundleError::Malformed { path: path.clone(), why: why.to_string() }
}

/// A path of a manifest, relative to its directory; it may climb (`../asset.<hash>`), but not out of the assembly.
pub(super) fn join(dir: &TreePath, relative: &str, named_by: &str) -> Result<TreePath, BundleError> {
    dir.join(relative).map_err(|source| BundleError::Path { named_by: named_by.to_owned(), source })
}

/// The file at a path, and the JSON in it.
pub(super) fn read_json<'a>(
    tree: &'a Tree,
    path: &TreePath,
    named_by: &str,
) -> Result<(&'a File, Value), BundleError> {
    let file = tree
        .file(path)
        .ok_or_else(|| BundleError::MissingFile { path: path.clone(), named_by: named_by.to_owned() })?;
    let json = json::parse(file.bytes())
        .map_err(|e| BundleError::BadJson { path: path.clone(), why: e.to_string() })?;
    Ok((file, json))
}

/// The JSON as a type.
pub(super) fn typed<T: DeserializeOwned>(path: &TreePath, json: &Value) -> Result<T, BundleError> {
    T::deserialize(json).map_err(|e| malformed(path, &e))
}

/// Refuses a schema that is newer than what is read; before anything else, since all else may have changed.
pub(super) fn check_version(path: &TreePath, json: &Value) -> Result<(), BundleError> {
    let malformed = |why: &str| BundleError::Malformed { path: path.clone(), why: why.to_owned() };
    let version =
        json.get("version").and_then(Value::as_str).ok_or_else(|| malformed("it has no version"))?;
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.ok_or_else(|| malformed("its version is no version"))? > MAX_SCHEMA_MAJOR {
        return Err(BundleError::SchemaTooNew {
            path: path.clone(),
            found: version.chars().take(40).collect(),
            supported: MAX_SCHEMA_MAJOR,
        });
    }
    Ok(())
}
