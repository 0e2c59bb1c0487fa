//! How a plan stands, for whom, and whose word that was.

use std::sync::Arc;

use rstest::rstest;
use serde_json::{Value, json};
use stackgate_core::{
    api::{ChangePlan, Identity, RiskClass},
    freeze::Held,
};

use super::{
    fixtures::*,
    tests::{approved_by_alice, opened_as_seventh, plain},
    *,
};

/// Alone before its gate, approved, with these fields of its Stage's spec and status.
fn approved(spec: Value, status: Value, held: Option<&[Held]>) -> PlanReport {
    let mut all = json!({ "gate": {} });
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    let stage = stage(all, status);
    let view = plan(&proposal(), &[opened_as_seventh(), approved_by_alice()], json!({}));
    seen(&view, Some(&stage), held, None, &RiskClass::ALL)
}

fn unenforced() -> Value {
    json!({ "conditions": [{ "type": "ApprovalsEnforced", "status": "False", "reason": "PoliciesNotInForce",
        "message": "the binding is gone", "lastTransitionTime": "2026-11-24T10:00:00Z" }] })
}

fn stage_says_frozen(plan: &str) -> Value {
    json!({ "state": "Frozen", "waitingFor": "freeze inc-4711",
        "pending": { "name": "1.4.2", "digest": release("1.4.2", 'a')["digest"], "plan": plan } })
}

#[rstest]
#[case::suspended(json!({ "suspend": true }), json!({}), Some(&[][..]), "spec.suspend")]
#[case::it_observes(json!({ "mode": "Observe" }), json!({}), Some(&[][..]), "spec.mode: Observe")]
#[case::nobody_is_proven(json!({}), unenforced(), Some(&[][..]), "the binding is gone")]
#[case::freezes_are_not_read(json!({}), stage_says_frozen(&format!("prod-{DIGITS}")), None, "freeze inc-4711")]
fn what_is_held_up_is_not_about_to_run(
    #[case] spec: Value,
    #[case] status: Value,
    #[case] held: Option<&[Held]>,
    #[case] by: &str,
) {
    let report = approved(spec, status, held);
    assert_ne!(report.state.as_str(), "Approved");
    assert!(report.state.is_open());
    assert!(report.message.as_str().contains(by), "{}", report.message);
    assert!(!text(&report, now()).contains("about to run"));
}

#[test]
fn a_plan_says_itself_that_it_is_frozen() {
    let mut view = plan(&proposal(), &[opened_as_seventh(), approved_by_alice()], json!({}));
    let mut object = ChangePlan::clone(&view.plan);
    object.status = Some(
        serde_json::from_value(json!({ "state": "Frozen", "conditions": [{ "type": "Waiting", "status": "True",
            "reason": "Frozen", "message": "Freeze inc-4711: INC-4711", "lastTransitionTime": "2026-11-24T10:00:00Z" }] }))
        .unwrap(),
    );
    view.plan = Arc::new(object);
    let stage = stage(json!({ "gate": {} }), json!({}));
    let hidden = seen(&view, Some(&stage), None, None, &RiskClass::ALL);
    assert_eq!(hidden.state, State::Frozen);
    assert!(hidden.message.as_str().contains("Freeze inc-4711: INC-4711"), "{}", hidden.message);
    // Who reads the Freezes knows better than an old status.
    assert_eq!(seen(&view, Some(&stage), Some(&[]), None, &RiskClass::ALL).state, State::Approved);
}

#[test]
fn whoever_may_not_read_freezes_is_told_so() {
    let report = approved(json!({}), stage_says_frozen("prod-of-before"), None);
    assert_eq!(report.state, State::Approved);
    assert!(report.message.as_str().contains("unless a Freeze"), "{}", report.message);
}

#[test]
fn a_plan_whose_stage_is_gone_is_not_to_be_approved() {
    let view = plan(&proposal(), &[opened_as_seventh()], json!({}));
    let report = seen(&view, None, Some(&[]), None, &RiskClass::ALL);
    assert!(report.next.is_empty(), "{:?}", report.next);
    assert!(report.message.as_str().contains("can never run"), "{}", report.message);
}

#[test]
fn an_approval_of_another_release_is_none_of_a_plan_of_before() {
    let mut beforehand = decided("2026-11-20T09:00:00Z", "Approve", "rex", "Verified", &[]);
    beforehand["decided"]["under"] = json!(format!("a1-{}", "c".repeat(40)));
    let mut own = decided("2026-11-20T08:30:00Z", "Approve", "alice", "Verified", &[]);
    own["decided"]["under"] = json!(format!("a1-{}", "b".repeat(40)));
    let view = plan(
        &proposal(),
        &[opened("2026-11-20T08:00:00Z", 6, &release("1.4.2", 'a')), own, beforehand],
        json!({}),
    );
    let past = history([&view], |_| State::Succeeded);
    let said: Vec<&str> = past.items[0].decided.iter().map(|d| d.by.as_str()).collect();
    assert_eq!(said, ["alice"]);
}

#[test]
fn what_the_controller_doubts_is_doubted_in_the_history_too() {
    let said = decided("2026-11-20T08:30:00Z", "Approve", "alice", "Verified", &[]);
    let ledger = [opened("2026-11-20T08:00:00Z", 6, &release("1.4.2", 'a')), said];
    let known = |unproven: &[u32]| {
        let view = plan(&proposal(), &ledger, json!({})).doubting(unproven.iter().copied().collect());
        history([&view], |_| State::Succeeded).items[0].decided[0].identity
    };
    assert_eq!((known(&[]), known(&[1])), (Identity::Verified, Identity::Unverified));
}

#[test]
fn people_are_shown_by_the_name_that_they_have() {
    let odd = "jo%3B\"x\"%25\u{202e}";
    let ledger = |action: &str, identity: &str| {
        let mut said = decided("2026-11-24T10:05:00Z", action, odd, identity, &[]);
        said["decided"]["slot"] = json!("x");
        plan(&proposal(), &[opened_as_seventh(), said], json!({}))
    };
    let ours = stage(json!({}), json!({}));
    for (action, identity) in [("Approve", "Verified"), ("Approve", "Unverified"), ("Reject", "Verified")] {
        let screen = plain(&text(&shown(&ledger(action, identity), &ours, &[], None), now()));
        assert!(screen.contains("jo;\"x\"%\u{fffd}"), "{screen}");
        assert!(!screen.contains("%3B") && !screen.contains('\u{202e}'), "{screen}");
    }
}

#[test]
fn what_has_ended_is_counted_as_it_was() {
    let ledger = |first: Value| {
        let mut p = proposal();
        p["stacks"] = json!([p["stacks"][0]]);
        let ledger = [
            opened("2026-11-01T08:00:00Z", 6, &release("1.4.1", '9')),
            first,
            claimed("2026-11-01T08:40:01Z", "Prod-Store"),
            settled("2026-11-01T08:47:00Z", "Prod-Store", "Succeeded", "UPDATE_COMPLETE", None),
        ];
        plan(&p, &ledger, json!({}))
    };
    let ours = stage(json!({ "gate": {} }), json!({}));
    let by_alice =
        ledger(decided("2026-11-01T08:30:00Z", "Approve", "alice", "Verified", &["replace", "iam"]));
    let screen = plain(&text(&shown(&by_alice, &ours, &[], None), now()));
    assert!(screen.contains("had       1 of 1: alice") && !screen.contains("expired"), "{screen}");
    let mut rule = decided("2026-11-01T08:30:00Z", "Approve", "system:auto", "System", &[]);
    rule["decided"]["reason"] = json!("requireApproval: Never");
    rule["decided"]["source"] = json!("Rule");
    let screen = plain(&text(&shown(&ledger(rule), &ours, &[], None), now()));
    assert!(screen.contains("none needed: requireApproval: Never"), "{screen}");
}

/// Before Kubernetes 1.36, and by the same flags as all else.
#[test]
fn where_nothing_signs_what_is_printed_says_who_types_it() {
    let (view, stage) =
        (plan(&proposal(), &[opened_as_seventh()], json!({})), stage(json!({ "gate": {} }), json!({})));
    let report = seen_where(false, &view, Some(&stage), Some(&[]), None, &[RiskClass::Iam]);
    let by_kubectl = report.next.iter().find(|n| n.what == "approve it by kubectl alone").unwrap();
    let by = "by=$(kubectl -n shop auth whoami -o 'jsonpath={.status.userInfo.username}')";
    assert!(by_kubectl.command.ends_with(&format!("/approve=c1-{DIGITS};ack=iam;{by}\"")), "{by_kubectl:?}");
}

/// What is printed for somebody who may acknowledge these.
fn printed_for(ledger: &[Value], may_ack: &[RiskClass]) -> Vec<String> {
    let (view, stage) = (plan(&proposal(), ledger, json!({})), stage(json!({ "gate": {} }), json!({})));
    let report = seen(&view, Some(&stage), Some(&[]), None, may_ack);
    report.next.into_iter().map(|n| n.command).collect()
}

#[test]
fn what_is_printed_acknowledges_what_one_may() {
    use RiskClass::{Iam, Network};
    let iam = printed_for(&[opened_as_seventh()], &[Iam, Network]);
    assert!(iam[0].ends_with("--ack iam") && iam[1].ends_with(";ack=iam'"), "{iam:?}");
    let none = printed_for(&[opened_as_seventh()], &[]);
    assert!(none[0].ends_with("--ack none") && none[1].ends_with(DIGITS), "{none:?}");
    // There are approvals enough: one without what is missing would change nothing.
    let alice = decided("2026-11-24T10:05:00Z", "Approve", "alice", "Verified", &[]);
    let useless = printed_for(&[opened_as_seventh(), alice], &[]);
    assert!(useless.iter().all(|c| !c.contains("approve")), "{useless:?}");
}
