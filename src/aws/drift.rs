//! Drift: begun, awaited, and told resource by resource.

use aws_sdk_cloudformation::types::{Stack, StackDriftDetectionStatus, StackResourceDriftStatus};
use jiff::Timestamp;
use stackgate_core::{
    effect::RefusalKind,
    stack::{Drift, DriftStatus, DriftedResource},
    words::StackId,
};

use super::{
    calls::Operation,
    failed::{Failed, cut},
    parse::{status, timestamp},
    session::Clients,
};

/// The most resources that are told of a stack.
const MOST: usize = 100;

/// What DescribeStacks says of the last detection. A status that this version does not know says nothing: the rest of the row
/// counts all the same.
pub(super) fn drift_of(stack: &Stack) -> Option<(DriftStatus, Timestamp)> {
    let told = stack.drift_information()?;
    let at = timestamp(told.last_check_timestamp()?).ok()?;
    let found = told.stack_drift_status().and_then(|s| s.as_str().parse().ok());
    Some((found.unwrap_or(DriftStatus::Unknown), at))
}

impl Clients {
    /// Begins to detect drift; tells the id of the detection.
    pub(super) async fn detect_drift(&self, stack: &StackId) -> Result<String, Failed> {
        let call = self.read.detect_stack_drift().stack_name(stack.as_str()).send();
        let reply = self.calls.make(Operation::DetectStackDrift, &self.env, call).await?;
        let id = reply.stack_drift_detection_id().filter(|id| !id.is_empty());
        id.map(str::to_owned).ok_or_else(|| {
            Failed::ours(RefusalKind::Invalid, format!("AWS names no detection of drift of {stack}"))
        })
    }

    /// What came of this detection, or without one what the last one has left; `None`: it goes on.
    pub(super) async fn drift(
        &self,
        stack: &StackId,
        detection: Option<&str>,
    ) -> Result<Option<Drift>, Failed> {
        let found: DriftStatus = match detection {
            None => DriftStatus::Drifted,
            Some(id) => {
                let call =
                    self.read.describe_stack_drift_detection_status().stack_drift_detection_id(id).send();
                let operation = Operation::DescribeStackDriftDetectionStatus;
                let reply = self.calls.make(operation, &self.env, call).await?;
                match reply.detection_status() {
                    Some(StackDriftDetectionStatus::DetectionInProgress) => return Ok(None),
                    Some(StackDriftDetectionStatus::DetectionFailed) => {
                        let why = reply.detection_status_reason().unwrap_or("CloudFormation gives no reason");
                        return Ok(Some(Drift::Failed(cut(why))));
                    }
                    // Complete, or a status of a later version of the API.
                    _ => status(reply.stack_drift_status().map(|s| s.as_str()), stack.as_str())?,
                }
            }
        };
        let resources = match found {
            DriftStatus::Drifted => self.drifted(stack).await?,
            DriftStatus::InSync | DriftStatus::Unknown | DriftStatus::NotChecked => Vec::new(),
        };
        Ok(Some(Drift::Detected { status: found, resources }))
    }

    async fn drifted(&self, stack: &StackId) -> Result<Vec<DriftedResource>, Failed> {
        let (mut resources, mut token) = (Vec::new(), None);
        loop {
            let call = self
                .read
                .describe_stack_resource_drifts()
                .stack_name(stack.as_str())
                .stack_resource_drift_status_filters(StackResourceDriftStatus::Modified)
                .stack_resource_drift_status_filters(StackResourceDriftStatus::Deleted)
                .set_next_token(token)
                .send();
            let page = self.calls.make(Operation::DescribeStackResourceDrifts, &self.env, call).await?;
            let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
            resources.extend(page.stack_resource_drifts().iter().map(|r| DriftedResource {
                logical_id: text(r.logical_resource_id()),
                resource_type: text(r.resource_type()),
                status: text(r.stack_resource_drift_status().map(|s| s.as_str())),
            }));
            token = page.next_token().filter(|t| !t.is_empty()).map(str::to_owned);
            if token.is_none() || resources.len() >= MOST {
                resources.truncate(MOST);
                return Ok(resources);
            }
        }
    }
}
