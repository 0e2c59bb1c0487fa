//! What is shown.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use stackgate_testbed::User;

use crate::world::{World, id};

pub async fn all_of_it_is_shown_with_the_rights_that_there_are(w: &World) -> Result<()> {
    let stage = w.stage("read", json!({ "approvals": 2 })).await?;
    let plan = w.plan(&stage, 1, '1', &["iam"]).await?;
    // Carol reads the accounts; Bob is told what the status says.
    let of = |user| -> Result<Value> {
        Ok(serde_json::from_str(&w.run(user, &["plan", "stage/read", "-o", "json"])?.fine()?)?)
    };
    let (carol, bob) = (of(User::Carol)?, of(User::Bob)?);
    ensure!(carol["gate"]["from"] == "Objects" && bob["gate"]["from"] == "Status", "{carol} {bob}");
    ensure!(carol["approvals"]["missing"] == "approval 0/2, ack iam", "{carol}");
    ensure!(carol["approvals"] == bob["approvals"]);
    ensure!(carol["freezes"]["known"] == true && bob["freezes"]["known"] == false);
    let source = |r: &Value| r["gate"]["fields"][3]["source"].clone();
    ensure!(source(&carol) == "default", "{}", carol["gate"]);

    let text = w.run(User::Bob, &["plan", &plan])?.fine()?;
    ensure!(!text.contains('\u{1b}') && text.contains("you may not read"), "{text}");
    let coloured = w.run(User::Bob, &["plan", &plan, "--color=always"])?.fine()?;
    ensure!(coloured.contains("\u{1b}["), "no colour");
    let markdown = w.run(User::Bob, &["plan", &format!("plan/{plan}"), "-o", "markdown"])?.fine()?;
    ensure!(markdown.starts_with("### Deploy of Stage `shop/read`"), "{markdown}");

    let pending =
        json!({ "name": "1.1", "digest": format!("sha256:{}", "1".repeat(64)), "plan": plan, "id": id('1') });
    w.stage_status(
        "read",
        json!({ "state": "AwaitingApproval", "waitingFor": "approval 0/2, ack iam", "pending": pending }),
    )
    .await?;
    let status = w.shell(User::Bob, "kubectl stackgate -n shop status read")?.fine()?;
    ensure!(status.contains("approval 0/2, ack iam"), "{status}");
    ensure!(status.contains(&format!("kubectl stackgate -n shop approve {plan}")), "{status}");
    w.run(User::Bob, &["status", "nowhere"])?.refused(&["there is no Stage nowhere"])?;
    // The flags of kubectl, before the command and after it.
    let line = "stackgate_bin=$(command -v kubectl-stackgate); $stackgate_bin --context testbed -n shop history read -o json";
    let history: Value = serde_json::from_str(&w.shell(User::Bob, line)?.fine()?)?;
    ensure!(history["items"][0]["state"] == "AwaitingApproval", "{history}");
    let wrong = w.run(User::Bob, &["plan", "read", "--context", "nowhere"])?;
    wrong.refused(&["kubeconfig cannot be used"])?;
    let acting = w.run(User::Admin, &["approve", &plan, "--ack=iam", "--yes", "--as", "bob"])?;
    acting.refused(&["(bob) may not patch", "--as bob"])?;

    let freeze = json!({ "apiVersion": "stackgate.dev/v1alpha1", "kind": "Freeze", "metadata": { "name": "inc-1" },
        "spec": { "reason": "INC-1", "namespaces": ["shop"] } });
    let kubectl = w.cluster.kubectl(User::Admin);
    kubectl.apply(&freeze.to_string())?;
    let text = w.run(User::Carol, &["plan", "read"])?.fine()?;
    ensure!(text.contains("inc-1 until it is deleted: INC-1"), "{text}");
    // Approved, and Bob may not read Freezes: what the controller says of them counts.
    for (by, acks) in [("alice", &["iam"][..]), ("erin", &[])] {
        w.append(&plan, json!({ "decided": { "action": "Approve", "by": by, "identity": "Verified", "source": "ChangePlan", "slot": by, "acks": acks } }))
            .await?;
    }
    let unknown = w.run(User::Bob, &["plan", "read"])?.fine()?;
    ensure!(unknown.contains("unless a Freeze holds it up: you may not read those"), "{unknown}");
    let pending =
        json!({ "name": "1.1", "digest": format!("sha256:{}", "1".repeat(64)), "plan": plan, "id": id('1') });
    w.stage_status("read", json!({ "state": "Frozen", "waitingFor": "freeze inc-1", "pending": pending }))
        .await?;
    let frozen = w.run(User::Bob, &["plan", "read"])?.fine()?;
    ensure!(frozen.contains("Frozen: has what it needs and waits for freeze inc-1"), "{frozen}");
    let history = w.run(User::Bob, &["history", "read"])?.fine()?;
    ensure!(history.contains("Frozen"), "{history}");
    kubectl.run(&["delete", "freeze", "inc-1"])?;
    let suspend = json!({ "spec": { "suspend": true } }).to_string();
    kubectl.run(&["-n", "shop", "patch", "cdkstage", "read", "--type=merge", "-p", &suspend])?;
    let suspended = w.run(User::Carol, &["plan", "read"])?.fine()?;
    ensure!(suspended.contains("Suspended: has what it needs and waits"), "{suspended}");
    Ok(())
}

pub async fn what_the_controller_doubts_is_doubted(w: &World) -> Result<()> {
    let stage = w.stage("doubted", json!({})).await?;
    let plan = w.plan(&stage, 1, '1', &[]).await?;
    let approved = json!({ "action": "Approve", "by": "bob", "identity": "Verified", "source": "ChangePlan", "slot": "b" });
    w.append(&plan, json!({ "decided": approved })).await?;
    let seen = || -> Result<(Value, Value)> {
        let report: Value =
            serde_json::from_str(&w.run(User::Carol, &["plan", &plan, "-o", "json"])?.fine()?)?;
        Ok((report["approvals"]["had"].clone(), report["decisions"][0]["identity"].clone()))
    };
    ensure!(seen()? == (json!(1), json!("Verified")), "{:?}", seen()?);
    w.plan_status(&plan, &json!({ "unproven": [1] })).await?;
    ensure!(seen()? == (json!(0), json!("Unverified")), "{:?}", seen()?);
    Ok(())
}
