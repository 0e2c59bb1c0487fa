//! `ChangePlan`: what the record says, for people. Derived from the object alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use kube::ResourceExt;

use crate::{
    api::{
        Action, ChangePlan, Decided, DecisionSource, Identity, Opened, ProposalKind, ProposedStack, Reason,
        ToolkitChange,
    },
    effect::{Effect, Record},
    facts::{Facts, version},
    gate::{Ledger, PlanReader, PlanView, RULES, take_back},
    verdict::{Phase, Verdict, ask, fold},
    words::{Digest, Uid},
};

mod beside;
mod status;

pub(crate) use beside::{next_order, owned_by, stray};

pub use status::{Gated, gated, status};

/// The plans of the object with that UID, newest first, without what was taken back on others of them. A plan that we wrote ourselves may
/// be newer than the watch.
#[must_use]
pub(crate) fn views(
    watched: Vec<Arc<ChangePlan>>,
    ours: Option<&Facts>,
    uid: &Uid,
    reader: &PlanReader,
) -> Vec<Arc<PlanView>> {
    let mut by_name: BTreeMap<String, Arc<ChangePlan>> =
        watched.into_iter().map(|p| (p.name_any(), p)).collect();
    for (name, plan) in ours.map(|f| &f.plans).into_iter().flatten() {
        let newer = by_name.get(name).is_none_or(|w| version(plan) > version(w));
        if newer {
            by_name.insert(name.clone(), Arc::clone(plan));
        }
    }
    let mut list: Vec<Arc<PlanView>> = by_name
        .into_values()
        .filter(|p| p.spec.proposal.uid == *uid && p.metadata.deletion_timestamp.is_none())
        .filter_map(|p| reader.read(&p))
        .collect();
    beside::newest_first(&mut list);
    take_back(&mut list);
    list
}

/// Appends to a plan's ledger.
pub(crate) fn append(
    facts: &Facts,
    namespace: &str,
    plan: &PlanView,
    ledger: Ledger,
    reason: Reason,
    doing: &str,
    now: Timestamp,
) -> Verdict {
    if !ledger.fits() {
        let full = format!("the ledger of plan {} is full; another change has a plan of its own", plan.name);
        return Verdict::rest(Phase::Stalled(Reason::LedgerFull), full);
    }
    let effect = Effect::Record(Record::Ledger {
        namespace: namespace.to_owned(),
        plan: plan.name.clone(),
        resource_version: plan.resource_version(),
        entries: ledger.entries(),
    });
    fold(vec![ask(facts, effect, now)], reason, doing)
}

/// An opening as this plan takes it: it does not repeat the stacks of the one before. A release in which nothing differs comes often, and the
/// list of stacks is long. `on_owner`: the annotations of its Stage.
#[must_use]
pub(crate) fn opened_on(
    plan: &PlanView,
    opened: Opened,
    on_owner: Option<&BTreeMap<String, String>>,
) -> Opened {
    // What the plan of a Stage ignored before it goes on ignoring, also what was taken away meanwhile: GitOps may put it back.
    let new = plan.standing_while_closed(on_owner).into_iter().chain(opened.stood);
    let before = plan.stood().filter(|_| plan.proposal().kind == ProposalKind::Stage);
    let stood: BTreeSet<Digest> = before.chain(new).collect();
    let opened = Opened { stood: stood.into_iter().collect(), ..opened };
    if opened.owned == plan.owned {
        Opened { owned: Vec::new(), owned_as_before: true, ..opened }
    } else {
        opened
    }
}

/// A decision of the controller itself.
#[must_use]
pub(crate) fn by_rule(reason: &str) -> Decided {
    Decided {
        action: Action::Approve,
        by: RULES.to_owned(),
        identity: Identity::System,
        source: DecisionSource::Rule,
        slot: String::new(),
        acks: Vec::new(),
        under: None,
        since: None,
        until: None,
        reason: Some(reason.to_owned()),
    }
}

/// `+added ~modified -removed`, where replaced resources count as modified.
#[must_use]
pub fn change_text(stacks: &[ProposedStack]) -> String {
    let (mut add, mut modify, mut remove) = (0_u32, 0_u32, 0_u32);
    for c in stacks.iter().map(|s| s.count) {
        add = add.saturating_add(c.add);
        modify = modify.saturating_add(c.modify).saturating_add(c.replace).saturating_add(c.maybe_replace);
        remove = remove.saturating_add(c.remove);
    }
    format!("+{add} ~{modify} -{remove}")
}

/// How many lines differ in what the toolkit stacks hold, for the same column.
#[must_use]
pub fn toolkit_change_text(changed: &ToolkitChange) -> String {
    match changed.differences.len() {
        1 => "1 setting".to_owned(),
        n => format!("{n} settings"),
    }
}

/// The classes of risk of a plan, for a column.
#[must_use]
pub fn risk_text(plan: &PlanView) -> Option<String> {
    let classes: Vec<&str> = plan.risk_classes().into_iter().map(|c| c.as_str()).collect();
    (!classes.is_empty()).then(|| classes.join(","))
}
