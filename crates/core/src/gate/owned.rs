//! Which stacks are ours, as the ledger of a plan tells it.

use std::collections::BTreeMap;

use super::PlanView;
use crate::{
    api::{OwnedStack, PlannedAs, ProposedStack, SettledAs},
    change::StackInput,
    words::{Env, StackKey},
};

impl PlanView {
    /// The stacks that are ours now: what was carried forward, the claims since, and how they came out.
    #[must_use]
    pub fn owned_now(&self) -> Vec<OwnedStack> {
        let mut owned: BTreeMap<StackKey, OwnedStack> =
            self.owned.iter().map(|o| (owned_key(o), o.clone())).collect();
        // The claim takes them over; one that was withdrawn before anything ran has taken over nothing.
        let taken_over =
            |key: &StackKey| self.claimed && (self.closed.is_none() || self.settled.contains_key(key));
        let adopted = self.proposal().stacks.iter().filter(|s| s.adopted);
        let (taken, left): (Vec<_>, Vec<_>) = adopted.partition(|s| taken_over(&s.key()));
        for stack in taken {
            let Some(stack_id) = stack.baseline_stack_id.clone() else { continue };
            owned.insert(stack.key(), OwnedStack::of(&stack.key(), stack_id));
        }
        for (key, claim) in &self.claims {
            if left.iter().any(|s| s.key() == *key) {
                continue;
            }
            // Before a plan is closed, what was claimed and has not run can no longer be executed: a stack that we had
            // is as it was. One that we had not stays claimed: who deletes an executed change set does not take it away.
            let ran = self.closed.is_none() || self.settled.contains_key(key);
            if !ran && owned.get(key).is_some_and(|o| o.stack_id == claim.stack_id) {
                continue;
            }
            owned.insert(key.clone(), OwnedStack::of(key, claim.stack_id.clone()));
        }
        for (key, settled) in &self.settled {
            if settled.outcome == SettledAs::Gone {
                owned.remove(key);
                continue;
            }
            if let Some(o) = owned.get_mut(key) {
                o.updated_time = Some(settled.updated_time.clone());
                o.input = match self.claims.get(key) {
                    _ if settled.outcome != SettledAs::Succeeded => None,
                    Some(claim) => Some(claim.input),
                    // Nothing was done to it: it holds this already, as CloudFormation says.
                    None => self
                        .proposal()
                        .bootstrap
                        .as_ref()
                        .map_or(o.input, |content| Some(StackInput::of_toolkit(key, content).digest())),
                };
            }
        }
        let removed = self.proposal().stacks.iter().filter(|s| s.plan == PlannedAs::Removed);
        for stack in removed.filter(|s| self.has_succeeded(&s.key())) {
            owned.remove(&stack.key());
        }
        let done = |s: &&ProposedStack| s.is_left_alone() || self.settled.contains_key(&s.key());
        let unchanged = self.proposal().stacks.iter().filter(|s| s.plan == PlannedAs::Unchanged);
        for stack in unchanged.filter(done) {
            if let Some(o) = owned.get_mut(&stack.key())
                && self.closed.is_none()
            {
                o.updated_time.clone_from(&stack.baseline_updated_time);
                o.input = Some(stack.input);
            }
        }
        owned.into_values().collect()
    }
}

/// Where an owned stack lives.
#[must_use]
pub fn owned_key(o: &OwnedStack) -> StackKey {
    StackKey { env: Env { account: o.account.clone(), region: o.region.clone() }, name: o.stack_name.clone() }
}
