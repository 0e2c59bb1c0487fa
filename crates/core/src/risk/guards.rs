//! Guards of a resource that was there: what its properties say, by their names, about who may call or reach it.
//!
//! This is the net below the rules that know a property by type: it knows names only, so it takes for dangerous whatever is not
//! plainly more of a limit, or less of a grant. What a new resource says about itself is not judged here: it guarded nothing yet.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    absent::{choice, is_none},
    code::Steps,
    facts::{is_flag, plain},
    finding::Causes,
    guard_names::{Guard, Way, guard_of, is_elsewhere, is_free},
    guard_values::{is_hollow, is_single, is_weak, lets_in, loosens},
    pair::properties,
    switches::is_groups,
    text::{Work, is_intrinsic},
};
use crate::{
    api::RiskClass,
    bundle::{Resource, canonical_json},
};

const CALL: &str = "changes who may call it or decides on that";
const REACH: &str = "changes who can reach it";
const TOO_LONG: &str = "what guards it takes too long to compare";

/// Bytes of text that are compared in one step.
const BYTES: usize = 64;

/// Fields that say which item of a list it is.
const IDENTITY: [&str; 9] = [
    "Name",
    "Id",
    "PathPattern",
    "EventType",
    "Key",
    "ContainerName",
    "DeviceName",
    "ProviderName",
    "SecretArn",
];

/// Why what guards a resource lets more in than before.
pub(super) fn loosened<'a>(
    before: Option<&'a Resource>,
    after: Option<&'a Resource>,
    steps: &'a Steps<'a>,
    class: RiskClass,
) -> Causes {
    let mut causes = Causes::new();
    let (Some(old), Some(new)) = (before, after) else { return causes };
    let mut search = Search {
        kind: &new.resource_type,
        work: Work::new(),
        steps,
        class,
        names: BTreeSet::new(),
        is_cut: false,
        has_credentials: has_credentials(properties(Some(new))),
        is_new: false,
        is_gone: false,
    };
    search.values(Some(properties(Some(old))), Some(properties(Some(new))), None, false);
    if !search.names.is_empty() {
        let cause = if class == RiskClass::Network { REACH } else { CALL };
        causes.insert(cause, search.names.into_iter().map(shown).collect());
    }
    if search.is_cut {
        causes.entry(TOO_LONG).or_default();
    }
    causes
}

/// Whether `AllowCredentials` stands somewhere, and is no plain no.
fn has_credentials(value: &Value) -> bool {
    match value {
        Value::Object(object) => object.iter().any(|(name, item)| {
            (name == "AllowCredentials" && !is_flag(Some(item), false)) || has_credentials(item)
        }),
        Value::Array(items) => items.iter().any(has_credentials),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// A name as it may be told.
fn shown(name: &str) -> String {
    let is_name = !name.is_empty() && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric());
    if is_name { name.to_owned() } else { "…".to_owned() }
}

/// A guard, and the property that it stands in.
type Named<'a> = (Guard, &'a str);

/// Which of two sides a value stands on.
type Sides<'a> = dyn Fn(&'a Value) -> (Option<&'a Value>, Option<&'a Value>);

struct Search<'a> {
    kind: &'a str,
    work: Work,
    steps: &'a Steps<'a>,
    class: RiskClass,
    names: BTreeSet<&'a str>,
    is_cut: bool,
    /// Whether browsers may send credentials along.
    has_credentials: bool,
    /// Whether it is in an item of a list that is new.
    is_new: bool,
    /// Whether all around the value is gone: nobody is let in by what is not there.
    is_gone: bool,
}

impl<'a> Search<'a> {
    fn property(
        &mut self,
        name: &'a str,
        old: Option<&'a Value>,
        new: Option<&'a Value>,
        above: Option<Named<'a>>,
    ) {
        // Who joins and leaves security groups is compared by a rule of its own.
        let elsewhere = is_groups(name) || is_elsewhere(self.kind, name);
        if old == new || is_free(self.kind, name) || elsewhere {
            return;
        }
        let own = guard_of(self.kind, name).map(|guard| (guard, name));
        self.values(old, new, own.or(above), own.is_none() && above.is_some());
    }

    /// Compares two values of one place. `within`: they are a part of the guard.
    fn values(
        &mut self,
        old: Option<&'a Value>,
        new: Option<&'a Value>,
        named: Option<Named<'a>>,
        within: bool,
    ) {
        if !self.pays(1) || old == new {
            return;
        }
        match (old.and_then(choice), new.and_then(choice)) {
            (Some([c, then, otherwise]), Some([d, other_then, other_otherwise])) if c == d => {
                self.values(given(then), given(other_then), named, within);
                self.values(given(otherwise), given(other_otherwise), named, within);
            }
            // Nobody knows which branch is taken: each may follow on each.
            (Some([_, then, otherwise]), _) => {
                self.values(given(then), new, named, within);
                self.values(given(otherwise), new, named, within);
            }
            (None, Some([_, then, otherwise])) => {
                self.values(old, given(then), named, within);
                self.values(old, given(otherwise), named, within);
            }
            (None, None) => self.resolved(old, new, named, within),
        }
    }

    /// Whether there are steps left for that much.
    fn pays(&mut self, steps: usize) -> bool {
        let pays = self.work.spend(steps);
        self.is_cut |= !pays;
        pays
    }

    fn resolved(
        &mut self,
        old: Option<&'a Value>,
        new: Option<&'a Value>,
        named: Option<Named<'a>>,
        within: bool,
    ) {
        match (old, new) {
            (Some(Value::Object(o)), Some(Value::Object(n)))
                if !old.is_some_and(is_intrinsic) && !new.is_some_and(is_intrinsic) =>
            {
                if !self.pays(o.len().saturating_add(n.len())) {
                    return;
                }
                let keys: BTreeSet<&'a String> = o.keys().chain(n.keys()).collect();
                for key in keys {
                    self.property(key, o.get(key), n.get(key), named);
                }
            }
            (Some(Value::Array(o)), Some(Value::Array(n))) => self.lists(o, n, named, within),
            (Some(Value::Array(o)), None) => self.lists(o, &[], named, within),
            (None, Some(Value::Array(n))) => self.lists(&[], n, named, within),
            _ => {
                if !self.pays(old.map_or(0, weight).saturating_add(new.map_or(0, weight))) {
                    return;
                }
                if let Some((guard, name)) = named
                    && (loosens(guard.way, old, new, within)
                        || self.says_no(guard, old, new, within)
                        || (name.ends_with("FunctionAssociations") && self.is_another(old, new)))
                    && !(self.is_gone && guard.way == Way::Grant && lets_in(old))
                {
                    self.tell(guard, name);
                }
                if named.is_none() {
                    self.gone(old);
                }
                self.come(new);
            }
        }
    }

    /// Whether something else stands there than another version of the same function.
    fn is_another(&self, old: Option<&Value>, new: Option<&Value>) -> bool {
        let (Some(old), Some(new)) = (old, new) else { return false };
        let version = |value: &'_ Value| value.get("Ref").and_then(Value::as_str).map(str::to_owned);
        let takes_place = || {
            let (old, new) = (version(old)?, version(new)?);
            self.steps.get(old.as_str()).filter(|next| **next == new)
        };
        !old.is_boolean() && plain(old) != plain(new) && takes_place().is_none()
    }

    /// Whether a limit is said to be none where nothing was said: the service may have had a stricter opinion.
    fn says_no(&self, guard: Guard, old: Option<&Value>, new: Option<&Value>, within: bool) -> bool {
        guard.way == Way::Limit && !self.is_new && old.is_none() && new.is_some_and(|v| is_weak(v, within))
    }

    /// What was there is gone with all in it.
    fn gone(&mut self, value: Option<&'a Value>) {
        let around = std::mem::replace(&mut self.is_gone, true);
        self.parts(value, &|item| (Some(item), None));
        self.is_gone = around;
    }

    /// What is there is new with all in it.
    fn come(&mut self, value: Option<&'a Value>) {
        self.parts(value, &|item| (None, Some(item)));
    }

    fn parts(&mut self, value: Option<&'a Value>, sides: &Sides<'a>) {
        match value {
            Some(Value::Object(object)) if !value.is_some_and(is_intrinsic) => {
                for (name, item) in object {
                    let (old, new) = sides(item);
                    self.property(name, old, new, None);
                }
            }
            Some(Value::Array(items)) => {
                for item in items {
                    let (old, new) = sides(item);
                    self.values(old, new, None, false);
                }
            }
            _ => {}
        }
    }

    /// Compares lists, whose order says nothing about who is in them.
    fn lists(&mut self, old: &'a [Value], new: &'a [Value], named: Option<Named<'a>>, within: bool) {
        if !self.pays(old.iter().chain(new).map(weight).fold(0, usize::saturating_add)) {
            return;
        }
        let (gone, come) = (without(old, new), without(new, old));
        let Some((guard, name)) = named else {
            self.paired(gone, come, None);
            return;
        };
        let hollow = |list: &[Value]| list.iter().all(|item| is_hollow(Some(item)));
        let (was_empty, is_empty) = (hollow(old), hollow(new));
        // Nobody is let in who was not, where everybody was.
        // Browsers send no credentials to everybody, and to one site they do.
        let had_all = matches!(guard.way, Way::Grant | Way::Names)
            && old.iter().any(|item| *item == "*")
            && !(name == "AllowOrigins" && self.has_credentials);
        if had_all && !is_empty && !within {
            return;
        }
        let told = match guard.way {
            Way::Limit | Way::Least => {
                let says_no = || !self.is_new && new.iter().any(|item| is_weak(item, within));
                (is_empty && !was_empty) || (was_empty && !is_empty && (within || says_no()))
            }
            Way::Grant => was_empty && !is_empty,
            Way::Names | Way::Either => was_empty != is_empty,
            Way::Presence => come.len() < gone.len(),
        };
        if told {
            self.tell(guard, name);
        } else if was_empty || is_empty {
            come.into_iter().for_each(|item| self.come(Some(item)));
        } else if !gone.iter().chain(&come).all(|item| is_single(item)) {
            self.paired(gone, come, named);
        } else {
            let fewer = guard.way == Way::Either && !gone.is_empty();
            if guard.way != Way::Presence && (fewer || !come.is_empty()) {
                self.tell(guard, name);
            }
        }
    }

    /// Compares items that are the same one by what they are called, else by their order.
    fn paired(&mut self, gone: Vec<&'a Value>, come: Vec<&'a Value>, named: Option<Named<'a>>) {
        let mut rest: Vec<&'a Value> = Vec::new();
        let mut open: BTreeMap<String, Vec<&'a Value>> = BTreeMap::new();
        for item in come.into_iter().rev() {
            open.entry(identity(item)).or_default().push(item);
        }
        for item in gone {
            match open.get_mut(&identity(item)).and_then(Vec::pop) {
                Some(other) => self.values(Some(item), Some(other), named, false),
                None => rest.push(item),
            }
        }
        let added: Vec<&'a Value> = open.into_values().flat_map(|items| items.into_iter().rev()).collect();
        if let Some((guard, name)) = named {
            let told = match guard.way {
                Way::Limit | Way::Least | Way::Grant | Way::Names => !added.is_empty(),
                Way::Either => !added.is_empty() || !rest.is_empty(),
                Way::Presence => !rest.is_empty(),
            };
            if told {
                self.tell(guard, name);
            }
            return;
        }
        rest.into_iter().for_each(|item| self.values(Some(item), None, None, false));
        let around = std::mem::replace(&mut self.is_new, true);
        added.into_iter().for_each(|item| self.values(None, Some(item), None, false));
        self.is_new = around;
    }

    fn tell(&mut self, guard: Guard, name: &'a str) {
        if guard.class == self.class {
            self.names.insert(name);
        }
    }
}

/// The value, if it is one.
fn given(value: &Value) -> Option<&Value> {
    Some(value).filter(|v| !is_none(v))
}

/// How much there is to compare in a value, in steps.
fn weight(value: &Value) -> usize {
    let inside = match value {
        Value::Object(object) => object
            .iter()
            .map(|(name, item)| weight(item).saturating_add(name.len() / BYTES))
            .fold(0, usize::saturating_add),
        Value::Array(items) => items.iter().map(weight).fold(0, usize::saturating_add),
        Value::String(text) => text.len() / BYTES,
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    inside.saturating_add(1)
}

/// The items that the other list does not have, each as often as it stands there.
fn without<'a>(list: &'a [Value], other: &[Value]) -> Vec<&'a Value> {
    let mut there: BTreeMap<String, usize> = BTreeMap::new();
    for item in other {
        *there.entry(text(item)).or_default() += 1;
    }
    let mut is_left = |item: &Value| match there.get_mut(&text(item)).filter(|n| **n > 0) {
        Some(n) => {
            *n -= 1;
            false
        }
        None => true,
    };
    list.iter().filter(|item| is_left(item)).collect()
}

fn text(item: &Value) -> String {
    if is_single(item) { plain(item) } else { canonical_json(item) }
}

fn identity(item: &Value) -> String {
    IDENTITY.iter().find_map(|name| item.get(*name)).map(plain).unwrap_or_default()
}
