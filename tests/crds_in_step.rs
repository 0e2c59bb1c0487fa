//! `crds/` is what the types say.

use std::{collections::BTreeMap, fs, path::Path};

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
