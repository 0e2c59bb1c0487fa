//! `make demo` and `make test` build the same dependencies: whoever runs one after the other waits once.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use anyhow::{Context, Result, ensure};

/// Package and version → its features, of a build with these kinds of dependencies.
fn features(kinds: &str) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--locked", "--offline", "--prefix", "none", "--format", "{p}|{f}"])
        .args(["--edges", kinds])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .context("starting cargo tree")?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let Some((package, features)) = line.split_once('|') else { continue }; // between two packages
        all.entry(package.to_owned()).or_default().insert(features.trim_end_matches(" (*)").to_owned());
    }
    Ok(all)
}

#[test]
fn the_demo_and_the_tests_build_the_same_dependencies() -> Result<()> {
    let demo = features("normal,build")?;
    let tests = features("normal,build,dev")?;
    ensure!(demo.len() > 100, "cargo tree shows only {} packages", demo.len());
    for (package, features) in &demo {
        let wanted = tests.get(package).with_context(|| format!("{package} is not there for the tests"))?;
        ensure!(
            features == wanted,
            "{package} is built with {features:?} for the demo and with {wanted:?} for the tests: name what the tests \
             want in crates/testbed/Cargo.toml"
        );
    }
    Ok(())
}
