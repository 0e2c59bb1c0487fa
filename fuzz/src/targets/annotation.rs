//! The grammar of decisions. What is read can be written in one way, and is then read as the same.

use stackgate_core::{
    api::{CheckResult, GATE_PREFIX},
    gate::{Annotation, Decision, Report, may_decide, may_report, parse_annotation},
};

/// A line with the key behind the prefix, and the value.
pub fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let (key, value) = text.split_once('\n').unwrap_or((text, ""));
    let key = format!("{GATE_PREFIX}{key}");
    let read = parse_annotation(&key, value).expect("the key has the prefix");
    assert_eq!(parse_annotation(text, value).is_some(), text.starts_with(GATE_PREFIX));
    let Ok(read) = read else { return };
    let id = match &read {
        Annotation::Decision(d) => d.id.to_string(),
        Annotation::Report(r) => r.id.to_string(),
    };
    assert_eq!(id.len(), 43, "a whole id");
    assert_eq!(value.split(';').next(), Some(id.as_str()), "and nothing but the id");
    let (again, written) = match &read {
        Annotation::Decision(d) => decision(d),
        Annotation::Report(r) => report(r),
    };
    assert_eq!(again, key);
    assert_eq!(parse_annotation(&key, &written), Some(Ok(read)), "{written:?}");
}

fn decision(d: &Decision) -> (String, String) {
    assert!(may_decide(&d.by), "{:?} is a program", d.by);
    let slot = if d.slot.is_empty() { String::new() } else { format!(".{}", d.slot) };
    let acks: Vec<&str> = d.acks.iter().map(|c| c.as_str()).collect();
    let value = [
        Some(d.id.to_string()),
        (!d.by.is_empty()).then(|| format!("by={}", d.by)),
        (!acks.is_empty()).then(|| format!("ack={}", acks.join(","))),
        d.until.map(|t| format!("until={t}")),
        d.reason.as_ref().map(|r| format!("reason={r}")),
    ];
    (format!("{GATE_PREFIX}{}{slot}", d.action.as_str()), joined(value))
}

fn report(r: &Report) -> (String, String) {
    assert!(may_report(&r.by), "{:?} reports nothing", r.by);
    let result = match r.result {
        CheckResult::Passed => "passed",
        CheckResult::Failed => "failed",
    };
    let value = [
        Some(r.id.to_string()),
        Some(format!("result={result}")),
        (!r.by.is_empty()).then(|| format!("by={}", r.by)),
        r.reason.as_ref().map(|r| format!("reason={r}")),
    ];
    (format!("{GATE_PREFIX}check.{}", r.name), joined(value))
}

fn joined<const N: usize>(parts: [Option<String>; N]) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join(";")
}
