//! One stack of a plan: from nothing to a change set that can be executed, or to knowing that nothing differs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{
    Snapshot,
    targets::{CAPABILITIES, Target},
};
use crate::{
    api::{OwnedStack, PlannedAs, Reason},
    bundle::{DifferenceKind, Template, difference},
    change::{Baseline, change_set_name, create_token, deferred_leaf, leaf},
    effect::{Effect, Look, Mutation, Seen, SetRef, TemplateSource, Upload, WantedChangeSet, baseline_of},
    facts::Looked,
    stack::{Change, ChangeSetKind, ChangeSetRow, Preparation, SetState, StackRow, preparation},
    verdict::{Need, Step, ask, look_again_at},
    words::{ChangeSetName, Digest},
};

/// How old a look at a stack may be for planning.
const ROW_FRESH: SignedDuration = SignedDuration::from_secs(30);

/// A stack that is planned.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    /// How.
    pub plan: PlannedAs,
    /// What it builds on.
    pub baseline: Baseline,
    /// Its share of the id.
    pub leaf: Digest,
    /// What changes, as CloudFormation says; for a deferred stack as the templates say.
    pub changes: Vec<Change>,
    /// The change set, where there is one that can be executed.
    pub set: Option<ChangeSetRow>,
}

/// The stack as it is now, looked at recently enough to plan on.
pub(super) fn fresh_row<'a>(s: &'a Snapshot<'_>, t: &Target, now: Timestamp) -> Step<Option<&'a StackRow>> {
    match s.row(&t.key) {
        Seen::Present(row, at) if now.duration_since(*at) <= ROW_FRESH => Ok(Some(row)),
        Seen::Absent(at) if now.duration_since(*at) <= ROW_FRESH => Ok(None),
        Seen::Present(..) | Seen::Absent(_) | Seen::Unknown => {
            Err(ask(s.facts, Effect::Look(Look::Stack(t.key.clone(), t.access.clone())), now))
        }
    }
}

/// Whether the stack is ours to change; an absent one is free to take.
pub(super) fn ours(t: &Target, row: Option<&StackRow>, owned: Option<&OwnedStack>) -> Step<()> {
    match row {
        Some(row) if row.exists() && owned.is_none_or(|o| o.stack_id != row.id) => Err(Need::stuck(
            Reason::StackNotOurs,
            format!(
                "stack {} exists ({}) and was not made by this Stage: rename yours, or delete that one",
                t.key, row.id
            ),
        )),
        Some(_) | None => Ok(()),
    }
}

/// Which kind of change set can be made now.
pub(super) fn kind(t: &Target, row: Option<&StackRow>, now: Timestamp) -> Step<ChangeSetKind> {
    let Some(row) = row else { return Ok(ChangeSetKind::Create) };
    match preparation(row.status) {
        Preparation::Make(kind) => Ok(kind),
        Preparation::Wait => Err(Need::Wait(
            Reason::StackBusy,
            format!(
                "stack {} is in {}: an operation that is not ours has to end first",
                t.key,
                row.status.as_str()
            ),
            now.saturating_add(SignedDuration::from_secs(15)).ok(),
        )),
        Preparation::Stuck(what) => Err(Need::Stuck(
            Reason::StackStuck,
            format!("stack {} is in {}: {what}", t.key, row.status.as_str()),
            now.saturating_add(SignedDuration::from_mins(1)).ok(),
        )),
    }
}

/// Whether what is deployed is what is wanted, by our own record alone.
pub(super) fn is_unchanged(t: &Target, row: Option<&StackRow>, owned: Option<&OwnedStack>) -> bool {
    let (Some(row), Some(owned)) = (row, owned) else { return false };
    owned.stack_id == row.id
        && owned.updated_time.as_ref().is_some_and(|u| u.0 == row.updated)
        && owned.input == Some(t.digest)
}

/// The assets that are not known to lie in the bucket.
pub(super) fn unpublished(s: &Snapshot<'_>, t: &Target, now: Timestamp) -> Vec<Need> {
    t.artifact
        .assets
        .files
        .iter()
        .filter(|f| {
            !s.facts.published.contains_key(&format!("{}/{}", f.destination.bucket, f.destination.key))
        })
        .map(|f| {
            let upload = Upload {
                bucket: t.names.bucket(),
                key: f.destination.key.clone(),
                asset: f.clone(),
                access: t.publishing.clone(),
            };
            ask(s.facts, Effect::Mutate(Mutation::Publish(Box::new(upload))), now)
        })
        .collect()
}

/// What a stack looks like when nothing differs.
pub(super) fn unchanged(t: &Target, baseline: Baseline) -> Prepared {
    Prepared {
        plan: PlannedAs::Unchanged,
        leaf: leaf(&t.key, &t.digest, &baseline, &[]),
        baseline,
        changes: Vec::new(),
        set: None,
    }
}

/// A stack whose change set cannot be made yet: its template difference.
pub(super) fn deferred(
    s: &Snapshot<'_>,
    t: &Target,
    row: Option<&StackRow>,
    now: Timestamp,
) -> Step<Prepared> {
    let baseline = baseline_of(row);
    let old = match &baseline {
        Baseline::None => None,
        Baseline::Stack(id, _) => match s.facts.templates.get(id) {
            Some(Seen::Present(text, _)) => Some(Template::parse(text.as_bytes(), &t.key).map_err(|e| {
                Need::stuck(Reason::PlanFailed, format!("the deployed template of {}: {e}", t.key))
            })?),
            Some(Seen::Absent(_)) => None,
            Some(Seen::Unknown) | None => {
                let look = Look::Template(t.key.clone(), id.clone(), t.access.clone());
                return Err(ask(s.facts, Effect::Look(look), now));
            }
        },
    };
    let diff = difference(old.as_ref(), &t.artifact.template);
    let leaf = deferred_leaf(&t.key, &t.digest, &baseline, &diff);
    let changes = diff
        .into_iter()
        .map(|d| Change {
            logical_id: d.logical_id,
            resource_type: d.resource_type,
            action: d.kind.as_str().to_owned(),
            // Nobody knows before there is a change set, so the worst is said.
            replacement: if d.kind == DifferenceKind::Modify {
                "Conditional".to_owned()
            } else {
                String::new()
            },
            policy_action: String::new(),
            scope: BTreeSet::new(),
            details: BTreeSet::new(),
            values: None,
        })
        .collect();
    Ok(Prepared { plan: PlannedAs::Deferred, baseline, leaf, changes, set: None })
}

/// A stack whose change set can be made: makes it, waits for it, reads it.
pub(super) fn change_set(
    s: &Snapshot<'_>,
    t: &Target,
    row: Option<&StackRow>,
    now: Timestamp,
) -> Step<Prepared> {
    let baseline = baseline_of(row);
    let kind = kind(t, row, now)?;
    let name = change_set_name(&s.uid, &t.digest, &baseline);
    let set = SetRef::Name(name.clone());
    let look = || Effect::Look(Look::ChangeSet(t.key.clone(), set.clone(), t.access.clone()));
    let looked = s.facts.change_sets.get(&(t.key.clone(), set.clone()));
    let (found, as_of, times) = match looked {
        None | Some(Looked { seen: Seen::Unknown, .. }) => return Err(ask(s.facts, look(), now)),
        Some(Looked { seen: Seen::Absent(_), .. })
            if s.facts.empty.contains(&(t.key.clone(), name.clone())) =>
        {
            return Ok(unchanged(t, baseline));
        }
        Some(Looked { seen: Seen::Absent(at), .. }) => {
            // A look from long ago says nothing of now.
            return Err(if now.duration_since(*at) > ROW_FRESH {
                ask(s.facts, look(), now)
            } else {
                ask(s.facts, Effect::Mutate(wanted(s, t, kind, name)), now)
            });
        }
        Some(Looked { seen: Seen::Present(found, at), times }) => (found, *at, *times),
    };
    if !s.installation.key.proves(&found.description, found.name.as_str(), &t.digest) {
        return Err(Need::stuck(
            Reason::StackNotOurs,
            format!(
                "change set {} of stack {} was not made by this installation: delete it",
                found.name, t.key
            ),
        ));
    }
    match found.state() {
        SetState::Ready => Ok(Prepared {
            plan: PlannedAs::Prepared,
            leaf: leaf(&t.key, &t.digest, &baseline, &found.changes),
            baseline,
            changes: found.changes.clone(),
            set: Some(found.clone()),
        }),
        SetState::Preparing => {
            let at = look_again_at(as_of, times);
            Err(if now >= at {
                ask(s.facts, look(), now)
            } else {
                Need::Wait(Reason::Planning, format!("CloudFormation prepares {}", found.name), Some(at))
            })
        }
        SetState::Failed => Err(Need::Stuck(
            Reason::PlanFailed,
            format!("change set {} of stack {} failed: {}", found.name, t.key, found.reason),
            // CloudFormation keeps the failed one; a look now and then sees when somebody has deleted it.
            now.saturating_add(SignedDuration::from_mins(5)).ok(),
        )),
        // An empty one has said what it can.
        SetState::Empty | SetState::Obsolete | SetState::Executed => Err(ask(s.facts, delete(t, found), now)),
        SetState::Executing => Err(Need::Wait(
            Reason::StackBusy,
            format!("somebody executes change set {} of stack {} by hand", found.name, t.key),
            now.saturating_add(SignedDuration::from_secs(5)).ok(),
        )),
        SetState::Gone => Err(if now >= look_again_at(as_of, times) {
            ask(s.facts, look(), now)
        } else {
            Need::Wait(
                Reason::Planning,
                "a deleted change set is going".to_owned(),
                Some(look_again_at(as_of, times)),
            )
        }),
    }
}

/// Deletes a change set of ours.
fn delete(t: &Target, set: &ChangeSetRow) -> Effect {
    Effect::Mutate(Mutation::DeleteChangeSet(t.key.clone(), set.arn.clone(), t.access.clone()))
}

fn wanted(s: &Snapshot<'_>, t: &Target, kind: ChangeSetKind, name: ChangeSetName) -> Mutation {
    let tags: BTreeMap<&String, &String> = t.artifact.tags.iter().collect();
    Mutation::CreateChangeSet(Box::new(WantedChangeSet {
        key: t.key.clone(),
        kind,
        description: s.installation.key.description(&s.full_name(), name.as_str(), &t.digest),
        template: TemplateSource::Bucket(t.names.bucket(), t.artifact.template_object.key.clone()),
        parameters: Vec::new(),
        tags: tags.into_iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        capabilities: CAPABILITIES.iter().map(|c| (*c).to_owned()).collect(),
        role: Some(t.names.execution_role()),
        notification_arns: t.artifact.notification_arns.clone(),
        import_existing: false,
        token: create_token(&name),
        name,
        access: t.access.clone(),
    }))
}
