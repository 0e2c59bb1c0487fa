//! Warnings of validations and hooks, without what differs by itself whenever the same is made again.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    plain::plain,
    stack::{Change, ChangeSetRow, ChangeSetStatus, SetContent},
    words::ChangeSetArn,
};

/// The most characters of a line.
pub(super) const LENGTH: usize = 512;
/// The most warnings that a plan shows for one stack; all of them are part of its id.
pub(super) const SHOWN: usize = 32;

/// What services call the numbers of their requests, in lower case. Behind each stands `:` or `=`, and a number.
const NUMBERS: [&str; 8] = [
    "extended request id",
    "request id",
    "requestid",
    "request token",
    "requesttoken",
    "invocation id",
    "invocationid",
    "requestidentifier",
];

/// A warning as it enters ids and plans: without times, numbers of requests and other unique ids, on one line, cut at 512
/// characters.
#[must_use]
pub fn normalised(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    let mut inside_word = false;
    while let Some(c) = rest.chars().next() {
        let found = if inside_word {
            None
        } else {
            number(rest)
                .or_else(|| uuid(rest).map(|n| (n, "<id>")))
                .or_else(|| time(rest).map(|n| (n, "<time>")))
        };
        let (length, instead) = found.unwrap_or((c.len_utf8(), ""));
        let (taken, tail) = rest.split_at(length);
        out.push_str(if instead.is_empty() { taken } else { instead });
        inside_word = instead.is_empty() && c.is_ascii_alphanumeric();
        rest = tail;
    }
    cut(&plain(&out), LENGTH)
}

/// At most so many characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most.saturating_sub(1)) {
        Some((at, c)) if text.len() > at + c.len_utf8() => format!("{}…", text.get(..at).unwrap_or_default()),
        Some(_) | None => text.to_owned(),
    }
}

/// Everything that validations, hooks and CloudFormation itself have to say about a change set that is there, and what
/// cannot be known of it; in order, each once.
#[must_use]
pub fn warnings_of(set: &ChangeSetRow, content: &SetContent) -> Vec<String> {
    let mut all: BTreeSet<String> = content.warnings.iter().cloned().collect();
    all.extend(unseen_nested(&set.changes, &set.nested, ""));
    // One that can be executed has a reason only when something about it is not as it should be.
    let reason = normalised(&set.reason);
    if set.status == ChangeSetStatus::CreateComplete && !reason.is_empty() {
        all.insert(reason);
    }
    all.into_iter().collect()
}

/// A warning for each nested stack that is made or changed without a change set that says how. `path` is that of the
/// stack around them, with a `/` at its end, or empty.
pub fn unseen_nested<'a>(
    changes: &'a [Change],
    nested: &'a BTreeMap<String, ChangeSetArn>,
    path: &'a str,
) -> impl Iterator<Item = String> + 'a {
    changes
        .iter()
        .filter(|c| c.resource_type == "AWS::CloudFormation::Stack" && c.action != "Remove")
        .filter(|c| !nested.contains_key(&c.logical_id))
        .map(move |c| format!("nested stack {path}{}: what changes in it is not known", c.logical_id))
}

/// The warnings that a plan shows: as they come, and how many more there are.
#[must_use]
pub fn shown_warnings(all: impl Iterator<Item = String>) -> Vec<String> {
    few(all.map(|w| cut(&w, LENGTH)).collect())
}

/// At most 32 lines; the last one says how many there are besides.
pub(super) fn few(mut lines: Vec<String>) -> Vec<String> {
    if lines.len() > SHOWN {
        let more = lines.len() - (SHOWN - 1);
        lines.truncate(SHOWN - 1);
        lines.push(format!("… and {more} more"));
    }
    lines
}

/// `Request ID: 1a2b…`: how long it is.
fn number(text: &str) -> Option<(usize, &'static str)> {
    let label = NUMBERS.iter().find(|l| text.get(..l.len()).is_some_and(|t| t.eq_ignore_ascii_case(l)))?;
    let behind = text.get(label.len()..)?;
    let value = behind.trim_start().strip_prefix([':', '='])?.trim_start();
    let end = value.find(|c: char| c.is_whitespace() || ",;)]}\"'".contains(c)).unwrap_or(value.len());
    let end = end - usize::from(value.get(..end).is_some_and(|v| v.ends_with('.')));
    (end > 0).then_some((text.len() - value.len() + end, "<request>"))
}

/// `8-4-4-4-12` hexadecimal digits, and no more.
fn uuid(text: &str) -> Option<usize> {
    let shape = |(i, b): (usize, u8)| match i {
        8 | 13 | 18 | 23 => b == b'-',
        _ => b.is_ascii_hexdigit(),
    };
    let is = text.len() >= 36 && text.bytes().take(36).enumerate().all(shape);
    let ends = !text.as_bytes().get(36).is_some_and(u8::is_ascii_alphanumeric);
    (is && ends).then_some(36)
}

/// `2026-11-24T06:00:00.123Z`, also with a blank instead of the `T`, and with an offset.
fn time(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let shape = "dddd-dd-ddTdd:dd:dd".bytes().enumerate().all(|(i, want)| {
        bytes.get(i).is_some_and(|b| match want {
            b'd' => b.is_ascii_digit(),
            b'T' => matches!(b, b'T' | b' '),
            other => *b == other,
        })
    });
    if !shape {
        return None;
    }
    let digits = |from: usize| bytes.iter().skip(from).take_while(|b| b.is_ascii_digit()).count();
    let mut end = 19;
    if bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    match bytes.get(end) {
        Some(b'Z') => end += 1,
        Some(b'+' | b'-') if digits(end + 1) == 4 => end += 5,
        Some(b'+' | b'-') if digits(end + 1) == 2 && bytes.get(end + 3) == Some(&b':') => {
            end += 4 + digits(end + 4).min(2);
        }
        Some(_) | None => {}
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("Bucket name is taken", "Bucket name is taken")]
    #[case("a\n  b\tc ", "a b c")]
    #[case(
        "denied (Service: Ssm, Status Code: 400, Request ID: 0d1e-AZ/9+=)",
        "denied (Service: Ssm, Status Code: 400, <request>)"
    )]
    #[case(
        "failed (RequestToken: 0f8fad5b-d9cb-469f-a165-70867728950e, HandlerErrorCode: NotFound)",
        "failed (<request>, HandlerErrorCode: NotFound)"
    )]
    #[case("stack/Net-1/0f8fad5b-d9cb-469f-a165-70867728950e.", "stack/Net-1/<id>.")]
    #[case("at 2026-11-24T06:00:00.123Z and 2026-11-24 06:00:00+0200", "at <time> and <time>")]
    #[case("at 2026-11-24T06:00:00+02:00;", "at <time>;")]
    #[case("x2026-11-24T06:00:00Z", "x2026-11-24T06:00:00Z")]
    #[case("Request ID is needed", "Request ID is needed")]
    #[case("é Request ID: ü1, ende", "é <request>, ende")]
    fn leaves_out_what_differs_by_itself(#[case] text: &str, #[case] is: &str) {
        assert_eq!(normalised(text), is);
    }

    #[test]
    fn many_and_long_ones_are_cut() {
        let all: Vec<String> = (0..40).map(|n| format!("{n:03} {}", "ä".repeat(600))).collect();
        let shown = shown_warnings(all.into_iter());
        assert_eq!(shown.len(), 32);
        assert!(shown.iter().all(|w| w.chars().count() <= 512));
        assert_eq!(shown.last().unwrap(), "… and 9 more");
        assert_eq!(shown_warnings(["b".to_owned(), "a".to_owned()].into_iter()), ["b", "a"]);
    }

    proptest! {
        #[test]
        fn any_text_gives_a_short_line_that_stays(text in "\\PC{0,600}|[0-9TZ:. -]{0,60}") {
            let once = normalised(&text);
            prop_assert!(once.chars().count() <= 512);
            prop_assert!(!once.contains('\n'));
            prop_assert_eq!(normalised(&once), once.clone());
        }
    }
}
