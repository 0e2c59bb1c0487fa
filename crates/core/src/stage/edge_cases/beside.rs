//! Two plans that were opened beside each other: a controller had seen late what another one had done.

use super::*;
use crate::{effect::Seen, facts::Looked};

/// A plan, and one that was opened beside it as the next one, too, or after it.
fn beside(ledger: &[Value], order: u64, other: &[Value]) -> Case {
    Case::new(ledger).with(|c| {
        let mut second = plan(OTHER, NEXT_A1, order, other);
        second.metadata.uid = Some("beside".to_owned());
        seal(&mut second);
        c.plans.push(second);
    })
}

fn newest(case: &Case) -> String {
    case.seen().newest().unwrap().id().to_string()
}

#[rstest]
#[case::as_the_same_one(1)]
#[case::as_a_later_one(2)]
fn what_is_under_way_goes_on_whatever_was_opened(#[case] order: u64) {
    let case = beside(&[said("Approve", "alice"), claim()], order, &[said("Approve", "alice")]);
    assert_eq!(newest(&case), C1);
    assert_eq!(case.decided(9).phase, Phase::Working(Reason::Executing));
    let case = beside(&[said("Approve", "alice"), claim(), closed("Failed")], order, &[]);
    assert_eq!(newest(&case) == C1, order == 1);
}

#[test]
fn what_was_opened_beside_and_never_ran_is_closed() {
    let case = beside(&[said("Approve", "alice"), claim(), succeeded()], 1, &[said("Approve", "alice")]);
    let Next::Do(effects) = case.decided(9).next else { panic!("nothing to do") };
    let [Effect::Look(Look::ChangeSet(key, set, _))] = effects.as_slice() else { panic!("{effects:?}") };
    let set = (key.clone(), set.clone());
    let case =
        case.with(|c| drop(c.facts.change_sets.insert(set, Looked { seen: Seen::Absent(at(9)), times: 1 })));
    let list = entries(case.decided(9));
    let [LedgerEntry { closed: Some(closed), .. }] = list.as_slice() else { panic!("{list:?}") };
    assert_eq!(closed.message, format!("plan prod-{} was opened beside it", &C1[3..]));
}

#[test]
fn a_change_set_that_the_newest_goes_on_with_stays() {
    let case = beside(&[], 1, &[]);
    assert_eq!(newest(&case), OTHER);
    let list = entries(case.decided(9));
    assert!(matches!(list.as_slice(), [LedgerEntry { closed: Some(_), .. }]), "{list:?}");
}

#[rstest]
#[case::of_the_same_one(1)]
#[case::of_an_earlier_one(2)]
fn the_stacks_stay_ours(#[case] order: u64) {
    let case =
        beside(&[said("Approve", "alice"), claim(), succeeded()], order, &[claimed(), closed("Withdrawn")]);
    assert_eq!(newest(&case), OTHER);
    let s = case.seen();
    let owned = s.owned();
    let [stack] = owned.values().collect::<Vec<_>>()[..] else { panic!("{owned:?}") };
    assert_eq!((stack.stack_id.as_str(), stack.input), (ID, Some(Digest::of("x"))));
}

#[test]
fn what_was_given_up_before_a_plan_was_opened_is_not_ours_again() {
    let mut case = beside(&[said("Approve", "alice"), claim(), succeeded()], 2, &[]);
    for entry in &mut case.plans[1].spec.ledger {
        entry.time.0 = at(5);
    }
    seal(&mut case.plans[1]);
    assert!(case.seen().owned().is_empty());
}
