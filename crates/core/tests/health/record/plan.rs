//! ChangePlans: one for each way in which a ledger can go on.

use std::sync::Arc;

use serde_json::{Value, json};
use stackgate_core::plan::status;

use super::{Recorded, behind, deleted, recorded};
use crate::world::{Entry, bootstrap_plan, now, plan};

use Entry::{Claimed, Closed, Decided, Opened, Settled};

fn case(name: &str, object: Value) -> Recorded {
    let plan = Arc::new(serde_json::from_value(object.clone()).unwrap());
    recorded(object, name, status(&plan, now()).unwrap())
}

pub fn plans() -> Vec<Recorded> {
    let of_stage = |name: &str, entries: &[Entry]| case(name, plan(name, "Prepared", entries));
    let of_bootstrap = |name: &str, entries: &[Entry]| case(name, bootstrap_plan(name, entries));
    let open = Opened(1, 'a');
    let mut new = plan("new", "Prepared", &[Opened(1, 'a')]);
    new["metadata"]["generation"] = json!(1);
    let mut list = vec![
        new,
        of_stage("awaiting-approval", &[open]),
        of_stage("approved", &[Opened(1, 'a'), Decided("Approve")]),
        of_stage("executing", &[Opened(1, 'a'), Decided("Approve"), Claimed]),
        of_stage("failing", &[Opened(1, 'a'), Decided("Approve"), Claimed, Settled("RolledBack")]),
        of_stage("succeeded", &[Opened(1, 'a'), Decided("Approve"), Claimed, Settled("Succeeded")]),
        case("nothing-differed", plan("nothing-differed", "Unchanged", &[Opened(1, 'a')])),
        of_stage("rejected", &[Opened(1, 'a'), Decided("Reject")]),
        of_stage("closed-rejected", &[Opened(1, 'a'), Decided("Reject"), Closed("Rejected")]),
        of_stage("closed-superseded", &[Opened(1, 'a'), Closed("Superseded")]),
        of_stage("closed-withdrawn", &[Opened(1, 'a'), Decided("Approve"), Claimed, Closed("Withdrawn")]),
        of_stage("closed-expired", &[Opened(1, 'a'), Closed("Expired")]),
        of_stage(
            "closed-failed",
            &[Opened(1, 'a'), Decided("Approve"), Claimed, Settled("RolledBack"), Closed("Failed")],
        ),
        of_bootstrap("bootstrap-awaiting-approval", &[Opened(1, 'a')]),
        of_bootstrap("bootstrap-executing", &[Opened(1, 'a'), Decided("Approve"), Claimed]),
        of_bootstrap(
            "bootstrap-succeeded",
            &[Opened(1, 'a'), Decided("Approve"), Claimed, Settled("Succeeded")],
        ),
    ];
    let more: Vec<_> = list[1..]
        .iter()
        .filter(|o| ["awaiting-approval", "succeeded"].iter().any(|n| o["metadata"]["name"] == *n))
        .flat_map(|o| [behind(o), deleted(o)])
        .collect();
    list.extend(more);
    list
}
