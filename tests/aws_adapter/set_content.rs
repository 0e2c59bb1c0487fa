//! What a change set holds besides its list of changes: of the emulator where it has it, else of answers made by hand.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};
use stackgate_core::{
    change::{create_token, warnings_of},
    effect::{
        Access, Fact, Look, Mutation, Outcome, Receipt, RefusalKind, Scope, SetRef, TemplateSource,
        WantedChangeSet,
    },
    stack::{ChangeSetKind, ChangeSetRow, SetContent},
    words::{ChangeSetArn, ChangeSetName, Digest},
};
use stackgate_testbed::{Fault, Rule};

use crate::world::{DEV, World, deploy, key, names, refusal};

const STACK: &str = "Dev-Shop";

fn template() -> Value {
    json!({
        "Parameters": {"Size": {"Type": "String", "Default": "3"}},
        "Resources": {"P": {"Type": "AWS::SSM::Parameter", "Properties": {
            "Name": "/shop", "Type": "String", "Value": {"Ref": "Size"}}}},
    })
}

async fn create(world: &World, template: &Value, access: Access) -> ChangeSetArn {
    let name = ChangeSetName::ours(&Digest::of(template.to_string()));
    let wanted = WantedChangeSet {
        key: key(STACK),
        kind: ChangeSetKind::Create,
        description: "Stackgate: shop/dev proof=0".to_owned(),
        template: TemplateSource::Inline(template.to_string().into()),
        parameters: vec![],
        tags: vec![],
        capabilities: vec!["CAPABILITY_AUTO_EXPAND".to_owned()],
        role: Some(names().execution_role()),
        notification_arns: None,
        import_existing: false,
        token: create_token(&name),
        quiet: false,
        access,
        name,
    };
    match world.mutate(Mutation::CreateChangeSet(Box::new(wanted))).await {
        Outcome::Accepted(Receipt::ChangeSet(arn, _)) => arn,
        other => panic!("not accepted: {other:?}"),
    }
}

async fn row(world: &World, arn: &ChangeSetArn) -> ChangeSetRow {
    let look = Look::ChangeSet(key(STACK), SetRef::Arn(arn.clone()), deploy());
    match world.look(look).await {
        Outcome::Learnt(Fact::ChangeSet(Some(row))) => row,
        other => panic!("no change set: {other:?}"),
    }
}

async fn look(world: &World, arn: &ChangeSetArn, nested: &[(&str, &ChangeSetArn)]) -> Outcome {
    let nested = nested.iter().map(|(id, arn)| ((*id).to_owned(), (*arn).clone())).collect();
    world.look(Look::SetContent(key(STACK), arn.clone(), nested, deploy())).await
}

async fn content(world: &World, arn: &ChangeSetArn, nested: &[(&str, &ChangeSetArn)]) -> SetContent {
    match look(world, arn, nested).await {
        Outcome::Learnt(Fact::SetContent(Some(content))) => content,
        other => panic!("no content: {other:?}"),
    }
}

fn error(status: u16, code: &str) -> Fault {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>m</Message></Error>\
         <RequestId>r</RequestId></ErrorResponse>"
    );
    Fault::Answer { status, body }
}

fn answer(operation: &str, body: &str) -> Fault {
    let body =
        format!("<{operation}Response><{operation}Result>{body}</{operation}Result></{operation}Response>");
    Fault::Answer { status: 200, body }
}

/// A rule for the calls about one change set.
fn about(operation: &str, arn: &ChangeSetArn, fault: Fault) -> Rule {
    let arn = arn.to_string();
    Rule::on("cloudformation", operation, fault)
        .when(move |call| call.param("ChangeSetName") == arn || call.param("TargetId") == arn)
}

fn nested_arn(name: &str) -> ChangeSetArn {
    format!("arn:aws:cloudformation:ap-southeast-2:{DEV}:changeSet/stackgate-1-{name}/u").parse().unwrap()
}

/// What DescribeChangeSet says of a nested change set.
fn describe(arn: &ChangeSetArn, stack: &str, status: &str, changes: &str) -> Fault {
    answer(
        "DescribeChangeSet",
        &format!(
            "<ChangeSetName>stackgate-1</ChangeSetName><ChangeSetId>{arn}</ChangeSetId><StackName>{stack}</StackName>\
             <StackId>arn:aws:cloudformation:ap-southeast-2:{DEV}:stack/{stack}/u</StackId>{status}\
             <Parameters><member><ParameterKey>Cidr</ParameterKey><ParameterValue>/cidr</ParameterValue>\
             <ResolvedValue>10.0.0.0/8</ResolvedValue></member></Parameters><Changes>{changes}</Changes>"
        ),
    )
}

const READY: &str = "<Status>CREATE_COMPLETE</Status><ExecutionStatus>AVAILABLE</ExecutionStatus>";

fn change(logical_id: &str, kind: &str, set: Option<&ChangeSetArn>) -> String {
    let set = set.map(|arn| format!("<ChangeSetId>{arn}</ChangeSetId>")).unwrap_or_default();
    format!(
        "<member><Type>Resource</Type><ResourceChange><Action>Modify</Action>\
         <LogicalResourceId>{logical_id}</LogicalResourceId><ResourceType>{kind}</ResourceType>\
         <Replacement>False</Replacement>{set}</ResourceChange></member>"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_emulator_tells_the_processed_template() {
    let world = World::start().await;
    let arn = create(&world, &template(), deploy()).await;
    world.proxy.clear();
    let is = content(&world, &arn, &[]).await;
    let processed = Digest::of(template().to_string());
    assert_eq!(is.processed, BTreeMap::from([(String::new(), processed)]));
    assert_eq!((is.changes.len(), is.parameters.len()), (0, 0));
    // It knows no hooks: asked once for a session, and no warning.
    assert_eq!(is.warnings, Vec::<String>::new());
    content(&world, &arn, &[]).await;
    let recorded = world.proxy.recorded();
    let count = |name: &str| recorded.iter().filter(|e| e.call.operation == name).count();
    assert_eq!((count("GetTemplate"), count("DescribeEvents"), count("ListHookResults")), (2, 2, 1));
    let call = &recorded.iter().find(|e| e.call.operation == "GetTemplate").unwrap().call;
    assert_eq!((call.param("StackName"), call.param("TemplateStage")), (STACK, "Processed"));
    assert_eq!(call.param("ChangeSetName"), arn.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transform_changes_what_is_processed() {
    let world = World::start().await;
    let loops = json!({
        "Transform": "AWS::LanguageExtensions",
        "Resources": {"Fn::ForEach::Topics": ["Name", ["A", "B"], {
            "Topic${Name}": {"Type": "AWS::SNS::Topic"}}]},
    });
    let arn = create(&world, &loops, deploy()).await;
    let is = content(&world, &arn, &[]).await;
    assert_ne!(is.processed[""], Digest::of(loops.to_string()));
    let ids: Vec<String> = row(&world, &arn).await.changes.into_iter().map(|c| c.logical_id).collect();
    assert_eq!(ids, ["TopicA", "TopicB"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_set_that_is_gone_has_no_content() {
    let world = World::start().await;
    let arn = create(&world, &template(), deploy()).await;
    world.mutate(Mutation::DeleteChangeSet(key(STACK), arn.clone(), "not wanted".to_owned(), deploy())).await;
    let gone = look(&world, &arn, &[]).await;
    assert!(matches!(gone, Outcome::Learnt(Fact::SetContent(None))), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_change_sets_are_read_to_the_bottom() {
    let world = World::start().await;
    let arn = create(&world, &template(), deploy()).await;
    let (net, deep, empty) = (nested_arn("Net"), nested_arn("Net-Deep"), nested_arn("Same"));
    let stack = "AWS::CloudFormation::Stack";
    let inside = [
        change("Rule", "AWS::EC2::SecurityGroupIngress", None),
        change("Deep", stack, Some(&deep)),
        change("Blind", stack, None),
    ];
    world.proxy.rule(about(
        "DescribeChangeSet",
        &net,
        describe(&net, "Dev-Shop-Net-X", READY, &inside.concat()),
    ));
    world.proxy.rule(about(
        "DescribeChangeSet",
        &deep,
        describe(&deep, "Dev-Shop-Net-X-Deep-Y", READY, &change("Table", "AWS::DynamoDB::Table", None)),
    ));
    let nothing = "<Status>FAILED</Status><ExecutionStatus>UNAVAILABLE</ExecutionStatus>\
                   <StatusReason>The submitted information didn't contain changes. Submit …</StatusReason>";
    world.proxy.rule(about("DescribeChangeSet", &empty, describe(&empty, "Dev-Shop-Same-Z", nothing, "")));
    for (set, text) in [(&net, "{\"net\":1}"), (&deep, "{\"deep\":1}")] {
        let body = format!("<TemplateBody>{text}</TemplateBody>");
        world.proxy.rule(about("GetTemplate", set, answer("GetTemplate", &body)));
        world.proxy.rule(about("DescribeEvents", set, answer("DescribeEvents", "")));
    }
    let now = format!("arn:aws:cloudformation:ap-southeast-2:{DEV}:stack/Dev-Shop-Net-X/u");
    let deployed = answer("GetTemplate", "<TemplateBody>{\"net\":0}</TemplateBody>");
    let of_the_stack = Rule::on("cloudformation", "GetTemplate", deployed);
    world.proxy.rule(of_the_stack.when(move |call| call.param("StackName") == now));
    let is = content(&world, &arn, &[("Net", &net), ("Same", &empty)]).await;
    let paths: Vec<&str> = is.processed.keys().map(String::as_str).collect();
    assert_eq!(paths, ["", "Net", "Net/Deep"]);
    assert_eq!(is.processed["Net/Deep"], Digest::of("{\"deep\":1}"));
    let ids: Vec<&str> = is.changes.iter().map(|c| c.logical_id.as_str()).collect();
    assert_eq!(ids, ["Net/Rule", "Net/Deep", "Net/Blind", "Net/Deep/Table"]);
    assert_eq!(is.parameters.keys().collect::<Vec<_>>(), ["Net/Cidr", "Net/Deep/Cidr"]);
    assert_eq!(is.warnings, ["nested stack Net/Blind: what changes in it is not known"]);

    // That of a stack that is yet to be made is not there.
    assert_eq!(is.deployed, BTreeMap::from([("Net".to_owned(), Arc::from("{\"net\":0}"))]));

    // One that is not ready is waited for; one that failed is told.
    let busy = "<Status>CREATE_IN_PROGRESS</Status><ExecutionStatus>UNAVAILABLE</ExecutionStatus>";
    world.proxy.rule(about("DescribeChangeSet", &net, describe(&net, "S", busy, "")));
    let refused = refusal(look(&world, &arn, &[("Net", &net)]).await);
    assert_eq!(refused.kind, RefusalKind::Unavailable, "{}", refused.message);
    let failed = "<Status>FAILED</Status><ExecutionStatus>UNAVAILABLE</ExecutionStatus>\
                  <StatusReason>no such type</StatusReason>";
    world.proxy.rule(about("DescribeChangeSet", &net, describe(&net, "S", failed, "")));
    let refused = refusal(look(&world, &arn, &[("Net", &net)]).await);
    assert_eq!(refused.kind, RefusalKind::Invalid);
    assert!(refused.message.contains("no such type"), "{}", refused.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn change_sets_without_end_are_refused() {
    let world = World::start().await;
    let arn = create(&world, &template(), deploy()).await;
    let net = nested_arn("Net");
    // Each names itself as nested.
    let itself = change("Net", "AWS::CloudFormation::Stack", Some(&net));
    world
        .proxy
        .rule(about("DescribeChangeSet", &net, describe(&net, "Dev-Shop-Net", READY, &itself)).always());
    let body = "<TemplateBody>{}</TemplateBody>";
    world.proxy.rule(about("GetTemplate", &net, answer("GetTemplate", body)).always());
    world.proxy.rule(about("DescribeEvents", &net, answer("DescribeEvents", "")).always());
    let refused = refusal(look(&world, &arn, &[("Net", &net)]).await);
    assert_eq!(refused.kind, RefusalKind::Invalid);
    assert!(refused.message.contains("nested"), "{}", refused.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_validations_and_hooks_say_is_read_without_what_differs_by_itself() {
    let world = World::start().await;
    let arn = create(&world, &template(), deploy()).await;
    let page = |id: &str, more: &str| {
        answer(
            "DescribeEvents",
            &format!(
                "<OperationEvents><member><EventId>{id}</EventId><EventType>VALIDATION_ERROR</EventType>\
                 <OperationType>CREATE_CHANGESET</OperationType><LogicalResourceId>P</LogicalResourceId>\
                 <ValidationName>NAME_CONFLICT_VALIDATION</ValidationName><ValidationFailureMode>WARN</ValidationFailureMode>\
                 <ValidationStatus>FAILED</ValidationStatus>\
                 <ValidationStatusReason>/shop is taken (Request ID: {id})</ValidationStatusReason></member>\
                 <member><EventId>2</EventId><EventType>STACK_EVENT</EventType></member></OperationEvents>{more}"
            ),
        )
    };
    let hooks = |id: &str, status: &str| {
        answer(
            "ListHookResults",
            &format!(
                "<HookResults><member><HookResultId>{id}</HookResultId><TypeName>Shop::Net::Check</TypeName>\
                 <FailureMode>WARN</FailureMode><Status>{status}</Status>\
                 <HookStatusReason>open to the world</HookStatusReason><TargetId>{id}</TargetId></member></HookResults>"
            ),
        )
    };
    let mut seen = Vec::new();
    for id in ["0f8fad5b-d9cb-469f-a165-70867728950e", "1f8fad5b-d9cb-469f-a165-70867728950e"] {
        world.proxy.rule(about("DescribeEvents", &arn, page(id, "<NextToken>2</NextToken>")));
        world.proxy.rule(about("DescribeEvents", &arn, page(id, "")));
        world.proxy.rule(about("ListHookResults", &arn, hooks(id, "HOOK_COMPLETE_FAILED")));
        seen.push(content(&world, &arn, &[]).await.warnings);
    }
    let is = [
        "hook Shop::Net::Check (WARN): open to the world",
        "validation NAME_CONFLICT_VALIDATION (WARN): P: /shop is taken (<request>)",
    ];
    assert_eq!(seen, [is, is]);
    world.proxy.rule(about("ListHookResults", &arn, hooks("1", "HOOK_COMPLETE_SUCCEEDED")));
    assert_eq!(content(&world, &arn, &[]).await.warnings, Vec::<String>::new());
    world.proxy.rule(about("ListHookResults", &arn, hooks("1", "HOOK_IN_PROGRESS")));
    assert_eq!(refusal(look(&world, &arn, &[]).await).kind, RefusalKind::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_waited_for_or_seen() {
    let world = World::start().await;
    let arn = create(&world, &template(), deploy()).await;
    // The emulator knows no hooks, and whoever has heard that asks no more: here it never says so before the end.
    let none = || answer("ListHookResults", "<HookResults></HookResults>");
    for (operation, other) in [("DescribeEvents", none()), ("ListHookResults", error(400, "Throttling"))] {
        let rule = world.proxy.rule(Rule::on("cloudformation", operation, error(400, "Throttling")).always());
        let hooks = world.proxy.rule(Rule::on("cloudformation", "ListHookResults", other).always());
        let throttled = refusal(look(&world, &arn, &[]).await);
        assert_eq!(throttled.kind, RefusalKind::Throttled, "{operation}");
        rule.remove();
        hooks.remove();
    }
    // That the role may not ask is part of what is approved.
    for operation in ["DescribeEvents", "ListHookResults"] {
        world.proxy.rule(Rule::on("cloudformation", operation, error(403, "AccessDenied")));
    }
    assert_eq!(
        content(&world, &arn, &[]).await.warnings,
        [
            "the findings of validations are not known: the deploy role is not allowed DescribeEvents",
            "the results of hooks are not known: the deploy role is not allowed ListHookResults",
        ]
    );
    // Something else that speaks the protocol, and does not know the question.
    let page =
        |status| Fault::Answer { status, body: "<!doctype html><title>Not implemented</title>".to_owned() };
    for fault in [page(500), page(501), error(501, "InternalFailure")] {
        let events = world.proxy.rule(Rule::on("cloudformation", "DescribeEvents", fault.clone()).always());
        let hooks = world.proxy.rule(Rule::on("cloudformation", "ListHookResults", fault.clone()).always());
        let found = content(&world, &arn, &[]).await.warnings;
        assert!(found.is_empty(), "{fault:?}: {found:?}");
        events.remove();
        hooks.remove();
    }
    for (fault, kind) in [
        (error(400, "Throttling"), RefusalKind::Throttled),
        (error(500, "InternalFailure"), RefusalKind::Unavailable),
        (error(403, "AccessDenied"), RefusalKind::Denied),
        (error(400, "InvalidAction"), RefusalKind::Invalid),
        (answer("GetTemplate", ""), RefusalKind::Invalid),
    ] {
        let rule = world.proxy.rule(Rule::on("cloudformation", "GetTemplate", fault.clone()).always());
        let refused = refusal(look(&world, &arn, &[]).await);
        assert_eq!(refused.kind, kind, "{fault:?}: {}", refused.message);
        rule.remove();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_behind_parameters_are_told_apart_and_hidden() {
    let world = World::start().await;
    let arn = create(&world, &template(), deploy()).await;
    let with = |resolved: &str, nested: Option<&ChangeSetArn>| {
        let list = change("Net", "AWS::CloudFormation::Stack", nested);
        let Fault::Answer { status, body } = describe(&arn, STACK, READY, &list) else { panic!("an answer") };
        Fault::Answer { status, body: body.replace("10.0.0.0/8", resolved) }
    };
    let net = nested_arn("Net");
    let mut rows = Vec::new();
    for (resolved, nested) in [("hunter2", Some(&net)), ("hunter2", Some(&net)), ("hunter3", None)] {
        world.proxy.rule(about("DescribeChangeSet", &arn, with(resolved, nested)));
        rows.push(row(&world, &arn).await);
    }
    assert_eq!(rows[0], rows[1]);
    assert_ne!(rows[0].parameters, rows[2].parameters);
    assert!(!format!("{rows:?}").contains("hunter"));
    assert_eq!(rows[0].nested, BTreeMap::from([("Net".to_owned(), net)]));
    let content = SetContent::default();
    assert_eq!(warnings_of(&rows[0], &content), Vec::<String>::new());
    assert_eq!(warnings_of(&rows[2], &content), ["nested stack Net: what changes in it is not known"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_for_one_stack_name_is_enough() {
    let world = World::start().await;
    let Some(Scope::Deploy { execution_role, bucket, version_parameter, .. }) = deploy().scope else {
        panic!("a scope")
    };
    let stack_names = vec![STACK.to_owned()];
    let scope = Scope::Deploy { stack_names, execution_role, bucket, version_parameter };
    let narrow = Access { scope: Some(scope), ..deploy() };
    let arn = create(&world, &template(), narrow.clone()).await;
    let at = |name: &str| Look::SetContent(key(name), arn.clone(), BTreeMap::new(), narrow.clone());
    let there = world.look(at(STACK)).await;
    assert!(matches!(there, Outcome::Learnt(Fact::SetContent(Some(_)))), "{there:?}");
}
