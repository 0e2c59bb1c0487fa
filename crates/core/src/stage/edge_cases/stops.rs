//! What stops is recorded, whoever may sign it, as often as it is needed, and whatever others have filled the ledger with.

use super::*;

const REJECT: &str = "gate.stackgate.dev/reject";

#[test]
fn whoever_the_policies_take_for_a_person_stops_a_change() {
    let case = Case::new(&[said("Approve", "alice")]).on_plan(REJECT, &format!("{C1};by=system:admin"));
    assert_eq!(case.recorded(9), ["Reject system:admin Verified"]);
}

const REVOKE: &str = "gate.stackgate.dev/revoke.alice";

fn again(by: &str) -> Value {
    let mut again = said("Approve", by);
    again["decided"]["slot"] = json!("again");
    again
}

#[rstest]
#[case::the_first(&[said("Approve", "alice")], &["Revoke alice Verified"])]
#[case::that_stands_still(&[said("Approve", "alice"), said("Revoke", "alice")], &[])]
#[case::after_another_approval(&[said("Approve", "alice"), said("Revoke", "alice"), again("alice")], &["Revoke alice Verified"])]
#[case::that_took_that_back_too(&[said("Approve", "alice"), said("Revoke", "alice"), again("alice"), said("Revoke", "alice")], &[])]
#[case::after_an_approval_of_another(&[said("Approve", "alice"), said("Revoke", "alice"), again("bob")], &[])]
#[case::after_an_override(&[said("Revoke", "alice"), said("Override", "alice")], &["Revoke alice Verified"])]
fn a_revoke_in_the_same_words(#[case] ledger: &[Value], #[case] recorded: &[&str]) {
    let case = Case::new(ledger).on_plan(REVOKE, &format!("{C1};by=alice"));
    assert_eq!(case.recorded(9), recorded);
}

#[test]
fn a_revoke_that_stands_takes_back_a_new_approval_and_the_message_says_so() {
    let case = Case::new(&[said("Approve", "alice"), said("Revoke", "alice")])
        .on_plan(REVOKE, &format!("{C1};by=alice"));
    let message = case.decided(9).message;
    assert!(message.contains("until it is taken away: kubectl -n shop annotate plan"), "{message}");
    assert!(message.contains(&format!("{REVOKE}-")), "{message}");
    let approved = case.on_plan("gate.stackgate.dev/approve.again", &format!("{C1};by=alice"));
    assert_eq!(approved.recorded(9), ["Approve alice Verified", "Revoke alice Verified"]);
}

#[test]
fn a_replay_of_an_approval_that_was_taken_back_has_no_effect() {
    let case = Case::new(&[said("Approve", "alice"), said("Revoke", "alice")])
        .on_plan(APPROVE, &format!("{C1};by=alice"));
    assert_eq!(case.recorded(9), [""; 0]);
}

/// One person approves as often as a ledger takes it, and more.
fn flood(by: &str, approvals: usize) -> Vec<Value> {
    let numbered = |n: usize| {
        let mut one = said("Approve", by);
        one["decided"]["slot"] = json!(format!("s{n}"));
        one
    };
    (0..approvals).map(numbered).collect()
}

#[test]
fn who_floods_a_ledger_with_approvals_takes_nobody_the_room_for_a_stop() {
    let mut ledger = vec![said("Approve", "bob")];
    ledger.extend(flood("mallory", 120));
    let full = Case::new(&ledger)
        .on_plan("gate.stackgate.dev/approve.more", &format!("{C1};by=mallory"))
        .on_plan("gate.stackgate.dev/revoke.bob", &format!("{C1};by=bob"));
    assert_eq!(full.recorded(9), ["Revoke bob Verified"]);
    let rejected = full.on_plan("gate.stackgate.dev/reject.carol", &format!("{C1};by=carol"));
    assert_eq!(rejected.recorded(9), ["Reject carol Verified", "Revoke bob Verified"]);
}

/// A check has reported until the ledger takes nothing any more that lets something run.
fn full_of_reports(ledger: &[Value]) -> Case {
    let report =
        json!({ "checked": { "name": "smoke", "result": "Passed", "by": "ci", "identity": "Verified" } });
    let reports = 1024 - 8 - 64 - 1 - ledger.len();
    let case = Case::new(&[ledger.to_vec(), vec![report; reports]].concat());
    assert_eq!(case.seen().newest().unwrap().room(), 0);
    case
}

// What is not written down by then counts once the release is planned: its annotation goes on standing on the Stage.
#[rstest]
#[case::who_approved_this_plan_too(&[said("Approve", "alice"), claim(), succeeded()])]
#[case::who_did_not(&[said("Approve", "bob"), claim(), succeeded()])]
fn a_revoke_writes_down_what_it_takes_back_however_full_the_ledger_is(#[case] ledger: &[Value]) {
    let full = full_of_reports(ledger)
        .on_stage(APPROVE, &format!("{NEXT_A1};by=alice"))
        .on_plan("gate.stackgate.dev/revoke", &format!("{C1};by=alice"));
    let told = ["Approve alice Unverified under a1-2", "Revoke alice Verified"];
    assert_eq!(full.recorded(2000), told);
}

// Round after round of approvals that are refused, each with a revoke, would fill what all share.
#[test]
fn who_revokes_again_and_again_fills_no_ledger() {
    let written: Vec<Value> = (0..64)
        .map(|n| {
            let mut one = said("Approve", "alice");
            (one["decided"]["slot"], one["decided"]["identity"]) =
                (json!(format!("s{n}")), json!("Unverified"));
            one
        })
        .collect();
    let round = |written: &[Value]| {
        let case = Case::new(&[written, &[said("Revoke", "alice")]].concat());
        case.on_plan("gate.stackgate.dev/approve.more", &format!("{C1};by=alice"))
            .on_plan("gate.stackgate.dev/revoke.more", &format!("{C1};by=alice"))
            .recorded(99)
    };
    assert_eq!(round(&written), ["Revoke alice Verified"]);
    assert_eq!(round(&written[..8]), ["Approve alice Unverified", "Revoke alice Verified"]);
}

// One takes back all that there is. The policies let an author have eight on a plan, and each would take a place of what the plan needs until
// its end.
#[rstest]
#[case::of_the_newest(false)]
#[case::of_one_that_has_made_way(true)]
fn of_revokes_that_come_together_one_of_each_author_is_recorded(#[case] has_made_way: bool) {
    let mut keeps = beforehand("alice");
    keeps["decided"]["under"] = json!(NEXT_A1);
    let mut case = Case::new(&[keeps, claim(), succeeded()]);
    for (slot, by) in [("a", "alice"), ("b", "alice"), ("c", "bob"), ("d", "alice")] {
        case = case.on_plan(&format!("gate.stackgate.dev/revoke.{slot}"), &format!("{C1};by={by}"));
    }
    let told = ["Revoke alice Verified", "Revoke bob Verified"];
    if has_made_way {
        let case = case.with(|c| c.plans.push(plan(C3, NEXT_A1, 2, &[])));
        let s = case.seen();
        let found = late_stops(&s.owner(), at(9)).map(|(_, ledger)| ledger.entries()).unwrap_or_default();
        let decided: Vec<_> =
            found.iter().filter_map(|e| e.decided.as_ref()).map(super::case::told).collect();
        assert_eq!(decided, told);
    } else {
        assert_eq!(case.recorded(9), told);
    }
}

// What stands there of one person in so many annotations that it finds no room is not recorded: what others take back is.
#[test]
fn who_writes_much_before_a_revoke_takes_nobody_the_place_of_what_is_taken_back() {
    let mut case = full_of_stops()
        .on_plan("gate.stackgate.dev/approve.b", &format!("{C1};by=bob"))
        .on_plan("gate.stackgate.dev/revoke.b", &format!("{C1};by=bob"))
        .on_plan("gate.stackgate.dev/revoke.m", &format!("{C1};by=mallory"));
    for slot in 0..8 {
        case = case.on_plan(&format!("gate.stackgate.dev/approve.m{slot}"), &format!("{C1};by=mallory"));
    }
    let told = ["Approve bob Unverified", "Revoke bob Verified", "Revoke mallory Verified"];
    assert_eq!(case.recorded(2000), told);
}

/// A plan with room for a handful of stops, and for nothing else.
fn full_of_stops() -> Case {
    let report =
        json!({ "checked": { "name": "smoke", "result": "Passed", "by": "ci", "identity": "Verified" } });
    // Of a plan with one stack: eight for its end, two for the stack, and the opening.
    let case = Case::new(&vec![report; 1024 - 8 - 2 - 1 - 6]);
    assert_eq!(case.seen().newest().unwrap().room_for_stops(), 6);
    case
}

// etcd takes 1.5 MiB, and a stop that does not go in would hold up all that comes after it.
#[test]
fn who_writes_long_reasons_takes_nobody_the_room_for_a_stop() {
    let report = json!({ "checked": {
        "name": "smoke", "result": "Passed", "by": "ci", "identity": "Verified", "reason": "x".repeat(1_000)
    } });
    let ledger = |reports: usize| {
        [vec![said("Approve", "bob"), claim(), succeeded()], vec![report.clone(); reports]].concat()
    };
    let case = |reports: usize, stack: usize| {
        Case::new(&ledger(reports)).with(|c| {
            c.plans[0].spec.proposal.stacks[0].warnings = vec!["x".repeat(stack)];
            seal(&mut c.plans[0]);
        })
    };
    let room = |case: &Case| {
        let s = case.seen();
        let plan = s.newest().unwrap();
        (plan.room(), plan.room_for_reports(&[]) > 0, plan.room_for_stops())
    };
    assert!(room(&case(300, 500_000)).1);
    let (all, reports, stops) = room(&case(600, 500_000));
    assert_eq!((all, reports), (0, false));
    assert!((1..=128).contains(&stops), "{stops}");
    // Few entries always find room, whatever the proposal holds.
    assert!(room(&case(100, 1_000_000)).1);
    let full = case(600, 500_000).on_plan("gate.stackgate.dev/reject", &format!("{C1};by=carol"));
    assert_eq!(full.recorded(2000), ["Reject carol Verified"]);
}

#[test]
fn an_approval_beforehand_that_finds_no_room_is_told() {
    let full = full_of_reports(&[said("Approve", "bob"), claim(), succeeded()]);
    let full = full.on_stage(APPROVE, &format!("{NEXT_A1};by=alice"));
    assert_eq!(full.recorded(2000), [""; 0]);
    let s = full.seen();
    let ignored = status(&s, &decide(&s, at(2000)), at(2000)).ignored;
    let told = "it is not recorded: the ledger takes no more of these";
    assert!(matches!(ignored.as_slice(), [text] if text.contains(told)), "{ignored:?}");
}

#[test]
fn one_person_approves_eight_times_and_is_told_so() {
    let case = Case::new(&flood("mallory", 8))
        .with(|c| c.gate = json!({ "approvals": 2 }))
        .on_plan("gate.stackgate.dev/approve.more", &format!("{C1};by=mallory"))
        .on_plan("gate.stackgate.dev/approve.z", &format!("{C1};by=bob"));
    assert_eq!(case.recorded(9), ["Approve bob Verified"]);
    let alone = Case::new(&flood("mallory", 8))
        .with(|c| c.gate = json!({ "approvals": 2 }))
        .on_plan("gate.stackgate.dev/approve.more", &format!("{C1};by=mallory"));
    let verdict = alone.decided(9);
    assert_eq!(verdict.phase, Phase::Waiting(Reason::AwaitingApproval));
    assert!(verdict.message.contains("approve.more: its author has done so 8 times"), "{}", verdict.message);
}

#[test]
fn where_no_approval_is_taken_any_more_none_is_asked_for() {
    let mut ledger = flood("mallory", 64);
    ledger.push(said("Revoke", "mallory"));
    let verdict = Case::new(&ledger).decided(9);
    assert_eq!(verdict.phase, Phase::Stalled(Reason::LedgerFull));
    assert!(!verdict.message.contains("let it run"), "{}", verdict.message);
    assert!(verdict.message.contains("make a new release"), "{}", verdict.message);
}

#[test]
fn an_approval_that_was_over_before_it_was_seen_is_listed_as_ignored() {
    let value = format!("{C1};by=alice;until=2026-11-24T00:05:00Z");
    let case = Case::new(&[]).on_plan(APPROVE, &value).on_stage(APPROVE, &value);
    let told = "until=2026-11-24T00:05:00Z is in the past";
    let s = case.seen();
    let verdict = decide(&s, at(5));
    assert!(verdict.message.contains(told), "{}", verdict.message);
    let on_stage = status(&s, &verdict, at(5)).ignored;
    assert!(matches!(on_stage.as_slice(), [text] if text.contains(told)), "{on_stage:?}");
    let (on_plan, _) =
        crate::plan::status(&s.newest().unwrap().plan, None, &PlanReader::new(HmacKey::new(KEY)), at(5))
            .unwrap();
    assert!(matches!(on_plan.ignored.as_slice(), [text] if text.contains(told)), "{:?}", on_plan.ignored);
    let before = status(&s, &verdict, at(4)).ignored;
    assert!(before.is_empty(), "{before:?}");
}

#[test]
fn an_approval_of_a_change_that_there_never_was_is_listed_as_ignored() {
    let ignored = |id: &str| {
        let case = Case::new(&[]).on_stage(APPROVE, &format!("{id};by=alice"));
        let s = case.seen();
        status(&s, &decide(&s, at(5)), at(5)).ignored
    };
    let told = ignored(OTHER);
    assert!(matches!(told.as_slice(), [text] if text.contains("no plan with the id c1-2222")), "{told:?}");
    assert!(ignored(C1).is_empty(), "it counts");
    assert!(ignored(NEXT_A1).is_empty(), "that release may come");
}

#[test]
fn who_decides_while_nothing_proves_it_is_told_before() {
    let case = Case::new(&[]).with(|c| {
        c.enforcement.state = InForceState::NotInForce;
        c.enforcement.message = "policy x is not there".to_owned();
    });
    let message = case.decided(5).message;
    assert!(message.contains("does not count") && message.contains("policy x is not there"), "{message}");
    let any = case.with(|c| c.gate = json!({ "identity": "Any" }));
    assert!(!any.decided(5).message.contains("does not count"));
}

/// What executing a claimed plan finds, where a look at the API server shows this annotation and the watch does not.
fn before_executing(value: &str) -> Result<Option<String>, String> {
    before_executing_with(|live| {
        live.as_mut().unwrap().annotations.insert(REJECT.to_owned(), value.to_owned());
    })
}

/// What executing a claimed plan finds, where a look at the API server shows the plan like that.
fn before_executing_with(plan: impl FnOnce(&mut Option<LivePlan>)) -> Result<Option<String>, String> {
    let case = Case::new(&[said("Approve", "alice"), claimed()])
        .with(|c| c.plans[0].metadata.resource_version = Some("7".to_owned()))
        .looked()
        .with(|c| plan(&mut c.facts.gate.as_mut().unwrap().live.plan));
    let s = case.seen();
    let plan = s.newest().unwrap();
    let stack = &plan.proposal().stacks[0];
    crate::stage::execute::gate_stands(&s, plan, stack, at(9)).map_err(|need| format!("{need:?}"))
}

#[test]
fn a_reject_that_the_watch_does_not_show_yet_is_waited_for() {
    let waits = before_executing(&format!("{C1};by=bob")).unwrap_err();
    assert!(waits.contains("a reject has just been written"), "{waits}");
    assert!(before_executing(&format!("{OTHER};by=bob")).is_ok(), "of another plan");
}

#[test]
fn nothing_begins_where_the_api_server_does_not_hold_the_claim() {
    let shows = |version: Option<&str>| {
        before_executing_with(|live| match version {
            Some(version) => live.as_mut().unwrap().resource_version = version.to_owned(),
            None => *live = None,
        })
    };
    assert!(shows(Some("7")).is_ok() && shows(Some("10")).is_ok());
    for forgotten in [None, Some("6")] {
        let waits = shows(forgotten).unwrap_err();
        assert!(waits.contains("does not hold what was recorded"), "{waits}");
    }
    let another = before_executing_with(|live| {
        *live = Some(LivePlan {
            uid: "another".to_owned(),
            resource_version: "10".to_owned(),
            ..LivePlan::default()
        });
    });
    assert!(another.unwrap_err().contains("does not hold what was recorded"));
}

/// The API server was put back, and others have written the plan since: in the version of the claim, or in a newer one.
#[test]
fn nothing_begins_where_a_version_stands_for_a_plan_with_fewer_records() {
    let shows = |version: &str, generation| {
        let case = Case::new(&[said("Approve", "alice"), claimed()])
            .with(|c| {
                c.plans[0].metadata.resource_version = Some("7".to_owned());
                c.plans[0].metadata.generation = Some(3);
            })
            .looked()
            .with(|c| {
                let live = c.facts.gate.as_mut().unwrap().live.plan.as_mut().unwrap();
                (live.resource_version, live.generation) = (version.to_owned(), generation);
            });
        let s = case.seen();
        let plan = s.newest().unwrap();
        let stands = crate::stage::execute::gate_stands(&s, plan, &plan.proposal().stacks[0], at(9));
        stands.map_err(|need| format!("{need:?}"))
    };
    assert!(shows("7", 3).is_ok() && shows("10", 3).is_ok() && shows("10", 4).is_ok());
    for version in ["7", "10"] {
        let waits = shows(version, 2).unwrap_err();
        assert!(waits.contains("does not hold what was recorded"), "{waits}");
    }
}

#[test]
fn what_is_written_into_the_plan_after_the_look_holds_nothing_up() {
    let case = Case::new(&[said("Approve", "alice"), claimed()])
        .with(|c| c.plans[0].metadata.resource_version = Some("7".to_owned()))
        .looked()
        .with(|c| {
            c.facts.gate.as_mut().unwrap().live.plan.as_mut().unwrap().resource_version = "7".to_owned();
            // Its status, since.
            c.plans[0].metadata.resource_version = Some("8".to_owned());
        });
    let s = case.seen();
    let plan = s.newest().unwrap();
    assert!(execute::gate_stands(&s, plan, &plan.proposal().stacks[0], at(9)).is_ok());
}

#[rstest]
#[case::while_it_waits(&[])]
#[case::once_it_is_approved(&[said("Approve", "alice")])]
fn a_plan_into_an_account_that_is_not_granted_any_more_says_so_and_is_not_claimed(#[case] ledger: &[Value]) {
    let case = Case::new(ledger).looked();
    let mut s = case.seen();
    s.accounts = Accounts::default();
    let v = gate::gate(&s, s.newest().unwrap(), at(9));
    assert_eq!(v.phase, Phase::Stalled(Reason::AccountNotAllowed), "{}", v.message);
    // The approval counts on.
    let granted = gate::gate(&case.seen(), s.newest().unwrap(), at(9));
    let waits = granted.phase == Phase::Waiting(Reason::AwaitingApproval);
    assert_eq!(waits, ledger.is_empty(), "{}", granted.message);
}

#[test]
fn a_stack_that_is_taken_over_unchanged_needs_the_grant_as_well() {
    let adopting = |granted: bool| {
        let case = Case::new(&[said("Approve", "alice")]).with(|c| {
            c.plans[0].spec.proposal.stacks[0].plan = PlannedAs::Unchanged;
            c.plans[0].spec.proposal.stacks[0].adopted = true;
            seal(&mut c.plans[0]);
        });
        let mut live = case.live();
        let mut stage = case.stage();
        stage.spec.adoption_policy = Some(crate::api::AdoptionPolicy::Unowned);
        if granted {
            live.live.accounts = vec![account("prod", "333333333333", &json!([]))];
        }
        live.live.stage = Some(stage.clone());
        let facts = Facts { gate: Some(live), ..Facts::default() };
        let s = Snapshot { facts: &facts, stage: Arc::new(stage), ..case.seen() };
        gate::gate(&s, s.newest().unwrap(), at(9)).phase
    };
    assert_eq!(adopting(false), Phase::Stalled(Reason::AccountNotAllowed), "the caches do not show it yet");
    assert_eq!(adopting(true), Phase::Working(Reason::Executing));
}

#[rstest]
#[case::on(Some(true), true, Some(true))]
#[case::on_since_it_was_planned(Some(true), false, Some(true))]
#[case::off_as_told(Some(false), true, Some(false))]
#[case::protected_by_somebody_since(Some(false), false, None)]
#[case::left_as_it_is(None, false, None)]
fn a_protection_is_switched_off_only_where_that_was_told(
    #[case] wanted: Option<bool>,
    #[case] switches: bool,
    #[case] set: Option<bool>,
) {
    let mut stack = plan(C1, A1, 1, &[]).spec.proposal.stacks.remove(0);
    stack.termination_protection = wanted;
    stack.switches_protection = switches;
    assert_eq!(stack.protects(), set);
}

#[test]
fn what_reaches_beyond_the_account_is_looked_at_again_before_it_runs() {
    let stops = |allow: Value, topics: &[&str], trusts: bool| {
        let accounts =
            [account("prod", "333333333333", &allow), account("other", "444444444444", &json!([]))];
        let case = Case::new(&[said("Approve", "alice"), claimed()]).looked().with(|c| {
            c.plans[0].spec.proposal.stacks[0].foreign_topics =
                topics.iter().map(|t| (*t).to_owned()).collect();
            seal(&mut c.plans[0]);
            c.facts.gate.as_mut().unwrap().live.accounts = accounts.to_vec();
        });
        let mut s = case.seen();
        s.accounts = Accounts::new(accounts.iter().cloned().map(Arc::new).collect());
        let spec = json!({
            "qualifier": "acme", "toolkitStackName": "T", "version": 33, "accounts": { "names": ["prod", "other"] },
            "trustedAccounts": if trusts { json!(["333333333333"]) } else { json!([]) }
        });
        s.bootstraps = vec![Arc::new(Bootstrap::new("acme", serde_json::from_value(spec).unwrap()))];
        let plan = s.newest().unwrap();
        let stack = &plan.proposal().stacks[0];
        crate::stage::execute::gate_stands(&s, plan, stack, at(9)).unwrap()
    };
    let topic = ["arn:aws:sns:eu-west-1:666666666666:t"];
    assert_eq!(stops(json!([]), &[], false), None);
    assert!(stops(json!([]), &topic, false).unwrap().contains("ForeignTopics"));
    assert!(stops(json!([]), &[], true).unwrap().contains("TrustedAccount"));
    // One grant is not the other.
    assert!(stops(json!(["TrustedAccount"]), &topic, true).unwrap().contains("ForeignTopics"));
    assert!(stops(json!(["ForeignTopics"]), &topic, true).unwrap().contains("TrustedAccount"));
    assert_eq!(stops(json!(["ForeignTopics", "TrustedAccount"]), &topic, true), None);
}

#[test]
fn a_claim_of_another_change_set_than_the_plan_shows_does_not_run() {
    let stopped = |field: &str| {
        let mut claim = claim();
        if !field.is_empty() {
            claim["claimed"]["stacks"][0][field] = json!(Digest::of("forged").to_string());
        }
        let case = Case::new(&[said("Approve", "alice"), claim]).looked();
        let s = case.seen();
        let plan = s.newest().unwrap();
        execute::stops(&s, plan, &plan.proposal().stacks[0], &case.live().live, at(9)).unwrap_or_default()
    };
    for field in ["leaf", "input"] {
        assert!(stopped(field).contains("is not what the plan shows"), "{}", stopped(field));
    }
    assert!(!stopped("").contains("is not what the plan shows"));
}
