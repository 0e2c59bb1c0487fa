//! Why the API server has refused a decision, and who can help.

use stackgate_core::api::ProposalKind;

use super::Order;
use crate::{
    cli::{desk::Desk, fail::Fail, look::Sight},
    kube::session::{CallError, Denied},
};

/// In one line, with what to do.
pub(super) fn explain(desk: &Desk, sight: &Sight, order: &Order<'_>, error: &CallError) -> Fail {
    let namespace = sight.report.namespace.as_str();
    let resource = if order.wish.on_stage { "stages" } else { "changeplans" };
    match error {
        CallError::Denied(Denied::Rbac(_)) => {
            let can = desk
                .invoked
                .kubectl(namespace, &["auth", "can-i", "patch", &format!("{resource}.stackgate.dev")]);
            Fail::new(format!(
                "nothing was signed: you ({}) may not patch {resource} in namespace {namespace} (`{can}`): ask whoever \
                 manages RoleBindings there for the ClusterRole stackgate-approver",
                order.user
            ))
        }
        CallError::Denied(Denied::Policy { policy, message }) => match lacks(message) {
            Some((verb, kind, name)) => Fail::new(format!(
                "nothing was signed: you ({}) lack the verb {verb} on {kind}/{name}: whoever may bind roles in namespace {namespace} \
                 can grant it: {}",
                order.user,
                grant(desk, sight, verb, kind, name)
            )),
            None => Fail::new(format!("nothing was signed: policy {policy} says: {message}")),
        },
        CallError::NotFound(_) => {
            Fail::new("nothing was signed: the plan is gone, with its Stage or its namespace")
        }
        CallError::Unreachable(why) => Fail::new(format!(
            "whether it was signed is not known ({why}): look: {}",
            desk.invoked.ours(namespace, &["plan", sight.view.name.as_str()])
        )),
        CallError::Invalid(why) | CallError::Conflict(why) => {
            Fail::new(format!("nothing was signed: the API server does not take it: {why}"))
        }
        CallError::LoggedOut(_) => error.clone().into(),
    }
}

/// `bob lacks the verb approve on stages/prod`, as the policies of the chart say it.
fn lacks(message: &str) -> Option<(&str, &str, &str)> {
    let (_, rest) = message.split_once(" lacks the verb ")?;
    let (verb, rest) = rest.split_once(" on ")?;
    let place = rest.split([' ', ':']).next()?;
    let (kind, name) = place.split_once('/')?;
    Some((verb, kind, name))
}

fn grant(desk: &Desk, sight: &Sight, verb: &str, kind: &str, name: &str) -> String {
    let role = format!("{name}-{verb}");
    let resource = format!("--resource={kind}.stackgate.dev");
    let what = if sight.view.proposal().kind == ProposalKind::Bootstrap { "clusterrole" } else { "role" };
    let (verb, only) = (format!("--verb={verb}"), format!("--resource-name={name}"));
    let args = ["create", what, role.as_str(), verb.as_str(), resource.as_str(), only.as_str()];
    format!("{}, and bind it", desk.invoked.kubectl_of_others(sight.report.namespace.as_str(), &args))
}

#[cfg(test)]
mod tests {
    use super::lacks;

    #[test]
    fn the_missing_verb_is_read_from_the_policy() {
        assert_eq!(lacks("bob lacks the verb ack-iam on stages/prod"), Some(("ack-iam", "stages", "prod")));
        assert_eq!(
            lacks("bob lacks the verb setgate on stages/prod: without it"),
            Some(("setgate", "stages", "prod"))
        );
        assert_eq!(lacks("the value is the whole id"), None);
    }
}
