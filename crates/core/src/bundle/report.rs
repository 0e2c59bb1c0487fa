//! The validation reports that a synthesis leaves beside the manifest.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    error::BundleError,
    manifest::{join, read_json},
    path::TreePath,
    tree::Tree,
};
use crate::change::normalised;

/// The names that the CDK has given to the report.
const REPORTS: [&str; 2] = ["validation-report.json", "policy-validation-report.json"];

/// Something that a validation objects to, though it has let the synthesis pass.
#[derive(Debug, Clone)]
pub(super) struct Objection {
    /// The construct that it is about.
    construct: Option<String>,
    /// The file name of the template that it is about.
    template: Option<String>,
    text: String,
}

impl Objection {
    /// Whether it is about this stack: about a construct in it, or else about its template.
    fn is_about(&self, display_name: &str, template_file: &str) -> bool {
        match (&self.construct, &self.template) {
            (Some(path), _) => {
                path.strip_prefix(display_name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            (None, Some(template)) => template == template_file,
            (None, None) => false,
        }
    }
}

/// What of these is about a stack, in order, each once.
pub(super) fn about(all: &[Objection], display_name: &str, template_file: &str) -> BTreeSet<String> {
    all.iter().filter(|o| o.is_about(display_name, template_file)).map(|o| o.text.clone()).collect()
}

/// What the validation report of a directory objects to.
///
/// # Errors
/// When it says that the synthesis failed.
pub(super) fn read(tree: &Tree, dir: &TreePath) -> Result<Vec<Objection>, BundleError> {
    let mut found = Vec::new();
    for name in REPORTS {
        let path = join(dir, name, name)?;
        if tree.file(&path).is_none() {
            continue;
        }
        let report = read_json(tree, &path, name)?.1;
        if failed(&report) {
            return Err(BundleError::ValidationFailed { path });
        }
        let plugins = report.get("pluginReports").and_then(Value::as_array).into_iter().flatten();
        let violations = plugins.filter_map(|p| p.get("violations")?.as_array()).flatten();
        violations.for_each(|v| objections(v, &mut found));
    }
    Ok(found)
}

/// One for each construct that a violation is about (`PolicyViolationJson` of cloud assembly schema 55, and what the CDK wrote before).
fn objections(violation: &Value, found: &mut Vec<Objection>) {
    let text = |key: &str| violation.get(key).and_then(Value::as_str).unwrap_or_default();
    if text("severity").eq_ignore_ascii_case("info") {
        return;
    }
    let what = format!("{}: {}", text("ruleName"), text("description"));
    for construct in violation.get("violatingConstructs").and_then(Value::as_array).into_iter().flatten() {
        let resource = construct.get("cloudFormationResource").unwrap_or(construct);
        let word = |of: &Value, key: &str| {
            of.get(key).and_then(Value::as_str).filter(|s| !matches!(*s, "" | "N/A")).map(str::to_owned)
        };
        let path = word(construct, "constructPath");
        let id = word(resource, "logicalId").or_else(|| word(resource, "resourceLogicalId"));
        let place = path.clone().or(id).map(|p| format!(" ({p})")).unwrap_or_default();
        let template = word(resource, "templatePath");
        found.push(Objection {
            construct: path,
            template: template.map(|t| t.rsplit('/').next().unwrap_or_default().to_owned()),
            text: normalised(&format!("{what}{place}")),
        });
    }
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
