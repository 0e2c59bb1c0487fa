//! What another content does to the toolkit stacks that are there: what differs, and what is dangerous about it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Snapshot, environment::access, template::template_body};
use crate::{
    api::{BootstrapProposal, OwnedStack, Reason, ResourceChange, Risk, RiskClass, ToolkitChange},
    bundle::{Origins, ResourceDifference, Template, difference},
    change::{Baseline, StackInput},
    drive::template_of,
    gate::owned_key,
    risk::{Assessed, assess},
    verdict::{Need, Step},
    words::{Env, StackKey},
};

/// A change of toolkit stacks, as its plan tells it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    /// What becomes of them.
    pub change: ToolkitChange,
    /// What is dangerous about it.
    pub risks: Vec<Risk>,
}

/// What this content does to the toolkit stacks that are there, or were; `None`: nothing.
pub(super) fn told(s: &Snapshot<'_>, wanted: &BootstrapProposal, now: Timestamp) -> Step<Option<Told>> {
    let owned = s.to_change(wanted)?;
    let before = s.carried_out_last().and_then(|p| p.proposal().bootstrap.clone());
    let lost = s.lost();
    let key = owned.first().map(owned_key).or_else(|| lost.first().cloned());
    let (Some(before), Some(key)) = (before, key) else { return Ok(None) };
    // A change that went out to some only, and was stopped, has left others with what was there before it.
    let held: Vec<Option<&BootstrapProposal>> = owned.iter().map(|o| content(s, o)).collect();
    let known: Vec<&BootstrapProposal> = held.iter().copied().flatten().collect();
    let is_known = known.len() == held.len();
    let new = parsed(template_body().as_bytes(), &key)?;
    let same_template = is_known && known.iter().all(|c| c.template == wanted.template);
    let old = if owned.is_empty() {
        None
    } else if same_template {
        Some(new.clone())
    } else {
        deployed_somewhere(s, &owned, now)?
    };
    let diff = difference(old.as_ref(), &new);
    let given = match is_known {
        true => known.iter().flat_map(|c| widened(c, wanted)).collect(),
        false => wanted.parameters.keys().cloned().collect(),
    };
    let risks_after = |old: Option<&Template>| {
        let assessed = assess(&Assessed {
            stack: wanted.toolkit_stack_name.as_str(),
            old,
            new: &new,
            changes: None,
            construct_paths: &BTreeMap::new(),
            given: &given,
            origins: &Origins::none(&key),
            nested: &BTreeMap::new(),
        });
        assessed.risks
    };
    let mut risks = risks_after(old.as_ref());
    // Where one is made anew nothing is there before.
    if !lost.is_empty() && old.is_some() {
        risks.extend(risks_after(None));
    }
    let lines: BTreeSet<String> = known.iter().flat_map(|c| differences(c, wanted)).collect();
    let mut lines: Vec<String> = lines.into_iter().collect();
    lines.extend(lost.iter().map(|key| format!("{key}: somebody has deleted it, and it is made anew")));
    let environments: BTreeSet<Env> = owned.iter().map(|o| owned_key(o).env).collect();
    let made_anew: BTreeSet<Env> = lost.iter().map(|key| key.env.clone()).collect();
    if !is_known {
        let what = "what some toolkit stacks hold is not known: others may have changed them";
        risks.push(Risk::of_stack(RiskClass::Opaque, wanted.toolkit_stack_name.as_str(), what));
        lines.push(what.to_owned());
    }
    risks.sort();
    risks.dedup();
    let (environments, made_anew) = (environments.into_iter().collect(), made_anew.into_iter().collect());
    let resources = diff.into_iter().map(resource).collect();
    let change = ToolkitChange { before, environments, made_anew, differences: lines, resources };
    Ok(Some(Told { change, risks }))
}

/// What a toolkit stack of ours holds: the content of which the digest is that of its input. Whoever puts another plan there can
/// claim nothing else of it.
pub(super) fn content<'a>(s: &'a Snapshot<'_>, stack: &OwnedStack) -> Option<&'a BootstrapProposal> {
    let (key, input) = (owned_key(stack), stack.input?);
    let contents = s.plans.iter().filter_map(|p| p.proposal().bootstrap.as_ref());
    contents.into_iter().find(|content| StackInput::of_toolkit(&key, content).digest() == input)
}

fn parsed(bytes: &[u8], key: &StackKey) -> Step<Template> {
    Template::parse(bytes, key)
        .map_err(|e| Need::stuck(Reason::PlanFailed, format!("the bootstrap template: {e}")))
}

/// The template of one of these toolkit stacks that can be read.
fn deployed_somewhere(s: &Snapshot<'_>, owned: &[OwnedStack], now: Timestamp) -> Step<Option<Template>> {
    let (mut waits, mut unreachable) = (None, None);
    for stack in owned {
        match deployed(s, stack, now) {
            Ok(template) => return Ok(Some(template)),
            Err(look @ Need::Do(_)) => return Err(look),
            // Another one may answer meanwhile.
            Err(wait @ Need::Wait(..)) => waits = waits.or(Some(wait)),
            Err(need @ Need::Stuck(..)) => unreachable = unreachable.or(Some(need)),
        }
    }
    waits.or(unreachable).map_or(Ok(None), Err)
}

/// The template of a toolkit stack that is there.
fn deployed(s: &Snapshot<'_>, stack: &OwnedStack, now: Timestamp) -> Step<Template> {
    let key = owned_key(stack);
    let Some(account) = s.accounts.of_id(&key.env.account) else {
        return Err(Need::stuck(
            Reason::InvalidSpec,
            format!("there is no AwsAccount of account {}", key.env.account),
        ));
    };
    let access = access(&s.uid, &key.env, account);
    let updated = stack.updated_time.as_ref().map_or(Timestamp::UNIX_EPOCH, |t| t.0);
    let on = Baseline::Stack(stack.stack_id.clone(), updated);
    template_of(s.facts, &key, &access, &on, now)?.ok_or_else(|| {
        Need::stuck(Reason::PlanFailed, format!("the template of stack {key} cannot be read: it is gone"))
    })
}

fn resource(d: ResourceDifference) -> ResourceChange {
    ResourceChange {
        logical_id: d.logical_id,
        resource_type: d.resource_type,
        action: d.kind.as_str().to_owned(),
        replacement: None,
    }
}

/// The items of a parameter that is a list. Those of one value are that value.
fn items(value: Option<&String>) -> BTreeSet<&str> {
    value.into_iter().flat_map(|v| v.split(',')).filter(|item| !item.is_empty()).collect()
}

/// The parameters through which more may be allowed than before: they hold something new, or nothing any more, which may stand for
/// a default.
fn widened(before: &BootstrapProposal, wanted: &BootstrapProposal) -> BTreeSet<String> {
    let names: BTreeSet<&String> = before.parameters.keys().chain(wanted.parameters.keys()).collect();
    let wider = |name: &&String| {
        let (old, new) = (items(before.parameters.get(*name)), items(wanted.parameters.get(*name)));
        old != new && (new.is_empty() || !new.is_subset(&old))
    };
    names.into_iter().filter(wider).cloned().collect()
}

/// What differs, a line for each item.
fn differences(before: &BootstrapProposal, wanted: &BootstrapProposal) -> Vec<String> {
    let names: BTreeSet<&String> = before.parameters.keys().chain(wanted.parameters.keys()).collect();
    let mut lines = Vec::new();
    for name in names {
        let (old, new) = (items(before.parameters.get(name)), items(wanted.parameters.get(name)));
        lines.extend(new.difference(&old).map(|item| format!("{name}: + {item}")));
        lines.extend(old.difference(&new).map(|item| format!("{name}: - {item}")));
    }
    if before.version != wanted.version {
        lines.push(format!("version: {} → {}", before.version, wanted.version));
    }
    if before.template != wanted.template {
        lines.push("the template is another one".to_owned());
    }
    lines
}
