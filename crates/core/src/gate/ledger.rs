//! Entries that are appended to the ledger of a ChangePlan.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Decision, Report};
use crate::{
    api::{Action, Checked, Decided, DecisionSource, Identity, LedgerEntry},
    words::{ChangeId, DecisionId},
};

/// Entries that a ledger may hold (the schema's bound).
const MAX_ENTRIES: usize = 1024;
/// Entries that are kept for the closing, and for what else comes once.
const END: usize = 8;
/// Entries that are kept for what stops, whatever else people and checks write.
const STOPS: usize = 64;
/// Entries that a plan which is opened again has for what people and checks write.
const ANEW: usize = 128;
/// The most bytes of a plan that is opened again: etcd takes 1.5 MiB, and what its stacks claim and come to has to go in, too.
const ANEW_BYTES: usize = 1_100_000;

/// How many more entries of any kind go into a ledger that holds so many.
pub(super) fn left(held: usize) -> usize {
    MAX_ENTRIES.saturating_sub(held)
}

/// How many more entries that stop go into a ledger that holds so many, of a plan with so many stacks to come: a claim and an outcome of
/// each always have room.
pub(super) fn room_for_stops(held: usize, stacks: usize) -> usize {
    MAX_ENTRIES.saturating_sub(stacks.saturating_mul(2) + END).saturating_sub(held)
}

/// How many more entries of people and checks go into it.
pub(super) fn room(held: usize, stacks: usize) -> usize {
    room_for_stops(held, stacks).saturating_sub(STOPS)
}

/// Whether a plan that has so many entries and bytes may be opened again, by an entry of so many bytes.
pub(super) fn takes_opening(held: usize, stacks: usize, bytes: usize, opening: usize) -> bool {
    room(held, stacks) > ANEW && bytes.saturating_add(opening) <= ANEW_BYTES
}

/// Entries to be appended, numbered.
#[derive(Clone, Debug)]
pub struct Ledger {
    next: usize,
    now: Timestamp,
    entries: Vec<LedgerEntry>,
}

impl Ledger {
    /// The ledger of a new plan.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self::after(0, now)
    }

    /// The ledger of a plan that holds so many entries.
    pub(super) fn after(held: usize, now: Timestamp) -> Self {
        Self { next: held, now, entries: Vec::new() }
    }

    /// What is to be appended.
    pub(super) fn list(&self) -> &[LedgerEntry] {
        &self.entries
    }

    /// Adds one entry.
    #[must_use]
    pub fn with(mut self, fill: impl FnOnce(&mut LedgerEntry)) -> Self {
        let seq = u32::try_from(self.next + self.entries.len()).unwrap_or(u32::MAX);
        let mut entry = LedgerEntry {
            seq,
            time: Time(self.now),
            opened: None,
            decided: None,
            checked: None,
            claimed: None,
            settled: None,
            closed: None,
            seal: None,
        };
        fill(&mut entry);
        self.entries.push(entry);
        self
    }

    /// Whether there is nothing to append.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many there are to append.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the list can take them.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.leaves(0)
    }

    /// Whether the list can take them, and so many more after them.
    #[must_use]
    pub fn leaves(&self, more: usize) -> bool {
        self.next.saturating_add(self.entries.len()).saturating_add(more) <= MAX_ENTRIES
    }

    /// Adds entries that continue it.
    #[must_use]
    pub fn and(mut self, entries: &[LedgerEntry]) -> Self {
        self.entries.extend_from_slice(entries);
        self
    }

    /// Whether it says nothing but that something may run.
    #[must_use]
    pub fn only_allows(&self) -> bool {
        self.entries.iter().all(|e| {
            e.decided.as_ref().is_some_and(|d| matches!(d.action, Action::Approve | Action::Override))
        })
    }

    /// The entries.
    #[must_use]
    pub fn entries(self) -> Vec<LedgerEntry> {
        self.entries
    }
}

impl Decision {
    /// The decision as it is recorded on a plan with this id: found on `source`, by somebody who is known so far.
    #[must_use]
    pub fn recorded(&self, source: DecisionSource, identity: Identity, id: &ChangeId) -> Decided {
        let own = DecisionId::Change(id.clone());
        Decided {
            action: self.action,
            by: self.by.clone(),
            identity,
            source,
            slot: self.slot.clone(),
            acks: self.acks.clone(),
            under: (self.id != own).then(|| self.id.clone()),
            since: None,
            until: self.until.map(Time),
            reason: self.reason.clone(),
        }
    }
}

impl Report {
    /// The report as it is recorded.
    #[must_use]
    pub fn recorded(&self, identity: Identity) -> Checked {
        Checked {
            name: self.name.clone(),
            result: self.result,
            by: self.by.clone(),
            identity,
            reason: self.reason.clone(),
        }
    }
}
