//! The template's conditions: what the parameters decide.

use serde_json::{Value, json};

use super::intrinsic::{equals, not, reference};

pub(super) const TRUSTED_ACCOUNTS: &str = "HasTrustedAccounts";
pub(super) const TRUSTED_ACCOUNTS_FOR_LOOKUP: &str = "HasTrustedAccountsForLookup";
pub(super) const EXECUTION_POLICIES: &str = "HasCloudFormationExecutionPolicies";
pub(super) const CUSTOM_BUCKET_NAME: &str = "HasCustomFileAssetsBucketName";
pub(super) const CUSTOM_REPOSITORY_NAME: &str = "HasCustomContainerAssetsRepositoryName";
pub(super) const NEW_KEY: &str = "CreateNewKey";
pub(super) const MANAGED_KEY: &str = "UseAwsManagedKey";
pub(super) const BLOCK_PUBLIC_ACCESS: &str = "UsePublicAccessBlockConfiguration";
pub(super) const EXAMPLE_BOUNDARY: &str = "ShouldCreatePermissionsBoundary";
pub(super) const BOUNDARY: &str = "PermissionsBoundarySet";
pub(super) const BOUNDARY_ON_ALL_ROLES: &str = "ShouldApplyPermissionsBoundaryToAllRoles";
pub(super) const DENY_EXTERNAL_ID: &str = "ShouldDenyExternalId";

/// All of them, by name.
pub(super) fn all() -> Value {
    json!({
        TRUSTED_ACCOUNTS: any_in_list("TrustedAccounts"),
        TRUSTED_ACCOUNTS_FOR_LOOKUP: any_in_list("TrustedAccountsForLookup"),
        EXECUTION_POLICIES: any_in_list("CloudFormationExecutionPolicies"),
        CUSTOM_BUCKET_NAME: given("FileAssetsBucketName"),
        CUSTOM_REPOSITORY_NAME: given("ContainerAssetsRepositoryName"),
        NEW_KEY: equals("".into(), reference("FileAssetsBucketKmsKeyId")),
        MANAGED_KEY: equals(super::parameters::AWS_MANAGED_KEY.into(), reference("FileAssetsBucketKmsKeyId")),
        BLOCK_PUBLIC_ACCESS: switched_on("PublicAccessBlockConfiguration"),
        EXAMPLE_BOUNDARY: switched_on("UseExamplePermissionsBoundary"),
        BOUNDARY: given("InputPermissionsBoundary"),
        BOUNDARY_ON_ALL_ROLES: {
            "Fn::And": [{ "Condition": BOUNDARY }, switched_on("ApplyPermissionsBoundaryToAllRoles")],
        },
        DENY_EXTERNAL_ID: switched_on("DenyExternalId"),
    })
}

fn given(parameter: &str) -> Value {
    not(equals("".into(), reference(parameter)))
}

/// Lists can't be compared, so they are joined first.
fn any_in_list(parameter: &str) -> Value {
    not(equals("".into(), json!({ "Fn::Join": ["", reference(parameter)] })))
}

fn switched_on(parameter: &str) -> Value {
    equals("true".into(), reference(parameter))
}
