//! The CustomResourceDefinitions, as YAML.

use std::{collections::BTreeMap, fs, io, path::Path};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt as _;
use stackgate_core::api::{AwsAccount, Bootstrap, ChangePlan, CloudAssembly, Freeze, Stage};

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
pub fn all() -> [CustomResourceDefinition; 6] {
    [
        AwsAccount::crd(),
        Bootstrap::crd(),
        CloudAssembly::crd(),
        Stage::crd(),
        ChangePlan::crd(),
        Freeze::crd(),
    ]
    .map(published)
}

/// What the derived definition says too much or too little of.
fn published(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let schemas = crd.spec.versions.iter_mut().filter_map(|v| v.schema.as_mut()?.open_api_v3_schema.as_mut());
    for schema in schemas {
        tighten(schema);
        // What `kubectl explain` shows of the kind.
        schema.description =
            schema.properties.as_ref().and_then(|p| p.get("spec")).and_then(|spec| spec.description.clone());
    }
    crd
}

/// Absent is the only way to leave a field out: null would be a second one, which rules with `has()` take for present.
/// Kubernetes knows no unsigned formats; `minimum` says the same.
fn tighten(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if schema.format.as_deref().is_some_and(|f| f.starts_with("uint")) {
        schema.format = None;
    }
    if let Some(values) = &mut schema.enum_ {
        values.retain(|JSON(v)| !v.is_null());
    }
    if let Some(fields) = schema.properties.as_mut().filter(|p| p.contains_key("lastTransitionTime")) {
        bound_condition(fields);
    }
    let inner = schema.properties.iter_mut().flat_map(|p| p.values_mut());
    inner.for_each(tighten);
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => tighten(items),
        Some(JSONSchemaPropsOrArray::Schemas(list)) => list.iter_mut().for_each(tighten),
        None => {}
    }
    match &mut schema.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(values)) => tighten(values),
        Some(JSONSchemaPropsOrBool::Bool(_)) | None => {}
    }
}

/// The bounds that Kubernetes itself gives to conditions; the type as generated comes without them.
fn bound_condition(fields: &mut BTreeMap<String, JSONSchemaProps>) {
    for (name, most) in [("type", 316), ("reason", 1024), ("message", 32_768), ("status", 7)] {
        if let Some(field) = fields.get_mut(name) {
            field.max_length = Some(most);
        }
    }
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
