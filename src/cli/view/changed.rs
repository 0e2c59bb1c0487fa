//! What differs between two looks at a plan: whoever was shown the first one has not seen this.

use super::{PlanReport, Text, approvals};

/// One line for each difference; empty: what was shown still holds.
#[must_use]
pub fn changed(shown: &PlanReport, now: &PlanReport) -> Vec<String> {
    // Exhaustive, so that a field that is added is thought of here.
    let PlanReport {
        api_version: _,
        kind: _,
        namespace: _,
        name,
        subject: _,
        id,
        a1: _,
        state,
        message,
        operation,
        release,
        replaces,
        change: _,
        differences,
        stacks,
        risks,
        compared,
        gate,
        approvals,
        decisions,
        freezes,
        checks,
        expires_time,
        notes,
        next: _,
    } = shown;
    let mut lines = Vec::new();
    let mut differ = |is: bool, line: String| {
        if is {
            lines.push(line);
        }
    };
    differ(*name != now.name || *id != now.id, format!("it is plan {} with id {} now", now.name, now.id));
    differ(
        *state != now.state || *message != now.message,
        format!("state: {}: {} (was {})", now.state.as_str(), now.message, state.as_str()),
    );
    differ(
        *operation != now.operation || *release != now.release || *replaces != now.replaces,
        "it is for another release".to_owned(),
    );
    differ(
        *differences != now.differences,
        "what differs in the toolkit stacks is something else".to_owned(),
    );
    differ(*risks != now.risks, "the risks differ".to_owned());
    differ(*stacks != now.stacks, "the stacks differ".to_owned());
    differ(*compared != now.compared, "the comparison with the upstream stage differs".to_owned());
    for field in &now.gate.fields {
        if !gate.fields.contains(field) {
            differ(true, format!("gate: {} is {} now, by {}", field.field, field.value, field.source));
        }
    }
    differ(gate.from != now.gate.from, "the gate comes from elsewhere".to_owned());
    for d in now.decisions.iter().filter(|d| !decisions.contains(d)) {
        let why = d.reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default();
        let how = approvals::how(d.identity);
        differ(true, format!("{} has decided: {} ({how}){why}", d.by, d.action.as_str()));
    }
    for f in now.freezes.held.iter().filter(|f| !freezes.held.contains(f)) {
        differ(true, format!("Freeze {} holds it up: {}", f.name, f.reason));
    }
    if let Some(told) = now.freezes.told.as_ref().filter(|told| freezes.told.as_ref() != Some(told)) {
        differ(true, format!("{told} holds it up"));
    }
    for f in freezes.held.iter().filter(|f| !now.freezes.held.contains(f)) {
        differ(true, format!("Freeze {} no longer holds it up", f.name));
    }
    differ(*checks != now.checks, "a check has reported".to_owned());
    differ(*expires_time != now.expires_time, "it expires at another time".to_owned());
    let missing = |a: &Option<super::Approvals>| a.as_ref().map(|a| a.missing.clone()).unwrap_or_default();
    let (before, after): (Text, Text) = (missing(approvals), missing(&now.approvals));
    differ(
        before != after && state == &now.state && message == &now.message,
        format!("missing now: {after}"),
    );
    for note in now.notes.iter().filter(|n| !notes.contains(n)) {
        differ(true, note.to_string());
    }
    lines
}
