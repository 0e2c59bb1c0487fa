//! What a plan that changes toolkit stacks tells, and how far it has come: it goes out stack by stack, for weeks where waves soak.

use jiff::Timestamp;

use super::{PlanView, owned_key};
use crate::{
    api::LedgerEntry,
    change::StackInput,
    words::{Env, StackKey},
};

impl PlanView {
    /// Whether it tells that the toolkit stack there, which holds something else, is changed: it changes no other one.
    #[must_use]
    pub fn changes(&self, env: &Env) -> bool {
        self.proposal().changed.as_ref().is_some_and(|c| c.environments.contains(env))
    }

    /// Whether it tells that the toolkit stack there, which somebody has deleted, is made anew.
    #[must_use]
    pub fn makes_anew(&self, env: &Env) -> bool {
        self.proposal().changed.as_ref().is_some_and(|c| c.made_anew.contains(env))
    }

    /// Whether people were asked about what becomes of the toolkit stack there.
    #[must_use]
    pub fn covers(&self, env: &Env) -> bool {
        self.changes(env) || self.makes_anew(env)
    }

    /// How often the stack was claimed since the plan was opened last, and when last; `None`: never.
    #[must_use]
    pub fn tries(&self, stack: &StackKey) -> Option<(u32, Timestamp)> {
        let claims = |e: &LedgerEntry| e.claimed.iter().flat_map(|c| &c.stacks).any(|c| c.key() == *stack);
        self.written().fold(None, |tries: Option<(u32, Timestamp)>, e| match e.opened {
            Some(_) => None,
            None if claims(e) => Some((tries.map_or(1, |(n, _)| n.saturating_add(1)), e.time.0)),
            None => tries,
        })
    }

    /// Whether it was claimed, and what it tells of toolkit stacks is not all done.
    #[must_use]
    pub fn is_going_out(&self) -> bool {
        self.proposal().changed.is_some()
            && self.is_claimed()
            && self.closed.is_none()
            && (!self.says_all_is_done() || self.is_rolling_out())
    }

    /// Whether the approvals of people are used up by it, or what it tells of has begun, and it has not come to all of that yet: a wave
    /// soaks, or an account is not selected.
    pub(crate) fn is_rolling_out(&self) -> bool {
        let (Some(content), Some(changed)) = (&self.proposal().bootstrap, &self.proposal().changed) else {
            return false;
        };
        let holds_it = |key: &StackKey| {
            let owned = self.owned.iter().find(|o| owned_key(o) == *key);
            owned.is_some_and(|o| o.input == Some(StackInput::of_toolkit(key, content).digest()))
        };
        let is_open = |env: &Env| {
            let key = StackKey { env: env.clone(), name: content.toolkit_stack_name.clone() };
            !self.has_succeeded(&key) && !holds_it(&key)
        };
        let has_begun = self.claimed_with.is_some() || self.claims.keys().any(|key| self.covers(&key.env));
        has_begun && changed.environments.iter().chain(&changed.made_anew).any(is_open)
    }
}
