//! Step 3: dev, test, prod; each plans, waits, and runs what was approved.

use std::{thread, time::Duration};

use anyhow::{Context, Result, ensure};

use super::{DEV_STAGE, PROD_STAGE, Release, STAGES, StageOf, Story};
use crate::{
    Exchange, User,
    scenario::{
        Kind, LONG, Object, QUALIFIER, SHOP, SOON, Waiting, account_of, kubectl_line, role_arns_missing,
        stack_of,
    },
};

/// How the approval is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By alice, who may decide on plans.
    OnPlan,
    /// By carol, who may edit Stages, too.
    OnStage,
}

impl Way {
    /// Who approves, and with which command.
    pub(super) fn signs(self, waiting: &Waiting) -> (User, Vec<String>) {
        match self {
            Self::OnPlan => (User::Alice, waiting.approve_on_plan()),
            Self::OnStage => (User::Carol, waiting.approve_on_stage()),
        }
    }
}

pub(super) fn run(story: &mut Story) -> Result<()> {
    story.apply(&["people.yaml", "stages.yaml"])?;
    let release = story.release(1)?;
    for (stage, way) in STAGES.into_iter().zip([Way::OnPlan, Way::OnStage, Way::OnPlan]) {
        let plan = pass(story, stage, &release, way)?;
        deferred(story, stage, &release, &plan)?;
        for stack in [stage.store(), stage.api()] {
            let status = story.world.stack_status(stage.account, &stack)?;
            ensure!(status.as_deref() == Some("CREATE_COMPLETE"), "stack {stack} is {status:?}");
        }
        let code = story.world.template(stage.account, &stage.store())?;
        let path = release.assembly.template_path(&format!("{}Store", stage.cdk_stage))?;
        ensure!(
            code == release.assembly.json(&path)?,
            "{} runs another template than release 1",
            stage.store()
        );
    }
    Ok(())
}

/// Waits for the stage's plan, shows that nothing runs, approves, and waits until the release is deployed.
pub(super) fn pass(story: &Story, stage: StageOf, release: &Release, way: Way) -> Result<Object> {
    let waiting = stop(story, stage, release)?;
    if release.number == 1 && stage == DEV_STAGE {
        refused(story, &waiting)?;
    }
    let (user, command) = way.signs(&waiting);
    story.teller.say(&format!("{} lets it run:", user.name()));
    story.teller.command(&kubectl_line(&command), &story.world.decide_as(user, &command)?);
    if stage == PROD_STAGE {
        second_person(story, &waiting, user)?;
    }
    let plan = story.teller.during(&format!("{} deploys", stage.name), || {
        story.world.deployed(SHOP, stage.name, &release.digest, LONG)
    })?;
    ensure!(plan == waiting.plan, "{} was deployed by plan {plan}, not by {}", release.name, waiting.plan);
    let plan = story.world.object(Kind::ChangePlan, SHOP, &plan)?.context("the plan is gone")?;
    recorded(&plan, way)?;
    let calls = story.calls(stage.account, release);
    let wrong = role_arns_missing(&calls, QUALIFIER);
    ensure!(wrong.is_empty(), "{wrong:?}");
    executed_by_deploy_role(&calls, stage)?;
    story.teller.holds("it ran through the deploy role, with the execution role");
    story.tell_calls(stage, release);
    Ok(plan)
}

/// Who may not decide is refused by the API server, and told why; nobody signs as somebody else.
fn refused(story: &Story, waiting: &Waiting) -> Result<()> {
    let in_force = "ApprovalsEnforced";
    story.world.until((Kind::Stage, SHOP, DEV_STAGE.name), "the policies are in force", SOON, |object| {
        object.condition(in_force)?.is_true.then_some(())
    })?;
    let message = format!("jsonpath={{.status.conditions[?(@.type==\"{in_force}\")].message}}");
    story.teller.say("who may is up to Kubernetes, not to the controller:");
    story.show(&["get", "cdkstage", "-n", SHOP, DEV_STAGE.name, "-o", &message])?;
    story.teller.say("dave may annotate plans, and lacks the verb approve on this Stage:");
    is_refused(story, &waiting.approve_on_plan(), "dave lacks the verb approve on stages/dev")?;
    let mut forged = waiting.approve_in_slot("dave");
    forged.iter_mut().filter(|a| a.starts_with("gate.")).for_each(|a| a.push_str(";by=alice"));
    is_refused(story, &forged, "you can sign as yourself alone")?;
    story.teller.holds("who may not approve is refused, and nobody signs as somebody else");
    Ok(())
}

/// Dave tries this, and what the API server says tells why not.
fn is_refused(story: &Story, command: &[String], why: &str) -> Result<()> {
    let tried = story.world.decide_as(User::Dave, command);
    let said = tried.err().with_context(|| format!("dave could run {command:?}"))?.to_string();
    ensure!(said.contains(why), "dave was refused otherwise: {said}");
    let answer = said.find("Error from server").and_then(|at| said.get(at..));
    story.teller.command(&kubectl_line(command), answer.unwrap_or(&said));
    Ok(())
}

/// Two people have to approve in prod: one is not enough.
fn second_person(story: &Story, waiting: &Waiting, first: User) -> Result<()> {
    let what = "prod wants a second person";
    story.world.until((Kind::Stage, SHOP, PROD_STAGE.name), what, SOON, |object| {
        object.text("/status/waitingFor").starts_with("approval 1/2").then_some(())
    })?;
    story.show(&["get", "plan", "-n", SHOP, &waiting.plan])?;
    let before = executions(&story.world.proxy.recorded(), PROD_STAGE.account);
    thread::sleep(Duration::from_secs(2)); // a while in which it might
    let after = executions(&story.world.proxy.recorded(), PROD_STAGE.account);
    ensure!(before == after, "prod executed with one approval of two");
    story
        .teller
        .holds(&format!("one approval of two, by {}, lets nothing run. bob is the second:", first.name()));
    let command = waiting.approve_in_slot("bob");
    story.teller.command(&kubectl_line(&command), &story.world.decide_as(User::Bob, &command)?);
    Ok(())
}

/// The stage waits, and nothing is executed meanwhile.
pub(super) fn stop(story: &Story, stage: StageOf, release: &Release) -> Result<Waiting> {
    let world = &story.world;
    let waiting = story.teller.during(&format!("{} plans release {}", stage.name, release.name), || {
        world.waiting(SHOP, stage.name, Some(&release.digest))
    })?;
    story.show(&["get", "cdkstage", "-n", SHOP])?;
    story.show(&["get", "plan", "-n", SHOP])?;
    let before = executions(&world.proxy.recorded(), stage.account);
    thread::sleep(Duration::from_secs(3)); // a while in which it might
    let after = executions(&world.proxy.recorded(), stage.account);
    ensure!(before == after, "{} executed without approval: {after} executions, not {before}", stage.name);
    story
        .teller
        .holds(&format!("{} waits: no ExecuteChangeSet in {}. This releases it:", stage.name, stage.account));
    if release.number == 1
        && let Some(next) = STAGES.iter().skip_while(|other| **other != stage).nth(1)
    {
        let what = format!("{} waits for {}", next.name, stage.name);
        world.until((Kind::Stage, SHOP, next.name), &what, SOON, |object| {
            object.is("Waiting", Some("AwaitingUpstream")).then_some(())
        })?;
    }
    Ok(waiting)
}

/// How many change sets of stages were executed in an account.
pub(super) fn executions(exchanges: &[Exchange], account: &str) -> usize {
    exchanges
        .iter()
        .filter(|exchange| exchange.call.operation == "ExecuteChangeSet" && account_of(exchange) == account)
        .filter(|exchange| !stack_of(exchange).starts_with("CDKToolkit"))
        .count()
}

fn recorded(plan: &Object, way: Way) -> Result<()> {
    let source = match way {
        Way::OnPlan => "ChangePlan",
        Way::OnStage => "Stage",
    };
    let approved = plan.ledger("decided").any(|decided| {
        decided["action"] == "Approve" && decided["identity"] == "Verified" && decided["source"] == source
    });
    ensure!(approved, "plan {} does not record the approval on the {source}:\n{plan}", plan.name());
    let claimed =
        plan.ledger("claimed").flat_map(|claimed| claimed["stacks"].as_array().cloned()).flatten().count();
    let settled: Vec<_> = plan.ledger("settled").collect();
    ensure!(
        claimed == settled.len() && settled.iter().all(|settled| settled["outcome"] == "Succeeded"),
        "plan {}: {claimed} stacks claimed, and settled: {settled:?}",
        plan.name()
    );
    Ok(())
}

fn executed_by_deploy_role(calls: &[Exchange], stage: StageOf) -> Result<()> {
    let executed: Vec<_> = calls.iter().filter(|call| call.call.operation == "ExecuteChangeSet").collect();
    ensure!(!executed.is_empty(), "nothing was executed in {}", stage.account);
    for call in executed {
        let role = call.actor.as_ref().map(|actor| actor.role.as_str()).unwrap_or_default();
        let deploy = format!("cdk-{QUALIFIER}-deploy-role-{}-{}", stage.account, crate::scenario::REGION);
        ensure!(role == deploy, "{} was executed by {role:?}", stack_of(call));
        ensure!(
            !call.call.param("ClientRequestToken").is_empty(),
            "executed without a token: {:?}",
            call.call
        );
    }
    Ok(())
}

/// The second stack imports from the first: its change set comes once the first is deployed.
fn deferred(story: &Story, stage: StageOf, release: &Release, plan: &Object) -> Result<()> {
    let planned = |name: &str| {
        let stacks = plan.list("/spec/proposal/stacks");
        stacks.iter().find(|stack| stack["stackName"] == name).map(|stack| stack["plan"].clone())
    };
    let (store, api) = (stage.store(), stage.api());
    ensure!(
        planned(&store).is_some_and(|how| how == "Prepared")
            && planned(&api).is_some_and(|how| how == "Deferred"),
        "planned: {store} {:?}, {api} {:?}",
        planned(&store),
        planned(&api)
    );
    let calls = story.calls(stage.account, release);
    let first = |operation: &str, stack: &str| {
        calls
            .iter()
            .find(|exchange| exchange.call.operation == operation && stack_of(exchange) == stack)
            .map(|exchange| exchange.number)
            .with_context(|| format!("no {operation} of {stack}"))
    };
    ensure!(
        first("CreateChangeSet", &api)? > first("ExecuteChangeSet", &store)?,
        "{api} was prepared before {store} ran"
    );
    story.teller.holds(&format!("{api} imports from {store}: it was deferred until that was deployed"));
    Ok(())
}
