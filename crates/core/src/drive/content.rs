//! All of a change set: what DescribeChangeSet tells, and what else it holds.

use jiff::Timestamp;

use crate::{
    effect::{Access, Effect, Look},
    facts::Facts,
    stack::{ChangeSetRow, SetContent},
    verdict::{Step, ask},
    words::StackKey,
};

/// What a change set that is ready holds besides its row, or the look that tells it. There is no id without it: a refusal
/// that passes is waited for, another one is told.
///
/// # Errors
/// The look, or why it cannot be had now.
pub fn content<'a>(
    facts: &'a Facts,
    key: &StackKey,
    set: &ChangeSetRow,
    access: &Access,
    now: Timestamp,
) -> Step<&'a SetContent> {
    facts.contents.get(&set.arn).ok_or_else(|| {
        let look = Look::SetContent(key.clone(), set.arn.clone(), set.nested.clone(), access.clone());
        ask(facts, Effect::Look(look), now)
    })
}
