//! Holds our bootstrap template against the one of the pinned CDK CLI.
#![allow(clippy::expect_used, clippy::panic, reason = "a test ends where something is not as it must be")]

#[path = "toolkit_template/cdk.rs"]
mod cdk;
#[path = "toolkit_template/facts.rs"]
mod facts;

use std::collections::BTreeMap;

use stackgate_core::bootstrap::template::{TOOLKIT_VERSION, toolkit_template};

/// What differs on purpose: a path (`*` stands for one step) and why. Each is in `docs/bootstrap-template.md`, too.
const MEANT: [(&str, &str); 5] = [
    ("Description", "our own words"),
    ("Parameters/*/Description", "our own words; one parameter of the CDK's has none"),
    ("Parameters/Qualifier/ConstraintDescription", "our own words"),
    ("Outputs/*/Description", "our own words"),
    (
        "Resources/ContainerAssetsRepository/Properties/LifecyclePolicy/LifecyclePolicyText/rules/0/description",
        "our own words",
    ),
];

/// What the CDK's template has and ours has not.
const MISSING: [&str; 0] = [];

#[test]
fn the_template_is_that_of_the_cli_but_for_what_is_meant() {
    let (theirs, ours) = (facts::of(&cdk::bootstrap_template()), facts::of(&toolkit_template()));
    let mut unexpected = Vec::new();
    let mut excused: BTreeMap<&str, usize> = BTreeMap::new();
    for difference in facts::differences(&theirs, &ours) {
        match MEANT.iter().find(|(pattern, _)| facts::matches(pattern, &difference.path)) {
            Some((pattern, _)) => *excused.entry(pattern).or_default() += 1,
            None if MISSING.contains(&difference.path.as_str()) && difference.ours.is_none() => {}
            None => unexpected.push(difference.to_string()),
        }
    }
    assert!(
        unexpected.is_empty(),
        "{} differences that nobody meant:\n{}",
        unexpected.len(),
        unexpected.join("\n")
    );
    for (pattern, _) in MEANT {
        assert!(excused.contains_key(pattern), "{pattern} does not differ any more: take it off the list");
    }
}

#[test]
fn nothing_is_left_out_of_the_comparison() {
    let theirs = facts::of(&cdk::bootstrap_template());
    for (section, least) in [("Parameters", 13), ("Conditions", 12), ("Resources", 14), ("Outputs", 5)] {
        let names = facts::names_in(&theirs, section);
        assert!(names.len() >= least, "{section}: only {names:?}");
    }
    let statements = theirs.keys().filter(|path| path.contains("/Statement/")).count();
    assert!(statements >= 42, "only {statements} policy statements were read");
}

#[test]
fn the_version_is_that_of_the_cli() {
    let version = cdk::bootstrap_template()["Outputs"]["BootstrapVersion"]["Value"].clone();
    assert_eq!(version, TOOLKIT_VERSION.to_string());
}

#[test]
fn the_documentation_names_what_differs() {
    let page = include_str!("../../../docs/bootstrap-template.md");
    for path in MEANT.iter().map(|(path, _)| *path).chain(MISSING) {
        assert!(page.contains(&format!("`{path}`")), "docs/bootstrap-template.md does not name {path}");
    }
}
