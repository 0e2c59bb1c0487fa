//! The role that calls CloudFormation.

use serde_json::{Value, json};

use super::{
    super::{
        intrinsic::{arn_of, reference, sub},
        names,
        policy::{KMS_USE, S3_READ, Statement, allow, document},
        storage::bucket_and_objects,
        trust::Trusted,
    },
    assumed_role,
};

/// May start deployments of any stack, but only with the execution role, and make no resource by itself.
pub(super) fn role() -> Value {
    let statements =
        Vec::from(deployments()).into_iter().chain(pipeline_artifacts()).chain(own_environment());
    let mut role = assumed_role("deploy", Trusted::Deployers);
    let properties = &mut role["Properties"];
    properties["ManagedPolicyArns"] = json!([names::aws_managed_policy("AWSCloudFormationReadOnlyAccess")]);
    properties["Policies"] =
        json!([{ "PolicyName": "default", "PolicyDocument": document(statements.collect::<Vec<_>>()) }]);
    role
}

fn deployments() -> [Value; 4] {
    let change = [
        "cloudformation:CreateChangeSet",
        "cloudformation:DeleteChangeSet",
        "cloudformation:ExecuteChangeSet",
        "cloudformation:CreateStack",
        "cloudformation:UpdateStack",
        "cloudformation:RollbackStack",
        "cloudformation:ContinueUpdateRollback",
    ];
    let command_line =
        ["cloudformation:DeleteStack", "cloudformation:UpdateTerminationProtection", "sts:GetCallerIdentity"];
    let refactor = ["cloudformation:CreateStackRefactor", "cloudformation:ExecuteStackRefactor"];
    [
        allow(&change, "*").sid("DeployPermissions"),
        allow(&command_line, "*").sid("CliPermissions"),
        allow(&refactor, "*").sid("Refactor"),
        allow(&["iam:PassRole"], arn_of("CloudFormationExecutionRole")),
    ]
}

/// CDK Pipelines keeps templates in a bucket of the pipeline's account; the bucket's and the key's own policies there
/// decide whether this role may come in.
fn pipeline_artifacts() -> [Value; 2] {
    let actions = [&S3_READ[..], &["s3:Abort*", "s3:DeleteObject*", "s3:PutObject*"]].concat();
    [
        allow(&actions, "*").sid("PipelineCrossAccountArtifactsBucket").when(
            "StringNotEquals",
            "s3:ResourceAccount",
            reference("AWS::AccountId"),
        ),
        allow(&KMS_USE, "*").sid("PipelineCrossAccountArtifactsKey").when(
            "StringEquals",
            "kms:ViaService",
            sub("s3.${AWS::Region}.amazonaws.com"),
        ),
    ]
}

/// Templates are read from the bucket with this role, and the template version from its parameter.
fn own_environment() -> [Value; 2] {
    let version =
        sub("arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${CdkBootstrapVersion}");
    [
        allow(&S3_READ, bucket_and_objects()).sid("CliStagingBucket"),
        allow(&["ssm:GetParameter", "ssm:GetParameters"], json!([version])).sid("ReadVersion"),
    ]
}
