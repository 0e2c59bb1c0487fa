//! The ids: what goes into each, and nothing else.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Canonical, warning::warnings_of};
use crate::{
    bundle::ResourceDifference,
    stack::{Change, ChangeSetRow, SetContent, ValueSource},
    words::{
        BootstrapChangeId, ChangeSetArn, ChangeSetName, Digest, Env, ReleaseId, StackId, StackKey,
        StageChangeId, Uid,
    },
};

/// The deployed stack that a change builds on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Baseline {
    /// There is none.
    None,
    /// This one, last updated then.
    Stack(StackId, Timestamp),
}

pub(super) fn stack_key(c: Canonical, key: &StackKey) -> Canonical {
    c.text("account", key.env.account.as_str())
        .text("region", key.env.region.as_str())
        .text("stackName", key.name.as_str())
}

fn baseline(c: Canonical, b: &Baseline) -> Canonical {
    match b {
        Baseline::None => c.text("baseline", "none"),
        Baseline::Stack(id, t) => c.text("baseline", id.as_str()).text("updated", &t.to_string()),
    }
}

/// a1: the release for one Stage.
#[must_use]
pub fn release_id(stage: &Uid, inputs: &BTreeMap<StackKey, Digest>) -> ReleaseId {
    let c = Canonical::new("stackgate a1 v1").text("stage", stage.as_str()).list(
        "stacks",
        inputs.iter(),
        |c, (k, d)| stack_key(c, k).bytes("input", d.bytes()),
    );
    ReleaseId::from_digest(&c.digest())
}

/// The version of leaves. Another way to make them needs another one: the ids of old plans must not change their meaning.
const LEAF: &str = "stackgate leaf v2";

/// The leaf of a stack whose change set is there: input, baseline, and all that the change set would do, in a canonical
/// order. Name, ARN and time of the change set are not part of it, nor is anything else that differs when the same is
/// made again.
#[must_use]
pub fn leaf(
    key: &StackKey,
    input: &Digest,
    on: &Baseline,
    set: &ChangeSetRow,
    content: &SetContent,
) -> Digest {
    let ChangeSetRow {
        arn: _,
        name: _,
        stack_id: _,
        created: _,
        status: _,
        execution: _,
        empty: _,
        description: _,
        // What they say is among the warnings.
        reason: _,
        nested: _,
        changes,
        parameters,
    } = set;
    let SetContent { processed, changes: inside, parameters: passed, warnings: _, deployed: _ } = content;
    let digests = |c: Canonical, (k, d): (&String, &Digest)| c.text("key", k).bytes("digest", d.bytes());
    let c = stack_key(Canonical::new(LEAF), key).bytes("input", input.bytes());
    let c = baseline(c, on)
        .text("plan", "change set")
        .list("processed", processed.iter(), digests)
        .list("parameters", parameters.iter(), digests)
        .list("nestedParameters", passed.iter(), digests)
        .list("warnings", warnings_of(set, content).into_iter(), |c, w| c.text("warning", &w));
    change_list(change_list(c, "changes", changes), "nestedChanges", inside).digest()
}

fn change_list(c: Canonical, name: &str, changes: &[Change]) -> Canonical {
    // The metadata resource of the CDK says which library made the template; it is no change of the application.
    let mut sorted: Vec<&Change> =
        changes.iter().filter(|c| c.resource_type != "AWS::CDK::Metadata").collect();
    sorted.sort();
    c.list(name, sorted.into_iter(), one_change)
}

pub(super) fn one_change(c: Canonical, change: &Change) -> Canonical {
    let Change { logical_id, resource_type, action, replacement, policy_action, scope, details, values } =
        change;
    c.text("logicalID", logical_id)
        .text("type", resource_type)
        .text("action", action)
        .text("replacement", replacement)
        .text("policyAction", policy_action)
        .list("scope", scope.iter(), |c, s| c.text("scope", s))
        .list("details", details.iter(), |c, d| {
            let ValueSource {
                attribute,
                name,
                requires_recreation,
                evaluation,
                change_source,
                causing_entity,
            } = d;
            c.text("attribute", attribute)
                .text("name", name)
                .text("requiresRecreation", requires_recreation)
                .text("evaluation", evaluation)
                .text("changeSource", change_source)
                .text("causingEntity", causing_entity)
        })
        .maybe("values", values.as_ref().map(Digest::hex).as_deref())
}

/// The leaf of a stack in which nothing differs: input and baseline.
#[must_use]
pub fn unchanged_leaf(key: &StackKey, input: &Digest, on: &Baseline) -> Digest {
    let c = stack_key(Canonical::new(LEAF), key).bytes("input", input.bytes());
    baseline(c, on).text("plan", "unchanged").digest()
}

/// The leaf of a stack whose change set cannot be made yet: input, baseline and the template difference.
#[must_use]
pub fn deferred_leaf(
    key: &StackKey,
    input: &Digest,
    on: &Baseline,
    difference: &[ResourceDifference],
) -> Digest {
    let mut sorted: Vec<&ResourceDifference> = difference.iter().collect();
    sorted.sort();
    let c = stack_key(Canonical::new(LEAF), key).bytes("input", input.bytes());
    baseline(c, on)
        .text("plan", "deferred")
        .list("difference", sorted.into_iter(), |c, d| {
            let ResourceDifference { logical_id, resource_type, kind } = d;
            c.text("logicalID", logical_id).text("type", resource_type).text("action", kind.as_str())
        })
        .digest()
}

/// The leaf of a stack that is deleted as it is, with all that its template holds.
#[must_use]
pub fn removed_leaf(key: &StackKey, on: &Baseline, difference: &[ResourceDifference]) -> Digest {
    let nothing = Digest::of([]);
    Canonical::new("stackgate removed v1")
        .bytes("leaf", deferred_leaf(key, &nothing, on, difference).bytes())
        .digest()
}

/// The leaf of a stack that is taken over, as it enters c1: who approves the same change of a stack of ours has not approved that.
#[must_use]
pub fn taken_over(leaf: &Digest) -> Digest {
    Canonical::new("stackgate taken over v1").bytes("leaf", leaf.bytes()).digest()
}

/// The leaf of a stack with what else a plan tells of it, as it enters c1: who approves has read that, too.
#[must_use]
pub fn noted<'a>(leaf: &Digest, notes: impl ExactSizeIterator<Item = &'a str>) -> Digest {
    if notes.len() == 0 {
        return *leaf;
    }
    Canonical::new("stackgate noted v1")
        .bytes("leaf", leaf.bytes())
        .list("notes", notes, |c, note| c.text("note", note))
        .digest()
}

/// c1: one change of a Stage, as the root over the leaves of all its stacks.
#[must_use]
pub fn c1(stage: &Uid, a1: &ReleaseId, leaves: &BTreeMap<StackKey, Digest>) -> StageChangeId {
    let c = Canonical::new("stackgate c1 v1").text("stage", stage.as_str()).text("a1", a1.as_str()).list(
        "stacks",
        leaves.iter(),
        |c, (k, d)| stack_key(c, k).bytes("leaf", d.bytes()),
    );
    StageChangeId::from_digest(&c.digest())
}

/// The same change, once more: where the plan of this id has no room to be opened again.
#[must_use]
pub fn c1_once_more(c1: &StageChangeId) -> StageChangeId {
    StageChangeId::from_digest(&Canonical::new("stackgate c1 once more v1").text("c1", c1.as_str()).digest())
}

/// b1: one change of a Bootstrap. Environments are a part of it where their stacks are changed, and where one that somebody has deleted
/// is made anew; those where one is made for the first time enter by claims.
#[must_use]
pub fn b1<'a>(
    bootstrap: &Uid,
    executed_last: Option<&BootstrapChangeId>,
    stack_name: &str,
    template: &Digest,
    parameters: &BTreeMap<String, String>,
    changed: impl ExactSizeIterator<Item = &'a Env>,
    made_anew: impl ExactSizeIterator<Item = &'a Env>,
) -> BootstrapChangeId {
    let env =
        |c: Canonical, env: &Env| c.text("account", env.account.as_str()).text("region", env.region.as_str());
    let c = Canonical::new("stackgate b1 v3")
        .text("bootstrap", bootstrap.as_str())
        .maybe("executedLast", executed_last.map(BootstrapChangeId::as_str))
        .text("stackName", stack_name)
        .bytes("template", template.bytes())
        .list("parameters", parameters.iter(), |c, (k, v)| c.text("name", k).text("value", v))
        .list("changed", changed, env)
        .list("madeAnew", made_anew, env);
    BootstrapChangeId::from_digest(&c.digest())
}

/// The name of our change set: the same for the same owner, input and baseline, so a lost reply makes no second one.
#[must_use]
pub fn change_set_name(owner: &Uid, input: &Digest, on: &Baseline) -> ChangeSetName {
    let c =
        Canonical::new("stackgate change set v1").text("owner", owner.as_str()).bytes("input", input.bytes());
    ChangeSetName::ours(&baseline(c, on).digest())
}

/// The idempotency token of the creating call.
#[must_use]
pub fn create_token(name: &ChangeSetName) -> String {
    format!("create-{}", Digest::of(name.as_str()).short(40))
}

/// The idempotency token of the executing call; the same ARN always has the same.
#[must_use]
pub fn execute_token(arn: &ChangeSetArn) -> String {
    format!("execute-{}", Digest::of(arn.as_str()).short(40))
}
