//! The words of AWS. What is one is printed as it was written, and is read from JSON as from text.

use std::{fmt::Display, str::FromStr};

use stackgate_core::{
    bootstrap::template::PolicyArn,
    bundle::TreePath,
    change::{console_url, events_url},
    stack::{ChangeSetStatus, ExecutionStatus, StackStatus},
    words::{
        AccountId, BootstrapChangeId, BucketName, ChangeId, ChangeSetArn, ChangeSetName, DecisionId, Digest,
        Qualifier, Region, ReleaseId, RoleArn, Span, StackId, StackName, StageChangeId, Uid, partition,
    },
};

/// The input is tried as each of them.
pub fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    word::<AccountId>(text);
    word::<BucketName>(text);
    word::<ChangeSetName>(text);
    word::<Qualifier>(text);
    word::<StackName>(text);
    word::<Uid>(text);
    word::<Digest>(text);
    for id in [
        word::<ReleaseId>(text).map(|id| id.digits().to_owned()),
        word::<StageChangeId>(text).map(|id| id.digits().to_owned()),
        word::<BootstrapChangeId>(text).map(|id| id.digits().to_owned()),
        word::<ChangeId>(text).map(|id| id.digits().to_owned()),
        word::<DecisionId>(text).map(|id| id.to_string()[3..].to_owned()),
    ] {
        assert!(id.is_none_or(|digits| digits.len() == 40), "a whole id");
    }
    if let Some(region) = word::<Region>(text) {
        assert!(partition(&region).starts_with("aws"));
    }
    if let Some(span) = word::<Span>(text) {
        assert!(!span.get().is_negative());
    }
    if let Some(role) = word::<RoleArn>(text) {
        is_an_account(&role.account());
        assert!(text.contains(&format!(":{}:", role.account())));
    }
    if let Some(id) = word::<StackId>(text) {
        is_an_account(&id.account());
        assert!(events_url(&id).is_ascii() && text.contains(id.region()));
    }
    if let Some(arn) = word::<ChangeSetArn>(text) {
        let id = text.replacen("changeSet/", "stack/", 1);
        let url = id.parse::<StackId>().map(|id| console_url(&arn, &id));
        assert!(url.is_ok_and(|url| url.is_ascii()));
    }
    printed::<StackStatus>(text, |s| s.as_str().to_owned());
    printed::<ChangeSetStatus>(text, |s| s.as_str().to_owned());
    printed::<ExecutionStatus>(text, |s| s.as_str().to_owned());
    printed::<PolicyArn>(text, |p| p.as_str().to_owned());
    path(text);
}

fn is_an_account(account: &AccountId) {
    assert_eq!(account.as_str().parse().as_ref(), Ok(account));
}

fn printed<W: FromStr>(text: &str, print: impl Fn(&W) -> String) -> Option<W> {
    let word = text.parse().ok()?;
    assert_eq!(print(&word), text);
    Some(word)
}

fn word<W>(text: &str) -> Option<W>
where
    W: FromStr + Display + PartialEq + serde::de::DeserializeOwned,
{
    let word = printed::<W>(text, ToString::to_string);
    let json = serde_json::from_value(text.into()).ok();
    assert!(word == json, "text and JSON are read alike");
    word
}

/// A path that is read stays inside, and is the same when it is read again.
fn path(text: &str) {
    let (a, b) = text.split_once('\n').unwrap_or(("a/b", text));
    let (Ok(parsed), Ok(base)) = (TreePath::parse(b), TreePath::parse(a)) else { return };
    assert_eq!(TreePath::parse(parsed.as_str()).as_ref(), Ok(&parsed));
    if let Ok(joined) = base.join(parsed.as_str()) {
        let below = if parsed.is_root() { None } else { Some(parsed.as_str()) };
        assert_eq!(joined.below(&base), below);
    }
    if let Some(asset) = parsed.asset_directory() {
        assert!(parsed.below(&asset).is_some());
    }
}
