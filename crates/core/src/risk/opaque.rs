//! Class `opaque`: effects that neither the templates nor the change list show.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    dynamic,
    iam::is_folded,
    pair::{Pair, properties, section_of},
};
use crate::bundle::Template;

/// Types whose resources run or bring in something that no list shows, or decide on what later changes do.
const TYPES: [(&str, &str); 21] = [
    ("AWS::CloudFormation::CustomResource", CUSTOM),
    ("Custom::", CUSTOM),
    ("AWS::CloudFormation::Macro", "registers a macro, which rewrites templates"),
    ("AWS::CloudFormation::StackSet", "makes stacks elsewhere, which nobody here is shown"),
    ("AWS::CloudFormation::HookVersion", REGISTRY),
    ("AWS::CloudFormation::HookDefaultVersion", REGISTRY),
    ("AWS::CloudFormation::HookTypeConfig", REGISTRY),
    ("AWS::CloudFormation::GuardHook", REGISTRY),
    ("AWS::CloudFormation::LambdaHook", REGISTRY),
    ("AWS::CloudFormation::ModuleVersion", REGISTRY),
    ("AWS::CloudFormation::ModuleDefaultVersion", REGISTRY),
    ("AWS::CloudFormation::ResourceVersion", REGISTRY),
    ("AWS::CloudFormation::ResourceDefaultVersion", REGISTRY),
    ("AWS::CloudFormation::TypeActivation", REGISTRY),
    ("AWS::CloudFormation::PublicTypeVersion", REGISTRY),
    ("AWS::CloudFormation::Publisher", REGISTRY),
    ("AWS::ServiceCatalog::CloudFormationProvisionedProduct", "deploys a template that is kept elsewhere"),
    ("AWS::Serverless::Application", "deploys a template that is kept elsewhere"),
    (
        "AWS::Config::RemediationConfiguration",
        "runs a document that is kept elsewhere, with a role that it names",
    ),
    ("AWS::SSM::Association", "runs commands on machines"),
    ("AWS::SSM::MaintenanceWindowTask", "runs commands on machines"),
];

const CUSTOM: &str = "a custom resource: code of the app runs during the deployment";
const REGISTRY: &str = "changes what CloudFormation runs for other resources";
const THIRD_PARTY: &str = "a resource type that is not of AWS";
const MODULE: &str = "a module, whose resources no template shows";
const NESTED: &str = "a nested stack whose template is not in the assembly";
const SECRET: &str = "uses the newest version of a secret or parameter";
const LOOP: &str = "a loop, whose resources the template does not name";
const ELSEWHERE: &str = "runs code that others may give it";
const MACRO: &str = "a transform decides what it is";

/// The type of nested stacks.
pub(super) const NESTED_STACK: &str = "AWS::CloudFormation::Stack";

/// The secrets that a template makes, by themselves and by what ties them to a database.
pub(super) fn secrets<'a>(pairs: &[Pair<'a>]) -> BTreeSet<&'a str> {
    let of =
        |kind: &'static str| pairs.iter().filter(move |p| p.new.is_some_and(|new| new.resource_type == kind));
    let mut secrets: BTreeSet<&str> = of("AWS::SecretsManager::Secret").map(|p| p.id).collect();
    let tied = of("AWS::SecretsManager::SecretTargetAttachment").filter(|p| {
        let secret = properties(p.new).get("SecretId").and_then(|id| id.get("Ref")).and_then(Value::as_str);
        secret.is_some_and(|id| secrets.contains(id))
    });
    let tied: Vec<&str> = tied.map(|p| p.id).collect();
    secrets.extend(tied);
    secrets
}

/// Whether whoever reads an attribute of such a resource may get anything when it changes in whatever way.
pub(super) fn has_free_attributes(resource_type: &str) -> bool {
    resource_type == NESTED_STACK
        || resource_type == "AWS::CloudFormation::CustomResource"
        || resource_type == "AWS::ServiceCatalog::CloudFormationProvisionedProduct"
        || resource_type == "AWS::Serverless::Application"
        || !resource_type.starts_with("AWS::")
}

/// Why a change of this resource has effects that cannot be seen.
/// `secrets`: those that the template makes; `foreign`: its code comes from elsewhere.
pub(super) fn opaque(
    pair: &Pair<'_>,
    code_only: bool,
    nested_known: bool,
    foreign: bool,
    secrets: &BTreeSet<&str>,
) -> BTreeSet<&'static str> {
    let mut causes = BTreeSet::new();
    if !pair.touched() || code_only {
        return causes;
    }
    let listed = pair.changes.iter().map(|c| c.resource_type.as_str());
    let types: BTreeSet<&str> =
        pair.old.iter().chain(pair.new.iter()).map(|r| r.resource_type.as_str()).chain(listed).collect();
    for kind in types {
        causes.extend(of_type(kind, nested_known || pair.after().is_none()));
    }
    causes.extend(foreign.then_some(ELSEWHERE));
    if let Some(new) = pair.new {
        if is_folded(&new.body) && !new.body.is_array() {
            causes.insert(MACRO);
        }
        let is_unpinned = |value| dynamic::is_unpinned(value, &|id| secrets.contains(id));
        if section_of(pair.new, "Properties").is_some_and(is_unpinned) {
            causes.insert(SECRET);
        }
    }
    causes
}

fn of_type(kind: &str, nested_known: bool) -> Option<&'static str> {
    if let Some((_, cause)) =
        TYPES.iter().find(|(t, _)| kind == *t || (t.ends_with("::") && kind.starts_with(t)))
    {
        return Some(cause);
    }
    if kind.ends_with("::MODULE") {
        return Some(MODULE);
    }
    if kind == "Fn::ForEach" {
        return Some(LOOP);
    }
    if kind == NESTED_STACK {
        return (!nested_known).then_some(NESTED);
    }
    (!kind.starts_with("AWS::")).then_some(THIRD_PARTY)
}

/// Why a change of the whole template has such effects: macros run before anybody is asked.
pub(super) fn whole_template(old: Option<&Template>, new: Option<&Template>) -> BTreeSet<&'static str> {
    let Some(new) = new else { return BTreeSet::new() };
    let mut causes = BTreeSet::new();
    let known = |name: &str| {
        // Macros of AWS that unfold what stands in the template. AWS::Include takes text from elsewhere.
        [
            "AWS::LanguageExtensions",
            "AWS::Serverless-2016-10-31",
            "AWS::SecretsManager-2020-07-23",
            "AWS::SecretsManager-2024-09-16",
            "AWS::CodeDeployBlueGreen",
            "AWS::ServiceCatalog",
        ]
        .contains(&name)
    };
    if new.transforms.iter().any(|name| !known(name)) {
        causes.insert("a macro rewrites the template");
    }
    let of_macros = |template: &Template| template.macro_sections().next().is_some();
    if of_macros(new) || old.is_some_and(of_macros) {
        causes.insert("a section that only a macro reads decides what resources are");
    }
    if new.json.get("Hooks").is_some() {
        causes.insert("a hook of the template takes part in the deployment");
    }
    if old.is_some_and(|old| old.transforms != new.transforms) {
        causes.insert("the transforms of the template change");
    }
    causes
}
