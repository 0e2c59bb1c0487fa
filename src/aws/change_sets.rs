//! Change sets: described, executed, deleted.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudformation::{
    operation::describe_change_set::DescribeChangeSetOutput,
    types::{ChangeType, Parameter, ResourceChange, ResourceChangeDetail, ResourceTargetDefinition},
};
use jiff::Timestamp;
use stackgate_core::{
    change::{HmacKey, execute_token},
    effect::SetRef,
    stack::{Change, ChangeSetRow, ChangeSetStatus, ValueSource},
    words::{ChangeSetArn, Digest, StackKey},
};

use super::{
    arns::{change_set_arn, stack_id, word},
    calls::Operation,
    failed::{Failed, cut},
    parse::{status, timestamp},
    session::Clients,
};

/// How CloudFormation begins the reason of a change set that contains nothing.
pub(super) const EMPTY: [&str; 2] =
    ["The submitted information didn't contain changes.", "No updates are to be performed."];
/// What it says when values had to be left out, and with them possibly whole changes.
const INCOMPLETE: &str = "--include-property-values option can return incomplete ChangeSet data";

impl Clients {
    /// Reads a change set with all its pages. Values are turned into HMACs and dropped.
    pub(super) async fn change_set(
        &self,
        key: &StackKey,
        set: &SetRef,
        hmac: &HmacKey,
    ) -> Result<Option<ChangeSetRow>, Failed> {
        let name = match set {
            SetRef::Name(name) => name.as_str(),
            SetRef::Arn(arn) => arn.as_str(),
        };
        let stack = Some(key.name.as_str());
        let Some(head) = self.change_set_pages(stack, name, true).await? else {
            return Ok(None);
        };
        let mut changes = changes(&head, Some(hmac));
        if leaves_values_out(&head) {
            let Some(whole) = self.change_set_pages(stack, name, false).await? else {
                return Ok(None);
            };
            let mut whole = self::changes(&whole, None);
            let values: BTreeMap<String, Option<Digest>> =
                changes.into_iter().map(|c| (c.logical_id, c.values)).collect();
            for change in &mut whole {
                change.values = values.get(&change.logical_id).copied().flatten();
            }
            changes = whole;
        }
        self.change_set_row(&head, changes, hmac).map(Some)
    }

    /// All pages of DescribeChangeSet as one, with or without the values of properties. `name` may be an ARN, which needs no stack.
    pub(super) async fn change_set_pages(
        &self,
        stack: Option<&str>,
        name: &str,
        values: bool,
    ) -> Result<Option<DescribeChangeSetOutput>, Failed> {
        let (mut head, mut token) = (None::<DescribeChangeSetOutput>, None::<String>);
        loop {
            let call = self
                .read
                .describe_change_set()
                .set_stack_name(stack.map(str::to_owned))
                .change_set_name(name)
                .include_property_values(values)
                .set_next_token(token)
                .send();
            let page = match self.calls.make(Operation::DescribeChangeSet, &self.env, call).await {
                Ok(page) => page,
                Err(failed) if failed.is_not_found() => return Ok(None),
                Err(failed) => return Err(failed),
            };
            token = page.next_token().filter(|t| !t.is_empty()).map(str::to_owned);
            let whole = match head.take() {
                Some(mut head) => {
                    head.changes.get_or_insert_default().extend(page.changes.into_iter().flatten());
                    head
                }
                None => page,
            };
            if token.is_none() {
                return Ok(Some(whole));
            }
            head = Some(whole);
        }
    }

    fn change_set_row(
        &self,
        head: &DescribeChangeSetOutput,
        changes: Vec<Change>,
        hmac: &HmacKey,
    ) -> Result<ChangeSetRow, Failed> {
        let arn = change_set_arn(head.change_set_id(), &self.env)?;
        let set_status: ChangeSetStatus = status(head.status().map(|s| s.as_str()), arn.as_str())?;
        let reason = head.status_reason().unwrap_or_default();
        Ok(ChangeSetRow {
            name: word(head.change_set_name(), "change set name")?,
            stack_id: stack_id(head.stack_id(), &self.env)?,
            // Without it the last update of the baseline alone tells an execution from the time before.
            created: head.creation_time().map(timestamp).transpose()?.unwrap_or(Timestamp::UNIX_EPOCH),
            status: set_status,
            execution: status(head.execution_status().map(|s| s.as_str()), arn.as_str())?,
            empty: set_status == ChangeSetStatus::Failed && EMPTY.iter().any(|e| reason.starts_with(e)),
            reason: cut(reason),
            description: head.description().unwrap_or_default().to_owned(),
            changes,
            parameters: parameters(head, hmac),
            nested: self.nested_sets(head)?,
            arn,
        })
    }

    /// The change sets of nested stacks, by logical id.
    pub(super) fn nested_sets(
        &self,
        head: &DescribeChangeSetOutput,
    ) -> Result<BTreeMap<String, ChangeSetArn>, Failed> {
        head.changes()
            .iter()
            .filter_map(|c| c.resource_change())
            .filter_map(|c| Some((c.logical_resource_id()?, c.change_set_id().filter(|a| !a.is_empty())?)))
            .map(|(id, arn)| Ok((id.to_owned(), change_set_arn(Some(arn), &self.env)?)))
            .collect()
    }

    /// Executes a change set; the token is derived from its ARN, so twice is once.
    pub(super) async fn execute_change_set(&self, key: &StackKey, arn: &ChangeSetArn) -> Result<(), Failed> {
        let call = self
            .change
            .execute_change_set()
            .stack_name(key.name.as_str())
            .change_set_name(arn.as_str())
            .client_request_token(execute_token(arn))
            .send();
        self.calls.make(Operation::ExecuteChangeSet, &self.env, call).await.map(drop)
    }

    /// Deletes a change set by its ARN.
    pub(super) async fn delete_change_set(&self, key: &StackKey, arn: &ChangeSetArn) -> Result<(), Failed> {
        let call = self
            .change
            .delete_change_set()
            .stack_name(key.name.as_str())
            .change_set_name(arn.as_str())
            .send();
        self.calls.make(Operation::DeleteChangeSet, &self.env, call).await.map(drop)
    }
}

/// HMACs of the values of its parameters. Where a value is the name of an SSM parameter, what that holds counts, too:
/// the change list is the same whatever it is.
pub(super) fn parameters(head: &DescribeChangeSetOutput, hmac: &HmacKey) -> BTreeMap<String, Digest> {
    let hidden = |p: &Parameter| {
        let name = p.parameter_key().unwrap_or_default();
        let (value, resolved) = (p.parameter_value().unwrap_or_default(), p.resolved_value());
        let which: &[u8] = if resolved.is_some() { b"+" } else { b"-" };
        let parts: [&[u8]; 5] = [
            b"parameter value v1",
            name.as_bytes(),
            value.as_bytes(),
            which,
            resolved.unwrap_or_default().as_bytes(),
        ];
        (name.to_owned(), hmac.sign(&parts))
    };
    head.parameters().iter().map(hidden).collect()
}

/// Whether CloudFormation had to leave values out, and with them possibly whole changes.
pub(super) fn leaves_values_out(head: &DescribeChangeSetOutput) -> bool {
    head.status_reason().is_some_and(|r| r.contains(INCOMPLETE))
}

/// What changes, as CloudFormation lists it.
pub(super) fn resource_changes(head: &DescribeChangeSetOutput) -> impl Iterator<Item = &ResourceChange> {
    head.changes()
        .iter()
        .filter(|c| c.r#type().is_none_or(|t| *t == ChangeType::Resource))
        .filter_map(|c| c.resource_change())
}

/// What changes, each with one HMAC of its values where there is a key.
pub(super) fn changes(head: &DescribeChangeSetOutput, values: Option<&HmacKey>) -> Vec<Change> {
    resource_changes(head).map(|c| change(c, values)).collect()
}

fn change(c: &ResourceChange, values: Option<&HmacKey>) -> Change {
    Change {
        logical_id: text(c.logical_resource_id()),
        resource_type: text(c.resource_type()),
        action: text(c.action().map(|v| v.as_str())),
        replacement: text(c.replacement().map(|v| v.as_str())),
        policy_action: text(c.policy_action().map(|v| v.as_str())),
        scope: c.scope().iter().map(|s| s.as_str().to_owned()).collect(),
        details: c.details().iter().map(value_source).collect(),
        values: values.and_then(|key| values_hmac(key, c)),
    }
}

fn value_source(detail: &ResourceChangeDetail) -> ValueSource {
    let target = detail.target();
    ValueSource {
        attribute: text(target.and_then(|t| t.attribute()).map(|v| v.as_str())),
        name: text(target.and_then(ResourceTargetDefinition::name)),
        requires_recreation: text(target.and_then(|t| t.requires_recreation()).map(|v| v.as_str())),
        evaluation: text(detail.evaluation().map(|v| v.as_str())),
        change_source: text(detail.change_source().map(|v| v.as_str())),
        causing_entity: text(detail.causing_entity()),
    }
}

/// One HMAC over all values before and after, whatever order they come in; none if there are no values.
fn values_hmac(key: &HmacKey, c: &ResourceChange) -> Option<Digest> {
    let mut parts: BTreeSet<[&str; 4]> = BTreeSet::new();
    let whole = [("before", c.before_context()), ("after", c.after_context())];
    parts.extend(whole.into_iter().filter_map(|(when, v)| Some(["context", "", when, v?])));
    for target in c.details().iter().filter_map(|d| d.target()) {
        let place = target.path().or(target.name()).unwrap_or_default();
        let each = [("before", target.before_value()), ("after", target.after_value())];
        parts.extend(each.into_iter().filter_map(|(when, v)| Some(["value", place, when, v?])));
        // Where in a property, and whether something is added to it or taken away.
        parts.extend(target.path().map(|path| ["path", path, "", ""]));
        parts.extend(target.attribute_change_type().map(|t| ["type", place, "", t.as_str()]));
    }
    if parts.is_empty() {
        return None;
    }
    let flat: Vec<&[u8]> =
        std::iter::once("change values v2").chain(parts.into_iter().flatten()).map(str::as_bytes).collect();
    Some(key.sign(&flat))
}

fn text(value: Option<&str>) -> String {
    value.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudformation::types::ResourceAttribute;

    use super::*;

    fn with_values(before: Option<&str>, after: Option<&str>) -> ResourceChange {
        let target = ResourceTargetDefinition::builder()
            .attribute(ResourceAttribute::Properties)
            .name("Value")
            .set_before_value(before.map(str::to_owned))
            .set_after_value(after.map(str::to_owned))
            .build();
        ResourceChange::builder().details(ResourceChangeDetail::builder().target(target).build()).build()
    }

    #[test]
    fn values_become_an_hmac_that_tells_them_apart() {
        let key = HmacKey::new([7; 32]);
        let of = |b, a| values_hmac(&key, &with_values(b, a));
        assert_eq!(of(None, None), None);
        assert_eq!(of(Some("1"), Some("2")), of(Some("1"), Some("2")));
        assert_ne!(of(Some("1"), Some("2")), of(Some("1"), Some("3")));
        assert_ne!(of(Some("1"), None), of(None, Some("1")));
        assert_ne!(values_hmac(&HmacKey::new([8; 32]), &with_values(Some("1"), None)), of(Some("1"), None));
    }
}
