//! The five roles and what they may do.

mod deploy;
mod lookup;
mod publishing;

use serde_json::{Map, Value, json};

use super::{
    conditions::{BOUNDARY, BOUNDARY_ON_ALL_ROLES, EXECUTION_POLICIES, TRUSTED_ACCOUNTS},
    intrinsic::{choose, only_if, reference, sub},
    names, trust,
};

/// All roles, with the policies that are resources of their own.
pub(super) fn resources() -> Map<String, Value> {
    let mut all = Map::new();
    all.extend(publishing::resources());
    all.insert("LookupRole".into(), lookup::role());
    all.insert("DeploymentActionRole".into(), deploy::role());
    all.insert("CloudFormationExecutionRole".into(), execution_role());
    all
}

/// A role that people and pipelines assume: tagged with what it is for, so that IAM policies can name it by that.
fn assumed_role(purpose: &str, trusted: trust::Trusted) -> Value {
    json!({
        "Type": "AWS::IAM::Role",
        "Properties": {
            "RoleName": names::in_environment(&format!("{purpose}-role")),
            "AssumeRolePolicyDocument": trust::by_accounts(trusted),
            "PermissionsBoundary": boundary(BOUNDARY_ON_ALL_ROLES),
            "Tags": [{ "Key": "aws-cdk:bootstrap-role", "Value": purpose }],
        },
    })
}

/// The role that CloudFormation acts with.
///
/// Without trusted accounts and without policies it gets AdministratorAccess; with trusted accounts it gets what was
/// asked for and no more.
fn execution_role() -> Value {
    let administrator = json!([names::aws_managed_policy("AdministratorAccess")]);
    let by_default = choose(TRUSTED_ACCOUNTS, reference("AWS::NoValue"), administrator);
    let policies = choose(EXECUTION_POLICIES, reference("CloudFormationExecutionPolicies"), by_default);
    json!({
        "Type": "AWS::IAM::Role",
        "Properties": {
            "RoleName": names::in_environment("cfn-exec-role"),
            "AssumeRolePolicyDocument": trust::by_service("cloudformation.amazonaws.com"),
            "ManagedPolicyArns": policies,
            "PermissionsBoundary": boundary(BOUNDARY),
        },
    })
}

fn boundary(condition: &str) -> Value {
    only_if(condition, sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:policy/${InputPermissionsBoundary}"))
}
