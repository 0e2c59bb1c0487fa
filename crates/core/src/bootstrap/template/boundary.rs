//! The example of a permissions boundary.

use serde_json::{Value, json};

use super::{
    conditions::EXAMPLE_BOUNDARY,
    names,
    policy::{Statement, allow, deny, document},
};

/// The name of the policy, and the text that its statements compare with.
const BOUNDARY: &str = "permissions-boundary";

/// The policy: everything is allowed, but to make users and roles without it, to change it or to take it off.
///
/// The logical id lacks a `t`, and must: CloudFormation would replace the policy under another one.
pub(super) fn resources() -> [(String, Value); 1] {
    let arn = || names::policy_arn_in_environment(BOUNDARY);
    let must_be_set = [
        "iam:CreateUser",
        "iam:CreateRole",
        "iam:PutRolePermissionsBoundary",
        "iam:PutUserPermissionsBoundary",
    ];
    let alter = [
        "iam:CreatePolicyVersion",
        "iam:DeletePolicy",
        "iam:DeletePolicyVersion",
        "iam:SetDefaultPolicyVersion",
    ];
    let take_off = ["iam:DeleteUserPermissionsBoundary", "iam:DeleteRolePermissionsBoundary"];
    let statements = [
        allow(&["*"], "*").sid("ExplicitAllowAll"),
        deny(&must_be_set, "*").sid("DenyAccessIfRequiredPermBoundaryIsNotBeingApplied").when(
            "StringNotEquals",
            "iam:PermissionsBoundary",
            arn(),
        ),
        deny(&alter, arn()).sid("DenyPermBoundaryIAMPolicyAlteration"),
        deny(&take_off, "*").sid("DenyRemovalOfPermBoundaryFromAnyUserOrRole"),
    ];
    let policy = json!({
        "Type": "AWS::IAM::ManagedPolicy",
        "Condition": EXAMPLE_BOUNDARY,
        "Properties": {
            "ManagedPolicyName": names::in_environment(BOUNDARY),
            "Path": "/",
            // Another text would replace the policy, which its fixed name forbids.
            "Description": "Bootstrap Permission Boundary",
            "PolicyDocument": document(statements),
        },
    });
    [("CdkBoostrapPermissionsBoundaryPolicy".into(), policy)]
}
