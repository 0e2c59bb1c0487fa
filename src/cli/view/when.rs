//! Times, for people.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// `2026-11-24 10:05 UTC`.
#[must_use]
pub fn at(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// `2026-11-24 10:05 UTC (in 3h)`.
#[must_use]
pub fn until(time: Timestamp, now: Timestamp) -> String {
    if time <= now {
        return format!("{} (past)", at(time));
    }
    format!("{} (in {})", at(time), span(time.duration_since(now)))
}

/// `3d`, `5h`, `12m`, `40s`: the largest unit that is there at least twice, as kubectl shows an age.
#[must_use]
pub fn span(lasts: SignedDuration) -> String {
    let seconds = lasts.as_secs().max(0);
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match (seconds, minutes, hours) {
        (s, _, _) if s < 120 => format!("{s}s"),
        (_, m, _) if m < 120 => format!("{m}m"),
        (_, _, h) if h < 48 => format!("{h}h"),
        (_, _, h) => format!("{}d", h / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        let of = |s| span(SignedDuration::from_secs(s));
        assert_eq!([of(-5), of(90), of(3600), of(7200), of(200_000)], ["0s", "90s", "60m", "2h", "2d"]);
    }
}
