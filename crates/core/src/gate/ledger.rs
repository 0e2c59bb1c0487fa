//! Entries that are appended to the ledger of a ChangePlan.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Serialize;

use super::{Decision, Report};
use crate::{
    api::{Action, ChangePlanSpec, Checked, Decided, DecisionSource, Identity, LedgerEntry},
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
/// The most bytes of a plan that is opened again, or that takes what people and checks write: etcd takes 1.5 MiB, and what stops, and what
/// its stacks claim and come to, has to go in, too.
const FULL_BYTES: usize = 1_100_000;
/// The most bytes of an entry of people and checks: what an annotation says, and what stands around it.
const ENTRY_BYTES: usize = 1_400;
/// The most bytes that a stack claims and comes to.
const STACK_BYTES: usize = 1_000;

/// How many more entries of any kind go into a ledger that holds so many.
pub(super) fn left(held: usize) -> usize {
    MAX_ENTRIES.saturating_sub(held)
}

/// The bytes of a ledger and of all that stands beside it, where they may be too many. Few entries are no more than a proposal leaves room
/// for.
pub(super) fn bytes(spec: &ChangePlanSpec) -> usize {
    if spec.ledger.len() <= ANEW { 0 } else { written(spec) }
}

/// The bytes of this as it is written.
pub(super) fn written(what: &impl Serialize) -> usize {
    serde_json::to_vec(what).map_or(usize::MAX, |json| json.len())
}

/// How full a ledger is: its entries, the bytes of its plan where they may be too many, and the stacks that are to come: a claim and an
/// outcome of each always have room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub entries: usize,
    pub bytes: usize,
    pub to_come: usize,
}

impl Held {
    /// How many more entries that stop go into it.
    pub(super) fn room_for_stops(self) -> usize {
        let kept = self.to_come.saturating_mul(2) + END;
        let by_number = MAX_ENTRIES.saturating_sub(kept).saturating_sub(self.entries);
        if self.is_long() {
            // What went in last was written at once, before anybody knew that it is too long.
            let most = FULL_BYTES + 2 * STOPS * ENTRY_BYTES;
            by_number.min(most.saturating_sub(self.bytes) / ENTRY_BYTES)
        } else {
            by_number
        }
    }

    /// How many more entries of people and checks go into it.
    pub(super) fn room(self) -> usize {
        if self.is_long() { 0 } else { self.room_for_stops().saturating_sub(STOPS) }
    }

    fn is_long(self) -> bool {
        // Where nothing more is to come, it holds already what room was kept for.
        let most = if self.to_come == 0 { FULL_BYTES + STOPS * ENTRY_BYTES } else { FULL_BYTES };
        self.bytes > 0 && self.bytes.saturating_add(self.to_come.saturating_mul(STACK_BYTES)) > most
    }
}

/// Whether a plan that has so many entries and bytes may be opened again, by an entry of so many bytes.
pub(super) fn takes_opening(entries: usize, stacks: usize, bytes: usize, opening: usize) -> bool {
    let bytes = bytes.saturating_add(opening);
    let held = Held { entries, bytes: if entries < ANEW { 0 } else { bytes }, to_come: stacks };
    held.room() > ANEW && bytes <= FULL_BYTES
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
