//! The grammar of decisions.
//!
//! ```text
//! key    = "gate.stackgate.dev/" action [ "." slot ]     ; slot = 1*40( a-z 0-9 - )
//! action = "approve" / "reject" / "revoke" / "retry" / "override"
//! value  = id *( ";" attr )                              ; the whole id, no prefix of it
//! attr   = "by=" user / "ack=" class *( "," class ) / "until=" RFC 3339 / "reason=" 1*200 printable   ; each at most once
//!
//! key    = "gate.stackgate.dev/check." name              ; name = 1*40( a-z 0-9 - )
//! value  = id ";result=" ( "passed" / "failed" ) *( ";" attr )      ; attr = "by=" / "reason="
//! ```

use jiff::Timestamp;

use super::{may_decide, may_report};
use crate::{
    api::{Action, CheckResult, GATE_PREFIX, RiskClass, whole_seconds},
    words::{ChangeId, DecisionId},
};

/// What an annotation under our prefix says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Annotation {
    /// Somebody decides.
    Decision(Decision),
    /// A check reports.
    Report(Report),
}

/// A decision, as an annotation says it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// What is wanted.
    pub action: Action,
    /// Lets several people sign without overwriting each other; empty for none.
    pub slot: String,
    /// The change or release that it is about.
    pub id: DecisionId,
    /// Who says so, as claimed; empty for nobody.
    pub by: String,
    /// The classes of risk that are acknowledged, each once, in the order of [`RiskClass`].
    pub acks: Vec<RiskClass>,
    /// Until when it counts.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: Option<String>,
}

/// The report of a check, as an annotation says it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The name of the check.
    pub name: String,
    /// The change that was deployed.
    pub id: ChangeId,
    /// What the check says.
    pub result: CheckResult,
    /// Who reports, as claimed; empty for nobody.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
}

/// Why an annotation under our prefix is no decision. The text is for whoever wrote it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotADecision {
    /// The part after the slash is wrong.
    #[error(
        "the key must be {GATE_PREFIX}approve, reject, revoke, retry or override, with .<slot> of a-z, 0-9 and - if need be, or {GATE_PREFIX}check.<name>"
    )]
    Key,
    /// The value does not start with an id.
    #[error("the value must start with the whole change id, such as c1- and 40 hexadecimal digits")]
    Id,
    /// An attribute is unknown, twice there, or malformed.
    #[error(
        "bad attribute: want ;by=<you> ;ack=<class,...> ;until=<RFC 3339> ;reason=<1 to 200 printable characters>, each at most once"
    )]
    Attribute,
    /// A program decides.
    #[error("by= names a program: people decide; programs report checks, {GATE_PREFIX}check.<name>")]
    NoPerson,
    /// A report without a result.
    #[error("a check reports <c1 id>;result=passed or ;result=failed, with ;reason=<why> if need be")]
    Result,
}

/// Reads one annotation. `None`: its key is not under our prefix.
#[must_use]
pub fn parse_annotation(key: &str, value: &str) -> Option<Result<Annotation, NotADecision>> {
    let rest = key.strip_prefix(GATE_PREFIX)?;
    Some(parse(rest, value))
}

fn parse(key: &str, value: &str) -> Result<Annotation, NotADecision> {
    let (action, slot) = match key.split_once('.') {
        None => (key, ""),
        Some((_, "")) => return Err(NotADecision::Key),
        Some((a, s)) => (a, s),
    };
    let slot_byte = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if slot.len() > 40 || !slot.bytes().all(slot_byte) {
        return Err(NotADecision::Key);
    }
    let (id, attributes) = value.split_once(';').map_or((value, None), |(id, rest)| (id, Some(rest)));
    let attributes = Attributes::parse(attributes)?;
    if action == "check" && !slot.is_empty() {
        return report(slot, id, attributes).map(Annotation::Report);
    }
    let action = Action::ALL.into_iter().find(|a| a.as_str() == action).ok_or(NotADecision::Key)?;
    if attributes.result.is_some() {
        return Err(NotADecision::Attribute);
    }
    if !may_decide(&attributes.by) {
        return Err(NotADecision::NoPerson);
    }
    Ok(Annotation::Decision(Decision {
        action,
        slot: slot.to_owned(),
        id: id.parse().map_err(|_| NotADecision::Id)?,
        by: attributes.by,
        acks: attributes.acks,
        until: attributes.until,
        reason: attributes.reason,
    }))
}

fn report(name: &str, id: &str, attributes: Attributes) -> Result<Report, NotADecision> {
    let id = id.parse().map_err(|_| NotADecision::Id)?;
    if !attributes.acks.is_empty() || attributes.until.is_some() {
        return Err(NotADecision::Attribute);
    }
    if !may_report(&attributes.by) {
        return Err(NotADecision::Attribute);
    }
    let result = attributes.result.ok_or(NotADecision::Result)?;
    Ok(Report { name: name.to_owned(), id, result, by: attributes.by, reason: attributes.reason })
}

#[derive(Default)]
struct Attributes {
    by: String,
    acks: Vec<RiskClass>,
    until: Option<Timestamp>,
    reason: Option<String>,
    result: Option<CheckResult>,
}

impl Attributes {
    fn parse(text: Option<&str>) -> Result<Self, NotADecision> {
        let mut found = Self::default();
        let mut seen = Vec::new();
        for part in text.into_iter().flat_map(|t| t.split(';')) {
            let (name, text) = part.split_once('=').ok_or(NotADecision::Attribute)?;
            let printable = !text.is_empty() && !text.chars().any(char::is_control);
            if seen.contains(&name) || !printable {
                return Err(NotADecision::Attribute);
            }
            seen.push(name);
            found.take(name, text).ok_or(NotADecision::Attribute)?;
        }
        Ok(found)
    }

    fn take(&mut self, name: &str, text: &str) -> Option<()> {
        let length = text.chars().count();
        match name {
            "by" if length <= 256 => text.clone_into(&mut self.by),
            "reason" if length <= 200 => self.reason = Some(text.to_owned()),
            "until" => self.until = Some(whole_seconds(text.parse().ok()?).0),
            "ack" => {
                self.acks = text.split(',').map(|c| c.parse().ok()).collect::<Option<_>>()?;
                self.acks.sort();
                self.acks.dedup();
            }
            "result" => {
                self.result = Some(match text {
                    "passed" => CheckResult::Passed,
                    "failed" => CheckResult::Failed,
                    _ => return None,
                });
            }
            _ => return None,
        }
        Some(())
    }
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
    #[case("gate.stackgate.dev/revoke", ID, true)]
    #[case("gate.stackgate.dev/retry.a-1", ID, true)]
    #[case("gate.stackgate.dev/override", ID, true)]
    #[case("gate.stackgate.dev/approve", &ID.replace("c1", "a1"), true)]
    #[case("gate.stackgate.dev/approve", &ID.replace("c1", "d1"), false)]
    #[case("gate.stackgate.dev/approve", &format!("{ID};result=passed"), false)]
    #[case("gate.stackgate.dev/approve", &format!("{ID};ack=iam,"), false)]
    #[case("gate.stackgate.dev/approve", &format!("{ID};"), false)]
    #[case("gate.stackgate.dev/check.smoke", &format!("{ID};result=passed"), true)]
    #[case("gate.stackgate.dev/check.smoke", &format!("{ID};result=failed;reason=502;by=ci"), true)]
    #[case("gate.stackgate.dev/check.smoke", ID, false)]
    #[case("gate.stackgate.dev/check.smoke", &format!("{ID};result=ok"), false)]
    #[case("gate.stackgate.dev/check.smoke", &format!("{ID};result=passed;ack=iam"), false)]
    #[case("gate.stackgate.dev/check.smoke", &format!("{};result=passed", ID.replace("c1", "a1")), false)]
    #[case("gate.stackgate.dev/check", &format!("{ID};result=passed"), false)]
    #[case("gate.stackgate.dev/approve", &format!("{ID};by=a;by=b"), false)]
    #[case("gate.stackgate.dev/approve", &format!("{ID};by=system:auto"), false)]
    #[case("gate.stackgate.dev/reject", &format!("{ID};by=system:admin"), true)]
    #[case("gate.stackgate.dev/approve", &format!("{ID};by=git:alice"), true)]
    #[case("gate.stackgate.dev/reject", &format!("{ID};by=system:serviceaccount:shop:ci"), false)]
    #[case("gate.stackgate.dev/check.smoke", &format!("{ID};result=passed;by=system:auto"), false)]
    #[case("gate.stackgate.dev/check.smoke", &format!("{ID};result=passed;by=system:serviceaccount:shop:ci"), true)]
    #[case("gate.stackgate.dev/check.smoke", &format!("{ID};result=passed;by=alice"), true)]
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
        let read = parse_annotation("gate.stackgate.dev/approve", &value).unwrap().unwrap();
        let Annotation::Decision(decision) = read else { panic!("{read:?}") };
        assert_eq!(decision.until.unwrap().to_string(), "2030-01-01T00:00:00Z");
    }

    #[test]
    fn acknowledged_classes_are_a_set() {
        let value = format!("{ID};ack=iam,replace,iam");
        let read = parse_annotation("gate.stackgate.dev/approve", &value).unwrap().unwrap();
        let Annotation::Decision(decision) = read else { panic!("{read:?}") };
        assert_eq!(decision.acks, [RiskClass::Replace, RiskClass::Iam]);
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
