//! What is recorded in Kubernetes.

use std::collections::BTreeMap;

use crate::{
    api::{LedgerEntry, Proposal},
    change::Hidden,
    words::Uid,
};

/// A writing effect on Kubernetes; every one is a compare-and-swap.
#[derive(Clone, PartialEq, Debug)]
pub enum Record {
    /// Creates a ChangePlan.
    OpenPlan(Box<NewPlan>),
    /// Appends to a plan's ledger.
    Ledger {
        /// Namespace of the plan.
        namespace: String,
        /// Name of the plan.
        plan: String,
        /// The resourceVersion that the decision was made on.
        resource_version: String,
        /// What is appended; `seq` continues the list.
        entries: Vec<LedgerEntry>,
    },
    /// Writes outputs into a ConfigMap.
    Outputs(Box<OutputsRecord>),
    /// Adds or removes our finalizer on a Stage.
    Finalizer {
        /// Namespace of the Stage.
        namespace: String,
        /// Name of the Stage.
        stage: String,
        /// The resourceVersion that the decision was made on.
        resource_version: String,
        /// Whether it shall be there.
        present: bool,
    },
}

/// What a ConfigMap of a Stage shall hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutputsRecord {
    /// Its namespace: that of the Stage.
    pub namespace: String,
    /// Its name.
    pub config_map: String,
    /// Name of the Stage.
    pub stage: String,
    /// UID of the Stage, which owns it.
    pub uid: Uid,
    /// The outputs, by `StackName.Key`.
    pub data: BTreeMap<String, Hidden>,
}

/// A ChangePlan to be made.
#[derive(Clone, PartialEq, Debug)]
pub struct NewPlan {
    /// Namespace.
    pub namespace: String,
    /// Name: `<owner>-<40 hex of the id>`.
    pub name: String,
    /// The proposal.
    pub proposal: Proposal,
    /// The first entries of the ledger.
    pub ledger: Vec<LedgerEntry>,
    /// The object that owns it: API kind, name, UID.
    pub owner: (&'static str, String, Uid),
    /// The label that finds it: key and value.
    pub label: (&'static str, String),
}
