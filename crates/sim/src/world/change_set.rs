//! Change sets: made, read, executed and deleted as CloudFormation does it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use stackgate_core::{
    bundle::{DifferenceKind, ResourceDifference, difference},
    change::Hidden,
    effect::{Refusal, RefusalKind, SetRef, WantedChangeSet},
    stack::{
        Change, ChangeSetKind, ChangeSetRow, ChangeSetStatus, ExecutionStatus, SetContent, StackStatus,
        ValueSource,
    },
    words::{ChangeSetArn, ChangeSetName, Digest, StackId, StackKey},
};

use super::cloud::{Cloud, Deployed, Operation, Stack};

/// A change set.
#[derive(Clone, Debug)]
pub struct ChangeSet {
    /// Its ARN.
    pub arn: ChangeSetArn,
    /// Its name.
    pub name: ChangeSetName,
    /// Its description.
    pub description: String,
    /// The token that it was made with.
    pub token: String,
    /// When it was made.
    pub created: Timestamp,
    /// When its preparation ends.
    pub ready: Timestamp,
    /// Why it cannot be made, if so.
    pub failure: Option<String>,
    /// Whether it contains nothing.
    pub empty: bool,
    /// Whether it was, or is being, executed.
    pub execution: ExecutionStatus,
    /// Whether the stack has changed since.
    pub obsolete: bool,
    /// What it changes.
    pub changes: Vec<Change>,
    /// The values of its parameters, hidden.
    pub parameters: BTreeMap<String, Digest>,
    /// What else it holds.
    pub content: SetContent,
    /// What it deploys.
    pub to: Deployed,
    /// The stack's version that it builds on.
    pub version: u64,
}

impl ChangeSet {
    /// Whether it can be executed now.
    #[must_use]
    pub fn is_available(&self, now: Timestamp) -> bool {
        now >= self.ready
            && self.failure.is_none()
            && !self.obsolete
            && self.execution == ExecutionStatus::Available
    }

    /// What DescribeChangeSet says.
    #[must_use]
    pub fn row(&self, stack: &StackId, now: Timestamp) -> ChangeSetRow {
        let (status, execution) = match (&self.failure, now >= self.ready) {
            (_, false) => (ChangeSetStatus::CreateInProgress, ExecutionStatus::Unavailable),
            (Some(_), true) => (ChangeSetStatus::Failed, ExecutionStatus::Unavailable),
            (None, true) if self.obsolete && self.execution == ExecutionStatus::Available => {
                (ChangeSetStatus::CreateComplete, ExecutionStatus::Obsolete)
            }
            (None, true) => (ChangeSetStatus::CreateComplete, self.execution),
        };
        ChangeSetRow {
            arn: self.arn.clone(),
            name: self.name.clone(),
            stack_id: stack.clone(),
            created: self.created,
            status,
            execution,
            empty: self.empty && status == ChangeSetStatus::Failed,
            reason: self.failure.clone().unwrap_or_default(),
            description: self.description.clone(),
            changes: if status == ChangeSetStatus::CreateComplete {
                self.changes.clone()
            } else {
                Vec::new()
            },
            parameters: self.parameters.clone(),
            nested: BTreeMap::new(),
        }
    }

    fn is(&self, set: &SetRef) -> bool {
        match set {
            SetRef::Name(n) => self.name == *n,
            SetRef::Arn(a) => self.arn == *a,
        }
    }
}

/// What is chosen by the schedule about a change set that is being made.
#[derive(Clone, Copy, Debug)]
pub struct Fate {
    /// How long its preparation takes.
    pub takes: SignedDuration,
    /// Whether it fails without a reason of its own.
    pub fails: bool,
}

impl Cloud {
    /// Finds a change set.
    #[must_use]
    pub fn set(&self, key: &StackKey, set: &SetRef) -> Option<(&Stack, &ChangeSet)> {
        let stack = self.stacks.get(key)?;
        stack.sets.iter().find(|s| s.is(set)).map(|s| (stack, s))
    }

    /// CreateChangeSet.
    pub fn create_set(
        &mut self,
        wanted: &WantedChangeSet,
        to: Deployed,
        fate: Fate,
        now: Timestamp,
    ) -> Result<(ChangeSetArn, StackId), Refusal> {
        let key = &wanted.key;
        let refuse = |kind, message: &str| Err(Refusal { kind, message: message.to_owned() });
        let there = self.stacks.get(key);
        if let Some(stack) = there
            && let Some(same) = stack.sets.iter().find(|s| s.name == wanted.name)
        {
            return if same.token == wanted.token {
                Ok((same.arn.clone(), stack.id.clone()))
            } else {
                refuse(RefusalKind::AlreadyExists, "a change set of that name exists")
            };
        }
        match (wanted.kind, there) {
            (ChangeSetKind::Create, None) => {
                let id = self.new_id(key);
                self.stacks.insert(key.clone(), empty_stack(id, now));
            }
            (ChangeSetKind::Create, Some(s)) if s.status == StackStatus::ReviewInProgress => {}
            (ChangeSetKind::Create, Some(_)) => {
                return refuse(RefusalKind::AlreadyExists, "the stack exists already");
            }
            (ChangeSetKind::Update, None) => {
                return refuse(RefusalKind::NotFound, "the stack does not exist");
            }
            (ChangeSetKind::Update, Some(s)) if s.is_stable() => {}
            (ChangeSetKind::Update, Some(_)) => {
                return refuse(RefusalKind::Conflict, "the stack is in the wrong state");
            }
        }
        self.count += 1;
        let arn = change_set_arn(key, &wanted.name, self.count);
        let missing = self.missing_import(key, &to.template).map(|n| format!("No export named {n} found"));
        let version = self.version(key);
        let (parameters, content) = drawn_in(&to, self.outside.get(key).copied().unwrap_or(0));
        let Some(stack) = self.stacks.get_mut(key) else {
            return refuse(RefusalKind::NotFound, "the stack does not exist");
        };
        let old = stack.deployed.as_ref();
        let empty = old.is_some_and(|d| d.template.json == to.template.json && d.given == to.given);
        let failure = if empty {
            Some("The submitted information didn't contain changes.".to_owned())
        } else {
            missing.or_else(|| fate.fails.then(|| to.repeated("chosen to fail")))
        };
        stack.sets.push(ChangeSet {
            arn: arn.clone(),
            name: wanted.name.clone(),
            description: wanted.description.clone(),
            token: wanted.token.clone(),
            created: now,
            ready: now.saturating_add(fate.takes).unwrap_or(now),
            empty,
            failure,
            execution: ExecutionStatus::Available,
            obsolete: false,
            changes: changes(old, &to),
            parameters,
            content,
            to,
            version,
        });
        Ok((arn, stack.id.clone()))
    }

    /// The values of the parameters: as they are given, else as the stack has them.
    #[must_use]
    pub fn given(&self, wanted: &WantedChangeSet) -> BTreeMap<String, Hidden> {
        let old = self.stacks.get(&wanted.key).and_then(|s| s.deployed.as_ref());
        let kept = |name: &String| old?.given.get(name).cloned();
        let values = wanted.parameters.iter();
        values
            .filter_map(|(name, value)| Some((name.clone(), value.clone().or_else(|| kept(name))?)))
            .collect()
    }

    /// ExecuteChangeSet.
    pub fn execute_set(
        &mut self,
        key: &StackKey,
        set: &SetRef,
        takes: SignedDuration,
        fails: bool,
        now: Timestamp,
    ) -> Result<ChangeSet, Refusal> {
        let refuse = |kind, message: &str| Refusal { kind, message: message.to_owned() };
        let (stack, found) =
            self.set(key, set).ok_or_else(|| refuse(RefusalKind::NotFound, "no such change set"))?;
        let review = stack.status == StackStatus::ReviewInProgress;
        if !found.is_available(now) || !(review || stack.is_stable()) {
            return Err(refuse(RefusalKind::Conflict, "the change set cannot be executed in its state"));
        }
        let found = found.clone();
        let ends = now.saturating_add(takes).unwrap_or(now);
        let operation = Operation { ends, to: found.to.clone(), set: Some(found.arn.clone()), fails };
        self.begin(key, operation, now);
        Ok(found)
    }

    /// DeleteChangeSet. What is not there is deleted already; what runs cannot be deleted.
    pub fn delete_set(&mut self, key: &StackKey, set: &SetRef) -> Result<Option<ChangeSet>, Refusal> {
        let Some(stack) = self.stacks.get_mut(key) else { return Ok(None) };
        let Some(place) = stack.sets.iter().position(|s| s.is(set)) else { return Ok(None) };
        if stack.sets.get(place).is_some_and(|s| s.execution == ExecutionStatus::ExecuteInProgress) {
            return Err(Refusal { kind: RefusalKind::Conflict, message: "it is being executed".to_owned() });
        }
        Ok(Some(stack.sets.remove(place)))
    }

    fn new_id(&mut self, key: &StackKey) -> StackId {
        self.count += 1;
        stack_id(key, self.count)
    }
}

fn empty_stack(id: StackId, now: Timestamp) -> Stack {
    Stack {
        id,
        status: StackStatus::ReviewInProgress,
        updated: now,
        deployed: None,
        sets: Vec::new(),
        running: None,
        gone: None,
        failure: None,
        protected: false,
        tampered: false,
        withholds: false,
        drift: None,
        detection: None,
        ours: false,
        updated_by_us: now,
    }
}

#[expect(clippy::expect_used, reason = "made of words that are valid already")]
fn stack_id(key: &StackKey, n: u64) -> StackId {
    let text =
        format!("arn:aws:cloudformation:{}:{}:stack/{}/{n:08}", key.env.region, key.env.account, key.name);
    text.parse().expect("a StackId")
}

#[expect(clippy::expect_used, reason = "made of words that are valid already")]
fn change_set_arn(key: &StackKey, name: &ChangeSetName, n: u64) -> ChangeSetArn {
    let text =
        format!("arn:aws:cloudformation:{}:{}:changeSet/{name}/{n:08}", key.env.region, key.env.account);
    text.parse().expect("a change set ARN")
}

/// What a change set draws in from outside its template: the values behind its parameters, what its template becomes, what
/// lies in nested stacks, what hooks say. `outside` counts how often somebody has changed any of it, in turns.
fn drawn_in(to: &Deployed, outside: u64) -> (BTreeMap<String, Digest>, SetContent) {
    let times = |turn: u64| (outside + 4 - turn) / 4;
    let vpc = ("Vpc".to_owned(), Digest::of(format!("vpc-{}", times(1))));
    let masked: BTreeSet<_> = to.masked().collect();
    let told = |(name, value): (&String, &Hidden)| {
        let value = if masked.contains(name) { "****" } else { value.reveal() };
        (name.clone(), Digest::of(value))
    };
    let parameters = to.given.iter().map(told).chain([vpc]).collect();
    let inside = Change {
        logical_id: "Inside/Rule".to_owned(),
        resource_type: "AWS::EC2::SecurityGroupIngress".to_owned(),
        action: "Modify".to_owned(),
        replacement: "False".to_owned(),
        policy_action: String::new(),
        scope: BTreeSet::from(["Properties".to_owned()]),
        details: BTreeSet::new(),
        values: Some(Digest::of(format!("rule {}", times(3)))),
    };
    let content = SetContent {
        processed: BTreeMap::from([(String::new(), Digest::of(format!("{} {}", to.digest, times(2))))]),
        changes: if times(3) > 0 { vec![inside] } else { Vec::new() },
        parameters: BTreeMap::new(),
        warnings: (times(4) > 0)
            .then(|| format!("hook Shop::Net::Check (WARN): finding {}", times(4)))
            .into_iter()
            .collect(),
        deployed: BTreeMap::new(),
    };
    (parameters, content)
}

/// The change list between what is deployed and what is wanted.
fn changes(old: Option<&Deployed>, new: &Deployed) -> Vec<Change> {
    let body = |d: Option<&Deployed>, id: &str| {
        let body = d.and_then(|d| d.template.resources.get(id)).map(|r| r.body.to_string());
        body.map(|body| filled_in(body, d)).unwrap_or_default()
    };
    let mut differences = difference(old.map(|d| &*d.template), &new.template);
    // Where a value differs, whatever refers to it does.
    let refers = new.template.resources.iter().filter(|(id, _)| {
        old.is_some_and(|d| d.template.resources.contains_key(*id))
            && body(old, id) != body(Some(new), id)
            && differences.iter().all(|d| d.logical_id != **id)
    });
    let refers: Vec<_> = refers
        .map(|(id, r)| ResourceDifference {
            logical_id: id.clone(),
            resource_type: r.resource_type.clone(),
            kind: DifferenceKind::Modify,
        })
        .collect();
    differences.extend(refers);
    differences
        .into_iter()
        .map(|d| {
            let modify = d.kind == DifferenceKind::Modify;
            let values = format!("{}\n{}", body(old, &d.logical_id), body(Some(new), &d.logical_id));
            let property = ValueSource {
                attribute: "Properties".to_owned(),
                name: "Value".to_owned(),
                requires_recreation: "Never".to_owned(),
                evaluation: "Static".to_owned(),
                change_source: "DirectModification".to_owned(),
                causing_entity: String::new(),
            };
            let replaces = d.resource_type == "AWS::SSM::Parameter";
            Change {
                logical_id: d.logical_id,
                resource_type: d.resource_type,
                action: d.kind.as_str().to_owned(),
                replacement: match (modify, replaces) {
                    (true, true) => "True".to_owned(),
                    (true, false) => "False".to_owned(),
                    (false, _) => String::new(),
                },
                policy_action: if d.kind == DifferenceKind::Remove {
                    "Delete".to_owned()
                } else {
                    String::new()
                },
                scope: if modify { BTreeSet::from(["Properties".to_owned()]) } else { BTreeSet::new() },
                details: if modify { BTreeSet::from([property]) } else { BTreeSet::new() },
                values: modify.then(|| Digest::of(values)),
            }
        })
        .collect()
}

/// The text of a resource with the values that it refers to, as digests.
fn filled_in(mut body: String, with: Option<&Deployed>) -> String {
    for (name, value) in with.into_iter().flat_map(|d| &d.given) {
        body = body.replace(&format!(r#"{{"Ref":"{name}"}}"#), &Digest::of(value.reveal()).to_string());
    }
    body
}
