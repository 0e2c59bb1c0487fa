//! The repository of container image assets.

use serde_json::{Value, json};

use super::{
    conditions::CUSTOM_REPOSITORY_NAME,
    intrinsic::{choose, sub},
    names,
};

const PULL: [&str; 2] = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];

/// Days after which an image without a tag goes.
const UNTAGGED_DAYS: u32 = 365;

/// The repository.
pub(super) fn resources() -> [(String, Value); 1] {
    let name = choose(
        CUSTOM_REPOSITORY_NAME,
        sub("${ContainerAssetsRepositoryName}"),
        names::in_environment("container-assets"),
    );
    let repository = json!({
        "Type": "AWS::ECR::Repository",
        "Properties": {
            "RepositoryName": name,
            "ImageTagMutability": "IMMUTABLE",
            "LifecyclePolicy": { "LifecyclePolicyText": lifecycle().to_string() },
            "RepositoryPolicyText": super::policy::document([
                pulled_by("LambdaECRImageRetrievalPolicy", "lambda", "function:*", &PULL),
                pulled_by(
                    "EmrServerlessImageRetrievalPolicy",
                    "emr-serverless",
                    "/applications/*",
                    &[&PULL[..], &["ecr:DescribeImages"]].concat(),
                ),
            ]),
        },
    });
    [("ContainerAssetsRepository".into(), repository)]
}

fn lifecycle() -> Value {
    json!({ "rules": [{
        "rulePriority": 1,
        "description": "Assets carry a tag; what lost it goes after a year",
        "selection": {
            "tagStatus": "untagged",
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": UNTAGGED_DAYS,
        },
        "action": { "type": "expire" },
    }]})
}

/// Lets a service pull images for resources of this environment.
fn pulled_by(sid: &str, service: &str, resource: &str, actions: &[&str]) -> Value {
    let source = format!("arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{resource}");
    json!({
        "Sid": sid,
        "Effect": "Allow",
        "Principal": { "Service": format!("{service}.amazonaws.com") },
        "Action": actions,
        "Condition": { "StringLike": { "aws:sourceArn": sub(source) } },
    })
}
