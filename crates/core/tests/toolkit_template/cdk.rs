//! The template of the pinned CDK CLI.

use std::{path::Path, process::Command};

use serde_json::Value;

/// What `cdk bootstrap --show-template --json` prints.
pub(crate) fn bootstrap_template() -> Value {
    // Cargo keeps this directory in the target directory, wherever that is.
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let cli = scratch.with_file_name("tools").join("cdk/node_modules/.bin/cdk");
    assert!(cli.exists(), "{} is not there: run `make setup`", cli.display());
    let output = Command::new(&cli)
        .args(["bootstrap", "--show-template", "--json", "--no-notices"])
        .env("CI", "1")
        .env("CDK_DISABLE_CLI_TELEMETRY", "1")
        .current_dir(scratch)
        .output()
        .unwrap_or_else(|error| panic!("{} can't be run: {error}", cli.display()));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cdk bootstrap --show-template: {}\n{stderr}", output.status);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("not JSON: {error}\n{stderr}"))
}
