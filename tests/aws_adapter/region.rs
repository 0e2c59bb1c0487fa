//! The poll of a region: rows for what is waited for, calls only while something is.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use stackgate::aws::{CallOutcome, Operation, Paces, Regions, RowCache};
use stackgate_core::{
    effect::{Pace, Seen},
    stack::StackStatus,
};
use stackgate_testbed::{Fault, Rule};
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
    // Not in the list is not absent.
    assert_eq!(poll.cache.get(&key("Dev-Shop")), Seen::Unknown);

    let template = |name: &str| {
        json!({"Resources": {"P": {"Type": "AWS::SSM::Parameter",
            "Properties": {"Name": name, "Type": "String", "Value": "1"}}}})
    };
    world.stack(DEV, "Dev-Shop", &template("/shop")).await;
    world.stack(DEV, "Dev-Other", &template("/other")).await;
    assert_eq!(woken(&mut poll).await, "Dev-Shop");
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
