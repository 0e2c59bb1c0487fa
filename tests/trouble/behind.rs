//! What stands behind the text of a template becomes another after somebody has read the plan: rows 7 and 16 of `docs/attacks.md`.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stackgate_testbed::{
    Aws, Call, Fault, Hold, Rule, RuleHandle,
    scenario::{Case, CdkOut, Kind, LONG, Object, REGION, SHOP, SOON, Waiting, World},
};

use super::{annotate, world};

const STORE: &str = "Dev-Store";
/// A template parameter of this type is the name of an SSM parameter, and stands for its value.
const LOOKED_UP: &str = "AWS::SSM::Parameter::Value<String>";
const NAME: &str = "/team/value";

/// As whoever may write SSM parameters of the account, and nothing else there.
fn put(world: &World, case: &Case, value: &str) -> Result<()> {
    let parameter = json!({ "Name": NAME, "Type": "String", "Value": value, "Overwrite": true });
    world.aws.call(&case.account, "ssm", "PutParameter", &parameter).map(drop)
}

/// Calls about the first stack.
fn of_store(case: &Case) -> impl Fn(&Call) -> bool + Send + Sync + 'static {
    let mine = case.mine();
    move |call| mine(call) && call.param("StackName") == STORE
}

fn plan(world: &World, waiting: &Waiting) -> Result<Object> {
    world.object(Kind::ChangePlan, SHOP, &waiting.plan)?.context("the plan is gone")
}

/// The plan that waits in the place of this one, with another id.
fn another(world: &World, case: &Case, than: &Waiting) -> Result<Waiting> {
    world.until((Kind::Stage, SHOP, &case.name), "another plan waits", LONG, |stage| {
        Waiting::of(stage).filter(|next| next.id != than.id)
    })
}

/// Nothing is executed beyond these, and this very plan still waits.
fn waits(world: &World, case: &Case, waiting: &Waiting, executions: usize) -> Result<()> {
    let stage = case.still(world, executions)?;
    ensure!(Waiting::of(&stage).is_some_and(|now| now.id == waiting.id), "it no longer waits:\n{stage}");
    Ok(())
}

/// What is said of a change set, in the form of AWS: `ResolvedValue` beside the name. The emulator has looked the value up, too, and shows
/// it in the place of the name.
fn as_aws_tells(world: &World, case: &Case, name: &str, value: &str) -> Result<String> {
    // By way of the proxy, which keeps what is said.
    let aws = Aws::start(&world.proxy.endpoint(), world.proxy.bundle(), REGION)?;
    let asked = json!({ "StackName": STORE, "ChangeSetName": name });
    aws.call(&case.account, "cloudformation", "DescribeChangeSet", &asked)?;
    let all = world.proxy.recorded();
    let said = all.iter().rfind(|e| e.call.param("ChangeSetName") == name).and_then(|e| e.reply.as_ref());
    let said = &said.context("no reply")?.body;
    let shown = |v: &str| format!("<ParameterKey>Net</ParameterKey><ParameterValue>{v}</ParameterValue>");
    ensure!(said.contains(&shown(value)), "it was not looked up: {said}");
    Ok(said.replace(&shown(value), &format!("{}<ResolvedValue>{value}</ResolvedValue>", shown(NAME))))
}

/// Puts a value, does what has the change set of the first stack made, and has that one told in the form of AWS from its first look on.
fn made(world: &World, case: &Case, value: &str, begin: impl FnOnce() -> Result<()>) -> Result<RuleHandle> {
    let created = Rule::on("cloudformation", "CreateChangeSet", Fault::HoldReply(Hold::UntilReleased));
    let created = world.proxy.rule(created.when(of_store(case)));
    put(world, case, value)?;
    begin()?;
    let name = world.until_some("the change set is made", LONG, || {
        Ok(world.executable_change_sets(&case.account, STORE)?.pop())
    })?;
    let told = Fault::ReplaceReply { status: 200, body: as_aws_tells(world, case, &name, value)? };
    let told = Rule::on("cloudformation", "DescribeChangeSet", told).when(of_store(case)).always();
    let told = world.proxy.rule(told);
    created.remove();
    Ok(told)
}

#[test]
fn a_value_behind_a_parameter_that_changes_after_the_approval_is_not_deployed() -> Result<()> {
    let world = world()?;
    let mut case = Case::new(world, "behind-value")?;
    let path = case.assembly.template_path("DevStore")?;
    case.assembly.edit(&path, |template| {
        template["Parameters"]["Net"] = json!({ "Type": LOOKED_UP, "Default": NAME });
        template["Resources"]["Allowed"] = json!({ "Type": "AWS::SSM::Parameter",
            "Properties": { "Name": "/allowed", "Type": "String", "Value": { "Ref": "Net" } } });
    })?;
    let (narrow, any) = ("10.0.0.0/8", "0.0.0.0/0");
    let told = made(world, &case, narrow, || case.start(world))?;
    let release = case.digest(world, None)?;
    let waiting = case.waiting(world, Some(&release))?;
    let before = case.executions(world);

    // Between the approval and the first look at what was approved, the change set is deleted, so that it has to be made again.
    told.remove();
    let looked = Rule::on("cloudformation", "DescribeChangeSet", Fault::HoldRequest(Hold::UntilReleased));
    let looked = world.proxy.rule(looked.when(of_store(&case)).always());
    world.decide(&waiting.approve_on_plan())?;
    looked.wait_for_hits(1, SOON)?;
    let told = made(world, &case, any, || {
        for name in world.executable_change_sets(&case.account, STORE)? {
            let set = json!({ "StackName": STORE, "ChangeSetName": name });
            world.aws.call(&case.account, "cloudformation", "DeleteChangeSet", &set)?;
        }
        looked.remove();
        Ok(())
    })?;
    // Were the values left out of the id, it would come out under the same one, with the approval that it has.
    let next = another(world, &case, &waiting)?;
    let listed = |of: &Waiting| -> Result<Vec<Value>> {
        Ok(plan(world, of)?.list("/spec/proposal/stacks").iter().map(|s| s["changes"].clone()).collect())
    };
    ensure!(listed(&next)? == listed(&waiting)?, "the list alone tells them apart: {:?}", listed(&next)?);

    // Nor does the old id count where the new plan is.
    annotate(world, "plan", &next.plan, &format!("gate.stackgate.dev/approve={}", waiting.signed()))?;
    world.decide(&waiting.approve_on_stage())?;
    world.until((Kind::ChangePlan, SHOP, &next.plan), "it lists the old id as ignored", SOON, |plan| {
        (!plan.list("/status/ignored").is_empty()).then_some(())
    })?;
    waits(world, &case, &next, before)?;

    world.decide(&next.approve_in_slot("again"))?;
    case.deployed(world, &release)?;
    told.remove();
    let allowed = world.aws.call(&case.account, "ssm", "GetParameter", &json!({ "Name": "/allowed" }))?;
    ensure!(allowed["Parameter"]["Value"] == any, "{allowed}");
    Ok(())
}

fn policy(action: &Value) -> Value {
    let statement = json!({ "Effect": "Allow", "Action": action, "Resource": "*" });
    json!({ "Type": "AWS::IAM::ManagedPolicy",
        "Properties": { "PolicyDocument": { "Version": "2012-10-17", "Statement": [statement] } } })
}

/// The second stack allows what an SSM parameter names.
fn allows(assembly: &mut CdkOut) -> Result<()> {
    let path = assembly.template_path("DevApi")?;
    assembly.edit(&path, |template| {
        template["Parameters"]["Action"] = json!({ "Type": LOOKED_UP, "Default": NAME });
        template["Resources"]["Allows"] = policy(&json!({ "Ref": "Action" }));
    })
}

/// The first stack allows more, and exports what the second one imports anew: that one is deferred.
fn with_an_import(mut assembly: CdkOut) -> Result<CdkOut> {
    allows(&mut assembly)?;
    let (store, api) = (assembly.template_path("DevStore")?, assembly.template_path("DevApi")?);
    assembly.edit(&store, |template| {
        template["Resources"]["Reads"] = policy(&json!("s3:GetObject"));
        template["Outputs"]["More"] = json!({ "Value": "more", "Export": { "Name": "Dev-Store:More" } });
    })?;
    assembly.edit(&api, |template| {
        template["Resources"]["Uses"] = json!({ "Type": "AWS::SSM::Parameter",
            "Properties": { "Type": "String", "Value": { "Fn::ImportValue": "Dev-Store:More" } } });
    })?;
    Ok(assembly)
}

#[test]
fn a_deferred_stack_that_shows_more_than_was_acknowledged_waits_again() -> Result<()> {
    let world = world()?;
    let mut case = Case::new(world, "shows-more")?;
    allows(&mut case.assembly)?;
    put(world, &case, "s3:GetObject")?;
    case.start(world)?;
    let first = case.digest(world, None)?;
    world.decide(&case.waiting(world, Some(&first))?.approve_on_plan())?;
    case.deployed(world, &first)?;

    case.upload(world, &with_an_import(case.release(2)?)?)?;
    let second = case.digest(world, Some(&first))?;
    let waiting = case.waiting(world, Some(&second))?;
    let read = plan(world, &waiting)?;
    let tells = |plan: &Object, id: &str| plan.0["spec"]["proposal"]["risks"].to_string().contains(id);
    let deferred = |stack: &Value| stack["stackName"] == "Dev-Api" && stack["plan"] == "Deferred";
    ensure!(read.list("/spec/proposal/stacks").iter().any(deferred), "{}", read.0["spec"]);
    ensure!(waiting.acks.contains("iam") && tells(&read, "Reads") && !tells(&read, "Allows"), "{waiting:?}");

    // The class is acknowledged, for what the first stack does; what the second one does by now nobody has read.
    put(world, &case, "*")?;
    let before = case.executions(world);
    world.decide(&waiting.approve_on_plan())?;
    let again = another(world, &case, &waiting)?;
    let closed = plan(world, &waiting)?;
    let why = "shows more than its template: Modify of Allows";
    ensure!(closed.ledger("closed").any(|end| end["message"].to_string().contains(why)), "{closed}");
    ensure!(again.acks.contains("iam") && tells(&plan(world, &again)?, "Allows"), "{again:?}");
    // What ran has run: the first stack alone.
    waits(world, &case, &again, before + 1)?;
    let uses = || anyhow::Ok(world.template(&case.account, "Dev-Api")?["Resources"]["Uses"].is_object());
    ensure!(!uses()?, "it was not the first stack that ran");
    world.decide(&again.approve_on_plan())?;
    case.deployed(world, &second)?;
    ensure!(uses()? && case.executions(world) == before + 2, "the first stack ran again");
    Ok(())
}
