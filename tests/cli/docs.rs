//! Every block of shell in docs/approve.md is run, in order, by whoever it is for, at a terminal where somebody says yes; and so is
//! every command that a screen of docs/cli.md prints.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use stackgate_core::{
    api::{Action, GATE_PREFIX, Identity},
    gate::{PlanView, parse_annotation},
};
use stackgate_testbed::{User, target_dir};

use crate::{
    recorder,
    turning_back::ran,
    world::{World, id, plan_name},
};

const PAGE: &str = include_str!("../../docs/approve.md");
const SCREENS: &str = include_str!("../../docs/cli.md");
/// The plan on the screens.
const SHOWN: &str = "3f9c0a12b4de5f60718293a4b5c6d7e8f9012345";

struct Block<'a> {
    language: &'a str,
    user: User,
    text: &'a str,
}

fn blocks() -> Vec<Block<'static>> {
    let mut list = Vec::new();
    let mut rest = PAGE;
    while let Some((before, after)) = rest.split_once("```") {
        let (language, after) = after.split_once('\n').unwrap();
        let (text, after) = after.split_once("```").unwrap();
        let user = match before.trim_end().lines().last().unwrap_or_default() {
            "<!-- as: admin -->" => User::Admin,
            "<!-- as: bob -->" => User::Bob,
            "<!-- as: carol -->" => User::Carol,
            "<!-- as: robot -->" => User::Robot,
            _ => User::Alice,
        };
        list.push(Block { language, user, text });
        rest = after;
    }
    list
}

/// Runs a script at a terminal, in which somebody types yes again and again.
fn at_a_terminal(mut command: Command, script: &str) -> Result<(bool, String)> {
    let python = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let mut child = command
        .args(["-c", python, "bash", "-euo", "pipefail", "-c", script])
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting python3")?;
    let mut stdin = child.stdin.take().context("no input")?;
    stdin.write_all("y\n".repeat(20).as_bytes())?;
    let output = child.wait_with_output()?;
    drop(stdin);
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

pub async fn every_command_in_the_guide_works(w: &Arc<World>) -> Result<()> {
    for (name, digit, gate, risks) in [
        ("prod", '1', json!({ "approvals": 2 }), &["iam", "replace"][..]),
        ("canary", '2', json!({}), &["iam"]),
        ("staging", '3', json!({}), &[]),
        ("qa", '4', json!({}), &[]),
    ] {
        let stage = w.stage(name, gate).await?;
        let plan = w.plan(&stage, 1, digit, risks).await?;
        let digest = format!("sha256:{}", digit.to_string().repeat(64));
        let a1 = id(digit).replacen("c1", "a1", 1);
        let pending = json!({ "name": "1", "digest": digest, "plan": plan, "id": id(digit), "a1": a1 });
        w.stage_status(name, json!({ "state": "AwaitingApproval", "pending": pending })).await?;
    }
    // Somebody else has taken something back there before: that is not what Alice waits for.
    let staging = plan_name(&w.stages().get("staging").await?, '3');
    let before = json!({ "action": "Revoke", "by": User::Bob.name(), "identity": "Verified", "source": "ChangePlan", "slot": "bob" });
    w.append(&staging, json!({ "decided": before })).await?;
    let qa = w.stages().get("qa").await?;
    w.append(&plan_name(&qa, '4'), json!({ "closed": { "reason": "Failed", "message": "rolled back" } }))
        .await?;
    let dev = w.stage("dev", json!({})).await?;
    ran(w, &dev, 1, '5', "Succeeded").await?;
    ran(w, &dev, 2, '6', "Succeeded").await?;
    w.plan_status(&plan_name(&dev, '6'), &json!({ "state": "Succeeded" })).await?;
    let deployed = json!({ "name": "6", "digest": format!("sha256:{}", "6".repeat(64)), "plan": plan_name(&dev, '6'), "time": crate::world::now() });
    w.stage_status("dev", json!({ "state": "UpToDate", "deployed": deployed })).await?;

    let recorder = recorder::start(Arc::clone(w), Identity::Verified);
    let mut run = 0;
    for block in blocks() {
        match block.language {
            "sh" => {
                let (ok, said) = at_a_terminal(
                    w.command(block.user, target_dir().join("tools/emulator/bin/python"))?,
                    block.text,
                )?;
                ensure!(ok, "as {:?}:\n{}\n{said}", block.user, block.text);
                ensure!(!said.contains("signed, but not recorded"), "{}\n{said}", block.text);
                run += 1;
            }
            "yaml" => readable(block.text)?,
            "" => {}
            other => anyhow::bail!("what is {other:?}?"),
        }
    }
    recorder.abort();
    ensure!(run >= 20, "{run} blocks");

    // And came out as the page says. What the policies made of the robot's report is one that counts.
    let checked = PlanView::new(Arc::new(w.plans().get(&plan_name(&dev, '6')).await?)).context("no plan")?;
    let marks = checked.marks(checked.plan.metadata.annotations.as_ref());
    ensure!(marks.bad.is_empty(), "{:?}", marks.bad);
    ensure!(marks.reports.iter().any(|(_, _, r)| r.by == User::Robot.name()), "{:?}", marks.reports);
    let closed = |text: &str, what: &str| ensure_has(text, what);
    let shown = |name: &str| w.run(User::Alice, &["plan", name])?.fine();
    closed(&shown("prod")?, "freezes and quorum are overridden")?;
    closed(&shown("prod")?, "had       2 of 1: alice, bob")?;
    closed(&shown("canary")?, "rejected by alice (verified): not before the sale")?;
    closed(&shown("staging")?, "Rejected")?;
    let staging = w.plans().get(&staging).await?;
    let revoked = |by: User| {
        staging
            .spec
            .ledger
            .iter()
            .any(|e| e.decided.as_ref().is_some_and(|d| d.action == Action::Revoke && d.by == by.name()))
    };
    ensure!(revoked(User::Alice), "{:?}", staging.spec.ledger);
    let stand = staging.metadata.annotations.unwrap_or_default();
    ensure!(!stand.keys().any(|key| key.contains("/revoke")), "{stand:?}");
    closed(&shown("qa")?, "retry")?;
    let dev = w.plans().get(&plan_name(&dev, '6')).await?;
    ensure!(dev.metadata.annotations.unwrap_or_default().contains_key("gate.stackgate.dev/check.smoke"));
    Ok(())
}

/// The commands that screens print, without the ones that stand there again.
fn printed() -> Vec<&'static str> {
    let mut list = Vec::new();
    for line in SCREENS.lines().map(str::trim) {
        let line = line.strip_prefix("\"command\": \"").and_then(|l| l.strip_suffix('"')).unwrap_or(line);
        let line = line.split_once(": ").map_or(line, |(_, said)| said);
        let is_command = line.starts_with("kubectl ") && !line.contains("[OPTIONS]");
        if is_command && !list.contains(&line) {
            list.push(line);
        }
    }
    list
}

/// After the guide, whose Stage prod it needs.
pub async fn every_command_on_the_screens_can_be_typed(w: &Arc<World>) -> Result<()> {
    let prod = w.stages().get("prod").await?;
    let plan = w.plan_of(&prod, 2, SHOWN, &["replace", "maybe-replace", "iam"]).await?;
    let test = w.stage("test", json!({})).await?;
    let failed = w.plan(&test, 1, '7', &[]).await?;
    w.append(&failed, json!({ "closed": { "reason": "Failed", "message": "rolled back" } })).await?;

    let recorder = recorder::start(Arc::clone(w), Identity::Verified);
    let commands = printed();
    let signs = w.cluster.signs()?;
    for command in &commands {
        let program = w.command(User::Alice, target_dir().join("tools/emulator/bin/python"))?;
        // As the page says: before Kubernetes 1.36 people sign what kubectl alone is told.
        let typed = match command.strip_suffix('\'') {
            Some(unsigned) if !signs && unsigned.contains(" annotate plan ") => {
                format!("{unsigned};by=alice'")
            }
            _ => (*command).to_owned(),
        };
        let (ok, said) = at_a_terminal(program, &typed)?;
        ensure!(ok && !said.contains("signed, but not recorded"), "{command}\n{said}");
    }
    recorder.abort();
    ensure!(commands.len() == 5, "{commands:#?}");
    let keys: Vec<String> = w.annotations(&plan).await?.into_iter().map(|(key, _)| key).collect();
    let word = |word: &str| keys.iter().filter(|k| k.contains(word)).count();
    ensure!(word("/approve") == 3 && word("/reject") == 1, "{keys:?}");

    // What each command says of itself, the ones without a screen besides.
    for command in ["status", "plan", "approve", "history", "rollback"] {
        let help = w.shell(User::Alice, &format!("kubectl stackgate {command} -h"))?.fine()?;
        ensure_has(SCREENS, help.trim_end())?;
    }
    for command in ["reject", "revoke", "retry", "override"] {
        let help = w.shell(User::Alice, &format!("kubectl stackgate {command} -h"))?.fine()?;
        ensure_has(&help, &format!("kubectl stackgate {command} [OPTIONS]"))?;
    }
    for command in ["plan prod", "status", "history prod"] {
        let line = format!("kubectl stackgate -n shop {command} -o json");
        let read: serde_json::Value = serde_json::from_str(&w.shell(User::Alice, &line)?.fine()?)?;
        ensure!(read["apiVersion"] == "cli.stackgate.dev/v1", "{read}");
    }
    Ok(())
}

fn ensure_has(text: &str, what: &str) -> Result<()> {
    ensure!(text.contains(what), "no {what:?} in {text}");
    Ok(())
}

/// Annotations in manifests are such as the controller reads.
fn readable(text: &str) -> Result<()> {
    for line in text.lines().map(str::trim).filter(|l| l.starts_with(GATE_PREFIX)) {
        let (key, value) = line.split_once(": ").context("no value")?;
        let read = parse_annotation(key, value.trim_matches('"')).context("no annotation of ours")?;
        ensure!(read.is_ok(), "{line}: {read:?}");
    }
    Ok(())
}
