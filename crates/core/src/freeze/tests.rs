use rstest::rstest;

use super::*;
use crate::api::{AwsAccount, FreezeSpec};

fn freeze(spec: serde_json::Value) -> Freeze {
    let mut spec = spec;
    spec["reason"] = "INC-4711".into();
    Freeze::new("inc-4711", serde_json::from_value::<FreezeSpec>(spec).unwrap())
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn scheduled_at(cron: &str, duration: &str, zone: &str, now: &str) -> Activity {
    let schedule = serde_json::json!({ "cron": cron, "duration": duration, "timeZone": zone });
    activity(&freeze(serde_json::json!({ "schedule": schedule })), at(now))
}

#[rstest]
#[case(serde_json::json!({}), Activity::Active(None))]
#[case(serde_json::json!({ "endTime": "2026-11-24T06:00:01Z" }), Activity::Active(Some(at("2026-11-24T06:00:01Z"))))]
#[case(serde_json::json!({ "endTime": "2026-11-24T06:00:00Z" }), Activity::Inactive(None))]
#[case(serde_json::json!({ "startTime": "2026-11-24T06:00:00Z" }), Activity::Active(None))]
#[case(serde_json::json!({ "startTime": "2026-11-24T06:00:01Z" }), Activity::Inactive(Some(at("2026-11-24T06:00:01Z"))))]
#[case(
    serde_json::json!({ "startTime": "2026-11-24T07:00:00Z", "endTime": "2026-11-24T08:00:00Z" }),
    Activity::Inactive(Some(at("2026-11-24T07:00:00Z")))
)]
fn from_to(#[case] spec: serde_json::Value, #[case] expected: Activity) {
    assert_eq!(activity(&freeze(spec), at("2026-11-24T06:00:00Z")), expected);
}

// Friday 15:00 in Sydney for 66 hours: until Monday 09:00. In November Sydney is 11 hours ahead of UTC.
#[rstest]
#[case("2026-11-20T03:59:59Z", Activity::Inactive(Some(at("2026-11-20T04:00:00Z"))))]
#[case("2026-11-20T04:00:00Z", Activity::Active(Some(at("2026-11-22T22:00:00Z"))))]
#[case("2026-11-22T21:59:59Z", Activity::Active(Some(at("2026-11-22T22:00:00Z"))))]
#[case("2026-11-22T22:00:00Z", Activity::Inactive(Some(at("2026-11-27T04:00:00Z"))))]
// In July it is 10 hours ahead.
#[case("2026-07-03T05:00:00Z", Activity::Active(Some(at("2026-07-05T23:00:00Z"))))]
#[case("2026-07-03T04:59:59Z", Activity::Inactive(Some(at("2026-07-03T05:00:00Z"))))]
fn weekends_in_sydney(#[case] now: &str, #[case] expected: Activity) {
    assert_eq!(scheduled_at("0 15 * * FRI", "66h", "Australia/Sydney", now), expected);
}

#[test]
fn beginnings_that_overlap_run_into_each_other() {
    // At 6 and at 7 for 90 minutes each: from 6 to half past 8.
    let found = scheduled_at("0 6,7 * * *", "90m", "UTC", "2026-11-24T06:15:00Z");
    assert_eq!(found, Activity::Active(Some(at("2026-11-24T08:30:00Z"))));
    // Every hour: without an end. What lies behind many beginnings is looked at again then.
    let Activity::Active(Some(until)) = scheduled_at("0 * * * *", "90m", "UTC", "2026-11-24T06:15:00Z")
    else {
        panic!("not active")
    };
    assert!(until > at("2026-11-26T00:00:00Z"));
}

#[rstest]
#[case("0 15 * * FUNDAY", "1h", "UTC")]
#[case("61 * * * *", "1h", "UTC")]
#[case("0 15 * * FRI", "1h", "Mars/Olympus")]
#[case("0 9 * * 1-5", "1h", "UTC+3")]
#[case("0 9 * * 1-5", "1h", "Austr-2afr1,1,7")]
#[case("0 15 * * FRI", "0h", "UTC")]
#[case("0 0 30 2 *", "1h", "UTC")]
#[case("0 15 * * FRI Europe/Berlin", "1h", "UTC")]
#[case("3 2 9W 4 0 SUN9uAAms4,9,94 2 Am29", "4h", "UTC")]
fn what_cannot_be_understood_counts_as_active(#[case] cron: &str, #[case] lasts: &str, #[case] zone: &str) {
    let found = scheduled_at(cron, lasts, zone, "2026-11-24T06:00:00Z");
    assert!(matches!(found, Activity::Unreadable(_)), "{found:?}");
}

fn accounts() -> Accounts {
    let account = |name: &str, id: &str, tier: &str| {
        let spec = serde_json::json!({ "accountID": id, "regions": ["eu-west-1"] });
        let mut a = AwsAccount::new(name, serde_json::from_value(spec).unwrap());
        a.metadata.labels = Some([("tier".to_owned(), tier.to_owned())].into());
        Arc::new(a)
    };
    Accounts::new(vec![account("dev", "111111111111", "play"), account("prod", "333333333333", "work")])
}

#[rstest]
#[case::everything(serde_json::json!({}), true, None)]
#[case::one(serde_json::json!({ "accounts": { "names": ["prod"] } }), true, None)]
#[case::a_wrong_letter(serde_json::json!({ "accounts": { "names": ["prd"] } }), false, Some("nothing is held up"))]
#[case::one_of_two(serde_json::json!({ "accounts": { "names": ["prd", "dev"] } }), true, Some("no AwsAccount prd"))]
#[case::no_such_label(
    serde_json::json!({ "accounts": { "selector": { "matchLabels": { "tier": "wrok" } } } }),
    false,
    Some("nothing is held up")
)]
fn a_freeze_of_accounts_that_are_not_there_says_so(
    #[case] spec: serde_json::Value,
    #[case] active: bool,
    #[case] amiss: Option<&str>,
) {
    let (status, _) = status(&freeze(spec), &accounts(), at("2026-11-24T06:00:00Z"));
    let shown = |type_: &str| status.conditions.iter().find(|c| c.type_ == type_);
    let is = |type_: &str| shown(type_).is_some_and(|c| c.status == "True");
    assert_eq!((is("Active"), is("Ready"), is("Stalled")), (active, amiss.is_none(), amiss.is_some()));
    let says = shown("Ready").map(|c| c.message.as_str()).unwrap_or_default();
    assert!(amiss.is_none_or(|amiss| says.contains(amiss)), "{says}");
}

#[rstest]
#[case::everything(serde_json::json!({}), true, None)]
#[case::a_wrong_letter(serde_json::json!({ "accounts": { "names": ["prd"] } }), false, Some("nothing is held up"))]
#[case::one_of_two(serde_json::json!({ "accounts": { "names": ["prd", "dev"] } }), true, Some("no AwsAccount prd"))]
fn a_freeze_that_cannot_be_understood_says_of_accounts_that_are_not_there(
    #[case] spec: serde_json::Value,
    #[case] active: bool,
    #[case] amiss: Option<&str>,
) {
    let mut spec = spec;
    spec["schedule"] = serde_json::json!({ "cron": "0 15 * * FUNDAY", "duration": "1h" });
    let (status, _) = status(&freeze(spec), &accounts(), at("2026-11-24T06:00:00Z"));
    let shown = |type_: &str| status.conditions.iter().find(|c| c.type_ == type_).unwrap();
    assert_eq!(
        ["Active", "Ready", "Stalled"].map(|type_| shown(type_).status == "True"),
        [active, false, true]
    );
    for says in ["Ready", "Stalled"].map(|type_| &shown(type_).message) {
        assert!(says.contains("spec.schedule: "), "{says}");
        assert!(amiss.is_none_or(|amiss| says.contains(amiss)), "{says}");
    }
    assert_eq!(shown("Active").message.contains("nothing starts in what it covers"), active);
}

#[rstest]
#[case(serde_json::json!({}), true)]
#[case(serde_json::json!({ "namespaces": ["shop"] }), true)]
#[case(serde_json::json!({ "namespaces": ["other"] }), false)]
#[case(serde_json::json!({ "accounts": { "names": ["prod"] } }), true)]
#[case(serde_json::json!({ "accounts": { "names": ["dev"] } }), false)]
#[case(serde_json::json!({ "accounts": { "selector": { "matchLabels": { "tier": "work" } } } }), true)]
#[case(serde_json::json!({ "accounts": { "selector": { "matchLabels": { "tier": "play" } } } }), false)]
#[case(serde_json::json!({ "namespaces": ["shop"], "accounts": { "names": ["dev"] } }), false)]
#[case(serde_json::json!({ "allow": ["Deploy"] }), false)]
#[case(serde_json::json!({ "allow": ["Rollback"] }), true)]
fn what_is_covered(#[case] spec: serde_json::Value, #[case] expected: bool) {
    let touched = Touched {
        namespace: "shop",
        accounts: &["333333333333".parse().unwrap()],
        operation: Operation::Deploy,
    };
    let (list, _) = held(&[Arc::new(freeze(spec))], &accounts(), touched, at("2026-11-24T06:00:00Z"));
    assert_eq!(!list.is_empty(), expected);
}
