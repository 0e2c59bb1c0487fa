//! What a plan that changes toolkit stacks tells, and how far it has come: it goes out stack by stack, for weeks where waves soak.

use super::{PlanView, owned_key};
use crate::{
    api::OwnedStack,
    change::StackInput,
    words::{Env, StackKey},
};

impl PlanView {
    /// Whether it tells of a change of the toolkit stack there: it changes no other one.
    #[must_use]
    pub fn covers(&self, env: &Env) -> bool {
        self.proposal().changed.as_ref().is_some_and(|c| c.environments.contains(env))
    }

    /// Whether a stack of ours was there when the plan was made.
    #[must_use]
    pub fn was_there(&self, stack: &StackKey) -> bool {
        let first = self.plan.spec.ledger.iter().find_map(|e| e.opened.as_ref());
        first.is_some_and(|o| o.owned.iter().any(|o| owned_key(o) == *stack))
    }

    /// Whether it was claimed, and its changes of toolkit stacks are not all done.
    #[must_use]
    pub fn is_going_out(&self) -> bool {
        self.proposal().changed.is_some()
            && self.is_claimed()
            && self.closed.is_none()
            && (!self.says_all_is_done() || self.is_rolling_out())
    }

    /// Whether it changes toolkit stacks, and has not come to all of them yet: a wave soaks.
    pub(crate) fn is_rolling_out(&self) -> bool {
        let Some(content) = &self.proposal().bootstrap else { return false };
        let holds_it = |o: &OwnedStack| {
            o.input.is_some_and(|i| i == StackInput::of_toolkit(&owned_key(o), content).digest())
        };
        let is_open = |o: &OwnedStack| {
            let key = owned_key(o);
            self.covers(&key.env) && !self.settled.contains_key(&key) && !holds_it(o)
        };
        self.claims.keys().any(|key| self.covers(&key.env)) && self.owned.iter().any(is_open)
    }
}
