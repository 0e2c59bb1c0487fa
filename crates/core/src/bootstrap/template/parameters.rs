//! The template's parameters: their declarations, and the values that one Bootstrap gives to them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use serde_json::{Value, json};

use crate::words::{AccountId, Qualifier};

/// The value of `FileAssetsBucketKmsKeyId` that means S3's own key.
pub(super) const AWS_MANAGED_KEY: &str = "AWS_MANAGED_KEY";

/// What one Bootstrap asks for, the same in each of its environments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolkitParameters {
    /// Distinguishes toolkit stacks that share an environment.
    pub qualifier: Qualifier,
    /// Accounts that may deploy into the environment.
    pub trusted_accounts: BTreeSet<AccountId>,
    /// Accounts that may read in it; those that may deploy always may.
    pub trusted_accounts_for_lookup: BTreeSet<AccountId>,
    /// What CloudFormation may do in it.
    pub execution_policies: BTreeSet<PolicyArn>,
}

/// Accounts are trusted to deploy, but nobody said what a deployment may do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "trustedAccounts names {}, but cloudFormationExecutionPolicies is empty: \
     name the managed policies that deployments of trusted accounts may use",
    list(.accounts)
)]
pub struct TrustWithoutPolicies {
    /// The trusted accounts.
    pub accounts: BTreeSet<AccountId>,
}

impl ToolkitParameters {
    /// Refuses trust without execution policies, as the CDK CLI does.
    ///
    /// # Errors
    /// [`TrustWithoutPolicies`] names the accounts.
    pub fn check(&self) -> Result<(), TrustWithoutPolicies> {
        if self.trusted_accounts.is_empty() || !self.execution_policies.is_empty() {
            return Ok(());
        }
        Err(TrustWithoutPolicies { accounts: self.trusted_accounts.clone() })
    }

    /// The values to send, by parameter name: the six that the CDK CLI sends for a new toolkit stack.
    ///
    /// The others are left to the defaults of the template, also in an update; nothing is taken over from the values
    /// that a stack has, so that what was taken off the Bootstrap is taken off the stack.
    #[must_use]
    pub fn parameters(&self) -> BTreeMap<String, String> {
        [
            ("Qualifier", self.qualifier.to_string()),
            ("TrustedAccounts", list(&self.trusted_accounts)),
            ("TrustedAccountsForLookup", list(&self.trusted_accounts_for_lookup)),
            ("CloudFormationExecutionPolicies", list(&self.execution_policies)),
            ("FileAssetsBucketKmsKeyId", AWS_MANAGED_KEY.to_owned()),
            ("PublicAccessBlockConfiguration", "true".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

fn list<T: fmt::Display>(items: &BTreeSet<T>) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// The ARN of a managed policy, of AWS or of an account. It holds no comma, so that it stays one item of a list.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PolicyArn(String);

/// Why a text is not the ARN of a managed policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("execution policy {0:?} is not arn:<partition>:iam::<account or aws>:policy/<name>")]
pub struct BadPolicyArn(String);

impl PolicyArn {
    /// The ARN itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PolicyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PolicyArn {
    type Err = BadPolicyArn;
    fn from_str(s: &str) -> Result<Self, BadPolicyArn> {
        // IAM's own characters for names and paths, but for the comma.
        let named = |name: &str| {
            name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=.@_-/".contains(&b)) && !name.ends_with('/')
        };
        let owned = |account: &str| account == "aws" || account.parse::<AccountId>().is_ok();
        let parts: Vec<&str> = s.split(':').collect();
        let good = match parts.as_slice() {
            ["arn", partition, "iam", "", account, resource] => {
                partition.starts_with("aws")
                    && owned(account)
                    && resource.strip_prefix("policy/").is_some_and(|name| !name.is_empty() && named(name))
            }
            _ => false,
        };
        if good && s.len() <= 2048 {
            Ok(Self(s.to_owned()))
        } else {
            Err(BadPolicyArn(s.chars().take(80).collect()))
        }
    }
}

/// The declarations, by name. Names, types and defaults are a contract with the CDK CLI.
pub(super) fn declarations() -> Value {
    json!({
        "TrustedAccounts": list_of("Accounts that may publish assets and deploy here"),
        "TrustedAccountsForLookup": list_of("Accounts that may read here"),
        "CloudFormationExecutionPolicies": list_of("Managed policies, by ARN, of the role that CloudFormation acts with"),
        "FileAssetsBucketName": text("", "Name of the bucket of file assets, if not the computed one"),
        "FileAssetsBucketKmsKeyId": text(
            "",
            "Key of the bucket by id or ARN, AWS_MANAGED_KEY for the one that S3 keeps, or empty to make one",
        ),
        "ContainerAssetsRepositoryName": text("", "Name of the repository of image assets, if not the computed one"),
        "Qualifier": {
            "Type": "String",
            "Default": "hnb659fds",
            "AllowedPattern": "[A-Za-z0-9_-]{1,10}",
            "ConstraintDescription": "1 to 10 letters, digits, hyphens and underscores",
            "Description": "Distinguishes toolkit stacks that share an environment",
        },
        "PublicAccessBlockConfiguration": switch("true", "Whether public access to the bucket is blocked"),
        "InputPermissionsBoundary": text("", "Name of the policy that bounds the execution role, if any"),
        "UseExamplePermissionsBoundary": switch("false", "Whether to make the example of such a policy"),
        "ApplyPermissionsBoundaryToAllRoles": switch("false", "Whether it bounds the other roles of this stack, too"),
        "BootstrapVariant": text(
            "AWS CDK: Default Resources",
            "Where this template comes from; the CDK CLI overwrites only stacks of its own variant",
        ),
        "DenyExternalId": switch("true", "Whether the roles refuse callers that send an external id"),
    })
}

fn text(default: &str, description: &str) -> Value {
    json!({ "Type": "String", "Default": default, "Description": description })
}

fn list_of(description: &str) -> Value {
    json!({ "Type": "CommaDelimitedList", "Default": "", "Description": description })
}

fn switch(default: &str, description: &str) -> Value {
    json!({ "Type": "String", "Default": default, "AllowedValues": ["true", "false"], "Description": description })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acme() -> ToolkitParameters {
        ToolkitParameters {
            qualifier: "acme".parse().expect("a qualifier"),
            trusted_accounts: ["999999999999", "888888888888"].map(|a| a.parse().expect("an account")).into(),
            trusted_accounts_for_lookup: BTreeSet::new(),
            execution_policies: ["arn:aws:iam::aws:policy/AdministratorAccess".parse().expect("an ARN")]
                .into(),
        }
    }

    #[test]
    fn values_are_declared_and_in_one_order() {
        let sent = acme().parameters();
        assert_eq!(sent["TrustedAccounts"], "888888888888,999999999999");
        assert_eq!(sent["TrustedAccountsForLookup"], "");
        for name in sent.keys() {
            assert!(declarations().get(name).is_some(), "{name} is not declared");
        }
    }

    #[test]
    fn trust_needs_policies() {
        assert_eq!(acme().check(), Ok(()));
        let open = ToolkitParameters { execution_policies: BTreeSet::new(), ..acme() };
        let refusal = open.check().expect_err("trust without policies").to_string();
        assert!(refusal.contains("888888888888,999999999999"), "{refusal}");
        let closed = ToolkitParameters { trusted_accounts: BTreeSet::new(), ..open };
        assert_eq!(closed.check(), Ok(()));
    }

    #[test]
    fn a_policy_arn_is_one_item() {
        for good in
            ["arn:aws:iam::aws:policy/job-function/Billing", "arn:aws-cn:iam::111111111111:policy/p_1@x"]
        {
            assert!(good.parse::<PolicyArn>().is_ok(), "{good}");
        }
        for bad in [
            "AdministratorAccess",
            "arn:aws:iam::aws:policy/",
            "arn:aws:iam::aws:policy/a/",
            "arn:aws:iam::1:policy/a",
            "arn:aws:iam::aws:role/a",
            "arn:aws:iam::aws:policy/a,arn:aws:iam::aws:policy/b",
        ] {
            assert!(bad.parse::<PolicyArn>().is_err(), "{bad}");
        }
    }
}
