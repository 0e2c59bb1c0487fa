//! Which stack waits for which, where some are deleted: an order that can be kept, whatever was said before.

use std::collections::{BTreeMap, BTreeSet};

/// Stacks by artifact id, and those that each waits for. Never a circle.
#[derive(Debug, Default)]
pub(super) struct Order(BTreeMap<String, BTreeSet<String>>);

impl Order {
    /// The order that the assembly demands.
    pub(super) fn new<'a>(after: impl IntoIterator<Item = (&'a str, Vec<&'a str>)>) -> Self {
        let owned = |(id, after): (&str, Vec<&str>)| {
            (id.to_owned(), after.into_iter().map(str::to_owned).collect::<BTreeSet<_>>())
        };
        Self(after.into_iter().map(owned).collect())
    }

    /// Has one wait for another, unless that one waits for it already.
    pub(super) fn wait(&mut self, one: &str, other: &str) {
        if one != other && !self.waits(other, one) {
            self.0.entry(one.to_owned()).or_default().insert(other.to_owned());
        }
    }

    /// What one waits for.
    pub(super) fn after(&self, one: &str) -> Vec<String> {
        self.0.get(one).into_iter().flatten().cloned().collect()
    }

    fn waits(&self, one: &str, other: &str) -> bool {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut next = vec![one];
        while let Some(id) = next.pop() {
            if id == other {
                return true;
            }
            if seen.insert(id) {
                next.extend(self.0.get(id).into_iter().flatten().map(String::as_str));
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_that_would_close_a_circle_is_dropped() {
        let mut order = Order::new([("producer", vec![]), ("consumer", vec!["producer"])]);
        order.wait("producer", "removed");
        order.wait("removed", "consumer");
        assert_eq!(order.after("producer"), ["removed"]);
        assert!(order.after("removed").is_empty(), "consumer waits for producer, and that for it");
        order.wait("removed", "other");
        assert_eq!(order.after("removed"), ["other"]);
        order.wait("other", "other");
        assert!(order.after("other").is_empty());
    }
}
