//! Risks are acknowledged class by class, by whoever has read what they are.

use stackgate_core::api::{Action, RiskClass};

use super::Wish;
use crate::cli::{
    desk::{Person, is_yes},
    fail::Fail,
    view::{PlanReport, for_question},
};

/// How many risks of a class are repeated in its question; all of them stand in the plan above.
const REPEATED: usize = 10;

/// The classes that the plan still needs.
fn missing(report: &PlanReport) -> Vec<RiskClass> {
    match &report.approvals {
        Some(a) => a.acks_missing.clone(),
        // The gate is not known: what there is may be demanded.
        None => RiskClass::ALL.into_iter().filter(|c| carries(report, *c)).collect(),
    }
}

fn carries(report: &PlanReport, class: RiskClass) -> bool {
    report.risks.iter().any(|r| r.class == class)
}

/// Whether the command line acknowledges all that this wish has to.
pub(super) fn suffice(report: &PlanReport, wish: &Wish) -> bool {
    needed(report, wish).iter().all(|c| wish.acks.contains(c))
}

/// What has to be acknowledged for this wish: what was given and fits, and what is missing.
pub(super) fn needed(report: &PlanReport, wish: &Wish) -> Vec<RiskClass> {
    match wish.action {
        Action::Approve => {
            let missing = missing(report);
            let fits = |c: &RiskClass| missing.contains(c) || (wish.acks.contains(c) && carries(report, *c));
            RiskClass::ALL.into_iter().filter(fits).collect()
        }
        // Acknowledgements of approvals count, no others.
        Action::Reject | Action::Revoke | Action::Retry | Action::Override => Vec::new(),
    }
}

/// As an annotation lists them.
pub(super) fn list(classes: &[RiskClass]) -> String {
    classes.iter().map(|c| c.as_str()).collect::<Vec<_>>().join(",")
}

/// What is acknowledged: what the command line says and the plan carries, and what the person says yes to.
///
/// # Errors
/// When the person does not acknowledge a class that the plan needs: an approval without it would open nothing.
pub fn acknowledge(
    person: &mut impl Person,
    report: &PlanReport,
    wish: &Wish,
) -> Result<Vec<RiskClass>, Fail> {
    let needed = needed(report, wish);
    for class in needed.iter().filter(|c| !wish.acks.contains(c)) {
        let risks = for_question(report, *class);
        let mut question = format!("{class}:\n");
        for line in risks.iter().take(REPEATED) {
            question.push_str(&format!("  {line}\n"));
        }
        if risks.len() > REPEATED {
            question.push_str(&format!("  and {} more, in the plan above\n", risks.len() - REPEATED));
        }
        question.push_str(&format!("Acknowledge {class}? [y/N] "));
        if !is_yes(&person.ask(&question)?) {
            return Err(Fail::new(format!("nothing was signed: you did not acknowledge {class}")));
        }
    }
    Ok(needed)
}
