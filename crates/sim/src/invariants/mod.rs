//! What must hold after every effect, whatever happens (the names are those of the reliability goals).

mod gate;
mod promotion;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use stackgate_core::{
    api::{
        Action, BootstrapProposal, ChangePlan, ClaimedStack, CloseReason, Decided, LedgerEntry, Leftover,
        PlannedAs, ProposedStack, SettledAs, Stage,
    },
    change::{Baseline, leaf},
    cluster::ClusterView,
    stack::StackStatus,
    words::{ChangeSetArn, DecisionId, StackKey},
};

use gate::{Claim, Opening};
use promotion::Promotion;

use crate::{
    bundle,
    world::{ChangeSet, Happened, NAMESPACE, Object, ObjectKey, Stack, World},
};

/// Watches what happens.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    executed: BTreeSet<ChangeSetArn>,
    /// The plans whose approvals have been used.
    spent: BTreeSet<String>,
    claimed_at: BTreeMap<ChangeSetArn, u64>,
    /// The version of every stack when a plan was opened last.
    opened: BTreeMap<String, BTreeMap<StackKey, u64>>,
    /// The same at the opening that the first approval followed: what approvers of that plan were shown.
    shown: BTreeMap<String, BTreeMap<StackKey, u64>>,
    /// How every plan was opened last.
    openings: BTreeMap<String, Opening>,
    /// The newest plan of every Stage.
    newest: BTreeMap<String, String>,
    /// The plans that are claimed.
    claims: BTreeMap<String, Claim>,
    /// The approvals that executions have used up, by number, and by the claim of which plan.
    used: BTreeMap<usize, String>,
    promotion: Promotion,
}

/// A broken invariant.
pub type Violation = String;

impl Judge {
    /// Judges what has happened since the last time.
    pub fn check(&mut self, world: &mut World) -> Result<(), Violation> {
        for happened in std::mem::take(&mut world.happened) {
            match &happened {
                Happened::SetMade(key) => one_set_per_input(world, key)?,
                Happened::Executed(key, set) => self.execution(world, key, set)?,
                Happened::SetDeleted(key, set) => only_ours(key, set)?,
                Happened::StackDeleted(key, stack) => may_go(world, key, stack)?,
                Happened::Appended(plan, from) => self.ledger(world, plan, *from)?,
                Happened::StageStatus(stage, behind) => {
                    let several = world.cluster.views.len() > 1;
                    // One of several controllers knows what another one did once it sees it; one alone knows what it did itself.
                    if !(several && *behind) {
                        ready_is_true(world, stage)?;
                    }
                    if !(several || *behind) {
                        self.up_to_date_is_true(world, stage)?;
                    }
                }
                Happened::Looked(at) => self.claims.values_mut().for_each(|c| c.look(world, *at)),
            }
        }
        match world.cluster.broken.pop() {
            Some(rule) => Err(format!("schema: {rule}")),
            None => Ok(()),
        }
    }

    fn execution(&mut self, world: &World, key: &StackKey, set: &ChangeSet) -> Result<(), Violation> {
        if !self.executed.insert(set.arn.clone()) {
            return Err(format!("I1: change set {} of {key} was executed twice", set.arn));
        }
        let Some((plan, place)) = world.claimed_in(&set.arn) else {
            return Err(format!("I2: {} of {key} was executed without a claim", set.arn));
        };
        let Some(object) = world.cluster.plan(plan) else { return Err(format!("I2: plan {plan} is gone")) };
        let ledger = &object.spec.ledger;
        if ledger.iter().skip(place).any(|e| e.closed.is_some()) {
            return Err(format!("I2: {} of {key} was executed after plan {plan} was closed", set.arn));
        }
        no_reject_before(&object, place)?;
        let (acting, decided) = world.acting;
        let view = world.cluster.views.get(acting);
        let seen = view.and_then(|v| v.held.get(&ObjectKey::Plan(plan.to_owned())));
        if seen.is_some_and(|since| *since < decided) {
            return Err(format!("I2: {key} was executed though plan {plan} was seen to be rejected"));
        }
        match self.claims.get_mut(plan) {
            Some(claim) => claim.executed(world, plan, key)?,
            None => return Err(format!("I2: {key} was executed by plan {plan}, which nobody has claimed")),
        }
        let claim = claims(ledger.get(place)).find(|c| c.change_set_arn == set.arn);
        if let Some(content) = &object.spec.proposal.bootstrap {
            return is_toolkit_of(world, key, set, claim, content);
        }
        let stack = object.spec.proposal.stacks.iter().find(|s| s.key() == *key);
        let (Some(claim), Some(proposed)) = (claim, stack) else {
            return Err(format!("I2: {key} is not part of plan {plan}"));
        };
        let on = match (&proposed.baseline_stack_id, &proposed.baseline_updated_time) {
            (Some(id), Some(at)) if proposed.plan != PlannedAs::Recreated => {
                Baseline::Stack(id.clone(), at.0)
            }
            _ => Baseline::None,
        };
        let row = set.row(&claim.stack_id, world.now);
        if leaf(key, &proposed.input, &on, &row, &set.content) != claim.leaf {
            return Err(format!("I2: {} of {key} does not have the leaf that was claimed", set.arn));
        }
        let opened = ledger.iter().take(place).filter_map(|e| e.opened.as_ref()).next_back();
        let release = opened.and_then(|o| o.release.as_ref());
        if release.and_then(|r| bundle::template_of(r.digest, key)) != Some(set.to.digest) {
            return Err(format!("I2: {} of {key} deploys another release than plan {plan}", set.arn));
        }
        let shown = self.shown.get(plan).or_else(|| self.opened.get(plan));
        let shown = shown.and_then(|v| v.get(key)).copied().unwrap_or(0);
        // Where reads may be behind, a plan can rest on a state that is over: nothing that AWS tells sets the two apart.
        // No stack is the same as no stack, whatever was there in between.
        let makes = world.cloud.stacks.get(key).is_none_or(|s| s.deployed.is_none());
        if set.version != shown && !makes && !world.reads_lag {
            return Err(format!(
                "I2: {key} was changed by others after plan {plan} was made, and executed all the same"
            ));
        }
        let stack = world.cloud.stacks.get(key);
        let ours = |s: &Stack| s.ours || is_taken_over(world, s);
        if stack.is_none_or(|s| !ours(s) || s.id != claim.stack_id) {
            return Err(format!("I3: {key} is not ours and was changed"));
        }
        let withdrawn = world.withdrawn.get(&key.env.account);
        if withdrawn.is_some_and(|at| self.claimed_at.get(&set.arn).is_some_and(|claim| at < claim)) {
            return Err(format!("I5: {key} was executed, though the grant was withdrawn before the claim"));
        }
        Ok(())
    }

    /// A Stage that says that nothing newer waits is at the end of its newest plan, as far as its only controller could see.
    fn up_to_date_is_true(&self, world: &World, name: &str) -> Result<(), Violation> {
        let Some(stage) = world.cluster.objects.stage(NAMESPACE, name) else { return Ok(()) };
        let says = stage.status.as_ref().and_then(|s| s.state.as_deref()) == Some("UpToDate");
        if !says {
            return Ok(());
        }
        let plan = self.newest.get(name).and_then(|n| world.cluster.plan(n));
        let Some(plan) = plan.filter(|p| is_complete(p)) else {
            return Err(format!("I8: {name} says UpToDate, but its newest plan is not carried out"));
        };
        if !self.promotion.is_verified(world, &plan) {
            return Err(format!("I8: {name} says UpToDate, but its checks have not passed"));
        }
        Ok(())
    }

    fn ledger(&mut self, world: &World, name: &str, from: usize) -> Result<(), Violation> {
        let Some(plan) = world.cluster.plan(name) else { return Ok(()) };
        let is_complete = is_complete(&plan);
        for (place, entry) in plan.spec.ledger.iter().enumerate().skip(from) {
            if entry.opened.is_some() {
                let stage = plan.spec.proposal.name.clone();
                let newest = self.newest.insert(stage, name.to_owned());
                let newest = newest.and_then(|n| world.cluster.plan(&n));
                let opening = Opening::new(world, &plan, place, newest.as_deref(), &self.openings);
                self.openings.insert(name.to_owned(), opening);
                self.claims.remove(name);
                self.opened.insert(name.to_owned(), world.cloud.versions.clone());
            }
            if entry.opened.is_some() && self.spent.remove(name) {
                self.shown.remove(name);
            }
            // Who approves a release has been shown nothing of it.
            let of_this = |d: &Decided| !matches!(d.under, Some(DecisionId::Release(_)));
            if entry.decided.as_ref().is_some_and(|d| d.action == Action::Approve && of_this(d))
                && let Some(opened) = self.opened.get(name)
            {
                self.shown.entry(name.to_owned()).or_insert_with(|| opened.clone());
            }
            if entry.claimed.is_some() {
                self.spent.insert(name.to_owned());
            }
            for claim in claims(Some(entry)) {
                self.claimed_at.insert(claim.change_set_arn.clone(), world.moment);
            }
            self.promotion.note(world, &plan, entry, is_complete);
            if entry.claimed.is_some() && !self.claims.contains_key(name) {
                let opening = self.openings.get(name).cloned().unwrap_or_default();
                let claim = Claim::new(world, &plan, place, &opening, &mut self.used)?;
                self.claims.insert(name.to_owned(), claim);
                self.promotion.may_claim(world, &plan, entry.time.0)?;
                self.promotion.goes_forward(world, &plan)?;
            }
            if let Some(settled) = entry.settled.as_ref().filter(|s| s.outcome == SettledAs::Succeeded) {
                succeeded_is_true(world, &plan, &settled.key())?;
            }
            if let Some(closed) = &entry.closed {
                fence_stands(world, &plan, closed.reason)?;
            }
        }
        Ok(())
    }
}

fn claims(entry: Option<&LedgerEntry>) -> impl Iterator<Item = &ClaimedStack> {
    entry.and_then(|e| e.claimed.as_ref()).into_iter().flat_map(|c| &c.stacks)
}

/// I1: two change sets with one content on one stack are one operation too many.
fn one_set_per_input(world: &World, key: &StackKey) -> Result<(), Violation> {
    let Some(stack) = world.cloud.stacks.get(key) else { return Ok(()) };
    let mut seen = BTreeSet::new();
    for set in stack.sets.iter().filter(|s| s.is_available(s.ready) && s.token != "by hand") {
        if !seen.insert(&set.token) {
            return Err(format!("I1: {key} has two change sets for the same wish"));
        }
    }
    Ok(())
}

/// I2: what was rejected before the claim stays so.
fn no_reject_before(plan: &ChangePlan, claim: usize) -> Result<(), Violation> {
    let id = &plan.spec.proposal.id;
    let rejects = |e: &LedgerEntry| e.decided.as_ref().is_some_and(|d| d.action == Action::Reject);
    match plan.spec.ledger.iter().take(claim).position(rejects) {
        Some(place) => Err(format!("I2: {id} was executed after the reject at {place}")),
        None => Ok(()),
    }
}

/// Whether every stack has come to a good end since the plan was opened last.
fn is_complete(plan: &ChangePlan) -> bool {
    let ledger = &plan.spec.ledger;
    let since = ledger.iter().rposition(|e| e.opened.is_some()).unwrap_or(0);
    let done = |key: &StackKey| {
        let mut ends = ledger.iter().skip(since).filter_map(|e| e.settled.as_ref());
        ends.rfind(|s| s.key() == *key).is_some_and(|s| s.outcome == SettledAs::Succeeded)
    };
    plan.spec.proposal.stacks.iter().all(|s| s.plan == PlannedAs::Unchanged || done(&s.key()))
}

/// I3: only change sets of ours are deleted.
fn only_ours(key: &StackKey, set: &ChangeSet) -> Result<(), Violation> {
    if set.description == "by hand" {
        return Err(format!("I3: change set {} of {key} is not ours and was deleted", set.arn));
    }
    Ok(())
}

/// Whether a claimed plan has taken over a stack that somebody else made.
fn is_taken_over(world: &World, stack: &Stack) -> bool {
    let of_this = |s: &ProposedStack| s.adopted && s.baseline_stack_id.as_ref() == Some(&stack.id);
    world.cluster.plans().any(|plan| {
        plan.spec.proposal.stacks.iter().any(of_this) && plan.spec.ledger.iter().any(|e| e.claimed.is_some())
    })
}

/// I3, I4: only a stack that never lived is deleted: one that holds nothing, or what a creation left that was rolled back, where
/// a claimed plan says so; or one of ours that the release does not have any more, where a claimed plan says that.
fn may_go(world: &World, key: &StackKey, stack: &Stack) -> Result<(), Violation> {
    let says_so = |plan: &Arc<ChangePlan>, how: PlannedAs| {
        let of_this = |s: &ProposedStack| s.plan == how && s.baseline_stack_id.as_ref() == Some(&stack.id);
        let ledger = &plan.spec.ledger;
        let since = ledger.iter().rposition(|e| e.opened.is_some()).unwrap_or(0);
        let open = || ledger.iter().skip(since).all(|e| e.closed.is_none());
        let claimed = || ledger.iter().skip(since).any(|e| e.claimed.is_some());
        plan.spec.proposal.stacks.iter().any(of_this) && claimed() && open()
    };
    if stack.status == StackStatus::RollbackComplete {
        return match stack.ours
            && stack.deployed.is_none()
            && world.cluster.plans().any(|p| says_so(p, PlannedAs::Recreated))
        {
            true => Ok(()),
            false => Err(format!("I4: {key} was deleted, and no claimed plan says so")),
        };
    }
    let removed = || world.cluster.plans().any(|p| says_so(p, PlannedAs::Removed));
    let with_stage = || {
        let all = world.cluster.objects.stages(NAMESPACE);
        all.iter().any(|s| s.metadata.deletion_timestamp.is_some() && demands_deletion(world, s))
    };
    if stack.ours && stack.running.is_none() && (removed() || with_stage()) {
        return Ok(());
    }
    // Another controller may have made a change set in the moment after this one had seen that there is none: it finds it gone.
    let several = world.cluster.views.len() > 1;
    let sets = || stack.sets.iter().any(|set| !several || set.description == "by hand");
    if stack.deployed.is_some() || stack.running.is_some() || sets() {
        return Err(format!("I3: {key} in {} was deleted", stack.status.as_str()));
    }
    Ok(())
}

/// Whether a Stage, and each of its accounts, wants its stacks to go with it.
fn demands_deletion(world: &World, stage: &Stage) -> bool {
    let allows = |name: &String| match world.cluster.objects.0.get(&ObjectKey::Account(name.clone())) {
        Some(Object::Account(a)) => {
            a.spec.minimum_gate.as_ref().and_then(|g| g.deletion_policy) == Some(Leftover::Delete)
        }
        _ => false,
    };
    stage.spec.deletion_policy == Some(Leftover::Delete) && stage.spec.accounts.iter().all(allows)
}

/// I8, at the record: what is recorded as a success is one.
fn succeeded_is_true(world: &World, plan: &ChangePlan, key: &StackKey) -> Result<(), Violation> {
    let opened = plan.spec.ledger.iter().filter_map(|e| e.opened.as_ref()).next_back();
    let wanted = match &plan.spec.proposal.bootstrap {
        Some(content) => Some(content.template),
        None => opened.and_then(|o| o.release.as_ref()).and_then(|r| bundle::template_of(r.digest, key)),
    };
    let Some(stack) = world.cloud.stacks.get(key) else { return Ok(()) };
    let is = stack.deployed.as_ref().map(|d| d.digest);
    if !world.cloud.meddled.contains(key) && (is != wanted || stack.running.is_some()) {
        return Err(format!("I8: {key} is recorded as done and is in {}", stack.status.as_str()));
    }
    Ok(())
}

/// A plan is closed only when nothing of it can be executed any more.
fn fence_stands(world: &World, plan: &ChangePlan, reason: CloseReason) -> Result<(), Violation> {
    for claim in plan.spec.ledger.iter().flat_map(|e| claims(Some(e))) {
        let set =
            world.cloud.set(&claim.key(), &stackgate_core::effect::SetRef::Arn(claim.change_set_arn.clone()));
        if set.is_some_and(|(_, s)| s.is_available(world.now)) {
            return Err(format!(
                "I2: closed ({reason:?}), but {} can still be executed",
                claim.change_set_arn
            ));
        }
    }
    Ok(())
}

/// I8: a Stage that says Ready of this generation, and is at rest, has deployed what it says.
fn ready_is_true(world: &World, name: &str) -> Result<(), Violation> {
    let Some(stage) = world.cluster.objects.stage(NAMESPACE, name) else { return Ok(()) };
    let Some(status) = &stage.status else { return Ok(()) };
    let is = |kind: &str| status.conditions.iter().any(|c| c.type_ == kind && c.status == "True");
    if !is("Ready") || is("Reconciling") || status.observed_generation != stage.metadata.generation {
        return Ok(());
    }
    let Some(deployed) = &status.deployed else { return Err(format!("I8: {name} is Ready with nothing")) };
    let stacks = bundle::all()
        .find(|b| b.release() == deployed.digest)
        .map(|b| bundle::stacks(b, stage.spec.cdk_stage.as_deref().unwrap_or_default()));
    for artifact in stacks.into_iter().flatten() {
        let key = artifact.key();
        let Some(stack) = world.cloud.stacks.get(&key).filter(|_| !world.cloud.meddled.contains(&key)) else {
            continue;
        };
        if stack.deployed.as_ref().map(|d| d.digest) != Some(artifact.template_file.digest()) {
            return Err(format!("I8: {name} says Ready, but {key} does not have release {}", deployed.name));
        }
    }
    Ok(())
}

/// A toolkit stack gets what its plan says, and is the one that was claimed.
fn is_toolkit_of(
    world: &World,
    key: &StackKey,
    set: &ChangeSet,
    claim: Option<&ClaimedStack>,
    content: &BootstrapProposal,
) -> Result<(), Violation> {
    let given: BTreeMap<&str, &str> = set.to.given.iter().map(|(k, v)| (k.as_str(), v.reveal())).collect();
    let wanted: BTreeMap<&str, &str> =
        content.parameters.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    if given != wanted || set.to.digest != content.template {
        return Err(format!("I2: {} of {key} holds something else than its plan says", set.arn));
    }
    let is_claimed = |s: &Stack| claim.is_some_and(|c| c.stack_id == s.id);
    if world.cloud.stacks.get(key).is_some_and(|s| s.ours && is_claimed(s)) {
        Ok(())
    } else {
        Err(format!("I3: {key} is not ours and was changed"))
    }
}
