//! Step 5: toolkit stacks that are there are changed by plan and approval, too.

use anyhow::{Result, ensure};

use super::{STAGES, Story};
use crate::{
    User,
    scenario::{Kind, LONG, QUALIFIER, SYSTEM, kubectl_line},
};

const PATCH: &str = r#"{"spec":{"trustedAccountsForLookup":["999999999999"]}}"#;

pub(super) fn run(story: &mut Story) -> Result<()> {
    story.teller.say("the platform team has one more account trusted, in all environments:");
    story.kubectl(&["patch", "cdkboot", QUALIFIER, "--type=merge", "-p", PATCH])?;
    let world = &story.world;
    let plan = world.until((Kind::Bootstrap, "", QUALIFIER), "it waits for an approval", LONG, |object| {
        let waits = object.is("Waiting", Some("AwaitingApproval")) && object.is("Ready", None);
        waits.then(|| object.text("/status/plan").to_owned())
    })?;
    let id = world.until((Kind::ChangePlan, SYSTEM, &plan), "its plan tells the risk", LONG, |plan| {
        let line = "TrustedAccountsForLookup: + 999999999999";
        let told = plan.list("/spec/proposal/changed/differences").iter().any(|l| l == line);
        (told && plan.text("/status/risk") == "iam").then(|| plan.text("/spec/proposal/id").to_owned())
    })?;
    story.show(&["get", "plan", "-n", SYSTEM])?;
    untouched(story)?;
    story.teller.holds("the plan tells what differs and its risk; no toolkit stack has changed");

    let approve = |value: &str| {
        let annotation = format!("gate.stackgate.dev/approve={value}");
        ["-n", SYSTEM, "annotate", "plan", &plan, &annotation].map(str::to_owned)
    };
    let command = approve(&format!("{id};ack=iam"));
    let Err(refusal) = world.decide_as(User::Alice, &command) else {
        anyhow::bail!("alice, who approves for the shop alone, has approved a change of all accounts");
    };
    story.teller.command(&kubectl_line(&command), &refusal.to_string());
    story.teller.say("alice approves for the shop alone. Carol is made an approver of Bootstraps:");
    let role = "--clusterrole=stackgate-approver";
    story.kubectl(&["create", "clusterrolebinding", "bootstrap-approvers", role, "--user=carol"])?;
    story.teller.command(&kubectl_line(&command), &world.decide_as(User::Carol, &command)?);
    world.until((Kind::Bootstrap, "", QUALIFIER), "all three environments have changed", LONG, |object| {
        (object.is("UpToDate", Some("Bootstrapped")) && object.text("/status/ready") == "3/3").then_some(())
    })?;
    story.show(&["get", "cdkboot"])?;
    for stage in STAGES {
        let status = world.stack_status(stage.account, "CDKToolkit-acme")?;
        ensure!(
            status.as_deref() == Some("UPDATE_COMPLETE"),
            "CDKToolkit-acme in {}: {status:?}",
            stage.account
        );
    }
    story.teller.holds("CDKToolkit-acme is UPDATE_COMPLETE in the three accounts");
    Ok(())
}

fn untouched(story: &Story) -> Result<()> {
    for stage in STAGES {
        let status = story.world.stack_status(stage.account, "CDKToolkit-acme")?;
        ensure!(
            status.as_deref() == Some("CREATE_COMPLETE"),
            "CDKToolkit-acme in {}: {status:?}",
            stage.account
        );
    }
    Ok(())
}
