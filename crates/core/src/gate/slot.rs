//! Slots: several decisions of one kind stand beside each other on one object, and none overwrites another.

use std::collections::BTreeMap;

use super::PlanView;
use crate::api::{Action, GATE_PREFIX};

/// The annotations of an object, if it has any.
type Annotations<'a> = Option<&'a BTreeMap<String, String>>;

/// The key of an annotation that decides; an empty slot is none.
#[must_use]
pub fn key(action: Action, slot: &str) -> String {
    let dot = if slot.is_empty() { "" } else { "." };
    format!("{GATE_PREFIX}{}{dot}{slot}", action.as_str())
}

impl PlanView {
    /// Whether a decision can be written there: no annotation of the object that it is written on stands there, and the ledger knows none
    /// that came from there, since what it knows already says nothing new.
    #[must_use]
    pub fn is_free(&self, annotations: Annotations<'_>, action: Action, slot: &str) -> bool {
        let mut known = self.plan.spec.ledger.iter().filter_map(|e| e.decided.as_ref());
        !annotations.is_some_and(|a| a.contains_key(&key(action, slot)))
            && !known.any(|d| d.action == action && d.slot == slot)
    }

    /// The first free slot: `wanted`, `wanted-2`, `wanted-3` … For an empty one: none, `again-2` … Where annotations came while the plan was
    /// closed, none that they may have used, also if they are gone: the number of the opening comes first.
    #[must_use]
    pub fn free_slot(&self, annotations: Annotations<'_>, action: Action, wanted: &str) -> String {
        let of_opening = self.has_ignored_some().then(|| {
            let stem: String = if wanted.is_empty() { "again" } else { wanted }.chars().take(24).collect();
            format!("{stem}-{}", self.order)
        });
        let wanted = of_opening.as_deref().unwrap_or(wanted);
        let stem = if wanted.is_empty() { "again" } else { wanted };
        // An object holds far fewer annotations than that.
        let numbered = (2..2_000).map(|n| format!("{stem}-{n}"));
        let mut all = std::iter::once(wanted.to_owned()).chain(numbered);
        all.find(|slot| self.is_free(annotations, action, slot)).unwrap_or_default()
    }

    /// The key that a further decision on the plan itself is put under, as people are told.
    #[must_use]
    pub fn next_key(&self, action: Action) -> String {
        key(action, &self.free_slot(self.plan.metadata.annotations.as_ref(), action, ""))
    }
}
