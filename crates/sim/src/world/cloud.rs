//! CloudFormation: stacks, what is deployed in them, and the operations that run.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use stackgate_core::{
    bundle::Template,
    change::Hidden,
    stack::{DriftStatus, ExecutionStatus, FailedResource, StackRow, StackStatus},
    words::{AccountId, ChangeSetArn, Digest, StackId, StackKey},
};

use super::change_set::ChangeSet;

/// All stacks of all accounts.
#[derive(Clone, Debug, Default)]
pub struct Cloud {
    /// The stacks that are there, by name.
    pub stacks: BTreeMap<StackKey, Stack>,
    /// How often what is deployed under a name was changed, by anybody; survives deletion.
    pub versions: BTreeMap<StackKey, u64>,
    /// How often others have changed it.
    pub others: BTreeMap<StackKey, u64>,
    /// The stacks that somebody else changed or deleted after our last execution.
    pub meddled: BTreeSet<StackKey>,
    /// The change sets that somebody else has executed.
    pub by_hand: BTreeSet<ChangeSetArn>,
    /// The stacks whose last execution is not recorded as settled yet.
    pub unrecorded: BTreeSet<StackKey>,
    /// Rows from before the last change, and how many reads they are still told for.
    pub stale: BTreeMap<StackKey, (Option<StackRow>, u64)>,
    /// How often somebody has changed what the change sets of a stack draw in from outside their template.
    pub outside: BTreeMap<StackKey, u64>,
    /// The account whose CloudFormation does not answer.
    pub silent: Option<AccountId>,
    /// Whether whatever is deleted cannot be.
    pub keeps: bool,
    /// Numbers ids.
    pub count: u64,
}

/// What a template deploys.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// The template.
    pub template: Arc<Template>,
    /// The digest of its bytes.
    pub digest: Digest,
    /// The values of its parameters.
    pub given: BTreeMap<String, Hidden>,
}

impl Deployed {
    /// The parameters that CloudFormation masks.
    pub fn masked(&self) -> impl Iterator<Item = &String> {
        let masks = |name: &&String| self.template.parameters.get(*name).is_some_and(|p| p.no_echo);
        self.given.keys().filter(masks)
    }

    /// As failures are told: CloudFormation repeats values, those that it masks elsewhere, too.
    pub fn repeated(&self, what: &str) -> String {
        let values = self.given.iter().map(|(name, value)| format!(", {name} is {}", value.reveal()));
        what.to_owned() + &values.collect::<String>()
    }
}

/// A stack.
#[derive(Clone, Debug)]
pub struct Stack {
    /// Its id.
    pub id: StackId,
    /// Its status.
    pub status: StackStatus,
    /// When its last operation began, or when it was made.
    pub updated: Timestamp,
    /// What is deployed; nothing in a stack that has never lived.
    pub deployed: Option<Deployed>,
    /// Its change sets.
    pub sets: Vec<ChangeSet>,
    /// The operation that runs.
    pub running: Option<Operation>,
    /// When it is gone, while it is being deleted.
    pub gone: Option<Timestamp>,
    /// The first failed resource of the last operation.
    pub failure: Option<FailedResource>,
    /// Whether it is protected against deletion.
    pub protected: bool,
    /// Whether somebody has changed a resource past the stack.
    pub tampered: bool,
    /// Whether its outputs have a condition that does not hold: it exports nothing, and who imports asks for that elsewhere only.
    pub withholds: bool,
    /// What came of the last detection of drift, and when.
    pub drift: Option<(DriftStatus, Timestamp)>,
    /// The detection that goes on, and its end.
    pub detection: Option<(String, Timestamp)>,
    /// Whether an execution by a controller made it.
    pub ours: bool,
    /// When the last execution by a controller began.
    pub updated_by_us: Timestamp,
}

/// An operation that runs.
#[derive(Clone, Debug)]
pub struct Operation {
    /// When the present phase ends.
    pub ends: Timestamp,
    /// What it deploys.
    pub to: Deployed,
    /// The change set, unless somebody updates the stack directly.
    pub set: Option<ChangeSetArn>,
    /// Whether it fails.
    pub fails: bool,
}

impl Stack {
    /// Whether no operation runs and another can begin.
    #[must_use]
    pub fn is_stable(&self) -> bool {
        use StackStatus as S;
        matches!(self.status, S::CreateComplete | S::UpdateComplete | S::UpdateRollbackComplete)
    }

    /// What DescribeStacks says.
    #[must_use]
    pub fn row(&self) -> StackRow {
        let deployed = self.deployed.as_ref().filter(|_| !self.withholds);
        let exports = deployed.map(|d| d.template.exports.literal.clone()).unwrap_or_default();
        StackRow {
            id: self.id.clone(),
            status: self.status,
            updated: self.updated,
            exports,
            parameters: self.deployed.iter().flat_map(|d| d.given.keys().cloned()).collect(),
            masked: self.deployed.iter().flat_map(|d| d.masked().cloned()).collect(),
            protected: self.protected,
            role: None,
            drift: self.drift,
            change_sets: (self.status == StackStatus::ReviewInProgress)
                .then(|| u32::try_from(self.sets.len()).unwrap_or(u32::MAX)),
        }
    }
}

impl Cloud {
    /// Remembers a row that reads may still show after the change that follows.
    pub fn about_to_change(&mut self, key: &StackKey, reads: u64) {
        let row = self.stacks.get(key).map(Stack::row);
        if reads > 0 {
            self.stale.insert(key.clone(), (row, reads));
        }
    }

    /// A read of a row, which may be behind.
    pub fn read(&mut self, key: &StackKey) -> Option<StackRow> {
        if let Some((row, left)) = self.stale.get_mut(key)
            && *left > 0
        {
            *left -= 1;
            return row.clone();
        }
        self.stacks.get(key).map(Stack::row)
    }

    /// How often what is deployed under this name was changed.
    #[must_use]
    pub fn version(&self, key: &StackKey) -> u64 {
        self.versions.get(key).copied().unwrap_or(0)
    }

    /// Begins to delete a stack. One that never came to be is gone at once.
    pub fn delete(&mut self, key: &StackKey, takes: SignedDuration, now: Timestamp) {
        match self.stacks.get_mut(key) {
            Some(stack) if stack.status != StackStatus::ReviewInProgress => {
                stack.status = StackStatus::DeleteInProgress;
                stack.gone = now.checked_add(takes).ok();
            }
            Some(_) | None => {
                self.stacks.remove(key);
            }
        }
    }

    /// Begins an operation on a stack that allows it.
    pub fn begin(&mut self, key: &StackKey, operation: Operation, now: Timestamp) {
        let Some(stack) = self.stacks.get_mut(key) else { return };
        stack.status = if stack.deployed.is_none() {
            StackStatus::CreateInProgress
        } else {
            StackStatus::UpdateInProgress
        };
        stack.updated = now;
        stack.failure = None;
        for set in &mut stack.sets {
            if Some(&set.arn) == operation.set.as_ref() {
                set.execution = ExecutionStatus::ExecuteInProgress;
            } else if set.execution != ExecutionStatus::ExecuteComplete {
                set.obsolete = true;
            }
        }
        stack.running = Some(operation);
        *self.versions.entry(key.clone()).or_default() += 1;
    }

    /// Somebody else has changed it.
    pub fn changed_by_others(&mut self, key: &StackKey) {
        self.meddled.insert(key.clone());
        *self.others.entry(key.clone()).or_default() += 1;
    }

    /// When the next operation or preparation ends.
    #[must_use]
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let running = self.stacks.values().filter_map(|s| s.running.as_ref().map(|o| o.ends));
        let going = self.stacks.values().filter_map(|s| s.gone);
        let preparing = self.stacks.values().flat_map(|s| s.sets.iter().map(|c| c.ready));
        running.chain(going).chain(preparing.filter(|t| *t > now)).min()
    }

    /// Ends what has ended by now. The keys of the stacks that changed, with their rows of before.
    pub fn settle(&mut self, now: Timestamp) -> Vec<(StackKey, StackRow)> {
        let mut changed = Vec::new();
        for (key, stack) in
            self.stacks.iter_mut().filter(|(_, s)| self.keeps && s.gone.is_some_and(|at| at <= now))
        {
            changed.push((key.clone(), stack.row()));
            stack.status = StackStatus::DeleteFailed;
            stack.gone = None;
            stack.failure = Some(FailedResource {
                logical_id: "Function".to_owned(),
                resource_type: "AWS::Lambda::Function".to_owned(),
                reason: "chosen to stay".to_owned(),
            });
        }
        let gone = self.stacks.extract_if(.., |_, s| s.gone.is_some_and(|at| at <= now));
        changed.extend(gone.map(|(key, stack)| (key, stack.row())));
        for (key, stack) in &mut self.stacks {
            let Some(mut op) = stack.running.take() else { continue };
            if op.ends > now {
                stack.running = Some(op);
                continue;
            }
            changed.push((key.clone(), stack.row()));
            let create = stack.deployed.is_none();
            let rolling_back = matches!(
                stack.status,
                StackStatus::RollbackInProgress | StackStatus::UpdateRollbackInProgress
            );
            if op.fails && !rolling_back {
                stack.status = if create {
                    StackStatus::RollbackInProgress
                } else {
                    StackStatus::UpdateRollbackInProgress
                };
                stack.failure = Some(FailedResource {
                    logical_id: "Bucket".to_owned(),
                    resource_type: "AWS::S3::Bucket".to_owned(),
                    reason: op.to.repeated("chosen to fail"),
                });
                op.ends = now.saturating_add(SignedDuration::from_secs(4)).unwrap_or(now);
                stack.running = Some(op);
                continue;
            }
            stack.status = match (create, op.fails) {
                (true, false) => StackStatus::CreateComplete,
                (true, true) => StackStatus::RollbackComplete,
                (false, false) => StackStatus::UpdateComplete,
                (false, true) => StackStatus::UpdateRollbackComplete,
            };
            for set in stack.sets.iter_mut().filter(|s| Some(&s.arn) == op.set.as_ref()) {
                set.execution =
                    if op.fails { ExecutionStatus::ExecuteFailed } else { ExecutionStatus::ExecuteComplete };
            }
            if !op.fails {
                stack.deployed = Some(op.to);
            }
        }
        changed
    }

    /// Whether an export of this stack is imported by another.
    #[must_use]
    pub fn is_imported(&self, key: &StackKey) -> bool {
        let Some(exports) = self.stacks.get(key).map(|s| s.row().exports) else { return false };
        self.stacks.iter().any(|(other, s)| {
            let imports = |d: &Deployed| d.template.imports.literal.iter().any(|n| exports.contains(n));
            other != key
                && (s.deployed.as_ref().is_some_and(imports)
                    || s.running.as_ref().is_some_and(|o| imports(&o.to)))
        })
    }

    /// Whether everything that a template imports is exported in its environment.
    pub fn missing_import<'a>(&self, key: &StackKey, template: &'a Template) -> Option<&'a String> {
        template.imports.literal.iter().find(|name| {
            let exports =
                |s: &Stack| s.deployed.as_ref().is_some_and(|d| d.template.exports.literal.contains(*name));
            !self.stacks.iter().any(|(k, s)| k.env == key.env && exports(s))
        })
    }
}
