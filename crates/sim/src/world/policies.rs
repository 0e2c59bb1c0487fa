//! The admission policies: whether they are in force, and what a controller that looks at them makes of that
//! (`src/kube/policies` does the same against a real API server).

use std::{collections::BTreeSet, sync::Arc};

use stackgate_core::{
    api::GATE_PREFIX,
    gate::{Enforcement, InForceState, annotation_digest},
    words::Digest,
};

use super::{Object, World};

/// The policies as they are.
#[derive(Clone, Debug)]
pub struct Policies {
    /// Whether they are in force.
    pub in_force: bool,
    /// Whether they can be read past the watches.
    pub readable: bool,
    /// Counts their changes.
    count: u64,
    /// What was annotated before these were known to be in force, as the first controller that looked has recorded it.
    tainted: Option<Arc<BTreeSet<Digest>>>,
}

impl Default for Policies {
    fn default() -> Self {
        Self { in_force: true, readable: true, count: 0, tainted: Some(Arc::default()) }
    }
}

impl Policies {
    /// Which objects they are, in which generation.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        Digest::of(format!("policies {}", self.count))
    }
}

impl World {
    /// Somebody takes the policies away, or puts them back.
    pub fn turn_policies(&mut self, on: bool) {
        if self.policies.in_force == on {
            return;
        }
        self.tell(|| format!("  [platform] policies in force: {on}"));
        self.policies =
            Policies { in_force: on, count: self.policies.count + 1, tainted: None, ..self.policies };
        for view in &mut self.cluster.views {
            view.policies_changed = true;
        }
    }

    /// What a controller finds that looks at the policies now.
    pub fn look_at_policies(&mut self) -> Enforcement {
        if !self.policies.in_force {
            return Enforcement {
                state: InForceState::NotInForce,
                message: "the policies are not there".to_owned(),
                ..Enforcement::default()
            };
        }
        let tainted = match &self.policies.tainted {
            Some(known) => Arc::clone(known),
            None => {
                let found = Arc::new(self.annotated());
                self.policies.tainted = Some(Arc::clone(&found));
                found
            }
        };
        Enforcement {
            state: InForceState::InForce,
            message: String::new(),
            fingerprint: Some(self.policies.fingerprint()),
            tainted,
        }
    }

    fn annotated(&self) -> BTreeSet<Digest> {
        let objects = self.cluster.objects.0.values();
        objects
            .filter(|o| matches!(o, Object::Plan(_) | Object::Stage(_)))
            .flat_map(|o| {
                let uid = o.uid();
                let marks = o.annotations().iter().filter(|(k, _)| k.starts_with(GATE_PREFIX));
                marks.map(move |(k, v)| annotation_digest(uid, k, v)).collect::<Vec<_>>()
            })
            .collect()
    }
}
