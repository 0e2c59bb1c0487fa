//! IAM policy documents.

use serde_json::{Value, json};

/// Grants of S3 rights that more than one role needs.
pub(super) const S3_READ: [&str; 3] = ["s3:GetObject*", "s3:GetBucket*", "s3:List*"];

/// What S3 does with a key on behalf of someone who reads and writes encrypted objects.
pub(super) const KMS_USE: [&str; 5] =
    ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"];

/// A policy document of the language version in force since 2012.
pub(super) fn document(statements: impl Into<Vec<Value>>) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements.into() })
}

/// Allows the actions on the resource or resources.
pub(super) fn allow(actions: &[&str], resource: impl Into<Value>) -> Value {
    statement("Allow", actions, resource.into())
}

/// Denies the actions on the resource or resources, whatever else allows them.
pub(super) fn deny(actions: &[&str], resource: impl Into<Value>) -> Value {
    statement("Deny", actions, resource.into())
}

fn statement(effect: &str, actions: &[&str], resource: Value) -> Value {
    json!({ "Effect": effect, "Action": actions, "Resource": resource })
}

/// Further fields of a statement.
pub(super) trait Statement {
    /// Names the statement, unique in its document.
    fn sid(self, sid: &str) -> Self;
    /// Restricts the statement by one condition.
    fn when(self, operator: &str, key: &str, value: impl Into<Value>) -> Self;
    /// Says whom a statement of a resource policy is about.
    fn principal(self, principal: Value) -> Self;
}

impl Statement for Value {
    fn sid(mut self, sid: &str) -> Self {
        self["Sid"] = sid.into();
        self
    }
    fn when(mut self, operator: &str, key: &str, value: impl Into<Value>) -> Self {
        self["Condition"][operator][key] = value.into();
        self
    }
    fn principal(mut self, principal: Value) -> Self {
        self["Principal"] = principal;
        self
    }
}
