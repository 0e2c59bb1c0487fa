//! The poll of a region: rows for what is waited for, calls only while something is.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use stackgate::aws::{CallOutcome, Operation, Paces, Regions, RowCache};
use stackgate_core::{
    effect::{Pace, Seen},
    stack::StackStatus,
};
use stackgate_testbed::{Call, Fault, Rule};
use tokio::sync::mpsc;

use crate::world::{DEV, World, access, env, key, names};

const PACES: Paces =
    Paces { fast: Duration::from_millis(100), slow: Duration::from_secs(600), most: Duration::from_secs(1) };

struct Poll {
    regions: Regions,
    cache: RowCache,
    woken: mpsc::UnboundedReceiver<String>,
}

fn poll(world: &World) -> Poll {
    let (tell, woken) = mpsc::unbounded_channel();
    let cache = RowCache::default();
    let wake = Arc::new(move |key: &stackgate_core::words::StackKey| {
        // The test that listens may be over.
        let _ = tell.send(key.name.to_string());
    });
    let regions = Regions::new(world.sessions.clone(), cache.clone(), PACES, wake);
    Poll { regions, cache, woken }
}

fn template(name: &str) -> serde_json::Value {
    json!({"Resources": {"P": {"Type": "AWS::SSM::Parameter",
        "Properties": {"Name": name, "Type": "String", "Value": "1"}}}})
}

fn by_name(call: &Call) -> bool {
    !call.param("StackName").is_empty()
}

/// Waits for so many more complete polls.
async fn polled(world: &World, more: u64) {
    let enough = polls(world, CallOutcome::Ok) + more;
    while polls(world, CallOutcome::Ok) < enough {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn polls(world: &World, outcome: CallOutcome) -> u64 {
    world.calls.count(Operation::PollStacks, &env(DEV), outcome)
}

async fn woken(poll: &mut Poll) -> String {
    tokio::time::timeout(Duration::from_secs(20), poll.woken.recv()).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_while_they_are_wanted() {
    let world = World::start().await;
    let mut poll = poll(&world);
    let lookup = access(DEV, &[names().lookup_role()]);
    poll.regions.want("a", lookup.clone(), vec![(key("Toolkit"), Pace::Fast), (key("Dev-Shop"), Pace::Fast)]);
    assert_eq!(woken(&mut poll).await, "Toolkit");
    let Seen::Present(row, _) = poll.cache.get(&key("Toolkit")) else { panic!("no row") };
    assert_eq!(row.status, StackStatus::CreateComplete);
    // Not in the list: it was asked for by its name.
    assert_eq!(woken(&mut poll).await, "Dev-Shop");
    assert!(matches!(poll.cache.get(&key("Dev-Shop")), Seen::Absent(_)));

    world.stack(DEV, "Dev-Shop", &template("/shop")).await;
    world.stack(DEV, "Dev-Other", &template("/other")).await;
    assert_eq!(woken(&mut poll).await, "Dev-Shop");
    assert!(matches!(poll.cache.get(&key("Dev-Shop")), Seen::Present(..)));
    assert_eq!(poll.cache.get(&key("Dev-Other")), Seen::Unknown);

    poll.regions.forget("a");
    while !poll.regions.polled().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let before = polls(&world, CallOutcome::Ok);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(polls(&world, CallOutcome::Ok), before);
    assert_eq!(poll.cache.get(&key("Toolkit")), Seen::Unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_somebody_deletes_is_missed_and_asked_for_once() {
    let world = World::start().await;
    world.stack(DEV, "Dev-Shop", &template("/shop")).await;
    let mut poll = poll(&world);
    let lookup = access(DEV, &[names().lookup_role()]);
    poll.regions.want("a", lookup, vec![(key("Dev-Shop"), Pace::Fast)]);
    assert_eq!(woken(&mut poll).await, "Dev-Shop");
    let client = aws_sdk_cloudformation::Client::new(&world.admin(DEV));
    client.delete_stack().stack_name("Dev-Shop").send().await.unwrap();
    assert_eq!(woken(&mut poll).await, "Dev-Shop");
    assert!(matches!(poll.cache.get(&key("Dev-Shop")), Seen::Absent(_)));
    // What is known to be absent is not asked for again, as long as no page names it.
    let asked = || world.calls.count(Operation::DescribeStack, &env(DEV), CallOutcome::Refused);
    assert_eq!(asked(), 1);
    polled(&world, 3).await;
    assert_eq!(asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_fails_tells_nothing_and_is_asked_again() {
    let world = World::start().await;
    let body = "<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>";
    let fails = world.proxy.rule(
        Rule::on("cloudformation", "DescribeStacks", Fault::Answer { status: 400, body: body.to_owned() })
            .when(by_name)
            .always(),
    );
    let mut poll = poll(&world);
    let lookup = access(DEV, &[names().lookup_role()]);
    poll.regions.want("a", lookup, vec![(key("Toolkit"), Pace::Fast), (key("Dev-Shop"), Pace::Fast)]);
    assert_eq!(woken(&mut poll).await, "Toolkit", "the pages count all the same");
    polled(&world, 2).await;
    assert_eq!(poll.cache.get(&key("Dev-Shop")), Seen::Unknown);
    fails.remove();
    assert_eq!(woken(&mut poll).await, "Dev-Shop");
    assert!(matches!(poll.cache.get(&key("Dev-Shop")), Seen::Absent(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_polls_nothing_at_once_and_fast_does() {
    let world = World::start().await;
    let mut poll = poll(&world);
    let lookup = access(DEV, &[names().lookup_role()]);
    poll.regions.want("a", lookup.clone(), vec![(key("Toolkit"), Pace::Slow)]);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(polls(&world, CallOutcome::Ok), 0);
    poll.regions.want("a", lookup, vec![(key("Toolkit"), Pace::Fast)]);
    assert_eq!(woken(&mut poll).await, "Toolkit");
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_slows_the_poll_down_and_changes_no_row() {
    let world = World::start().await;
    let body = "<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>";
    world.proxy.rule(
        Rule::on("cloudformation", "DescribeStacks", Fault::Answer { status: 400, body: body.to_owned() })
            .times(9),
    );
    let mut poll = poll(&world);
    poll.regions.want("a", access(DEV, &[names().lookup_role()]), vec![(key("Toolkit"), Pace::Fast)]);
    assert_eq!(woken(&mut poll).await, "Toolkit");
    // Nine answers are three polls of three attempts each.
    assert_eq!(polls(&world, CallOutcome::Throttled), 3);
    assert!(polls(&world, CallOutcome::Ok) >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_denied_gives_way_to_another() {
    let world = World::start().await;
    let mut poll = poll(&world);
    let nobody = format!("arn:aws:iam::{DEV}:role/a-nobody").parse().unwrap();
    poll.regions.want("a", access(DEV, &[nobody]), vec![(key("Toolkit"), Pace::Fast)]);
    poll.regions.want("b", access(DEV, &[names().lookup_role()]), vec![(key("Toolkit"), Pace::Fast)]);
    assert_eq!(woken(&mut poll).await, "Toolkit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_that_breaks_off_changes_nothing() {
    let world = World::start().await;
    let first = format!(
        "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>Toolkit</StackName>\
         <StackId>arn:aws:cloudformation:ap-southeast-2:{DEV}:stack/Toolkit/x</StackId>\
         <CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>UPDATE_COMPLETE</StackStatus></member></Stacks>\
         <NextToken>2</NextToken></DescribeStacksResult></DescribeStacksResponse>"
    );
    let broken = "<ErrorResponse><Error><Code>ValidationError</Code><Message>bad token</Message></Error></ErrorResponse>";
    let answer = |status, body: &str| {
        Rule::on("cloudformation", "DescribeStacks", Fault::Answer { status, body: body.to_owned() })
    };
    world.proxy.rule(answer(200, &first));
    world.proxy.rule(answer(400, broken));
    let mut poll = poll(&world);
    poll.regions.want("a", access(DEV, &[names().lookup_role()]), vec![(key("Toolkit"), Pace::Fast)]);
    assert_eq!(woken(&mut poll).await, "Toolkit");
    let Seen::Present(row, _) = poll.cache.get(&key("Toolkit")) else { panic!("no row") };
    assert_eq!(row.status, StackStatus::CreateComplete, "the row of the broken walk was taken");
    assert_eq!(polls(&world, CallOutcome::Refused), 1);
}
