//! What else whoever decides should know.

use std::{collections::BTreeSet, sync::Arc};

use stackgate_core::{
    api::{Action, Decided, DecisionSource, Identity, IdentityNeeded, Operation, ReleaseRef, user_name},
    gate::{InForce, PlanView},
    stage::TAKEN_BACK,
    words::DecisionId,
};

use super::{Seen, State, Text, standing::unenforced};

/// What no other part of the model says.
pub(super) fn notes(s: &Seen<'_>, state: State, gate: Option<&InForce>) -> Vec<Text> {
    let mut notes: Vec<String> = Vec::new();
    if let Some(newer) = s.newer {
        notes.push(format!("plan {newer} is newer"));
    }
    let forged = s.view.forged().len();
    if forged > 0 {
        let entries = if forged == 1 { "an entry" } else { "entries" };
        notes.push(format!(
            "somebody has written {entries} into its ledger: what is shown here leaves that out"
        ));
    }
    let wants_proof = gate.is_some_and(|g| g.identity.value == IdentityNeeded::Verified);
    if s.newer.is_none() {
        notes.extend(beforehand(s, wants_proof));
    }
    if !state.is_open() {
        return notes.iter().map(Into::into).collect();
    }
    let unused = &s.view.proposal().unused_parameters;
    if !unused.is_empty() {
        notes.push(format!("spec.parameters that no stack of the release declares: {}", unused.join(", ")));
    }
    let of = |release: &Option<ReleaseRef>| release.as_ref().map(|r| r.digest);
    let proposal = s.view.proposal();
    let is_there = proposal.release.is_some() && of(&proposal.release) == of(&proposal.replaces);
    if is_there && proposal.operation == Operation::Deploy {
        notes.push(
            "the release is the one that is deployed: what changes comes of other settings of the Stage, such as values for parameters, or \
             of what others have changed in the stacks"
                .to_owned(),
        );
    }
    // Where it has what it needs, the state says that.
    if state != State::Suspended && s.stage.is_some_and(|stage| stage.spec.suspend) {
        notes.push("the Stage is suspended: nothing starts".to_owned());
    }
    if s.view.is_full(Action::Approve) {
        notes.push("its ledger takes no more approvals: make a new release, or reject it".to_owned());
    }
    for (key, by) in s.view.revokes() {
        let by = user_name(&by);
        notes.push(format!("{key} of {by} stands on the plan: what {by} approves here is taken back until it is gone (`approve` takes it away)"));
    }
    if wants_proof && state != State::PoliciesNotInForce {
        let told = |why: &str| format!("nothing proves now who decides, so nothing runs: {why}");
        notes.extend(s.stage.and_then(unenforced).map(told));
    }
    let on_plan = s.view.plan.metadata.annotations.as_ref();
    let on_stage = s.stage.and_then(|stage| stage.metadata.annotations.as_ref());
    for (place, source, annotations) in
        [("the plan", DecisionSource::ChangePlan, on_plan), ("the Stage", DecisionSource::Stage, on_stage)]
    {
        let marks = s.view.marks(annotations);
        let unheard = s.view.unheard(annotations, source, s.now);
        let taken_back = taken_back(s, source);
        notes.extend(taken_back.iter().map(|(key, why)| format!("{key} on {place} does not count: {why}")));
        notes.extend(unheard.iter().map(|(key, why)| format!("{key} on {place} does not count: {why}")));
        for (key, _, decision) in &marks.decisions {
            let decided: Decided = decision.recorded(source, Identity::Unverified, s.view.id());
            let counts = source == DecisionSource::ChangePlan || decision.action == Action::Approve;
            let is_heard = !unheard.iter().any(|(unheard, _)| unheard == key)
                && !taken_back.iter().any(|(back, _)| back == key);
            let is_recorded = s.view.has_recorded(&decided)
                || (decided.under.is_some() && s.plans.iter().any(|p| p.has_recorded(&decided)));
            if counts && is_heard && !is_recorded {
                notes.push(format!("{key} stands on {place} and is not recorded yet"));
            }
        }
        // An old id on a Stage is nothing to speak of: git may go on carrying it.
        if source == DecisionSource::ChangePlan {
            notes.extend(marks.bad.iter().map(|(key, why)| format!("{key} does not count: {why}")));
        }
    }
    notes.iter().map(Into::into).collect()
}

/// The approvals of releases that have no plan yet, whichever plan keeps them.
fn beforehand(s: &Seen<'_>, wants_proof: bool) -> Vec<String> {
    let kept = s.plans.iter().flat_map(|p| p.kept(s.now));
    let unplanned = kept.filter_map(|(kept, until)| {
        let DecisionId::Release(a1) = kept.decided.under.as_ref()? else { return None };
        let mut of_it = s.plans.iter().filter(|p| p.proposal().a1.as_ref() == Some(a1));
        let is_over = |p: &Arc<PlanView>| p.has_used_up(&kept.decided) || p.has_taken_back(&kept.decided);
        let is_planned = of_it.any(|p| !p.is_over() || is_over(p));
        let counts = if wants_proof && kept.decided.identity == Identity::Unverified {
            "nothing proves who it was, so that does not count".to_owned()
        } else {
            format!("once it has a plan, that counts until {until} at the longest")
        };
        (!is_planned).then(|| format!("{} has approved {a1} beforehand; {counts}", kept.who()))
    });
    unplanned.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The approvals on the Stage that a reject has taken back, as the controller says, which knows of all plans.
fn taken_back<'a>(s: &Seen<'a>, source: DecisionSource) -> Vec<(&'a str, &'a str)> {
    let status = s.stage.filter(|_| source == DecisionSource::Stage).and_then(|stage| stage.status.as_ref());
    let said = status.into_iter().flat_map(|status| &status.ignored);
    said.filter_map(|line| line.split_once(": ")).filter(|(_, why)| why.starts_with(TAKEN_BACK)).collect()
}
