//! The grammar of decisions.
//!
//! ```text
//! key   = "gate.stackgate.dev/" action [ "." slot ]      ; slot = 1*40( a-z 0-9 - )
//! value = id *( ";" attr )                               ; the whole id, no prefix of it
//! attr  = "by=" user / "ack=" class *( "," class ) / "until=" RFC 3339 / "reason=" 1*200 printable   ; each at most once
//! ```

use jiff::Timestamp;

use crate::{
    api::{Action, GATE_PREFIX},
    words::ChangeId,
};

/// A decision, as an annotation says it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// What is wanted.
    pub action: Action,
    /// Lets several people sign without overwriting each other; empty for none.
    pub slot: String,
    /// The change that it is about.
    pub id: ChangeId,
    /// Who says so, as claimed; empty for nobody.
    pub by: String,
    /// Until when it counts.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: Option<String>,
}

/// Why an annotation under our prefix is no decision. The text is for whoever wrote it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotADecision {
    /// The part after the slash is wrong.
    #[error(
        "the key must be {GATE_PREFIX}approve or {GATE_PREFIX}reject, with .<slot> of a-z, 0-9 and - if need be"
    )]
    Key,
    /// An action that exists, but not in this version or not on this object.
    #[error("{0} is not supported here")]
    Unsupported(&'static str),
    /// The value does not start with an id.
    #[error("the value must start with the whole change id, such as c1- and 40 hexadecimal digits")]
    Id,
    /// An attribute is unknown, twice there, or malformed.
    #[error(
        "bad attribute: want ;by=<you> ;ack=<class,...> ;until=<RFC 3339> ;reason=<1 to 200 printable characters>, each at most once"
    )]
    Attribute,
}

const CLASSES: [&str; 7] = ["replace", "maybe-replace", "delete", "iam", "network", "opaque", "adopt"];

/// Reads one annotation. `None`: its key is not under our prefix.
#[must_use]
pub fn parse_annotation(key: &str, value: &str) -> Option<Result<Decision, NotADecision>> {
    let rest = key.strip_prefix(GATE_PREFIX)?;
    Some(parse(rest, value))
}

fn parse(key: &str, value: &str) -> Result<Decision, NotADecision> {
    let (action, slot) = match key.split_once('.') {
        None => (key, ""),
        Some((_, "")) => return Err(NotADecision::Key),
        Some((a, s)) => (a, s),
    };
    let slot_byte = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if slot.len() > 40 || !slot.bytes().all(slot_byte) {
        return Err(NotADecision::Key);
    }
    let action = match action {
        "approve" => Action::Approve,
        "reject" => Action::Reject,
        "revoke" => return Err(NotADecision::Unsupported("revoke")),
        "retry" => return Err(NotADecision::Unsupported("retry")),
        "override" => return Err(NotADecision::Unsupported("override")),
        _ => return Err(NotADecision::Key),
    };
    let mut parts = value.split(';');
    let id = parts.next().and_then(|id| id.parse::<ChangeId>().ok()).ok_or(NotADecision::Id)?;
    let mut decision =
        Decision { action, slot: slot.to_owned(), id, by: String::new(), until: None, reason: None };
    let mut seen = Vec::new();
    for part in parts {
        let (name, text) = part.split_once('=').ok_or(NotADecision::Attribute)?;
        let printable = !text.is_empty() && !text.chars().any(char::is_control);
        if seen.contains(&name) || !printable {
            return Err(NotADecision::Attribute);
        }
        seen.push(name);
        let length = text.chars().count();
        match name {
            "by" if length <= 256 => text.clone_into(&mut decision.by),
            "reason" if length <= 200 => decision.reason = Some(text.to_owned()),
            "until" => decision.until = Some(whole_seconds(text).ok_or(NotADecision::Attribute)?),
            "ack" if text.split(',').all(|c| CLASSES.contains(&c)) => {}
            _ => return Err(NotADecision::Attribute),
        }
    }
    Ok(decision)
}

/// An instant as the ledger can hold it: a Kubernetes `Time` has whole seconds, and what comes back from there has to
/// equal what an annotation says, else the same decision would be recorded again and again.
fn whole_seconds(text: &str) -> Option<Timestamp> {
    let at: Timestamp = text.parse().ok()?;
    Timestamp::from_second(at.as_second()).ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const ID: &str = "c1-0123456789abcdef0123456789abcdef01234567";

    #[rstest]
    #[case("gate.stackgate.dev/approve", ID, true)]
    #[case("gate.stackgate.dev/approve.alice", &format!("{ID};by=alice;reason=CHG-1"), true)]
    #[case("gate.stackgate.dev/reject", &format!("{ID};by=a;until=2030-01-01T00:00:00Z"), true)]
    #[case("gate.stackgate.dev/approve", &format!("{ID};ack=replace,iam"), true)]
    #[case("gate.stackgate.dev/approve", "yes", false)]
    #[case("gate.stackgate.dev/approve", &ID[..20], false)]
    #[case("gate.stackgate.dev/approve", &format!("{ID} "), false)]
    #[case("gate.stackgate.dev/approve", &ID.to_uppercase(), false)]
    #[case("gate.stackgate.dev/approve.", ID, false)]
    #[case("gate.stackgate.dev/approve.A", ID, false)]
    #[case("gate.stackgate.dev/aprove", ID, false)]
    #[case("gate.stackgate.dev/revoke", ID, false)]
    #[case("gate.stackgate.dev/approve", &format!("{ID};by=a;by=b"), false)]
    #[case("gate.stackgate.dev/approve", &format!("{ID};until=never"), false)]
    #[case("gate.stackgate.dev/approve", &format!("{ID};ack=everything"), false)]
    #[case("gate.stackgate.dev/approve", &format!("{ID};reason={}", "x".repeat(201)), false)]
    #[case("gate.stackgate.dev/approve", &format!("{ID};reason=a\nb"), false)]
    fn grammar(#[case] key: &str, #[case] value: &str, #[case] good: bool) {
        assert_eq!(parse_annotation(key, value).map(|r| r.is_ok()), Some(good));
    }

    #[test]
    fn fractions_of_a_second_are_cut() {
        let value = format!("{ID};until=2030-01-01T00:00:00.9Z");
        let decision = parse_annotation("gate.stackgate.dev/approve", &value).unwrap().unwrap();
        assert_eq!(decision.until.unwrap().to_string(), "2030-01-01T00:00:00Z");
    }

    #[test]
    fn other_annotations_are_none_of_ours() {
        assert_eq!(parse_annotation("stackgate.dev/requestedAt", "now"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(key in ".{0,60}", value in ".{0,300}") {
            let _ = parse_annotation(&format!("{GATE_PREFIX}{key}"), &value);
        }
    }
}
