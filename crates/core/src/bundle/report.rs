//! The validation reports that a synthesis leaves beside the manifest.

use serde_json::Value;

use super::{
    error::BundleError,
    manifest::{join, read_json},
    path::TreePath,
    tree::Tree,
};

/// The names that the CDK has given to the report.
const REPORTS: [&str; 2] = ["validation-report.json", "policy-validation-report.json"];

/// Refuses a directory whose validation report says that the synthesis failed.
pub(super) fn check(tree: &Tree, dir: &TreePath) -> Result<(), BundleError> {
    for name in REPORTS {
        let path = join(dir, name, name)?;
        if tree.file(&path).is_some() && failed(&read_json(tree, &path, name)?.1) {
            return Err(BundleError::ValidationFailed { path });
        }
    }
    Ok(())
}

/// The conclusion stands at the top, and in each plugin's report directly or in its summary.
fn failed(report: &Value) -> bool {
    let says_so = |part: &Value| {
        let word = |key| part.get(key).and_then(Value::as_str);
        ["conclusion", "status"].into_iter().filter_map(word).any(|word| word.eq_ignore_ascii_case("failure"))
    };
    let plugins = report.get("pluginReports").and_then(Value::as_array);
    says_so(report)
        || plugins.into_iter().flatten().any(|p| says_so(p) || p.get("summary").is_some_and(says_so))
}
