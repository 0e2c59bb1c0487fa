//! How far a pin gets: as far as who may set it, and no further than the accounts let it.

use super::*;
use crate::{
    api::{IdentityNeeded, Operation, Pin, Promotion},
    gate::Sourced,
    stage::{
        candidate::{Candidate, candidate, coming},
        snapshot::Upstream,
    },
    verdict::{Need, Step},
};

#[derive(Clone, Copy)]
struct Floor {
    promotion: Promotion,
    soak: i64,
}

const NONE: Floor = Floor { promotion: Promotion::Optional, soak: 0 };
const REQUIRED: Floor = Floor { promotion: Promotion::Required, soak: 0 };
const SOAKED: Floor = Floor { promotion: Promotion::Required, soak: 60 };
const SOAKED_ALONE: Floor = Floor { promotion: Promotion::Optional, soak: 60 };

/// What becomes at this minute of a pin to the release that the assembly has.
fn pinned(
    floor: Floor,
    upstream: &[ChangePlan],
    own: ChangePlan,
    minute: i64,
) -> Result<(), (Reason, Option<Timestamp>)> {
    let case = Case::new(&[]).with(|c| c.plans = vec![own]);
    let mut s = case.seen();
    let stage = Arc::make_mut(&mut s.stage);
    stage.spec.pin = Some(Pin { digest: Digest::of("release").to_string(), reason: None });
    stage.spec.promote_from = serde_json::from_value(json!([{ "name": "staging" }])).unwrap();
    s.gate.promotion = Sourced { value: floor.promotion, source: "AwsAccount prod".to_owned() };
    s.gate.soak =
        Sourced { value: SignedDuration::from_mins(floor.soak), source: "AwsAccount prod".to_owned() };
    let plans = views(upstream.iter().cloned().map(Arc::new).collect(), None, &s.uid, &s.installation.plans);
    s.upstreams =
        [("staging".to_owned(), Upstream { plans, checks: Vec::new(), identity: IdentityNeeded::Verified })]
            .into();
    match candidate(&s, at(minute)) {
        Ok(_) => Ok(()),
        Err(Need::Wait(reason, message, until)) => {
            assert!(message.contains("AwsAccount prod"), "{message}");
            Err((reason, until))
        }
        Err(need) => {
            let verdict = crate::verdict::fold(vec![need], Reason::Planning, "x");
            assert!(verdict.message.contains("AwsAccount prod"), "{}", verdict.message);
            Err((verdict.phase.reason(), None))
        }
    }
}

#[rstest]
#[case::that_nobody_demands_to_be_promoted(NONE, &[], Ok(()))]
#[case::that_no_upstream_has_had(REQUIRED, &[], Err((Reason::PromotionRequired, None)))]
#[case::that_nobody_has_carried_for_long(SOAKED_ALONE, &[], Err((Reason::PromotionRequired, None)))]
#[case::that_is_only_planned_upstream(REQUIRED, &[plan(OTHER, A1, 1, &[])], Err((Reason::PromotionRequired, None)))]
#[case::that_is_verified_upstream(REQUIRED, &[carried_out(OTHER, 1)], Ok(()))]
#[case::that_soaks_upstream(SOAKED, &[carried_out(OTHER, 1)], Err((Reason::Soaking, Some(at(60)))))]
#[case::that_soaks_without_promotion(SOAKED_ALONE, &[carried_out(OTHER, 1)], Err((Reason::Soaking, Some(at(60)))))]
fn a_pin_to_a_release(
    #[case] floor: Floor,
    #[case] upstream: &[ChangePlan],
    #[case] offered: Result<(), (Reason, Option<Timestamp>)>,
) {
    // It is planned here, and was not carried out.
    assert_eq!(pinned(floor, upstream, plan(C1, A1, 1, &[]), 59), offered);
}

#[test]
fn a_pin_goes_through_when_the_release_has_soaked() {
    assert_eq!(pinned(SOAKED, &[carried_out(OTHER, 1)], plan(C1, A1, 1, &[]), 60), Ok(()));
}

#[test]
fn a_pin_goes_back_to_what_this_stage_has_had() {
    assert_eq!(pinned(SOAKED, &[], carried_out(C1, 1), 1), Ok(()));
}

#[test]
fn going_back_to_what_is_deployed_after_another_release_has_failed_half_way_is_a_roll_back() {
    let mut failed = succeeded();
    failed["settled"]["outcome"] = json!("RolledBack");
    let half = plan(OTHER, A1, 2, &[said("Approve", "alice"), claim(), failed, closed("Failed")]);
    let mut deployed = carried_out(C1, 1);
    let opened = deployed.spec.ledger[0].opened.as_mut().unwrap();
    opened.release.as_mut().unwrap().digest = Digest::of("deployed");
    seal(&mut deployed);
    let case = Case::new(&[]).with(|c| c.plans = vec![deployed, half]);
    let operation = |release| case.seen().operation(release, None);
    assert_eq!(operation(Digest::of("deployed")), Operation::Rollback);
    assert_eq!(operation(Digest::of("never seen")), Operation::Deploy);
}

#[test]
fn going_forward_after_another_release_has_failed_is_no_roll_back() {
    let of = |mut plan: ChangePlan, release: &str| {
        plan.spec.ledger[0].opened.as_mut().unwrap().release.as_mut().unwrap().digest = Digest::of(release);
        seal(&mut plan);
        plan
    };
    let (old, new) = (of(carried_out(C1, 1), "old"), of(carried_out(OTHER, 2), "new"));
    // Back to the old one, which is there now; then a third one fails, or is withdrawn before anything ran.
    let back = of(carried_out(C3, 3), "old");
    let mut failed = succeeded();
    failed["settled"]["outcome"] = json!("RolledBack");
    let tried = |entries: &[Value]| of(plan(C4, A1, 4, entries), "third");
    let approved = said("Approve", "alice");
    for (what, tried, again) in [
        ("failed", tried(&[approved.clone(), claim(), failed, closed("Failed")]), Operation::Rollback),
        ("nothing ran", tried(&[approved, claim(), closed("Withdrawn")]), Operation::Deploy),
    ] {
        let case = Case::new(&[]).with(|c| c.plans = vec![old.clone(), new.clone(), back.clone(), tried]);
        assert_eq!(case.seen().operation(Digest::of("new"), None), Operation::Deploy, "{what}: forward");
        assert_eq!(case.seen().operation(Digest::of("old"), None), again, "{what}: what is there");
    }
}

#[test]
fn a_stage_without_an_upstream_goes_back_whatever_an_account_demands() {
    let pinned = |own: ChangePlan, pin: bool| {
        let case = Case::new(&[]).with(|c| c.plans = vec![own]);
        let mut s = case.seen();
        let release = Pin { digest: Digest::of("release").to_string(), reason: None };
        Arc::make_mut(&mut s.stage).spec.pin = pin.then_some(release);
        s.gate.soak = Sourced { value: SignedDuration::from_mins(60), source: "AwsAccount prod".to_owned() };
        candidate(&s, at(1)).is_ok()
    };
    assert!(pinned(carried_out(C1, 1), true));
    assert!(!pinned(plan(C1, A1, 1, &[]), true), "it has not had it");
    assert!(!pinned(carried_out(C1, 1), false), "what the assembly has is no going back");
}

#[test]
fn going_back_to_a_release_with_other_parameter_values_is_no_roll_back() {
    let done = |id: &str, order: u64, release: &str, parameters: &str| {
        let mut plan = carried_out(id, order);
        let opened = plan.spec.ledger[0].opened.as_mut().unwrap();
        opened.release.as_mut().unwrap().digest = Digest::of(release);
        opened.parameters = Some(Digest::of(parameters));
        seal(&mut plan);
        plan
    };
    let case = Case::new(&[]).with(|c| c.plans = vec![done(C1, 1, "old", "p"), done(OTHER, 2, "new", "p")]);
    let operation = |release: &str, parameters: &str| {
        case.seen().operation(Digest::of(release), Some(Digest::of(parameters)))
    };
    assert_eq!(operation("old", "p"), Operation::Rollback);
    assert_eq!(operation("old", "q"), Operation::Deploy);
    assert_eq!(operation("new", "p"), Operation::Deploy);
    // With the values that are deployed it is one, though the old release has never had them.
    let case = case.with(|c| c.plans.push(done(C3, 3, "new", "q")));
    let operation = |release: &str, parameters: &str| {
        case.seen().operation(Digest::of(release), Some(Digest::of(parameters)))
    };
    assert_eq!(operation("old", "q"), Operation::Rollback);
}

#[test]
fn why_there_is_no_release_is_told_by_the_stage_that_waits_for_it() {
    let case = Case::new(&[]).with(|c| c.plans = Vec::new());
    let mut s = case.seen();
    let assembly = Arc::make_mut(s.assembly.as_mut().unwrap());
    assembly.status = Some(CloudAssemblyStatus::default());
    let message = |s: &Snapshot<'_>| decide(s, at(9)).message;
    assert!(message(&s).ends_with("CloudAssembly shop has no release yet"), "{}", message(&s));
    let stalled = json!([{
        "type": "Stalled", "status": "True", "reason": "SourceFailed", "message": "the bucket is gone",
        "lastTransitionTime": "2026-11-24T00:00:00Z"
    }]);
    let assembly = Arc::make_mut(s.assembly.as_mut().unwrap());
    assembly.status.as_mut().unwrap().conditions = serde_json::from_value(stalled).unwrap();
    assert!(message(&s).ends_with("has no release yet: the bucket is gone"), "{}", message(&s));
}

#[test]
fn what_waits_here_is_looked_at_again_when_a_newer_release_has_soaked() {
    let case = Case::new(&[]);
    let mut s = case.seen();
    let stage = Arc::make_mut(&mut s.stage);
    stage.spec.promote_from = serde_json::from_value(json!([{ "name": "staging", "soak": "60m" }])).unwrap();
    let mut newer = carried_out(C3, 2);
    let opened = newer.spec.ledger[0].opened.as_mut().unwrap();
    opened.release.as_mut().unwrap().digest = Digest::of("newer");
    // What this Stage has planned has soaked: staging had it for more than an hour.
    let mut older = carried_out(OTHER, 1);
    for entry in &mut older.spec.ledger {
        entry.time.0 = entry.time.0.saturating_sub(SignedDuration::from_hours(2)).unwrap();
    }
    for plan in [&mut older, &mut newer] {
        seal(plan);
    }
    let plans = views(vec![Arc::new(older), Arc::new(newer)], None, &s.uid, &s.installation.plans);
    let staging = Upstream { plans, checks: Vec::new(), identity: IdentityNeeded::Verified };
    s.upstreams = [("staging".to_owned(), staging)].into();
    let v = decide(&s, at(1));
    assert_eq!(v.phase.reason(), Reason::AwaitingApproval, "{}", v.message);
    assert!(matches!(&v.next, Next::Wait(wake) if wake.at == Some(at(60))), "{:?}", v.next);
}

/// A plan that staging has carried out, of the release of this name, with reports of its check: minute and result.
fn in_staging(id: &str, order: u64, release: &str, reports: &[(i64, &str)]) -> ChangePlan {
    let mut plan = carried_out(id, order);
    let opened = plan.spec.ledger[0].opened.as_mut().unwrap();
    opened.release.as_mut().unwrap().digest = Digest::of(release);
    for (seq, (minute, result)) in (1..).zip(reports) {
        let report = json!({ "seq": seq, "time": at(*minute).to_string(), "checked": {
            "name": "smoke", "result": result, "by": "ci", "identity": "Verified", "reason": seq.to_string()
        } });
        plan.spec.ledger.push(serde_json::from_value(report).unwrap());
    }
    seal(&mut plan);
    plan
}

/// The release that a stage which has `has` should have at minute 100, and whether it waits for one to soak.
fn after(has: &str, staging: &[ChangePlan], soak: &str) -> (Digest, bool) {
    after_own(in_staging(C1, 1, has, &[]), staging, soak)
}

fn after_own(own: ChangePlan, staging: &[ChangePlan], soak: &str) -> (Digest, bool) {
    after_all(vec![own], staging, soak)
}

fn after_all(own: Vec<ChangePlan>, staging: &[ChangePlan], soak: &str) -> (Digest, bool) {
    let found = behind(own, staging, soak).unwrap();
    (found.release.digest, found.soaking.is_some())
}

fn behind(own: Vec<ChangePlan>, staging: &[ChangePlan], soak: &str) -> Step<Candidate> {
    let case = Case::new(&[]).with(|c| c.plans = own);
    let mut s = case.seen();
    let stage = Arc::make_mut(&mut s.stage);
    stage.spec.promote_from = serde_json::from_value(json!([{ "name": "staging", "soak": soak }])).unwrap();
    let plans = views(staging.iter().cloned().map(Arc::new).collect(), None, &s.uid, &s.installation.plans);
    let checks = serde_json::from_value(json!([{ "name": "smoke" }])).unwrap();
    s.upstreams =
        [("staging".to_owned(), Upstream { plans, checks, identity: IdentityNeeded::Verified })].into();
    candidate(&s, at(100))
}

// Both have been verified, and the first had soaked when the second came.
#[rstest]
#[case::as_it_was(&[(20, "Passed")], "10m", "second")]
#[case::a_check_that_passes_again_and_says_so_in_other_words(&[(20, "Passed"), (99, "Passed")], "10m", "second")]
#[case::a_check_that_fails_later(&[(20, "Passed"), (99, "Failed")], "10m", "second")]
#[case::a_soak_that_lasts_longer_now(&[(95, "Passed")], "10m", "second")]
fn what_holds_a_release_back_upstream_takes_it_away_from_nobody_who_has_it(
    #[case] reports: &[(i64, &str)],
    #[case] soak: &str,
    #[case] stays: &str,
) {
    let first = || in_staging(OTHER, 1, "first", &[(0, "Passed")]);
    let second = in_staging(C3, 2, "second", reports);
    assert_eq!(after("second", &[first(), second.clone()], soak), (Digest::of(stays), false));
    // Who has the first, or none of them, gets what is let through.
    let goes_on = reports.first().is_some_and(|(minute, _)| *minute == 20)
        && reports.iter().all(|(_, r)| *r == "Passed");
    for has in ["first", "another"] {
        let gets = if goes_on { "second" } else { "first" };
        assert_eq!(after(has, &[first(), second.clone()], soak).0, Digest::of(gets), "{has}");
    }
}

#[test]
fn who_has_an_upstream_that_has_gone_back_goes_with_it() {
    let mut back = in_staging(OTHER, 3, "first", &[(0, "Passed")]);
    back.metadata.name = Some("back".to_owned());
    seal(&mut back);
    let second = in_staging(C3, 2, "second", &[(20, "Failed")]);
    assert_eq!(after("second", &[back, second], "10m").0, Digest::of("first"));
}

/// Opened again for another release, in which nothing differs for staging.
fn opened_for(mut plan: ChangePlan, order: u64, release: &str) -> ChangePlan {
    let mut entry = plan.spec.ledger[0].clone();
    entry.seq = u32::try_from(plan.spec.ledger.len()).unwrap();
    let opened = entry.opened.as_mut().unwrap();
    (opened.order, opened.release.as_mut().unwrap().digest) = (order, Digest::of(release));
    plan.spec.ledger.push(entry);
    seal(&mut plan);
    plan
}

#[test]
fn who_has_a_release_in_which_nothing_differed_upstream_keeps_it_when_the_next_one_comes() {
    let first = in_staging(OTHER, 1, "first", &[(0, "Passed")]);
    let second = in_staging(C3, 2, "second", &[(20, "Passed")]);
    let third = opened_for(in_staging(C3, 2, "second", &[(20, "Passed"), (99, "Failed")]), 3, "third");
    assert_eq!(after("second", &[first.clone(), second], "10m").0, Digest::of("second"));
    assert_eq!(after("second", &[first.clone(), third.clone()], "10m").0, Digest::of("second"));
    assert_eq!(after("first", &[first, third], "10m").0, Digest::of("first"));
}

/// Opened again for another release at that minute.
fn opened_for_at(plan: ChangePlan, order: u64, release: &str, minute: i64) -> ChangePlan {
    let mut plan = opened_for(plan, order, release);
    plan.spec.ledger.last_mut().unwrap().time.0 = at(minute);
    seal(&mut plan);
    plan
}

#[test]
fn a_release_in_which_nothing_differed_upstream_soaks_on_when_the_next_one_comes() {
    let first = in_staging(OTHER, 1, "first", &[(0, "Passed")]);
    let second = opened_at(in_staging(C3, 2, "second", &[(20, "Passed")]), 20);
    // For staging the third is what the second was, and it came two minutes ago.
    let staging = [first, opened_for_at(second, 3, "third", 98)];
    assert_eq!(after("first", &staging, "10m"), (Digest::of("second"), true));
    assert_eq!(after("second", &staging, "10m"), (Digest::of("second"), true));
    assert_eq!(after("first", &staging, "1m").0, Digest::of("third"));
    // And it can be pinned, there as here.
    let case = Case::new(&[]).with(|c| c.plans = vec![opened_for(in_staging(C1, 1, "old", &[]), 2, "new")]);
    let mut s = case.seen();
    for (of, floor) in [("old", 60), ("new", 60), ("old", 0)] {
        Arc::make_mut(&mut s.stage).spec.pin = Some(Pin { digest: Digest::of(of).to_string(), reason: None });
        s.gate.soak =
            Sourced { value: SignedDuration::from_mins(floor), source: "AwsAccount prod".to_owned() };
        assert_eq!(candidate(&s, at(9)).unwrap().release.digest, Digest::of(of), "{of}");
    }
}

/// Claimed at that minute, and carried out a minute later.
fn deployed_at(id: &str, order: u64, release: &str, minute: i64, reports: &[(i64, &str)]) -> ChangePlan {
    let mut done = plan(id, A1, order, &[said("Approve", "alice"), claim(), succeeded()]);
    done.spec.ledger[0].opened.as_mut().unwrap().release.as_mut().unwrap().digest = Digest::of(release);
    for (entry, offset) in done.spec.ledger.iter_mut().zip([-2, -1, 0, 1]) {
        entry.time.0 = at(minute + offset);
    }
    for (seq, (minute, result)) in (4..).zip(reports) {
        let report = json!({ "seq": seq, "time": at(*minute).to_string(), "checked": {
            "name": "smoke", "result": result, "by": "ci", "identity": "Verified", "reason": seq.to_string()
        } });
        done.spec.ledger.push(serde_json::from_value(report).unwrap());
    }
    seal(&mut done);
    done
}

#[test]
fn what_was_replaced_upstream_before_it_had_soaked_is_let_through_no_more() {
    let first = deployed_at(OTHER, 1, "first", 10, &[(12, "Passed")]);
    let second = deployed_at(C3, 2, "second", 60, &[(95, "Passed")]);
    let staging = [first, second];
    // The first was verified at 12, and made way at 60.
    assert_eq!(after("another", &staging, "10m"), (Digest::of("first"), true));
    let found = behind(vec![in_staging(C1, 1, "another", &[])], &staging, "50m").unwrap();
    assert_eq!((found.release.digest, found.soaking.is_some()), (Digest::of("another"), true));
}

#[test]
fn what_an_upstream_has_gone_back_from_goes_to_nobody() {
    let first = || deployed_at(OTHER, 1, "first", 10, &[(12, "Passed")]);
    let second = deployed_at(C3, 2, "second", 20, &[(22, "Passed")]);
    assert_eq!(after("another", &[first(), second.clone()], "5m").0, Digest::of("second"));
    for (reports, gets) in
        [(&[(52, "Failed")][..], "another"), (&[], "another"), (&[(52, "Passed")], "first")]
    {
        let staging = [first(), second.clone(), deployed_at(C4, 3, "first", 50, reports)];
        assert_eq!(after("another", &staging, "5m").0, Digest::of(gets));
        // It has it again, and then it goes on.
        let again = [staging.to_vec(), vec![deployed_at(C1, 4, "second", 60, &[(62, "Passed")])]].concat();
        assert_eq!(after("another", &again, "5m").0, Digest::of("second"));
    }
    // Who has it keeps it until what staging has now is verified there.
    let unverified = [first(), second.clone(), deployed_at(C4, 3, "first", 50, &[(52, "Failed")])];
    assert_eq!(after("second", &unverified, "5m").0, Digest::of("second"));
}

#[test]
fn a_release_goes_on_once_every_upstream_lets_it_go() {
    let first = in_staging(OTHER, 1, "first", &[(0, "Passed")]);
    let second = in_staging(C3, 2, "second", &[(20, "Passed")]);
    let gets = |canary: &[ChangePlan]| {
        let case = Case::new(&[]).with(|c| c.plans = vec![in_staging(C1, 1, "another", &[])]);
        let mut s = case.seen();
        let from = json!([{ "name": "staging", "soak": "10m" }, { "name": "canary", "soak": "10m" }]);
        Arc::make_mut(&mut s.stage).spec.promote_from = serde_json::from_value(from).unwrap();
        let checks: Vec<crate::api::Check> = serde_json::from_value(json!([{ "name": "smoke" }])).unwrap();
        let upstream = |plans: &[ChangePlan]| Upstream {
            plans: views(plans.iter().cloned().map(Arc::new).collect(), None, &s.uid, &s.installation.plans),
            checks: checks.clone(),
            identity: IdentityNeeded::Verified,
        };
        let found = [("staging", upstream(&[first.clone(), second.clone()])), ("canary", upstream(canary))];
        s.upstreams = found.map(|(name, upstream)| (name.to_owned(), upstream)).into();
        candidate(&s, at(100)).unwrap().release.digest
    };
    let there = |order: u64, release: &str, passed: i64| {
        let id = if order == 1 { OTHER } else { C3 };
        in_staging(id, order, release, &[(passed, "Passed")])
    };
    assert_eq!(gets(&[there(1, "first", 0), there(2, "second", 20)]), Digest::of("second"));
    assert_eq!(gets(&[there(1, "first", 0), there(2, "second", 95)]), Digest::of("first"), "it soaks there");
    assert_eq!(gets(&[there(1, "first", 0)]), Digest::of("first"), "it has not come there");
    assert_eq!(gets(&[]), Digest::of("another"), "nothing has");
}

#[test]
fn nobody_goes_back_with_an_upstream_that_has_not_gone() {
    // It waits there.
    let planned = |order: u64, release: &str| {
        let mut plan = plan(C4, A1, order, &[]);
        plan.spec.ledger[0].opened.as_mut().unwrap().release.as_mut().unwrap().digest = Digest::of(release);
        seal(&mut plan);
        plan
    };
    let first = in_staging(OTHER, 1, "first", &[(0, "Passed")]);
    let second = in_staging(C3, 2, "second", &[(20, "Failed")]);
    let staging = [first, second.clone(), planned(3, "first")];
    assert_eq!(after("second", &staging, "10m").0, Digest::of("second"));
    // And with one that has gone back it goes, whatever is planned there since.
    let back = opened_for(in_staging(OTHER, 1, "first", &[(0, "Passed")]), 3, "first");
    assert_eq!(after("second", &[back, second, planned(4, "second")], "10m").0, Digest::of("first"));
}

/// A plan that was opened at that minute.
fn opened_at(mut plan: ChangePlan, minute: i64) -> ChangePlan {
    plan.spec.ledger[0].time.0 = at(minute);
    seal(&mut plan);
    plan
}

#[test]
fn a_release_that_the_first_upstream_never_had_is_not_taken_away_by_an_older_one() {
    let own = |id: &str, order: u64, release: &str, minute: i64| {
        opened_at(in_staging(id, order, release, &[]), minute)
    };
    // It was pinned past staging, and the pin is gone.
    let hotfix = || vec![own(C1, 1, "second", 20), own(C4, 2, "third", 50)];
    let goes = |own: Vec<ChangePlan>, release: &str, minute: i64| {
        let there = opened_at(in_staging(C3, 1, release, &[(minute, "Passed")]), minute);
        after_all(own, &[there], "1m").0
    };
    assert_eq!(goes(hotfix(), "second", 10), Digest::of("third"));
    assert_eq!(goes(hotfix(), "of old", 10), Digest::of("third"));
    assert_eq!(goes(hotfix(), "fourth", 60), Digest::of("fourth"));
    let there = [in_staging(C3, 1, "second", &[(10, "Passed")])];
    let over = behind(hotfix(), &there, "1m").unwrap().passed_over.map(|r| r.digest);
    assert_eq!(over, Some(Digest::of("second")), "it is told");
    // Nothing is passed over where staging knows what is here.
    let known = [there[0].clone(), in_staging(OTHER, 2, "third", &[(50, "Failed")])];
    let over = behind(hotfix(), &known, "1m").unwrap();
    assert_eq!((over.release.digest, over.passed_over.map(|r| r.digest)), (Digest::of("third"), None));
    // A new stage comes between, and begins with what was here before.
    assert_eq!(goes(hotfix(), "second", 90), Digest::of("third"));
    // Planned again later, with other values, it is no newer for that: neither there,
    let again = |release: &str| {
        let there = |id: &str, order: u64, minute: i64| {
            opened_at(in_staging(id, order, release, &[(minute, "Passed")]), minute)
        };
        [there(C3, 1, 10), there(OTHER, 2, 60)]
    };
    assert_eq!(after_all(hotfix(), &again("of old"), "1m").0, Digest::of("third"));
    // nor here.
    let later = [hotfix(), vec![own(OTHER, 3, "third", 80)]].concat();
    assert_eq!(goes(later, "fourth", 60), Digest::of("fourth"));
    // It was pinned back, and the pin is gone: on it goes.
    let back = vec![own(C1, 1, "first", 20), own(C4, 2, "second", 30), own(OTHER, 3, "first", 50)];
    assert_eq!(goes(back, "second", 10), Digest::of("second"));
}

#[test]
fn who_has_a_release_keeps_it_also_where_nothing_is_let_through_upstream() {
    let second = in_staging(C3, 2, "second", &[(20, "Failed")]);
    assert_eq!(after("second", std::slice::from_ref(&second), "10m"), (Digest::of("second"), false));
    let long = in_staging(C3, 2, "second", &[(95, "Passed")]);
    assert_eq!(after("second", std::slice::from_ref(&long), "10m"), (Digest::of("second"), false));
    // What comes after soaks.
    let third = in_staging(OTHER, 3, "third", &[(95, "Passed")]);
    assert_eq!(after("second", &[second, third], "10m"), (Digest::of("second"), true));
}

#[test]
fn what_is_deployed_in_part_is_not_taken_back_by_a_check_that_fails_upstream() {
    let first = in_staging(OTHER, 1, "first", &[(0, "Passed")]);
    let second = in_staging(C3, 2, "second", &[(20, "Failed")]);
    let half = |ended: &[Value]| {
        let ledger = [&[said("Approve", "alice"), claim()], ended, &[closed("Failed")]].concat();
        let mut plan = plan(C4, A1, 2, &ledger);
        plan.spec.ledger[0].opened.as_mut().unwrap().release.as_mut().unwrap().digest = Digest::of("second");
        seal(&mut plan);
        plan
    };
    let tried = |before: &str, ended: &[Value]| {
        let own = vec![in_staging(C1, 1, before, &[]), half(ended)];
        behind(own, &[first.clone(), second.clone()], "10m").map(|c| c.release.digest)
    };
    let Err(Need::Wait(Reason::AwaitingUpstream, message, None)) = tried("first", &[succeeded()]) else {
        panic!("it goes on")
    };
    assert!(message.contains("deployed here in part, and staging does not let it go"), "{message}");
    // It had soaked there before; that staging has it again, and its check has not passed, is news.
    let again = [
        in_staging(C3, 2, "second", &[(20, "Passed")]),
        in_staging(OTHER, 3, "first", &[(0, "Passed")]),
        in_staging(C1, 4, "second", &[(50, "Failed")]),
    ];
    let own = vec![in_staging(C1, 1, "first", &[]), half(&[succeeded()])];
    let found = behind(own, &again, "10m");
    assert!(matches!(found, Err(Need::Wait(Reason::AwaitingUpstream, _, None))), "{found:?}");
    // What was rolled back is as it was.
    assert!(matches!(tried("first", &[]), Ok(digest) if digest == Digest::of("first")));
    // What it has had as a whole it has.
    assert!(matches!(tried("second", &[succeeded()]), Ok(digest) if digest == Digest::of("second")));
}

/// A Stage behind staging, with these plans, at minute 100.
fn behind_staging(own: Vec<ChangePlan>, staging: &[ChangePlan], seen: impl FnOnce(&Snapshot<'_>)) {
    let case = Case::new(&[]).with(|c| c.plans = own);
    let mut s = case.seen();
    let from = json!([{ "name": "staging", "soak": "10m" }]);
    Arc::make_mut(&mut s.stage).spec.promote_from = serde_json::from_value(from).unwrap();
    let plans = views(staging.iter().cloned().map(Arc::new).collect(), None, &s.uid, &s.installation.plans);
    let checks = serde_json::from_value(json!([{ "name": "smoke" }])).unwrap();
    let staging = Upstream { plans, checks, identity: IdentityNeeded::Verified };
    s.upstreams = [("staging".to_owned(), staging)].into();
    seen(&s);
}

/// A change of a release that came half way.
fn half_done(order: u64, release: &str) -> ChangePlan {
    let mut failed = succeeded();
    failed["settled"]["stackName"] = json!("Api");
    failed["settled"]["outcome"] = json!("RolledBack");
    failed["settled"]["message"] = json!("Orders: quota exceeded");
    let mut plan =
        plan(C4, A1, order, &[said("Approve", "alice"), claim(), succeeded(), failed, closed("Failed")]);
    plan.spec.ledger[0].opened.as_mut().unwrap().release.as_mut().unwrap().digest = Digest::of(release);
    seal(&mut plan);
    plan
}

#[test]
fn why_it_is_deployed_in_part_is_told_as_long_as_nothing_goes_on() {
    let staging =
        [in_staging(OTHER, 1, "first", &[(0, "Passed")]), in_staging(C3, 2, "second", &[(20, "Failed")])];
    let own = vec![in_staging(C1, 1, "first", &[]), half_done(2, "second")];
    behind_staging(own, &staging, |s| {
        let v = decide(s, at(100));
        assert_eq!(v.phase, Phase::Stalled(Reason::RolledBack), "{}", v.message);
        for part in ["Orders: quota exceeded", "staging does not let it go", "going back takes a pin"] {
            assert!(v.message.contains(part), "{part}: {}", v.message);
        }
        assert!(v.waiting_for.as_ref().is_some_and(|w| w.contains("staging does not let it go")), "{v:?}");
    });
}

#[test]
fn a_plan_for_what_is_let_go_no_more_makes_way() {
    let third = || {
        let mut plan = plan(OTHER, A1, 3, &[said("Approve", "alice")]);
        plan.spec.ledger[0].opened.as_mut().unwrap().release.as_mut().unwrap().digest = Digest::of("third");
        seal(&mut plan);
        plan
    };
    let staging = |result: &str| {
        [in_staging(C3, 2, "second", &[(20, "Failed")]), in_staging(C1, 3, "third", &[(50, result)])]
    };
    let of_part = || vec![in_staging(C1, 1, "first", &[]), half_done(2, "second"), third()];
    for own in [of_part(), vec![third()]] {
        behind_staging(own.clone(), &staging("Failed"), |s| {
            let v = decide(s, at(100));
            assert_eq!(v.phase.reason(), Reason::Withdrawing, "{v:?}");
        });
        // It goes on as it was where nothing has changed.
        behind_staging(own, &staging("Passed"), |s| {
            assert_ne!(decide(s, at(100)).phase.reason(), Reason::Withdrawing);
        });
    }
}

#[test]
fn what_is_passed_over_is_shown() {
    let hotfix = vec![deployed_at(C4, 1, "hotfix", 52, &[])];
    let staging = [opened_at(in_staging(C3, 1, "of old", &[(10, "Passed")]), 10)];
    let shown = |staging: &[ChangePlan]| {
        let mut told = None;
        behind_staging(hotfix.clone(), staging, |s| {
            let v = decide(s, at(100));
            assert_eq!(v.phase, Phase::Done(Reason::Deployed), "{v:?}");
            let status = status(s, &v, at(100));
            let ready = status.conditions.into_iter().find(|c| c.type_ == "Ready").unwrap();
            told =
                Some((ready.status, ready.message.contains("it takes a pin"), status.waiting_for.is_some()));
        });
        told.unwrap()
    };
    assert_eq!(shown(&staging), ("True".to_owned(), true, true));
    assert_eq!(shown(&[]), ("True".to_owned(), false, false));
}

#[test]
fn another_stage_of_the_app_is_no_release_that_this_one_has() {
    let first = in_staging(OTHER, 1, "first", &[(0, "Passed")]);
    let second = in_staging(C3, 2, "second", &[(20, "Failed")]);
    let of = |cdk_stage: Option<&str>| {
        let mut own = in_staging(C1, 1, "second", &[]);
        own.spec.ledger[0].opened.as_mut().unwrap().cdk_stage = cdk_stage.map(str::to_owned);
        seal(&mut own);
        after_own(own, &[first.clone(), second.clone()], "10m").0
    };
    assert_eq!(of(None), Digest::of("second"));
    assert_eq!(of(Some("Other")), Digest::of("first"));
}

#[test]
fn values_that_differ_from_those_upstream_are_told_where_a_plan_is_compared() {
    let case = Case::new(&[]);
    let mut s = case.seen();
    Arc::make_mut(&mut s.stage).spec.promote_from =
        serde_json::from_value(json!([{ "name": "staging" }])).unwrap();
    let mut there = carried_out(OTHER, 1);
    there.spec.ledger[0].opened.as_mut().unwrap().parameters = Some(Digest::of("values"));
    seal(&mut there);
    let plans = views(vec![Arc::new(there)], None, &s.uid, &s.installation.plans);
    let staging = Upstream { plans, checks: Vec::new(), identity: IdentityNeeded::Verified };
    s.upstreams = [("staging".to_owned(), staging)].into();
    let newest = s.newest().unwrap();
    let release = newest.release.clone().unwrap();
    let told = |given: Option<Digest>| {
        let all = crate::stage::plan::compared(&s, newest.proposal(), &release, given).unwrap().differences;
        all.iter()
            .any(|line| line.starts_with("the values that ") && line.ends_with(" give to parameters differ"))
    };
    assert!(!told(Some(Digest::of("values"))));
    assert!(told(Some(Digest::of("others"))) && told(None));
}

#[test]
fn what_a_stage_has_is_not_what_comes() {
    let first = in_staging(OTHER, 0, "first", &[]);
    // The newest plan is for what its assembly has, and waits.
    let entry = Case::new(&[]).with(|c| c.plans.push(first));
    assert_eq!(coming(&entry.seen(), at(9)), None);
    // What is pinned is what there is, and another plan waits.
    let mut s = entry.seen();
    Arc::make_mut(&mut s.stage).spec.pin =
        Some(Pin { digest: Digest::of("first").to_string(), reason: None });
    assert_eq!(coming(&s, at(9)), None);
}
