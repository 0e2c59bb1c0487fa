//! Runs every input that fuzzing has kept (`fuzz/corpus/<target>/`) through what the fuzz targets run.
#![allow(clippy::expect_used, clippy::panic, reason = "a test ends where something is not as it must be")]

#[path = "../../../fuzz/src/targets/mod.rs"]
mod targets;

use std::{collections::BTreeSet, fs, path::Path};

use rstest::rstest;

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz"))
}

fn names(of: &Path) -> BTreeSet<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").path();
    let entries = fs::read_dir(of).unwrap_or_else(|e| panic!("{}: {e}", of.display()));
    let stem = |path: std::path::PathBuf| path.with_extension("").file_name()?.to_str().map(str::to_owned);
    entries.map(name).filter_map(stem).collect()
}

#[rstest]
#[case("annotation", targets::annotation::run)]
#[case("archive", targets::archive::run)]
#[case("asset_manifest", targets::asset_manifest::run)]
#[case("freeze", targets::freeze::run)]
#[case("image", targets::image::run)]
#[case("manifest", targets::manifest::run)]
#[case("plan", targets::plan::run)]
#[case("template", targets::template::run)]
#[case("words", targets::words::run)]
fn what_was_kept_still_holds(#[case] target: &str, #[case] run: fn(&[u8])) {
    let corpus = folder().join("corpus").join(target);
    let mut inputs = 0;
    for entry in fs::read_dir(&corpus).expect("the corpus of a target") {
        let path = entry.expect("an input").path();
        eprintln!("{}", path.display()); // shown where it panics
        run(&fs::read(&path).expect("an input can be read"));
        inputs += 1;
    }
    assert!(inputs > 0, "{} is empty", corpus.display());
}

#[test]
fn every_target_has_a_corpus() {
    assert_eq!(names(&folder().join("fuzz_targets")), names(&folder().join("corpus")));
}
