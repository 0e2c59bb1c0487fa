//! The protocol as designed, and deliberate defects of it that the checks have to find. A defect lies in what a controller
//! sees, remembers or performs; the core is the same.

use std::{collections::BTreeSet, sync::Arc};

use stackgate_core::{
    api::{
        Action, AwsAccount, ChangePlan, CheckResult, GATE_PREFIX, Identity, LedgerEntry, RequireApproval,
        RiskClass, Stage,
    },
    facts::{Facts, SeenGate},
    gate::{PlanView, SealedFor, sealed},
    stack::StackRow,
    words::{DecisionId, StackKey},
};

use crate::world::{Cloud, Object, ObjectKey, Objects, key, said::number_in};

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
    /// No policy keeps a reject or revoke that is not recorded yet.
    StopsAreWiped,
    /// Who signs in two slots counts twice.
    CountsTwice,
    /// Whoever approves acknowledges everything.
    AcksIgnored,
    /// Who is not proven counts like who is.
    UnverifiedCounts,
    /// Approvals count for ever.
    TtlIgnored,
    /// Nobody can take an approval back.
    RevokeIgnored,
    /// Freezes hold nothing up.
    FreezeIgnored,
    /// That an approval of a release was used up is forgotten.
    SpentReleaseCounts,
    /// A retry carries approvals over whatever else has changed.
    RetryCarriesAll,
    /// What was annotated before the policies counts as proven.
    TaintedCounts,
    /// That a policy was found not to deny is forgotten once it denies again.
    DoubtForgotten,
    /// Releases go on as soon as they are verified.
    SoakIgnored,
    /// A Stage that asks for no approval needs none, whatever its account demands.
    NeverDespiteMinimum,
    /// What a change set holds is remembered by its name: one that is made again passes for the first one.
    ContentByName,
    /// Whoever promotes takes what an upstream Stage has had for older as soon as a check fails there.
    GoesBack,
}

impl Protocol {
    /// The defects.
    pub const MUTANTS: [Self; 25] = [
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
        Self::StopsAreWiped,
        Self::CountsTwice,
        Self::AcksIgnored,
        Self::UnverifiedCounts,
        Self::TtlIgnored,
        Self::RevokeIgnored,
        Self::FreezeIgnored,
        Self::SpentReleaseCounts,
        Self::RetryCarriesAll,
        Self::TaintedCounts,
        Self::DoubtForgotten,
        Self::SoakIgnored,
        Self::NeverDespiteMinimum,
        Self::ContentByName,
        Self::GoesBack,
    ];

    /// What a controller makes of its caches before it decides about an object. `None`: what they are.
    #[must_use]
    pub fn misread(self, objects: &Objects, about: &ObjectKey) -> Option<Objects> {
        let mut read = match self {
            Self::AsDesigned
            | Self::NoClaim
            | Self::LookBeforeClaim
            | Self::NoFence
            | Self::NoCompareAndSwap
            | Self::FreshNames
            | Self::ExecuteByName
            | Self::BaselineLeftOut
            | Self::EarlySuccess
            | Self::StopsAreWiped
            | Self::DoubtForgotten
            | Self::RetryCarriesAll
            | Self::ContentByName => return None,
            Self::ApproveByPrefix
            | Self::ForgetRejections
            | Self::CountsTwice
            | Self::AcksIgnored
            | Self::UnverifiedCounts
            | Self::TtlIgnored
            | Self::RevokeIgnored
            | Self::FreezeIgnored
            | Self::SpentReleaseCounts
            | Self::TaintedCounts
            | Self::SoakIgnored
            | Self::NeverDespiteMinimum
            | Self::GoesBack => objects.clone(),
        };
        match self {
            Self::ApproveByPrefix => complete_prefixes(&mut read),
            Self::FreezeIgnored => read.0.retain(|_, o| !matches!(o, Object::Freeze(_))),
            Self::TaintedCounts => read.1.tainted = Arc::default(),
            _ => {}
        }
        if self.misreads_ledgers() {
            hide_recorded(&mut read);
        }
        for object in read.0.values_mut() {
            match object {
                Object::Plan(p) if self == Self::GoesBack => grow_old_elsewhere(p, about),
                Object::Plan(p) => self.misread_plan(p),
                Object::Stage(s) => self.misread_stage(s),
                Object::Account(a) => self.misread_account(Arc::make_mut(a)),
                Object::Bootstrap(_) | Object::Assembly(_) | Object::Freeze(_) => {}
            }
        }
        Some(read)
    }

    fn misreads_ledgers(self) -> bool {
        matches!(
            self,
            Self::CountsTwice
                | Self::AcksIgnored
                | Self::UnverifiedCounts
                | Self::TtlIgnored
                | Self::RevokeIgnored
        )
    }

    fn misread_plan(self, plan: &mut Arc<ChangePlan>) {
        match self {
            Self::ForgetRejections => forget_rejections(plan),
            Self::SpentReleaseCounts => forget_spent(plan),
            _ if self.misreads_ledgers() => {
                let plan = Arc::make_mut(plan);
                plan.spec.ledger.iter_mut().for_each(|e| self.misread_entry(e));
                // What it misreads it takes for its own.
                plan.spec.ledger = sealed(&plan.spec.ledger, SealedFor::plan(plan), &key());
            }
            _ => {}
        }
    }

    fn misread_entry(self, entry: &mut LedgerEntry) {
        let Some(d) = &mut entry.decided else { return };
        match self {
            Self::CountsTwice if !d.by.contains('/') => d.by = format!("{}/{}", d.by, d.slot),
            Self::AcksIgnored => d.acks = RiskClass::ALL.to_vec(),
            Self::UnverifiedCounts if d.identity == Identity::Unverified => d.identity = Identity::Verified,
            Self::TtlIgnored => {
                (d.until, d.since) = (None, None);
                entry.time.0 = jiff::Timestamp::MAX;
            }
            Self::RevokeIgnored if d.action == Action::Revoke => entry.decided = None,
            _ => {}
        }
    }

    fn misread_stage(self, stage: &mut Arc<Stage>) {
        if self == Self::SoakIgnored {
            Arc::make_mut(stage).spec.promote_from.iter_mut().for_each(|u| u.soak = None);
        }
    }

    fn misread_account(self, account: &mut AwsAccount) {
        let minimum = &mut account.spec.minimum_gate;
        match self {
            Self::SoakIgnored => {
                if let Some(m) = minimum {
                    m.soak = None;
                }
            }
            Self::NeverDespiteMinimum => {
                minimum.get_or_insert_default().require_approval = Some(RequireApproval::Never);
            }
            _ => {}
        }
    }

    /// What it writes of what it has misread: what is there. `None`: nothing was misread.
    #[must_use]
    pub fn written(self, entries: &[LedgerEntry]) -> Option<Vec<LedgerEntry>> {
        (self == Self::CountsTwice).then(|| {
            let mut entries = entries.to_vec();
            for decided in entries.iter_mut().filter_map(|e| e.decided.as_mut()) {
                if let Some((name, _)) = decided.by.split_once('/') {
                    decided.by = name.to_owned();
                }
            }
            entries
        })
    }

    /// What a controller makes of its memory after an effect.
    pub fn misremember(self, before: Option<SeenGate>, facts: &mut Facts, now: jiff::Timestamp) {
        if self == Self::AsDesigned {
            return;
        }
        for plan in facts.plans.values_mut() {
            if self.misreads_ledgers() {
                let recorded = recorded([&**plan]);
                strip(Arc::make_mut(plan).metadata.annotations.as_mut(), &recorded);
            }
            self.misread_plan(plan);
        }
        if self == Self::LookBeforeClaim {
            facts.gate = facts.gate.take().or(before);
            // Whatever was seen of any version counts for the newest.
            let newest = facts.plans.values().filter_map(|p| Some(PlanView::new(Arc::clone(p))?.version()));
            if let Some(gate) = &mut facts.gate {
                gate.at = now;
                gate.after = newest.max().unwrap_or_else(|| gate.after.clone());
                if let Some(plan) = &mut gate.live.plan {
                    plan.resource_version.clone_from(&gate.after.resource_version);
                    plan.generation = gate.after.generation;
                }
            }
        }
        if let Some(gate) = &mut facts.gate {
            gate.live.accounts.iter_mut().for_each(|a| self.misread_account(a));
            if self == Self::FreezeIgnored {
                gate.live.freezes.clear();
            }
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

/// A plan of another Stage on which a check has failed was opened before all others.
fn grow_old_elsewhere(plan: &mut Arc<ChangePlan>, about: &ObjectKey) {
    let failed = |view: PlanView| view.checks.values().any(|r| r.newest.result == CheckResult::Failed);
    let is_here = ObjectKey::Stage(plan.spec.proposal.name.clone()) == *about;
    if is_here || !PlanView::new(Arc::clone(plan)).is_some_and(failed) {
        return;
    }
    let plan = Arc::make_mut(plan);
    plan.spec.ledger.iter_mut().filter_map(|e| e.opened.as_mut()).for_each(|opened| opened.order = 0);
    plan.spec.ledger = sealed(&plan.spec.ledger, SealedFor::plan(plan), &key());
}

fn plans(objects: &Objects) -> impl Iterator<Item = &ChangePlan> {
    objects.0.values().filter_map(|o| match o {
        Object::Plan(p) => Some(&**p),
        _ => None,
    })
}

fn complete_prefixes(objects: &mut Objects) {
    let ids: Vec<String> = plans(objects).map(|p| p.spec.proposal.id.to_string()).collect();
    for object in objects.0.values_mut() {
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
}

/// The numbers of the annotations that these ledgers hold.
fn recorded<'a>(plans: impl IntoIterator<Item = &'a ChangePlan>) -> BTreeSet<String> {
    let ledgers = plans.into_iter().flat_map(|p| &p.spec.ledger);
    ledgers.filter_map(|e| e.decided.as_ref()?.reason.clone()).collect()
}

/// Who misreads what is recorded would take it for new, again and again: its annotations are not shown.
fn hide_recorded(objects: &mut Objects) {
    let recorded = recorded(plans(objects));
    for object in objects.0.values_mut() {
        match object {
            Object::Plan(p) => strip(Arc::make_mut(p).metadata.annotations.as_mut(), &recorded),
            Object::Stage(s) => strip(Arc::make_mut(s).metadata.annotations.as_mut(), &recorded),
            Object::Account(_) | Object::Bootstrap(_) | Object::Assembly(_) | Object::Freeze(_) => {}
        }
    }
}

fn strip(annotations: Option<&mut std::collections::BTreeMap<String, String>>, recorded: &BTreeSet<String>) {
    let known = |value: &str| number_in(value).is_some_and(|n| recorded.contains(&format!("n{n}")));
    if let Some(list) = annotations {
        list.retain(|_, value| !known(value));
    }
}

fn forget_rejections(plan: &mut Arc<ChangePlan>) {
    let Some(closed) = plan.spec.ledger.iter().rposition(|e| e.closed.is_some()) else { return };
    let plan = Arc::make_mut(plan);
    for entry in plan.spec.ledger.iter_mut().take(closed) {
        entry.decided.take_if(|d| d.action == Action::Reject);
    }
    // It would take them for new.
    let rejects = format!("{GATE_PREFIX}reject");
    plan.metadata.annotations.iter_mut().for_each(|list| list.retain(|key, _| !key.starts_with(&rejects)));
}

/// Once a plan is over, it takes the approvals of its release for others than those that stand on the Stage.
fn forget_spent(plan: &mut Arc<ChangePlan>) {
    let view = PlanView::new(Arc::clone(plan));
    if view.is_none_or(|v| v.closed.is_none() && !v.is_complete()) {
        return;
    }
    let decisions = Arc::make_mut(plan).spec.ledger.iter_mut().filter_map(|e| e.decided.as_mut());
    for decided in decisions.filter(|d| matches!(d.under, Some(DecisionId::Release(_)))) {
        decided.slot = "spent".to_owned();
    }
}
