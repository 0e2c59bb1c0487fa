//! Risks are acknowledged class by class, by whoever has read what they are. It may be divided: what counts is what all who approve have
//! acknowledged together.

use stackgate_core::{
    api::{Action, RiskClass, user_name},
    gate::Recorded,
};

use super::Wish;
use crate::cli::{
    desk::{Person, is_yes},
    fail::Fail,
    look::Sight,
    view::{PlanReport, Text, for_question},
};

/// How many risks of a class are repeated in its question; all of them stand in the plan above.
const REPEATED: usize = 10;

/// What one person has to do with the risks of a plan.
#[derive(Clone, Debug)]
pub(super) struct Share<'a> {
    report: &'a PlanReport,
    /// What nobody who counts has acknowledged.
    missing: Vec<RiskClass>,
    /// What the command line acknowledges, as far as the plan carries it; `None`: it says nothing that fits.
    given: Option<Vec<RiskClass>>,
    /// What it acknowledges besides: the plan does not carry that.
    pub(super) absent: Vec<RiskClass>,
    /// What this person may acknowledge.
    may: &'a [RiskClass],
    /// What this person has acknowledged by an approval that counts: another one takes its place.
    own: Vec<RiskClass>,
}

impl<'a> Share<'a> {
    /// That of whoever signs as `by`.
    pub(super) fn of(sight: &'a Sight, wish: &Wish, by: &str) -> Self {
        let report = &sight.report;
        let mut share = Self {
            report,
            missing: Vec::new(),
            given: None,
            absent: Vec::new(),
            may: &sight.may_ack,
            own: Vec::new(),
        };
        match wish.action {
            Action::Approve => {}
            // Acknowledgements of approvals count, no others.
            Action::Reject | Action::Revoke | Action::Retry | Action::Override => return share,
        }
        let carried: Vec<RiskClass> =
            RiskClass::ALL.into_iter().filter(|c| report.risks.iter().any(|r| r.class == *c)).collect();
        share.missing = match &report.approvals {
            Some(a) => a.acks_missing.clone(),
            // The gate is not known: what there is may be demanded.
            None => carried.clone(),
        };
        // What may be replaced can be acknowledged for the case that it is.
        let mut known = carried.clone();
        known.extend(carried.contains(&RiskClass::MaybeReplace).then_some(RiskClass::Replace));
        let fitting = |list: &[RiskClass]| {
            RiskClass::ALL.into_iter().filter(|c| known.contains(c) && list.contains(c)).collect::<Vec<_>>()
        };
        share.given = wish.acks.as_ref().and_then(|all| {
            let fit = fitting(all);
            (all.is_empty() || !fit.is_empty()).then_some(fit)
        });
        share.absent = wish.acks.iter().flatten().copied().filter(|c| !known.contains(c)).collect();
        let name = Text::from(user_name(by));
        let counts = report.approvals.as_ref().is_some_and(|a| a.by.contains(&name));
        let is_own = |r: &&Recorded| r.decided.action == Action::Approve && r.decided.by == by;
        let newest = sight.view.decisions.iter().rfind(is_own).filter(|_| counts);
        share.own = newest.map(|r| fitting(&r.decided.acks)).unwrap_or_default();
        share
    }

    /// Whether the command line says all that has to be said of the risks.
    pub(super) fn is_said(&self) -> bool {
        // Without a word of them, this approval would take back what the one before has acknowledged.
        self.given.is_some() || (self.missing.is_empty() && self.own.is_empty())
    }

    /// What the command line acknowledges.
    pub(super) fn given(&self) -> Vec<RiskClass> {
        self.given.clone().unwrap_or_default()
    }

    /// What this person can be asked for: what is missing, and what another approval of theirs would take back.
    fn open(&self) -> Vec<RiskClass> {
        let given = self.given.as_deref().unwrap_or_default();
        // `--ack none`: not one of them.
        let wants_none = self.given.is_some() && given.is_empty();
        let is_open = |c: &RiskClass| {
            (self.missing.contains(c) || self.own.contains(c)) && self.may.contains(c) && !given.contains(c)
        };
        RiskClass::ALL.into_iter().filter(|c| !wants_none && is_open(c)).collect()
    }

    /// What `--ack` has to say where nobody can be asked; `None`: nothing.
    pub(super) fn proposed(&self) -> Option<String> {
        let classes = self.given.clone().filter(|g| !g.is_empty()).unwrap_or_else(|| self.open());
        match classes.as_slice() {
            [] if self.missing.is_empty() => None,
            [] => Some("none".to_owned()),
            classes => Some(list(classes)),
        }
    }

    /// What an approval with these takes back of what this person has acknowledged.
    pub(super) fn taken_back(&self, acks: &[RiskClass]) -> Vec<RiskClass> {
        self.own.iter().copied().filter(|c| !acks.contains(c)).collect()
    }

    /// What is acknowledged: what the command line says, and what the person says yes to.
    ///
    /// # Errors
    /// When nothing is, although it is missing, and the person does not want to sign so.
    pub(super) fn acknowledge(&self, person: &mut impl Person) -> Result<Vec<RiskClass>, Fail> {
        let open = self.open();
        let mut acks = self.given();
        for class in &open {
            if is_yes(&person.ask(&self.question(*class))?) {
                acks.push(*class);
            }
        }
        if acks.is_empty() && !self.is_said() {
            let missing = list(&self.missing);
            let why = match open.as_slice() {
                [] => format!(
                    "You may acknowledge nothing of {missing}, which the plan still needs from somebody."
                ),
                _ => format!("The plan still needs {missing} from somebody."),
            };
            if !is_yes(&person.ask(&format!("{why} Sign without any acknowledgement? [y/N] "))?) {
                return Err(Fail::new("nothing was signed: you have acknowledged nothing"));
            }
        }
        acks.sort_by_key(|c| RiskClass::ALL.iter().position(|x| x == c));
        Ok(acks)
    }

    fn question(&self, class: RiskClass) -> String {
        let risks = for_question(self.report, class);
        let mut question = format!("{class}:\n");
        for line in risks.iter().take(REPEATED) {
            question.push_str(&format!("  {line}\n"));
        }
        if risks.len() > REPEATED {
            question.push_str(&format!("  and {} more, in the plan above\n", risks.len() - REPEATED));
        }
        let again =
            if self.own.contains(&class) { " again: this takes the place of your approval" } else { "" };
        question.push_str(&format!("Acknowledge {class}{again}? [y/N] "));
        question
    }
}

/// As an annotation lists them.
pub(super) fn list(classes: &[RiskClass]) -> String {
    classes.iter().map(|c| c.as_str()).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
#[path = "acks_tests.rs"]
mod tests;
