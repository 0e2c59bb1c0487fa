//! The CustomResourceDefinitions, as YAML.

use std::{fs, io, path::Path};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;
use stackgate_core::api::{AwsAccount, Bootstrap, ChangePlan, CloudAssembly, Stage};

/// Why they could not be written.
#[derive(Debug, thiserror::Error)]
pub enum CrdError {
    /// Not as YAML.
    #[error("a CustomResourceDefinition cannot be written as YAML: {0}")]
    Yaml(#[from] serde_saphyr::ser_error::Error),
    /// Not into the folder.
    #[error("{path} cannot be written: {error}")]
    File {
        /// The file or folder.
        path: String,
        /// What the system said.
        error: io::Error,
    },
}

/// All of them.
#[must_use]
pub fn all() -> [CustomResourceDefinition; 5] {
    [AwsAccount::crd(), Bootstrap::crd(), CloudAssembly::crd(), Stage::crd(), ChangePlan::crd()]
}

/// File name and YAML of each.
///
/// # Errors
/// When one cannot be written as YAML.
pub fn files() -> Result<Vec<(String, String)>, CrdError> {
    let file = |crd: CustomResourceDefinition| {
        let yaml = serde_saphyr::to_string(&crd)?;
        Ok((
            format!("{}.yaml", crd.spec.names.plural),
            format!("# Made by `stackgate crds`; do not edit.\n{yaml}"),
        ))
    };
    all().into_iter().map(file).collect()
}

/// All of them as one YAML stream.
///
/// # Errors
/// When one cannot be written as YAML.
pub fn stream() -> Result<String, CrdError> {
    Ok(files()?.into_iter().map(|(_, yaml)| yaml).collect::<Vec<_>>().join("---\n"))
}

/// Writes one file for each into a folder, which is made if need be.
///
/// # Errors
/// When one cannot be written.
pub fn write(folder: &Path) -> Result<(), CrdError> {
    let failed = |path: &Path, error| CrdError::File { path: path.display().to_string(), error };
    fs::create_dir_all(folder).map_err(|e| failed(folder, e))?;
    for (name, yaml) in files()? {
        let path = folder.join(name);
        fs::write(&path, yaml).map_err(|e| failed(&path, e))?;
    }
    Ok(())
}
