use rstest::rstest;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn held(by: &str, renewed: i64, seconds: i32) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(by.to_owned()),
        renew_time: Some(MicroTime(at(renewed))),
        acquire_time: Some(MicroTime(at(50))),
        lease_duration_seconds: Some(seconds),
        lease_transitions: Some(3),
        ..LeaseSpec::default()
    }
}

#[rstest]
#[case::while_it_lasts(held("other", 100, 15), 114, false)]
#[case::to_the_second_when_it_ends(held("other", 100, 15), 115, true)]
#[case::ours_always(held("me", 100, 15), 101, true)]
#[case::ours_after_a_restart_long_after(held("me", 100, 15), 1_000, true)]
#[case::released(held("", 100, 15), 101, true)]
#[case::new(LeaseSpec::default(), 101, true)]
#[case::without_times(LeaseSpec { holder_identity: Some("other".into()), ..LeaseSpec::default() }, 101, true)]
fn it_may_be_claimed_when_nobody_else_holds_it(
    #[case] lease: LeaseSpec,
    #[case] now: i64,
    #[case] may: bool,
) {
    match claim(at(now), &lease, "me", 15) {
        Claim::Write(spec) => {
            assert!(may, "claimed {lease:?}");
            assert_eq!(spec.holder_identity.as_deref(), Some("me"));
            assert_eq!(spec.renew_time, Some(MicroTime(at(now))));
            assert_eq!(spec.lease_duration_seconds, Some(15));
        }
        Claim::HeldBy(other) => {
            assert!(!may, "did not claim {lease:?}");
            assert_eq!(other, "other");
        }
    }
}

#[test]
fn renewing_keeps_when_it_was_acquired_and_taking_over_counts_a_transition() {
    let Claim::Write(renewed) = claim(at(110), &held("me", 100, 15), "me", 15) else { panic!("not renewed") };
    assert_eq!((renewed.acquire_time, renewed.lease_transitions), (Some(MicroTime(at(50))), Some(3)));
    let Claim::Write(taken) = claim(at(200), &held("other", 100, 15), "me", 15) else { panic!("not taken") };
    assert_eq!((taken.acquire_time, taken.lease_transitions), (Some(MicroTime(at(200))), Some(4)));
}
