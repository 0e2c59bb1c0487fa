//! One stack on its way to a change set: looking at it, making the set, reading what it says.

use jiff::{SignedDuration, Timestamp};

use super::content;
use crate::{
    api::{OwnedStack, PlannedAs, Reason},
    change::{Baseline, HmacKey, change_set_name, leaf, unchanged_leaf, warnings_of},
    effect::{Access, Effect, Look, Mutation, Seen, SetRef, baseline_of},
    facts::{Facts, Looked},
    hush::UNSHOWN,
    stack::{Change, ChangeSetKind, ChangeSetRow, Preparation, SetContent, SetState, StackRow, preparation},
    verdict::{Need, Step, ask, look_again_at},
    words::{ChangeSetName, Digest, StackKey, Uid},
};

/// How old a look at a stack, or at an absent change set, may be for planning.
const FRESH: SignedDuration = SignedDuration::from_secs(30);
/// How long a change set that only a person can remove is believed to be still there.
const STUCK_FRESH: SignedDuration = SignedDuration::from_mins(5);

/// A stack that is planned.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// How.
    pub plan: PlannedAs,
    /// What it builds on.
    pub baseline: Baseline,
    /// Its share of the id.
    pub leaf: Digest,
    /// What changes, as CloudFormation says, nested stacks included; for a deferred stack as the templates say.
    pub changes: Vec<Change>,
    /// What validations and hooks say to it.
    pub warnings: Vec<String>,
    /// The change set, where there is one that can be executed.
    pub set: Option<ChangeSetRow>,
    /// What else it holds.
    pub content: SetContent,
}

impl Prepared {
    /// The leaf that the same change set would have on another baseline.
    #[must_use]
    pub fn leaf_on(&self, key: &StackKey, input: &Digest, on: &Baseline) -> Option<Digest> {
        self.set.as_ref().map(|set| leaf(key, input, on, set, &self.content))
    }
}

/// A stack as it is now, looked at recently enough to plan on.
///
/// # Errors
/// The look, or why it cannot be had now.
pub fn fresh_row<'a>(
    facts: &'a Facts,
    key: &StackKey,
    access: &Access,
    now: Timestamp,
) -> Step<Option<&'a StackRow>> {
    match facts.stacks.get(key) {
        Some(Seen::Present(row, at)) if now.duration_since(*at) <= FRESH => Ok(Some(row)),
        Some(Seen::Absent(at)) if now.duration_since(*at) <= FRESH => Ok(None),
        None | Some(Seen::Present(..) | Seen::Absent(_) | Seen::Unknown) => {
            Err(ask(facts, Effect::Look(Look::Stack(key.clone(), access.clone())), now))
        }
    }
}

/// How long to wait before a stack that is being deleted is looked at again.
const IN_PROGRESS: SignedDuration = SignedDuration::from_secs(3);

/// An operation that ends soon: waited for, then the stack is looked at again.
#[must_use]
pub fn in_progress(
    facts: &Facts,
    key: &StackKey,
    access: &Access,
    reason: Reason,
    what: String,
    now: Timestamp,
) -> Need {
    let seen = facts.stacks.get(key).and_then(Seen::as_of).unwrap_or(now);
    let again = seen.saturating_add(IN_PROGRESS).unwrap_or(seen);
    if now < again {
        return Need::Wait(reason, what, Some(again));
    }
    ask(facts, Effect::Look(Look::Stack(key.clone(), access.clone())), now)
}

/// A stack that somebody wants to have.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// What is remembered.
    pub facts: &'a Facts,
    /// Proves change sets ours.
    pub proof: &'a HmacKey,
    /// The object that wants it.
    pub owner: &'a Uid,
    /// Where it lives.
    pub key: &'a StackKey,
    /// The digest of everything that goes into the change-set call.
    pub input: &'a Digest,
    /// How CloudFormation is called.
    pub access: &'a Access,
}

impl<'a> Wish<'a> {
    /// The stack as it is now, looked at recently enough to plan on.
    pub fn fresh_row(&self, now: Timestamp) -> Step<Option<&'a StackRow>> {
        fresh_row(self.facts, self.key, self.access, now)
    }

    /// Which kind of change set can be made now.
    pub fn kind(&self, row: Option<&StackRow>, now: Timestamp) -> Step<ChangeSetKind> {
        let Some(row) = row else { return Ok(ChangeSetKind::Create) };
        match preparation(row.status) {
            Preparation::Make(kind) => Ok(kind),
            Preparation::Wait => Err(Need::Wait(
                Reason::StackBusy,
                format!(
                    "stack {} is in {}: an operation that is not ours has to end first",
                    self.key,
                    row.status.as_str()
                ),
                now.saturating_add(SignedDuration::from_secs(15)).ok(),
            )),
            Preparation::Recreate(what) | Preparation::Stuck(what) => Err(Need::Stuck(
                Reason::StackStuck,
                format!("stack {} is in {}: {what}", self.key, row.status.as_str()),
                now.saturating_add(SignedDuration::from_mins(1)).ok(),
            )),
        }
    }

    /// Whether what is deployed is what is wanted, by our own record alone.
    #[must_use]
    pub fn is_unchanged(&self, row: Option<&StackRow>, owned: Option<&OwnedStack>) -> bool {
        let (Some(row), Some(owned)) = (row, owned) else { return false };
        owned.stack_id == row.id
            && owned.updated_time.as_ref().is_some_and(|u| u.0 == row.updated)
            && owned.input == Some(*self.input)
    }

    /// What a stack looks like when nothing differs.
    #[must_use]
    pub fn unchanged(&self, baseline: Baseline) -> Prepared {
        Prepared {
            plan: PlannedAs::Unchanged,
            leaf: unchanged_leaf(self.key, self.input, &baseline),
            baseline,
            changes: Vec::new(),
            warnings: Vec::new(),
            set: None,
            content: SetContent::default(),
        }
    }

    /// Makes the change set, waits for it, reads it. `quiet`: why it failed is not told in CloudFormation's words.
    pub fn change_set(
        &self,
        row: Option<&StackRow>,
        quiet: bool,
        make: impl FnOnce(ChangeSetKind, ChangeSetName) -> Mutation,
        now: Timestamp,
    ) -> Step<Prepared> {
        let Self { facts, key, access, input, .. } = *self;
        let baseline = baseline_of(row);
        let kind = self.kind(row, now)?;
        let name = change_set_name(self.owner, input, &baseline);
        let set = SetRef::Name(name.clone());
        let look =
            || ask(facts, Effect::Look(Look::ChangeSet(key.clone(), set.clone(), access.clone())), now);
        let (found, as_of, times) = match facts.change_sets.get(&(key.clone(), set.clone())) {
            None | Some(Looked { seen: Seen::Unknown, .. }) => return Err(look()),
            Some(Looked { seen: Seen::Absent(_), .. })
                if facts.empty.contains(&(key.clone(), name.clone())) =>
            {
                return Ok(self.unchanged(baseline));
            }
            // A look from long ago says nothing of now.
            Some(Looked { seen: Seen::Absent(at), .. }) if now.duration_since(*at) > FRESH => {
                return Err(look());
            }
            Some(Looked { seen: Seen::Absent(_), .. }) => {
                return Err(ask(facts, Effect::Mutate(make(kind, name)), now));
            }
            Some(Looked { seen: Seen::Present(found, at), times }) => (found, *at, *times),
        };
        // CloudFormation keeps it until somebody deletes it; a look now and then sees when that was done.
        let expires = as_of.saturating_add(STUCK_FRESH).unwrap_or(as_of);
        let stuck = |reason, what: String| {
            if now >= expires { look() } else { Need::Stuck(reason, what, Some(expires)) }
        };
        if !self.proof.proves(&found.description, found.name.as_str(), input) {
            return Err(stuck(
                Reason::StackNotOurs,
                format!(
                    "change set {} of stack {key} was not made by this installation: delete it",
                    found.name
                ),
            ));
        }
        let again = look_again_at(as_of, times);
        let look_later = |what: String| {
            if now >= again { look() } else { Need::Wait(Reason::Planning, what, Some(again)) }
        };
        match found.state() {
            // Whoever remembers one from long ago may not have seen it go.
            SetState::Ready if now.duration_since(as_of) > FRESH => Err(look()),
            SetState::Ready => {
                let inside = content(facts, key, found, access, now)?;
                Ok(Prepared {
                    plan: PlannedAs::Prepared,
                    leaf: leaf(key, input, &baseline, found, inside),
                    baseline,
                    changes: found.changes.iter().chain(&inside.changes).cloned().collect(),
                    warnings: warnings_of(found, inside),
                    set: Some(found.clone()),
                    content: inside.clone(),
                })
            }
            SetState::Preparing => Err(look_later(format!("CloudFormation prepares {}", found.name))),
            SetState::Gone => Err(look_later(format!("deleted change set {} is going", found.name))),
            // An empty one has said what it can.
            SetState::Empty | SetState::Obsolete | SetState::Executed => {
                let why = format!("{} says what it can", found.name);
                Err(self.taken_away(found, &why, now))
            }
            SetState::Failed => Err(stuck(
                Reason::PlanFailed,
                if quiet {
                    format!(
                        "change set {} of stack {key} failed: {UNSHOWN}; who may can see it: aws cloudformation describe-change-set \
                         --region {} --change-set-name {}",
                        found.name, key.env.region, found.arn
                    )
                } else {
                    format!("change set {} of stack {key} failed: {}", found.name, found.reason)
                },
            )),
            SetState::Executing => Err(Need::Wait(
                Reason::StackBusy,
                format!("somebody executes change set {} of stack {key} by hand", found.name),
                now.saturating_add(SignedDuration::from_secs(5)).ok(),
            )),
        }
    }
}
