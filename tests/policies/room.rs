//! Annotations of others leave room for decisions on a Stage.

use serde_json::{Map, Value, json};
use stackgate_testbed::User::{Admin, Bob};

use crate::{
    attempts::{Attempt, attack, honest},
    call::{Call, all, stage},
    objects::{self, annotate},
};

const POLICY: &str = "room.stackgate.dev";
const SAYS: &str = "annotations that are no decisions may be 256 and have 49152 characters in all";

pub fn attempts() -> Vec<Attempt> {
    let big = |count: usize| annotate("example.com/x", &"é".repeat(count));
    let many = |count: usize| {
        let all: Map<String, Value> = (0..count).map(|n| (format!("example.com/{n}"), "y".into())).collect();
        json!({ "metadata": { "annotations": all } })
    };
    let labels = |count: usize| {
        let all: Map<String, Value> = (0..count).map(|n| (format!("example.com/{n}"), "y".into())).collect();
        json!({ "metadata": { "labels": all } })
    };
    let mut made = objects::stage("new");
    made["metadata"]["annotations"] = json!({ "example.com/x": "y".repeat(200_000) });
    vec![
        honest("some annotations", Call::merge(Bob, stage("prod"), many(100))),
        honest("a large annotation", Call::merge(Bob, stage("prod"), big(40_000))),
        attack("no room for a decision", Call::merge(Bob, stage("prod"), big(60_000)), POLICY, SAYS),
        attack("by an administrator", Call::merge(Admin, stage("prod"), big(60_000)), POLICY, SAYS),
        attack("as many as possible", Call::merge(Bob, stage("prod"), many(10_000)), POLICY, SAYS),
        attack("from the beginning", Call::create(Bob, all("stages"), made), POLICY, SAYS),
        honest("some labels", Call::merge(Bob, stage("prod"), labels(60))),
        attack(
            "labels, until there is no room for the status",
            Call::merge(Bob, stage("prod"), labels(10_000)),
            POLICY,
            "a stage may have 64 labels",
        ),
        honest("whoever clears what was there before", {
            Call::merge(
                Bob,
                stage("stuffed"),
                json!({ "metadata": { "annotations": { "example.com/0": null } } }),
            )
        }),
        honest(
            "whoever touches none of it",
            Call::merge(Bob, stage("stuffed"), json!({ "metadata": { "labels": { "a": "b" } } })),
        ),
        attack(
            "more where there is too much",
            Call::merge(Bob, stage("stuffed"), annotate("example.com/x", "y")),
            POLICY,
            SAYS,
        ),
    ]
}
