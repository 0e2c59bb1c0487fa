//! Toolkit stacks that are there are changed by plan and approval.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stackgate_testbed::{
    User,
    scenario::{Case, Kind, LONG, SOON, World},
};

use super::world;

/// The controller's namespace, in which the plans of Bootstraps lie.
const OURS: &str = "stackgate-system";
const LOOKUP: &str = "/spec/proposal/bootstrap/parameters/TrustedAccountsForLookup";

/// The newest plan that asks for that trust: its name and id.
fn plan_for(world: &World, case: &Case, trusted: &str) -> Result<(String, String)> {
    let plans = world.objects(Kind::ChangePlan, Some(OURS))?;
    let of_case = plans.iter().filter(|p| p.text("/spec/proposal/name") == case.name);
    let plan = of_case.rev().find(|p| p.text(LOOKUP) == trusted).context("no such plan")?;
    Ok((plan.name().to_owned(), plan.text("/spec/proposal/id").to_owned()))
}

fn trust(world: &World, case: &mut Case, accounts: &Value) -> Result<()> {
    case.bootstrap["spec"]["trustedAccountsForLookup"] = accounts.clone();
    world.kubectl().apply(&case.bootstrap.to_string()).map(drop)
}

fn shows(world: &World, case: &Case, condition: &str, reason: &str) -> Result<()> {
    let what = format!("it is {condition}, {reason}");
    world.until((Kind::Bootstrap, "", &case.name), &what, LONG, |object| {
        object.is(condition, Some(reason)).then_some(())
    })
}

/// Whom the toolkit stack trusts in CloudFormation.
fn trusted(world: &World, case: &Case) -> Result<String> {
    let found = world.aws.call(&case.account, "cloudformation", "DescribeStacks", &json!({}))?;
    let stacks = found["Stacks"].as_array().context("no stacks")?;
    let name = case.bootstrap["spec"]["toolkitStackName"].as_str().context("no name")?;
    let stack = stacks.iter().find(|s| s["StackName"] == name).context("no toolkit stack")?;
    let parameters = stack["Parameters"].as_array().context("no parameters")?;
    let value = parameters.iter().find(|p| p["ParameterKey"] == "TrustedAccountsForLookup");
    Ok(value.and_then(|p| p["ParameterValue"].as_str()).unwrap_or_default().to_owned())
}

fn annotate(world: &World, plan: &str, annotation: String) -> Result<()> {
    let command = ["-n", OURS, "annotate", "plan", plan, &annotation].map(str::to_owned);
    world.decide(&command).map(drop)
}

fn kubectl(world: &World, words: &[String]) -> Result<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    world.kubectl().run(&words).map(drop)
}

/// A command of the page, for this Bootstrap.
fn of_case(line: &str, case: &Case) -> String {
    line.replace("cdkboot acme", &format!("cdkboot {}", case.name))
}

/// The words of a command of the page, for this Bootstrap and its plan.
fn typed(line: &str, case: &Case, (plan, id): &(String, String)) -> Vec<String> {
    let line = line.split(" #").next().unwrap_or_default();
    let line = of_case(&line.replace("acme-…", plan).replace("b1-…", id), case);
    let quoted = line.split('\'').enumerate();
    let words = quoted.flat_map(|(n, part)| match n % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    words.skip(1).collect()
}

/// Runs a line in a shell, as the administrator: for what the shell alone makes words of.
fn shell(world: &World, line: &str) -> Result<()> {
    let output = world.cluster.shell(User::Admin, line)?.output().context("starting bash")?;
    ensure!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[test]
fn what_the_page_says_works_when_it_is_typed() -> Result<()> {
    let world = world()?;
    let mut case = Case::new(world, "page-bootstrap")?;
    case.bootstrap["spec"]["gate"] = json!({ "identity": "Any" });
    case.bootstrap(world)?;
    let page = include_str!("../../docs/bootstrap.md");
    let blocks: Vec<&str> = page.split("```sh\n").skip(1).filter_map(|b| b.split("```").next()).collect();
    let [ask, decide] = blocks.as_slice() else { anyhow::bail!("{} blocks of commands", blocks.len()) };
    let none = (String::new(), String::new());
    let mut asked = ask.lines();
    kubectl(world, &typed(asked.next().context("no command")?, &case, &none))?;
    shows(world, &case, "Waiting", "AwaitingApproval")?;
    let first = plan_for(world, &case, "888888888888")?;
    for line in asked {
        kubectl(world, &typed(line, &case, &first))?;
    }
    let (approve, reject) = decide.trim_end().split_once('\n').context("not two commands")?;
    world.decide(&typed(approve, &case, &first))?;
    shows(world, &case, "UpToDate", "Bootstrapped")?;
    ensure!(trusted(world, &case)? == "888888888888");
    case.bootstrap["spec"]["trustedAccountsForLookup"] = json!(["777777777777"]);
    world.kubectl().apply(&case.bootstrap.to_string())?;
    shows(world, &case, "Waiting", "AwaitingApproval")?;
    world.decide(&typed(reject, &case, &plan_for(world, &case, "777777777777")?))?;
    shows(world, &case, "Waiting", "Rejected")?;
    ensure!(trusted(world, &case)? == "888888888888");
    // What its table says of a plan that has expired.
    let again = page.split('`').find(|text| text.starts_with("kubectl annotate ")).context("no command")?;
    shell(world, &of_case(again, &case))?;
    let asked = r"-o=jsonpath={.metadata.annotations.stackgate\.dev/requestedAt}";
    let asked = world.kubectl().run(&["get", "cdkboot", &case.name, asked])?;
    ensure!(!asked.is_empty() && !asked.contains("date"), "{asked}");
    // What was rejected stays so.
    shows(world, &case, "Waiting", "Rejected")
}

#[test]
fn more_trust_waits_for_an_approval_and_less_of_it_comes_back_without_one() -> Result<()> {
    let world = world()?;
    let mut case = Case::new(world, "changed-bootstrap")?;
    // There are no admission policies here.
    case.bootstrap["spec"]["gate"] = json!({ "identity": "Any" });
    case.bootstrap(world)?;
    trust(world, &mut case, &json!(["444444444444"]))?;
    shows(world, &case, "Waiting", "AwaitingApproval")?;
    shows(world, &case, "Ready", "Bootstrapped")?;
    ensure!(trusted(world, &case)?.is_empty(), "changed before anybody has approved");
    let (plan, id) = plan_for(world, &case, "444444444444")?;
    world.until((Kind::ChangePlan, OURS, &plan), "it tells what differs, and the risk", SOON, |p| {
        let told = p.list("/spec/proposal/changed/differences");
        let says = told.iter().any(|line| line == "TrustedAccountsForLookup: + 444444444444");
        (says && p.text("/status/risk").contains("iam") && p.text("/status/state") == "AwaitingApproval")
            .then_some(())
    })?;

    // What was there before is what nobody has to approve.
    trust(world, &mut case, &json!([]))?;
    shows(world, &case, "UpToDate", "Bootstrapped")?;
    trust(world, &mut case, &json!(["444444444444"]))?;
    shows(world, &case, "Waiting", "AwaitingApproval")?;
    ensure!(
        plan_for(world, &case, "444444444444")? == (plan.clone(), id.clone()),
        "the same change, another id"
    );

    annotate(world, &plan, format!("gate.stackgate.dev/approve={id}"))?;
    world.until((Kind::ChangePlan, OURS, &plan), "it says what is missing", SOON, |p| {
        p.text("/status/needs").contains("ack iam").then_some(())
    })?;
    annotate(world, &plan, format!("gate.stackgate.dev/approve.acked={id};ack=iam"))?;
    shows(world, &case, "UpToDate", "Bootstrapped")?;
    ensure!(trusted(world, &case)? == "444444444444");
    world.until((Kind::ChangePlan, OURS, &plan), "it is carried out", SOON, |p| {
        (p.text("/status/state") == "Succeeded").then_some(())
    })
}
