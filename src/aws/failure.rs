//! Why an operation failed: the first resource that did, from the stack's events.

use aws_sdk_cloudformation::types::{HookStatus, ResourceStatus, StackEvent};
use stackgate_core::{stack::FailedResource, words::StackId};

use super::{calls::Operation, failed::Failed, session::Clients};

/// The most pages of events that are read for one operation.
const PAGES: usize = 50;
/// How deep nested stacks are followed (CloudFormation takes five).
const DEPTH: usize = 5;

impl Clients {
    /// Reads back through the events of the stack's last operation, to the resource that failed first; where that is a nested
    /// stack, on to the one inside. Its logical id carries those of the nested stacks around it, such as `Network/Vpc`.
    pub(super) async fn first_failure(&self, id: &StackId) -> Result<Option<FailedResource>, Failed> {
        let mut stack = id.clone();
        let mut around = String::new();
        let mut found: Option<FailedResource> = None;
        for _ in 0..DEPTH {
            let Some(Found { resource, nested }) = self.failed_in(&stack).await? else { break };
            let inside =
                FailedResource { logical_id: format!("{around}{}", resource.logical_id), ..resource };
            around = format!("{}/", inside.logical_id);
            found = Some(inside);
            match nested {
                Some(nested) => stack = nested,
                None => break,
            }
        }
        Ok(found)
    }

    async fn failed_in(&self, id: &StackId) -> Result<Option<Found>, Failed> {
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

/// A failed resource, and the stack that it is, if it is one.
struct Found {
    resource: FailedResource,
    nested: Option<StackId>,
}

/// The walk from the newest event to the start of the operation.
#[derive(Default)]
struct Search {
    resource: Option<Found>,
    /// The stack's own words, where no resource was named.
    stack: Option<Found>,
    /// What hooks said that let something fail: the logical id of what they looked at, and their words.
    hooks: Vec<(String, String)>,
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
        let logical_id = event.logical_resource_id().unwrap_or_default().to_owned();
        if event.hook_status() == Some(&HookStatus::HookCompleteFailed) {
            let hook = event.hook_type().unwrap_or("a hook");
            let why = event.hook_status_reason().unwrap_or_default();
            self.hooks.push((logical_id, format!("{hook}: {why}")));
            return;
        }
        let physical_id = event.physical_resource_id().unwrap_or_default();
        let resource_type = event.resource_type().unwrap_or_default().to_owned();
        let is_stack = resource_type == "AWS::CloudFormation::Stack";
        let found = |nested| Found {
            resource: FailedResource { logical_id, resource_type, reason: reason.to_owned() },
            nested,
        };
        if physical_id == id.as_str() {
            let starts = matches!(
                status,
                "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS" | "DELETE_IN_PROGRESS" | "IMPORT_IN_PROGRESS"
            );
            if starts {
                self.started = event.timestamp().copied();
            } else if !reason.is_empty() && (status.ends_with("_FAILED") || status.contains("ROLLBACK")) {
                self.stack = Some(found(None));
            }
        } else if status.ends_with("_FAILED") && !reason.to_ascii_lowercase().contains("cancelled") {
            self.resource = Some(found(physical_id.parse().ok().filter(|_| is_stack)));
        }
    }

    fn result(self) -> Option<Found> {
        let mut found = self.resource.or(self.stack)?;
        let about = found.resource.logical_id.clone();
        for (_, words) in self.hooks.iter().filter(|(id, _)| *id == about || id.is_empty()) {
            found.resource.reason.push_str(&format!(" [{words}]"));
        }
        Some(found)
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
        search.result().map(|found| found.resource)
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

    #[test]
    fn what_a_hook_said_stands_beside_it() {
        let hook = StackEvent::builder()
            .timestamp(DateTime::from_secs(4))
            .physical_resource_id("a")
            .logical_resource_id("A")
            .hook_status(HookStatus::HookCompleteFailed)
            .hook_type("Acme::Encryption::Hook")
            .hook_status_reason("the bucket is not encrypted")
            .build();
        let events = [
            event(5, "a", "A", "CREATE_FAILED", "The following hook(s) failed: [Acme::Encryption::Hook]"),
            hook,
            event(3, STACK, "S", "CREATE_IN_PROGRESS", "User Initiated"),
        ];
        let reason = search(&events).unwrap().reason;
        assert!(reason.ends_with("[Acme::Encryption::Hook: the bucket is not encrypted]"), "{reason}");
    }

    #[test]
    fn a_nested_stack_that_failed_is_looked_into() {
        let nested = "arn:aws:cloudformation:ap-southeast-2:111111111111:stack/S-Network-1/2";
        let failed = StackEvent::builder()
            .timestamp(DateTime::from_secs(5))
            .physical_resource_id(nested)
            .logical_resource_id("Network")
            .resource_type("AWS::CloudFormation::Stack")
            .resource_status(ResourceStatus::from("CREATE_FAILED"))
            .resource_status_reason("Embedded stack was not successfully created")
            .build();
        let mut search = Search::default();
        search.take(&failed, &STACK.parse().unwrap());
        assert_eq!(search.result().unwrap().nested.unwrap().as_str(), nested);
    }
}
