//! The edge cases of the gate, each by name: what is recorded, what counts, and what follows.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use rstest::rstest;
use serde_json::{Value, json};

use super::{Snapshot, carry, decide, latch::latch, record::record, status};
use crate::{
    account::Accounts,
    api::{
        Action, AwsAccount, Bootstrap, ChangePlan, CloudAssembly, CloudAssemblyStatus, Decided, FINALIZER,
        Freeze, LedgerEntry, PlannedAs, Reason, Stage, StageStatus,
    },
    change::HmacKey,
    cluster::{ClusterView, Installation},
    effect::{Effect, LiveGate, LivePlan, Look, Next, PlanVersion, Record},
    facts::{Facts, SeenGate},
    gate::{Enforcement, InForceState, PlanView, annotation_digest, in_force, sealed},
    plan::{gated, views},
    verdict::{Phase, Verdict},
    words::{Digest, StackKey},
};

mod checks;
mod messages;
mod parameters;
mod pins;
mod seen;
mod stops;
mod together;

const UID: &str = "5e5cda1a";
const KEY: [u8; 32] = [7; 32];
const C1: &str = "c1-1111111111111111111111111111111111111111";
const OTHER: &str = "c1-2222222222222222222222222222222222222222";
const C3: &str = "c1-3333333333333333333333333333333333333333";
const A1: &str = "a1-1111111111111111111111111111111111111111";
const NEXT_A1: &str = "a1-2222222222222222222222222222222222222222";
const APPROVE: &str = "gate.stackgate.dev/approve.alice";

fn at(minutes: i64) -> Timestamp {
    let start: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
    start.saturating_add(SignedDuration::from_mins(minutes)).unwrap()
}

fn release() -> Value {
    let source = json!({ "s3": { "account": "build", "bucket": "shop-out", "key": "k", "region": "eu-west-1", "versionID": "1" } });
    json!({ "digest": Digest::of("release").to_string(), "name": "release", "source": source })
}

/// What a test is about, put together bit by bit. One entry of the ledger each minute, from minute 0.
struct Case {
    annotations: BTreeMap<String, String>,
    gate: Value,
    suspend: bool,
    mode: Value,
    parameters: Value,
    plans: Vec<ChangePlan>,
    freezes: Vec<Freeze>,
    enforcement: Enforcement,
    facts: Facts,
    installation: Installation,
}

impl Case {
    fn new(ledger: &[Value]) -> Self {
        Self {
            annotations: BTreeMap::new(),
            gate: Value::Null,
            suspend: false,
            mode: Value::Null,
            parameters: json!([]),
            plans: vec![plan(C1, A1, 1, ledger)],
            freezes: Vec::new(),
            enforcement: Enforcement {
                state: InForceState::InForce,
                fingerprint: Some(Digest::of("policies")),
                ..Enforcement::default()
            },
            facts: Facts::default(),
            installation: Installation { namespace: "stackgate".to_owned(), key: HmacKey::new(KEY) },
        }
    }

    fn on_stage(mut self, key: &str, value: &str) -> Self {
        self.annotations.insert(key.to_owned(), value.to_owned());
        self
    }

    fn on_plan(mut self, key: &str, value: &str) -> Self {
        let marks = self.plans[0].metadata.annotations.get_or_insert_default();
        marks.insert(key.to_owned(), value.to_owned());
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The Stage as it is, and as a look at the API server has shown it.
    fn stage(&self) -> Stage {
        let spec = json!({
            "assemblyRef": { "name": "shop" }, "accounts": ["prod"], "gate": self.gate, "suspend": self.suspend,
            "mode": self.mode, "parameters": self.parameters
        });
        let mut stage = Stage::new("prod", serde_json::from_value(spec).unwrap());
        stage.metadata.uid = Some(UID.to_owned());
        stage.metadata.namespace = Some("shop".to_owned());
        stage.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
        stage.metadata.annotations = Some(self.annotations.clone());
        stage
    }

    /// A look at the API server, after all that is there has been seen.
    fn live(&self) -> SeenGate {
        let live = LiveGate {
            stage: Some(self.stage()),
            accounts: Vec::new(),
            freezes: self.freezes.clone(),
            plan: Some(LivePlan::default()),
            policies: Some(Digest::of("policies")),
        };
        SeenGate { live, at: at(9), after: self.plan_version() }
    }

    fn plan_version(&self) -> PlanVersion {
        PlanView::new(Arc::new(self.plans[0].clone())).unwrap().version()
    }

    fn looked(self) -> Self {
        let live = self.live();
        self.with(|c| c.facts.gate = Some(live))
    }

    fn seen(&self) -> Snapshot<'_> {
        let stage = self.stage();
        let source = json!({ "source": { "s3": { "account": "build", "bucket": "shop-out", "key": "k", "region": "eu-west-1" } } });
        let mut assembly = CloudAssembly::new("shop", serde_json::from_value(source).unwrap());
        assembly.status = Some(CloudAssemblyStatus {
            release: Some(serde_json::from_value(release()).unwrap()),
            ..CloudAssemblyStatus::default()
        });
        let uid = UID.parse().unwrap();
        Snapshot {
            namespace: "shop".to_owned(),
            assembly: Some(Arc::new(assembly)),
            accounts: Accounts::default(),
            bootstraps: Vec::new(),
            stages: BTreeMap::new(),
            taken: BTreeMap::new(),
            upstreams: BTreeMap::new(),
            plans: views(self.plans.iter().cloned().map(Arc::new).collect(), None, &uid, &HmacKey::new(KEY)),
            gate: in_force(&stage, []),
            freezes: self.freezes.iter().cloned().map(Arc::new).collect(),
            enforcement: self.enforcement.clone(),
            facts: &self.facts,
            installation: &self.installation,
            stage: Arc::new(stage),
            uid,
        }
    }

    fn decided(&self, now: i64) -> Verdict {
        decide(&self.seen(), at(now))
    }

    /// What is recorded next, as action, author and identity, once it is certain who decided.
    fn recorded(&self, now: i64) -> Vec<String> {
        let facts = Facts { gate: Some(self.live()), ..Facts::default() };
        let s = Snapshot { facts: &facts, ..self.seen() };
        recorded(latched(&s, at(now)))
    }

    /// What is done about what stands in annotations.
    fn latched(&self, now: Timestamp) -> Option<Verdict> {
        let s = self.seen();
        latched(&s, now)
    }

    /// What goes over into the plan of a release that is opened next.
    fn carried(&self, a1: &str) -> Vec<Decided> {
        carry::beforehand(&self.seen(), &a1.parse().unwrap())
    }
}

fn latched(s: &Snapshot<'_>, now: Timestamp) -> Option<Verdict> {
    let plan = s.newest().unwrap();
    latch(s, plan, now).map(|found| record(s, plan, found, now))
}

fn told(d: &Decided) -> String {
    let under = d.under.as_ref().map(|id| format!(" under {}", &id.to_string()[..4])).unwrap_or_default();
    format!("{:?} {} {:?}{under}", d.action, d.by, d.identity)
}

fn recorded(verdict: Option<Verdict>) -> Vec<String> {
    let entries = verdict.map(entries).unwrap_or_default();
    entries.into_iter().filter_map(|e| e.decided).map(|d| told(&d)).collect()
}

fn entries(v: Verdict) -> Vec<LedgerEntry> {
    let Next::Do(effects) = v.next else { panic!("{v:?}") };
    effects
        .into_iter()
        .flat_map(|e| match e {
            Effect::Record(Record::Ledger { entries, .. }) => entries,
            Effect::Look(_) => Vec::new(),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn plan(id: &str, a1: &str, order: u64, ledger: &[Value]) -> ChangePlan {
    let digest = Digest::of("x").to_string();
    let stack = json!({
        "account": "333333333333", "region": "eu-west-1", "stackName": "Store", "qualifier": "acme",
        "artifact": "Store", "plan": "Prepared", "input": digest, "leaf": digest,
        "count": { "add": 1, "modify": 0, "remove": 0, "replace": 0, "maybeReplace": 0 }
    });
    let opened = json!({ "opened": { "order": order, "release": release() } });
    let ledger: Vec<Value> = std::iter::once(&opened)
        .chain(ledger)
        .enumerate()
        .map(|(seq, entry)| {
            let mut entry = entry.clone();
            entry["seq"] = json!(seq);
            entry["time"] = json!(at(i64::try_from(seq).unwrap()).to_string());
            entry
        })
        .collect();
    let spec = json!({
        "proposal": {
            "kind": "Stage", "name": "prod", "uid": UID, "operation": "Deploy", "id": id, "a1": a1, "stacks": [stack]
        },
        "ledger": ledger
    });
    let mut plan = ChangePlan::new(&format!("prod-{}", &id[3..]), serde_json::from_value(spec).unwrap());
    plan.metadata.uid = Some(format!("plan-{order}"));
    plan.metadata.namespace = Some("shop".to_owned());
    seal(&mut plan);
    plan
}

/// As the controller has written it.
fn seal(plan: &mut ChangePlan) {
    let name = plan.metadata.name.clone().unwrap();
    plan.spec.ledger = sealed(&plan.spec.ledger, "shop", &name, &HmacKey::new(KEY));
}

/// A plan of the release that needs nothing done, so that it is carried out at minute 0.
fn carried_out(id: &str, order: u64) -> ChangePlan {
    let mut plan = plan(id, A1, order, &[]);
    for stack in &mut plan.spec.proposal.stacks {
        stack.plan = PlannedAs::Unchanged;
    }
    plan
}

fn said(action: &str, by: &str) -> Value {
    json!({ "decided": { "action": action, "by": by, "identity": "Verified", "source": "ChangePlan", "slot": by } })
}

fn beforehand(by: &str) -> Value {
    json!({ "decided": {
        "action": "Approve", "by": by, "identity": "Verified", "source": "Stage", "slot": by, "under": A1
    } })
}

fn claimed() -> Value {
    json!({ "claimed": { "stacks": [] } })
}

fn closed(reason: &str) -> Value {
    json!({ "closed": { "reason": reason, "message": "x" } })
}

fn reopened(order: u64) -> Value {
    json!({ "opened": { "order": order, "release": release() } })
}

fn freeze(spec: Value) -> Freeze {
    let mut spec = spec;
    spec["reason"] = json!("INC-1");
    Freeze::new("inc-1", serde_json::from_value(spec).unwrap())
}

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
    assert!(views(vec![Arc::new(restored)], None, &uid, &HmacKey::new(KEY)).is_empty());
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

#[test]
fn a_suspended_stage_records_and_stops_and_starts_nothing() {
    let suspended = |ledger: &[Value]| Case::new(ledger).with(|c| c.suspend = true);
    assert_eq!(suspended(&[said("Approve", "alice")]).decided(9).phase, Phase::Waiting(Reason::Suspended));
    let case = suspended(&[]).on_plan(APPROVE, &format!("{C1};by=alice"));
    assert_eq!(case.recorded(9), ["Approve alice Verified"]);
    let rejected = suspended(&[said("Approve", "alice"), said("Reject", "bob")]);
    assert_eq!(rejected.decided(9).phase, Phase::Working(Reason::Withdrawing));
}

#[test]
fn an_observing_stage_records_and_stops_and_starts_nothing() {
    let observing = |ledger: &[Value]| Case::new(ledger).with(|c| c.mode = json!("Observe"));
    let approved = observing(&[said("Approve", "alice")]).decided(9);
    assert_eq!(approved.phase, Phase::Waiting(Reason::Observing));
    assert!(approved.message.contains("kubectl -n shop describe plan"), "{}", approved.message);
    let case = observing(&[]).on_plan(APPROVE, &format!("{C1};by=alice"));
    assert_eq!(case.recorded(9), ["Approve alice Verified"]);
    let rejected = observing(&[said("Approve", "alice"), said("Reject", "bob")]);
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
    let failed = [said("Approve", "alice"), claimed(), closed("Failed")];
    assert!(again(&failed).contains(&format!("retry={C1}")), "{}", again(&failed));
    let mut twice = failed.to_vec();
    twice.extend([said("Retry", "alice"), reopened(2), said("Approve", "bob"), claimed(), closed("Failed")]);
    assert!(again(&twice).contains(&format!("retry.again-1={C1}")), "{}", again(&twice));
    let spent = [said("Approve", "alice"), claimed(), closed("Withdrawn"), reopened(2)];
    assert!(again(&spent).contains(&format!("approve.again-1={C1}")), "{}", again(&spent));
}

#[test]
fn actions_are_counted_apart() {
    let view = |ledger: &[Value]| PlanView::new(Arc::new(plan(C1, A1, 1, ledger))).unwrap();
    let v = view(&[said("Approve", "alice"), said("Retry", "bob")]);
    assert_eq!([Action::Approve, Action::Retry, Action::Override].map(|a| v.ever(a)), [1, 1, 0]);
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
    let s = case.seen();
    let mut plan = Arc::clone(&s.newest().unwrap().plan);
    Arc::make_mut(&mut plan).metadata.namespace = Some("shop".to_owned());
    let late = at(60 * 24 * 4);
    let gated = gated(&OneStage(Arc::clone(&s.stage)), &plan, late);
    let (status, _) = crate::plan::status(&plan, gated.as_ref(), &HmacKey::new(KEY), late).unwrap();
    assert_eq!(status.approvals.as_deref(), approvals);
}

#[test]
fn the_report_of_a_check_that_nobody_asks_for_is_told() {
    let case = Case::new(&[]).with(|c| c.plans = vec![carried_out(C1, 1)]);
    let case = case.on_plan("gate.stackgate.dev/check.smoke", &format!("{C1};result=passed;by=alice"));
    let mut s = case.seen();
    let mut plan = Arc::clone(&s.newest().unwrap().plan);
    Arc::make_mut(&mut plan).metadata.namespace = Some("shop".to_owned());
    let ignored = |stage: &Arc<Stage>| {
        let gated = gated(&OneStage(Arc::clone(stage)), &plan, at(9));
        crate::plan::status(&plan, gated.as_ref(), &HmacKey::new(KEY), at(9)).unwrap().0.ignored
    };
    let told = "gate.stackgate.dev/check.smoke: smoke is none of spec.checks of the Stage";
    assert_eq!(ignored(&s.stage), [told]);
    Arc::make_mut(&mut s.stage).spec.checks = serde_json::from_value(json!([{ "name": "smoke" }])).unwrap();
    assert!(ignored(&s.stage).is_empty());
}

/// A cluster that holds nothing but a Stage.
struct OneStage(Arc<Stage>);

impl ClusterView for OneStage {
    fn stage(&self, _: &str, _: &str) -> Option<Arc<Stage>> {
        Some(Arc::clone(&self.0))
    }
    fn stages(&self, _: &str) -> Vec<Arc<Stage>> {
        vec![Arc::clone(&self.0)]
    }
    fn assembly(&self, _: &str, _: &str) -> Option<Arc<CloudAssembly>> {
        None
    }
    fn accounts(&self) -> Vec<Arc<AwsAccount>> {
        Vec::new()
    }
    fn bootstraps(&self) -> Vec<Arc<Bootstrap>> {
        Vec::new()
    }
    fn freezes(&self) -> Vec<Arc<Freeze>> {
        Vec::new()
    }
    fn enforcement(&self) -> Enforcement {
        Enforcement::default()
    }
    fn plans_of_stage(&self, _: &str, _: &str) -> Vec<Arc<ChangePlan>> {
        Vec::new()
    }
    fn plans_with(&self, _: &StackKey) -> Vec<Arc<ChangePlan>> {
        Vec::new()
    }
    fn plans_of_bootstrap(&self, _: &str) -> Vec<Arc<ChangePlan>> {
        Vec::new()
    }
}
