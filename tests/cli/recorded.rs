//! What is said once the controller has recorded a decision.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use serde_json::json;
use stackgate_core::api::Identity;
use stackgate_testbed::User;
use tokio::time::sleep;

use crate::{
    recorder,
    turning_back::{claimed, ran},
    world::{SHOP, World, id, plan_name},
};

pub async fn what_is_recorded_is_told(w: &Arc<World>) -> Result<()> {
    let stage = w.stage("recorded", json!({ "approvals": 2 })).await?;
    let plan = w.plan(&stage, 1, '1', &["iam"]).await?;
    // Nobody records: no failure, unless it was asked for.
    let approve = ["approve", plan.as_str(), "--ack=iam", "--yes"];
    let asked = w.run(User::Alice, &[&approve[..], &["--wait", "1s"]].concat())?;
    asked.refused(&["signed, but not recorded yet"])?;
    let recorder = recorder::start(Arc::clone(w), Identity::Verified);
    let out = w.run(User::Alice, &approve)?.fine()?;
    ensure!(out.contains("recorded, verified: AwaitingApproval: needs approval 1/2"), "{out}");
    let out = w.run(User::Alice, &["revoke", "recorded", "--yes", "--reason", "too early"])?.fine()?;
    ensure!(out.contains("needs approval 0/2"), "{out}");
    // Taken back and given again: in a slot that says something new, and without the revoke, which would take it back.
    let on_stage = w.run(User::Alice, &[&approve[..], &["--on-stage"]].concat())?;
    on_stage.refused(&["your revoke stands on the plan", "gate.stackgate.dev/revoke.alice-"])?;
    let out = w.run(User::Alice, &approve)?.fine()?;
    ensure!(out.contains("needs approval 1/2"), "{out}");
    ensure!(out.contains("taken away, so that this counts: gate.stackgate.dev/revoke.alice"), "{out}");
    let out = w.run(User::Admin, &["approve", "recorded", "--id", &id('1'), "--yes"])?.fine()?;
    ensure!(out.contains("recorded, verified: Approved"), "{out}");
    // The plan that has failed stays so: what follows is in another one.
    let stage = w.stage("again", json!({})).await?;
    ran(w, &stage, 1, '5', "RolledBack").await?;
    let failed = plan_name(&stage, '5');
    w.append(&failed, json!({ "closed": { "reason": "Failed", "message": "stack Store was rolled back" } }))
        .await?;
    // Before somebody tries it again, with what was approved of it, that can be taken back.
    w.run(User::Erin, &["revoke", &failed, "--yes"])?.refused(&["no approval of yours"])?;
    let decided = json!({ "action": "Approve", "by": "alice", "identity": "Verified", "source": "ChangePlan", "slot": "a" });
    w.append(&failed, json!({ "decided": decided })).await?;
    w.run(User::Alice, &["revoke", &failed, "--yes"])?.fine()?;
    let out = w.run(User::Alice, &["retry", &failed, "--yes"])?.fine()?;
    ensure!(out.contains("recorded, verified: it is planned again") && out.contains("status again"), "{out}");
    beforehand(w).await?;
    recorder.abort();

    // What the controller does not heed it says; no use in waiting.
    let unheard = w.stage("unheard", json!({})).await?;
    let plan = w.plan(&unheard, 1, '3', &[]).await?;
    let why = "gate.stackgate.dev/approve.alice: the ledger takes no more of these";
    let heedless = {
        let (w, plan) = (Arc::clone(w), plan.clone());
        tokio::spawn(async move {
            while w.annotations(&plan).await?.is_empty() {
                sleep(Duration::from_millis(50)).await; // until it is signed; the test waits for what comes of it
            }
            w.plan_status(&plan, &json!({ "ignored": [why] })).await
        })
    };
    let said = w.run(User::Alice, &["approve", &plan, "--yes", "--wait", "1m"])?;
    said.refused(&["signed, but the controller does not record it", why])?;
    heedless.await??;
    // What stood there before holds once there was time to look again.
    w.stage_status("unheard", json!({ "ignored": [why.replace(".alice", ".33333333-alice")] })).await?;
    let said = w.run(User::Alice, &["approve", &plan, "--yes", "--on-stage", "--wait", "1s"])?;
    said.refused(&["signed, but the controller does not record it", "approve.33333333-alice: the ledger"])?;
    let past = w.run(User::Alice, &["approve", &plan, "--yes", "--until", "2020-01-01T00:00:00Z"])?;
    ensure!(past.code == 2 && past.err.contains("is in the past"), "{past:?}");

    let recorder = recorder::start(Arc::clone(w), Identity::Unverified);
    let stage = w.stage("unproven", json!({})).await?;
    let plan = w.plan(&stage, 1, '2', &[]).await?;
    let said = w.run(User::Alice, &["approve", &plan, "--yes"])?;
    said.refused(&["does not count", "ApprovalsEnforced"])?;
    ensure!(said.out.contains("recorded, unverified"), "{said:?}");
    let out = w.run(User::Alice, &["reject", &plan, "--yes", "--reason", "no"])?.fine()?;
    ensure!(out.contains("Rejected") && !out.contains("come back"), "{out}");
    let stage = w.stage("running", json!({})).await?;
    let plan = w.plan(&stage, 1, '4', &[]).await?;
    w.append(&plan, claimed()).await?;
    let out = w.run(User::Alice, &["reject", &plan, "--yes", "--reason", "no"])?.fine()?;
    ensure!(
        out.contains("What CloudFormation has begun goes on to its end") && !out.contains("has ended"),
        "{out}"
    );
    recorder.abort();
    Ok(())
}

/// What was approved beforehand is taken back whichever plan keeps it, and once.
async fn beforehand(w: &World) -> Result<()> {
    let stage = w.stage("beforehand", json!({})).await?;
    let kept = w.plan(&stage, 1, '6', &[]).await?;
    w.append(&kept, json!({ "closed": { "reason": "Superseded", "message": "a newer one" } })).await?;
    let a1 = id('8').replacen("c1", "a1", 1);
    let decided = json!({ "action": "Approve", "by": "alice", "identity": "Verified", "source": "Stage", "slot": "s", "under": a1 });
    w.append(&kept, json!({ "decided": decided })).await?;
    w.plan(&stage, 2, '7', &[]).await?;
    w.run(User::Erin, &["revoke", "beforehand", "--yes"])?.refused(&["no approval of yours"])?;
    w.run(User::Alice, &["revoke", "beforehand", "--yes"])?.fine()?;
    w.run(User::Alice, &["revoke", "beforehand", "--yes"])?.refused(&["no approval of yours"])?;
    // It stands on the Stage alone.
    let given = format!("gate.stackgate.dev/approve.early={};by=alice", id('9').replacen("c1", "a1", 1));
    w.cluster.kubectl(User::Alice).run(&["-n", SHOP, "annotate", "cdkstage", "beforehand", &given])?;
    w.run(User::Alice, &["revoke", "beforehand", "--yes"])?.fine()?;
    Ok(())
}
