//! The ids: what goes into each, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Canonical;
use crate::{
    bundle::ResourceDifference,
    stack::Change,
    words::{
        BootstrapChangeId, ChangeSetArn, ChangeSetName, Digest, ReleaseId, RoleArn, StackId, StackKey,
        StageChangeId, Uid,
    },
};

/// Everything that goes into the change-set call of one stack, and what it draws in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StackInput {
    /// Where the stack lives.
    pub key: StackKey,
    /// The template's bytes.
    pub template: Digest,
    /// The key in the assets bucket that CloudFormation reads it from; absent where it comes with the call.
    pub template_key: Option<String>,
    /// The assets: key in the bucket, and the digest of their entries.
    pub assets: BTreeMap<String, Digest>,
    /// Parameter values.
    pub parameters: BTreeMap<String, String>,
    /// Stack tags.
    pub tags: BTreeMap<String, String>,
    /// Capabilities, as the CDK sends them.
    pub capabilities: BTreeSet<String>,
    /// The role that CloudFormation acts with; absent for toolkit stacks.
    pub role: Option<RoleArn>,
    /// SNS topics; absent leaves them alone.
    pub notification_arns: Option<Vec<String>>,
    /// Absent leaves it alone.
    pub termination_protection: Option<bool>,
}

impl StackInput {
    /// The digest of all of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let Self {
            key,
            template,
            template_key,
            assets,
            parameters,
            tags,
            capabilities,
            role,
            notification_arns,
            termination_protection,
        } = self;
        let pair = |c: Canonical, (k, v): (&String, &String)| c.text("key", k).text("value", v);
        let c = stack_key(Canonical::new("stackgate stack input v1"), key)
            .bytes("template", template.bytes())
            .maybe("templateKey", template_key.as_deref())
            .list("assets", assets.iter(), |c, (k, d)| c.text("key", k).bytes("entries", d.bytes()))
            .list("parameters", parameters.iter(), pair)
            .list("tags", tags.iter(), pair)
            .list("capabilities", capabilities.iter(), |c, v| c.text("capability", v))
            .maybe("role", role.as_ref().map(RoleArn::as_str))
            .maybe("terminationProtection", termination_protection.map(|b| if b { "true" } else { "false" }));
        match notification_arns {
            None => c.text("notificationARNs", "leave"),
            Some(l) => c.list("notificationARNs", l.iter(), |c, v| c.text("arn", v)),
        }
        .digest()
    }
}

/// The deployed stack that a change builds on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Baseline {
    /// There is none.
    None,
    /// This one, last updated then.
    Stack(StackId, Timestamp),
}

fn stack_key(c: Canonical, key: &StackKey) -> Canonical {
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

/// The leaf of a stack whose change set is there: input, baseline, and the change list in a canonical order.
#[must_use]
pub fn leaf(key: &StackKey, input: &Digest, on: &Baseline, changes: &[Change]) -> Digest {
    // The metadata resource of the CDK says which library made the template; it is no change of the application.
    let mut sorted: Vec<&Change> =
        changes.iter().filter(|c| c.resource_type != "AWS::CDK::Metadata").collect();
    sorted.sort();
    let c = stack_key(Canonical::new("stackgate leaf v1"), key).bytes("input", input.bytes());
    baseline(c, on)
        .text("plan", "change set")
        .list("changes", sorted.into_iter(), |c, ch| {
            let Change {
                logical_id,
                resource_type,
                action,
                replacement,
                policy_action,
                scope,
                details,
                values,
            } = ch;
            c.text("logicalID", logical_id)
                .text("type", resource_type)
                .text("action", action)
                .text("replacement", replacement)
                .text("policyAction", policy_action)
                .list("scope", scope.iter(), |c, s| c.text("scope", s))
                .list("details", details.iter(), |c, d| {
                    c.text("attribute", &d.attribute)
                        .text("name", &d.name)
                        .text("requiresRecreation", &d.requires_recreation)
                        .text("evaluation", &d.evaluation)
                        .text("changeSource", &d.change_source)
                        .text("causingEntity", &d.causing_entity)
                })
                .maybe("values", values.as_ref().map(Digest::hex).as_deref())
        })
        .digest()
}

/// The leaf of a stack whose change set cannot be made yet: input, baseline and the template difference.
#[must_use]
pub fn deferred_leaf(
    key: &StackKey,
    input: &Digest,
    on: &Baseline,
    difference: &[ResourceDifference],
) -> Digest {
    let c = stack_key(Canonical::new("stackgate leaf v1"), key).bytes("input", input.bytes());
    baseline(c, on)
        .text("plan", "deferred")
        .list("difference", difference.iter(), |c, d| {
            c.text("logicalID", &d.logical_id).text("type", &d.resource_type).text("action", d.kind.as_str())
        })
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

/// b1: one change of a Bootstrap. The accounts are not part of it: they enter by claims.
#[must_use]
pub fn b1(
    bootstrap: &Uid,
    executed_last: Option<&BootstrapChangeId>,
    stack_name: &str,
    template: &Digest,
    parameters: &BTreeMap<String, String>,
) -> BootstrapChangeId {
    let c = Canonical::new("stackgate b1 v1")
        .text("bootstrap", bootstrap.as_str())
        .maybe("executedLast", executed_last.map(BootstrapChangeId::as_str))
        .text("stackName", stack_name)
        .bytes("template", template.bytes())
        .list("parameters", parameters.iter(), |c, (k, v)| c.text("name", k).text("value", v));
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
