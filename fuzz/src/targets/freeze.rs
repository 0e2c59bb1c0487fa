//! The schedule of a Freeze.

use std::hint::black_box;

use jiff::Timestamp;
use stackgate_core::{
    account::Accounts,
    api::{Freeze, FreezeSchedule, FreezeSpec},
    freeze::{Activity, activity, status},
};

/// Lines: crontab, duration, time zone, the second that it is.
pub fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let mut lines = text.lines();
    let mut line = || lines.next().unwrap_or_default();
    let (cron, duration, zone, now) = (line(), line(), line(), line());
    // What the schema refuses never gets there.
    if !(9..=128).contains(&cron.len()) || zone.len() > 64 {
        return;
    }
    let Ok(duration) = duration.parse() else { return };
    let now = now.parse().ok().and_then(|s| Timestamp::from_second(s).ok());
    let now = now.unwrap_or(Timestamp::UNIX_EPOCH);
    let time_zone = (!zone.is_empty()).then(|| zone.to_owned());
    let spec = FreezeSpec {
        reason: "release week".to_owned(),
        start_time: None,
        end_time: None,
        schedule: Some(FreezeSchedule { cron: cron.to_owned(), duration, time_zone }),
        accounts: None,
        namespaces: None,
        allow: Vec::new(),
    };
    let freeze = Freeze::new("f", spec);
    match activity(&freeze, now) {
        Activity::Active(until) => assert!(until.is_some_and(|t| t > now), "it ends, and has not ended"),
        Activity::Inactive(next) => assert!(next.is_some_and(|t| t > now), "it begins, and has not begun"),
        Activity::Unreadable(why) => assert!(!why.is_empty()),
    }
    black_box(status(&freeze, &Accounts::new(Vec::new()), now));
}
