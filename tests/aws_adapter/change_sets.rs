//! The life of a change set, and what each lost or refused call leaves known.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use stackgate::aws::{CallOutcome, Operation, Settings};
use stackgate_core::{
    effect::{Fact, Look, Mutation, Outcome, Receipt, RefusalKind, SetRef, TemplateSource, WantedChangeSet},
    stack::{ChangeSetKind, ChangeSetRow, ChangeSetStatus, ExecutionStatus, StackRow, StackStatus},
    words::{ChangeSetArn, ChangeSetName, Digest, StackId},
};
use stackgate_testbed::{Fault, Hold, Rule};

use crate::world::{DEV, World, confirmed, deploy, env, key, names, refusal};

const STACK: &str = "Dev-Shop";

fn template(value: &str) -> Value {
    json!({"Resources": {"P": {"Type": "AWS::SSM::Parameter", "Properties": {
        "Name": "/shop", "Type": "String", "Value": value}}},
        "Outputs": {"O": {"Value": value, "Export": {"Name": "shop-value"}}}})
}

fn wanted(kind: ChangeSetKind, template: &Value) -> WantedChangeSet {
    let name = ChangeSetName::ours(&Digest::of(template.to_string()));
    WantedChangeSet {
        key: key(STACK),
        kind,
        description: "Stackgate: shop/dev proof=0".to_owned(),
        template: TemplateSource::Inline(template.to_string().into()),
        parameters: vec![],
        tags: vec![("team".to_owned(), "shop".to_owned())],
        capabilities: vec!["CAPABILITY_NAMED_IAM".to_owned(), "CAPABILITY_AUTO_EXPAND".to_owned()],
        role: Some(names().execution_role()),
        notification_arns: None,
        import_existing: false,
        token: stackgate_core::change::create_token(&name),
        quiet: false,
        access: deploy(),
        name,
    }
}

async fn create(world: &World, wanted: WantedChangeSet) -> (ChangeSetArn, StackId) {
    match world.mutate(Mutation::CreateChangeSet(Box::new(wanted))).await {
        Outcome::Accepted(Receipt::ChangeSet(arn, id)) => (arn, id),
        other => panic!("not accepted: {other:?}"),
    }
}

async fn set(world: &World, set: SetRef) -> Option<ChangeSetRow> {
    match world.look(Look::ChangeSet(key(STACK), set, deploy())).await {
        Outcome::Learnt(Fact::ChangeSet(row)) => row,
        other => panic!("no change set: {other:?}"),
    }
}

async fn stack(world: &World) -> Option<StackRow> {
    match world.look(Look::Stack(key(STACK), deploy())).await {
        Outcome::Learnt(Fact::Stack(row)) => row,
        other => panic!("no stack: {other:?}"),
    }
}

async fn execute(world: &World, arn: &ChangeSetArn) -> Outcome {
    world.mutate(Mutation::Execute(key(STACK), confirmed(arn.clone()), deploy())).await
}

/// Creates and executes, until the stack rests.
async fn deployed(world: &World, kind: ChangeSetKind, template: &Value) -> StackRow {
    let (arn, _) = create(world, wanted(kind, template)).await;
    let done = execute(world, &arn).await;
    assert!(matches!(done, Outcome::Accepted(Receipt::Done)), "{done:?}");
    for _ in 0..100 {
        let row = stack(world).await.unwrap();
        if !row.status.as_str().ends_with("_IN_PROGRESS") {
            return row;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the stack does not come to rest");
}

#[tokio::test(flavor = "multi_thread")]
async fn from_nothing_to_a_stack_and_on() {
    let world = World::start().await;
    assert_eq!(stack(&world).await, None);
    let first = wanted(ChangeSetKind::Create, &template("1"));
    let name = first.name.clone();
    assert_eq!(set(&world, SetRef::Name(name.clone())).await, None);
    let (arn, id) = create(&world, first.clone()).await;

    let waiting = stack(&world).await.unwrap();
    assert_eq!((waiting.status, waiting.change_sets), (StackStatus::ReviewInProgress, Some(1)));
    assert_eq!(waiting.id, id);
    let row = set(&world, SetRef::Name(name.clone())).await.unwrap();
    assert_eq!((row.status, row.execution), (ChangeSetStatus::CreateComplete, ExecutionStatus::Available));
    assert_eq!((&row.arn, &row.stack_id, &row.name), (&arn, &id, &name));
    assert_eq!((row.description.as_str(), row.empty), ("Stackgate: shop/dev proof=0", false));
    assert_eq!(row.changes.len(), 1);
    assert_eq!((row.changes[0].action.as_str(), row.changes[0].logical_id.as_str()), ("Add", "P"));
    assert_eq!(set(&world, SetRef::Arn(arn.clone())).await.as_ref(), Some(&row));

    let twice = refusal(world.mutate(Mutation::CreateChangeSet(Box::new(first))).await);
    assert_eq!(twice.kind, RefusalKind::AlreadyExists);

    assert!(matches!(execute(&world, &arn).await, Outcome::Accepted(Receipt::Done)));
    let again = refusal(execute(&world, &arn).await);
    assert_eq!(again.kind, RefusalKind::Conflict, "{}", again.message);
    let calls: Vec<_> =
        world.proxy.recorded().into_iter().filter(|e| e.call.operation == "ExecuteChangeSet").collect();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].call.param("ClientRequestToken"), stackgate_core::change::execute_token(&arn));
    assert_eq!(calls[0].call.param("StackName"), STACK);
    assert_eq!(calls[0].call.param("ClientRequestToken"), calls[1].call.param("ClientRequestToken"));

    let row = deployed(&world, ChangeSetKind::Update, &template("2")).await;
    assert_eq!((row.status, row.change_sets), (StackStatus::UpdateComplete, None));
    assert!(row.exports.contains("shop-value"));
    let body = match world.look(Look::Template(key(STACK), row.id.clone(), row.updated, deploy())).await {
        Outcome::Learnt(Fact::Template(Some(body))) => body,
        other => panic!("no template: {other:?}"),
    };
    assert_eq!(*body, *template("2").to_string());

    // The same once more: nothing to change.
    let mut same = wanted(ChangeSetKind::Update, &template("2"));
    same.name = "again".parse().unwrap();
    same.token = "again".to_owned();
    let (arn, _) = create(&world, same).await;
    let row = set(&world, SetRef::Arn(arn.clone())).await.unwrap();
    assert_eq!((row.status, row.empty), (ChangeSetStatus::Failed, true));
    for _ in 0..2 {
        let deleted = world
            .mutate(Mutation::DeleteChangeSet(key(STACK), arn.clone(), "not wanted".to_owned(), deploy()))
            .await;
        assert!(matches!(deleted, Outcome::Accepted(Receipt::Done)), "{deleted:?}");
    }
    assert_eq!(set(&world, SetRef::Arn(arn)).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_input_is_on_the_wire() {
    let world = World::start().await;
    let bucket = names().bucket();
    let body = template("1").to_string().into_bytes();
    world.s3(DEV).put_object().bucket(bucket.as_str()).key("t.json").body(body.into()).send().await.unwrap();
    world.proxy.clear();
    let mut wanted = wanted(ChangeSetKind::Create, &template("1"));
    wanted.template = TemplateSource::Bucket(bucket.clone(), "t.json".to_owned());
    wanted.notification_arns = Some(vec![]);
    wanted.import_existing = true;
    let token = wanted.token.clone();
    create(&world, wanted).await;
    let recorded = world.proxy.recorded();
    let call = &recorded.iter().find(|e| e.call.operation == "CreateChangeSet").unwrap().call;
    let url = format!("https://s3.ap-southeast-2.amazonaws.com/{bucket}/t.json");
    for (name, value) in [
        ("StackName", STACK),
        ("ChangeSetType", "CREATE"),
        ("IncludeNestedStacks", "true"),
        ("ImportExistingResources", "true"),
        ("ClientToken", token.as_str()),
        ("RoleARN", names().execution_role().as_str()),
        ("TemplateURL", url.as_str()),
        ("Tags.member.1.Key", "team"),
        ("Capabilities.member.2", "CAPABILITY_AUTO_EXPAND"),
        ("Description", "Stackgate: shop/dev proof=0"),
    ] {
        assert_eq!(call.param(name), value, "{name} in {:?}", call.params);
    }
    assert!(call.params.contains_key("NotificationARNs"), "{:?}", call.params);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_only_waits_is_tidied_away() {
    let world = World::start().await;
    let (arn, id) = create(&world, wanted(ChangeSetKind::Create, &template("1"))).await;
    world.mutate(Mutation::DeleteChangeSet(key(STACK), arn, "not wanted".to_owned(), deploy())).await;
    assert_eq!(stack(&world).await.unwrap().change_sets, Some(0));
    let deleted = world.mutate(Mutation::DeleteStack(key(STACK), confirmed(id), deploy())).await;
    assert!(matches!(deleted, Outcome::Accepted(Receipt::Done)), "{deleted:?}");
    assert_eq!(stack(&world).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_is_unsure_once_and_not_repeated() {
    let world = World::start().await;
    let wanted = wanted(ChangeSetKind::Create, &template("1"));
    let rule = world.proxy.rule(Rule::on("cloudformation", "CreateChangeSet", Fault::DropReply));
    let lost = world.mutate(Mutation::CreateChangeSet(Box::new(wanted.clone()))).await;
    assert!(matches!(lost, Outcome::Unsure(_)), "{lost:?}");
    assert_eq!(rule.hits(), 1);
    assert_eq!(world.calls.count(Operation::CreateChangeSet, &env(DEV), CallOutcome::Unsure), 1);
    let there = set(&world, SetRef::Name(wanted.name)).await.unwrap();
    world.proxy.rule(Rule::on("cloudformation", "ExecuteChangeSet", Fault::DropReply));
    let lost = execute(&world, &there.arn).await;
    assert!(matches!(lost, Outcome::Unsure(_)), "{lost:?}");
    let sent = world.proxy.recorded().iter().filter(|e| e.call.is_mutating()).count();
    assert_eq!(sent, 2, "no call was repeated");
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_and_faults_are_told_apart() {
    let world = World::start().await;
    let error = |code: &str| {
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>m</Message></Error>\
             <RequestId>r</RequestId></ErrorResponse>"
        )
    };
    let answer = |status, code: &str| Fault::Answer { status, body: error(code) };
    let wanted = wanted(ChangeSetKind::Create, &template("1"));
    world.proxy.rule(Rule::on("cloudformation", "CreateChangeSet", answer(400, "Throttling")));
    let throttled = refusal(world.mutate(Mutation::CreateChangeSet(Box::new(wanted.clone()))).await);
    assert_eq!(throttled.kind, RefusalKind::Throttled);
    assert_eq!(world.calls.count(Operation::CreateChangeSet, &env(DEV), CallOutcome::Throttled), 1);
    world.proxy.rule(Rule::on("cloudformation", "CreateChangeSet", answer(500, "InternalFailure")));
    let fault = world.mutate(Mutation::CreateChangeSet(Box::new(wanted))).await;
    assert!(matches!(fault, Outcome::Unsure(_)), "{fault:?}");
    world.proxy.rule(Rule::on("cloudformation", "DescribeStacks", answer(500, "InternalFailure")).always());
    let down = refusal(world.look(Look::Stack(key(STACK), deploy())).await);
    assert_eq!(down.kind, RefusalKind::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_cut_off_is_none() {
    let world = World::start().await;
    let cut = |operation: &str, body: &str| {
        let fault = Fault::ReplaceReply { status: 200, body: body.to_owned() };
        Rule::on("cloudformation", operation, fault)
    };
    world
        .proxy
        .rule(cut("CreateChangeSet", "<CreateChangeSetResponse><CreateChangeSetResult><Id>arn:aws:cloud"));
    let wanted = wanted(ChangeSetKind::Create, &template("1"));
    let created = world.mutate(Mutation::CreateChangeSet(Box::new(wanted.clone()))).await;
    assert!(matches!(created, Outcome::Unsure(_)), "{created:?}");
    assert!(set(&world, SetRef::Name(wanted.name)).await.is_some(), "it was carried out");
    let half = "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>Dev-Shop</StackName><StackSta";
    world.proxy.rule(cut("DescribeStacks", half).always());
    let look = world.look(Look::Stack(key(STACK), deploy())).await;
    assert!(matches!(look, Outcome::Refused(_) | Outcome::Unsure(_)), "{look:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_operation_names_its_first_failure() {
    let world = World::start().await;
    let broken = json!({"Resources": {
        "H": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
        "W": {"Type": "AWS::CloudFormation::WaitCondition", "DependsOn": "H",
            "Properties": {"Handle": {"Ref": "H"}, "Timeout": "1"}}}});
    let row = deployed(&world, ChangeSetKind::Create, &broken).await;
    assert_eq!(row.status, StackStatus::RollbackComplete);
    let failed = match world.look(Look::Failure(key(STACK), row.id, deploy())).await {
        Outcome::Learnt(Fact::Failure(Some(failed))) => failed,
        other => panic!("no failure: {other:?}"),
    };
    assert_eq!(
        (failed.logical_id.as_str(), failed.resource_type.as_str()),
        ("W", "AWS::CloudFormation::WaitCondition")
    );
    assert!(failed.reason.contains("timed out"), "{}", failed.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_is_too_long_never_leaves() {
    let world = World::start().await;
    let mut long = wanted(ChangeSetKind::Create, &template("1"));
    long.template = TemplateSource::Inline(Arc::from("x".repeat(51_201)));
    let refused = refusal(world.mutate(Mutation::CreateChangeSet(Box::new(long))).await);
    assert_eq!(refused.kind, RefusalKind::Invalid);
    assert!(world.proxy.recorded().iter().all(|e| e.call.operation == "AssumeRole"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_too_late_is_unsure() {
    let settings = Settings { attempt_timeout: Duration::from_millis(500), ..Settings::default() };
    let world = World::with(settings).await;
    let slow = || Fault::HoldReply(Hold::For(Duration::from_secs(3)));
    world.sessions.get(&deploy()).await.unwrap();
    world.proxy.rule(Rule::on("cloudformation", "CreateChangeSet", slow()));
    let late = world
        .mutate(Mutation::CreateChangeSet(Box::new(wanted(ChangeSetKind::Create, &template("1")))))
        .await;
    assert!(matches!(late, Outcome::Unsure(_)), "{late:?}");
    world.proxy.rule(Rule::on("cloudformation", "DescribeStacks", slow()).always());
    let late = refusal(world.look(Look::Stack(key(STACK), deploy())).await);
    assert_eq!(late.kind, RefusalKind::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_pages_are_read_and_values_are_hidden() {
    let world = World::start().await;
    let arn = format!("arn:aws:cloudformation:ap-southeast-2:{DEV}:changeSet/stackgate-1/u");
    let page = |logical_id: &str, account: &str, more: &str| {
        let body = format!(
            "<DescribeChangeSetResponse><DescribeChangeSetResult><ChangeSetName>stackgate-1</ChangeSetName>\
             <ChangeSetId>{arn}</ChangeSetId><StackName>{STACK}</StackName>\
             <StackId>arn:aws:cloudformation:ap-southeast-2:{account}:stack/{STACK}/u</StackId>\
             <Status>CREATE_COMPLETE</Status><ExecutionStatus>AVAILABLE</ExecutionStatus><Changes><member>\
             <Type>Resource</Type><ResourceChange><Action>Modify</Action>\
             <LogicalResourceId>{logical_id}</LogicalResourceId><ResourceType>AWS::SSM::Parameter</ResourceType>\
             <Replacement>False</Replacement><Scope><member>Properties</member></Scope>\
             <AfterContext>{{\"Value\":\"hunter2\"}}</AfterContext></ResourceChange></member></Changes>{more}\
             </DescribeChangeSetResult></DescribeChangeSetResponse>"
        );
        Rule::on("cloudformation", "DescribeChangeSet", Fault::Answer { status: 200, body })
    };
    world.proxy.rule(page("A", DEV, "<NextToken>2</NextToken>"));
    world.proxy.rule(page("B", DEV, ""));
    let row = set(&world, SetRef::Arn(arn.parse().unwrap())).await.unwrap();
    let ids: Vec<_> = row.changes.iter().map(|c| c.logical_id.as_str()).collect();
    assert_eq!(ids, ["A", "B"]);
    assert!(row.changes.iter().all(|c| c.values.is_some()));
    assert!(!format!("{row:?}").contains("hunter2"));

    // An ARN of another account never gets through.
    world.proxy.rule(page("A", "222222222222", ""));
    let look = Look::ChangeSet(key(STACK), SetRef::Arn(arn.parse().unwrap()), deploy());
    assert_eq!(refusal(world.look(look).await).kind, RefusalKind::WrongAccount);
    // Nor does a status that nobody knows.
    let unknown = "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>Dev-Shop</StackName>\
        <StackId>arn:aws:cloudformation:ap-southeast-2:111111111111:stack/Dev-Shop/x</StackId>\
        <CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>TELEPORTING</StackStatus></member></Stacks>\
        </DescribeStacksResult></DescribeStacksResponse>";
    let fault = Fault::Answer { status: 200, body: unknown.to_owned() };
    world.proxy.rule(Rule::on("cloudformation", "DescribeStacks", fault));
    let odd = refusal(world.look(Look::Stack(key(STACK), deploy())).await);
    assert_eq!(odd.kind, RefusalKind::Invalid);
    assert!(odd.message.contains("TELEPORTING"), "{}", odd.message);
}
