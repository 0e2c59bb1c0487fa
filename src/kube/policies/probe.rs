//! Tries the policies: for each a wrong request, as a server-side dry run, that the controller's own rights allow. It has to be
//! denied by that policy, through its binding, by name: a plain 403 of RBAC would prove nothing.

use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Map, Value, json};
use stackgate_core::{
    api::{ChangePlan, GATE_PREFIX, LABEL_STAGE, Operation, Proposal, ProposalKind, Stage},
    effect::NewPlan,
    words::{ChangeId, Uid},
};

use crate::kube::writes::plan_object;

/// A c1 that no change has.
const NO_CHANGE: &str = "c1-0000000000000000000000000000000000000000";
/// A name that no CDK Stage has.
const NO_CDK_STAGE: &str = "stackgate/policy/probe";

/// Why the policies do not count as in force. Each in a sentence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Doubt {
    /// They could not be tried: that says nothing of them.
    Untried(String),
    /// One does not do what it should.
    Broken(String),
}

/// Tries each policy. A Stage is needed for it: where there is none, nobody can approve anything.
///
/// # Errors
/// When one could not be tried, or did not deny what it should.
pub(super) async fn probe(client: &Client, namespace: &str) -> Result<(), Doubt> {
    let unreadable = |e: kube::Error| {
        Doubt::Untried(format!("no Stage could be read to try the admission policies on: {e}"))
    };
    let all: Api<Stage> = Api::all(client.clone());
    let found = all.list(&ListParams::default().limit(1)).await.map_err(unreadable)?;
    let Some(stage) = found.items.first() else {
        let why = "there is no Stage yet that the admission policies could be tried on";
        return Err(Doubt::Untried(why.to_owned()));
    };
    let stages: Api<Stage> = Api::namespaced(client.clone(), &stage.namespace().unwrap_or_default());
    let name = stage.name_any();
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    let create = PostParams { dry_run: true, ..PostParams::default() };

    let annotation = |key: &str, value: &str| json!({ "metadata": { "annotations": { key: value } } });
    let decides = annotation(&format!("{GATE_PREFIX}approve.policy-probe"), NO_CHANGE);
    denied("decisions", "is no person", stages.patch(&name, &dry, &Patch::Merge(decides)).await)?;

    let weakens = json!({ "spec": { "cdkStage": NO_CDK_STAGE } });
    denied("setgate", "lacks the verb setgate", stages.patch(&name, &dry, &Patch::Merge(weakens)).await)?;

    let many: Map<String, Value> = (0..257).map(|n| (format!("policy-probe-{n}"), "".into())).collect();
    let many = json!({ "metadata": { "annotations": many } });
    denied(
        "room",
        "annotations that are no decisions",
        stages.patch(&name, &dry, &Patch::Merge(many)).await,
    )?;

    let said = json!({ "status": { "conditions": [{
        "type": "PolicyProbe", "status": "False", "reason": "PolicyProbe", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z"
    }] } });
    let answer = stages.patch_status(&name, &dry, &Patch::Merge(said)).await;
    denied("status", "the reason PolicyProbe", answer)?;

    let plans: Api<ChangePlan> = Api::namespaced(client.clone(), namespace);
    let mut rejected = plan(namespace)?;
    rejected.annotations_mut().insert(format!("{GATE_PREFIX}reject"), NO_CHANGE.to_owned());
    denied("keep-stops", "a change plan is made without decisions", plans.create(&create, &rejected).await)?;
    let mut hidden = plan(namespace)?;
    hidden.labels_mut().clear();
    denied("plans", "a change plan carries the label", plans.create(&create, &hidden).await)
}

/// The answer has to be the denial of exactly this policy, by exactly this rule.
fn denied<T>(policy: &str, rule: &str, answer: kube::Result<T>) -> Result<(), Doubt> {
    let policy = format!("{policy}{}", super::SUFFIX);
    let by = format!("ValidatingAdmissionPolicy '{policy}' with binding '{policy}' denied request: ");
    match answer {
        Ok(_) => Err(Doubt::Broken(format!(
            "the admission policy {policy} does not deny what it should: is its binding there, and does it say Deny?"
        ))),
        Err(kube::Error::Api(status))
            if status.message.split_once(&by).is_some_and(|(_, m)| m.contains(rule)) =>
        {
            Ok(())
        }
        // Refused by somebody else first, or not even that: whether the policy would have is not known.
        Err(kube::Error::Api(status)) if matches!(status.code, 400 | 403 | 422) => {
            Err(Doubt::Broken(format!(
                "the admission policy {policy} was not the one that denied a wrong request: {}",
                status.message
            )))
        }
        Err(e) => Err(Doubt::Untried(format!("the admission policy {policy} could not be tried: {e}"))),
    }
}

/// A plan of nobody, as the controller makes them.
fn plan(namespace: &str) -> Result<ChangePlan, Doubt> {
    let name = "policy-probe";
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
            bootstrap: None,
        },
        ledger: Vec::new(),
        owner: ("Stage", name.to_owned(), uid),
        label: (LABEL_STAGE, name.to_owned()),
    }))
}
