//! What an approval leads to is done with it: looks beside the record, and the claim in the same write.

use super::*;

const REVOKE: &str = "gate.stackgate.dev/revoke";

/// A plan of which nothing has to be looked at before its claim.
fn deferred() -> Case {
    Case::new(&[]).with(|c| {
        for stack in &mut c.plans[0].spec.proposal.stacks {
            stack.plan = PlannedAs::Deferred;
        }
        seal(&mut c.plans[0]);
    })
}

fn approved(case: Case) -> Case {
    case.on_plan(APPROVE, &format!("{C1};by=alice"))
}

fn effects(case: &Case) -> Vec<Effect> {
    match case.latched(at(9)).map(|v| v.next) {
        Some(Next::Do(effects)) => effects,
        other => panic!("{other:?}"),
    }
}

/// What is written, in order.
fn written(case: &Case) -> Vec<&'static str> {
    let list = case.latched(at(9)).map(entries).unwrap_or_default();
    let what = |e: &LedgerEntry| match (&e.decided, &e.claimed) {
        (Some(_), None) => "decided",
        (None, Some(_)) => "claimed",
        _ => "something else",
    };
    assert!(list.iter().zip(1..).all(|(e, place)| e.seq == place), "{list:?}");
    list.iter().map(what).collect()
}

#[test]
fn an_approval_that_opens_the_gate_is_written_with_the_claim() {
    assert_eq!(written(&approved(deferred()).looked()), ["decided", "claimed"]);
}

#[rstest]
#[case::another_one_is_needed(|c: &mut Case| c.gate = json!({ "approvals": 2 }))]
#[case::the_stage_is_suspended(|c: &mut Case| c.suspend = true)]
#[case::the_stage_observes(|c: &mut Case| c.mode = json!("Observe"))]
#[case::a_freeze_holds_it(|c: &mut Case| c.freezes = vec![freeze(json!({}))])]
#[case::the_policies_are_not_in_force(|c: &mut Case| c.enforcement.state = InForceState::NotInForce)]
fn an_approval_is_written_alone_where(#[case] change: fn(&mut Case)) {
    assert_eq!(written(&approved(deferred().with(change)).looked()), ["decided"]);
}

#[rstest]
#[case::a_reject("gate.stackgate.dev/reject", "bob")]
#[case::its_revoke(REVOKE, "alice")]
fn nothing_is_claimed_with_an_approval_that_comes_with(#[case] key: &str, #[case] by: &str) {
    let case = approved(deferred()).on_plan(key, &format!("{C1};by={by}")).looked();
    assert_eq!(written(&case), ["decided", "decided"]);
}

#[test]
fn while_it_is_made_sure_who_decided_the_change_set_is_looked_at() {
    let all = effects(&approved(Case::new(&[])));
    assert!(
        matches!(all.as_slice(), [Effect::Look(Look::LiveGate { .. }), Effect::Look(Look::ChangeSet(..))]),
        "{all:?}"
    );
}

#[test]
fn the_change_set_is_looked_at_while_an_approval_is_written() {
    let all = effects(&approved(Case::new(&[])).looked());
    let [Effect::Record(Record::Ledger { entries, .. }), Effect::Look(Look::ChangeSet(..))] = all.as_slice()
    else {
        panic!("{all:?}")
    };
    assert!(entries.iter().all(|e| e.claimed.is_none()), "{entries:?}");
}

#[test]
fn what_one_approval_leaves_open_is_not_looked_at() {
    let two = Case::new(&[]).with(|c| c.gate = json!({ "approvals": 2 }));
    let all = effects(&approved(two));
    assert!(matches!(all.as_slice(), [Effect::Look(Look::LiveGate { .. })]), "{all:?}");
}

#[test]
fn after_the_claim_a_look_at_the_gate_counts_whatever_else_was_written_in_the_plan() {
    let claimed =
        || deferred().with(|c| c.plans = vec![plan(C1, A1, 1, &[said("Approve", "alice"), claimed()])]);
    let looked = claimed().looked();
    let other = |c: &mut Case| c.plans[0].metadata.resource_version = Some("2".to_owned());
    let counts = |case: &Case| {
        let s = case.seen();
        live_since_recorded(&s.owner(), s.newest().unwrap(), at(9)).is_ok()
    };
    assert!(counts(&looked));
    let shown = looked.with(other);
    assert!(counts(&shown));
    // It tells nothing of who has written an annotation since.
    let s = shown.seen();
    assert!(live_since_version(&s.owner(), s.newest().unwrap(), at(9)).is_err());
    let longer = shown.with(|c| {
        let entry = c.plans[0].spec.ledger[1].clone();
        c.plans[0].spec.ledger.push(entry);
    });
    assert!(!counts(&longer));
    let anew = claimed().looked().with(|c| c.plans[0].metadata.uid = Some("another".to_owned()));
    assert!(!counts(&anew));
}

#[test]
fn taking_over_looks_at_the_gate_once() {
    let adopting = approved(deferred()).with(|c| {
        for stack in &mut c.plans[0].spec.proposal.stacks {
            stack.adopted = true;
        }
    });
    let mut s = adopting.seen();
    Arc::make_mut(&mut s.stage).spec.adoption_policy = Some(crate::api::AdoptionPolicy::Unowned);
    let Some(Next::Do(all)) = latched(&s, at(9)).map(|v| v.next) else { panic!("it waits") };
    assert_eq!(all.iter().filter(|e| matches!(e, Effect::Look(Look::LiveGate { .. }))).count(), 1, "{all:?}");
}
