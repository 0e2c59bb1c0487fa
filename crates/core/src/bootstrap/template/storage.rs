//! The bucket of file assets and, where the parameters ask for one, its key.

use serde_json::{Value, json};

use super::{
    conditions::{BLOCK_PUBLIC_ACCESS, CUSTOM_BUCKET_NAME, MANAGED_KEY, NEW_KEY},
    intrinsic::{arn_of, choose, only_if, reference, sub},
    names,
    policy::{KMS_USE, Statement, allow, deny, document},
};

/// Rights on the key itself. They leave out decryption: nobody reads assets by administering the key.
const KMS_ADMINISTER: [&str; 15] = [
    "kms:Create*",
    "kms:Describe*",
    "kms:Enable*",
    "kms:List*",
    "kms:Put*",
    "kms:Update*",
    "kms:Revoke*",
    "kms:Disable*",
    "kms:Get*",
    "kms:Delete*",
    "kms:ScheduleKeyDeletion",
    "kms:CancelKeyDeletion",
    "kms:GenerateDataKey",
    "kms:TagResource",
    "kms:UntagResource",
];

/// Bucket, bucket policy, key and alias.
pub(super) fn resources() -> [(String, Value); 4] {
    [
        ("FileAssetsBucketEncryptionKey".into(), key()),
        ("FileAssetsBucketEncryptionKeyAlias".into(), key_alias()),
        ("StagingBucket".into(), bucket()),
        ("StagingBucketPolicy".into(), bucket_policy()),
    ]
}

/// The bucket and everything in it, as resources of a policy.
pub(super) fn bucket_and_objects() -> Value {
    json!([arn_of("StagingBucket"), sub("${StagingBucket.Arn}/*")])
}

fn key() -> Value {
    let via_s3 = allow(&KMS_USE, "*")
        .principal(json!({ "AWS": "*" }))
        .when("StringEquals", "kms:CallerAccount", reference("AWS::AccountId"))
        .when("StringEquals", "kms:ViaService", json!([sub("s3.${AWS::Region}.amazonaws.com")]));
    let administer = allow(&KMS_ADMINISTER, "*").principal(json!({ "AWS": reference("AWS::AccountId") }));
    let publish = allow(&KMS_USE, "*").principal(json!({ "AWS": arn_of("FilePublishingRole") }));
    json!({
        "Type": "AWS::KMS::Key",
        "Condition": NEW_KEY,
        "DeletionPolicy": "Delete",
        "UpdateReplacePolicy": "Delete",
        "Properties": { "KeyPolicy": { "Statement": [administer, via_s3, publish] } },
    })
}

fn key_alias() -> Value {
    json!({
        "Type": "AWS::KMS::Alias",
        "Condition": NEW_KEY,
        "Properties": {
            "AliasName": sub("alias/cdk-${Qualifier}-assets-key"),
            "TargetKeyId": reference("FileAssetsBucketEncryptionKey"),
        },
    })
}

/// Retained, since deployed stacks go on needing what lies in it.
fn bucket() -> Value {
    let foreign_key = only_if_not(MANAGED_KEY, sub("${FileAssetsBucketKmsKeyId}"));
    json!({
        "Type": "AWS::S3::Bucket",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "BucketName": choose(CUSTOM_BUCKET_NAME, sub("${FileAssetsBucketName}"), names::in_environment("assets")),
            "AccessControl": "Private",
            "BucketEncryption": { "ServerSideEncryptionConfiguration": [{ "ServerSideEncryptionByDefault": {
                "SSEAlgorithm": "aws:kms",
                "KMSMasterKeyID": choose(NEW_KEY, arn_of("FileAssetsBucketEncryptionKey"), foreign_key),
            }}]},
            "PublicAccessBlockConfiguration": only_if(BLOCK_PUBLIC_ACCESS, json!({
                "BlockPublicAcls": true,
                "BlockPublicPolicy": true,
                "IgnorePublicAcls": true,
                "RestrictPublicBuckets": true,
            })),
            "VersioningConfiguration": { "Status": "Enabled" },
            "LifecycleConfiguration": { "Rules": [
                {
                    "Id": "CleanupOldVersions", "Status": "Enabled",
                    "NoncurrentVersionExpiration": { "NoncurrentDays": 30 },
                },
                {
                    "Id": "AbortIncompleteMultipartUploads", "Status": "Enabled",
                    "AbortIncompleteMultipartUpload": { "DaysAfterInitiation": 1 },
                },
            ]},
        },
    })
}

fn bucket_policy() -> Value {
    let tls_only = deny(&["s3:*"], bucket_and_objects())
        .sid("AllowSSLRequestsOnly")
        .principal("*".into())
        .when("Bool", "aws:SecureTransport", "false");
    let mut document = document([tls_only]);
    document["Id"] = "AccessControl".into();
    json!({
        "Type": "AWS::S3::BucketPolicy",
        "Properties": { "Bucket": reference("StagingBucket"), "PolicyDocument": document },
    })
}

fn only_if_not(condition: &str, otherwise: Value) -> Value {
    choose(condition, reference("AWS::NoValue"), otherwise)
}
