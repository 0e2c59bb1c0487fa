//! The admission policies: whether they are in force, and what a controller that looks at them makes of that
//! (`src/kube/policies` does the same against a real API server).

use std::{collections::BTreeSet, sync::Arc};

use stackgate_core::{
    api::GATE_PREFIX,
    gate::{Enforcement, InForceState, annotation_digest},
    words::Digest,
};

use super::{Object, World};
use crate::protocol::Protocol;

/// Whether policies that are there do what they should.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Denying {
    /// They do.
    Yes,
    /// Not from when a controller tries them next. (What is recorded before anybody could know is nobody's to tell apart.)
    UntilTried,
    /// They do not, and that was found.
    No,
}

/// The policies as they are.
#[derive(Clone, Debug)]
pub struct Policies {
    /// Whether they are there.
    in_place: bool,
    /// Whether they do what they should while they are there.
    denying: Denying,
    /// Whether they can be read past the watches.
    pub readable: bool,
    /// Whether they let Argo CD and Flux approve on Stages (`gitDecisions`).
    pub git: bool,
    /// Counts their changes, and how often they were found not to deny.
    count: u64,
    /// What was annotated before these were known to be in force, as the first controller that looked has recorded it.
    tainted: Option<Arc<BTreeSet<Digest>>>,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            in_place: true,
            denying: Denying::Yes,
            readable: true,
            git: false,
            count: 0,
            tainted: Some(Arc::default()),
        }
    }
}

impl Policies {
    /// Whether they are there and deny what they should.
    #[must_use]
    pub fn in_force(&self) -> bool {
        self.in_place && self.denying != Denying::No
    }

    /// Which objects they are, in which generation, and how often they were found not to deny.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        Digest::of(format!("policies {}", self.count))
    }
}

impl World {
    /// Somebody takes the policies away, or puts them back.
    pub fn turn_policies(&mut self, on: bool) {
        if self.policies.in_place == on {
            return;
        }
        self.tell(|| format!("  [platform] policies in place: {on}"));
        self.policies =
            Policies { in_place: on, count: self.policies.count + 1, tainted: None, ..self.policies };
        self.policies_are_tried();
    }

    /// Policies that are there, the same objects all along, do not deny any more, or do so again.
    pub fn let_policies_deny(&mut self, deny: bool) {
        if (self.policies.denying == Denying::Yes) == deny {
            return;
        }
        self.tell(|| format!("  [platform] policies deny: {deny}"));
        self.policies.denying = if deny { Denying::Yes } else { Denying::UntilTried };
        self.policies_are_tried();
    }

    /// Controllers try them again and again; here, when it makes a difference.
    fn policies_are_tried(&mut self) {
        for view in &mut self.cluster.views {
            view.policies_changed = true;
        }
    }

    /// The platform team takes the policies away or puts them back, or something about the API server has them deny nothing.
    pub(super) fn meddle_with_policies(&mut self, with_denying: bool) {
        if with_denying {
            self.let_policies_deny(self.policies.denying != Denying::Yes);
        } else {
            self.turn_policies(!self.policies.in_place);
        }
    }

    /// What a controller finds that looks at the policies now.
    pub fn look_at_policies(&mut self) -> Enforcement {
        if self.policies.in_place && self.policies.denying == Denying::UntilTried {
            self.policies.denying = Denying::No;
            if self.protocol != Protocol::DoubtForgotten {
                (self.policies.count, self.policies.tainted) = (self.policies.count + 1, None);
            }
        }
        if !self.policies.in_force() {
            return Enforcement {
                state: InForceState::NotInForce,
                message: "the policies are not there, or do not deny".to_owned(),
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
            unsigned: false,
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
