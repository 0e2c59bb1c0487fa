//! Tries the policies: for each a wrong request, as a server-side dry run, that the controller's own rights allow. It has to be
//! denied by that policy, through its binding, by name: a plain 403 of RBAC would prove nothing.
//!
//! What is tried must not be in the hands of those whom the policies hold back: whoever edits a namespace could make an object on
//! which the wrong request changes nothing, and shut every gate of the cluster. So objects are made, in the controller's own
//! namespace, and of what is there only an AwsAccount is used, which the platform team makes. Admission is asked before a name is
//! looked up and before a quota is counted.

use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, ObjectMeta, Patch, PatchParams, PostParams},
};
use serde_json::json;
use stackgate_core::{
    api::{
        AssemblyRef, AwsAccount, ChangePlan, GATE_PREFIX, LABEL_STAGE, Operation, Pin, Proposal,
        ProposalKind, Stage, StageSpec,
    },
    effect::NewPlan,
    words::{ChangeId, Uid},
};

use crate::kube::writes::plan_object;

/// A c1 that no change has.
const NO_CHANGE: &str = "c1-0000000000000000000000000000000000000000";
/// What is made, as a dry run, has this name.
const NAME: &str = "policy-probe";

/// Why the policies do not count as in force. Each in a sentence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Doubt {
    /// They could not be tried: that says nothing of them.
    Untried(String),
    /// One does not do what it should.
    Broken(String),
}

/// Tries each policy. An AwsAccount is needed for it: where there is none, nothing can be deployed.
///
/// # Errors
/// When one did not deny what it should, or could not be tried.
pub(super) async fn probe(client: &Client, namespace: &str) -> Result<(), Doubt> {
    worst([
        try_decisions(client, namespace).await,
        try_setgate(client, namespace).await,
        try_room(client, namespace).await,
        try_keep_stops(client, namespace).await,
        try_plans(client, namespace).await,
        try_status(client).await,
    ])
}

/// That one is broken is not hidden by another that could not be tried.
fn worst<const N: usize>(tried: [Result<(), Doubt>; N]) -> Result<(), Doubt> {
    let mut doubts: Vec<Doubt> = tried.into_iter().filter_map(Result::err).collect();
    doubts.sort_by_key(|doubt| matches!(doubt, Doubt::Untried(_)));
    doubts.into_iter().next().map_or(Ok(()), Err)
}

fn dry() -> PostParams {
    PostParams { dry_run: true, ..PostParams::default() }
}

async fn try_decisions(client: &Client, namespace: &str) -> Result<(), Doubt> {
    let mut decided = stage();
    decided.annotations_mut().insert(format!("{GATE_PREFIX}approve.{NAME}"), NO_CHANGE.to_owned());
    let stages: Api<Stage> = Api::namespaced(client.clone(), namespace);
    denied("decisions", "is no person", stages.create(&dry(), &decided).await)
}

async fn try_setgate(client: &Client, namespace: &str) -> Result<(), Doubt> {
    let mut pinned = stage();
    pinned.spec.pin = Some(Pin { digest: "000000000000".to_owned(), reason: None });
    let stages: Api<Stage> = Api::namespaced(client.clone(), namespace);
    denied("setgate", "lacks the verb setgate", stages.create(&dry(), &pinned).await)
}

async fn try_room(client: &Client, namespace: &str) -> Result<(), Doubt> {
    let mut crowded = stage();
    crowded.annotations_mut().extend((0..257).map(|n| (format!("{NAME}-{n}"), String::new())));
    let stages: Api<Stage> = Api::namespaced(client.clone(), namespace);
    denied("room", "annotations that are no decisions", stages.create(&dry(), &crowded).await)
}

async fn try_keep_stops(client: &Client, namespace: &str) -> Result<(), Doubt> {
    let mut rejected = plan(namespace)?;
    rejected.annotations_mut().insert(format!("{GATE_PREFIX}reject"), NO_CHANGE.to_owned());
    let plans: Api<ChangePlan> = Api::namespaced(client.clone(), namespace);
    denied("keep-stops", "a change plan is made without decisions", plans.create(&dry(), &rejected).await)
}

async fn try_plans(client: &Client, namespace: &str) -> Result<(), Doubt> {
    let mut hidden = plan(namespace)?;
    hidden.labels_mut().clear();
    let plans: Api<ChangePlan> = Api::namespaced(client.clone(), namespace);
    denied("plans", "a change plan carries the label", plans.create(&dry(), &hidden).await)
}

/// Status cannot be tried on what is not there.
async fn try_status(client: &Client) -> Result<(), Doubt> {
    let accounts: Api<AwsAccount> = Api::all(client.clone());
    let found = accounts.list(&ListParams::default().limit(1)).await.map_err(|e| {
        Doubt::Untried(format!("no AwsAccount could be read to try the admission policies on: {e}"))
    })?;
    let Some(account) = found.items.first() else {
        let why = "there is no AwsAccount yet that the admission policies could be tried on";
        return Err(Doubt::Untried(why.to_owned()));
    };
    let said = json!({ "status": { "conditions": [{
        "type": "PolicyProbe", "status": "False", "reason": "PolicyProbe", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z"
    }] } });
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    let answer = accounts.patch_status(&account.name_any(), &dry, &Patch::Merge(said)).await;
    denied("status", "the reason PolicyProbe", answer)
}

/// The answer has to be the denial of exactly this policy, by exactly this rule.
fn denied<T>(policy: &str, rule: &str, answer: kube::Result<T>) -> Result<(), Doubt> {
    let policy = format!("{policy}{}", super::SUFFIX);
    let by = format!("ValidatingAdmissionPolicy '{policy}' with binding '{policy}' denied request: ");
    let broken = || {
        Err(Doubt::Broken(format!(
            "the admission policy {policy} does not deny what it should: is its binding there, and does it say Deny?"
        )))
    };
    match answer {
        Ok(_) => broken(),
        // Whether a name is taken is looked up after admission.
        Err(kube::Error::Api(status)) if status.is_already_exists() => broken(),
        Err(kube::Error::Api(status)) => match status.message.split_once(&by) {
            Some((_, says)) if says.contains(rule) => Ok(()),
            // Somebody was faster, or has altered the request on its way: whether the policy would have denied it is not known.
            Some(_) | None => Err(Doubt::Untried(format!(
                "the admission policy {policy} could not be tried, since a wrong request was refused for another reason \
                 (webhooks and policies of others have to leave out the controller's namespace): {}",
                status.message
            ))),
        },
        Err(e) => Err(Doubt::Untried(format!("the admission policy {policy} could not be tried: {e}"))),
    }
}

/// A Stage of nobody that everybody may make.
fn stage() -> Stage {
    Stage {
        metadata: ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() },
        spec: StageSpec {
            mode: None,
            drift_detection: None,
            assembly_ref: AssemblyRef { name: NAME.to_owned() },
            cdk_stage: None,
            accounts: vec![NAME.to_owned()],
            promote_from: Vec::new(),
            checks: Vec::new(),
            gate: None,
            adoption_policy: None,
            parameters: Vec::new(),
            outputs_to: None,
            removed_stacks: None,
            deletion_policy: None,
            suspend: true,
            pin: None,
        },
        status: None,
    }
}

/// A plan of nobody, as the controller makes them.
fn plan(namespace: &str) -> Result<ChangePlan, Doubt> {
    let name = NAME;
    let uid: Uid =
        "00000000-0000-0000-0000-000000000000".parse().map_err(|e| Doubt::Untried(format!("{e}")))?;
    let id: ChangeId = NO_CHANGE.parse().map_err(|e| Doubt::Untried(format!("{e}")))?;
    Ok(plan_object(&NewPlan {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        proposal: Proposal {
            kind: ProposalKind::Stage,
            name: name.to_owned(),
            uid: uid.clone(),
            operation: Operation::Deploy,
            id,
            release: None,
            a1: None,
            replaces: None,
            risks: Vec::new(),
            compared: None,
            stacks: Vec::new(),
            unused_parameters: Vec::new(),
            bootstrap: None,
            changed: None,
        },
        ledger: Vec::new(),
        owner: ("Stage", name.to_owned(), uid),
        label: (LABEL_STAGE, name.to_owned()),
    }))
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn answer(code: u16, reason: &str, message: &str) -> Result<(), Doubt> {
        let status = Status::failure(message, reason).with_code(code);
        denied("plans", "carries the label", Err::<(), _>(kube::Error::Api(Box::new(status))))
    }

    #[test]
    fn what_is_broken_is_said_before_what_could_not_be_tried() {
        let untried = |why: &str| Err(Doubt::Untried(why.to_owned()));
        let broken = Err(Doubt::Broken("b".to_owned()));
        assert_eq!(worst([Ok(()), Ok(())]), Ok(()));
        assert_eq!(worst([Ok(()), untried("a"), untried("c")]), untried("a"));
        assert_eq!(worst([untried("a"), broken.clone(), Ok(())]), broken);
    }

    #[test]
    fn only_its_own_denial_proves_a_policy() {
        let ours = "stages.stackgate.dev \"policy-probe\" is forbidden: ValidatingAdmissionPolicy 'plans.stackgate.dev' with \
                    binding 'plans.stackgate.dev' denied request: ";
        assert_eq!(answer(403, "Forbidden", &format!("{ours}a plan carries the label")), Ok(()));
        // The name is taken: admission has let it pass.
        for let_through in
            [Ok(()), Err(kube::Error::Api(Box::new(Status::failure("", "AlreadyExists").with_code(409))))]
        {
            assert!(matches!(denied("plans", "carries the label", let_through), Err(Doubt::Broken(_))));
        }
        // None of these says that the policy is off.
        for (code, reason, message) in [
            (403, "Forbidden", format!("{ours}something else")),
            (403, "Forbidden", ours.replace("plans.", "labels.")),
            (
                400,
                "BadRequest",
                "admission webhook \"labels.example.com\" denied the request: no team".to_owned(),
            ),
            (
                403,
                "Forbidden",
                "unable to create new content in namespace x because it is being terminated".to_owned(),
            ),
            (403, "Forbidden", "exceeded quota: few, requested: count/stages.stackgate.dev=1".to_owned()),
            (403, "Forbidden", "User \"x\" cannot create resource \"stages\"".to_owned()),
            (404, "NotFound", "namespaces \"x\" not found".to_owned()),
            (422, "Invalid", "spec.accounts: Required value".to_owned()),
            (500, "InternalError", "failed calling webhook".to_owned()),
        ] {
            let found = answer(code, reason, &message);
            assert!(
                matches!(&found, Err(Doubt::Untried(why)) if why.contains(&message)),
                "{message}: {found:?}"
            );
        }
    }
}
