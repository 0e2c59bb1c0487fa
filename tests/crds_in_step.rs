//! `crds/` is what the types say.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

#[test]
fn the_files_in_crds_are_those_of_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let expected: BTreeMap<String, String> = stackgate::crds::files().unwrap().into_iter().collect();
    let found: BTreeMap<String, String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(path).unwrap())
        })
        .collect();
    let differ: Vec<&String> =
        expected.keys().chain(found.keys()).filter(|name| expected.get(*name) != found.get(*name)).collect();
    assert!(differ.is_empty(), "crds/ is out of step ({differ:?}): run `cargo run -- crds --out crds`");
}

/// Where a schema lets a value grow without a bound: that would be paid for by every rule, watch and cache.
fn unbounded(schema: &Value, path: &str, found: &mut Vec<String>) {
    let has = |field: &str| schema.get(field).is_some();
    let bounded = match schema["type"].as_str() {
        Some("string") => has("maxLength") || has("enum") || schema["format"] == "date-time",
        Some("array") => has("maxItems"),
        Some("object") => !has("additionalProperties") || has("maxProperties"),
        _ => true,
    };
    if !bounded {
        found.push(path.to_owned());
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        unbounded(inner, &format!("{path}.{name}"), found);
    }
    for (field, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(inner) = schema.get(field) {
            unbounded(inner, &format!("{path}{mark}"), found);
        }
    }
}

#[test]
fn every_string_list_and_map_is_bounded_and_null_is_never_a_value() {
    for crd in stackgate::crds::all() {
        let crd = serde_json::to_value(crd).unwrap();
        let mut found = Vec::new();
        unbounded(
            &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"],
            crd["spec"]["names"]["kind"].as_str().unwrap(),
            &mut found,
        );
        assert!(found.is_empty(), "without a bound: {found:?}");
        assert!(!crd.to_string().contains("nullable"));
    }
}
