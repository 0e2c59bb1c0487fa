//! The role that reads.

use serde_json::{Value, json};

use super::{
    super::{
        names,
        policy::{Statement, deny, document},
        trust::Trusted,
    },
    assumed_role,
};

/// Reads everything that AWS calls read-only, except what is encrypted with a key of the account.
pub(super) fn role() -> Value {
    let no_secrets = deny(&["kms:Decrypt"], "*").sid("DontReadSecrets");
    let mut role = assumed_role("lookup", Trusted::Readers);
    let properties = &mut role["Properties"];
    properties["ManagedPolicyArns"] = json!([names::aws_managed_policy("ReadOnlyAccess")]);
    properties["Policies"] =
        json!([{ "PolicyName": "LookupRolePolicy", "PolicyDocument": document([no_secrets]) }]);
    role
}
