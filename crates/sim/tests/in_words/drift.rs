//! Resources that somebody changes past their stack.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use stackgate_core::{api::DriftDetection, words::StackKey};
use stackgate_sim::{people::newest, run::Run};

use crate::story::*;

fn look_for_drift(run: &mut Run, interval: Option<&str>) {
    let interval = interval.map(|i| i.parse().unwrap());
    change_stage(run, |stage| stage.spec.drift_detection = Some(DriftDetection { interval }));
}

fn drifted(run: &mut Run) -> Option<Condition> {
    status(run).conditions.into_iter().find(|c| c.type_ == "Drifted")
}

/// Status and reason of the condition.
fn is(run: &mut Run) -> (String, String) {
    drifted(run).map(|c| (c.status, c.reason)).expect("the condition Drifted")
}

fn last_checked(run: &mut Run) -> Vec<Option<Timestamp>> {
    run.world().cloud.stacks.values().map(|s| s.drift.map(|(_, at)| at)).collect()
}

#[test]
fn it_is_shown_and_never_undone() {
    let (mut run, plan) = deployed();
    let key: StackKey = plan.proposal().stacks.first().expect("a stack").key();
    run.alone(SignedDuration::from_hours(1)).unwrap();
    assert_eq!((drifted(&mut run), last_checked(&mut run)), (None, vec![None, None]), "nobody has asked");

    look_for_drift(&mut run, None);
    run.alone(SignedDuration::from_mins(2)).unwrap();
    assert_eq!(is(&mut run), ("False".to_owned(), "InSync".to_owned()));
    let first = last_checked(&mut run);
    assert!(first.iter().all(Option::is_some));
    run.world().tamper(&key, true);
    run.alone(SignedDuration::from_hours(23)).unwrap();
    assert_eq!(last_checked(&mut run), first, "once a day");
    assert_eq!(is(&mut run).0, "False");

    run.alone(SignedDuration::from_hours(2)).unwrap();
    assert_eq!(is(&mut run), ("True".to_owned(), "ResourcesDrifted".to_owned()));
    let message = drifted(&mut run).map(|c| c.message).unwrap_or_default();
    assert!(message.contains(&format!("stack {key}")), "{message}");
    assert!(message.contains("Bucket AWS::S3::Bucket (MODIFIED)"), "{message}");
    assert_eq!(state(&mut run), "UpToDate");
    assert!(is_ready(&mut run), "what was deployed is deployed");
    assert_eq!(newest(run.world(), DEV).map(|p| p.name), Some(plan.name), "nothing is planned for that");

    run.world().tamper(&key, false);
    run.alone(SignedDuration::from_hours(25)).unwrap();
    assert_eq!(is(&mut run).0, "False");
    change_stage(&mut run, |stage| stage.spec.drift_detection = None);
    run.alone(SignedDuration::from_mins(1)).unwrap();
    assert_eq!(drifted(&mut run), None);
}

#[test]
fn it_is_not_looked_for_all_the_time_whatever_is_asked() {
    let (mut run, _) = deployed();
    look_for_drift(&mut run, Some("1s"));
    run.alone(SignedDuration::from_mins(5)).unwrap();
    let first = last_checked(&mut run);
    run.alone(SignedDuration::from_mins(4)).unwrap();
    assert_eq!(last_checked(&mut run), first);
    run.alone(SignedDuration::from_mins(10)).unwrap();
    assert_ne!(last_checked(&mut run), first);
}

#[test]
fn a_stack_that_cannot_be_asked_about_is_left_out() {
    let (mut run, plan) = deployed();
    let key: StackKey = plan.proposal().stacks.last().expect("a stack").key();
    run.world().grant(&key.env.account, false);
    look_for_drift(&mut run, None);
    run.alone(SignedDuration::from_hours(1)).unwrap();
    assert!(last_checked(&mut run).iter().all(Option::is_none), "the account is not granted any more");
}
