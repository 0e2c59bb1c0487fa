//! Whether two stages do the same, apart from where: a digest of what a stack's change does, without account, region,
//! names, baseline and owner. It is shown, and opens nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{Canonical, input::carried_images};
use crate::{
    api::PlannedAs,
    bundle::{AssetContent, FileAsset, StackArtifact, canonical_json, parse_json},
    stack::{Change, ValueSource},
    words::{Digest, Qualifier},
};

/// The transforms whose result follows from the template alone. Others read what differs from account to account, so
/// their results have to be equal as they are.
const SELF_CONTAINED: [&str; 2] = ["AWS::LanguageExtensions", "AWS::Serverless-2016-10-31"];

/// What may stand around a name so that it is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Around {
    /// No letter or digit.
    Word,
    /// No digit.
    Number,
    /// No letter or digit before, no digit behind: a letter makes a region an availability zone.
    Region,
    /// No letter or digit before.
    Start,
}

/// The names that tell one stage from another and say nothing of what it does: accounts, regions, stage, stacks, qualifier.
#[derive(Clone, Debug)]
pub struct StageNames {
    /// Text, its replacement, and what may stand around it; the longest first.
    names: Vec<(String, String, Around)>,
}

impl StageNames {
    /// The names of the stacks that one stage deploys together, in the order of the plan. `cdk_stage` is the path of the
    /// CDK Stage, such as `Outer/Inner`.
    #[must_use]
    pub fn of<'a>(
        cdk_stage: Option<&str>,
        stacks: impl IntoIterator<Item = (&'a StackArtifact, &'a Qualifier)>,
    ) -> Self {
        let mut names = BTreeMap::new();
        let (mut accounts, mut regions) = (Vec::new(), Vec::new());
        for (stack, qualifier) in stacks {
            let below = below(&stack.display_name, cdk_stage);
            names.insert(stack.name.to_string(), (format!("<stack {below}>"), Around::Word));
            if !accounts.contains(&stack.env.account) {
                accounts.push(stack.env.account.clone());
            }
            if !regions.contains(&stack.env.region) {
                regions.push(stack.env.region.clone());
            }
            names.insert(format!("cdk-{qualifier}-"), ("cdk-<qualifier>-".to_owned(), Around::Start));
            names.insert(
                format!("/cdk-bootstrap/{qualifier}/"),
                ("/cdk-bootstrap/<qualifier>/".to_owned(), Around::Start),
            );
        }
        for (n, account) in accounts.iter().enumerate() {
            names.insert(account.to_string(), (format!("<account {n}>"), Around::Number));
        }
        for (n, region) in regions.iter().enumerate() {
            names.insert(region.to_string(), (format!("<region {n}>"), Around::Region));
        }
        if let Some(stage) = cdk_stage {
            // A stack of the same name is more particular.
            for form in [stage.to_owned(), stage.replace('/', "-")] {
                names.entry(form).or_insert_with(|| ("<stage>".to_owned(), Around::Word));
            }
        }
        Self::sorted(names.into_iter().map(|(from, (to, around))| (from, to, around)).collect())
    }

    fn sorted(mut names: Vec<(String, String, Around)>) -> Self {
        names.retain(|(from, ..)| !from.is_empty());
        names.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.0.cmp(&b.0)));
        Self { names }
    }

    /// The same, and these names of objects besides.
    fn with_templates(&self, keys: impl Iterator<Item = String>) -> Self {
        let more = keys.map(|key| (key, "<template>".to_owned(), Around::Word));
        Self::sorted(self.names.iter().cloned().chain(more).collect())
    }

    /// The text with names that say the same in every stage.
    fn text(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut before: Option<char> = None;
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let found = self.names.iter().find(|(from, _, around)| {
                rest.strip_prefix(from.as_str())
                    .is_some_and(|behind| stands_alone(*around, before, behind.chars().next()))
            });
            let (length, instead) = found.map_or((c.len_utf8(), None), |(f, t, _)| (f.len(), Some(t)));
            let (taken, tail) = rest.split_at(length);
            out.push_str(instead.map_or(taken, String::as_str));
            before = taken.chars().next_back();
            rest = tail;
        }
        out
    }

    fn json(&self, value: &Value) -> Value {
        match value {
            Value::String(s) => Value::String(self.text(s)),
            Value::Array(list) => list.iter().map(|v| self.json(v)).collect(),
            Value::Object(map) => {
                let keys: BTreeSet<String> = map.keys().map(|k| self.text(k)).collect();
                // Keys that would fall together stay apart.
                let key = |k: &String| if keys.len() == map.len() { self.text(k) } else { k.clone() };
                map.iter().map(|(k, v)| (key(k), self.json(v))).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    /// What the change of a stack does, wherever it does it. Equal where two stages do the same.
    ///
    /// Not in it: HMACs of values, and templates after their transforms, since both hold names that could not be replaced;
    /// templates and assets come from the assembly instead.
    #[must_use]
    pub fn sameness(
        &self,
        stack: &StackArtifact,
        plan: PlannedAs,
        changes: &[Change],
        warnings: &[String],
        processed: &BTreeMap<String, Digest>,
    ) -> Digest {
        let (templates, assets): (Vec<_>, Vec<_>) = stack
            .assets
            .files
            .iter()
            .filter(|f| f.destination.key != stack.template_object.key)
            .map(|f| (f, template(f)))
            .partition(|(_, json)| json.is_some());
        let names = self.with_templates(templates.iter().map(|(f, _)| f.destination.key.clone()));
        let nested: BTreeSet<Digest> =
            templates.iter().filter_map(|(_, json)| json.as_ref()).map(|j| names.template(j)).collect();
        let assets: BTreeSet<Digest> = assets.iter().map(|(f, _)| f.digest).collect();
        let tags = stack.tags.iter().map(|(k, v)| (names.text(k), names.text(v)));
        let tags: BTreeMap<String, String> = tags.collect();
        let warnings: BTreeSet<String> = warnings.iter().map(|w| names.text(w)).collect();
        let mut list: Vec<Change> = changes
            .iter()
            .filter(|c| c.resource_type != "AWS::CDK::Metadata")
            .map(|c| names.change(c))
            .collect();
        list.sort();
        let foreign = stack.template.transforms.iter().any(|t| !SELF_CONTAINED.contains(&t.as_str()));
        let processed = foreign.then_some(processed).into_iter().flatten().collect::<Vec<_>>();
        let digests = |c: Canonical, d: &Digest| c.bytes("digest", d.bytes());
        let c = Canonical::new("stackgate sameness v1")
            .text(
                "plan",
                match plan {
                    PlannedAs::Prepared => "change set",
                    PlannedAs::Deferred => "deferred",
                    PlannedAs::Recreated => "recreated",
                    PlannedAs::Unchanged => "unchanged",
                    PlannedAs::Removed => "removed",
                },
            )
            .bytes("template", names.template(&stack.template.json).bytes())
            .list("nested", nested.iter(), digests)
            .list("assets", assets.iter(), digests)
            .list("tags", tags.iter(), |c, (k, v)| c.text("key", k).text("value", v))
            .list("warnings", warnings.iter(), |c, w| c.text("warning", w))
            .list("processed", processed.into_iter(), |c, (k, d)| {
                c.text("path", k).bytes("digest", d.bytes())
            })
            .list("changes", list.iter(), super::ids::one_change)
            .maybe(
                "terminationProtection",
                stack.termination_protection.map(|b| if b { "true" } else { "false" }),
            );
        let c = match &stack.notification_arns {
            None => c.text("notificationARNs", "leave"),
            Some(l) => c.list("notificationARNs", l.iter(), |c, arn| c.text("arn", &names.text(arn))),
        };
        let images: BTreeSet<Digest> = carried_images(stack).map(|(_, digest)| digest).collect();
        if images.is_empty() { c.digest() } else { c.list("images", images.iter(), digests).digest() }
    }

    fn change(&self, change: &Change) -> Change {
        let detail =
            |d: &ValueSource| ValueSource { causing_entity: self.text(&d.causing_entity), ..d.clone() };
        Change { details: change.details.iter().map(detail).collect(), values: None, ..change.clone() }
    }

    /// The digest of a template without names and without what the CDK notes in it.
    fn template(&self, json: &Value) -> Digest {
        let mut json = self.json(json);
        if let Some(Value::Object(resources)) = json.get_mut("Resources") {
            resources.retain(|_, r| r.get("Type").and_then(Value::as_str) != Some("AWS::CDK::Metadata"));
            for resource in resources.values_mut() {
                if let Some(Value::Object(metadata)) = resource.get_mut("Metadata") {
                    metadata.retain(|k, _| !k.starts_with("aws:"));
                }
                if let Value::Object(body) = resource
                    && body.get("Metadata").and_then(Value::as_object).is_some_and(Map::is_empty)
                {
                    body.remove("Metadata");
                }
            }
        }
        Digest::of(canonical_json(&json))
    }
}

/// The path of a stack below its CDK Stage: `Store` for `Prod/Store`, also where it is written `Prod-Store`.
fn below<'a>(path: &'a str, cdk_stage: Option<&str>) -> &'a str {
    let Some(stage) = cdk_stage else { return path };
    let slashes = path.strip_prefix(stage).and_then(|p| p.strip_prefix('/'));
    let dashes = || path.strip_prefix(&stage.replace('/', "-")).and_then(|p| p.strip_prefix('-'));
    slashes.or_else(dashes).unwrap_or(path)
}

/// Whether a name that was found is one, and no part of a longer word.
fn stands_alone(around: Around, before: Option<char>, behind: Option<char>) -> bool {
    let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    match around {
        Around::Word => !word(before) && !word(behind),
        Around::Number => !digit(before) && !digit(behind),
        Around::Region => !word(before) && !digit(behind),
        Around::Start => !word(before),
    }
}

/// The asset as a template, if it is one: that of a nested stack.
fn template(asset: &FileAsset) -> Option<Value> {
    let AssetContent::File(file) = &asset.content else { return None };
    let json = parse_json(file.bytes()).ok()?;
    json.get("Resources").is_some_and(Value::is_object).then_some(json)
}
