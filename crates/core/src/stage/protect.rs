//! Termination protection: it is no part of a change set, so it is compared, shown and set by itself.

use jiff::Timestamp;

use super::{
    Snapshot,
    fence::found,
    targets::{Target, access_to},
};
use crate::{
    api::{ProposedStack, Risk, RiskClass},
    change::Baseline,
    drive::{Progress, Protecting},
    effect::{Effect, Look, Seen},
    verdict::ask,
};

/// Whether a stack that is there has another protection than it shall have: what it shall have.
pub(super) fn switched(s: &Snapshot<'_>, t: &Target) -> Option<bool> {
    let Seen::Present(row, _) = s.row(&t.key) else { return None };
    t.artifact
        .termination_protection
        .filter(|wanted| row.exists() && !row.is_remnant() && row.protected != *wanted)
}

/// How it is told, beside the changes of resources.
pub(super) fn told(switched: Option<bool>) -> Option<String> {
    let way = if switched? { "on" } else { "off" };
    Some(format!("termination protection is switched {way}"))
}

/// What switching it off is told as.
pub(super) fn risk(t: &Target) -> Risk {
    let cause = "its termination protection is switched off: whoever may delete stacks may delete it then";
    Risk::of_stack(RiskClass::Delete, &t.artifact.id, cause)
}

/// A claimed stack of which nothing else changes.
pub(super) fn protect(s: &Snapshot<'_>, stack: &ProposedStack, now: Timestamp) -> Progress {
    let (key, access) = (stack.key(), access_to(s, stack));
    let Seen::Present(row, _) = s.row(&key) else {
        return Progress::Need(ask(s.facts, Effect::Look(Look::Stack(key, access)), now));
    };
    match found(stack) {
        Baseline::Stack(id, at) if id == row.id && at == row.updated => {
            Protecting { facts: s.facts, key: &key, access: &access, wanted: stack.protects() }
                .settle(row, now)
        }
        Baseline::Stack(..) | Baseline::None => {
            Progress::Stop(format!("stack {key} was changed by somebody else after the approval"))
        }
    }
}
