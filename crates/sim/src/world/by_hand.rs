//! What other people do in AWS and to AwsAccounts, past Stackgate.

use std::sync::Arc;

use jiff::SignedDuration;
use stackgate_core::{
    api::NamespaceGrant,
    effect::SetRef,
    stack::{ExecutionStatus, StackStatus},
    words::{AccountId, Digest, StackKey},
};

use super::{Deployed, NAMESPACE, Object, ObjectKey, Operation, World};
use crate::bundle::QUALIFIER;

impl World {
    /// Somebody does something at random.
    pub fn meddle(&mut self) {
        let keys: Vec<StackKey> = self.cloud.stacks.keys().cloned().collect();
        let place = self.luck.random.place(keys.len());
        let Some(key) = keys.get(place).cloned() else { return };
        match self.luck.random.below(10) {
            0 => self.update_by_hand(&key),
            1 => self.update_in_vain_by_hand(&key),
            2 => self.delete_by_hand(&key),
            3 => self.delete_set_by_hand(&key),
            4 => self.replace_set_by_hand(&key),
            5 => self.execute_by_hand(&key),
            6 => {
                // An SSM parameter, a macro, a nested template, a hook: and often the change set has to be made again.
                self.change_outside(&key);
                if self.luck.random.chance(700) {
                    self.delete_set_by_hand(&key);
                }
            }
            7 => {
                let is = self.luck.random.chance(500);
                self.tamper(&key, is);
            }
            _ => {
                let there = !self.withdrawn.contains_key(&key.env.account);
                if there {
                    self.moment += 1;
                    self.withdrawn.insert(key.env.account.clone(), self.moment);
                } else {
                    self.withdrawn.remove(&key.env.account);
                }
                self.grant(&key.env.account, !there);
            }
        }
    }

    /// Grants an account to the namespace, or takes the grant away.
    pub fn grant(&mut self, account: &AccountId, give: bool) {
        self.tell(|| format!("  [people] grant of {account}: {give}"));
        let found = self.cluster.objects.0.values().find_map(|o| match o {
            Object::Account(a) if a.spec.account_id == *account => Some(Arc::clone(a)),
            _ => None,
        });
        let Some(mut object) = found else { return };
        let grants = &mut Arc::make_mut(&mut object).spec.allowed_namespaces;
        grants.clear();
        if give {
            grants.push(NamespaceGrant {
                name: NAMESPACE.to_owned(),
                qualifiers: QUALIFIER.parse().into_iter().collect(),
                stack_names: vec!["*".to_owned()],
                assembly_buckets: Vec::new(),
                assembly_role_arn: None,
                allow: Vec::new(),
            });
        }
        self.cluster.put(Object::Account(object));
    }

    /// Whether somebody may update it by hand: not between the end of our own execution and its record. Such an update is
    /// recorded as ours, since nothing that DescribeStacks always tells sets the two apart (docs/adr/0003).
    fn may_be_updated(&self, key: &StackKey) -> bool {
        !self.cloud.unrecorded.contains(key)
            && self.cloud.stacks.get(key).is_some_and(super::Stack::is_stable)
    }

    fn begin_by_hand(&mut self, key: &StackKey, to: Deployed) {
        let reads = self.stale_reads();
        self.cloud.about_to_change(key, reads);
        let ends = self.now.saturating_add(SignedDuration::from_secs(3)).unwrap_or(self.now);
        self.cloud.begin(key, Operation { ends, to, set: None, fails: false }, self.now);
        self.cloud.changed_by_others(key);
    }

    /// UpdateStack with another property.
    pub fn update_by_hand(&mut self, key: &StackKey) {
        let Some(stack) = self.cloud.stacks.get(key).filter(|_| self.may_be_updated(key)) else { return };
        let Some(mut to) = stack.deployed.clone() else { return };
        let template = Arc::make_mut(&mut to.template);
        let Some(resource) = template.resources.values_mut().next() else { return };
        resource.body["Properties"]["Hand"] = serde_json::json!(self.moment);
        template.json["ByHand"] = serde_json::json!(self.moment);
        to.digest = Digest::of(format!("by hand {}", self.moment));
        self.tell(|| format!("  [people] update {key} by hand"));
        self.begin_by_hand(key, to);
    }

    /// UpdateStack that changes nothing but the time of the last update.
    pub fn update_in_vain_by_hand(&mut self, key: &StackKey) {
        let Some(stack) = self.cloud.stacks.get(key).filter(|_| self.may_be_updated(key)) else { return };
        let Some(to) = stack.deployed.clone() else { return };
        self.tell(|| format!("  [people] update {key} by hand, in vain"));
        self.begin_by_hand(key, to);
    }

    /// DeleteStack of one that runs nothing and that nobody imports from.
    pub fn delete_by_hand(&mut self, key: &StackKey) {
        let idle = |s: &super::Stack| s.running.is_none();
        if self.cloud.stacks.get(key).is_some_and(idle) && !self.cloud.is_imported(key) {
            self.tell(|| format!("  [people] delete {key} by hand"));
            let reads = self.stale_reads();
            self.cloud.about_to_change(key, reads);
            let Some(stack) = self.cloud.stacks.remove(key) else { return };
            if stack.deployed.is_none() {
                return;
            }
            self.cloud.changed_by_others(key);
            *self.cloud.versions.entry(key.clone()).or_default() += 1;
        }
    }

    fn some_set(&mut self, key: &StackKey) -> Option<SetRef> {
        let sets = &self.cloud.stacks.get(key)?.sets;
        let place = self.luck.random.place(sets.len());
        sets.get(place).map(|s| SetRef::Arn(s.arn.clone()))
    }

    /// Changes something that change sets of this stack draw in. Those that are made already keep what they have.
    pub fn change_outside(&mut self, key: &StackKey) {
        self.tell(|| format!("  [people] change what change sets of {key} draw in"));
        *self.cloud.outside.entry(key.clone()).or_default() += 1;
    }

    fn delete_set_by_hand(&mut self, key: &StackKey) {
        if let Some(set) = self.some_set(key) {
            self.tell(|| format!("  [people] delete a change set of {key} by hand"));
            if let Ok(Some(deleted)) = self.cloud.delete_set(key, &set)
                && deleted.execution != ExecutionStatus::Available
            {
                // With it the only proof goes that this was ours.
                self.cloud.meddled.insert(key.clone());
            }
        }
    }

    /// Deletes a change set that waits and makes another of the same name, that deploys something else.
    fn replace_set_by_hand(&mut self, key: &StackKey) {
        let now = self.now;
        let Some(stack) = self.cloud.stacks.get_mut(key) else { return };
        let version = self.cloud.versions.get(key).copied().unwrap_or(0);
        self.cloud.count += 1;
        let n = self.cloud.count;
        let Some(set) = stack.sets.iter_mut().find(|s| s.is_available(now)) else { return };
        let arn = set.arn.as_str().rsplit_once('/').map(|(start, _)| format!("{start}/{n:08}"));
        let Some(Ok(arn)) = arn.map(|a| a.parse()) else { return };
        set.arn = arn;
        set.description = "by hand".to_owned();
        set.token = "by hand".to_owned();
        set.version = version;
        self.tell(|| format!("  [people] replace a change set of {key} by hand"));
    }

    /// Executes a change set of a stack that is there.
    fn execute_by_hand(&mut self, key: &StackKey) {
        let is_review = |s: &super::Stack| s.status == StackStatus::ReviewInProgress;
        if self.cloud.stacks.get(key).is_none_or(is_review) || !self.may_be_updated(key) {
            return;
        }
        let Some(set) = self.some_set(key) else { return };
        let takes = SignedDuration::from_secs(3);
        if let Ok(executed) = self.cloud.execute_set(key, &set, takes, false, self.now) {
            if self.claimed_in(&executed.arn).is_some() {
                self.cloud.unrecorded.insert(key.clone());
            }
            self.tell(|| format!("  [people] execute a change set of {key} by hand"));
            self.cloud.by_hand.insert(executed.arn);
            self.cloud.changed_by_others(key);
        }
    }

    /// Somebody mends what only a person can: stacks that never lived, stacks that are not ours, failed change sets.
    pub fn mend(&mut self, complaint: &str) {
        let now = self.now;
        let keys: Vec<StackKey> = self.cloud.stacks.keys().cloned().collect();
        for key in keys.iter().filter(|k| complaint.contains(&k.to_string())) {
            let Some(stack) = self.cloud.stacks.get_mut(key) else { continue };
            let failed = |s: &super::ChangeSet| now >= s.ready && s.failure.is_some() && !s.empty;
            let foreign = |s: &super::ChangeSet| s.description == "by hand";
            let before = stack.sets.len();
            stack.sets.retain(|s| !failed(s) && !foreign(s));
            if stack.sets.len() == before && stack.status != StackStatus::ReviewInProgress {
                if self.cloud.unrecorded.contains(key) {
                    continue; // The complaint is an old one: Stackgate works on it.
                }
                self.delete_by_hand(key);
            } else {
                self.tell(|| format!("  [people] delete failed or foreign change sets of {key}"));
            }
        }
    }

    /// Whether an object of that key is there.
    #[must_use]
    pub fn has(&self, key: &ObjectKey) -> bool {
        self.cluster.objects.0.contains_key(key)
    }
}
