//! Step 1: three empty accounts become CDK environments.

use anyhow::{Result, ensure};

use super::{STAGES, Story};
use crate::scenario::{Kind, LONG, QUALIFIER, SYSTEM, deploy_probe};

pub(super) fn run(story: &mut Story) -> Result<()> {
    story.teller.say("four accounts, and one Bootstrap that covers the three workload accounts:");
    story.apply(&["namespace.yaml", "accounts.yaml", "bootstrap.yaml"])?;
    let world = &story.world;
    let plan = story.teller.during("waiting for the toolkit stacks", || {
        world.until((Kind::Bootstrap, "", QUALIFIER), "all three environments are ready", LONG, |object| {
            (object.is("Ready", None) && object.text("/status/ready") == "3/3")
                .then(|| object.text("/status/plan").to_owned())
        })
    })?;
    story.show(&["get", "awsacct"])?;
    story.show(&["get", "cdkboot"])?;
    story.show(&["get", "plan", "-n", SYSTEM])?;

    versions(story)?;
    let by_rule =
        world.until((Kind::ChangePlan, SYSTEM, &plan), "the plan was passed by rule", LONG, |plan| {
            Some(plan.ledger("decided").any(|d| d["by"] == "system:auto" && d["identity"] == "System"))
        })?;
    ensure!(by_rule, "plan {plan} was not passed as by=system:auto");
    story.teller.holds("nothing was there, so the plan passed as by=system:auto");

    for stage in STAGES {
        let status = world.stack_status(stage.account, "CDKToolkit-acme")?;
        ensure!(
            status.as_deref() == Some("CREATE_COMPLETE"),
            "CDKToolkit-acme in {}: {status:?}",
            stage.account
        );
    }
    story.teller.holds("CDKToolkit-acme is CREATE_COMPLETE in the three accounts");
    real_cdk(story)
}

fn versions(story: &Story) -> Result<()> {
    let found = story.world.until((Kind::Bootstrap, "", QUALIFIER), "environments", LONG, |object| {
        let of = |account: &str| {
            object.list("/status/environments").iter().find(|row| row["account"] == account)?["version"]
                .as_u64()
        };
        Some(STAGES.map(|stage| of(stage.account)))
    })?;
    ensure!(found == [Some(33); 3], "bootstrap versions: {found:?}");
    story.teller.holds("each environment reports bootstrap version 33");
    Ok(())
}

/// The real CLI uses what we made: it checks the version, assumes the roles, publishes and deploys.
fn real_cdk(story: &Story) -> Result<()> {
    let world = &story.world;
    let target = world.target();
    let account = STAGES[0].account;
    story.teller.during("a real `cdk deploy` of a stack with one parameter into the dev account", || {
        deploy_probe(&target, account, QUALIFIER)
    })?;
    let status = world.stack_status(account, "Probe")?;
    ensure!(status.as_deref() == Some("CREATE_COMPLETE"), "cdk deploy left stack Probe as {status:?}");
    story.teller.holds("the real CDK accepts this bootstrap: stack Probe is CREATE_COMPLETE");
    Ok(())
}
