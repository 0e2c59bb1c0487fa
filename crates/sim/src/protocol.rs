//! The protocol as designed, and deliberate defects of it that the checks have to find.

use std::sync::Arc;

use kube::ResourceExt;

use stackgate_core::{
    api::{Action, ChangePlan, GATE_PREFIX},
    facts::{Facts, SeenGate},
    stack::StackRow,
    words::StackKey,
};

use crate::world::{Cloud, Object, Objects};

/// What the controllers do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// What the core decides.
    AsDesigned,
    /// Claims stay in memory: nothing is recorded before the execution.
    NoClaim,
    /// What was seen of the gate once, before the claim, is taken for live.
    LookBeforeClaim,
    /// A plan is closed without deleting its change sets first.
    NoFence,
    /// An annotation that begins like the id is taken for the id.
    ApproveByPrefix,
    /// The ledger is written without looking at the resourceVersion.
    NoCompareAndSwap,
    /// Every try to make a change set takes a new name and token.
    FreshNames,
    /// Rejections of a closed plan are forgotten when it is opened again.
    ForgetRejections,
    /// A change set is executed by its name instead of its ARN.
    ExecuteByName,
    /// Updates by others are left out of the baseline, and so out of c1 and the change set's name.
    BaselineLeftOut,
    /// A stack counts as done as soon as its operation has begun.
    EarlySuccess,
    /// What a change set holds is remembered by its name: one that is made again passes for the first one.
    ContentByName,
}

impl Protocol {
    /// The defects.
    pub const MUTANTS: [Self; 11] = [
        Self::NoClaim,
        Self::LookBeforeClaim,
        Self::NoFence,
        Self::ApproveByPrefix,
        Self::NoCompareAndSwap,
        Self::FreshNames,
        Self::ForgetRejections,
        Self::ExecuteByName,
        Self::BaselineLeftOut,
        Self::EarlySuccess,
        Self::ContentByName,
    ];

    /// What a controller makes of its caches before it decides. `None`: nothing.
    #[must_use]
    pub fn misread(self, objects: &Objects) -> Option<Objects> {
        let change: fn(&mut Object, &[String]) = match self {
            Self::ApproveByPrefix => complete_prefixes,
            Self::ForgetRejections => |o, _| {
                if let Object::Plan(p) = o {
                    forget_rejections(p);
                }
            },
            _ => return None,
        };
        let ids: Vec<String> = objects
            .0
            .values()
            .filter_map(|o| match o {
                Object::Plan(p) => Some(p.spec.proposal.id.to_string()),
                _ => None,
            })
            .collect();
        let mut objects = objects.clone();
        objects.0.values_mut().for_each(|o| change(o, &ids));
        Some(objects)
    }

    /// What a controller makes of its memory after an effect.
    pub fn misremember(self, before: Option<SeenGate>, facts: &mut Facts, now: jiff::Timestamp) {
        match self {
            Self::LookBeforeClaim => {
                facts.gate = facts.gate.take().or(before);
                // Whatever was seen of any version counts for the newest.
                let newest =
                    facts.plans.values().map(|p| (p.name_any(), p.resource_version().unwrap_or_default()));
                if let Some(gate) = &mut facts.gate {
                    gate.at = now;
                    gate.after = newest.max().unwrap_or_else(|| gate.after.clone());
                }
            }
            Self::ForgetRejections => facts.plans.values_mut().for_each(forget_rejections),
            _ => {}
        }
    }

    /// What a controller makes of a row.
    pub fn misjudge(self, key: &StackKey, row: &mut StackRow, cloud: &Cloud) {
        use stackgate_core::stack::StackStatus as S;
        match (self, row.status) {
            (Self::EarlySuccess, S::CreateInProgress) => row.status = S::CreateComplete,
            (Self::EarlySuccess, S::UpdateInProgress) => row.status = S::UpdateComplete,
            (Self::BaselineLeftOut, _) => {
                if let Some(stack) =
                    cloud.stacks.get(key).filter(|s| s.id == row.id && cloud.meddled.contains(key))
                {
                    row.updated = stack.updated_by_us;
                }
            }
            _ => {}
        }
    }
}

fn complete_prefixes(object: &mut Object, ids: &[String]) {
    let annotations = match object {
        Object::Plan(p) => Arc::make_mut(p).metadata.annotations.as_mut(),
        Object::Stage(s) => Arc::make_mut(s).metadata.annotations.as_mut(),
        Object::Account(_) | Object::Bootstrap(_) | Object::Assembly(_) | Object::Freeze(_) => None,
    };
    for (key, value) in annotations.into_iter().flatten() {
        if key.starts_with(GATE_PREFIX)
            && let Some(id) = ids.iter().rev().find(|id| id.starts_with(value.as_str()))
        {
            value.clone_from(id);
        }
    }
}

fn forget_rejections(plan: &mut Arc<ChangePlan>) {
    let Some(closed) = plan.spec.ledger.iter().rposition(|e| e.closed.is_some()) else { return };
    for entry in Arc::make_mut(plan).spec.ledger.iter_mut().take(closed) {
        entry.decided.take_if(|d| d.action == Action::Reject);
    }
}
