//! Which passes a change of an object wakes.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, ResourceExt};
use stackgate_core::{
    api::{
        AssemblySource, AwsAccount, Bootstrap, ChangePlan, CloudAssembly, Freeze, LABEL_BOOTSTRAP,
        LABEL_STAGE, Stage,
    },
    cluster::ClusterView,
};

use super::stores::Stores;
use crate::queue::{Key, Kind};

/// How an object was and how it is; one of the two is there.
#[derive(Debug)]
pub struct Change<'a, K> {
    /// As it was; absent: it is new.
    pub before: Option<&'a K>,
    /// As it is; absent: it is gone.
    pub after: Option<&'a K>,
}

impl<K> Clone for Change<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Change<'_, K> {}

impl<'a, K: Resource> Change<'a, K> {
    fn versions(self) -> impl Iterator<Item = &'a K> {
        self.before.into_iter().chain(self.after)
    }

    /// Whether more than the status changed. The generation counts every change outside metadata and status.
    fn is_of_more_than_status(self) -> bool {
        match (self.before, self.after) {
            (Some(before), Some(after)) => comparable(before.meta()) != comparable(after.meta()),
            (Some(_), None) | (None, Some(_)) => true,
            (None, None) => false,
        }
    }
}

fn comparable(meta: &ObjectMeta) -> ObjectMeta {
    ObjectMeta { resource_version: None, managed_fields: None, ..meta.clone() }
}

/// A kind whose changes wake passes. The stores show the state after the change.
pub trait Trigger: Resource + Sized {
    /// The keys to wake.
    fn woken(change: Change<'_, Self>, stores: &Stores) -> BTreeSet<Key>;
}

impl Trigger for AwsAccount {
    /// Itself, those with the same account id (two of them: neither is used), what names any of these, all Bootstraps with their open
    /// plans, Freezes of accounts.
    fn woken(change: Change<'_, Self>, stores: &Stores) -> BTreeSet<Key> {
        if !change.is_of_more_than_status() {
            return own(Kind::AwsAccount, change).collect();
        }
        let ids: BTreeSet<_> = change.versions().map(|a| &a.spec.account_id).collect();
        let mut names: BTreeSet<String> = change.versions().map(ResourceExt::name_any).collect();
        names.extend(
            stores.accounts().iter().filter(|a| ids.contains(&a.spec.account_id)).map(|a| a.name_any()),
        );
        let stages = stores.all_stages();
        let stages = stages.iter().filter(|s| s.spec.accounts.iter().any(|a| names.contains(a)));
        let stages = stages.flat_map(|s| with_plans(stores, s));
        let assemblies = stores.all_assemblies();
        let assemblies = assemblies.iter().filter(|a| match &a.spec.source {
            AssemblySource::S3(source) => names.contains(&source.account),
        });
        let freezes = stores.freezes();
        let freezes = freezes.iter().filter(|f| f.spec.accounts.is_some());
        (names.iter().map(|n| Key::cluster(Kind::AwsAccount, n)))
            .chain(stores.bootstraps().iter().flat_map(|b| bootstrap_with_plans(stores, b)))
            .chain(freezes.map(|f| Key::of(Kind::Freeze, &**f)))
            .chain(stages)
            .chain(assemblies.map(|a| Key::of(Kind::CloudAssembly, &**a)))
            .collect()
    }
}

impl Trigger for Bootstrap {
    /// Itself, and all Stages: any of them may wait for a toolkit stack. Where more than its status is another one, its open plans, and
    /// the other Bootstraps: it may be in their way, or no longer is.
    fn woken(change: Change<'_, Self>, stores: &Stores) -> BTreeSet<Key> {
        let stages = stores.all_stages();
        let respecified = change.is_of_more_than_status();
        let others = if respecified { stores.bootstraps() } else { Vec::new() };
        let name = change.after.or(change.before).filter(|_| respecified).map(ResourceExt::name_any);
        let plans = name.map(|name| stores.open_plans_of_bootstrap(&name)).unwrap_or_default();
        own(Kind::Bootstrap, change)
            .chain(plans.iter().map(|p| Key::of(Kind::ChangePlan, &**p)))
            .chain(others.iter().map(|b| Key::of(Kind::Bootstrap, &**b)))
            .chain(stages.iter().map(|s| Key::of(Kind::Stage, &**s)))
            .collect()
    }
}

impl Trigger for CloudAssembly {
    /// Itself, and the Stages that refer to it: they read the release from its status.
    fn woken(change: Change<'_, Self>, stores: &Stores) -> BTreeSet<Key> {
        let mut keys: BTreeSet<Key> = own(Kind::CloudAssembly, change).collect();
        if let Some(object) = change.after.or(change.before)
            && let Some(namespace) = object.namespace()
        {
            let name = object.name_any();
            let stages = stores.stages(&namespace);
            let referring = stages.iter().filter(|s| s.spec.assembly_ref.name == name);
            keys.extend(referring.map(|s| Key::of(Kind::Stage, &**s)));
        }
        keys
    }
}

impl Trigger for Stage {
    /// Itself with its open plans, and every Stage downstream, however far: a circle is a matter of all that are in it.
    fn woken(change: Change<'_, Self>, stores: &Stores) -> BTreeSet<Key> {
        if !change.is_of_more_than_status() {
            return own(Kind::Stage, change).collect();
        }
        let Some(stage) = change.after.or(change.before) else { return BTreeSet::new() };
        let Some(namespace) = stage.namespace() else { return BTreeSet::new() };
        let downstream = Downstream::of(stores, &namespace);
        let mut found = BTreeSet::from([stage.name_any()]);
        let mut next = vec![stage.name_any()];
        while let Some(name) = next.pop() {
            for below in downstream.directly(&name) {
                if found.insert(below.to_owned()) {
                    next.push(below.to_owned());
                }
            }
        }
        let plans = stores.open_plans(&namespace, &stage.name_any());
        let plans = plans.iter().map(|p| Key::of(Kind::ChangePlan, &**p));
        found.into_iter().map(|name| Key::namespaced(Kind::Stage, &namespace, name)).chain(plans).collect()
    }
}

impl Trigger for Freeze {
    /// Itself, and every Stage and Bootstrap with its open plans: what a freeze covers may be anything.
    fn woken(change: Change<'_, Self>, stores: &Stores) -> BTreeSet<Key> {
        let mut keys: BTreeSet<Key> = own(Kind::Freeze, change).collect();
        if change.is_of_more_than_status() {
            keys.extend(gated(stores));
        }
        keys
    }
}

/// Every Stage and every Bootstrap, and what waits before its gate.
pub(super) fn gated(stores: &Stores) -> impl Iterator<Item = Key> {
    let stages = stores.all_stages().into_iter().flat_map(|s| with_plans(stores, &s));
    stages.chain(stores.bootstraps().into_iter().flat_map(|b| bootstrap_with_plans(stores, &b)))
}

/// A Bootstrap, and its plans that somebody may still have to decide on.
fn bootstrap_with_plans(stores: &Stores, bootstrap: &Bootstrap) -> Vec<Key> {
    let plans = stores.open_plans_of_bootstrap(&bootstrap.name_any());
    let plans = plans.iter().map(|p| Key::of(Kind::ChangePlan, &**p));
    std::iter::once(Key::of(Kind::Bootstrap, bootstrap)).chain(plans).collect()
}

/// A Stage, and its plans that somebody may still have to decide on: they show what the gate demands.
fn with_plans(stores: &Stores, stage: &Stage) -> Vec<Key> {
    let plans = stores.open_plans(&stage.namespace().unwrap_or_default(), &stage.name_any());
    let plans = plans.iter().map(|p| Key::of(Kind::ChangePlan, &**p));
    std::iter::once(Key::of(Kind::Stage, stage)).chain(plans).collect()
}

impl Trigger for ChangePlan {
    /// Itself, the object that it is for with its open plans, and the Stages directly downstream: they read the ledger. Its status is for
    /// people alone.
    fn woken(change: Change<'_, Self>, stores: &Stores) -> BTreeSet<Key> {
        let mut keys: BTreeSet<Key> = own(Kind::ChangePlan, change).collect();
        if !change.is_of_more_than_status() {
            return keys;
        }
        for plan in change.versions() {
            if let Some(bootstrap) = plan.labels().get(LABEL_BOOTSTRAP) {
                keys.insert(Key::cluster(Kind::Bootstrap, bootstrap));
            }
            if let (Some(stage), Some(namespace)) = (plan.labels().get(LABEL_STAGE), plan.namespace()) {
                let downstream = Downstream::of(stores, &namespace);
                keys.extend(
                    downstream.directly(stage).map(|name| Key::namespaced(Kind::Stage, &namespace, name)),
                );
                // A reject or a revoke on one plan means something to those that wait.
                let others = stores.open_plans(&namespace, stage);
                keys.extend(others.iter().map(|p| Key::of(Kind::ChangePlan, &**p)));
                keys.insert(Key::namespaced(Kind::Stage, namespace, stage));
            }
        }
        keys
    }
}

/// The object's own key, also where nothing but its status changed. That was our own doing, but perhaps a watch that lagged
/// behind has hidden it from a later pass: then that one took an older status for what people see.
fn own<K: Resource>(kind: Kind, change: Change<'_, K>) -> impl Iterator<Item = Key> {
    change.after.or(change.before).map(|o| Key::of(kind, o)).into_iter()
}

/// The Stages of a namespace by the Stage that they promote from.
struct Downstream(BTreeMap<String, BTreeSet<String>>);

impl Downstream {
    fn of(stores: &Stores, namespace: &str) -> Self {
        let mut map: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for stage in stores.stages(namespace) {
            for upstream in &stage.spec.promote_from {
                map.entry(upstream.name.clone()).or_default().insert(stage.name_any());
            }
        }
        Self(map)
    }

    fn directly(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).into_iter().flatten().map(String::as_str)
    }
}

#[cfg(test)]
#[path = "triggers_tests.rs"]
mod tests;
