//! Decisions that are committed in git: off unless the chart says otherwise, and then `approve` on a Stage alone.

use anyhow::Result;
use serde_json::{Map, Value, json};
use stackgate_testbed::User::{self, Alice, Dave, Flux, Robot};

use crate::{
    attempts::{Attempt, attack, honest},
    call::{Call, all, plan, stage},
    objects::{self, decide, gate, id},
    world::World,
};

const POLICY: &str = "decisions.stackgate.dev";

/// The values with which the chart lists Flux.
pub const LISTED: &str = r#"policies.gitopsUsers=["system:serviceaccount:flux-system:kustomize-controller"]"#;
/// The value that turns git decisions on.
pub const ALLOWED: &str = r#"policies.gitDecisions="Allow""#;

fn on_stage(who: User, by: &str) -> Call {
    let signed = if by.is_empty() { id('a', '7') } else { format!("{};by={by}", id('a', '7')) };
    Call::apply(who, stage("prod"), decide("approve.git", &signed))
}

/// Waits until the API server has seen that git decisions are on.
pub async fn is_in_force(world: &World) -> Result<()> {
    world
        .until("git decisions are on", async || on_stage(Flux, "git:alice").send(world).await.map(drop))
        .await
}

/// While git decisions are off.
pub fn turned_off() -> Vec<Attempt> {
    let says = "decisions that are committed in git are turned off in this cluster (gitDecisions: Deny)";
    vec![
        attack("a listed GitOps controller approves", on_stage(Flux, "git:alice"), POLICY, says),
        attack("a listed GitOps controller approves as a person", on_stage(Flux, "alice"), POLICY, says),
        honest(
            "a listed GitOps controller applies",
            Call::apply(Flux, stage("prod"), objects::stage("prod")),
        ),
    ]
}

/// While they are on.
pub fn turned_on() -> Vec<Attempt> {
    let sign = "a GitOps controller signs ;by=git:<who merged>";
    let both = json!({ "metadata": { "annotations": { gate("approve.git"): format!("{};by=git:alice", id('a', '7')) } },
        "spec": { "suspend": true } });
    let mut made = objects::stage("new");
    made["metadata"]["annotations"] =
        json!({ gate("approve.git"): format!("{};by=git:alice", id('a', '7')) });
    let on_plan = |action: &str| {
        Call::merge(Flux, plan("prod-waits"), decide(action, &format!("{};by=git:alice", id('c', '1'))))
    };
    // Whoever merges may name whom they like.
    let several = |count: usize| {
        let all: Map<String, Value> = (0..count)
            .map(|n| (gate(&format!("approve.{n}")), format!("{};by=git:{n}", id('a', '7')).into()))
            .collect();
        Call::merge(Flux, stage("prod"), json!({ "metadata": { "annotations": all } }))
    };
    vec![
        honest("it approves on a Stage", on_stage(Flux, "git:alice")),
        honest("it changes the spec and approves: one merge", Call::merge(Flux, stage("prod"), both.clone())),
        honest("it makes a Stage with an approval", Call::create(Flux, all("stages"), made)),
        honest("it approves 24 releases", several(24)),
        attack(
            "it leaves no room for people",
            several(25),
            POLICY,
            "at most 24 annotations of one action by one author",
        ),
        attack("it does not sign, and nobody signs for it", on_stage(Flux, ""), POLICY, sign),
        attack("it signs as a person", on_stage(Flux, "alice"), POLICY, sign),
        attack("it signs as itself", on_stage(Flux, Flux.name()), POLICY, sign),
        attack("it says nobody", on_stage(Flux, "git:"), POLICY, sign),
        attack(
            "it approves on a plan",
            on_plan("approve"),
            POLICY,
            "a decision that is committed in git is an approve on a Stage",
        ),
        attack(
            "it rejects on a plan",
            on_plan("reject"),
            POLICY,
            "a decision that is committed in git is an approve on a Stage",
        ),
        attack(
            "it opens a freeze",
            on_plan("override"),
            POLICY,
            "a decision that is committed in git is an approve on a Stage",
        ),
        attack("a program that is not listed", on_stage(Robot, "git:alice"), POLICY, "is no person"),
        attack(
            "a person signs as git",
            on_stage(Alice, "git:alice"),
            POLICY,
            "append ;by=alice to the value",
        ),
        attack(
            "a person changes the spec and approves",
            Call::merge(Dave, stage("dev"), both),
            POLICY,
            "one request may not",
        ),
    ]
}
