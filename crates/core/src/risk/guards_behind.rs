//! What guards refer to: a guard whose own text stays the same may become another one.

use serde_json::Value;

use super::{
    absent::choice,
    finding::Causes,
    guard_names::{Way, guard_of, is_free},
    moved::Moved,
    pair::{Pair, properties},
    reference::Reference,
    switches::is_groups,
    text::is_intrinsic,
};
use crate::api::RiskClass;

const BEHIND: &str = "what guards it refers to something that changes";

/// Whether what a guard refers to changes, although its own text may not.
pub(super) fn behind(pair: &Pair<'_>, moved: &Moved, class: RiskClass) -> Causes {
    let mut causes = Causes::new();
    if pair.before().is_none() || pair.after().is_none() {
        return causes;
    }
    let listed = |name: &str| {
        let mut details = pair.details();
        details.any(|d| d.attribute == "Properties" && d.name == name)
    };
    for (name, value) in properties(pair.after()).as_object().into_iter().flatten() {
        let reads = Reads { kind: pair.resource_type(), moved, class, uncertain: listed(name) };
        if reads.property(name, value).moves {
            causes.entry(BEHIND).or_default();
        }
    }
    causes
}

/// What is looked for behind guards.
struct Reads<'a> {
    kind: &'a str,
    moved: &'a Moved,
    class: RiskClass,
    /// Whether the change list names the property: then what may change without a word does.
    uncertain: bool,
}

/// What a value holds.
#[derive(Clone, Copy, Default)]
struct Holds {
    guard: bool,
    /// A guard that refers to something that changes.
    moves: bool,
}

impl Reads<'_> {
    fn property(&self, name: &str, value: &Value) -> Holds {
        if is_free(self.kind, name) || is_groups(name) {
            return Holds::default();
        }
        match guard_of(self.kind, name) {
            Some(guard) if guard.class == self.class && guard.way != Way::Presence => {
                let moves = self.moved.within(value) || (self.uncertain && self.moved.is_uncertain(value));
                Holds { guard: true, moves }
            }
            Some(_) | None => self.inside(value),
        }
    }

    fn inside(&self, value: &Value) -> Holds {
        let all = |holds: &mut dyn Iterator<Item = Holds>| {
            holds
                .fold(Holds::default(), |a, b| Holds { guard: a.guard || b.guard, moves: a.moves || b.moves })
        };
        if let Some([condition, then, otherwise]) = choice(value) {
            let found = all(&mut [then, otherwise].into_iter().map(|branch| self.inside(branch)));
            let decides = condition.as_str().map(|name| Reference::Condition(name.to_owned()));
            let moves = found.guard && decides.is_some_and(|condition| self.moved.input(&condition));
            return Holds { moves: found.moves || moves, ..found };
        }
        match value {
            Value::Object(object) if !is_intrinsic(value) => {
                all(&mut object.iter().map(|(name, item)| self.property(name, item)))
            }
            Value::Array(items) => all(&mut items.iter().map(|item| self.inside(item))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                Holds::default()
            }
        }
    }
}
