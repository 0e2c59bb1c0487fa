//! Which release the stage should have.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;

use super::Snapshot;
use crate::{
    api::{Reason, ReleaseRef, Stage},
    gate::PlanView,
    verdict::{Need, Step},
};

/// The assembly's current release for an entry stage; for any other the newest that every upstream stage has verified.
pub(super) fn candidate(s: &Snapshot<'_>) -> Step<ReleaseRef> {
    if s.stage.spec.promote_from.is_empty() {
        return from_assembly(s);
    }
    if let Some(circle) = circle(&s.stage.name_any(), &s.stages) {
        return Err(Need::stuck(
            Reason::PromotionCycle,
            format!("promoteFrom leads in a circle: {}", circle.join(" → ")),
        ));
    }
    let mut verified: Vec<Vec<&ReleaseRef>> = Vec::new();
    for upstream in &s.stage.spec.promote_from {
        let Some(plans) = s.upstream_plans.get(&upstream.name) else {
            return Err(Need::stuck(
                Reason::UpstreamNotFound,
                format!("promoteFrom names Stage {}, which is not in this namespace", upstream.name),
            ));
        };
        verified.push(verified_releases(plans));
    }
    let first = verified.first().map_or(&[][..], Vec::as_slice);
    first
        .iter()
        .find(|r| verified.iter().all(|list| list.iter().any(|o| o.digest == r.digest)))
        .map(|r| (*r).clone())
        .ok_or_else(|| {
            let names: Vec<&str> = s.stage.spec.promote_from.iter().map(|u| u.name.as_str()).collect();
            Need::Wait(
                Reason::AwaitingUpstream,
                format!("no release is verified in {} yet", names.join(" and ")),
                None,
            )
        })
}

fn from_assembly(s: &Snapshot<'_>) -> Step<ReleaseRef> {
    let name = &s.stage.spec.assembly_ref.name;
    let Some(assembly) = &s.assembly else {
        return Err(Need::stuck(
            Reason::AwaitingAssembly,
            format!("there is no CloudAssembly {name} in this namespace"),
        ));
    };
    assembly.status.as_ref().and_then(|st| st.release.clone()).ok_or_else(|| {
        Need::Wait(Reason::AwaitingAssembly, format!("CloudAssembly {name} has no release yet"), None)
    })
}

/// The releases that a stage has deployed in full, newest first.
fn verified_releases(plans: &[PlanView]) -> Vec<&ReleaseRef> {
    plans.iter().filter(|p| p.is_complete()).filter_map(|p| p.release.as_ref()).collect()
}

/// The circle that a stage is in, if it is in one.
fn circle(start: &str, stages: &BTreeMap<String, std::sync::Arc<Stage>>) -> Option<Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut path = vec![start.to_owned()];
    walk(start, start, stages, &mut seen, &mut path).then_some(path)
}

fn walk(
    at: &str,
    start: &str,
    stages: &BTreeMap<String, std::sync::Arc<Stage>>,
    seen: &mut BTreeSet<String>,
    path: &mut Vec<String>,
) -> bool {
    let Some(stage) = stages.get(at) else { return false };
    for up in &stage.spec.promote_from {
        path.push(up.name.clone());
        if up.name == start || (seen.insert(up.name.clone()) && walk(&up.name, start, stages, seen, path)) {
            return true;
        }
        path.pop();
    }
    false
}
