//! The parameter values that the spec names, read where they lie.

use std::{collections::BTreeSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::{Snapshot, targets::Target};
use crate::{
    api::{LABEL_PARAMETERS, Parameter, Reason, ValueFrom},
    change::{Given, GivenValue, Hidden},
    effect::{Effect, Held, Look, Seen, ValueKind, ValueSource},
    gate::PlanView,
    stack::StackRow,
    verdict::{Need, Step, ask},
    words::{Digest, StackKey},
};

/// How long what a ConfigMap or Secret holds is believed.
const FRESH: SignedDuration = SignedDuration::from_mins(5);
/// How long one is believed not to hold it.
const MISSING_FRESH: SignedDuration = SignedDuration::from_secs(15);

/// The values, or what has to be read first.
pub(super) fn given(s: &Snapshot<'_>, now: Timestamp) -> Step<Given> {
    s.stage.spec.parameters.iter().map(|p| Ok((p.name.clone(), value(s, p, now)?))).collect()
}

/// Stands for the values that were read last; `None`: there are none, or they are not known.
pub(super) fn digest(s: &Snapshot<'_>, given: &Given) -> Option<Digest> {
    given.digest(&s.installation.key)
}

/// The Secrets that values come from have been read once, so that their values can be taken out of what AWS says.
///
/// # Errors
/// The look at one that was not read, or why it cannot be read.
pub(super) fn secrets_known(s: &Snapshot<'_>, now: Timestamp) -> Step<()> {
    let sources = s.stage.spec.parameters.iter().filter_map(|p| Some(source(s, p.value_from.as_ref()?)?.0));
    let mut unread = sources.filter(|source| {
        source.kind == ValueKind::Secret && matches!(s.facts.values.get(source), None | Some(Seen::Unknown))
    });
    unread.next().map_or(Ok(()), |source| Err(ask(s.facts, Effect::Look(Look::Values(source)), now)))
}

/// Whether what CloudFormation says can hold no value of a Secret but those that are known here, and taken out: the values that this plan
/// (or without one the next) gives are the ones that were read, and so are those that the stacks had before.
///
/// # Errors
/// The look at one that was not read, or has to be read again.
pub(super) fn secrets_are_known(s: &Snapshot<'_>, plan: Option<&PlanView>, now: Timestamp) -> Step<bool> {
    let read = match secrets_known(s, now).and_then(|()| given(s, now)) {
        Ok(given) => digest(s, &given),
        Err(look @ Need::Do(_)) => return Err(look),
        Err(Need::Wait(..) | Need::Stuck(..)) => return Ok(false),
    };
    let order = plan.map_or(u64::MAX, |p| p.order);
    let before = || s.plans.iter().map(Arc::as_ref).filter(|p| p.is_claimed() && p.order < order);
    // Back to the last one that was carried out in full: its values were replaced, or are there still.
    let last = before().filter(|p| p.is_complete()).map(|p| p.order).max().unwrap_or_default();
    let mut all = plan.into_iter().chain(before().filter(|p| p.order >= last));
    Ok(all.all(|p| !p.secrets || p.parameters == read))
}

/// What every CDK template has. The stack keeps it, and it is the name of an SSM parameter.
const BOOTSTRAP_VERSION: &str = "BootstrapVersion";

/// Whether CloudFormation may repeat a secret value of this stack that is not known here, however it is asked: the new template
/// hides one that no Secret of the Stage gives, or the stack has one.
pub(super) fn repeats_unknown_value(s: &Snapshot<'_>, t: &Target, row: Option<&StackRow>) -> bool {
    declares_unknown_value(s, t) || keeps_unknown_value(s, &t.key, row)
}

/// Whether what is planned of a stack can be told in CloudFormation's words: neither what it has nor what it would get is unknown here.
pub(super) fn may_be_told(s: &Snapshot<'_>, t: &Target, row: Option<&StackRow>, now: Timestamp) -> bool {
    !repeats_unknown_value(s, t, row) && secrets_are_known(s, None, now).unwrap_or(false)
}

/// Whether the release declares a `NoEcho` parameter that no Secret of the Stage gives: its value would be found nowhere.
pub(super) fn declares_unknown_value(s: &Snapshot<'_>, t: &Target) -> bool {
    let read = last_read(s);
    let mut declared = t.artifact.template.parameters.iter();
    declared.any(|(name, p)| p.no_echo && !is_from_secret(&read, &t.key, name))
}

/// Whether a stack has a value that is secret and that nobody here knows: of a parameter that CloudFormation masks; or of any that is
/// given no longer, where a Secret has given values that are not those of now.
pub(super) fn keeps_unknown_value(s: &Snapshot<'_>, key: &StackKey, row: Option<&StackRow>) -> bool {
    let Some(row) = row.filter(|row| row.exists()) else { return false };
    let read = last_read(s);
    let kept = |name: &&String| *name != BOOTSTRAP_VERSION && read.value(&key.name, name).is_none();
    row.masked.iter().any(|name| !is_from_secret(&read, key, name))
        || (row.parameters.iter().any(|name| kept(&name)) && fed_otherwise(s, &read))
}

fn is_from_secret(read: &Given, key: &StackKey, name: &str) -> bool {
    read.value(&key.name, name).is_some_and(|value| value.secret)
}

/// Whether any opening of a plan rested on values of Secrets that are not those of now.
fn fed_otherwise(s: &Snapshot<'_>, read: &Given) -> bool {
    let read = digest(s, read);
    let opened = s.plans.iter().flat_map(|p| &p.plan.spec.ledger).filter_map(|entry| entry.opened.as_ref());
    opened.filter(|o| o.secrets).any(|o| o.parameters != read)
}

/// The values as they were read last, however long ago, as far as they were: these can be taken out of a text.
fn last_read(s: &Snapshot<'_>) -> Given {
    let read = |p: &Parameter| {
        if let Some(text) = &p.value {
            return Some(GivenValue { text: Hidden::new(text.as_str()), secret: false });
        }
        let (source, key) = source(s, p.value_from.as_ref()?)?;
        match s.facts.values.get(&source)? {
            Seen::Present(held, _) => {
                let text = held.values.get(&key)?.clone();
                Some(GivenValue { text, secret: source.kind == ValueKind::Secret })
            }
            Seen::Absent(_) | Seen::Unknown => None,
        }
    };
    s.stage.spec.parameters.iter().filter_map(|p| Some((p.name.clone(), read(p)?))).collect()
}

/// When the values have to be read again, if any lies elsewhere and nothing else is known to come first.
pub(super) fn read_again_at(s: &Snapshot<'_>, now: Timestamp) -> Option<Timestamp> {
    let sources = s.stage.spec.parameters.iter().filter_map(|p| Some(source(s, p.value_from.as_ref()?)?.0));
    let read = sources.filter_map(|source| s.facts.values.get(&source)?.as_of()).min()?;
    read.saturating_add(FRESH).ok().filter(|at| *at > now)
}

fn source(s: &Snapshot<'_>, from: &ValueFrom) -> Option<(ValueSource, String)> {
    let (kind, at) = match (&from.config_map_key_ref, &from.secret_key_ref) {
        (Some(at), None) => (ValueKind::ConfigMap, at),
        (None, Some(at)) => (ValueKind::Secret, at),
        // The schema allows neither.
        (None, None) | (Some(_), Some(_)) => return None,
    };
    let same = |f: &ValueFrom| match kind {
        ValueKind::ConfigMap => {
            f.config_map_key_ref.as_ref().filter(|r| r.name == at.name).map(|r| r.key.clone())
        }
        ValueKind::Secret => f.secret_key_ref.as_ref().filter(|r| r.name == at.name).map(|r| r.key.clone()),
    };
    // One look tells all that the Stage needs of an object, and nothing besides.
    let keys: BTreeSet<String> =
        s.stage.spec.parameters.iter().filter_map(|p| same(p.value_from.as_ref()?)).collect();
    Some((ValueSource { kind, namespace: s.namespace.clone(), name: at.name.clone(), keys }, at.key.clone()))
}

fn value(s: &Snapshot<'_>, parameter: &Parameter, now: Timestamp) -> Step<GivenValue> {
    if let Some(text) = &parameter.value {
        return Ok(GivenValue { text: Hidden::new(text.as_str()), secret: false });
    }
    let stuck = |what: String, at| Need::Stuck(Reason::InvalidParameters, what, at);
    let Some((source, key)) = parameter.value_from.as_ref().and_then(|from| source(s, from)) else {
        return Err(stuck(format!("parameter {}: give value or valueFrom", parameter.name), None));
    };
    let look = || ask(s.facts, Effect::Look(Look::Values(source.clone())), now);
    let seen = s.facts.values.get(&source).unwrap_or(&Seen::Unknown);
    let missing = |what: &str, at: Timestamp| {
        let again = at.saturating_add(MISSING_FRESH).unwrap_or(at);
        let message =
            || format!("parameter {}: {} {} {what}", parameter.name, source.kind.as_str(), source.name);
        Err(if now < again { stuck(message(), Some(again)) } else { look() })
    };
    match seen {
        Seen::Present(Held { offered: false, .. }, at) => {
            missing(&format!("has no label {LABEL_PARAMETERS}=true, so no Stage may use it"), *at)
        }
        Seen::Present(Held { values, .. }, at) => match values.get(&key) {
            Some(text) if now.duration_since(*at) < FRESH => {
                Ok(GivenValue { text: text.clone(), secret: source.kind == ValueKind::Secret })
            }
            Some(_) => Err(look()),
            None => missing(&format!("has no text of at most 4096 bytes under key {key}"), *at),
        },
        Seen::Absent(at) => missing("is not there", *at),
        Seen::Unknown => Err(match look() {
            Need::Stuck(Reason::AccessDenied, m, at) => stuck(
                format!(
                    "parameter {}: {m}; to let Stages of this namespace use such objects, bind ClusterRole \
                     stackgate-parameters to the controller here (docs/parameters.md)",
                    parameter.name
                ),
                at,
            ),
            other => other,
        }),
    }
}
