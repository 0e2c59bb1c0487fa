use rstest::rstest;

use super::*;
use crate::{
    api::PlannedAs,
    change::{HmacKey, change_set_name},
    drive::Wish,
    effect::{Fact, Outcome, Refusal, RefusalKind, baseline_of},
    facts::TRIES,
    stack::ChangeSetStatus,
    words::{Digest, Uid},
};

const STACK: &str = "arn:aws:cloudformation:ap-southeast-2:111111111111:stack/Dev-Store";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn key() -> StackKey {
    serde_json::from_value(serde_json::json!({
        "env": { "account": "111111111111", "region": "ap-southeast-2" }, "name": "Dev-Store"
    }))
    .unwrap()
}

fn access() -> Access {
    Access { env: key().env, roles: Vec::new(), session_name: String::new(), scope: None }
}

fn row(id: &str, updated: i64) -> StackRow {
    StackRow {
        id: id.parse().unwrap(),
        status: StackStatus::CreateComplete,
        updated: at(updated),
        exports: std::collections::BTreeSet::new(),
        parameters: std::collections::BTreeSet::new(),
        masked: std::collections::BTreeSet::new(),
        protected: false,
        drift: None,
        role: None,
        change_sets: None,
    }
}

fn set(execution: ExecutionStatus) -> ChangeSetRow {
    ChangeSetRow {
        arn: "arn:aws:cloudformation:ap-southeast-2:111111111111:changeSet/sg-0/1".parse().unwrap(),
        name: "sg-0".parse().unwrap(),
        stack_id: format!("{STACK}/ours").parse().unwrap(),
        created: at(-60),
        status: ChangeSetStatus::CreateComplete,
        execution,
        empty: false,
        reason: String::new(),
        description: String::new(),
        changes: Vec::new(),
        parameters: Default::default(),
        nested: Default::default(),
    }
}

/// What comes of an execution that was accepted at 0 and is not to be seen, after so many seconds.
fn after(seconds: i64, stack: Seen<StackRow>, execution: ExecutionStatus) -> Progress {
    let (key, set, now) = (key(), set(execution), at(seconds));
    let claim = ClaimedStack::of(&key, &set, Digest::of("leaf"), Digest::of("input"));
    let mut facts = Facts::default();
    facts.executed.insert(set.arn.clone(), at(0));
    facts.stacks.insert(key.clone(), stack);
    let looked = Looked { seen: Seen::Present(set.clone(), now), times: 1 };
    facts.change_sets.insert((key.clone(), SetRef::Arn(set.arn)), looked);
    let access = access();
    let running = Running {
        facts: &facts,
        key: &key,
        baseline: &Baseline::None,
        claim: &claim,
        access: &access,
        protect: None,
    };
    running.drive(true, || Ok(None), now)
}

fn somebody_elses(updated: i64, seconds: i64) -> Seen<StackRow> {
    Seen::Present(row(&format!("{STACK}/another"), updated), at(seconds))
}

#[rstest]
#[case::executed(ExecutionStatus::ExecuteComplete)]
#[case::executing(ExecutionStatus::ExecuteInProgress)]
fn a_stack_whose_name_another_one_has_taken_is_gone_in_the_end(#[case] execution: ExecutionStatus) {
    let late = after(310, somebody_elses(10, 310), execution);
    assert!(matches!(&late, Progress::Settle(x) if x.outcome == SettledAs::Gone), "{late:?}");
    let early = after(200, somebody_elses(10, 200), execution);
    // An answer that is behind: a stack that had the name before ours, or none.
    let before = after(310, somebody_elses(-100, 310), execution);
    let absent = after(310, Seen::Absent(at(310)), execution);
    for waits in [early, before, absent] {
        assert!(matches!(waits, Progress::Need(Need::Wait(..))), "{waits:?}");
    }
}

/// What a stack that is made and shall be protected needs after so many calls that did not get through.
fn unprotected(lost: u32) -> Progress {
    let (key, set, now) = (key(), set(ExecutionStatus::ExecuteComplete), at(10));
    let claim = ClaimedStack::of(&key, &set, Digest::of("leaf"), Digest::of("input"));
    let mut facts = Facts::default();
    let row = row(set.stack_id.as_str(), 5);
    let access = access();
    let id = Confirmed::by_look(row.id.clone(), now, now).unwrap();
    let effect = Effect::Mutate(Mutation::Protect(key.clone(), id, true, access.clone()));
    for _ in 0..lost {
        facts.note(&effect, Outcome::Unsure("no answer".to_owned()), now, now);
    }
    facts.stacks.insert(key.clone(), Seen::Present(row.clone(), now));
    let running = Running {
        facts: &facts,
        key: &key,
        baseline: &Baseline::None,
        claim: &claim,
        access: &access,
        protect: Some(true),
    };
    running.settle(&row, SettledAs::Succeeded, now)
}

#[rstest]
#[case::one(1)]
#[case::four(4)]
fn a_lost_call_leaves_no_stack_unprotected(#[case] lost: u32) {
    let progress = unprotected(lost);
    assert!(matches!(progress, Progress::Need(Need::Wait(..))), "{progress:?}");
}

#[test]
fn a_stack_that_cannot_be_protected_is_told_and_holds_nothing_up() {
    let progress = unprotected(TRIES);
    let told = |x: &Settled| x.message.as_ref().is_some_and(|m| m.contains("could not be set"));
    assert!(matches!(&progress, Progress::Settle(x) if told(x)), "{progress:?}");
}

#[rstest]
#[case::it_was_carried_out_and_the_reply_lost(Outcome::Unsure("the connection was closed".to_owned()))]
#[case::somebody_was_quicker(Outcome::Refused(Refusal { kind: RefusalKind::NotFound, message: String::new() }))]
fn an_empty_change_set_is_not_made_again_whatever_becomes_of_its_deletion(#[case] outcome: Outcome) {
    let (key, access, input) = (key(), access(), Digest::of("input"));
    let row = row(&format!("{STACK}/ours"), -90);
    let proof = HmacKey::new([7; 32]);
    let owner: Uid = "0000".parse().unwrap();
    let name = change_set_name(&owner, &input, &baseline_of(Some(&row)));
    let empty = ChangeSetRow {
        name: name.clone(),
        status: ChangeSetStatus::Failed,
        empty: true,
        description: proof.description("Stage", name.as_str(), &input),
        ..set(ExecutionStatus::Unavailable)
    };
    let (by_name, arn) = (SetRef::Name(name), empty.arn.clone());
    let mut facts = Facts::default();
    let look = Effect::Look(Look::ChangeSet(key.clone(), by_name, access.clone()));
    facts.note(&look, Outcome::Learnt(Fact::ChangeSet(Some(empty))), at(0), at(0));
    let delete = Effect::Mutate(Mutation::DeleteChangeSet(key.clone(), arn, "x".to_owned(), access.clone()));
    facts.note(&delete, outcome, at(1), at(1));
    facts.note(&look, Outcome::Learnt(Fact::ChangeSet(None)), at(5), at(5));
    let wish =
        Wish { facts: &facts, proof: &proof, owner: &owner, key: &key, input: &input, access: &access };
    let made = |_, _| panic!("it is made again");
    let found = wish.change_set(Some(&row), false, made, at(6)).unwrap();
    assert_eq!(found.plan, PlannedAs::Unchanged);
}
