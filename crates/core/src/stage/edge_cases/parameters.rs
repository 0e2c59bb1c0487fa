//! Parameter values: where they come from, and what another value means.

use std::collections::BTreeSet;

use super::*;
use crate::{
    change::{Given, GivenValue, Hidden},
    effect::{Fact, Held, Outcome, Refusal, RefusalKind, Seen, ValueKind, ValueSource},
    facts::Refused,
    stage::given::{self, given},
    verdict::Need,
};

const PASSWORD: &str = "correct-horse-battery";

fn from_secret() -> Value {
    json!([{ "name": "Db:Password", "valueFrom": { "secretKeyRef": { "name": "database", "key": "password" } } }])
}

fn database() -> ValueSource {
    ValueSource {
        kind: ValueKind::Secret,
        namespace: "shop".to_owned(),
        name: "database".to_owned(),
        keys: BTreeSet::from(["password".to_owned()]),
    }
}

fn held(offered: bool, key: &str) -> Seen<Held> {
    let values = [(key.to_owned(), Hidden::new(PASSWORD))].into();
    Seen::Present(Held { offered, values }, at(0))
}

fn gives(parameters: &Value, seen: Option<Seen<Held>>) -> Case {
    Case::new(&[]).with(|c| {
        c.parameters = parameters.clone();
        c.facts.values.extend(seen.map(|s| (database(), s)));
    })
}

fn needed(case: &Case, minutes: i64) -> Need {
    given(&case.seen(), at(minutes)).expect_err("values that are not there")
}

#[test]
fn a_value_in_the_spec_needs_no_look() {
    let case = gives(&json!([{ "name": "Size", "value": "large" }]), None);
    let found = given(&case.seen(), at(0)).unwrap();
    let value = found.value(&"Db".parse().unwrap(), "Size").unwrap();
    assert_eq!((value.text.reveal(), value.secret), ("large", false));
}

#[test]
fn what_lies_elsewhere_is_looked_at_and_looked_at_again() {
    let unread = needed(&gives(&from_secret(), None), 0);
    assert!(matches!(&unread, Need::Do(e) if **e == Effect::Look(Look::Values(database()))), "{unread:?}");
    let case = gives(&from_secret(), Some(held(true, "password")));
    let found = given(&case.seen(), at(4)).unwrap();
    let value = found.value(&"Db".parse().unwrap(), "Password").unwrap();
    assert_eq!((value.text.reveal(), value.secret), (PASSWORD, true));
    assert_eq!(given::read_again_at(&case.seen(), at(4)), Some(at(5)));
    assert!(matches!(needed(&case, 5), Need::Do(_)));
    assert_eq!(
        given::read_again_at(&case.seen(), at(5)),
        None,
        "a time that is over would wake it at once, for ever"
    );
}

#[rstest]
#[case::not_there(Seen::Absent(at(0)), "Secret database is not there")]
#[case::not_offered(held(false, "password"), "has no label stackgate.dev/parameters=true")]
#[case::another_key(held(true, "passwort"), "under key password")]
fn what_cannot_be_used_is_told_and_looked_at_again_soon(#[case] seen: Seen<Held>, #[case] says: &str) {
    let case = gives(&from_secret(), Some(seen));
    match needed(&case, 0) {
        Need::Stuck(Reason::InvalidParameters, message, Some(_)) => {
            assert!(message.contains(says), "{message}")
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(needed(&case, 1), Need::Do(_)));
}

#[test]
fn a_right_that_is_missing_is_named() {
    let case = gives(&from_secret(), None).with(|c| {
        let refusal = Refusal { kind: RefusalKind::Denied, message: "forbidden".to_owned() };
        let refused = Refused { refusal, at: at(0), times: 9 };
        c.facts.refusals.insert(Effect::Look(Look::Values(database())).attempt(), refused);
    });
    match needed(&case, 0) {
        Need::Stuck(Reason::InvalidParameters, message, Some(_)) => {
            assert!(message.contains("bind ClusterRole stackgate-parameters"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn another_value_ends_a_plan_that_waits() {
    let value = |text: &str| json!([{ "name": "Size", "value": text }]);
    let opened_for = |case: &Case| given::digest(&case.seen(), &given(&case.seen(), at(0)).unwrap());
    let small = gives(&value("small"), None);
    let digest = opened_for(&small);
    assert!(digest.is_some());
    let waits = |parameters: &Value| {
        let case = gives(parameters, None).with(|c| {
            c.plans[0].spec.ledger[0].opened.as_mut().unwrap().parameters = digest;
            seal(&mut c.plans[0]);
        });
        case.decided(1).phase
    };
    assert_eq!(waits(&value("small")), Phase::Waiting(Reason::AwaitingApproval));
    for other in [value("large"), json!([])] {
        assert_ne!(waits(&other), Phase::Waiting(Reason::AwaitingApproval), "{other}");
    }
}

#[test]
fn no_value_is_ever_shown() {
    let value = GivenValue { text: Hidden::new(PASSWORD), secret: true };
    let given: Given = [("Password".to_owned(), value)].into_iter().collect();
    let look = Look::Values(database());
    let shown = format!("{given:?} {:?} {look:?}", held(true, "password"));
    assert!(!shown.contains(PASSWORD), "{shown}");
}

#[test]
fn what_aws_repeats_of_a_secret_goes_no_further() {
    let case = gives(&from_secret(), Some(held(true, "password")));
    let said = format!("Parameter value {PASSWORD} for parameter name Password does not exist");
    assert_eq!(case.facts.hush(said), "Parameter value (hidden) for parameter name Password does not exist");
}

#[test]
fn what_a_secret_held_before_is_hidden_too() {
    let mut facts = gives(&from_secret(), Some(held(true, "password"))).facts;
    let rotated = [("password".to_owned(), Hidden::new("another-horse"))].into();
    let fact = Fact::Values(Some(Held { offered: true, values: rotated }));
    facts.note(&Effect::Look(Look::Values(database())), Outcome::Learnt(fact), at(6), at(6));
    let said = format!("{PASSWORD} was refused, another-horse is too short");
    assert_eq!(facts.hush(said), "(hidden) was refused, (hidden) is too short");
}

#[test]
fn a_controller_that_has_just_started_reads_secrets_before_it_asks_why_a_stack_failed() {
    let running = |seen: Option<Seen<Held>>| {
        Case::new(&[said("Approve", "alice"), claimed()]).with(|c| {
            c.parameters = from_secret();
            c.facts.values.extend(seen.map(|s| (database(), s)));
        })
    };
    let first = |case: Case| match case.decided(9).next {
        Next::Do(effects) => effects,
        Next::Wait(_) => Vec::new(),
    };
    let reads = Effect::Look(Look::Values(database()));
    assert_eq!(first(running(None)), std::slice::from_ref(&reads));
    for known in [held(true, "password"), Seen::Absent(at(0))] {
        assert!(!first(running(Some(known))).contains(&reads));
    }
}

/// Whether what CloudFormation says of the newest plan may be shown.
fn is_told(case: &Case) -> bool {
    let s = case.seen();
    given::secrets_are_known(&s, s.newest(), at(1)).unwrap()
}

/// The values of the newest plan, as a hash.
fn values_of(parameters: &Value) -> Option<Digest> {
    let case = gives(parameters, Some(held(true, "password")));
    given::digest(&case.seen(), &given(&case.seen(), at(0)).unwrap())
}

fn fed_by(plan: &mut ChangePlan, values: Option<Digest>, secrets: bool) {
    let opened = plan.spec.ledger[0].opened.as_mut().unwrap();
    (opened.parameters, opened.secrets) = (values, secrets);
}

#[test]
fn values_of_secrets_that_are_not_known_here_are_not_told_by_cloudformation_either() {
    let secret = values_of(&from_secret());
    let other = Some(Digest::of("what the Secret held before it was rotated"));
    // What the spec gives, what the newest plan was opened with, what the one before was.
    let told = |spec: &Value, newest: (Option<Digest>, bool), before: (Option<Digest>, bool)| {
        let case = gives(spec, Some(held(true, "password"))).with(|c| {
            fed_by(&mut c.plans[0], newest.0, newest.1);
            let mut old = plan(OTHER, A1, 0, &[claimed()]);
            old.spec.proposal.stacks.iter_mut().for_each(|stack| stack.plan = PlannedAs::Unchanged);
            fed_by(&mut old, before.0, before.1);
            seal(&mut old);
            c.plans.push(old);
        });
        assert_eq!(case.seen().plans.len(), 2);
        is_told(&case)
    };
    let (plain, none) = (json!([{ "name": "Size", "value": "large" }]), json!([]));
    assert!(told(&none, (None, false), (None, false)));
    assert!(told(&from_secret(), (secret, true), (secret, true)));
    assert!(!told(&from_secret(), (other, true), (secret, true)), "it was rotated while the plan ran");
    assert!(!told(&from_secret(), (secret, true), (other, true)), "the stack may still have the old one");
    assert!(!told(&none, (None, false), (secret, true)), "the stack keeps the value that is given no longer");
    assert!(told(&plain, (values_of(&plain), false), (other, false)), "values that are no secrets");
}
