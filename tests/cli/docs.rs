//! Every block of shell in docs/approve.md and docs/drift.md is run, in order, by whoever it is for, at a terminal where somebody says yes;
//! and so is every command that a screen of docs/cli.md prints, that stands between its screens or between the blocks of docs/approve.md and
//! docs/flux.md, or that the README has people type.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use kube::runtime::wait::await_condition;
use serde_json::json;
use stackgate_core::{
    api::{Action, ChangePlan, GATE_PREFIX, Identity, Stage},
    gate::{PlanView, parse_annotation},
};
use stackgate_testbed::{User, target_dir};
use tokio::time::timeout;

use crate::{
    recorder,
    turning_back::ran,
    world::{World, id, plan_name},
};

const GUIDE: &str = include_str!("../../docs/approve.md");
const DRIFT: &str = include_str!("../../docs/drift.md");
const FLUX: &str = include_str!("../../docs/flux.md");
const README: &str = include_str!("../../README.md");
const SCREENS: &str = include_str!("../../docs/cli.md");
/// The plan on the screens.
const SHOWN: &str = "3f9c0a12b4de5f60718293a4b5c6d7e8f9012345";
/// What somebody has done to prod by hand.
const DRIFTED: &str = "resources are not as their templates say: Store: Queue MODIFIED";
/// What `kubectl describe plan` may show: a few KiB are what an approver reads at one look.
const ONE_LOOK: usize = 8 * 1024;

struct Block<'a> {
    language: &'a str,
    user: User,
    text: &'a str,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut list = Vec::new();
    let mut rest = page;
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

/// The commands that stand in the text between the blocks. `kubectl stackgate approve` alone is the name of one, and `…` nobody types.
fn inline(page: &str) -> Vec<&str> {
    let between = page.split("```").step_by(2);
    let quoted = between.flat_map(|text| text.split('`').skip(1).step_by(2));
    let is_typed = |text: &&str| !text.contains('…') && text.split_whitespace().count() > 3;
    quoted.filter(|text| text.starts_with("kubectl ")).filter(is_typed).collect()
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
    let drifted = json!({ "type": "Drifted", "status": "True", "reason": "ResourcesDrifted", "message": DRIFTED, "lastTransitionTime": crate::world::now() });
    w.stage_status("prod", json!({ "conditions": [drifted] })).await?;
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
    for block in [GUIDE, DRIFT].into_iter().flat_map(blocks) {
        match block.language {
            "sh" => {
                let (ok, said) = at_a_terminal(
                    w.command(block.user, target_dir().join("tools/emulator/bin/python"))?,
                    block.text,
                )?;
                ensure!(ok, "as {:?}:\n{}\n{said}", block.user, block.text);
                ensure!(!said.contains("signed, but not recorded"), "{}\n{said}", block.text);
                let has = |command: &str| block.text.contains(command);
                ensure!(!has(" describe plan ") || said.len() <= ONE_LOOK, "{} bytes:\n{said}", said.len());
                ensure!(!has("\"Drifted\"") || said.contains(DRIFTED), "{said}");
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
    what_stands_elsewhere_works(w, &prod).await
}

/// What the README has people type, on the plan that it shows; what stands between the screens, and between the blocks of the guide,
/// which takes that back; and what the page on Flux has people type, on a plan of its own.
async fn what_stands_elsewhere_works(w: &Arc<World>, prod: &Stage) -> Result<()> {
    let sign = blocks(README).into_iter().find(|b| b.text.starts_with("kubectl -n shop annotate plan "));
    let sign = sign.context("the README approves nothing")?.text.trim_end();
    let (_, digits) = sign.rsplit_once("=c1-").context("no id")?;
    let plan = w.plan_of(prod, 3, digits, &[]).await?;
    ensure_has(sign, &format!(" {plan} "))?;
    headers_are_as_shown(w, &plan)?;

    let typed = |user: User, line: &str| -> Result<()> {
        let mut program = w.command(user, target_dir().join("tools/emulator/bin/python"))?;
        // Nobody is signed in to AWS here, and no machine is asked who that might be.
        program.env("AWS_EC2_METADATA_DISABLED", "true");
        let (ok, said) = at_a_terminal(program, line)?;
        ensure!(ok && !said.contains("signed, but not recorded"), "as {user:?}:\n{line}\n{said}");
        Ok(())
    };
    // As the pages say: before Kubernetes 1.36 people sign what kubectl alone is told.
    let by = if w.cluster.signs()? { "" } else { "';by=alice'" };
    let recorder = recorder::start(Arc::clone(w), Identity::Verified);
    let commands = inline(README);
    ensure!(commands.len() == 3, "{commands:#?}");
    for command in commands {
        // What lies in no namespace is not for everybody to see.
        let user = if command.ends_with(" -A") { User::Admin } else { User::Alice };
        typed(user, command)?;
    }
    typed(User::Alice, &format!("{sign}{by}"))?;

    let commands = inline(SCREENS);
    ensure!(commands.len() == 1, "{commands:#?}");
    for command in commands {
        typed(User::Alice, command)?;
    }

    let commands = inline(GUIDE);
    let [values, revoke, annotate, away] = commands.as_slice() else { anyhow::bail!("{commands:#?}") };
    let named = |line: &str| line.replace("<plan>", &plan).replace("<its id>", &format!("c1-{digits}"));
    typed(User::Alice, values)?;
    typed(User::Alice, revoke)?;
    typed(User::Alice, &format!("{}{by}", named(annotate)))?;
    is_taken_back(w, &plan).await?;
    typed(User::Alice, &named(away))?;

    let newest = w.plan_of(prod, 4, &"a".repeat(40), &[]).await?;
    let commands = inline(FLUX);
    let [approve] = commands.as_slice() else { anyhow::bail!("{commands:#?}") };
    typed(User::Alice, approve)?;
    recorder.abort();
    let signed = w.annotations(&newest).await?;
    ensure!(signed.iter().any(|(key, _)| key.contains("/approve")), "{newest} is not approved: {signed:?}");
    let keys: Vec<String> = w.annotations(&plan).await?.into_iter().map(|(key, _)| key).collect();
    let stands = |key: &str| keys.iter().any(|k| k == key);
    ensure!(stands("gate.stackgate.dev/approve") && !stands("gate.stackgate.dev/revoke"), "{keys:?}");
    Ok(())
}

/// The README's lists have the columns that there are.
fn headers_are_as_shown(w: &World, plan: &str) -> Result<()> {
    let mut run = 0;
    for screen in blocks(README).iter().filter(|block| block.language.is_empty()) {
        let lines: Vec<&str> = screen.text.lines().collect();
        for pair in lines.windows(2) {
            let Some(command) = pair[0].strip_prefix("$ ") else { continue };
            let list = w.shell(User::Alice, command)?.fine()?;
            let header = list.lines().next().unwrap_or_default();
            ensure!(header.split_whitespace().eq(pair[1].split_whitespace()), "{command}\n{list}");
            ensure!(!command.contains(" plan ") || list.contains(plan), "{list}");
            run += 1;
        }
    }
    ensure!(run == 2, "{run} lists");
    Ok(())
}

/// Waits until the revoke that stands in no slot is in the ledger: nothing else tells when it may go.
async fn is_taken_back(w: &World, plan: &str) -> Result<()> {
    let recorded = |there: Option<&ChangePlan>| {
        let ledger = there.into_iter().flat_map(|plan| &plan.spec.ledger);
        let mut decided = ledger.filter_map(|entry| entry.decided.as_ref());
        decided.any(|d| d.action == Action::Revoke && d.slot.is_empty())
    };
    let wait = timeout(Duration::from_secs(30), await_condition(w.plans(), plan, recorded)).await;
    wait.with_context(|| format!("a revoke on {plan} is not recorded"))??;
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
