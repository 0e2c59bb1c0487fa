//! The dangers of a plan: all of them, gravest first.

use std::collections::BTreeMap;

use stackgate_core::{
    api::{ProposedStack, RiskClass},
    gate::PlanView,
};

use super::{PlanReport, Text, report::RiskShown};

/// Every danger that the plan names, and those that only its numbers show.
pub(super) fn risks(view: &PlanView) -> Vec<RiskShown> {
    let proposal = view.proposal();
    let console: BTreeMap<&str, Option<Text>> = proposal
        .stacks
        .iter()
        .map(|s| (s.artifact.as_str(), s.console_url.as_ref().map(Text::from)))
        .collect();
    let mut all: Vec<RiskShown> = proposal
        .risks
        .iter()
        .map(|r| RiskShown {
            class: r.class,
            stack: r.stack.as_str().into(),
            logical_id: r.logical_id.as_str().into(),
            resource_type: r.resource_type.as_str().into(),
            cause: r.cause.as_str().into(),
            policy: r.policy.as_ref().map(Into::into),
            construct_path: r.construct_path.as_ref().map(Into::into),
            console_url: console.get(r.stack.as_str()).cloned().flatten(),
        })
        .collect();
    for class in view.risk_classes() {
        if !proposal.risks.iter().any(|r| r.class == class) {
            all.extend(proposal.stacks.iter().filter_map(|s| counted(class, s)));
        }
    }
    all.sort_by(|a, b| {
        (gravity(a.class), &a.stack, &a.logical_id).cmp(&(gravity(b.class), &b.stack, &b.logical_id))
    });
    all
}

/// The place among all classes, the gravest first.
pub(super) fn gravity(class: RiskClass) -> usize {
    RiskClass::ALL.iter().position(|c| *c == class).unwrap_or(usize::MAX)
}

fn counted(class: RiskClass, stack: &ProposedStack) -> Option<RiskShown> {
    let (n, what) = match class {
        RiskClass::Delete => (stack.count.remove, "deleted"),
        RiskClass::Replace => (stack.count.replace, "replaced"),
        RiskClass::MaybeReplace => (stack.count.maybe_replace, "perhaps replaced"),
        RiskClass::Iam | RiskClass::Network | RiskClass::Opaque | RiskClass::Adopt => return None,
    };
    (n > 0).then(|| RiskShown {
        class,
        stack: stack.artifact.as_str().into(),
        logical_id: Text::default(),
        resource_type: Text::default(),
        cause: format!("number of resources that are {what}: {n}").into(),
        policy: None,
        construct_path: None,
        console_url: stack.console_url.as_ref().map(Into::into),
    })
}

/// What is acknowledged by one class, in a few lines, for whoever is asked.
#[must_use]
pub fn for_question(report: &PlanReport, class: RiskClass) -> Vec<String> {
    report.risks.iter().filter(|r| r.class == class).map(RiskShown::line).collect()
}

impl RiskShown {
    /// Where it is and why, in a line.
    #[must_use]
    pub fn line(&self) -> String {
        let place = [&self.stack, &self.logical_id, &self.resource_type];
        let place: Vec<&str> = place.iter().map(|t| t.as_str()).filter(|t| !t.is_empty()).collect();
        let policy = self.policy.as_ref().map(|p| format!(" (the old one: {p})")).unwrap_or_default();
        format!("{}: {}{policy}", place.join(" "), self.cause)
    }
}
