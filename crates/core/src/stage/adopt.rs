//! Stacks that are there and that this stage has not made: left alone, or taken over by a plan that says so.

use jiff::{SignedDuration, Timestamp};

use super::{Snapshot, targets::Target};
use crate::{
    api::{OwnedStack, Reason, Risk, RiskClass},
    stack::{Preparation, StackRow, preparation},
    verdict::{Need, Step},
};

/// Whether planning this stack takes it over; `false`: it is ours, or there is none.
///
/// # Errors
/// Why it can be neither used nor taken over.
pub(super) fn is_taken_over(
    s: &Snapshot<'_>,
    t: &Target,
    row: Option<&StackRow>,
    owned: Option<&OwnedStack>,
    now: Timestamp,
) -> Step<bool> {
    let foreign = |r: &&StackRow| r.exists() && owned.is_none_or(|o| o.stack_id != r.id);
    let Some(row) = row.filter(foreign) else { return Ok(false) };
    let stuck = |why: String| {
        Err(Need::Stuck(
            Reason::StackNotOurs,
            format!("stack {} exists ({}) and {why}", t.key, row.id),
            // Nothing in the cluster changes when somebody deletes it.
            now.saturating_add(SignedDuration::from_mins(1)).ok(),
        ))
    };
    if let Some(other) = s.taken.get(&t.key) {
        return stuck(format!("belongs to {}: give yours another name", whose(s, other)));
    }
    if !s.stage.spec.adopts() {
        return stuck(
            "was not made by this Stage: give yours another name, or have it taken over: spec.adoptionPolicy: Unowned".to_owned(),
        );
    }
    // It stays with the stack, whatever role a call names later.
    if let Some(role) = row.role.as_ref().filter(|r| *r != t.names.execution_role().as_str()) {
        return stuck(format!(
            "CloudFormation acts on it with role {role}, not with {}: it cannot be taken over",
            t.names.execution_role()
        ));
    }
    match preparation(row.status) {
        Preparation::Make(_) | Preparation::Wait => Ok(true),
        Preparation::Recreate(what) | Preparation::Stuck(what) => {
            stuck(format!("is in {}, so it cannot be taken over: {what}", row.status.as_str()))
        }
    }
}

/// The Stage that a stack belongs to. Who owns it in another namespace is nobody's business here.
pub(super) fn whose(s: &Snapshot<'_>, owner: &str) -> String {
    let here = owner.strip_prefix(s.namespace.as_str()).is_some_and(|rest| rest.starts_with('/'));
    if here { format!("Stage {owner}") } else { "a Stage of another namespace".to_owned() }
}

/// What taking a stack over is told as.
pub(super) fn risk(t: &Target) -> Risk {
    let cause = "the stack was not made by this Stage, and is taken over with all that is in it";
    Risk::of_stack(RiskClass::Adopt, &t.artifact.id, cause)
}
