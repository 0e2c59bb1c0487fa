//! What people and others have really written, and what the API server lets them write. The ledger is compared with
//! this, never with what the core makes of an annotation.

use std::collections::BTreeSet;

use jiff::Timestamp;
use stackgate_core::{
    api::{Action, CheckResult, Decided, GATE_PREFIX, Identity, RiskClass},
    gate::{Annotation, parse_annotation},
};

use super::{Object, ObjectKey, World};
use crate::protocol::Protocol;

/// What the name begins with that an approval in git is signed with.
pub const GIT: &str = "git:";

/// Who really writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Writer {
    /// A person, who signs with their own name.
    Person(&'static str),
    /// A service account that reports for checks.
    Checks,
    /// Argo CD or Flux.
    GitOps,
    /// Somebody who signs with the names of others.
    Intruder,
}

impl Writer {
    /// The name that the API server knows them by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Person(name) => name,
            Self::Checks => "ci",
            Self::GitOps => "flux",
            Self::Intruder => "mallory",
        }
    }
}

/// What an annotation says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    /// A decision.
    Decides(Action),
    /// The report of a check.
    Reports(CheckResult),
}

/// One annotation that somebody has written. Its number stands in its reason, so that the ledger's copy leads back here.
#[derive(Clone, Debug)]
pub struct Said {
    /// Who really wrote it.
    pub writer: Writer,
    /// On which object.
    pub on: ObjectKey,
    /// The annotation's key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// What it says.
    pub word: Word,
    /// Who it says that it is by.
    pub by: String,
    /// The id that it names.
    pub id: String,
    /// What it acknowledges.
    pub acks: BTreeSet<RiskClass>,
    /// Until when it counts.
    pub until: Option<Timestamp>,
    /// Whether it is really by whom it says, and the API server has made sure of it.
    pub proven: bool,
    /// When a ledger took it first.
    pub recorded: Option<Timestamp>,
    /// Whether it went before it was recorded, while nothing kept it.
    pub lost: bool,
}

/// What somebody wants to write.
#[derive(Clone, Debug)]
pub struct Note<'a> {
    /// What it says.
    pub word: Word,
    /// The slot, or for a report the name of the check; empty for none.
    pub slot: &'a str,
    /// The id.
    pub id: &'a str,
    /// The name to sign with.
    pub by: &'a str,
    /// What is acknowledged.
    pub acks: &'a [RiskClass],
    /// Until when it counts.
    pub until: Option<Timestamp>,
}

impl World {
    /// Somebody annotates an object, as kubectl does: without looking at the resourceVersion. `false`: it was denied.
    pub fn write(&mut self, writer: Writer, on: &ObjectKey, note: &Note<'_>) -> bool {
        let verb = match note.word {
            Word::Decides(action) => action.as_str(),
            Word::Reports(_) => "check",
        };
        let dot = if note.slot.is_empty() { "" } else { "." };
        let key = format!("{GATE_PREFIX}{verb}{dot}{}", note.slot);
        let number = self.said.len();
        let mut value = note.id.to_owned();
        if let Word::Reports(result) = note.word {
            value.push_str(if result == CheckResult::Passed { ";result=passed" } else { ";result=failed" });
        }
        if !note.by.is_empty() {
            value.push_str(&format!(";by={}", note.by));
        }
        if !note.acks.is_empty() {
            let classes: Vec<&str> = note.acks.iter().map(|c| c.as_str()).collect();
            value.push_str(&format!(";ack={}", classes.join(",")));
        }
        if let Some(until) = note.until {
            value.push_str(&format!(";until={until}"));
        }
        value.push_str(&format!(";reason=n{number}"));
        if !self.admits(writer, on, &key, Some(&value)) {
            self.tell(|| format!("  [{}] may not write {key}={value} on {on:?}", writer.name()));
            return false;
        }
        self.tell(|| format!("  [{}] writes {key}={value} on {on:?}", writer.name()));
        self.said.push(Said {
            writer,
            on: on.clone(),
            key: key.clone(),
            value: value.clone(),
            word: note.word,
            by: note.by.to_owned(),
            id: note.id.to_owned(),
            acks: note.acks.iter().copied().collect(),
            until: note.until.and_then(|t| Timestamp::from_second(t.as_second()).ok()),
            proven: self.policies.in_force() && self.is_theirs(writer, note.by),
            recorded: None,
            lost: false,
        });
        self.replace(on, &key, Some(&value));
        true
    }

    /// Somebody writes again what stood there once.
    pub fn write_again(&mut self, writer: Writer, number: usize) {
        let Some(said) = self.said.get(number).cloned() else { return };
        // The policies take no revoke that is recorded a second time, in the same words.
        let is_revoke = said.word == Word::Decides(Action::Revoke);
        if self.policies.in_force() && is_revoke && said.recorded.is_some() {
            return;
        }
        if !self.admits(writer, &said.on, &said.key, Some(&said.value)) {
            return;
        }
        self.tell(|| format!("  [{}] writes again {}={}", writer.name(), said.key, said.value));
        let proven = self.policies.in_force() && self.is_theirs(writer, &said.by);
        if let Some(said) = self.said.get_mut(number) {
            said.proven |= proven;
            said.lost = false;
        }
        self.replace(&said.on, &said.key, Some(&said.value));
    }

    /// Somebody takes all annotations of ours away from an object, in one request.
    pub fn wipe(&mut self, writer: Writer, on: &ObjectKey) {
        let Some(mut object) = self.cluster.objects.0.get(on).cloned() else { return };
        let keys: Vec<String> =
            object.annotations().keys().filter(|k| k.starts_with(GATE_PREFIX)).cloned().collect();
        if keys.is_empty() || !keys.iter().all(|k| self.admits(writer, on, k, None)) {
            return;
        }
        self.tell(|| format!("  [{}] wipes {on:?}", writer.name()));
        for key in &keys {
            self.loses(on, key);
            object.annotate(key, None);
        }
        self.cluster.put(object);
    }

    /// Whether the policies let this writer sign with that name.
    fn is_theirs(&self, writer: Writer, by: &str) -> bool {
        by == writer.name() || (writer == Writer::GitOps && self.policies.git && by.starts_with(GIT))
    }

    /// Something that is no decision, or a whole one under a key that has none.
    pub fn scribble(&mut self, on: &ObjectKey, key: &str, value: &str) {
        if !self.policies.in_force() {
            self.replace(on, key, Some(value));
        }
    }

    fn replace(&mut self, on: &ObjectKey, key: &str, value: Option<&str>) {
        self.loses(on, key);
        self.cluster.annotate(on, key, value);
    }

    /// What stood under a key goes.
    fn loses(&mut self, on: &ObjectKey, key: &str) {
        let before = self.cluster.objects.0.get(on).and_then(|o| o.annotations().get(key).cloned());
        let kept = self.policies.in_force();
        let stood = before.as_deref().and_then(number_in).and_then(|n| self.said.get_mut(n));
        if let Some(said) = stood.filter(|s| s.recorded.is_none()) {
            said.lost |= !kept;
        }
    }

    /// What the admission policies make of a write: people sign as themselves, and a stop stays until it is recorded.
    fn admits(&self, writer: Writer, on: &ObjectKey, key: &str, value: Option<&str>) -> bool {
        if !self.policies.in_force() {
            return true;
        }
        if self.protocol != Protocol::StopsAreWiped && self.is_unrecorded_stop(on, key) {
            return false;
        }
        let Some(value) = value else { return true };
        let id_of_plan = match self.cluster.objects.0.get(on) {
            Some(Object::Plan(p)) => Some(p.spec.proposal.id.to_string()),
            _ => None,
        };
        match (parse_annotation(key, value), writer) {
            (Some(Ok(Annotation::Decision(d))), Writer::Person(_)) => {
                let fits = id_of_plan.map_or(d.action == Action::Approve, |id| d.id.to_string() == id);
                self.is_theirs(writer, &d.by) && fits
            }
            (Some(Ok(Annotation::Decision(d))), Writer::GitOps) => {
                d.action == Action::Approve && id_of_plan.is_none() && self.is_theirs(writer, &d.by)
            }
            (Some(Ok(Annotation::Report(r))), Writer::Checks) => r.by == writer.name(),
            _ => false,
        }
    }

    fn is_unrecorded_stop(&self, on: &ObjectKey, key: &str) -> bool {
        let Some(Object::Plan(plan)) = self.cluster.objects.0.get(on) else { return false };
        let stood = plan.metadata.annotations.as_ref().and_then(|a| a.get(key));
        let Some(said) = stood.and_then(|v| number_in(v)).and_then(|n| self.said.get(n)) else {
            return false;
        };
        matches!(said.word, Word::Decides(Action::Reject | Action::Revoke))
            && said.recorded.is_none()
            && said.id == plan.spec.proposal.id.to_string()
    }

    /// The annotation that a ledger's entry is a copy of.
    #[must_use]
    pub fn said_in(&self, decided: &Decided) -> Option<(usize, &Said)> {
        let number = decided.reason.as_deref()?.strip_prefix('n')?.parse().ok()?;
        let said: &Said = self.said.get(number)?;
        (said.word == Word::Decides(decided.action) && said.by == decided.by).then_some((number, said))
    }

    /// Notes that a ledger holds these now.
    pub(super) fn is_recorded(&mut self, decided: &Decided) {
        let now = self.now;
        if decided.identity == Identity::System {
            return;
        }
        let number = self.said_in(decided).map(|(n, _)| n);
        if let Some(said) = number.and_then(|n| self.said.get_mut(n)) {
            said.recorded.get_or_insert(now);
        }
    }
}

/// The number in an annotation's reason.
#[must_use]
pub fn number_in(value: &str) -> Option<usize> {
    value.rsplit_once(";reason=n")?.1.parse().ok()
}
