//! What a template draws in from the assets bucket. It runs with what was approved, so it has to be part of the release: nobody
//! has read what lies under another key, and whoever may plan can put something there, also after the approval.
//!
//! What comes from elsewhere, or from a place that is not known before, is a risk of class `opaque` (`risk/origin.rs`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    asset_manifest::FileAsset,
    entries::AssetContent,
    error::BundleError,
    intrinsic::Pseudo,
    origin::{OBJECT_LISTS, OBJECT_NAMES, bucket_name, key_in},
    stack_artifact::StackArtifact,
    template::Template,
    tree::File,
};
use crate::words::BucketName;

/// Refuses stacks that draw in what none of them publishes.
pub(super) fn refuse_unpublished(stacks: &[StackArtifact]) -> Result<(), BundleError> {
    let files = stacks.iter().flat_map(|s| &s.assets.files);
    let published: Published<'_> =
        files.map(|f| ((&f.destination.bucket, f.destination.key.as_str()), f)).collect();
    stacks.iter().try_for_each(|stack| Check::new(stack, &published).all())
}

type Published<'a> = BTreeMap<(&'a BucketName, &'a str), &'a FileAsset>;

struct Check<'a> {
    stack: &'a StackArtifact,
    bucket: &'a BucketName,
    published: &'a Published<'a>,
    /// Files that were drawn in and may be templates of nested stacks, each with the resource that does it.
    open: Vec<(String, &'a File)>,
    seen: BTreeSet<&'a str>,
}

impl<'a> Check<'a> {
    fn new(stack: &'a StackArtifact, published: &'a Published<'a>) -> Self {
        let bucket = &stack.template_object.bucket;
        Self { stack, bucket, published, open: Vec::new(), seen: BTreeSet::new() }
    }

    /// The template, and those that are nested in it. One after the other: an assembly may nest them as deep as it likes.
    fn all(mut self) -> Result<(), BundleError> {
        let key = self.stack.key();
        self.template(&self.stack.template, &Pseudo::of(&key))?;
        // A nested stack has a name of its own, which CloudFormation chooses.
        let inside = Pseudo::inside(&key);
        while let Some((id, file)) = self.open.pop() {
            let Ok(template) = Template::parse(file.bytes(), &key) else { continue };
            if let Some(transform) = template.transforms.iter().find(|t| !t.starts_with("AWS::")) {
                return Err(self.refused(format!("transform {transform} makes the template of {id}")));
            }
            self.template(&template, &inside)?;
        }
        Ok(())
    }

    fn refused(&self, what: String) -> BundleError {
        BundleError::DrawnIn { stack: self.stack.display_name.clone(), what }
    }

    fn template(&mut self, template: &Template, pseudo: &Pseudo) -> Result<(), BundleError> {
        template.resources.iter().try_for_each(|(id, resource)| self.walk(id, &resource.body, pseudo))?;
        template.macro_sections().try_for_each(|(name, value)| self.walk(name, value, pseudo))?;
        // The other sections name places without drawing them in, but for what they give to transforms.
        template.json.as_object().into_iter().flatten().try_for_each(|(name, value)| match name.as_str() {
            "Resources" => Ok(()),
            "Transform" => self.walk(name, value, pseudo),
            _ => self.transforms(name, value, pseudo),
        })
    }

    fn transforms(&mut self, id: &str, value: &Value, pseudo: &Pseudo) -> Result<(), BundleError> {
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.transforms(id, item, pseudo)),
            Value::Object(object) => object.iter().try_for_each(|(key, item)| match key.as_str() {
                "Fn::Transform" => self.walk(id, item, pseudo),
                _ => self.transforms(id, item, pseudo),
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    fn walk(&mut self, id: &str, value: &Value, pseudo: &Pseudo) -> Result<(), BundleError> {
        if let Some(text) = pseudo.literal(value) {
            return self.text(id, &text, pseudo);
        }
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.walk(id, item, pseudo)),
            Value::Object(object) => {
                for (bucket, key) in OBJECT_NAMES {
                    if let (Some(bucket), Some(key)) = (object.get(bucket), object.get(key)) {
                        self.pair(id, bucket, key, pseudo)?;
                    }
                }
                let (buckets, keys) = OBJECT_LISTS;
                if let (Some(Value::Array(buckets)), Some(Value::Array(keys))) =
                    (object.get(buckets), object.get(keys))
                {
                    buckets
                        .iter()
                        .zip(keys)
                        .try_for_each(|(bucket, key)| self.pair(id, bucket, key, pseudo))?;
                }
                object.values().try_for_each(|item| self.walk(id, item, pseudo))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    fn pair(&mut self, id: &str, bucket: &Value, key: &Value, pseudo: &Pseudo) -> Result<(), BundleError> {
        match pseudo.literal(bucket) {
            Some(name) if bucket_name(&name) == self.bucket.as_str() => {
                self.object(id, pseudo.literal(key).as_deref())
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A text that may be the place of an object of the bucket.
    fn text(&mut self, id: &str, text: &str, pseudo: &Pseudo) -> Result<(), BundleError> {
        match key_in(text, self.bucket, pseudo) {
            None => Ok(()),
            Some(key) => self.object(id, Some(key)),
        }
    }

    fn object(&mut self, id: &str, key: Option<&str>) -> Result<(), BundleError> {
        match key.and_then(|key| self.published.get(&(self.bucket, key))) {
            Some(asset) => {
                if let AssetContent::File(file) = &asset.content
                    && self.seen.insert(&asset.destination.key)
                {
                    self.open.push((id.to_owned(), file));
                }
                Ok(())
            }
            None => {
                let key = key.unwrap_or("an object that is not known before it is deployed");
                Err(self.refused(format!("{id} draws in {key} of the assets bucket")))
            }
        }
    }
}
