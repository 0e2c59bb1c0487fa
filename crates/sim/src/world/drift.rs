//! Drift, as the fake CloudFormation detects it.

use jiff::{SignedDuration, Timestamp};
use stackgate_core::{
    stack::{Drift, DriftStatus, DriftedResource},
    words::{StackId, StackKey},
};

use super::{World, cloud::Cloud};

impl Cloud {
    /// Whether CloudFormation takes a detection.
    #[must_use]
    pub fn can_be_checked(&self, key: &StackKey, id: &StackId) -> bool {
        self.stacks.get(key).is_some_and(|s| s.id == *id && s.is_stable())
    }

    /// Begins a detection.
    pub fn detect_drift(
        &mut self,
        key: &StackKey,
        id: &StackId,
        takes: SignedDuration,
        now: Timestamp,
    ) -> String {
        self.count += 1;
        let detection = format!("detection-{}", self.count);
        if let Some(stack) = self.stacks.get_mut(key).filter(|s| s.id == *id) {
            let ends = now.saturating_add(takes).unwrap_or(now);
            stack.detection = Some((detection.clone(), ends));
            // As AWS does: the time is that of the beginning, and it comes to its end whoever looks.
            let found = if stack.tampered { DriftStatus::Drifted } else { DriftStatus::InSync };
            stack.drift = Some((found, now));
        }
        detection
    }

    /// What came of a detection; `None`: it goes on.
    pub fn drift(
        &mut self,
        key: &StackKey,
        id: &StackId,
        detection: Option<&str>,
        now: Timestamp,
    ) -> Option<Drift> {
        let Some(stack) = self.stacks.get_mut(key).filter(|s| s.id == *id) else {
            return Some(Drift::Failed("the stack is not there".to_owned()));
        };
        match (&stack.detection, detection) {
            (Some((ours, ends)), Some(asked)) if ours == asked && now < *ends => return None,
            (Some((ours, _)), Some(asked)) if ours == asked => {}
            (_, Some(_)) => return Some(Drift::Failed("there is another detection".to_owned())),
            (_, None) => {}
        }
        // What the last one has left, not what is so now.
        let found = stack.drift.map_or(DriftStatus::NotChecked, |(status, _)| status);
        let resource = DriftedResource {
            logical_id: "Bucket".to_owned(),
            resource_type: "AWS::S3::Bucket".to_owned(),
            status: "MODIFIED".to_owned(),
        };
        Some(Drift::Detected {
            status: found,
            resources: (found == DriftStatus::Drifted).then_some(resource).into_iter().collect(),
        })
    }
}

impl World {
    /// Somebody changes a resource past its stack, or puts it back.
    pub fn tamper(&mut self, key: &StackKey, is: bool) {
        self.tell(|| format!("  [people] a resource of {key} is changed past its stack: {is}"));
        if let Some(stack) = self.cloud.stacks.get_mut(key) {
            stack.tampered = is;
        }
    }
}
