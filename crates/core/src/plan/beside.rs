//! Plans that were opened beside each other: two controllers at once, of which one saw late what the other had done, open two plans
//! as the next one. Neither is lost, and what either of them has made stays ours.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use crate::{
    api::OwnedStack,
    gate::{PlanView, owned_key},
    words::StackKey,
};

/// What is under way comes first, whatever was opened meanwhile, then the plan that was opened last. Of two that were opened as the
/// same one, that which was claimed.
pub(super) fn newest_first(plans: &mut [Arc<PlanView>]) {
    let is_under_way = |p: &PlanView| p.is_claimed() && p.claim_is_proven && !p.is_over();
    plans.sort_by_cached_key(|p| Reverse((is_under_way(p), p.order, p.is_claimed(), p.name.clone())));
}

/// The order of the next opening.
#[must_use]
pub(crate) fn next_order(plans: &[Arc<PlanView>]) -> u64 {
    plans.first().map_or(1, |p| p.order.saturating_add(1))
}

/// The stacks of an object with these plans, newest first: those of the newest, and what was claimed where it could not be seen when
/// the newest was opened. A plan that nothing proves the controller to have opened makes no stack ours.
#[must_use]
pub(crate) fn owned_by(plans: &[Arc<PlanView>]) -> BTreeMap<StackKey, OwnedStack> {
    let proven: Vec<&Arc<PlanView>> = plans.iter().filter(|p| p.opening_is_proven).collect();
    let Some((newest, others)) = proven.split_first() else { return BTreeMap::new() };
    let mut owned: BTreeMap<StackKey, OwnedStack> =
        newest.owned_now().into_iter().map(|o| (owned_key(&o), o)).collect();
    let unseen = |p: &&&Arc<PlanView>| {
        let is_late = p.order == newest.order || p.claimed_time > newest.opened_time;
        p.is_claimed() && is_late && p.unproven.is_empty()
    };
    for plan in others.iter().filter(unseen) {
        for stack in plan.owned_now() {
            let key = owned_key(&stack);
            let is_later = owned
                .get(&key)
                .is_none_or(|o| o.stack_id == stack.stack_id && o.updated_time < stack.updated_time);
            if is_later && plan.claims.contains_key(&key) {
                owned.insert(key, stack);
            }
        }
    }
    owned
}

/// A plan that was opened beside the newest one and never ran: nothing will come of it.
#[must_use]
pub(crate) fn stray(plans: &[Arc<PlanView>]) -> Option<&PlanView> {
    let mut others = plans.iter().skip(1).map(Arc::as_ref);
    others.find(|p| !p.is_over() && !p.is_claimed())
}
