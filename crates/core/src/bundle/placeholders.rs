//! Environments and the placeholders that the CDK leaves in names.

use super::error::BundleError;
use crate::words::{Env, partition};

/// Parses `aws://<account>/<region>`, and refuses an environment that would depend on who deploys.
pub(super) fn environment(stack: &str, text: Option<&str>) -> Result<Env, BundleError> {
    let unknown = || BundleError::UnknownEnvironment {
        stack: stack.to_owned(),
        environment: text.unwrap_or("(none)").chars().take(120).collect(),
    };
    let (account, region) =
        text.and_then(|t| t.strip_prefix("aws://")).and_then(|t| t.split_once('/')).ok_or_else(unknown)?;
    if account == "unknown-account" || region == "unknown-region" {
        return Err(unknown());
    }
    let word = |source| BundleError::BadWord { stack: stack.to_owned(), field: "environment", source };
    Ok(Env { account: account.parse().map_err(word)?, region: region.parse().map_err(word)? })
}

/// Replaces `${AWS::Partition}`, `${AWS::AccountId}` and `${AWS::Region}` by what they are in the environment.
pub(super) fn resolve(text: &str, env: &Env) -> String {
    text.replace("${AWS::Partition}", partition(&env.region))
        .replace("${AWS::AccountId}", env.account.as_str())
        .replace("${AWS::Region}", env.region.as_str())
}
