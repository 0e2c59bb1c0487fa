//! How plans end: with their Stage, or with their namespace; and by nothing else.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use stackgate_testbed::User::{Admin, Alice, Bob, Controller};

use crate::{
    call::{Call, all, plan, stage},
    objects::{self, annotate, id},
    world::World,
};

/// Before the policies: an object with an owner that never was, and a Stage that is full of annotations.
pub async fn plant(world: &World) -> Result<()> {
    let mut planted =
        objects::plan("planted", "Stage", "prod", &world.uid(stage("prod")).await?, &id('c', 'e'));
    planted["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "0d9c6c1e-0000-4000-8000-00000000dead",
    }]);
    world.make_plan(planted).await?;
    let mut stuffed = objects::stage("stuffed");
    let annotations: serde_json::Map<String, Value> =
        (0..300).map(|n| (format!("example.com/{n}"), "y".into())).collect();
    stuffed["metadata"]["annotations"] = annotations.into();
    Call::create(Admin, all("stages"), stuffed).for_good().send(world).await?;
    Ok(())
}

/// A Stage is deleted, and its plans go, also with a reject that nobody will record any more.
pub async fn plans_go_with_their_stage(world: &World) -> Result<()> {
    Call::create(Admin, all("stages"), objects::stage("short")).for_good().send(world).await?;
    let uid = world.uid(stage("short")).await?;
    let (name, whole) = ("short-plan", id('c', 'd'));
    world.make_plan(objects::plan(name, "Stage", "short", &uid, &whole)).await?;
    let reject = annotate("gate.stackgate.dev/reject", &format!("{whole};by=alice"));
    Call::merge(Alice, plan(name), reject).for_good().send(world).await?;
    Call::delete(Bob, stage("short")).for_good().send(world).await?;
    gone(world, plan(name)).await?;
    // By now the collector has come to the one with the bogus owner, too, and was denied.
    world.look(plan("planted")).await.context("a bogus owner had the record deleted")?;
    Ok(())
}

/// Deleted in the foreground, a Stage waits for its plans; deleted as an orphan's parent, it leaves them, and an administrator may
/// delete them.
pub async fn plans_follow_every_way_of_deletion(world: &World) -> Result<()> {
    for (name, propagation, digit) in [("front", "Foreground", '8'), ("parent", "Orphan", '9')] {
        Call::create(Admin, all("stages"), objects::stage(name)).for_good().send(world).await?;
        let uid = world.uid(stage(name)).await?;
        let mut made = objects::plan(name, "Stage", name, &uid, &id('c', digit));
        made["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] = true.into();
        world.make_plan(made).await?;
        Call::delete_by(Bob, stage(name), propagation).for_good().send(world).await?;
        gone(world, stage(name)).await?;
    }
    gone(world, plan("front")).await?;
    let left = world.look(plan("parent")).await?;
    ensure!(left["metadata"].get("ownerReferences").is_none(), "{left:#}");
    // Nobody writes it any more; whoever runs the cluster may tidy.
    Call::delete(Admin, plan("parent")).for_good().send(world).await?;
    gone(world, plan("parent")).await
}

/// A plan of which the controller says that it has not written what it proposes may be deleted, until it has run; one in which it doubts a
/// decision may not.
pub async fn a_plan_that_is_not_as_it_was_written_may_go(world: &World) -> Result<()> {
    let uid = world.uid(stage("prod")).await?;
    let (name, says) = ("prod-replaced", "change plans are the record");
    let mut made = objects::plan(name, "Stage", "prod", &uid, &id('c', '6'));
    made["spec"]["ledger"] = json!([objects::opened(0), objects::decided(1, "Approve", "", "alice", None)]);
    world.make_plan(made).await?;
    for (unproven, state, goes) in [
        (json!([1]), "AwaitingApproval", false),
        (json!([0, 1]), "Succeeded", false),
        (json!([0, 1]), "AwaitingApproval", true),
    ] {
        let status = json!({ "status": { "unproven": unproven, "state": state } });
        Call::merge(Controller, format!("{}/status", plan(name)), status).for_good().send(world).await?;
        match Call::delete(Admin, plan(name)).for_good().send(world).await {
            Ok(_) => ensure!(goes, "it was deleted as {state} with {unproven}"),
            Err(error) => ensure!(!goes && error.to_string().contains(says), "{error}"),
        }
    }
    gone(world, plan(name)).await
}

/// A namespace is deleted and finishes, whatever its plans carry.
pub async fn a_namespace_ends(world: &World) -> Result<()> {
    world.admin().run(&["create", "namespace", "old"])?;
    let base = "/apis/stackgate.dev/v1alpha1/namespaces/old".to_owned();
    let mut made = objects::stage("last");
    made["metadata"]["namespace"] = "old".into();
    Call::create(Admin, format!("{base}/stages"), made).for_good().send(world).await?;
    let uid = world.uid(format!("{base}/stages/last")).await?;
    let (path, whole) = (format!("{base}/changeplans"), id('c', 'c'));
    let made = objects::plan("last-plan", "Stage", "last", &uid, &whole);
    Call::create(stackgate_testbed::User::Controller, path.clone(), made).for_good().send(world).await?;
    let reject = annotate("gate.stackgate.dev/reject", &format!("{whole};by=admin"));
    Call::merge(Admin, format!("{path}/last-plan"), reject).for_good().send(world).await?;
    world.admin().run(&["delete", "namespace", "old", "--wait=false"])?;
    gone(world, "/api/v1/namespaces/old".to_owned()).await
}

async fn gone(world: &World, path: String) -> Result<()> {
    world
        .until(&format!("{path} goes"), async || match world.look(path.clone()).await {
            Ok(object) => bail!("still there: {object:#}"),
            Err(error) => {
                ensure!(error.to_string().contains("not found"), "{error}");
                Ok(())
            }
        })
        .await
}

/// The API server's own check of the types in our policies finds nothing.
pub async fn the_types_are_right(world: &World) -> Result<()> {
    let path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies".to_owned();
    world
        .until("all policies are checked", async || {
            let policies = world.look(path.clone()).await?;
            let all = policies["items"].as_array().context("no policies")?;
            ensure!(all.len() == 6, "{} policies", all.len());
            for policy in all {
                let name = &policy["metadata"]["name"];
                ensure!(
                    policy["status"]["observedGeneration"] == policy["metadata"]["generation"],
                    "{name} is not checked yet"
                );
                let warnings = &policy["status"]["typeChecking"]["expressionWarnings"];
                ensure!(warnings.is_null(), "{name}: {warnings:#}");
            }
            Ok(())
        })
        .await
}
