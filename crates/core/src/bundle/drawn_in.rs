//! What a template draws in from elsewhere. It runs with what was approved, so it has to be part of the release: nobody
//! has read what lies under another key, and whoever may plan can put something there, also after the approval.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    asset_manifest::FileAsset, entries::AssetContent, error::BundleError, intrinsic::Pseudo,
    stack_artifact::StackArtifact, template::Template, tree::File,
};
use crate::words::{BucketName, Env, StackKey};

/// Pastes text from S3 into the template while a change set is made.
const INCLUDE: &str = "AWS::Include";

/// Where resources name another template.
const TEMPLATES: [(&str, &str); 3] = [
    ("AWS::CloudFormation::Stack", "TemplateURL"),
    ("AWS::CloudFormation::StackSet", "TemplateURL"),
    ("AWS::Serverless::Application", "Location"),
];

/// How resources name an object: bucket and key.
const OBJECTS: [(&str, &str); 2] = [("S3Bucket", "S3Key"), ("Bucket", "Key")];

/// Refuses stacks that draw in templates or code which none of them publishes.
pub(super) fn refuse_unpublished(stacks: &[StackArtifact]) -> Result<(), BundleError> {
    let files = stacks.iter().flat_map(|s| &s.assets.files);
    let published: BTreeMap<_, _> =
        files.map(|f| ((&f.destination.bucket, f.destination.key.as_str()), f)).collect();
    stacks.iter().try_for_each(|stack| {
        let bucket = &stack.template_object.bucket;
        let key = stack.key();
        let mut check = Check { stack, key: &key, bucket, published: &published, seen: BTreeSet::new() };
        if stack.template.transforms.contains(INCLUDE) {
            return Err(check.refused(include()));
        }
        check.template(&stack.template.json, &Pseudo::of(&key))
    })
}

fn include() -> String {
    format!("{INCLUDE} pastes text from S3 into the template")
}

struct Check<'a> {
    stack: &'a StackArtifact,
    key: &'a StackKey,
    bucket: &'a BucketName,
    published: &'a BTreeMap<(&'a BucketName, &'a str), &'a FileAsset>,
    /// Nested templates that were checked, or are being checked.
    seen: BTreeSet<&'a str>,
}

impl<'a> Check<'a> {
    fn refused(&self, what: String) -> BundleError {
        BundleError::DrawnIn { stack: self.stack.display_name.clone(), what }
    }

    fn template(&mut self, json: &Value, pseudo: &Pseudo) -> Result<(), BundleError> {
        self.resources(json.get("Resources"), pseudo)
    }

    fn resources(&mut self, section: Option<&Value>, pseudo: &Pseudo) -> Result<(), BundleError> {
        for (id, body) in section.and_then(Value::as_object).into_iter().flatten() {
            match body {
                // A loop: identifier, list, and the resources that it makes.
                Value::Array(parts) => self.resources(parts.get(2), pseudo)?,
                Value::Object(resource) => self.resource(id, resource, pseudo)?,
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        Ok(())
    }

    fn resource(
        &mut self,
        id: &str,
        resource: &Map<String, Value>,
        pseudo: &Pseudo,
    ) -> Result<(), BundleError> {
        let kind = match resource.get("Type") {
            None => return Ok(()),
            Some(Value::String(kind)) if !kind.contains("${") && !kind.contains("&{") => kind,
            Some(_) => {
                return Err(self.refused(format!("the type of {id} is not known before it is deployed")));
            }
        };
        let Some(properties) = resource.get("Properties") else { return Ok(()) };
        for (_, property) in TEMPLATES.iter().filter(|(of, _)| kind == of) {
            match properties.get(property) {
                None => {}
                // An application of the repository, whose versions do not change.
                Some(Value::Object(o)) if o.contains_key("ApplicationId") => {}
                Some(place) => self.nested(id, pseudo.literal(place).as_deref(), pseudo)?,
            }
        }
        self.objects(id, properties, pseudo)
    }

    /// A template at a URL, and those that it draws in.
    fn nested(&mut self, id: &str, url: Option<&str>, pseudo: &Pseudo) -> Result<(), BundleError> {
        let found = url.and_then(|url| {
            let mut files = self.published.values().filter_map(|asset| Some((asset, file(asset)?)));
            files.find(|(asset, _)| is_at(url, &asset.destination.bucket, &asset.destination.key, pseudo))
        });
        let Some((asset, file)) = found else {
            let place = url.unwrap_or("a place that is not known before it is deployed");
            return Err(self.refused(format!("{id} takes a template from {place}")));
        };
        if !self.seen.insert(&asset.destination.key) {
            return Ok(());
        }
        let template = Template::parse(file.bytes(), self.key)
            .map_err(|source| BundleError::Template { path: asset.source.clone(), source })?;
        if template.transforms.contains(INCLUDE) {
            return Err(self.refused(include()));
        }
        if let Some(transform) = template.transforms.iter().find(|t| !t.starts_with("AWS::")) {
            return Err(self.refused(format!("transform {transform} makes the template of {id}")));
        }
        // A nested stack has a name of its own, which CloudFormation chooses.
        self.template(&template.json, &Pseudo::inside(self.key))
    }

    /// Objects of the assets bucket, wherever in the properties.
    fn objects(&self, id: &str, value: &Value, pseudo: &Pseudo) -> Result<(), BundleError> {
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.objects(id, item, pseudo)),
            Value::Object(object) => {
                for (bucket, key) in OBJECTS {
                    if let (Some(bucket), Some(key)) = (object.get(bucket), object.get(key)) {
                        self.object(id, pseudo.literal(bucket).as_deref(), pseudo.literal(key).as_deref())?;
                    }
                }
                object.values().try_for_each(|item| self.objects(id, item, pseudo))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    fn object(&self, id: &str, bucket: Option<&str>, key: Option<&str>) -> Result<(), BundleError> {
        let theirs = bucket != Some(self.bucket.as_str());
        if theirs || key.is_some_and(|key| self.published.contains_key(&(self.bucket, key))) {
            return Ok(());
        }
        let key = key.unwrap_or("what is not known before it is deployed");
        Err(self.refused(format!("{id} reads {key} from the assets bucket")))
    }
}

fn file(asset: &FileAsset) -> Option<&File> {
    match &asset.content {
        AssetContent::File(file) => Some(file),
        AssetContent::Directory(_) => None,
    }
}

/// Whether a URL is that of the object, in one of the two forms that CloudFormation takes.
fn is_at(url: &str, bucket: &BucketName, key: &str, pseudo: &Pseudo) -> bool {
    let Env { region, .. } = pseudo.env();
    let suffix = pseudo.url_suffix();
    url == format!("https://s3.{region}.{suffix}/{bucket}/{key}")
        || url == format!("https://{bucket}.s3.{region}.{suffix}/{key}")
}
