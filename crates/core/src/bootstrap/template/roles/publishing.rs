//! The roles that put assets into the bucket and the repository.

use serde_json::{Value, json};

use super::{
    super::{
        conditions::NEW_KEY,
        intrinsic::{arn_of, choose, reference, sub},
        names,
        policy::{KMS_USE, Statement, allow, document},
        storage::bucket_and_objects,
        trust::Trusted,
    },
    assumed_role,
};

/// Both roles, each with its policy.
///
/// The policies are resources of their own because the key's policy names the role that its policy lets use the key.
pub(super) fn resources() -> [(String, Value); 4] {
    [
        ("FilePublishingRole".into(), assumed_role("file-publishing", Trusted::Deployers)),
        (
            "FilePublishingRoleDefaultPolicy".into(),
            default_policy("FilePublishingRole", "file-publishing", files()),
        ),
        ("ImagePublishingRole".into(), assumed_role("image-publishing", Trusted::Deployers)),
        (
            "ImagePublishingRoleDefaultPolicy".into(),
            default_policy("ImagePublishingRole", "image-publishing", images()),
        ),
    ]
}

fn default_policy(role: &str, purpose: &str, statements: Vec<Value>) -> Value {
    json!({
        "Type": "AWS::IAM::Policy",
        "Properties": {
            "PolicyName": names::in_environment(&format!("{purpose}-role-default-policy")),
            "Roles": [reference(role)],
            "PolicyDocument": document(statements),
        },
    })
}

/// The bucket must lie in this account: someone else may have taken its name after it was deleted.
fn files() -> Vec<Value> {
    let bucket = allow(
        &[
            "s3:GetObject*",
            "s3:GetBucket*",
            "s3:GetEncryptionConfiguration",
            "s3:List*",
            "s3:DeleteObject*",
            "s3:PutObject*",
            "s3:Abort*",
        ],
        bucket_and_objects(),
    )
    .when("StringEquals", "aws:ResourceAccount", json!([sub("${AWS::AccountId}")]));
    let key = choose(
        NEW_KEY,
        arn_of("FileAssetsBucketEncryptionKey"),
        sub("arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:key/${FileAssetsBucketKmsKeyId}"),
    );
    vec![bucket, allow(&KMS_USE, key)]
}

fn images() -> Vec<Value> {
    let push = [
        "ecr:PutImage",
        "ecr:InitiateLayerUpload",
        "ecr:UploadLayerPart",
        "ecr:CompleteLayerUpload",
        "ecr:BatchCheckLayerAvailability",
        "ecr:DescribeRepositories",
        "ecr:DescribeImages",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
    ];
    vec![allow(&push, arn_of("ContainerAssetsRepository")), allow(&["ecr:GetAuthorizationToken"], "*")]
}
