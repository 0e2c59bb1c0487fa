//! The metadata of a stack artifact: construct paths, and errors that the app added.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    error::BundleError,
    manifest::{Artifact, Manifest, join, read_json},
    template::Template,
    tree::Tree,
};
use crate::change::normalised;

/// What is used of the metadata.
#[derive(Default)]
pub(super) struct Metadata {
    /// Construct paths by logical id.
    pub(super) construct_paths: BTreeMap<String, String>,
    /// What the app warns of.
    pub(super) warnings: BTreeSet<String>,
    errors: Vec<String>,
}

/// Reads the metadata in the manifest and in the file beside it, and refuses a stack with errors.
pub(super) fn read(
    tree: &Tree,
    manifest: &Manifest,
    artifact: &Artifact,
    label: &str,
) -> Result<Metadata, BundleError> {
    let mut found = Metadata::default();
    if let Some(inline) = &artifact.metadata {
        found.add(inline);
    }
    if let Some(file) = &artifact.additional_metadata_file {
        let path = join(&manifest.dir, file, label)?;
        found.add(&read_json(tree, &path, label)?.1);
    }
    if !found.errors.is_empty() {
        return Err(BundleError::SynthesisErrors { stack: label.to_owned(), messages: found.errors });
    }
    Ok(found)
}

impl Metadata {
    fn add(&mut self, by_path: &Value) {
        for (path, entries) in by_path.as_object().into_iter().flatten() {
            for entry in entries.as_array().into_iter().flatten() {
                let data = entry.get("data");
                match entry.get("type").and_then(Value::as_str) {
                    Some("aws:cdk:error") => {
                        let text = data.and_then(Value::as_str).unwrap_or("(no message)");
                        self.errors.push(format!("{path}: {}", text.chars().take(300).collect::<String>()));
                    }
                    Some("aws:cdk:warning") => {
                        let text = data.and_then(Value::as_str).unwrap_or("(no message)");
                        self.warnings
                            .insert(normalised(&format!("{text} ({})", path.trim_start_matches('/'))));
                    }
                    Some("aws:cdk:logicalId") => {
                        if let Some(id) = data.and_then(Value::as_str) {
                            self.construct_paths
                                .insert(id.to_owned(), path.trim_start_matches('/').to_owned());
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

/// The construct paths that the template itself tells (`aws:cdk:path`).
pub(super) fn template_paths(template: &Template) -> BTreeMap<String, String> {
    let path = |(id, resource): (&String, &super::template::Resource)| {
        let path = resource.body.get("Metadata")?.get("aws:cdk:path")?.as_str()?;
        Some((id.clone(), path.to_owned()))
    };
    template.resources.iter().filter_map(path).collect()
}
