//! `CloudAssembly`: where a synthesised `cdk.out` comes from.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::words::{BucketName, Digest, Region};

/// A source of releases: a synthesised `cdk.out` that CI puts somewhere.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "stackgate.dev",
    version = "v1alpha1",
    kind = "CloudAssembly",
    plural = "cloudassemblies",
    shortname = "cdkout",
    category = "stackgate",
    namespaced,
    status = "CloudAssemblyStatus",
    derive = "PartialEq",
    printcolumn(name = "Release", type_ = "string", json_path = ".status.release.name"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "State",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(name = "Fetched", type_ = "date", json_path = ".status.releaseTime"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct CloudAssemblySpec {
    /// Where the archive lies.
    pub source: AssemblySource,
    /// How often to look for a new one, 10 s to 24 h as a GEP-2257 duration such as `5m`. Absent: 5 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20), regex(pattern = r"^([0-9]{1,5}(h|m|s)){1,3}$"))]
    pub interval: Option<String>,
}

/// Exactly one kind of source.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub enum AssemblySource {
    /// An object in a versioned S3 bucket.
    S3(S3Source),
}

/// An archive (tar.gz or zip, `manifest.json` at its root) in a versioned S3 bucket.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct S3Source {
    /// The AwsAccount that owns the bucket and grants it to this namespace (`assemblyBuckets`).
    #[schemars(length(min = 1, max = 253))]
    pub account: String,
    /// The bucket. It must keep versions.
    pub bucket: BucketName,
    /// The key of the object.
    #[schemars(length(min = 1, max = 1024))]
    pub key: String,
    /// The region of the bucket.
    pub region: Region,
    /// One version of the object. Absent: the newest.
    #[serde(rename = "versionID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub version_id: Option<String>,
}

/// A release, and the reference that it can be fetched from again.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseRef {
    /// Names what is deployed: the digest of manifests, templates and assets.
    pub digest: Digest,
    /// What people call it: the first 12 digits of the digest. Never used as identity.
    #[schemars(length(max = 64))]
    pub name: String,
    /// Where exactly these bytes lie.
    pub source: PinnedSource,
}

/// A reference that always yields the same bytes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub enum PinnedSource {
    /// One version of an S3 object.
    S3(PinnedS3),
}

/// One version of an S3 object.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct PinnedS3 {
    /// The AwsAccount that owns the bucket.
    #[schemars(length(min = 1, max = 253))]
    pub account: String,
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    #[schemars(length(min = 1, max = 1024))]
    pub key: String,
    /// The region of the bucket.
    pub region: Region,
    /// The version.
    #[serde(rename = "versionID")]
    #[schemars(length(min = 1, max = 1024))]
    pub version_id: String,
}

/// What was last read.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CloudAssemblyStatus {
    /// The generation that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, and `Reconciling` or `Stalled` while True.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The newest release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseRef>,
    /// When that release was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_time: Option<Time>,
}
