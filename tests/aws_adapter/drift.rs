//! Drift, as the emulator detects it.

use std::time::Duration;

use serde_json::{Value, json};
use stackgate_core::{
    effect::{Access, Fact, Look, Outcome, RefusalKind},
    stack::{Drift, DriftStatus, DriftedResource, StackRow},
    words::StackId,
};
use stackgate_testbed::{Fault, Rule};

use crate::world::{DEV, World, access, key, names};

const STACK: &str = "Dev-Shop";

fn template() -> Value {
    json!({"Resources": {"P": {"Type": "AWS::SSM::Parameter", "Properties": {
        "Name": "/shop", "Type": "String", "Value": "1"}}}})
}

fn lookup() -> Access {
    access(DEV, &[names().lookup_role()])
}

async fn row(world: &World) -> StackRow {
    match world.look(Look::Stack(key(STACK), lookup())).await {
        Outcome::Learnt(Fact::Stack(Some(row))) => row,
        other => panic!("no stack: {other:?}"),
    }
}

async fn detect(world: &World, id: &StackId) -> Outcome {
    world.look(Look::DetectDrift(key(STACK), id.clone(), lookup())).await
}

async fn drift(world: &World, id: &StackId, detection: Option<String>) -> Option<Drift> {
    match world.look(Look::Drift(key(STACK), id.clone(), detection, lookup())).await {
        Outcome::Learnt(Fact::Drift(drift)) => drift,
        other => panic!("nothing is told: {other:?}"),
    }
}

/// Detects, and waits for the end.
async fn detected(world: &World, id: &StackId) -> Drift {
    let detection = match detect(world, id).await {
        Outcome::Learnt(Fact::DriftDetection(id)) => id,
        other => panic!("nothing began: {other:?}"),
    };
    for _ in 0..100 {
        if let Some(drift) = drift(world, id, Some(detection.clone())).await {
            return drift;
        }
        // Nothing tells when it ends: it is asked again, and an end without it fails the test.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the detection does not come to its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_past_the_stack_is_told_by_name() {
    let world = World::start().await;
    world.stack(DEV, STACK, &template()).await;
    let before = row(&world).await;
    assert_eq!(before.drift, None);
    let in_sync = Drift::Detected { status: DriftStatus::InSync, resources: Vec::new() };
    assert_eq!(detected(&world, &before.id).await, in_sync);
    assert_eq!(row(&world).await.drift.map(|(status, _)| status), Some(DriftStatus::InSync));

    let ssm = aws_sdk_ssm::Client::new(&world.admin(DEV));
    ssm.put_parameter().name("/shop").value("by hand").overwrite(true).send().await.unwrap();
    let resource = DriftedResource {
        logical_id: "P".to_owned(),
        resource_type: "AWS::SSM::Parameter".to_owned(),
        status: "MODIFIED".to_owned(),
    };
    let drifted = Drift::Detected { status: DriftStatus::Drifted, resources: vec![resource] };
    assert_eq!(detected(&world, &before.id).await, drifted);
    assert_eq!(drift(&world, &before.id, None).await, Some(drifted), "what the last one has left");
    let after = row(&world).await;
    assert_eq!(after.drift.map(|(status, _)| status), Some(DriftStatus::Drifted));
    assert_eq!((after.id, after.updated), (before.id, before.updated), "the stack is the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detection_that_goes_on_fails_or_is_denied_is_told_so() {
    let world = World::start().await;
    world.stack(DEV, STACK, &template()).await;
    let id = row(&world).await.id;
    let says = |status: &str| {
        let body = format!(
            "<DescribeStackDriftDetectionStatusResponse><DescribeStackDriftDetectionStatusResult><StackId>{id}</StackId>\
             <StackDriftDetectionId>d</StackDriftDetectionId><DetectionStatus>{status}</DetectionStatus>\
             <DetectionStatusReason>no right to read P</DetectionStatusReason><Timestamp>2026-11-27T00:00:00Z</Timestamp>\
             </DescribeStackDriftDetectionStatusResult></DescribeStackDriftDetectionStatusResponse>"
        );
        let answer = Fault::Answer { status: 200, body };
        world.proxy.rule(Rule::on("cloudformation", "DescribeStackDriftDetectionStatus", answer));
    };
    says("DETECTION_IN_PROGRESS");
    assert_eq!(drift(&world, &id, Some("d".to_owned())).await, None);
    says("DETECTION_FAILED");
    let failed = Drift::Failed("no right to read P".to_owned());
    assert_eq!(drift(&world, &id, Some("d".to_owned())).await, Some(failed));

    let body = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>m</Message></Error></ErrorResponse>";
    let denied = Fault::Answer { status: 403, body: body.to_owned() };
    world.proxy.rule(Rule::on("cloudformation", "DetectStackDrift", denied));
    match detect(&world, &id).await {
        Outcome::Refused(refusal) => assert_eq!(refusal.kind, RefusalKind::Denied, "{}", refusal.message),
        other => panic!("not refused: {other:?}"),
    }
}
