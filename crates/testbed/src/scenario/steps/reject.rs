//! Step 4: release 2 goes to test and is rejected in prod for good; release 3 passes.

use std::{thread, time::Duration};

use anyhow::{Result, ensure};

use super::{
    DEV_STAGE as DEV, PROD_STAGE as PROD, Release, StageOf, Story, TEST_STAGE as TEST,
    promote::{Way, executions, pass, stop},
};
use crate::{
    User,
    scenario::{Kind, SHOP, SOON, Waiting, kubectl_line, stack_of},
};

pub(super) fn run(story: &mut Story) -> Result<()> {
    let code_before = story.world.function_code(PROD.account, &PROD.store())?;
    story.publish(2)?;
    let second = story.release(2)?;
    for stage in [DEV, TEST] {
        pass(story, stage, &second, Way::OnPlan)?;
        are_updates(story, stage, &second)?;
    }
    let waiting = stop(story, PROD, &second)?;
    reject(story, &waiting)?;
    stays(story, &waiting, "the same id is approved afterwards, on the plan and on the Stage")?;
    plan_again(story, &waiting)?;
    stays(story, &waiting, "prod has planned release 2 anew: the same id, and it stays rejected")?;
    let code = story.world.function_code(PROD.account, &PROD.store())?;
    ensure!(code == code_before, "prod runs other code than that of release 1");
    story.teller.holds("prod still runs the code of release 1");

    story.teller.say("a third release:");
    story.publish(3)?;
    let third = story.release(3)?;
    for (stage, way) in [(DEV, Way::OnPlan), (TEST, Way::OnPlan), (PROD, Way::OnStage)] {
        pass(story, stage, &third, way)?;
    }
    let code = story.world.function_code(PROD.account, &PROD.store())?;
    ensure!(code != code_before, "prod still runs the code of release 1");
    ensure!(
        code == story.world.function_code(DEV.account, &DEV.store())?,
        "prod and dev run different code after the same release"
    );
    story.teller.holds("prod runs the code of release 3, the same as dev");
    Ok(())
}

fn are_updates(story: &Story, stage: StageOf, release: &Release) -> Result<()> {
    let calls = story.calls(stage.account, release);
    let made: Vec<_> = calls.iter().filter(|call| call.call.operation == "CreateChangeSet").collect();
    for stack in [stage.store(), stage.api()] {
        let kinds: Vec<&str> = made
            .iter()
            .filter(|call| stack_of(call) == stack)
            .map(|call| call.call.param("ChangeSetType"))
            .collect();
        ensure!(kinds == ["UPDATE"], "change sets of {stack}: {kinds:?}");
        let status = story.world.stack_status(stage.account, &stack)?;
        ensure!(status.as_deref() == Some("UPDATE_COMPLETE"), "stack {stack} is {status:?}");
    }
    story.teller.holds("both stacks were changed by UPDATE change sets");
    Ok(())
}

fn reject(story: &Story, waiting: &Waiting) -> Result<()> {
    let command = waiting.reject("not before the holidays");
    story.teller.say("and this rejects it for good:");
    story.teller.command(&kubectl_line(&command), &story.world.decide_as(User::Alice, &command)?);
    is_rejected(story, waiting)?;
    story.show(&["get", "cdkstage", "-n", SHOP])?;
    for stack in [PROD.store(), PROD.api()] {
        let left = story.world.executable_change_sets(PROD.account, &stack)?;
        ensure!(left.is_empty(), "change sets of {stack} are left: {left:?}");
    }
    story.teller.holds("its change sets are deleted");
    story.teller.say("whatever is annotated afterwards with that id:");
    for way in [Way::OnPlan, Way::OnStage] {
        let (user, command) = way.signs(waiting);
        story.teller.command(&kubectl_line(&command), &story.world.decide_as(user, &command)?);
    }
    Ok(())
}

fn is_rejected(story: &Story, waiting: &Waiting) -> Result<()> {
    let what = format!("prod shows {} as rejected", waiting.id);
    story.world.until((Kind::Stage, SHOP, PROD.name), &what, SOON, |object| {
        (object.is("Waiting", Some("Rejected")) && object.text("/status/pending/id") == waiting.id)
            .then_some(())
    })
}

/// Nothing runs, however it is annotated.
fn stays(story: &Story, waiting: &Waiting, why: &str) -> Result<()> {
    let before = executions(&story.world.proxy.recorded(), PROD.account);
    thread::sleep(Duration::from_secs(3)); // a while in which it might
    is_rejected(story, waiting)?;
    let after = executions(&story.world.proxy.recorded(), PROD.account);
    ensure!(before == after, "a rejected change was executed in prod");
    story.teller.holds(&format!("{why}: nothing happens"));
    Ok(())
}

/// Has prod look at release 1, which it has, and then at release 2 again: that is planned anew, with the same id.
fn plan_again(story: &Story, waiting: &Waiting) -> Result<()> {
    let first = story.release(1)?;
    let other = serde_json::json!({
        "apiVersion": "stackgate.dev/v1alpha1", "kind": "CloudAssembly",
        "metadata": { "name": "shop-release-1", "namespace": SHOP },
        "spec": { "interval": "5m", "source": { "s3": { "account": "shop-build", "bucket": crate::scenario::BUCKET,
            "key": crate::scenario::KEY, "region": crate::scenario::REGION, "versionID": first.version } } },
    });
    story.world.kubectl().apply(&other.to_string())?;
    let aside = r#"{"spec":{"assemblyRef":{"name":"shop-release-1"},"promoteFrom":null}}"#;
    story.kubectl(&["-n", SHOP, "patch", "cdkstage", PROD.name, "--type=merge", "-p", aside])?;
    story.world.deployed(SHOP, PROD.name, &first.digest, SOON)?;
    story.apply(&["stages.yaml"])?;
    is_rejected(story, waiting)?;
    story.world.kubectl().run(&["-n", SHOP, "delete", "cdkout", "shop-release-1"])?;
    Ok(())
}
