//! How a stack that failed is told: what a person of the CDK app recognises, and where to read on.

use jiff::Timestamp;

use super::{
    Snapshot,
    given::{declares_unknown_value, keeps_unknown_value, secrets_are_known},
    targets::{Target, targets},
};
use crate::{
    api::{ProposedStack, Reason, Settled, SettledAs},
    change::events_url,
    gate::PlanView,
    hush::UNSHOWN,
    stack::{FailedResource, StackStatus},
    verdict::{Need, Step},
};

/// The most characters of CloudFormation's own words.
const REASON: usize = 500;

/// The reason of a stage of which a stack has failed.
pub(super) fn reason_of(x: &Settled) -> Reason {
    match x.outcome {
        SettledAs::RolledBack => Reason::RolledBack,
        SettledAs::Failed if x.status == StackStatus::DeleteFailed.as_str() => Reason::StackStuck,
        SettledAs::Succeeded | SettledAs::Failed | SettledAs::Gone => Reason::RollbackFailed,
    }
}

/// The sentence that a failed stack is told in.
pub(super) fn failure_text(x: &Settled) -> String {
    let what = match x.outcome {
        SettledAs::RolledBack => "was rolled back by CloudFormation",
        SettledAs::Failed if x.status == StackStatus::DeleteFailed.as_str() => "could not be deleted",
        SettledAs::Failed => "failed and could not be rolled back",
        SettledAs::Gone => "was deleted meanwhile",
        SettledAs::Succeeded => "succeeded",
    };
    let why = x.message.as_deref().map(|m| format!(": {m}")).unwrap_or_default();
    format!("stack {} {what} ({}){why}", x.key(), x.status)
}

/// The most characters of why a stack failed.
const WHY: usize = 600;

/// The outcome with the construct that failed first, and the page of its events in the console.
///
/// # Errors
/// The look at the release, which knows the constructs.
pub(super) fn told(
    s: &Snapshot<'_>,
    plan: &PlanView,
    stack: &ProposedStack,
    settled: Settled,
    now: Timestamp,
) -> Step<Settled> {
    match settled.outcome {
        SettledAs::RolledBack | SettledAs::Failed => {}
        SettledAs::Succeeded | SettledAs::Gone => return Ok(settled),
    }
    let why = match s.facts.failures.get(&settled.stack_id) {
        Some(_) if !secrets_are_known(s, Some(plan), now)? => UNSHOWN.to_owned(),
        Some(_) if keeps_unknown_value(s, &stack.key(), s.seen_row(&stack.key())) => UNSHOWN.to_owned(),
        Some(Some(_)) if target(s, plan, stack, now)?.is_some_and(|t| declares_unknown_value(s, &t)) => {
            UNSHOWN.to_owned()
        }
        Some(Some(failed)) => describe(failed, construct_path(s, plan, stack, failed, now)?.as_deref()),
        Some(None) | None => settled.message.clone().unwrap_or_else(|| "no event says why".to_owned()),
    };
    // A path in the release may be as long as its author likes: the page stays whole.
    let why: String = why.chars().take(WHY).collect();
    let message = format!("{why}; events: {}", events_url(&settled.stack_id));
    Ok(settled.saying(&message))
}

fn construct_path(
    s: &Snapshot<'_>,
    plan: &PlanView,
    stack: &ProposedStack,
    failed: &FailedResource,
    now: Timestamp,
) -> Step<Option<String>> {
    // It is told without, rather than not at all.
    Ok(target(s, plan, stack, now)?.and_then(|t| path_in(&t, &failed.logical_id)))
}

/// What the release wants of a stack, where that can be told.
fn target(s: &Snapshot<'_>, plan: &PlanView, stack: &ProposedStack, now: Timestamp) -> Step<Option<Target>> {
    let Some(release) = &plan.release else { return Ok(None) };
    match targets(s, release, now) {
        Ok(found) => Ok(found.list.into_iter().find(|t| t.key == stack.key())),
        Err(Need::Do(look)) => Err(Need::Do(look)),
        Err(Need::Wait(..) | Need::Stuck(..)) => Ok(None),
    }
}

/// The path of a resource; of one in a nested stack that of the nested stack.
fn path_in(t: &Target, logical_id: &str) -> Option<String> {
    let paths = &t.artifact.construct_paths;
    let outer = || logical_id.split_once('/').and_then(|(outer, _)| paths.get(outer));
    paths.get(logical_id).or_else(outer).cloned()
}

fn describe(failed: &FailedResource, path: Option<&str>) -> String {
    let FailedResource { logical_id, resource_type, reason } = failed;
    let reason: String = reason.chars().take(REASON).collect();
    match path {
        Some(path) => format!("{path} ({resource_type}, {logical_id}): {reason}"),
        None => format!("{logical_id} ({resource_type}): {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_resource_is_told_by_the_path_of_its_construct() {
        let failed = FailedResource {
            logical_id: "Reader1A".to_owned(),
            resource_type: "AWS::Lambda::Function".to_owned(),
            reason: "no".repeat(1000),
        };
        let told = describe(&failed, Some("Dev/Store/Reader/Resource"));
        assert!(
            told.starts_with("Dev/Store/Reader/Resource (AWS::Lambda::Function, Reader1A): nono"),
            "{told}"
        );
        assert!(told.len() < 600, "the address of the events has to fit behind it");
        assert!(describe(&failed, None).starts_with("Reader1A (AWS::Lambda::Function): no"));
    }
}
