//! The template that is deployed.

use jiff::Timestamp;

use crate::{
    api::Reason,
    bundle::Template,
    change::Baseline,
    effect::{Access, Effect, Look, Seen},
    facts::Facts,
    verdict::{Need, Step, ask},
    words::StackKey,
};

/// The template of a stack that is there.
///
/// # Errors
/// The look, or why it cannot be read.
pub fn template_of(
    facts: &Facts,
    key: &StackKey,
    access: &Access,
    baseline: &Baseline,
    now: Timestamp,
) -> Step<Option<Template>> {
    let Baseline::Stack(id, updated) = baseline else { return Ok(None) };
    match facts.templates.get(&(id.clone(), *updated)) {
        Some(Seen::Present(text, _)) => Template::parse(text.as_bytes(), key)
            .map(Some)
            .map_err(|e| Need::stuck(Reason::PlanFailed, format!("the deployed template of {key}: {e}"))),
        Some(Seen::Absent(_)) => Ok(None),
        Some(Seen::Unknown) | None => {
            let look = Look::Template(key.clone(), id.clone(), *updated, access.clone());
            Err(ask(facts, Effect::Look(look), now))
        }
    }
}
