//! What somebody has written into a ledger while the admission policies were away counts no more once they are back.

use super::*;
use crate::api::ReleaseRef;

/// The same plan with entries that somebody else has appended.
fn forged(mut plan: ChangePlan, entries: &[Value]) -> ChangePlan {
    for entry in entries {
        let mut entry = entry.clone();
        let seq = plan.spec.ledger.len();
        entry["seq"] = json!(seq);
        entry["time"] = json!(at(i64::try_from(seq).unwrap()).to_string());
        plan.spec.ledger.push(serde_json::from_value(entry).unwrap());
    }
    plan
}

fn read(plan: ChangePlan) -> PlanView {
    PlanView::new(Arc::new(plan)).unwrap().proven_by(&HmacKey::new(KEY))
}

/// An opening for another release.
fn opening(order: u64) -> Value {
    let mut release = release();
    release["digest"] = json!(Digest::of("never approved").to_string());
    json!({ "opened": { "order": order, "release": release } })
}

#[test]
fn an_opening_for_another_release_chooses_nothing_downstream() {
    let releases = |plan: ChangePlan| {
        let view = read(plan);
        view.verified_time(&[], crate::api::IdentityNeeded::Verified).map(|_| view.release.unwrap().digest)
    };
    let ours: ReleaseRef = serde_json::from_value(release()).unwrap();
    assert_eq!(releases(carried_out(C1, 1)), Some(ours.digest));
    let more = [opening(1), claim(), succeeded()];
    assert_eq!(releases(forged(carried_out(C1, 1), &more)), Some(ours.digest));
    assert_eq!(releases(forged(carried_out(C1, 1), &more[..1])), Some(ours.digest));
}

#[test]
fn where_all_is_by_another_key_nothing_was_carried_out_and_nothing_is_ours() {
    let whole = plan(C1, A1, 1, &[said("Approve", "alice"), claim(), succeeded()]);
    let view = PlanView::new(Arc::new(whole)).unwrap().proven_by(&HmacKey::new([8; 32]));
    assert!(view.is_over() && !view.is_complete());
    assert_eq!(view.verified_time(&[], crate::api::IdentityNeeded::Any), None);
    assert!(owned_by(&[Arc::new(view)]).is_empty());
}

/// The plan that waits, as somebody puts it back who has deleted it: with a record of having been carried out, and nothing of it sealed.
fn replaced(entries: &[Value]) -> ChangePlan {
    let mut plan = plan(C1, A1, 1, &[]);
    plan.spec.proposal.risks.clear();
    plan.spec.ledger.iter_mut().for_each(|e| e.seal = None);
    forged(plan, entries)
}

#[rstest]
#[case::as_carried_out(&[claim(), succeeded()])]
#[case::for_another_cdk_stage(&[json!({ "opened": { "order": 2, "release": release(), "cdkStage": "Zz" } }), claim(), succeeded()])]
#[case::as_it_was(&[])]
fn a_plan_that_was_replaced_is_never_opened_again_nor_counts_as_deployed(#[case] entries: &[Value]) {
    let case = Case::new(&[]).with(|c| c.plans = vec![replaced(entries)]);
    let s = case.seen();
    assert!(s.owned().is_empty() && !s.newest().unwrap().is_complete());
    let verdict = case.decided(9);
    assert!(!matches!(verdict.phase, Phase::Done(_)), "{verdict:?}");
    if let Next::Do(effects) = &verdict.next {
        let sealed = effects.iter().any(|e| matches!(e, Effect::Record(Record::Ledger { .. })));
        assert!(!sealed, "the controller puts its seal under what somebody else has written: {effects:?}");
    }
}

#[rstest]
#[case::a_stack_that_is_claimed(claim())]
#[case::an_outcome(succeeded())]
#[case::an_end(closed("Failed"))]
fn a_plan_stands_as_the_controller_has_written_it(#[case] entry: Value) {
    let waits = plan(C1, A1, 1, &[]);
    let case = Case::new(&[]).with(|c| c.plans = vec![forged(waits, &[entry])]);
    let s = case.seen();
    let view = s.newest().unwrap();
    assert_eq!((view.is_claimed(), view.is_complete(), view.closed.is_some()), (false, false, false));
    assert!(s.owned().is_empty());
    assert_eq!(case.decided(9).phase, Phase::Waiting(Reason::AwaitingApproval));
    assert_eq!(view.unproven.len(), 1);
}

/// What a rule does with the release of a plan that was rejected, where somebody has written into that.
#[rstest]
#[case::nothing(&[])]
#[case::a_claim(&[json!({ "claimed": { "stacks": [] } })])]
#[case::an_opening_for_another_release(&[opening(0)])]
fn no_rule_lets_a_rejected_release_run_whatever_is_written_into_its_plan(#[case] entries: &[Value]) {
    let rejected = plan(OTHER, A1, 0, &[said("Reject", "bob"), closed("Rejected")]);
    let case = Case::new(&[]).with(|c| {
        c.gate = json!({ "requireApproval": "Never" });
        c.plans = vec![plan(C3, NEXT_A1, 1, &[]), forged(rejected, entries)];
    });
    assert_eq!(case.decided(9).phase, Phase::Waiting(Reason::AwaitingApproval));
}
