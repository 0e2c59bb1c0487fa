//! What the stacks put out, written for others in the cluster to read, once the release is deployed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::ResourceExt;

use super::{Snapshot, targets::access_to};
use crate::{
    api::{PlannedAs, Reason},
    effect::{Effect, Look, OutputsRecord, Record},
    gate::{PlanView, owned_key},
    verdict::{Need, Verdict, ask, fold},
};

/// What has to be done until the ConfigMap says what is deployed. `None`: it does, as far as anybody remembers.
pub(super) fn outputs(s: &Snapshot<'_>, newest: &PlanView, now: Timestamp) -> Option<Verdict> {
    let to = s.stage.spec.outputs_to.as_ref()?;
    let mut data = BTreeMap::new();
    let mut needs = Vec::new();
    let owned = newest.owned_now();
    for stack in newest.proposal().stacks.iter().filter(|p| p.plan != PlannedAs::Removed) {
        let key = stack.key();
        let Some(ours) = owned.iter().find(|o| owned_key(o) == key) else { continue };
        let Some(updated) = ours.updated_time.as_ref().map(|t| t.0) else { continue };
        match s.facts.outputs.get(&(ours.stack_id.clone(), updated)) {
            Some(all) => {
                let taken = all.iter().filter(|(name, _)| to.takes(key.name.as_str(), name));
                data.extend(taken.map(|(name, value)| (format!("{}.{name}", key.name), value.clone())));
            }
            None => {
                let look = Look::Outputs(key, ours.stack_id.clone(), updated, access_to(s, stack));
                needs.push(ask(s.facts, Effect::Look(look), now));
            }
        }
    }
    let doing = |needs| fold(needs, Reason::Executing, "writing outputs");
    if !needs.is_empty() {
        return Some(doing(needs));
    }
    let record = OutputsRecord {
        namespace: s.namespace.clone(),
        config_map: to.config_map.clone(),
        stage: s.stage.name_any(),
        uid: s.uid.clone(),
        data,
    };
    if s.facts.outputs_written.as_ref() == Some(&record) {
        return None;
    }
    Some(doing(vec![match ask(s.facts, Effect::Record(Record::Outputs(Box::new(record))), now) {
        Need::Stuck(Reason::AccessDenied, message, at) => Need::Stuck(
            Reason::OutputsNotWritten,
            format!(
                "outputs: {message}; to let Stages of this namespace write ConfigMaps, bind ClusterRole stackgate-outputs to the \
                 controller here (docs/outputs.md)"
            ),
            at,
        ),
        Need::Stuck(_, message, at) => {
            Need::Stuck(Reason::OutputsNotWritten, format!("outputs: {message}"), at)
        }
        other => other,
    }]))
}
