//! What people are shown: models, and how they look as text, markdown and JSON. No IO, no clock.

mod approvals;
mod build;
mod changed;
mod clean;
mod console;
mod history;
mod markdown;
mod next;
mod notes;
mod people;
mod report;
mod risks;
mod span;
mod stacks;
mod stages;
mod standing;
mod state;
mod style;
mod table;
mod text;
mod values;
mod when;

#[cfg(test)]
mod docs;
#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod standing_tests;
#[cfg(test)]
mod tests;

pub use self::{
    build::{Seen, report},
    changed::changed,
    clean::Text,
    history::{History, history},
    markdown::markdown,
    report::{
        Approvals, DecisionShown, GateFrom, PlanReport, PropertyShown, ResourceValuesShown, RiskShown,
        VERSION, ValuesShown,
    },
    risks::for_question,
    stages::{StageList, stage_list},
    standing::{is_orphaned, standing},
    state::State,
    style::{BAD, GOOD, HEAD, WARN},
    text::text,
    when::{at, span, until},
};

/// A model as JSON, for programs.
///
/// # Errors
/// When it cannot be written so; that would be a mistake of ours.
pub fn json(model: &impl serde::Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(model).map(|text| text + "\n")
}
