//! Sessions: one hop and two, in the right account or not at all, once per role and as narrow as the scope says.

use std::sync::Arc;

use serde_json::json;
use stackgate::aws::{CallOutcome, Operation};
use stackgate_core::effect::{Fact, Look, Outcome, RefusalKind};
use stackgate_testbed::{Fault, Rule};

use crate::world::{BUILD, DEV, HUB, World, access, deploy, env, key, names, refusal, role};

#[tokio::test(flavor = "multi_thread")]
async fn one_hop_gives_one_session_however_many_ask() {
    let world = World::start().await;
    let access = deploy();
    let asked = (0..10).map(|_| world.sessions.get(&access));
    let sessions: Vec<_> = futures::future::join_all(asked).await.into_iter().map(Result::unwrap).collect();
    assert!(sessions.iter().all(|s| Arc::ptr_eq(s, &sessions[0])));
    assert_eq!(sessions[0].account().as_str(), DEV);
    assert_eq!(world.calls.count(Operation::AssumeRole, &env(DEV), CallOutcome::Ok), 1);

    let recorded = world.proxy.recorded();
    assert_eq!(recorded.len(), 1, "{recorded:?}");
    let call = &recorded[0].call;
    assert_eq!(
        (call.operation.as_str(), call.param("RoleSessionName")),
        ("AssumeRole", "sg-0123456789abcdef")
    );
    assert!(call.param("Policy").contains("stack/Dev-*/*"));
    assert_eq!((call.param("ExternalId"), call.param("Tags.member.1.Key")), ("", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hops_go_through_the_account_between() {
    let world = World::start().await;
    let aws = |account: &str| json!({"AWS": format!("arn:aws:iam::{account}:root")});
    world
        .stack(HUB, "Hub", &json!({"Resources": {"R": role("hub", &aws(BUILD), &["sts:AssumeRole"])}}))
        .await;
    world.stack(DEV, "Org", &json!({"Resources": {"R": role("org", &aws(HUB), &["*"])}})).await;
    let hub = format!("arn:aws:iam::{HUB}:role/hub").parse().unwrap();
    let org: stackgate_core::words::RoleArn = format!("arn:aws:iam::{DEV}:role/org").parse().unwrap();

    let session = world.sessions.get(&access(DEV, &[hub, org.clone()])).await.unwrap();
    assert_eq!(session.account().as_str(), DEV);
    assert_eq!(world.calls.count(Operation::AssumeRole, &env(DEV), CallOutcome::Ok), 2);
    // Straight from the controller's account the last role is not to be had, and nothing stands in for it.
    let denied = world.sessions.get(&access(DEV, &[org])).await.unwrap_err();
    assert_eq!(denied.kind, RefusalKind::AssumeDenied);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_is_refused() {
    let world = World::start().await;
    // By the role's ARN, before anything is called.
    let wrong = world.sessions.get(&access(HUB, &[names().deploy_role()])).await.unwrap_err();
    assert_eq!(wrong.kind, RefusalKind::WrongAccount);
    assert!(world.proxy.recorded().is_empty());
    // By what AWS says of the base credentials.
    let wrong = world.sessions.get(&access(DEV, &[])).await.unwrap_err();
    assert_eq!(wrong.kind, RefusalKind::WrongAccount);
    assert!(wrong.message.contains(BUILD) && wrong.message.contains(DEV), "{}", wrong.message);
    assert_eq!(world.sessions.get(&access(BUILD, &[])).await.unwrap().account().as_str(), BUILD);
    // By what AWS says of the session.
    let body = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
        <AssumedRoleUser><AssumedRoleId>A:s</AssumedRoleId><Arn>arn:aws:sts::222222222222:assumed-role/r/s</Arn>\
        </AssumedRoleUser><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
        <SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
        </AssumeRoleResult></AssumeRoleResponse>";
    world.proxy.rule(Rule::on(
        "sts",
        "AssumeRole",
        Fault::ReplaceReply { status: 200, body: body.to_owned() },
    ));
    let wrong = world.sessions.get(&deploy()).await.unwrap_err();
    assert_eq!(wrong.kind, RefusalKind::WrongAccount, "{}", wrong.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_cannot_be_assumed_says_what_to_do() {
    let world = World::start().await;
    let role = format!("arn:aws:iam::{DEV}:role/nobody").parse().unwrap();
    let denied = world.sessions.get(&access(DEV, &[role])).await.unwrap_err();
    assert_eq!(denied.kind, RefusalKind::AssumeDenied);
    assert!(denied.message.contains("--trust"), "{}", denied.message);
    assert!(denied.message.contains("request id"), "{}", denied.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scope_narrows() {
    let world = World::start().await;
    let inside = world.look(Look::Stack(key("Dev-None"), deploy())).await;
    assert!(matches!(inside, Outcome::Learnt(Fact::Stack(None))), "{inside:?}");
    let outside = refusal(world.look(Look::Stack(key("Toolkit"), deploy())).await);
    assert_eq!(outside.kind, RefusalKind::Denied);
    let version = world.look(Look::Toolkit(env(DEV), names().version_parameter(), deploy())).await;
    assert!(matches!(version, Outcome::Learnt(Fact::Toolkit(Some(33)))), "{version:?}");
    let other = refusal(world.look(Look::Toolkit(env(DEV), "/other".to_owned(), deploy())).await);
    assert_eq!(other.kind, RefusalKind::Denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_aws_no_longer_takes_is_replaced() {
    let world = World::start().await;
    let body = "<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredToken</Code><Message>expired</Message></Error>\
        <RequestId>r-1</RequestId></ErrorResponse>";
    world.proxy.rule(
        Rule::on("cloudformation", "DescribeStacks", Fault::Answer { status: 403, body: body.to_owned() })
            .always()
            .times(3),
    );
    let lost = refusal(world.look(Look::Stack(key("Dev-None"), deploy())).await);
    assert_eq!(lost.kind, RefusalKind::Unavailable, "{}", lost.message);
    world.proxy.remove_rules();
    let again = world.look(Look::Stack(key("Dev-None"), deploy())).await;
    assert!(matches!(again, Outcome::Learnt(Fact::Stack(None))), "{again:?}");
    assert_eq!(world.calls.count(Operation::AssumeRole, &env(DEV), CallOutcome::Ok), 2);
}
