//! How a plan stands: what is counted, and what keeps one that has what it needs from running.

use jiff::Timestamp;
use stackgate_core::{
    api::{ConditionType, ProposalKind, Reason, Stage},
    freeze::Held,
    gate::{InForce, PlanView, Tally, tally},
};

use super::State;

/// What keeps a plan from running, whoever approves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Brake {
    /// `spec.mode: Observe` of its Stage.
    Observing,
    /// `spec.suspend` of its Stage.
    Suspended,
    /// Nothing proves now who decided; why not.
    PoliciesNotInForce(String),
    /// Freezes; which.
    Frozen(String),
}

/// How a plan stands at one moment.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The count, where the gate is known.
    pub count: Option<Tally>,
    /// What holds it up.
    pub brake: Option<Brake>,
    /// That in a word.
    pub state: State,
}

/// How a plan stands. `held`: the freezes that hold it up; `None`: they may not be read, and what the controller says of them counts.
#[must_use]
pub fn standing(
    view: &PlanView,
    stage: Option<&Stage>,
    gate: Option<&InForce>,
    held: Option<&[Held]>,
    now: Timestamp,
) -> Standing {
    let count = gate.map(|g| tally(view, g, view.counted_at(now)));
    let brake = gate.zip(count.as_ref()).and_then(|(gate, count)| brake(view, stage, gate, count, held));
    let state = State::of(view, count.as_ref(), brake.as_ref());
    Standing { count, brake, state }
}

/// Whether it can never run: the Stage that it is for is gone, or another one of that name.
#[must_use]
pub fn is_orphaned(view: &PlanView, stage: Option<&Stage>) -> bool {
    view.proposal().kind == ProposalKind::Stage && stage.is_none()
}

/// In the order in which the controller looks.
fn brake(
    view: &PlanView,
    stage: Option<&Stage>,
    gate: &InForce,
    count: &Tally,
    held: Option<&[Held]>,
) -> Option<Brake> {
    if stage.is_some_and(|s| s.spec.observes()) {
        return Some(Brake::Observing);
    }
    if !count.passes() {
        return None;
    }
    if stage.is_some_and(|s| s.spec.suspend) {
        return Some(Brake::Suspended);
    }
    if let Some(why) = stage.filter(|_| gate.rests_on_policies(count)).and_then(unenforced) {
        return Some(Brake::PoliciesNotInForce(why.to_owned()));
    }
    if count.overridden {
        return None;
    }
    let frozen = match held {
        Some([]) => None,
        Some(held) => {
            let names: Vec<&str> = held.iter().map(|h| h.name.as_str()).collect();
            Some(format!("Freeze {}", names.join(", ")))
        }
        None => told_by_plan(view).or_else(|| told_by_stage(view, stage?)),
    };
    frozen.map(Brake::Frozen)
}

/// Why nothing proves who decides, where that is so.
pub(super) fn unenforced(stage: &Stage) -> Option<&str> {
    let conditions = &stage.status.as_ref()?.conditions;
    let enforced = ConditionType::ApprovalsEnforced.as_str();
    conditions.iter().find(|c| c.type_ == enforced && c.status == "False").map(|c| c.message.as_str())
}

fn told_by_plan(view: &PlanView) -> Option<String> {
    let conditions = &view.plan.status.as_ref()?.conditions;
    let frozen = |type_: &str, reason: &str| {
        type_ == ConditionType::Waiting.as_str() && reason == Reason::Frozen.as_str()
    };
    conditions.iter().find(|c| frozen(&c.type_, &c.reason)).map(|c| c.message.clone())
}

fn told_by_stage(view: &PlanView, stage: &Stage) -> Option<String> {
    let status = stage.status.as_ref()?;
    let is_of_this = status.pending.as_ref().is_some_and(|p| p.plan.as_ref() == Some(&view.name));
    let is_frozen = status.state.as_deref() == Some(Reason::Frozen.as_str());
    (is_of_this && is_frozen).then(|| status.waiting_for.clone().unwrap_or_else(|| "a Freeze".to_owned()))
}
