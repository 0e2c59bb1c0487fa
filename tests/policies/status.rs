//! What people read in status is what the controller says.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use stackgate_testbed::User::{self, Admin, Bob, Controller, Robot};

use crate::{
    attempts::{Attempt, attack, honest},
    call::{Call, plan, stage},
    objects::{gate, id},
    world::World,
};

const POLICY: &str = "status.stackgate.dev";
const SAYS: &str = "status is written by the controller";

pub fn attempts() -> Vec<Attempt> {
    let says = |who: User, path: String, status: Value| {
        Call::merge(who, format!("{path}/status"), json!({ "status": status }))
    };
    let bootstrap = || "/apis/stackgate.dev/v1alpha1/bootstraps/acme".to_owned();
    let state = json!({ "state": "UpToDate" });
    vec![
        honest("the controller says what a Stage is", says(Controller, stage("prod"), state.clone())),
        honest("the controller says what a plan is", says(Controller, plan("prod-waits"), state.clone())),
        attack("an editor says that a Stage is done", says(Bob, stage("prod"), state.clone()), POLICY, SAYS),
        attack(
            "an editor says that a plan is approved",
            says(Bob, plan("prod-waits"), json!({ "approvals": "1/1" })),
            POLICY,
            SAYS,
        ),
        attack(
            "an editor says something of a Bootstrap",
            says(Bob, bootstrap(), json!({ "observedGeneration": 9 })),
            POLICY,
            SAYS,
        ),
        attack("a program says it", says(Robot, stage("prod"), state.clone()), POLICY, SAYS),
        attack("an administrator says it", says(Admin, stage("prod"), state.clone()), POLICY, SAYS),
        attack(
            "by a JSON patch",
            Call::json(
                Bob,
                format!("{}/status", stage("prod")),
                json!([{ "op": "add", "path": "/status", "value": state }]),
            ),
            POLICY,
            SAYS,
        ),
    ]
}

/// A request to `status` that carries annotations, and one to the object that carries status: neither is a way in.
pub async fn nothing_is_smuggled(world: &World) -> Result<()> {
    let both = |id: &str| {
        json!({ "metadata": { "annotations": { gate("approve.smuggled"): format!("{id};by=alice"), "example.com/x": "y" } },
            "spec": { "suspend": true, "gate": { "requireApproval": "Never" } },
            "status": { "state": "Smuggled" } })
    };
    // Also of those who may write status: the API server takes nothing else from there.
    for (path, id) in [(stage("prod"), id('c', '7')), (plan("prod-waits"), id('c', '1'))] {
        let answer = Call::merge(Controller, format!("{path}/status"), both(&id)).send(world).await?;
        ensure!(answer["metadata"]["annotations"].get(gate("approve.smuggled")).is_none(), "{answer:#}");
        ensure!(answer["metadata"]["annotations"].get("example.com/x").is_none(), "{answer:#}");
        ensure!(
            answer["spec"].get("suspend").is_none() && answer["spec"].get("gate").is_none(),
            "{answer:#}"
        );
    }
    let answer = Call::merge(
        Bob,
        stage("prod"),
        json!({ "status": { "state": "Smuggled" }, "metadata": { "annotations": { "example.com/x": "y" } } }),
    );
    let answer = answer.send(world).await?;
    ensure!(answer["status"]["state"] != "Smuggled", "{answer:#}");
    Ok(())
}
