//! Whatever AWS names in a reply must lie where it was asked for.

use stackgate_core::{
    effect::RefusalKind,
    words::{AccountId, ChangeSetArn, Env, StackId},
};

use super::failed::Failed;

/// Reads a StackId of this environment.
pub(super) fn stack_id(text: Option<&str>, env: &Env) -> Result<StackId, Failed> {
    let id: StackId = word(text, "StackId")?;
    place(id.as_str(), &id.account(), id.region(), env)?;
    Ok(id)
}

/// Reads the ARN of a change set of this environment.
pub(super) fn change_set_arn(text: Option<&str>, env: &Env) -> Result<ChangeSetArn, Failed> {
    let arn: ChangeSetArn = word(text, "change set ARN")?;
    place(arn.as_str(), &arn.account(), arn.region(), env)?;
    Ok(arn)
}

/// Reads a word that AWS always sends.
pub(super) fn word<T: std::str::FromStr>(text: Option<&str>, what: &str) -> Result<T, Failed>
where
    T::Err: std::fmt::Display,
{
    let text = text.ok_or_else(|| Failed::unread(format!("AWS sent no {what}")))?;
    text.parse().map_err(|e| Failed::unread(format!("AWS sent a {what} that cannot be read: {e}")))
}

fn place(arn: &str, account: &AccountId, region: &str, env: &Env) -> Result<(), Failed> {
    if *account == env.account && region == env.region.as_str() {
        return Ok(());
    }
    Err(Failed::ours(RefusalKind::WrongAccount, format!("asked in {env}, but AWS answered with {arn}")))
}
