//! Going back to an earlier release.

use anyhow::{Result, ensure};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use stackgate_core::api::Stage;
use stackgate_testbed::User;

use crate::world::World;

fn settled(outcome: &str) -> Value {
    json!({ "settled": {
        "account": "333333333333", "region": "ap-southeast-2", "stackName": "Store", "outcome": outcome, "status": "x",
        "stackID": "arn:aws:cloudformation:ap-southeast-2:333333333333:stack/Store/1", "updatedTime": "2026-11-24T10:00:00.000000Z",
    } })
}

/// An entry by which that plan's stack is being changed.
pub fn claimed() -> Value {
    json!({ "claimed": { "stacks": [{
        "account": "333333333333", "region": "ap-southeast-2", "stackName": "Store",
        "stackID": "arn:aws:cloudformation:ap-southeast-2:333333333333:stack/Store/1",
        "changeSetARN": "arn:aws:cloudformation:ap-southeast-2:333333333333:changeSet/stackgate-1/1",
        "leaf": format!("sha256:{}", "2".repeat(64)), "input": format!("sha256:{}", "1".repeat(64)),
    }] } })
}

/// A plan of that Stage, carried out.
pub async fn ran(w: &World, stage: &Stage, order: u64, digit: char, outcome: &str) -> Result<()> {
    let plan = w.plan(stage, order, digit, &[]).await?;
    w.append(&plan, claimed()).await?;
    w.append(&plan, settled(outcome)).await
}

async fn pin(w: &World, stage: &str) -> Result<Option<(String, Option<String>)>> {
    Ok(w.stages().get(stage).await?.spec.pin.map(|p| (p.digest, p.reason)))
}

fn digest(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

pub async fn a_stage_goes_back_and_follows_again(w: &World) -> Result<()> {
    let stage = w.stage("back", json!({})).await?;
    w.run(User::Carol, &["rollback", "back", "--yes"])?
        .refused(&["no release to go back to", "has deployed none yet"])?;
    ran(w, &stage, 1, '1', "Succeeded").await?;
    ran(w, &stage, 2, '2', "Succeeded").await?;
    let full = format!("rollback back --to {} --reason 'it leaks' --yes", digest('1'));
    w.run(User::Carol, &["rollback", "back", "--reason", "it leaks"])?.refused(&["no terminal", &full])?;
    let out = w.run(User::Carol, &["rollback", "back", "--yes", "--reason", "INC-7"])?.fine()?;
    ensure!(out.contains("Stage back: 1.2 → 1.1") && out.contains("stands before the gate"), "{out}");
    ensure!(pin(w, "back").await? == Some((digest('1'), Some("INC-7".to_owned()))));
    w.run(User::Carol, &["rollback", "back", "--yes"])?.fine()?;
    // To another one: the reason of before does not stay.
    w.run(User::Carol, &["rollback", "back", "--to", &"2".repeat(12), "--yes"])?.fine()?;
    ensure!(pin(w, "back").await? == Some((digest('2'), None)));
    w.run(User::Carol, &["rollback", "back", "--to", "9.9", "--yes"])?
        .refused(&["no release 9.9", "1.2 (222222222222)"])?;
    w.run(User::Carol, &["rollback", "back", "--unpin", "--yes"])?.fine()?;
    ensure!(pin(w, "back").await?.is_none());
    // What was tried last and failed is not what is gone back from twice.
    ran(w, &stage, 3, '3', "RolledBack").await?;
    let out = w.run(User::Carol, &["rollback", "back", "--yes"])?.fine()?;
    ensure!(
        out.contains("1.3 → 1.2") && pin(w, "back").await?.is_some_and(|(d, _)| d == digest('2')),
        "{out}"
    );
    w.run(User::Bob, &["rollback", "back", "--unpin", "--yes"])?
        .refused(&["you may not patch Stage back", "setgate"])?;
    w.run(User::Alice, &["rollback", "back", "--unpin", "--yes"])?
        .refused(&["alice lacks the verb setgate on stages/back", "ask the platform team"])
}

pub async fn what_git_manages_is_changed_in_git(w: &World) -> Result<()> {
    let stage = w.stage("in-git", json!({})).await?;
    ran(w, &stage, 1, '1', "Succeeded").await?;
    ran(w, &stage, 2, '2', "Succeeded").await?;
    let mine = json!({ "apiVersion": "stackgate.dev/v1alpha1", "kind": "Stage", "metadata": { "name": "in-git" },
        "spec": { "assemblyRef": { "name": "shop" }, "accounts": ["shop-prod"] } });
    let apply = PatchParams::apply("kustomize-controller").force();
    w.stages().patch("in-git", &apply, &Patch::Apply(&mine)).await?;
    let said = w.run(User::Carol, &["rollback", "in-git", "--reason", "INC-7", "--yes"])?;
    let change = format!("in git, set spec.pin: {{ digest: \"{}\", reason: \"INC-7\" }}", digest('1'));
    said.refused(&["kustomize-controller manages Stage in-git", &change])?;
    ensure!(pin(w, "in-git").await?.is_none());
    w.run(User::Carol, &["rollback", "in-git", "--yes", "--force"])?.fine()?;
    ensure!(pin(w, "in-git").await?.is_some());
    Ok(())
}
