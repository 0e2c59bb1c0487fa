//! The values of properties, read from CloudFormation by whoever asks for them: neither the controller nor Kubernetes holds them.

use stackgate_core::{
    api::{PlannedAs, Proposal, ProposedStack},
    change::change_set_at,
    effect::{Refusal, RefusalKind},
    words::AccountId,
};

use super::view::{PlanReport, PropertyShown, ResourceValuesShown, ValuesShown};
use crate::aws::{PropertyValue, PropertyValues, ResourceValues, Values};

/// Puts them into a report, or why they are not there.
pub async fn fill(report: &mut PlanReport, proposal: &Proposal) {
    let values = Values::of_this_person().await;
    for (shown, stack) in report.stacks.iter_mut().zip(&proposal.stacks) {
        shown.values = of_stack(&values, stack).await;
    }
}

/// `None`: nothing is changed.
async fn of_stack(values: &Values, stack: &ProposedStack) -> Option<ValuesShown> {
    let set = match stack.plan {
        PlannedAs::Unchanged | PlannedAs::Removed => return None,
        PlannedAs::Deferred | PlannedAs::Recreated => return Some(none("its change set is made later")),
        PlannedAs::Prepared => stack.console_url.as_deref().and_then(change_set_at),
    };
    let Some(set) = set else { return Some(none("the plan names no change set")) };
    Some(match values.read(&stack.key(), &set).await {
        Ok(Some(read)) => shown(read),
        Ok(None) => none("the change set is not there any more"),
        Err(refusal) => none(&refused(&stack.account, &refusal)),
    })
}

fn none(why: &str) -> ValuesShown {
    ValuesShown { missing: Some(format!("no values are shown: {why}").into()), resources: Vec::new() }
}

fn refused(account: &AccountId, refusal: &Refusal) -> String {
    match refusal.kind {
        RefusalKind::WrongAccount => format!(
            "your AWS credentials are not of account {account}: choose some that may call cloudformation:DescribeChangeSet there, as by \
             AWS_PROFILE"
        ),
        RefusalKind::Unavailable => {
            format!(
                "{}; are you signed in to account {account} (AWS_PROFILE, aws sso login)?",
                refusal.message
            )
        }
        RefusalKind::Throttled
        | RefusalKind::AssumeDenied
        | RefusalKind::Denied
        | RefusalKind::NotFound
        | RefusalKind::AlreadyExists
        | RefusalKind::Conflict
        | RefusalKind::AssetKeyTaken
        | RefusalKind::Invalid => refusal.message.clone(),
    }
}

fn shown(read: PropertyValues) -> ValuesShown {
    let property = |p: PropertyValue| PropertyShown {
        path: p.path.into(),
        before: p.before.map(Into::into),
        after: p.after.map(Into::into),
    };
    let resource = |r: ResourceValues| ResourceValuesShown {
        logical_id: r.logical_id.into(),
        resource_type: r.resource_type.into(),
        properties: r.properties.into_iter().map(property).collect(),
    };
    let resources: Vec<ResourceValuesShown> = read.resources.into_iter().map(resource).collect();
    let missing = if !read.whole {
        Some("some values are missing: CloudFormation has left them out".into())
    } else if resources.is_empty() {
        Some("no values are shown: CloudFormation tells none".into())
    } else {
        None
    };
    ValuesShown { missing, resources }
}
