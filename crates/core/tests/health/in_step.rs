//! Files that are made from others: compared, or written anew on request.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use stackgate_core::api::Reason;

use crate::record;

/// A path in the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Whether files are to be written.
#[expect(clippy::disallowed_methods, reason = "a test may be told to write what it compares with")]
pub fn updating() -> bool {
    std::env::var_os("UPDATE_HEALTH").is_some()
}

/// Asserts that a file holds this text, or writes it when that is asked for.
pub fn holds(path: &str, text: &str) {
    let file = repository(path);
    if updating() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
        return;
    }
    let found = fs::read_to_string(file).unwrap_or_default();
    assert!(
        found == text,
        "{path} is out of step: run `UPDATE_HEALTH=1 cargo test -p stackgate-core --test health`, and read what changed"
    );
}

/// The objects of a kind, as YAML.
pub fn text(kind: &str, objects: &[Value]) -> String {
    let mut text = format!(
        "# {kind}s in every phase, as crates/core shows them; the name is the phase. Made by `UPDATE_HEALTH=1 cargo test -p stackgate-core --test health`.\n"
    );
    for object in objects {
        text.push_str("---\n");
        text.push_str(&serde_saphyr::to_string(object).unwrap());
    }
    text
}

#[test]
fn the_recorded_objects_are_what_the_status_functions_say() {
    for (kind, objects) in record::all() {
        let names: BTreeSet<&str> = objects.iter().map(|o| o["metadata"]["name"].as_str().unwrap()).collect();
        assert_eq!(names.len(), objects.len(), "two {kind}s in one phase");
        holds(&format!("tests/health/objects/{kind}.yaml"), &text(kind, &objects));
    }
}

/// A reason that nobody recorded would be seen by Argo CD and Flux for the first time at a user's.
#[test]
fn every_reason_is_recorded() {
    let recorded: BTreeSet<String> = record::all()
        .into_iter()
        .flat_map(|(_, objects)| objects)
        .flat_map(|o| o["status"]["conditions"].as_array().cloned().unwrap_or_default())
        .map(|condition| condition["reason"].as_str().unwrap().to_owned())
        .collect();
    let missing: Vec<&str> =
        Reason::ALL.iter().map(|r| r.as_str()).filter(|r| !recorded.contains(*r)).collect();
    assert!(missing.is_empty(), "in no object of tests/health/record: {missing:?}");
}
