//! The edge cases of the gate, each by name: what is recorded, what counts, and what follows.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use rstest::rstest;
use serde_json::{Value, json};

use super::{Snapshot, carry, decide, execute, gate, record::record, status};
use crate::{
    account::Accounts,
    api::{
        Action, AwsAccount, Bootstrap, ChangePlan, ChangePlanStatus, CloudAssembly, CloudAssemblyStatus,
        Decided, FINALIZER, Freeze, LedgerEntry, PlannedAs, Reason, Stage, StageStatus,
    },
    change::HmacKey,
    cluster::{ClusterView, Installation},
    effect::{Effect, LiveGate, LivePlan, Look, Next, PlanVersion, Record},
    facts::{Facts, SeenGate},
    gate::{Enforcement, InForceState, PlanReader, PlanView, SealedFor, annotation_digest, in_force, sealed},
    latch::{latch, late_stops, live_since_recorded, live_since_version},
    plan::{gated, owned_by, views},
    verdict::{Phase, Verdict},
    words::{Digest, StackKey},
};

mod beside;
mod case;
mod checks;
mod forged;
mod images;
mod late;
mod messages;
mod parameters;
mod pins;
mod rejects;
mod seen;
mod stops;
mod together;
mod unknown_values;

use self::case::*;

#[rstest]
#[case::of_a_change_that_is_not_known(&format!("{OTHER};by=alice"), &[])]
#[case::of_a_release_that_is_not_known(&format!("{NEXT_A1};by=alice"), &["Approve alice Verified under a1-2"])]
#[case::of_the_release_of_this_plan(&format!("{A1};by=alice"), &["Approve alice Verified under a1-1"])]
#[case::of_this_plan(&format!("{C1};by=alice"), &["Approve alice Verified"])]
#[case::of_the_start_of_an_id(&C1[..20], &[])]
#[case::that_is_over(&format!("{C1};by=alice;until=2026-11-24T00:01:00Z"), &[])]
fn an_approval_on_the_stage(#[case] value: &str, #[case] recorded: &[&str]) {
    assert_eq!(Case::new(&[]).on_stage(APPROVE, value).recorded(9), recorded);
}

#[test]
fn two_approvals_at_once_are_both_recorded() {
    let case = Case::new(&[])
        .on_plan(APPROVE, &format!("{C1};by=alice"))
        .on_plan("gate.stackgate.dev/approve.bob", &format!("{C1};by=bob"));
    assert_eq!(case.recorded(9), ["Approve alice Verified", "Approve bob Verified"]);
}

#[test]
fn what_is_recorded_is_not_recorded_again_though_it_is_wiped_and_put_back() {
    let case = Case::new(&[said("Approve", "alice")]).on_plan(APPROVE, &format!("{C1};by=alice"));
    assert_eq!(case.recorded(9), [""; 0]);
}

#[test]
fn an_approval_and_a_reject_at_once_are_both_recorded_and_the_reject_wins() {
    let case = Case::new(&[])
        .on_plan(APPROVE, &format!("{C1};by=alice"))
        .on_plan("gate.stackgate.dev/reject", &format!("{C1};by=bob"));
    assert_eq!(case.recorded(9), ["Reject bob Verified", "Approve alice Verified"]);
    let case = Case::new(&[said("Approve", "alice"), said("Reject", "bob")]);
    assert_eq!(case.decided(9).phase, Phase::Working(Reason::Withdrawing));
}

#[test]
fn an_approval_and_its_revoke_at_once_leave_nothing() {
    let case = Case::new(&[])
        .on_plan("gate.stackgate.dev/revoke", &format!("{C1};by=alice"))
        .on_plan("gate.stackgate.dev/zz", "")
        .on_plan(APPROVE, &format!("{C1};by=alice"));
    assert_eq!(case.recorded(9), ["Approve alice Verified", "Revoke alice Verified"]);
}

#[test]
fn an_old_value_that_git_puts_back_has_no_effect() {
    let case = Case::new(&[]).on_stage(APPROVE, &format!("{OTHER};by=git:main"));
    assert_eq!(case.recorded(9), [""; 0]);
    assert_eq!(case.decided(9).phase, Phase::Waiting(Reason::AwaitingApproval));
}

#[test]
fn nothing_negative_counts_on_a_stage() {
    let case = Case::new(&[]).on_stage("gate.stackgate.dev/reject", &format!("{C1};by=alice"));
    assert_eq!(case.recorded(9), [""; 0]);
}

#[test]
fn a_plan_of_a_stage_that_was_made_anew_is_none_of_its() {
    let uid = "another".parse().unwrap();
    let mut restored = plan(C1, A1, 1, &[said("Approve", "alice")]);
    restored.metadata.annotations = Some([(APPROVE.to_owned(), C1.to_owned())].into());
    assert!(views(vec![Arc::new(restored)], None, &uid, &PlanReader::new(HmacKey::new(KEY))).is_empty());
}

#[rstest]
#[case::nobody(&[], Phase::Waiting(Reason::AwaitingApproval))]
#[case::alice(&[said("Approve", "alice")], Phase::Working(Reason::Executing))]
#[case::alice_takes_it_back(&[said("Approve", "alice"), said("Revoke", "alice")], Phase::Waiting(Reason::AwaitingApproval))]
#[case::a_reject(&[said("Approve", "alice"), said("Reject", "bob")], Phase::Working(Reason::Withdrawing))]
#[case::closed_and_wanted_again(&[said("Approve", "alice"), closed("Superseded"), reopened(2)], Phase::Working(Reason::Executing))]
#[case::rejected_and_wanted_again(&[said("Reject", "bob"), closed("Rejected"), reopened(2)], Phase::Working(Reason::Withdrawing))]
#[case::tried_once(&[said("Approve", "alice"), claimed(), closed("Withdrawn"), reopened(2)], Phase::Waiting(Reason::AwaitingApproval))]
fn the_gate(#[case] ledger: &[Value], #[case] phase: Phase) {
    assert_eq!(Case::new(ledger).decided(60).phase, phase);
}

// The ledger's clock counts: the approval was seen at minute 1, the plan opened at minute 0.
#[rstest]
#[case::approval_in_time(json!({ "approvalTTL": "1h" }), 60, Phase::Working(Reason::Executing))]
#[case::approval_too_old(json!({ "approvalTTL": "1h" }), 61, Phase::Waiting(Reason::AwaitingApproval))]
#[case::plan_too_old_but_approved(json!({ "planTTL": "1h" }), 90, Phase::Working(Reason::Executing))]
#[case::both_too_old(json!({ "approvalTTL": "1h", "planTTL": "2h" }), 120, Phase::Working(Reason::Withdrawing))]
fn time_passes(#[case] gate: Value, #[case] minute: i64, #[case] phase: Phase) {
    let case = Case::new(&[said("Approve", "alice")]).with(|c| c.gate = gate);
    assert_eq!(case.decided(minute).phase, phase);
}

#[rstest]
#[case::shortens("2026-11-24T00:30:00Z", 30, Reason::AwaitingApproval)]
#[case::never_lengthens("2027-01-01T00:00:00Z", 61, Reason::AwaitingApproval)]
fn a_date_until_then(#[case] until: &str, #[case] minute: i64, #[case] reason: Reason) {
    let mut approval = said("Approve", "alice");
    approval["decided"]["until"] = json!(until);
    let case = Case::new(&[approval]).with(|c| c.gate = json!({ "approvalTTL": "1h" }));
    assert_eq!(case.decided(minute - 1).phase, Phase::Working(Reason::Executing));
    assert_eq!(case.decided(minute).phase, Phase::Waiting(reason));
}

/// Overwritten while nobody looked, and over by then: what it took the place of does not come back.
#[rstest]
#[case::in_its_place(APPROVE, "alice", &["Approve alice Verified"])]
#[case::in_another_slot("gate.stackgate.dev/approve.again", "alice", &[])]
#[case::of_somebody_else(APPROVE, "bob", &[])]
fn what_has_taken_the_place_of_an_approval_is_recorded(
    #[case] key: &str,
    #[case] by: &str,
    #[case] told: &[&str],
) {
    let over = format!("{C1};by={by};until=2026-11-24T00:05:00Z");
    let approved = || Case::new(&[said("Approve", "alice")]);
    assert_eq!(approved().on_plan(key, &over).recorded(9), told);
    assert_eq!(approved().on_stage(key, &over).recorded(9), [""; 0], "that is another place");
}

#[rstest]
#[case(InForceState::NotInForce)]
#[case(InForceState::Unknown)]
fn a_gate_for_people_who_are_proven_stays_shut_without_the_policies(#[case] state: InForceState) {
    let off = |c: &mut Case| c.enforcement = Enforcement { state, ..Enforcement::default() };
    let case = Case::new(&[said("Approve", "alice")]).with(off);
    assert_eq!(case.decided(9).phase, Phase::Waiting(Reason::PoliciesNotInForce));
    let any = case.with(|c| c.gate = json!({ "identity": "Any" }));
    assert_eq!(any.decided(9).phase, Phase::Working(Reason::Executing));
}

#[test]
fn while_nobody_knows_of_the_policies_approvals_wait_and_stops_do_not() {
    let case = Case::new(&[])
        .with(|c| c.enforcement = Enforcement::default())
        .on_plan(APPROVE, &format!("{C1};by=alice"))
        .on_plan("gate.stackgate.dev/reject", &format!("{C1};by=bob"));
    assert_eq!(case.recorded(9), ["Reject bob Unverified"]);
}

/// An approval of alice on the Stage and one of bob on the plan, and a look at the API server.
fn two_approvals() -> Case {
    Case::new(&[])
        .on_stage(APPROVE, &format!("{C1};by=alice"))
        .on_plan("gate.stackgate.dev/approve.bob", &format!("{C1};by=bob"))
        .looked()
}

/// Whether the gate is looked at, and nothing is written.
fn is_look_first(effects: &[Effect]) -> bool {
    matches!(effects, [Effect::Look(Look::LiveGate { .. }), rest @ ..] if rest.iter().all(|e| matches!(e, Effect::Look(_))))
}

#[test]
fn who_decided_is_recorded_after_a_look_that_came_later() {
    let none = two_approvals().with(|c| c.facts.gate = None);
    let Next::Do(effects) = none.latched(at(9)).unwrap().next else { panic!("it waits") };
    assert!(is_look_first(&effects), "{effects:?}");
    // One from before this version of the plan says nothing of what has come with it.
    let newer = two_approvals().with(|c| c.plans[0].metadata.resource_version = Some("2".to_owned()));
    let Next::Do(effects) = newer.latched(at(9)).unwrap().next else { panic!("it waits") };
    assert!(is_look_first(&effects), "{effects:?}");
    let both = recorded(two_approvals().latched(at(9)));
    assert_eq!(both, ["Approve bob Verified", "Approve alice Verified"]);
}

#[rstest]
#[case::are_others(Some(Digest::of("other policies")))]
#[case::cannot_be_read(None)]
fn nothing_is_recorded_as_proven_where_the_policies(#[case] policies: Option<Digest>) {
    let with = |c: Case| c.with(|c| c.facts.gate.as_mut().unwrap().live.policies = policies);
    let waits = with(two_approvals()).latched(at(9)).unwrap();
    assert_eq!(waits.phase, Phase::Waiting(Reason::PoliciesNotInForce));
    let Next::Wait(wake) = waits.next else { panic!("it acts") };
    assert!(wake.at.is_some_and(|t| t > at(9)), "nobody would look again");
    // What stops does not wait.
    let stopped =
        with(two_approvals().on_plan("gate.stackgate.dev/reject", &format!("{C1};by=carol")).looked());
    assert_eq!(recorded(stopped.latched(at(9))), ["Reject carol Verified"]);
}

#[test]
fn what_the_stage_does_not_say_any_more_is_not_recorded() {
    let gone = two_approvals().with(|c| {
        c.facts.gate.as_mut().unwrap().live.stage.as_mut().unwrap().metadata.annotations = None;
    });
    assert_eq!(recorded(gone.latched(at(9))), ["Approve bob Verified"]);
}

#[test]
fn what_was_annotated_before_the_policies_is_unproven_for_good() {
    let value = format!("{C1};by=alice");
    let tainted = annotation_digest("plan-1", APPROVE, &value);
    let case =
        Case::new(&[]).on_plan(APPROVE, &value).with(|c| c.enforcement.tainted = Arc::new([tainted].into()));
    assert_eq!(case.recorded(9), ["Approve alice Unverified"]);
    let mut unproven = said("Approve", "alice");
    unproven["decided"]["identity"] = json!("Unverified");
    let later = Case::new(&[unproven]).on_plan(APPROVE, &value);
    assert_eq!(later.decided(9).phase, Phase::Waiting(Reason::AwaitingApproval));
}

#[test]
fn a_freeze_holds_up_and_an_override_goes_through_it() {
    let frozen = |ledger: &[Value]| Case::new(ledger).with(|c| c.freezes = vec![freeze(json!({}))]);
    let approved = frozen(&[said("Approve", "alice")]);
    assert_eq!(approved.decided(9).phase, Phase::Waiting(Reason::Frozen));
    let overridden = frozen(&[said("Approve", "alice"), said("Override", "bob")]);
    assert_eq!(overridden.decided(9).phase, Phase::Working(Reason::Executing));
    let alone = frozen(&[said("Override", "bob")]);
    assert_eq!(alone.decided(9).phase, Phase::Waiting(Reason::AwaitingApproval));
}

#[rstest]
#[case::it_is_suspended(|c: &mut Case| c.suspend = true, Reason::Suspended, "spec.suspend")]
#[case::it_observes(
    |c: &mut Case| c.mode = json!("Observe"), Reason::Observing, "kubectl -n shop describe plan"
)]
fn a_stage_that_runs_nothing_records_and_stops(
    #[case] change: fn(&mut Case),
    #[case] reason: Reason,
    #[case] says: &str,
) {
    let held = |ledger: &[Value]| Case::new(ledger).with(change);
    let approved = held(&[said("Approve", "alice")]).decided(9);
    assert_eq!(approved.phase, Phase::Waiting(reason));
    assert!(approved.message.contains(says), "{}", approved.message);
    let case = held(&[]).on_plan(APPROVE, &format!("{C1};by=alice"));
    assert_eq!(case.recorded(9), ["Approve alice Verified"]);
    let rejected = held(&[said("Approve", "alice"), said("Reject", "bob")]);
    assert_eq!(rejected.decided(9).phase, Phase::Working(Reason::Withdrawing));
}

#[test]
fn what_an_observing_stage_shows_is_planned_anew_now_and_then() {
    let week = 7 * 24 * 60;
    let old = Case::new(&[]).with(|c| c.mode = json!("Observe"));
    assert_eq!(old.decided(week - 1).phase, Phase::Waiting(Reason::Observing));
    assert_eq!(old.decided(week + 1).phase, Phase::Working(Reason::Withdrawing));
    let closed = json!({ "closed": { "reason": "Expired", "message": "is as old as planTTL allows" } });
    let expired = Case::new(&[closed]).with(|c| c.mode = json!("Observe"));
    // It is planned, as far as that goes in an account that is not there.
    assert_eq!(expired.decided(week + 2).phase, Phase::Stalled(Reason::AccountNotAllowed));
    let managed = expired.with(|c| c.mode = Value::Null);
    assert_eq!(managed.decided(week + 2).phase, Phase::Waiting(Reason::Expired));
}

#[rstest]
#[case::not_used(&[beforehand("alice")], 1)]
#[case::used_by_what_runs(&[beforehand("alice"), claimed()], 0)]
#[case::used_by_an_earlier_opening(&[beforehand("alice"), claimed(), closed("Failed"), reopened(2)], 0)]
#[case::taken_back(&[beforehand("alice"), said("Revoke", "alice")], 0)]
#[case::taken_back_by_another(&[beforehand("alice"), said("Revoke", "bob")], 1)]
#[case::of_two_one_is_taken_back(&[beforehand("alice"), beforehand("bob"), said("Revoke", "alice")], 1)]
fn an_approval_beforehand_goes_over_once(#[case] ledger: &[Value], #[case] carried: usize) {
    // An older plan of another release has kept it all along.
    let keeps = plan(OTHER, NEXT_A1, 0, &[beforehand("alice"), beforehand("bob")]);
    let case = Case::new(ledger).with(|c| c.plans.push(keeps));
    let found = case.carried(A1);
    let of_alice = found.iter().filter(|d| d.by == "alice").count();
    assert!(of_alice <= 1, "{found:?}");
    let bob_signed = ledger.contains(&beforehand("bob"));
    assert_eq!(if bob_signed { found.len() } else { of_alice }, carried, "{found:?}");
}

/// An approval of the first release that the ledger of a plan of another one has kept, at this minute of the day.
fn kept(slot: &str, minute: i64, acks: Value) -> Value {
    let mut kept = beforehand("alice");
    kept["decided"]["slot"] = json!(slot);
    kept["decided"]["acks"] = acks;
    kept["decided"]["since"] = json!(at(minute).to_string());
    kept
}

#[rstest]
#[case::in_the_newer_ledger(
    &[kept("wide", 1, json!(["iam", "delete"]))],
    &[said("Revoke", "carol"), kept("narrow", 2, json!(["iam"]))]
)]
#[case::in_the_older_one_which_was_the_newest_again(
    &[said("Revoke", "carol"), kept("narrow", 2, json!(["iam"]))],
    &[kept("wide", 1, json!(["iam", "delete"]))]
)]
#[case::in_the_same_one_though_the_clock_was_set_back(
    &[kept("wide", 1, json!(["iam", "delete"])), kept("narrow", 0, json!(["iam"]))],
    &[]
)]
fn of_what_somebody_has_approved_beforehand_the_last_word_goes_over(
    #[case] older: &[Value],
    #[case] newer: &[Value],
) {
    let case =
        Case::new(&[]).with(|c| c.plans = vec![plan(OTHER, NEXT_A1, 1, newer), plan(C3, NEXT_A1, 0, older)]);
    let found = case.carried(A1);
    assert_eq!(found.iter().map(|d| d.slot.as_str()).collect::<Vec<_>>(), ["narrow"]);
    // Where it has been used up, no older word takes its place.
    let ran = plan(C1, A1, 2, &[json!({ "decided": found[0] }), claimed(), closed("Failed")]);
    assert!(case.with(|c| c.plans.push(ran)).carried(A1).is_empty());
}

#[test]
fn however_much_was_approved_beforehand_the_plan_takes_more() {
    let many = |people: usize| (0..people).map(|n| beforehand(&format!("p{n}"))).collect::<Vec<_>>();
    let of_one: Vec<Value> = (0..64).map(|n| kept(&format!("s{n}"), n, json!([]))).collect();
    let keeps = [of_one, many(200)].concat();
    let case = Case::new(&[]).with(|c| c.plans = vec![plan(OTHER, NEXT_A1, 1, &keeps)]);
    let found = case.carried(A1);
    assert_eq!(found.len(), 32);
    assert_eq!(found.last().map(|d| (d.by.as_str(), d.slot.as_str())), Some(("p199", "p199")));
    let goes_over: Vec<Value> = found.iter().map(|d| json!({ "decided": d })).collect();
    let opened = Case::new(&goes_over);
    assert!(!opened.seen().newest().unwrap().is_full(Action::Approve));
    // What nothing proves takes nobody's place.
    let invented = many(40).into_iter().map(|mut d| {
        d["decided"]["identity"] = json!("Unverified");
        d
    });
    let keeps: Vec<Value> = std::iter::once(beforehand("alice")).chain(invented).collect();
    let case = Case::new(&[]).with(|c| c.plans = vec![plan(OTHER, NEXT_A1, 1, &keeps)]);
    let found = case.carried(A1);
    assert_eq!((found.len(), found[0].by.as_str()), (32, "alice"));
}

#[rstest]
#[case::approve("approve", &[])]
#[case::retry("retry", &["Retry alice Verified"])]
#[case::revoke("revoke", &["Revoke alice Verified"])]
#[case::reject("reject", &["Reject alice Verified"])]
fn on_a_change_that_has_failed(#[case] action: &str, #[case] recorded: &[&str]) {
    let case = Case::new(&[said("Approve", "alice"), claimed(), closed("Failed")])
        .on_plan(&format!("gate.stackgate.dev/{action}.b"), &format!("{C1};by=alice"));
    assert_eq!(case.recorded(9), recorded);
}

#[test]
fn who_is_told_to_decide_again_is_told_a_slot_that_is_free() {
    let again = |ledger: &[Value]| Case::new(ledger).decided(9).message;
    let failed = [said_in_no_slot("Approve", "alice"), claimed(), closed("Failed")];
    assert!(again(&failed).contains(&format!("retry={C1}")), "{}", again(&failed));
    let mut twice = failed.to_vec();
    twice.extend([
        said_in_no_slot("Retry", "alice"),
        reopened(2),
        said_in_no_slot("Approve", "bob"),
        claimed(),
        closed("Failed"),
    ]);
    assert!(again(&twice).contains(&format!("retry.again-2={C1}")), "{}", again(&twice));
    let spent = [said_in_no_slot("Approve", "alice"), claimed(), closed("Withdrawn"), reopened(2)];
    assert!(again(&spent).contains(&format!("approve.again-2={C1}")), "{}", again(&spent));
}

#[test]
fn a_restart_says_nothing_new_of_the_policies() {
    let case = Case::new(&[said("Approve", "alice")]);
    let shown = |state: InForceState, before: Option<StageStatus>| {
        let mut s = case.seen();
        s.enforcement.state = state;
        Arc::make_mut(&mut s.stage).status = before;
        let verdict = Verdict::rest(Phase::Waiting(Reason::AwaitingApproval), "waits");
        status(&s, &verdict, at(9))
    };
    let before = shown(InForceState::InForce, None);
    assert_eq!(shown(InForceState::Unknown, Some(before.clone())), before);
    assert_ne!(shown(InForceState::NotInForce, Some(before.clone())), before);
    assert!(shown(InForceState::Unknown, None).conditions.iter().all(|c| c.type_ != "ApprovalsEnforced"));
}

#[rstest]
#[case::waits(&[said("Approve", "alice")], Some("0/1"))]
#[case::was_claimed(&[said("Approve", "alice"), claimed()], Some("1/1"))]
#[case::was_closed(&[said("Approve", "alice"), closed("Superseded")], Some("1/1"))]
fn what_was_approved_then_stays_so_in_the_status(#[case] ledger: &[Value], #[case] approvals: Option<&str>) {
    let case = Case::new(ledger);
    let status = plan_status(&case.seen(), at(60 * 24 * 4));
    assert_eq!(status.approvals.as_deref(), approvals);
}

#[test]
fn the_report_of_a_check_that_nobody_asks_for_is_told() {
    let case = Case::new(&[]).with(|c| c.plans = vec![carried_out(C1, 1)]);
    let case = case.on_plan("gate.stackgate.dev/check.smoke", &format!("{C1};result=passed;by=alice"));
    let mut s = case.seen();
    let told = "gate.stackgate.dev/check.smoke: smoke is none of spec.checks of the Stage";
    assert_eq!(plan_status(&s, at(9)).ignored, [told]);
    Arc::make_mut(&mut s.stage).spec.checks = serde_json::from_value(json!([{ "name": "smoke" }])).unwrap();
    assert!(plan_status(&s, at(9)).ignored.is_empty());
}
