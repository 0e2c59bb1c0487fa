//! Who may assume the roles.

use serde_json::{Value, json};

use super::{
    conditions::{DENY_EXTERNAL_ID, TRUSTED_ACCOUNTS, TRUSTED_ACCOUNTS_FOR_LOOKUP},
    intrinsic::{only_if, reference},
};

/// Whom a role trusts besides its own account.
#[derive(Clone, Copy)]
pub(super) enum Trusted {
    /// The accounts that may deploy.
    Deployers,
    /// The accounts that may look things up; those that may deploy always may.
    Readers,
}

/// The trust policy of a role that people and pipelines assume.
///
/// An account is trusted as a whole: its own IAM decides which of its principals come in.
pub(super) fn by_accounts(trusted: Trusted) -> Value {
    let deployers = (TRUSTED_ACCOUNTS, "TrustedAccounts");
    let readers = (TRUSTED_ACCOUNTS_FOR_LOOKUP, "TrustedAccountsForLookup");
    let lists = match trusted {
        Trusted::Deployers => vec![deployers],
        Trusted::Readers => vec![readers, deployers],
    };
    let mut statements = Vec::from(admit(&reference("AWS::AccountId")));
    for (condition, parameter) in lists {
        statements.extend(admit(&reference(parameter)).map(|statement| only_if(condition, statement)));
    }
    json!({ "Statement": statements })
}

/// The trust policy of a role that an AWS service assumes.
pub(super) fn by_service(service: &str) -> Value {
    super::policy::document([json!({
        "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "Service": service },
    })])
}

/// Lets the accounts in, with session tags, but (unless told otherwise) never on behalf of a third party: who sends
/// an external id acts for somebody else.
fn admit(accounts: &Value) -> [Value; 2] {
    let for_itself = only_if(DENY_EXTERNAL_ID, json!({ "Null": { "sts:ExternalId": "true" } }));
    [
        json!({
            "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "AWS": accounts }, "Condition": for_itself,
        }),
        json!({ "Effect": "Allow", "Action": "sts:TagSession", "Principal": { "AWS": accounts } }),
    ]
}
