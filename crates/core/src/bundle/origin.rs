//! Where a thing comes from that a template names: an object in a bucket, or an image.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{intrinsic::Pseudo, stack_artifact::StackArtifact};
use crate::words::{BucketName, StackKey};

/// How resources name an object: bucket and key. The bucket stands there by name or as an ARN.
pub const OBJECT_NAMES: [(&str, &str); 9] = [
    ("S3Bucket", "S3Key"),
    ("S3Bucket", "S3ObjectKey"),
    ("Bucket", "Key"),
    ("Bucket", "ObjectKey"),
    ("BucketARN", "FileKey"),
    ("BucketArn", "FileKey"),
    ("BucketName", "ObjectKey"),
    ("S3BucketName", "S3ObjectKey"),
    ("S3BucketName", "S3Key"),
];

/// How resources name many objects: buckets and keys, each at the same place of its list.
pub const OBJECT_LISTS: (&str, &str) = ("SourceBucketNames", "SourceObjectKeys");

/// Where something comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The release holds it, or names what it has to be.
    Release,
    /// Somewhere else.
    Elsewhere,
    /// Nobody knows before it is deployed.
    Unknown,
}

/// What of a stack's surroundings tells where things come from.
#[derive(Clone)]
pub struct Origins {
    pseudo: Pseudo,
    bucket: Option<BucketName>,
    images: BTreeSet<String>,
}

impl Origins {
    /// Those of a stack of the assembly. That every object which it names literally in the assets bucket is a published one was made
    /// sure of when the assembly was opened.
    #[must_use]
    pub fn of(artifact: &StackArtifact) -> Self {
        let pseudo = Pseudo::of(&artifact.key());
        let image = |i: &super::ImageAsset| {
            let at = &i.destination;
            let host = format!("{}.dkr.ecr.{}.{}", at.env.account, at.env.region, pseudo.url_suffix());
            format!("{host}/{}:{}", at.repository, at.tag)
        };
        let images = artifact.assets.images.iter().map(image).collect();
        Self { pseudo, bucket: Some(artifact.template_object.bucket.clone()), images }
    }

    /// Those of a stack that no assembly holds.
    #[must_use]
    pub fn none(stack: &StackKey) -> Self {
        Self { pseudo: Pseudo::of(stack), bucket: None, images: BTreeSet::new() }
    }

    /// Those of a stack with this assets bucket.
    #[cfg(test)]
    pub(crate) fn with_bucket(stack: &StackKey, bucket: &str) -> Self {
        Self { bucket: bucket.parse().ok(), ..Self::none(stack) }
    }

    /// Those of the stacks that are nested in it.
    #[must_use]
    pub fn inside(&self) -> Self {
        let pseudo = Pseudo::inside(self.pseudo.stack());
        Self { pseudo, bucket: self.bucket.clone(), images: self.images.clone() }
    }

    /// Where an object comes from, by its bucket.
    #[must_use]
    pub fn object(&self, bucket: &Value) -> Origin {
        match (self.pseudo.literal(bucket), &self.bucket) {
            (None, _) => Origin::Unknown,
            (Some(name), Some(ours)) if bucket_name(&name) == ours.as_str() => Origin::Release,
            (Some(_), _) => Origin::Elsewhere,
        }
    }

    /// Where an object comes from, by its URL.
    #[must_use]
    pub fn url(&self, url: &Value) -> Origin {
        match (self.pseudo.literal(url), &self.bucket) {
            (None, _) => Origin::Unknown,
            (Some(text), Some(ours)) if key_in(&text, ours, &self.pseudo).is_some() => Origin::Release,
            (Some(_), _) => Origin::Elsewhere,
        }
    }

    /// Where an image comes from. Under its digest it is the same for ever; what AWS keeps for CodeBuild, AWS keeps.
    #[must_use]
    pub fn image(&self, image: &Value) -> Origin {
        match self.pseudo.literal(image) {
            None => Origin::Unknown,
            Some(name) => {
                let digest = name.rsplit_once("@sha256:").map(|(_, digest)| digest);
                let pinned =
                    digest.is_some_and(|d| d.len() == 64 && d.chars().all(|c| c.is_ascii_hexdigit()));
                if pinned || self.images.contains(&name) || name.starts_with("aws/codebuild/") {
                    Origin::Release
                } else {
                    Origin::Elsewhere
                }
            }
        }
    }
}

/// The name of a bucket that stands there by its name or its ARN.
pub(super) fn bucket_name(text: &str) -> &str {
    match text.strip_prefix("arn:").and_then(|rest| rest.split_once(":s3:::")) {
        Some((_, name)) => name,
        None => text,
    }
}

/// The key of an object of the bucket, where a text is the place of one.
pub(super) fn key_in<'a>(text: &'a str, bucket: &BucketName, pseudo: &Pseudo) -> Option<&'a str> {
    let (region, suffix) = (&pseudo.env().region, pseudo.url_suffix());
    let forms = [
        format!("s3://{bucket}/"),
        format!("s3a://{bucket}/"),
        format!("s3n://{bucket}/"),
        format!("{bucket}/"),
        format!("https://s3.{region}.{suffix}/{bucket}/"),
        format!("https://s3-{region}.{suffix}/{bucket}/"),
        format!("https://s3.{suffix}/{bucket}/"),
        format!("https://s3.dualstack.{region}.{suffix}/{bucket}/"),
        format!("https://{bucket}.s3.{region}.{suffix}/"),
        format!("https://{bucket}.s3-{region}.{suffix}/"),
        format!("https://{bucket}.s3.{suffix}/"),
        format!("https://{bucket}.s3.dualstack.{region}.{suffix}/"),
        format!("https://{bucket}.s3-accelerate.{suffix}/"),
        format!("https://{bucket}.s3-accelerate.dualstack.{suffix}/"),
    ];
    // S3 takes scheme and host in any case; the path is the bucket's and the object's.
    let starts = |form: &String| text.get(..form.len()).is_some_and(|start| start.eq_ignore_ascii_case(form));
    let form = forms.iter().find(|form| starts(form))?;
    text.get(form.len()..).filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const BUCKET: &str = "cdk-acme-assets-111111111111-eu-west-1";

    fn origins() -> Origins {
        let stack = json!({"env": {"account": "111111111111", "region": "eu-west-1"}, "name": "Dev"});
        let stack: StackKey = serde_json::from_value(stack).unwrap();
        let images = ["111111111111.dkr.ecr.eu-west-1.amazonaws.com/assets:f00".to_owned()].into();
        Origins { bucket: Some(BUCKET.parse().unwrap()), images, ..Origins::none(&stack) }
    }

    #[rstest]
    #[case(json!({"Fn::Sub": "cdk-acme-assets-${AWS::AccountId}-${AWS::Region}"}), Origin::Release)]
    #[case(json!(format!("arn:aws:s3:::{BUCKET}")), Origin::Release)]
    #[case(json!({"Ref": "Bucket"}), Origin::Unknown)]
    #[case(json!({"Fn::If": ["C", BUCKET, BUCKET]}), Origin::Unknown)]
    #[case(json!("theirs"), Origin::Elsewhere)]
    fn of_an_object(#[case] bucket: Value, #[case] want: Origin) {
        assert_eq!(origins().object(&bucket), want);
        let none = Origins { bucket: None, ..origins() };
        assert_ne!(none.object(&bucket), Origin::Release);
    }

    #[rstest]
    #[case(json!(format!("s3://{BUCKET}/a")), Origin::Release)]
    #[case(json!(format!("HTTPS://S3.dualstack.eu-west-1.amazonaws.com/{BUCKET}/a")), Origin::Release)]
    #[case(json!(format!("https://{BUCKET}.s3-accelerate.amazonaws.com/a")), Origin::Release)]
    #[case(json!(format!("{BUCKET}/a.zip")), Origin::Release)]
    #[case(json!(format!("s3://{BUCKET}.theirs/a")), Origin::Elsewhere)]
    #[case(json!("s3://theirs/a"), Origin::Elsewhere)]
    #[case(json!({"Fn::Sub": "s3://${Bucket}/a"}), Origin::Unknown)]
    fn of_a_url(#[case] url: Value, #[case] want: Origin) {
        assert_eq!(origins().url(&url), want);
    }

    #[rstest]
    #[case(json!({"Fn::Sub": "${AWS::AccountId}.dkr.ecr.${AWS::Region}.${AWS::URLSuffix}/assets:f00"}), Origin::Release)]
    #[case(json!({"Fn::Sub": "${AWS::AccountId}.dkr.ecr.${AWS::Region}.${AWS::URLSuffix}/assets:latest"}), Origin::Elsewhere)]
    #[case(json!(format!("nginx@sha256:{}", "a".repeat(64))), Origin::Release)]
    #[case(json!("nginx@sha256:abc"), Origin::Elsewhere)]
    #[case(json!("nginx:1.27"), Origin::Elsewhere)]
    #[case(json!("aws/codebuild/standard:7.0"), Origin::Release)]
    #[case(json!({"Ref": "Image"}), Origin::Unknown)]
    fn of_an_image(#[case] image: Value, #[case] want: Origin) {
        assert_eq!(origins().image(&image), want);
    }
}
