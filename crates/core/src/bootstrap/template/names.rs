//! Physical names. [`ToolkitNames`](crate::words::ToolkitNames) computes the same ones for a known environment.

use serde_json::Value;

use super::intrinsic::sub;

/// `cdk-<qualifier>-<what>-<account>-<region>`: IAM names are global in an account, so they name the region, too.
pub(super) fn in_environment(what: &str) -> Value {
    sub(environment_name(what))
}

/// The ARN of the managed policy that has such a name.
pub(super) fn policy_arn_in_environment(what: &str) -> Value {
    sub(format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:policy/{}", environment_name(what)))
}

/// The ARN of one of AWS's own managed policies.
pub(super) fn aws_managed_policy(name: &str) -> Value {
    sub(format!("arn:${{AWS::Partition}}:iam::aws:policy/{name}"))
}

/// The SSM parameter that holds the template version.
pub(super) fn version_parameter() -> Value {
    sub("/cdk-bootstrap/${Qualifier}/version")
}

fn environment_name(what: &str) -> String {
    format!("cdk-${{Qualifier}}-{what}-${{AWS::AccountId}}-${{AWS::Region}}")
}
