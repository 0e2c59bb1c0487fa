//! Freezes: whether one is active, what it covers, and when that changes.

use std::{str::FromStr, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::{
    account::Accounts,
    api::{
        ConditionType, Conditions, Freeze, FreezeSchedule, FreezeStatus, Operation, Reason, whole_seconds,
    },
    words::AccountId,
};

/// How a freeze stands at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Activity {
    /// It holds changes up: until then, or until it is deleted.
    Active(Option<Timestamp>),
    /// It does not; it will from then on, if ever.
    Inactive(Option<Timestamp>),
    /// Its schedule cannot be understood. It counts as active: who wrote it meant to stop something.
    Unreadable(String),
}

/// How a freeze stands now.
#[must_use]
pub fn activity(freeze: &Freeze, now: Timestamp) -> Activity {
    let spec = &freeze.spec;
    if let Some(schedule) = &spec.schedule {
        return scheduled(schedule, now).unwrap_or_else(Activity::Unreadable);
    }
    match (&spec.start_time, &spec.end_time) {
        (_, Some(end)) if now >= end.0 => Activity::Inactive(None),
        (Some(start), _) if now < start.0 => Activity::Inactive(Some(start.0)),
        (_, end) => Activity::Active(end.as_ref().map(|t| t.0)),
    }
}

/// A schedule is active from each of its beginnings for its duration. Overlapping ones run into each other.
fn scheduled(schedule: &FreezeSchedule, now: Timestamp) -> Result<Activity, String> {
    let zone = schedule.time_zone.as_deref().unwrap_or("UTC");
    // The library takes rules, too: `UTC+3` as three hours west, and one for which it looks for the next beginning without end (fuzz
    // target `freeze`).
    if jiff::tz::db().get(zone).is_err() {
        return Err("spec.schedule.timeZone is no name of the time zone database".to_owned());
    }
    // A sixth would be a time zone to the library, and what follows it a part of that.
    if schedule.cron.split_whitespace().count() != 5 {
        return Err(
            "spec.schedule.cron is not minute, hour, day of the month, month and day of the week".to_owned()
        );
    }
    let cron = cronexpr::Crontab::from_str(&format!("{} {zone}", schedule.cron))
        .map_err(|e| format!("spec.schedule: {e}"))?;
    let next = |after: Timestamp| {
        cron.find_next(after).map(|z| z.timestamp()).map_err(|e| format!("spec.schedule: {e}"))
    };
    let lasts = schedule.duration.get();
    if lasts <= SignedDuration::ZERO {
        return Err("spec.schedule.duration is no time at all".to_owned());
    }
    let from = now.checked_sub(lasts).map_err(|e| format!("spec.schedule.duration: {e}"))?;
    // The first beginning whose end is still to come.
    let begins = next(from)?;
    if begins > now {
        return Ok(Activity::Inactive(Some(begins)));
    }
    let (mut last, mut ends) = (begins, begins.saturating_add(lasts).unwrap_or(begins));
    for _ in 0..MOST_OVERLAPS {
        let again = next(last)?;
        if again > ends {
            break;
        }
        (last, ends) = (again, again.saturating_add(lasts).unwrap_or(again));
    }
    Ok(Activity::Active(Some(ends)))
}

/// How many beginnings are followed that overlap each other: what lies behind them is looked at again then.
const MOST_OVERLAPS: u32 = 64;

/// A freeze that holds a change up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// The name of the Freeze.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Until when, where that is known.
    pub until: Option<Timestamp>,
}

impl Held {
    /// In a sentence.
    #[must_use]
    pub fn told(&self) -> String {
        let until = self.until.map_or_else(|| "it is deleted".to_owned(), |at| at.to_string());
        format!("Freeze {} until {until}: {}", self.name, self.reason)
    }
}

/// What holds a plan up once it is approved: whoever approves it should know that it starts later, when perhaps nobody looks.
#[must_use]
pub fn held_afterwards(held: &[Held], overridden: bool) -> String {
    match held.first().filter(|_| !overridden) {
        Some(first) => {
            format!("; once approved it waits, and starts by itself when this ends: {}", first.told())
        }
        None => String::new(),
    }
}

/// What a change touches, as far as freezes ask.
#[derive(Clone, Copy, Debug)]
pub struct Touched<'a> {
    /// The namespace of the Stage.
    pub namespace: &'a str,
    /// The ids of the accounts.
    pub accounts: &'a [AccountId],
    /// What the change is.
    pub operation: Operation,
}

/// The freezes that hold this change up now; and when that may change without anybody doing anything.
#[must_use]
pub fn held(
    freezes: &[Arc<Freeze>],
    all: &Accounts,
    touched: Touched<'_>,
    now: Timestamp,
) -> (Vec<Held>, Option<Timestamp>) {
    let mut list = Vec::new();
    let mut changes: Option<Timestamp> = None;
    for freeze in freezes.iter().filter(|f| covers(f, all, touched)) {
        let at = match activity(freeze, now) {
            Activity::Active(until) => {
                list.push(held_by(freeze, until, None));
                until
            }
            Activity::Inactive(next) => next,
            Activity::Unreadable(why) => {
                list.push(held_by(freeze, None, Some(why)));
                None
            }
        };
        changes = match (changes, at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    list.sort_by(|a, b| a.name.cmp(&b.name));
    (list, changes)
}

fn held_by(freeze: &Freeze, until: Option<Timestamp>, unreadable: Option<String>) -> Held {
    let reason = match unreadable {
        Some(why) => format!("{} ({why})", freeze.spec.reason),
        None => freeze.spec.reason.clone(),
    };
    Held { name: freeze.name_any(), reason, until }
}

fn covers(freeze: &Freeze, all: &Accounts, touched: Touched<'_>) -> bool {
    let spec = &freeze.spec;
    if freeze.metadata.deletion_timestamp.is_some() || spec.allow.contains(&touched.operation) {
        return false;
    }
    let namespace = spec.namespaces.as_ref().is_none_or(|l| l.iter().any(|n| n == touched.namespace));
    let account = spec.accounts.as_ref().is_none_or(|selection| {
        all.selected(selection).iter().any(|a| touched.accounts.contains(&a.spec.account_id))
    });
    namespace && account
}

/// What the object shows; and when that changes by itself.
#[must_use]
pub fn status(freeze: &Freeze, all: &Accounts, now: Timestamp) -> (FreezeStatus, Option<Timestamp>) {
    let generation = freeze.metadata.generation;
    let before = freeze.status.as_ref().map_or(&[][..], |s| &s.conditions);
    let reach = reach(freeze, all);
    let list = reach.told(Conditions::new(before, generation, now));
    let (conditions, until, next) = match activity(freeze, now) {
        Activity::Active(until) if reach == Reach::Nothing => {
            let text = "nothing is held up: it covers no account";
            (list.with(ConditionType::Active, false, Reason::InvalidSpec, text), until, None)
        }
        Activity::Active(until) => {
            let text = match until {
                Some(at) => format!("nothing starts in what it covers until {at}"),
                None => "nothing starts in what it covers until it is deleted".to_owned(),
            };
            (list.with(ConditionType::Active, true, Reason::Frozen, text), until, None)
        }
        Activity::Inactive(next) => {
            let text = match next {
                Some(at) => format!("it begins at {at}"),
                None => "it is over".to_owned(),
            };
            (list.with(ConditionType::Active, false, Reason::Inactive, text), None, next)
        }
        Activity::Unreadable(why) => {
            // Who mends the schedule alone would still hold up less than was meant.
            let why = reach.amiss().map_or(why.clone(), |amiss| format!("{why}; {amiss}"));
            let list = Conditions::new(before, generation, now)
                .with(ConditionType::Ready, false, Reason::InvalidSpec, &why)
                .with(ConditionType::Stalled, true, Reason::InvalidSpec, &why);
            let list = if reach == Reach::Nothing {
                let text = "nothing is held up: it covers no account";
                list.with(ConditionType::Active, false, Reason::InvalidSpec, text)
            } else {
                let text = "nothing starts in what it covers: what cannot be understood counts as active";
                list.with(ConditionType::Active, true, Reason::Frozen, text)
            };
            (list, None, None)
        }
    };
    let status = FreezeStatus {
        observed_generation: generation,
        conditions: conditions.build(),
        until_time: until.map(whole_seconds),
        next_time: next.map(whole_seconds),
    };
    (status, until.or(next))
}

/// Which of the accounts that a freeze is meant for there are. A wrong letter in a name must not look like a freeze.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Reach {
    /// All.
    All,
    /// Some; which are missing.
    Missing(Vec<String>),
    /// None.
    Nothing,
}

impl Reach {
    /// What is not there.
    fn amiss(&self) -> Option<String> {
        match self {
            Self::All => None,
            Self::Missing(names) => Some(format!(
                "spec.accounts: there is no AwsAccount {}: what it was meant to hold up there is not held up",
                names.join(", ")
            )),
            Self::Nothing => {
                Some("spec.accounts selects no AwsAccount that is there: nothing is held up".to_owned())
            }
        }
    }

    fn told<'a>(&self, list: Conditions<'a>) -> Conditions<'a> {
        let Some(why) = self.amiss() else {
            return list.with(ConditionType::Ready, true, Reason::Accepted, "it is understood");
        };
        list.with(ConditionType::Ready, false, Reason::InvalidSpec, &why).with(
            ConditionType::Stalled,
            true,
            Reason::InvalidSpec,
            &why,
        )
    }
}

fn reach(freeze: &Freeze, all: &Accounts) -> Reach {
    let Some(selection) = &freeze.spec.accounts else { return Reach::All };
    let found: Vec<String> = all.selected(selection).into_iter().map(ResourceExt::name_any).collect();
    if found.is_empty() {
        return Reach::Nothing;
    }
    let names = selection.names.iter().flatten();
    match names.filter(|name| !found.contains(name)).cloned().collect::<Vec<_>>() {
        missing if missing.is_empty() => Reach::All,
        missing => Reach::Missing(missing),
    }
}

#[cfg(test)]
mod tests;
