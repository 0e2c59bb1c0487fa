//! What validations and hooks have said when a change set was made (DescribeEvents, ListHookResults).

use aws_sdk_cloudformation::types::{
    EventType, HookResultSummary, HookStatus, ListHookResultsTargetType, OperationEvent, OperationType,
};
use stackgate_core::{change::normalised, effect::RefusalKind, words::ChangeSetArn};

use super::{calls::Operation, class::Class, failed::Failed, session::Clients};

/// The most pages of either list. One that is longer is an error: what is not read could not be approved.
const PAGES: usize = 50;

impl Clients {
    /// All of it, each on one line, without anything that differs when the same is made again. `path` is that of the nested
    /// stack, or empty.
    ///
    /// That the role may not ask is a warning of its own, so that it is seen and part of what is approved. Where the
    /// service does not know the question, it has no such findings.
    pub(super) async fn warnings(
        &self,
        stack: Option<&str>,
        arn: &ChangeSetArn,
        path: &str,
    ) -> Result<Vec<String>, Failed> {
        let (events, hooks) = tokio::join!(self.findings(stack, arn, path), self.hook_results(arn, path));
        let place = if path.is_empty() { String::new() } else { format!("{path}: ") };
        let unknown = |what: &str, call: &str| {
            format!("{place}{what} are not known: the deploy role is not allowed {call}")
        };
        let mut all = allowed(events, || unknown("the findings of validations", "DescribeEvents"))?;
        all.extend(allowed(hooks, || unknown("the results of hooks", "ListHookResults"))?);
        Ok(all)
    }

    async fn findings(
        &self,
        stack: Option<&str>,
        arn: &ChangeSetArn,
        path: &str,
    ) -> Result<Vec<String>, Failed> {
        let (mut all, mut token) = (Vec::new(), None);
        for _ in 0..PAGES {
            let call = self
                .read
                .describe_events()
                .set_stack_name(stack.map(str::to_owned))
                .change_set_name(arn.as_str())
                .set_next_token(token)
                .send();
            let reply = self.calls.make(Operation::DescribeEvents, &self.env, call).await?;
            all.extend(reply.operation_events().iter().filter_map(|e| finding(e, path)));
            match reply.next_token().filter(|t| !t.is_empty()) {
                Some(next) => token = Some(next.to_owned()),
                None => return Ok(all),
            }
        }
        Err(too_long("events", arn))
    }

    async fn hook_results(&self, arn: &ChangeSetArn, path: &str) -> Result<Vec<String>, Failed> {
        if !self.has_hooks() {
            return Ok(Vec::new());
        }
        let (mut all, mut token) = (Vec::new(), None);
        for _ in 0..PAGES {
            let call = self
                .read
                .list_hook_results()
                .target_type(ListHookResultsTargetType::ChangeSet)
                .target_id(arn.as_str())
                .set_next_token(token)
                .send();
            let reply = match self.calls.make(Operation::ListHookResults, &self.env, call).await {
                Err(failed) if failed.is_unknown_operation() => {
                    self.has_no_hooks();
                    return Ok(Vec::new());
                }
                other => other?,
            };
            for result in reply.hook_results() {
                all.extend(hook_result(result, path)?);
            }
            match reply.next_token().filter(|t| !t.is_empty()) {
                Some(next) => token = Some(next.to_owned()),
                None => return Ok(all),
            }
        }
        Err(too_long("hook results", arn))
    }
}

fn too_long(what: &str, arn: &ChangeSetArn) -> Failed {
    Failed::ours(RefusalKind::Invalid, format!("{arn} has more {what} than can be read"))
}

fn allowed(told: Result<Vec<String>, Failed>, unknown: impl Fn() -> String) -> Result<Vec<String>, Failed> {
    match told {
        Ok(list) => Ok(list),
        Err(failed) if failed.is_unknown_operation() || failed.is_not_found() => Ok(Vec::new()),
        Err(failed) if failed.class() == Class::Refused(RefusalKind::Denied) => Ok(vec![unknown()]),
        Err(failed) => Err(failed),
    }
}

/// What an event says that is a finding; others say how the work went.
fn finding(event: &OperationEvent, path: &str) -> Option<String> {
    // Where the service lists events of the stack besides those of the change set, they are none of ours.
    if event.operation_type().is_some_and(|t| *t != OperationType::CreateChangeset) {
        return None;
    }
    let (what, mode, why) = match event.event_type()? {
        EventType::ValidationError => (
            format!("validation {}", event.validation_name().unwrap_or_default()),
            event.validation_failure_mode(),
            event.validation_status_reason(),
        ),
        EventType::HookInvocationError => (
            format!("hook {}", event.hook_type().unwrap_or_default()),
            event.hook_failure_mode(),
            event.hook_status_reason(),
        ),
        _ => return None,
    };
    let why = why.or(event.resource_status_reason()).unwrap_or_default();
    let resource = event.logical_resource_id().unwrap_or_default();
    let at = event.validation_path().unwrap_or_default();
    Some(line(&what, mode.map(|m| m.as_str()), &[path, resource, at], why))
}

/// What a hook says, unless it is content.
fn hook_result(result: &HookResultSummary, path: &str) -> Result<Option<String>, Failed> {
    let status = match result.status() {
        Some(HookStatus::HookCompleteSucceeded) => return Ok(None),
        Some(HookStatus::HookInProgress) => {
            let why = format!("hook {} has not ended yet", result.type_name().unwrap_or_default());
            return Err(Failed::ours(RefusalKind::Unavailable, why));
        }
        other => other.map_or("", |s| s.as_str()),
    };
    let what = format!("hook {}", result.type_name().unwrap_or_default());
    let mode = result.failure_mode().map(|m| m.as_str());
    let why = result.hook_status_reason().filter(|r| !r.is_empty()).unwrap_or(status);
    let target = result.hook_execution_target().unwrap_or_default();
    // For a change set the target can be its own ARN, which is another one every time.
    let target = if target.starts_with("arn:") { "" } else { target };
    Ok(Some(line(&what, mode, &[path, target], why)))
}

fn line(what: &str, mode: Option<&str>, place: &[&str], why: &str) -> String {
    let mode = mode.map(|m| format!(" ({m})")).unwrap_or_default();
    let place: Vec<&str> = place.iter().copied().filter(|p| !p.is_empty()).collect();
    let place = if place.is_empty() { String::new() } else { format!("{}: ", place.join(" ")) };
    normalised(&format!("{what}{mode}: {place}{why}"))
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudformation::types::HookFailureMode;

    use super::*;

    #[test]
    fn findings_are_lines_that_stay_the_same() {
        let event = |id: &str| {
            OperationEvent::builder()
                .event_id(id)
                .event_type(EventType::ValidationError)
                .operation_type(OperationType::CreateChangeset)
                .logical_resource_id("Bucket")
                .validation_name("NAME_CONFLICT_VALIDATION")
                .validation_failure_mode(HookFailureMode::Warn)
                .validation_path("/Resources/Bucket/Properties/BucketName")
                .validation_status_reason(format!(
                    "there is a bucket of that name (Request ID: {id}, at 2026-11-24T06:00:00Z)"
                ))
                .build()
        };
        let is = "validation NAME_CONFLICT_VALIDATION (WARN): Net Bucket /Resources/Bucket/Properties/BucketName: \
                  there is a bucket of that name (<request>, at <time>)";
        assert_eq!(finding(&event("1"), "Net").as_deref(), Some(is));
        assert_eq!(finding(&event("1"), ""), finding(&event("2"), ""));
    }

    #[test]
    fn progress_and_other_operations_are_no_findings() {
        let event =
            |kind, operation| OperationEvent::builder().event_type(kind).operation_type(operation).build();
        assert_eq!(finding(&event(EventType::StackEvent, OperationType::CreateChangeset), ""), None);
        assert_eq!(finding(&event(EventType::ValidationError, OperationType::CreateStack), ""), None);
        assert!(
            finding(&event(EventType::HookInvocationError, OperationType::CreateChangeset), "").is_some()
        );
    }

    #[test]
    fn hooks_that_are_content_say_nothing_and_those_that_run_are_waited_for() {
        let result = |status| {
            HookResultSummary::builder()
                .type_name("Shop::Net::Check")
                .failure_mode(HookFailureMode::Warn)
                .status(status)
                .hook_execution_target("arn:aws:cloudformation:x")
                .hook_result_id("17")
                .build()
        };
        assert_eq!(hook_result(&result(HookStatus::HookCompleteSucceeded), "").unwrap(), None);
        assert_eq!(
            hook_result(&result(HookStatus::HookCompleteFailed), "").unwrap().as_deref(),
            Some("hook Shop::Net::Check (WARN): HOOK_COMPLETE_FAILED")
        );
        assert!(hook_result(&result(HookStatus::HookInProgress), "").is_err());
    }
}
