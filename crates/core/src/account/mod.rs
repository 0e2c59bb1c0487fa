//! Accounts: which may be used at all, and by whom for what.

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use crate::{
    api::{
        AccountSelection, AwsAccount, AwsAccountStatus, Beyond, ConditionType, Conditions, NamespaceGrant,
        Reason,
    },
    words::{AccountId, Env, Qualifier, StackName},
};

/// All AwsAccounts, with the rule that two of one id make both unusable.
#[derive(Clone, Debug, Default)]
pub struct Accounts(Vec<Arc<AwsAccount>>);

/// Why an account cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotAllowed {
    /// No such object.
    #[error("there is no AwsAccount {0}")]
    NoAccount(String),
    /// Two objects, one account.
    #[error("AwsAccounts {0} and {1} have the same accountID: neither is used until one is deleted")]
    Duplicate(String, String),
    /// The region is not listed.
    #[error("AwsAccount {0} does not list region {1}")]
    Region(String, String),
    /// The namespace is not listed.
    #[error("AwsAccount {0} does not allow namespace {1}: ask its owner for an entry in allowedNamespaces")]
    Namespace(String, String),
    /// The qualifier is not granted.
    #[error("AwsAccount {0} does not allow namespace {1} to use qualifier {2}")]
    Qualifier(String, String, Qualifier),
    /// The stack name is not granted.
    #[error(
        "AwsAccount {0} does not allow namespace {1} to deploy stack {2}: no pattern of stackNames matches"
    )]
    StackName(String, String, StackName),
}

impl Accounts {
    /// Wraps the list.
    #[must_use]
    pub fn new(list: Vec<Arc<AwsAccount>>) -> Self {
        Self(list)
    }

    /// The account of that name, if it can be used.
    pub fn by_name(&self, name: &str) -> Result<&AwsAccount, NotAllowed> {
        let found = self
            .0
            .iter()
            .find(|a| a.name_any() == name)
            .ok_or_else(|| NotAllowed::NoAccount(name.to_owned()))?;
        match self.twin(found) {
            Some(twin) => Err(NotAllowed::Duplicate(found.name_any(), twin.name_any())),
            None => Ok(found),
        }
    }

    /// Those of these names that are there.
    pub fn named<'a>(&'a self, names: &'a [String]) -> impl Iterator<Item = &'a AwsAccount> {
        self.0.iter().filter(|a| names.contains(&a.name_any())).map(Arc::as_ref)
    }

    /// Another object with the same account id.
    #[must_use]
    pub fn twin(&self, account: &AwsAccount) -> Option<&AwsAccount> {
        self.0
            .iter()
            .find(|a| a.spec.account_id == account.spec.account_id && a.name_any() != account.name_any())
            .map(Arc::as_ref)
    }

    /// The accounts that are selected, by name.
    #[must_use]
    pub fn selected(&self, selection: &AccountSelection) -> Vec<&AwsAccount> {
        let mut list: Vec<&AwsAccount> = self
            .0
            .iter()
            .map(Arc::as_ref)
            .filter(|a| {
                let named = selection.names.as_ref().is_some_and(|n| n.contains(&a.name_any()));
                let labelled = selection.selector.as_ref().is_some_and(|s| {
                    !s.match_labels.is_empty()
                        && s.match_labels.iter().all(|(k, v)| a.labels().get(k) == Some(v))
                });
                named || labelled
            })
            .collect();
        list.sort_by_key(|a| a.name_any());
        list
    }

    /// An object of the account with that id.
    #[must_use]
    pub fn of_id(&self, id: &AccountId) -> Option<&AwsAccount> {
        self.0.iter().find(|a| a.spec.account_id == *id).map(Arc::as_ref)
    }

    /// The account with that id among the named ones, if it can be used.
    pub fn with_id(&self, id: &AccountId, among: &[String]) -> Result<Option<&AwsAccount>, NotAllowed> {
        for name in among {
            let account = self.by_name(name)?;
            if account.spec.account_id == *id {
                return Ok(Some(account));
            }
        }
        Ok(None)
    }
}

/// What the account grants to a namespace.
pub fn grant<'a>(account: &'a AwsAccount, namespace: &str) -> Result<&'a NamespaceGrant, NotAllowed> {
    account
        .spec
        .allowed_namespaces
        .iter()
        .find(|g| g.name == namespace)
        .ok_or_else(|| NotAllowed::Namespace(account.name_any(), namespace.to_owned()))
}

/// Whether a namespace may deploy this stack there with this qualifier; the patterns that allow it.
pub fn may_deploy<'a>(
    account: &'a AwsAccount,
    namespace: &str,
    env: &Env,
    qualifier: &Qualifier,
    stack: &StackName,
) -> Result<&'a [String], NotAllowed> {
    let name = account.name_any();
    if !account.spec.regions.contains(&env.region) {
        return Err(NotAllowed::Region(name, env.region.to_string()));
    }
    let grant = grant(account, namespace)?;
    if !grant.qualifiers.contains(qualifier) {
        return Err(NotAllowed::Qualifier(name, namespace.to_owned(), qualifier.clone()));
    }
    if !grant.stack_names.iter().any(|p| matches(p, stack.as_str())) {
        return Err(NotAllowed::StackName(name, namespace.to_owned(), stack.clone()));
    }
    Ok(&grant.stack_names)
}

/// Whether a namespace may do there what reaches beyond the account.
pub fn reaches_beyond(account: &AwsAccount, namespace: &str, what: Beyond) -> bool {
    grant(account, namespace).is_ok_and(|g| g.allow.contains(&what))
}

/// Whether a pattern with `*` matches the whole text.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

/// The status of an account: whether it can be used at all.
#[must_use]
pub fn status(account: &AwsAccount, all: &Accounts, now: Timestamp) -> AwsAccountStatus {
    let generation = account.metadata.generation;
    let before = account.status.as_ref().map_or(&[][..], |s| &s.conditions);
    let conditions = Conditions::new(before, generation, now);
    let conditions = match all.twin(account) {
        Some(twin) => conditions
            .with(
                ConditionType::Ready,
                false,
                Reason::DuplicateAccountID,
                NotAllowed::Duplicate(account.name_any(), twin.name_any()).to_string(),
            )
            .with(
                ConditionType::Stalled,
                true,
                Reason::DuplicateAccountID,
                "delete one of the two AwsAccounts",
            ),
        None => conditions.with(ConditionType::Ready, true, Reason::Accepted, "the account can be used"),
    };
    AwsAccountStatus { observed_generation: generation, conditions: conditions.build() }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::matches;

    #[rstest]
    #[case("Dev-*", "Dev-Store", true)]
    #[case("Dev-*", "Dev-", true)]
    #[case("Dev-*", "Prod-Store", false)]
    #[case("*", "anything", true)]
    #[case("Dev", "Dev", true)]
    #[case("Dev", "Dev-Store", false)]
    #[case("*-Store", "Dev-Store", true)]
    #[case("*-Store", "Dev-Store2", false)]
    #[case("a*b*c", "aXXbYYc", true)]
    #[case("a*b*c", "acb", false)]
    #[case("a*a", "a", false)]
    fn patterns(#[case] pattern: &str, #[case] text: &str, #[case] expected: bool) {
        assert_eq!(matches(pattern, text), expected);
    }
}
