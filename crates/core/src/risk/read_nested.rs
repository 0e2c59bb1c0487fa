//! The templates of nested stacks: from the assembly, and as they are deployed.

use std::{collections::BTreeMap, sync::Arc};

use super::{Nested, opaque::NESTED_STACK, pair::properties, text::Text};
use crate::{
    bundle::{AssetContent, FileAsset, StackArtifact, Template},
    words::{StackKey, partition},
};

/// The most templates that are read for one stack, and the deepest that they are followed: an assembly may describe a circle.
const MOST: usize = 256;
const DEEPEST: usize = 16;

/// The template of a nested stack, and those nested in it by logical id.
#[derive(Clone, Debug, PartialEq)]
pub struct NestedTemplate {
    /// The template.
    pub template: Template,
    /// What is nested in it.
    pub nested: BTreeMap<String, NestedTemplate>,
}

/// The templates of the nested stacks of an artifact, by logical id.
///
/// What counts is where `TemplateURL` leads to, not what the metadata beside it (`aws:asset:path`) says. It has to be the URL of
/// an asset of this stack, as the CDK (2.1148.1) writes it; others are left out, and are then `opaque`.
#[must_use]
pub fn nested_templates(artifact: &StackArtifact) -> BTreeMap<String, NestedTemplate> {
    let mut reader = Reader { stack: artifact.key(), files: &artifact.assets.files, left: MOST };
    reader.read(&artifact.template, DEEPEST)
}

/// The templates that nested stacks have now, by the path of logical ids that leads to each (`Network/Subnets`). One that
/// cannot be read is left out: all that is in its stack counts as new then.
#[must_use]
pub fn deployed_templates(
    texts: &BTreeMap<String, Arc<str>>,
    stack: &StackKey,
) -> BTreeMap<String, NestedTemplate> {
    let mut roots = BTreeMap::new();
    // In this order a stack comes before those in it.
    for (path, text) in texts {
        let Ok(template) = Template::parse(text.as_bytes(), stack) else { continue };
        let mut ids: Vec<&str> = path.split('/').collect();
        let Some(id) = ids.pop() else { continue };
        let around = ids
            .into_iter()
            .try_fold(&mut roots, |level, id| level.get_mut(id).map(|n: &mut NestedTemplate| &mut n.nested));
        if let Some(level) = around {
            level.insert(id.to_owned(), NestedTemplate { template, nested: BTreeMap::new() });
        }
    }
    roots
}

/// Puts deployed and new templates beside each other, for [`super::Assessed::nested`].
#[must_use]
pub fn side_by_side<'a>(
    old: &'a BTreeMap<String, NestedTemplate>,
    new: &'a BTreeMap<String, NestedTemplate>,
) -> BTreeMap<String, Nested<'a>> {
    static NONE: BTreeMap<String, NestedTemplate> = BTreeMap::new();
    let below = |one: Option<&'a NestedTemplate>| one.map_or(&NONE, |n| &n.nested);
    let both = |id: &'a String| {
        let (old, new) = (old.get(id), new.get(id));
        let nested = side_by_side(below(old), below(new));
        (id.clone(), Nested { old: old.map(|n| &n.template), new: new.map(|n| &n.template), nested })
    };
    old.keys().chain(new.keys().filter(|id| !old.contains_key(*id))).map(both).collect()
}

struct Reader<'a> {
    stack: StackKey,
    files: &'a [FileAsset],
    left: usize,
}

impl Reader<'_> {
    fn read(&mut self, template: &Template, depth: usize) -> BTreeMap<String, NestedTemplate> {
        let mut found = BTreeMap::new();
        for (id, resource) in template.resources.iter().filter(|(_, r)| r.resource_type == NESTED_STACK) {
            let url = properties(Some(resource)).get("TemplateURL").map(Text::of);
            let Some(template) = url.and_then(|url| self.template_at(&url)) else { continue };
            let Some(left) = self.left.checked_sub(1).filter(|_| depth > 0) else { continue };
            self.left = left;
            let nested = self.read(&template, depth - 1);
            found.insert(id.clone(), NestedTemplate { template, nested });
        }
        found
    }

    fn template_at(&self, url: &Text) -> Option<Template> {
        let env = &self.stack.env;
        let suffix = if partition(&env.region) == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        let url = url.resolved(|token| match token {
            r#"{"Ref":"AWS::URLSuffix"}"# => Some(suffix.to_owned()),
            r#"{"Ref":"AWS::Region"}"# => Some(env.region.to_string()),
            r#"{"Ref":"AWS::AccountId"}"# => Some(env.account.to_string()),
            r#"{"Ref":"AWS::Partition"}"# => Some(partition(&env.region).to_owned()),
            _ => None,
        })?;
        let path = url.strip_prefix(&format!("https://s3.{}.{suffix}/", env.region))?;
        let file = self.files.iter().find(|file| {
            let at = &file.destination;
            at.env == *env && path == format!("{}/{}", at.bucket, at.key)
        })?;
        match &file.content {
            AssetContent::File(file) => Template::parse(file.bytes(), &self.stack).ok(),
            AssetContent::Directory(_) => None,
        }
    }
}
