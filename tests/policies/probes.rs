//! By what the controller itself can see that a policy is in force: for each a wrong request that its own rights allow.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kube::{
    Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Map, Value, json};
use stackgate::kube::{
    client::{Clients, from_config},
    policies::{Expected, Policies, Signing, installed},
};
use stackgate_core::gate::InForceState;
use stackgate_testbed::{Chart, User};

use crate::{
    attempts::denial,
    call::{Call, all, stage},
    objects::{self, gate, id},
    world::World,
};

/// A wrong request of the controller.
pub struct Probe {
    pub policy: &'static str,
    pub call: Call,
    pub says: &'static str,
}

const UID: &str = "0d9c6c1e-0000-4000-8000-000000000001";

/// One for each policy that denies.
pub fn probes() -> Vec<Probe> {
    let make = |change: &dyn Fn(&mut Value)| {
        let mut stage = objects::stage("probe");
        stage["metadata"]["namespace"] = "stackgate-system".into();
        change(&mut stage);
        Call::create(
            User::Controller,
            "/apis/stackgate.dev/v1alpha1/namespaces/stackgate-system/stages".to_owned(),
            stage,
        )
    };
    let plan = || objects::plan("probe", "Stage", "prod", UID, &id('c', '0'));
    let mut decided = plan();
    decided["metadata"]["annotations"] = json!({ gate("reject"): id('c', '0') });
    let mut hidden = plan();
    hidden["metadata"]["labels"] = json!({});
    let condition = json!({
        "type": "Ready", "status": "False", "reason": "PolicyProbe", "message": "", "lastTransitionTime": "2026-11-24T10:00:00Z",
    });
    let many: Map<String, Value> = (0..257).map(|n| (format!("probe-{n}"), "".into())).collect();
    let me = User::Controller;
    vec![
        Probe {
            policy: "decisions.stackgate.dev",
            call: make(&|s| s["metadata"]["annotations"] = json!({ gate("approve"): id('c', '0') })),
            says: "system:serviceaccount:stackgate-system:stackgate is no person: people decide, or GitOps controllers that the chart lists",
        },
        Probe {
            policy: "setgate.stackgate.dev",
            call: make(&|s| s["spec"]["pin"] = json!({ "digest": "000000000000" })),
            says: "system:serviceaccount:stackgate-system:stackgate lacks the verb setgate on stages/probe: ",
        },
        Probe {
            policy: "keep-stops.stackgate.dev",
            call: Call::create(me, all("changeplans"), decided),
            says: "a change plan is made without decisions",
        },
        Probe {
            policy: "plans.stackgate.dev",
            call: Call::create(me, all("changeplans"), hidden),
            says: "a change plan carries the label and the owner reference of what it is for",
        },
        Probe {
            policy: "status.stackgate.dev",
            call: Call::merge(
                me,
                format!("{}/status", stage("prod")),
                json!({ "status": { "conditions": [condition] } }),
            ),
            says: "the reason PolicyProbe is for trying this policy out",
        },
        Probe {
            policy: "room.stackgate.dev",
            call: make(&|s| s["metadata"]["annotations"] = Value::Object(many.clone())),
            says: "annotations that are no decisions may be 256 and have 49152 characters in all",
        },
    ]
}

/// Each is denied by its policy, with the very words that the controller expects.
pub async fn each_is_denied(world: &World) -> Result<()> {
    for probe in probes() {
        let said = probe.call.send(world).await.err().context("a wrong request was accepted")?.to_string();
        ensure!(
            said.contains(&format!("{}{}", denial(probe.policy), probe.says)),
            "{}: {said}",
            probe.policy
        );
    }
    Ok(())
}

/// What the chart hands to the controller.
pub fn handed_over(kubernetes: &str, values: &[&str]) -> Result<Expected> {
    let chart = Chart::new(kubernetes).only("templates/deployment.yaml");
    let text = values.iter().fold(chart, |chart, value| chart.set(value)).render()?;
    let all: Vec<Value> = serde_saphyr::from_multiple(&text)?;
    let env =
        all.iter().filter_map(|o| o.pointer("/spec/template/spec/containers/0/env")?.as_array()).flatten();
    let digests = env.filter(|e| e["name"] == "STACKGATE_POLICIES_DIGESTS").find_map(|e| e["value"].as_str());
    Ok(digests.context("no digests")?.parse()?)
}

/// The digests that the chart hands to the controller are what the controller computes of the policies that are installed.
pub async fn the_digests_are_those_of_the_chart(
    world: &World,
    kubernetes: &str,
    values: &[&str],
) -> Result<()> {
    let expected = handed_over(kubernetes, values)?;
    let installed = installed(world.client(User::Controller), expected.signing()).await?;
    let number = match expected.signing() {
        Signing::LeftOut => 12,
        Signing::Installed => 14,
    };
    ensure!(installed.contents.len() == number, "{:?}", installed.contents);
    let differs = expected.differs(&installed);
    ensure!(differs.is_none(), "{differs:?}");
    Ok(())
}

/// The connections of the controller, with its own rights.
pub async fn controller(world: &World) -> Result<Clients> {
    let kubeconfig = Kubeconfig::read_from(world.cluster.kubeconfig(User::Controller))?;
    Ok(from_config(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)?)
}

/// The controller, as it looks after them.
pub async fn policies(world: &World, kubernetes: &str, values: &[&str]) -> Result<Policies> {
    // Without an AwsAccount not all can be tried.
    let account = json!({
        "apiVersion": "stackgate.dev/v1alpha1", "kind": "AwsAccount", "metadata": { "name": "shop-prod" },
        "spec": { "accountID": "222222222222", "regions": ["eu-central-1"] },
    });
    world.apply(&account.to_string())?;
    let expected = handed_over(kubernetes, values)?;
    Ok(Policies::new(&controller(world).await?, "stackgate-system", Some(expected)))
}

/// The controller itself, with its own rights, finds them in force; and sees at once when one is no longer bound.
pub async fn the_controller_sees_how_they_stand(
    world: &World,
    kubernetes: &str,
    values: &[&str],
) -> Result<()> {
    let policies = policies(world, kubernetes, values).await?;
    stand_in_the_way(world).await?;
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let watching = tokio::spawn(async move {
        policies.look_after(move |found| drop(tell.send((found.state, found.message)))).await;
    });
    let mut until = async |wanted: InForceState, says: &str| -> Result<()> {
        let mut last = None;
        let found = tokio::time::timeout(Duration::from_secs(60), async {
            while let Some((state, message)) = told.recv().await {
                let is_it = state == wanted && message.contains(says);
                last = Some(message);
                if is_it {
                    return true;
                }
            }
            false
        });
        ensure!(found.await == Ok(true), "not {wanted:?}; the controller says last: {last:?}");
        Ok(())
    };
    until(InForceState::InForce, "").await?;
    world.admin().run(&["delete", "validatingadmissionpolicybinding", "keep-stops.stackgate.dev"])?;
    until(
        InForceState::NotInForce,
        "installs: ValidatingAdmissionPolicyBinding/keep-stops.stackgate.dev is missing. What to do: helm upgrade",
    ).await?;
    crowd(world).await?;
    world.install_policies(kubernetes, values).await?;
    // Nobody shuts a gate by many annotations.
    until(InForceState::InForce, "But 70").await?;
    world.admin().run(&["delete", "namespace", "aaa", "--wait=false"])?;
    watching.abort();
    Ok(())
}

/// While nothing checks decisions: more of them than can be kept.
async fn crowd(world: &World) -> Result<()> {
    world.admin().run(&["delete", "validatingadmissionpolicybinding", "decisions.stackgate.dev"])?;
    for number in 0..10 {
        let mut stage = objects::stage(&format!("crowd-{number}"));
        stage["metadata"]["namespace"] = "aaa".into();
        let many: Map<String, Value> =
            (0..7_000).map(|n| (gate(&format!("approve.{n}")), "by=x".into())).collect();
        stage["metadata"]["annotations"] = Value::Object(many);
        let path = "/apis/stackgate.dev/v1alpha1/namespaces/aaa/stages".to_owned();
        let call = Call::create(User::Admin, path, stage).for_good();
        world.until("nothing checks decisions", async || call.send(world).await).await?;
    }
    Ok(())
}

/// Stages by which somebody who edits one namespace, the first one, would have every wrong request of the controller change nothing; and
/// one of the name that the controller tries.
async fn stand_in_the_way(world: &World) -> Result<()> {
    world.admin().run(&["create", "namespace", "aaa"])?;
    let make = async |who: User, namespace: &str, name: &str| {
        let mut stage = objects::stage(name);
        stage["metadata"]["namespace"] = namespace.into();
        stage["spec"]["cdkStage"] = "stackgate/policy/probe".into();
        let path = format!("/apis/stackgate.dev/v1alpha1/namespaces/{namespace}/stages");
        Call::create(who, path, stage).for_good().send(world).await
    };
    make(User::Bob, "aaa", "aaa").await?;
    make(User::Admin, "stackgate-system", "policy-probe").await.map(drop)
}
