//! Decisions: what is signed, and what is refused.

use anyhow::{Context as _, Result, ensure};
use clap::Parser as _;
use serde_json::{Value, json};
use stackgate::cli::{Cli, Command, Fail, Person};
use stackgate_testbed::User;
use tokio::{runtime::Handle, task::block_in_place};

use crate::world::{SHOP, World, id};

/// Says yes to everything, and does something when it is asked.
struct Busy<F: FnMut(&str)> {
    asked: Vec<String>,
    meanwhile: F,
}

impl<F: FnMut(&str)> Person for Busy<F> {
    fn is_there(&self) -> bool {
        true
    }
    fn ask(&mut self, question: &str) -> std::io::Result<String> {
        self.asked.push(question.to_owned());
        (self.meanwhile)(question);
        Ok("y".to_owned())
    }
}

/// Runs a command in this process, with somebody at the terminal; returns the questions.
pub async fn at_a_terminal(
    w: &World,
    user: User,
    args: &[&str],
    meanwhile: impl FnMut(&str),
) -> (Result<(), Fail>, Vec<String>) {
    let kubeconfig = w.cluster.kubeconfig(user);
    let mut line = vec!["stackgate"];
    line.extend(args);
    let path = kubeconfig.to_string_lossy();
    line.extend(["-n", SHOP, "--kubeconfig", &path, "--wait", "0s"]);
    let Command::People(command) = Cli::parse_from(line).command else { return (Ok(()), Vec::new()) };
    let mut person = Busy { asked: Vec::new(), meanwhile };
    let result = command.perform(&mut person).await;
    (result, person.asked)
}

pub async fn an_approval_carries_name_and_acks(w: &World) -> Result<()> {
    let stage = w.stage("signs", json!({})).await?;
    let plan = w.plan(&stage, 1, '1', &["iam", "replace"]).await?;
    let args = [
        "approve",
        plan.as_str(),
        "--ack",
        "iam,replace,network",
        "--reason",
        "CHG-1234",
        "--yes",
        "--wait",
        "0s",
    ];
    let out = w.run(User::Alice, &args)?.fine()?;
    ensure!(out.contains("requireApproval") && out.contains("it says so"), "{out}");
    // A class that the plan does not carry is left out.
    let value = format!("{};by=alice;ack=replace,iam;reason=CHG-1234", id('1'));
    ensure!(w.annotations(&plan).await? == [("gate.stackgate.dev/approve.alice".to_owned(), value)]);
    let managers: Vec<_> = w.plans().get(&plan).await?.metadata.managed_fields.unwrap_or_default();
    ensure!(managers.iter().any(|m| m.manager.as_deref() == Some("stackgate")), "{managers:?}");

    // The next one does not overwrite it.
    w.run(User::Alice, &args)?.fine()?;
    ensure!(w.annotations(&plan).await?.iter().any(|(k, _)| k == "gate.stackgate.dev/approve.alice-2"));
    let taken = w.run(User::Alice, &["approve", &plan, "--ack=iam,replace", "--yes", "--slot", "alice"])?;
    taken.refused(&["slot alice is taken"])
}

/// Also before Kubernetes 1.36, where nothing signs.
pub async fn what_is_printed_for_kubectl_alone_is_taken(w: &World) -> Result<()> {
    let stage = w.stage("by-kubectl", json!({})).await?;
    let plan = w.plan(&stage, 1, '1', &["iam"]).await?;
    let read: Value = serde_json::from_str(&w.run(User::Alice, &["plan", &plan, "-o", "json"])?.fine()?)?;
    let next = read["next"].as_array().context("nothing comes next")?;
    let printed = next.iter().find(|n| n["what"] == "approve it by kubectl alone");
    let command = printed.and_then(|n| n["command"].as_str()).context("it is not printed")?;
    w.shell(User::Alice, command)?.fine()?;
    let signed = w.annotations(&plan).await?;
    let [(_, value)] = signed.as_slice() else { anyhow::bail!("{command}\n{signed:?}") };
    ensure!(
        value.starts_with(&id('1')) && value.contains(";ack=iam") && value.contains(";by=alice"),
        "{value}"
    );
    Ok(())
}

pub async fn without_a_terminal_all_is_said_on_the_command_line(w: &World) -> Result<()> {
    let stage = w.stage("unattended", json!({})).await?;
    let plan = w.plan(&stage, 1, '1', &["iam", "delete"]).await?;
    let right = format!("stackgate -n shop approve {plan} --ack delete,iam --yes");
    for args in [
        &["approve", "unattended"][..],
        &["approve", "unattended", "--ack=iam,delete", "--yes"],
        &["approve", &plan, "--yes"],
        &["approve", &plan, "--ack=network", "--yes"],
        &["approve", &plan, "--ack=iam,delete"],
    ] {
        w.run(User::Alice, args)?.refused(&["no terminal", &right])?;
    }
    ensure!(w.annotations(&plan).await?.is_empty());
    let typed = w.shell(User::Alice, &format!("kubectl {right} --wait 0s"))?;
    typed.fine()?;
    ensure!(w.annotations(&plan).await?.len() == 1);
    // Or with the id, where a script has it.
    w.run(
        User::Alice,
        &["approve", "unattended", "--ack=iam,delete", "--yes", "--wait=0s", "--id", &id('1')],
    )?
    .fine()?;
    let usage = w.run(User::Alice, &["approve", &plan, "--ack", "everything"])?;
    ensure!(usage.code == 2, "{usage:?}");
    Ok(())
}

pub async fn another_id_is_refused(w: &World) -> Result<()> {
    let stage = w.stage("another", json!({})).await?;
    let plan = w.plan(&stage, 1, '1', &[]).await?;
    let said = w.run(User::Alice, &["approve", "another", "--yes", "--id", &id('2')])?;
    said.refused(&[&id('1'), &id('2'), "nothing was signed"])?;
    ensure!(w.annotations(&plan).await?.is_empty());
    w.run(User::Alice, &["approve", "nowhere", "--yes"])?
        .refused(&["there is no Stage or plan nowhere in namespace shop"])
}

pub async fn each_risk_is_asked_for(w: &World) -> Result<()> {
    let stage = w.stage("asked", json!({})).await?;
    let plan = w.plan(&stage, 1, '1', &["iam", "delete"]).await?;
    let (done, asked) = at_a_terminal(w, User::Alice, &["approve", "asked", "--ack", "iam"], |_| {}).await;
    done?;
    ensure!(
        asked.len() == 2
            && asked[0].contains("Store R: it says so")
            && asked[0].ends_with("Acknowledge delete? [y/N] ")
    );
    ensure!(asked[1].contains(&id('1')) && asked[1].contains("as alice"), "{asked:?}");
    ensure!(w.annotations(&plan).await?[0].1.contains(";ack=delete,iam"));
    Ok(())
}

pub async fn what_has_changed_since_it_was_shown_is_not_signed(w: &World) -> Result<()> {
    let stage = w.stage("moves", json!({})).await?;
    let plan = w.plan(&stage, 1, '1', &[]).await?;
    // Somebody rejects while the approver thinks.
    let kubectl = w.cluster.kubectl(User::Admin);
    let reject = format!("gate.stackgate.dev/reject.admin={};by=admin", id('1'));
    let (done, _) = at_a_terminal(w, User::Alice, &["approve", "moves"], |_| {
        kubectl.run(&["-n", SHOP, "annotate", "plan", &plan, &reject]).unwrap();
    })
    .await;
    let fail = done.err().map(|f| f.to_string()).unwrap_or_default();
    ensure!(fail.contains("changed since you were shown it"), "{fail}");
    ensure!(w.annotations(&plan).await?.iter().all(|(k, _)| !k.contains("approve")));
    // What nobody was shown does not matter: the controller writes its status.
    let calm = w.stage("calm", json!({})).await?;
    let plan = w.plan(&calm, 1, '3', &[]).await?;
    let seen = json!({ "state": "AwaitingApproval" });
    let (done, _) = at_a_terminal(w, User::Alice, &["approve", "calm"], |_| {
        let written = w.plan_status(&plan, &seen);
        block_in_place(|| Handle::current().block_on(written)).unwrap();
    })
    .await;
    done?;
    ensure!(w.annotations(&plan).await?.len() == 1);
    Ok(())
}

pub async fn a_superseded_plan_is_not_signed(w: &World) -> Result<()> {
    let stage = w.stage("superseded", json!({})).await?;
    let old = w.plan(&stage, 1, '1', &[]).await?;
    w.append(&old, json!({ "closed": { "reason": "Superseded", "message": "release 2 takes its place" } }))
        .await?;
    let new = w.plan(&stage, 2, '2', &[]).await?;
    let said = w.run(User::Alice, &["approve", &old, "--yes"])?;
    said.refused(&["superseded", &format!("plan {new}")])?;
    // The Stage stands for its newest.
    let json = w.run(User::Alice, &["plan", "superseded", "-o", "json"])?.fine()?;
    ensure!(serde_json::from_str::<serde_json::Value>(&json)?["id"] == id('2'));
    // Meanwhile, too.
    let (done, _) = {
        let kubectl = w.cluster.kubectl(User::Controller);
        let patch = json!([{ "op": "add", "path": "/spec/ledger/-", "value": { "seq": 1, "time": crate::world::now(),
            "closed": { "reason": "Superseded", "message": "release 3 takes its place" } } }]);
        at_a_terminal(w, User::Alice, &["approve", "superseded"], |_| {
            kubectl
                .run(&["-n", SHOP, "patch", "plan", &new, "--type=json", "-p", &patch.to_string()])
                .unwrap();
        })
        .await
    };
    ensure!(done.is_err_and(|f| f.to_string().contains("changed since")));
    ensure!(w.annotations(&new).await?.is_empty());
    Ok(())
}

pub async fn a_plan_that_can_never_run_is_not_signed(w: &World) -> Result<()> {
    let stage = w.stage("gone", json!({})).await?;
    let plan = w.plan(&stage, 1, '1', &[]).await?;
    // Made anew under that name, then gone for good.
    for is_there in [true, false] {
        w.stages().delete("gone", &Default::default()).await?;
        if is_there {
            w.stage("gone", json!({})).await?;
        }
        let shown = w.run(User::Alice, &["plan", &plan])?.fine()?;
        ensure!(
            shown.contains("can never run: its Stage is gone") && !shown.contains("approve it"),
            "{shown}"
        );
        w.run(User::Alice, &["approve", &plan, "--yes"])?.refused(&["can never run", &plan])?;
    }
    ensure!(w.annotations(&plan).await?.is_empty());
    Ok(())
}

pub async fn whoever_may_not_is_told_who_can_help(w: &World) -> Result<()> {
    let stage = w.stage("denied", json!({})).await?;
    let plan = w.plan(&stage, 1, '1', &[]).await?;
    let said = w.run(User::Bob, &["approve", &plan, "--yes"])?;
    said.refused(&["(bob) may not patch changeplans in namespace shop", "stackgate-approver"])?;
    let said = w.run(User::Bob, &["approve", &plan, "--yes", "--on-stage"])?;
    said.refused(&["may not patch stages"])?;
    // May write to plans, and has no verb of ours.
    let said = w.run(User::Carol, &["approve", &plan, "--yes"])?;
    said.refused(&["you (carol) lack the verb approve on stages/denied", "namespace shop can grant it"])?;
    // Has the one, and not the other.
    let risky = w.plan(&stage, 2, '2', &["iam"]).await?;
    let said = w.run(User::Dave, &["approve", &risky, "--ack=iam", "--yes"])?;
    said.refused(&["you (dave) lack the verb ack-iam on stages/denied"])?;
    ensure!(w.annotations(&plan).await?.is_empty() && w.annotations(&risky).await?.is_empty());
    // What is printed helps.
    let role = "kubectl -n shop create role denied-ack-iam --verb=ack-iam --resource=stages.stackgate.dev --resource-name=denied";
    ensure!(said.err.contains(role), "{}", said.err);
    w.shell(User::Admin, role)?.fine()?;
    w.shell(
        User::Admin,
        "kubectl -n shop create rolebinding denied-ack-iam --role=denied-ack-iam --user=dave",
    )?
    .fine()?;
    w.run(User::Dave, &["approve", &risky, "--ack=iam", "--yes", "--wait=0s"])?.fine()?;
    Ok(())
}

pub async fn a_difficult_name_is_signed_and_a_program_signs_nothing(w: &World) -> Result<()> {
    let stage = w.stage("names", json!({})).await?;
    let plan = w.plan(&stage, 1, '1', &[]).await?;
    w.run(User::Robot, &["approve", &plan, "--yes"])?
        .refused(&["system:serviceaccount:shop:ci is no person"])?;
    w.run(User::Erin, &["approve", &plan, "--yes", "--wait=0s"])?.fine()?;
    let value = format!("{};by=erin%3B50%25@corp", id('1'));
    ensure!(w.annotations(&plan).await? == [("gate.stackgate.dev/approve.erin-50-corp".to_owned(), value)]);
    Ok(())
}

pub async fn on_the_stage_the_slot_names_the_change(w: &World) -> Result<()> {
    let stage = w.stage("on-stage", json!({})).await?;
    let plan = w.plan(&stage, 1, '1', &["iam"]).await?;
    w.run(User::Alice, &["approve", &plan, "--ack=iam", "--yes", "--on-stage", "--wait=0s"])?.fine()?;
    let there = w.stages().get("on-stage").await?.metadata.annotations.unwrap_or_default();
    ensure!(
        there.get("gate.stackgate.dev/approve.11111111-alice")
            == Some(&format!("{};by=alice;ack=iam", id('1')))
    );
    Ok(())
}

pub async fn stops_need_no_second_look(w: &World) -> Result<()> {
    let stage = w.stage("stops", json!({})).await?;
    let plan = w.plan(&stage, 1, '1', &["iam"]).await?;
    w.run(User::Alice, &["revoke", "stops", "--yes"])?.refused(&["no approval of yours"])?;
    w.run(User::Alice, &["retry", "stops", "--yes", "--id", &id('1')])?
        .refused(&["only what has failed is tried again"])?;
    let (done, _) = at_a_terminal(w, User::Alice, &["reject", "stops", "--reason", "not now"], |_| {
        let kubectl = w.cluster.kubectl(User::Admin);
        kubectl
            .run(&[
                "-n",
                SHOP,
                "annotate",
                "plan",
                &plan,
                &format!("gate.stackgate.dev/approve.x={};by=admin", id('1')),
            ])
            .unwrap();
    })
    .await;
    done?;
    let value = format!("{};by=alice;reason=not now", id('1'));
    ensure!(w.annotations(&plan).await?.contains(&("gate.stackgate.dev/reject.alice".to_owned(), value)));
    w.append(&plan, json!({ "decided": { "action": "Reject", "by": "alice", "identity": "Verified", "source": "ChangePlan", "slot": "alice" } }))
        .await?;
    w.run(User::Alice, &["approve", &plan, "--ack=iam", "--yes"])?
        .refused(&["rejected by alice", "a reject is final"])
}
