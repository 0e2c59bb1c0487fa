//! The object that plans are for, as far as decisions on them go.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    api::{Check, IdentityNeeded},
    effect::PlanOwner,
    facts::Facts,
    gate::{Enforcement, PlanView},
    words::Uid,
};

/// A Stage or a Bootstrap before its gate.
#[derive(Clone, Debug)]
pub(crate) struct Owner<'a> {
    /// Which object it is.
    pub reference: PlanOwner,
    /// Its UID.
    pub uid: &'a Uid,
    /// Its annotations, where approvals may stand on it, too.
    pub annotations: Option<&'a BTreeMap<String, String>>,
    /// The names of the AwsAccounts that have a word in its gate.
    pub accounts: Vec<String>,
    /// Its plans, newest first.
    pub plans: &'a [Arc<PlanView>],
    /// Whose decisions its gate counts.
    pub identity: IdentityNeeded,
    /// The checks that report on it.
    pub checks: &'a [Check],
    /// Whether it is proven who decides.
    pub enforcement: &'a Enforcement,
    /// What is remembered.
    pub facts: &'a Facts,
}
