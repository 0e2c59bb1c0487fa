//! Why an operation failed: the first resource that did, from the stack's events.

use aws_sdk_cloudformation::types::{ResourceStatus, StackEvent};
use stackgate_core::{stack::FailedResource, words::StackId};

use super::{calls::Operation, failed::Failed, session::Clients};

/// The most pages of events that are read for one operation.
const PAGES: usize = 50;

impl Clients {
    /// Reads back through the events of the stack's last operation, to the resource that failed first.
    pub(super) async fn first_failure(&self, id: &StackId) -> Result<Option<FailedResource>, Failed> {
        let mut search = Search::default();
        let mut token = None;
        for _ in 0..PAGES {
            let call = self.read.describe_stack_events().stack_name(id.as_str()).set_next_token(token).send();
            let reply = match self.calls.make(Operation::DescribeStackEvents, &self.env, call).await {
                Ok(reply) => reply,
                Err(failed) if failed.is_not_found() => return Ok(None),
                Err(failed) => return Err(failed),
            };
            // Newest first.
            for event in reply.stack_events() {
                if search.is_over(event) {
                    return Ok(search.result());
                }
                search.take(event, id);
            }
            match reply.next_token().filter(|t| !t.is_empty()) {
                Some(next) => token = Some(next.to_owned()),
                None => break,
            }
        }
        Ok(search.result())
    }
}

/// The walk from the newest event to the start of the operation.
#[derive(Default)]
struct Search {
    resource: Option<FailedResource>,
    /// The stack's own words, where no resource was named.
    stack: Option<FailedResource>,
    /// When the operation started, once that event was met.
    started: Option<aws_smithy_types::DateTime>,
}

impl Search {
    /// Whether the event is of an earlier operation. Events of the instant of the start may stand behind it.
    fn is_over(&self, event: &StackEvent) -> bool {
        self.started.is_some() && event.timestamp() != self.started.as_ref()
    }

    fn take(&mut self, event: &StackEvent, id: &StackId) {
        let status = event.resource_status().map_or("", ResourceStatus::as_str);
        let reason = event.resource_status_reason().unwrap_or_default();
        let found = || FailedResource {
            logical_id: event.logical_resource_id().unwrap_or_default().to_owned(),
            resource_type: event.resource_type().unwrap_or_default().to_owned(),
            reason: reason.to_owned(),
        };
        if event.physical_resource_id() == Some(id.as_str()) {
            let starts = matches!(
                status,
                "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS" | "DELETE_IN_PROGRESS" | "IMPORT_IN_PROGRESS"
            );
            if starts {
                self.started = event.timestamp().copied();
            } else if !reason.is_empty() && (status.ends_with("_FAILED") || status.contains("ROLLBACK")) {
                self.stack = Some(found());
            }
        } else if status.ends_with("_FAILED") && !reason.to_ascii_lowercase().contains("cancelled") {
            self.resource = Some(found());
        }
    }

    fn result(self) -> Option<FailedResource> {
        self.resource.or(self.stack)
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::DateTime;

    use super::*;

    const STACK: &str = "arn:aws:cloudformation:ap-southeast-2:111111111111:stack/S/1";

    fn event(at: i64, physical: &str, logical: &str, status: &str, reason: &str) -> StackEvent {
        StackEvent::builder()
            .timestamp(DateTime::from_secs(at))
            .physical_resource_id(physical)
            .logical_resource_id(logical)
            .resource_type("AWS::X::Y")
            .resource_status(ResourceStatus::from(status))
            .resource_status_reason(reason)
            .build()
    }

    fn search(newest_first: &[StackEvent]) -> Option<FailedResource> {
        let id = STACK.parse().unwrap();
        let mut search = Search::default();
        for e in newest_first {
            if search.is_over(e) {
                break;
            }
            search.take(e, &id);
        }
        search.result()
    }

    #[test]
    fn the_first_failure_of_the_last_operation_counts() {
        let events = [
            event(9, STACK, "S", "UPDATE_ROLLBACK_COMPLETE", ""),
            event(6, "b", "B", "UPDATE_FAILED", "Resource update cancelled"),
            event(5, "a", "A", "UPDATE_FAILED", "no such thing"),
            event(4, "c", "C", "CREATE_FAILED", "first of all"),
            event(3, STACK, "S", "UPDATE_IN_PROGRESS", "User Initiated"),
            event(2, "z", "Z", "CREATE_FAILED", "long ago"),
        ];
        assert_eq!(search(&events).unwrap().logical_id, "C");
    }

    #[test]
    fn without_a_failed_resource_the_stack_speaks() {
        let events = [
            event(4, STACK, "S", "ROLLBACK_IN_PROGRESS", "Parameter validation failed"),
            event(3, STACK, "S", "CREATE_IN_PROGRESS", "User Initiated"),
        ];
        assert_eq!(search(&events).unwrap().reason, "Parameter validation failed");
        assert_eq!(search(&[]), None);
    }
}
