use std::sync::Arc;

use rstest::rstest;

use super::*;
use crate::{
    api::{ChangePlan, Stage},
    gate::in_force,
};

const C1: &str = "c1-0123456789abcdef0123456789abcdef01234567";
const A1: &str = "a1-0123456789abcdef0123456789abcdef01234567";
const START: &str = "2026-11-24T00:00:00Z";

fn at(hours: i64) -> Timestamp {
    START.parse::<Timestamp>().unwrap().saturating_add(SignedDuration::from_hours(hours)).unwrap()
}

/// A plan with these risks, and with these decisions, each an hour after the one before.
fn plan(risks: &[&str], decisions: &[serde_json::Value]) -> PlanView {
    let risks: Vec<_> = risks
        .iter()
        .map(|c| serde_json::json!({ "class": c, "stack": "Store", "resources": ["R"], "cause": "x" }))
        .collect();
    let opened = serde_json::json!({ "seq": 0, "time": at(0).to_string(), "opened": { "order": 1 } });
    let ledger: Vec<_> = std::iter::once(opened)
        .chain(decisions.iter().enumerate().map(|(place, d)| {
            let hours = i64::try_from(place).unwrap() + 1;
            serde_json::json!({ "seq": place + 1, "time": at(hours).to_string(), "decided": d })
        }))
        .collect();
    let spec = serde_json::json!({
        "proposal": {
            "kind": "Stage", "name": "prod", "uid": "u", "operation": "Deploy", "id": C1, "a1": A1, "risks": risks
        },
        "ledger": ledger
    });
    PlanView::new(Arc::new(ChangePlan::new("prod-0", serde_json::from_value(spec).unwrap()))).unwrap()
}

fn said(action: &str, by: &str, identity: &str, acks: &[&str]) -> serde_json::Value {
    serde_json::json!({
        "action": action, "by": by, "identity": identity, "source": "ChangePlan", "slot": "", "acks": acks
    })
}

fn approve(by: &str) -> serde_json::Value {
    said("Approve", by, "Verified", &[])
}

/// An approval that counts until so many hours after the start.
fn until(by: &str, hours: i64) -> serde_json::Value {
    let mut approval = approve(by);
    approval["until"] = at(hours).to_string().into();
    approval
}

fn gate(spec: serde_json::Value) -> InForce {
    let spec = serde_json::json!({ "assemblyRef": { "name": "shop" }, "accounts": ["prod"], "gate": spec });
    in_force(&Stage::new("prod", serde_json::from_value(spec).unwrap()), [])
}

#[rstest]
#[case::nobody(1, &[], 0)]
#[case::one(1, &[approve("alice")], 1)]
#[case::a_person_counts_once(2, &[approve("alice"), approve("alice")], 1)]
#[case::two_people(2, &[approve("alice"), approve("bob")], 2)]
#[case::taken_back(2, &[approve("alice"), approve("bob"), said("Revoke", "alice", "Verified", &[])], 1)]
#[case::only_the_own(1, &[approve("alice"), said("Revoke", "bob", "Verified", &[])], 1)]
#[case::and_given_again(1, &[approve("alice"), said("Revoke", "alice", "Verified", &[]), approve("alice")], 1)]
#[case::what_is_over_brings_no_older_word_back(1, &[approve("alice"), until("alice", 3)], 0)]
#[case::nor_of_others(2, &[approve("alice"), approve("bob"), until("alice", 4)], 1)]
#[case::whoever_is_not_proven_takes_nothing_back(1, &[approve("alice"), said("Approve", "alice", "Unverified", &[])], 1)]
#[case::unproven_stops_count(1, &[approve("alice"), said("Revoke", "alice", "Unverified", &[])], 0)]
#[case::unproven_approvals_do_not(1, &[said("Approve", "alice", "Unverified", &[])], 0)]
#[case::git_is_one(1, &[said("Approve", "git:main", "Git", &[])], 1)]
#[case::but_no_part_of_a_quorum(2, &[said("Approve", "git:main", "Git", &[]), approve("alice")], 1)]
#[case::a_rule_is_no_person(1, &[said("Approve", "system:auto", "System", &[])], 0)]
fn quorum(#[case] needed: u32, #[case] decisions: &[serde_json::Value], #[case] had: u32) {
    let tally = tally(&plan(&[], decisions), &gate(serde_json::json!({ "approvals": needed })), at(9));
    assert_eq!(tally.had(), had, "{tally:?}");
    assert_eq!(tally.passes(), had >= needed);
}

#[rstest]
#[case::all_by_default(serde_json::json!({}), &["iam", "replace"], &["iam"], "ack replace")]
#[case::the_union_of_two(serde_json::json!({ "approvals": 2 }), &["iam", "replace"], &["iam", "replace"], "")]
#[case::only_those_listed(serde_json::json!({ "requireAck": ["iam"] }), &["iam", "replace"], &["iam"], "")]
#[case::none(serde_json::json!({ "requireAck": [] }), &["iam", "delete"], &[], "")]
fn acknowledgements(
    #[case] spec: serde_json::Value,
    #[case] risks: &[&str],
    #[case] acks: &[&str],
    #[case] missing: &str,
) {
    // Each class is acknowledged by another person.
    let people = ["alice", "bob"];
    let mut decisions: Vec<_> =
        acks.iter().zip(people).map(|(c, by)| said("Approve", by, "Verified", &[c])).collect();
    if decisions.is_empty() {
        decisions.push(approve("alice"));
    }
    let tally = tally(&plan(risks, &decisions), &gate(spec), at(9));
    assert_eq!(tally.missing(), missing);
}

#[test]
fn an_acknowledgement_of_whom_the_gate_does_not_believe_is_none() {
    let decisions = [approve("alice"), said("Approve", "mallory", "Unverified", &["iam"])];
    let tally = tally(&plan(&["iam"], &decisions), &gate(serde_json::json!({})), at(9));
    assert_eq!(tally.missing(), "ack iam");
    assert!(tally.not_counted[0].starts_with("mallory: nothing proves who it was"), "{tally:?}");
}

#[rstest]
#[case::never(serde_json::json!({ "requireApproval": "Never" }), &["iam"], true)]
#[case::no_risk(serde_json::json!({ "requireApproval": "OnRisk" }), &[], true)]
#[case::a_risk(serde_json::json!({ "requireApproval": "OnRisk" }), &["iam"], false)]
#[case::one_that_is_not_listed(serde_json::json!({ "requireApproval": "OnRisk", "requireAck": ["delete"] }), &["iam"], true)]
#[case::a_maybe_is_always_one(serde_json::json!({ "requireApproval": "OnRisk", "requireAck": ["delete"] }), &["maybe-replace"], false)]
#[case::any_change(serde_json::json!({}), &[], false)]
fn rules(#[case] spec: serde_json::Value, #[case] risks: &[&str], #[case] passes: bool) {
    assert_eq!(tally(&plan(risks, &[]), &gate(spec), at(9)).passes(), passes);
}

#[test]
fn approvals_expire_from_when_they_were_first_seen() {
    let plan = plan(&[], &[approve("alice")]);
    let gate = gate(serde_json::json!({ "approvalTTL": "2h" }));
    let before = tally(&plan, &gate, at(3).saturating_sub(SignedDuration::from_secs(1)).unwrap());
    assert!(before.passes());
    assert_eq!(before.changes, Some(at(3)));
    assert!(!tally(&plan, &gate, at(3)).passes());
}

#[test]
fn until_only_shortens() {
    let with = |until: i64| {
        let mut d = approve("alice");
        d["until"] = at(until).to_string().into();
        tally(&plan(&[], &[d]), &gate(serde_json::json!({ "approvalTTL": "4h" })), at(4)).passes()
    };
    assert!(!with(3));
    assert!(with(5));
    let mut d = approve("alice");
    d["until"] = at(100).to_string().into();
    assert!(!tally(&plan(&[], &[d]), &gate(serde_json::json!({ "approvalTTL": "4h" })), at(6)).passes());
}

#[rstest]
#[case::within(&["iam"], &["iam", "replace"], 9, true)]
#[case::beyond(&["iam", "delete"], &["iam"], 9, false)]
#[case::without_risk(&[], &[], 9, true)]
#[case::for_a_day(&[], &[], 26, false)]
fn an_approval_beforehand(
    #[case] risks: &[&str],
    #[case] acks: &[&str],
    #[case] now: i64,
    #[case] passes: bool,
) {
    let mut d = said("Approve", "alice", "Verified", acks);
    d["under"] = A1.into();
    let tally = tally(&plan(risks, &[d]), &gate(serde_json::json!({})), at(now));
    assert_eq!(tally.passes(), passes, "{tally:?}");
}

#[test]
fn an_approval_of_another_release_is_none_of_this_plan() {
    let mut d = approve("alice");
    d["under"] = A1.replace("a1-0", "a1-1").into();
    let plan = plan(&[], &[d]);
    assert!(!tally(&plan, &gate(serde_json::json!({})), at(2)).passes());
    assert_eq!(plan.beforehand.len(), 1);
}

#[test]
fn an_override_waives_the_quorum_and_no_acknowledgement() {
    let gate = gate(serde_json::json!({ "approvals": 3 }));
    let over = said("Override", "carol", "Verified", &[]);
    let risky = plan(&["iam"], &[approve("alice"), over.clone()]);
    let counted = tally(&risky, &gate, at(9));
    assert!(counted.overridden);
    assert_eq!(counted.missing(), "ack iam");
    assert!(!tally(&plan(&[], std::slice::from_ref(&over)), &gate, at(9)).passes(), "it is no approval");
    assert!(tally(&plan(&[], &[approve("alice"), over.clone()]), &gate, at(9)).passes());
    let unproven = said("Override", "carol", "Unverified", &[]);
    assert!(!tally(&plan(&[], &[approve("alice"), unproven]), &gate, at(9)).overridden);
    let mut shorter = over.clone();
    shorter["until"] = at(4).to_string().into();
    let overridden = |said: &[serde_json::Value], hour: i64| {
        tally(&plan(&[], &[&[approve("alice")], said].concat()), &gate, at(hour)).overridden
    };
    assert!(overridden(&[over.clone(), shorter.clone()], 3));
    assert!(!overridden(&[over.clone(), shorter.clone()], 4), "an older word comes back");
    assert!(overridden(&[shorter.clone(), over.clone()], 9));
    let dave = said("Override", "dave", "Verified", &[]);
    assert!(overridden(&[dave, shorter], 9), "that is somebody else");
    let revoked = said("Revoke", "carol", "Verified", &[]);
    assert!(!tally(&plan(&[], &[approve("alice"), over, revoked]), &gate, at(9)).overridden);
}

#[test]
fn where_anybody_counts_people_are_told_apart_by_what_they_claim() {
    let gate = gate(serde_json::json!({ "identity": "Any", "approvals": 2 }));
    let unsigned = said("Approve", "", "Unverified", &[]);
    let plan = plan(&[], &[unsigned.clone(), unsigned, said("Approve", "bob", "Unverified", &[])]);
    assert_eq!(tally(&plan, &gate, at(9)).had(), 2);
}
