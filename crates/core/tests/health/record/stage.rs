//! Stages: with and without a deployed release, in every phase and for every reason.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::json;
use stackgate_core::{
    api::{AwsAccount, Reason},
    effect::Seen,
    facts::Facts,
    stack::{Drift, DriftStatus, DriftedResource, StackRow, StackStatus},
    stage::{observe, status},
    verdict::{Phase, Verdict},
    words::{Env, StackKey},
};

use super::{Recorded, behind, new, recorded};
use crate::world::{Cluster, Entry, enforced, installation, kebab, now, object, plan, stage_spec, written};

pub const WORKING: [Reason; 4] = [Reason::Planning, Reason::Executing, Reason::Withdrawing, Reason::Retrying];
pub const WAITING: [Reason; 13] = [
    Reason::AwaitingUpstream,
    Reason::Soaking,
    Reason::AwaitingCheck,
    Reason::AwaitingApproval,
    Reason::Frozen,
    Reason::Suspended,
    Reason::Observing,
    Reason::Rejected,
    Reason::Expired,
    Reason::AwaitingAssembly,
    Reason::NotBootstrapped,
    Reason::StackBusy,
    Reason::PoliciesNotInForce,
];
pub const STALLED: [Reason; 25] = [
    Reason::RolledBack,
    Reason::RollbackFailed,
    Reason::CheckFailed,
    Reason::PlanFailed,
    Reason::InvalidAssembly,
    Reason::SourceFailed,
    Reason::NoSuchCdkStage,
    Reason::AccountNotAllowed,
    Reason::StackNotOurs,
    Reason::StackStuck,
    Reason::RoleNotComputed,
    Reason::AssetKeyTaken,
    Reason::AccessDenied,
    Reason::CallRefused,
    Reason::UpstreamNotFound,
    Reason::PromotionCycle,
    Reason::PromotionRequired,
    Reason::PinNotFound,
    Reason::ImageMissing,
    Reason::OutputsNotWritten,
    Reason::InvalidParameters,
    Reason::InvalidSpec,
    Reason::AwaitingAssembly,
    Reason::NotBootstrapped,
    Reason::LedgerFull,
];

#[derive(Clone, Copy, PartialEq)]
enum Before {
    Nothing,
    Deployed,
    /// Deployed, and the stack is gone since.
    Gone,
    /// Deployed, and drift was looked for; `Unknown`: that failed.
    LookedFor(DriftStatus),
}

fn differing(drift: DriftStatus) -> Vec<DriftedResource> {
    let table = DriftedResource {
        logical_id: "Table".to_owned(),
        resource_type: "AWS::DynamoDB::Table".to_owned(),
        status: "MODIFIED".to_owned(),
    };
    (drift == DriftStatus::Drifted).then_some(table).into_iter().collect()
}

fn stack_key() -> StackKey {
    let env = Env { account: "333333333333".parse().unwrap(), region: "ap-southeast-2".parse().unwrap() };
    StackKey { env, name: "Prod-Store".parse().unwrap() }
}

/// A granted account, so that drift may be looked for there.
fn account() -> AwsAccount {
    serde_json::from_value(json!({
        "apiVersion": "stackgate.dev/v1alpha1", "kind": "AwsAccount", "metadata": { "name": "shop-prod" },
        "spec": { "accountID": "333333333333", "regions": ["ap-southeast-2"],
            "allowedNamespaces": [{ "name": "shop", "qualifiers": ["acme"], "stackNames": ["Prod-*"] }] },
    }))
    .unwrap()
}

fn row(drift: DriftStatus) -> StackRow {
    StackRow {
        id: crate::world::stack_id().parse().unwrap(),
        status: StackStatus::UpdateComplete,
        updated: "2026-11-23T00:00:00Z".parse().unwrap(),
        exports: BTreeSet::new(),
        parameters: BTreeSet::new(),
        masked: BTreeSet::new(),
        protected: false,
        role: None,
        drift: Some((drift, now())),
        change_sets: None,
    }
}

fn stage(before: Before, phase: Phase, name: &str) -> Recorded {
    let mut object = object("Stage", "prod", &stage_spec());
    object["metadata"]["finalizers"] = json!(["stackgate.dev/tidy"]);
    if phase.reason() == Reason::Deleting {
        object["metadata"]["deletionTimestamp"] = json!(crate::world::NOW);
    }
    let mut plans = Vec::new();
    if before != Before::Nothing {
        let entries =
            [Entry::Opened(1, 'a'), Entry::Decided("Approve"), Entry::Claimed, Entry::Settled("Succeeded")];
        plans.push(plan("prod-a", "Prepared", &entries));
    }
    if !matches!(phase, Phase::Done(_)) && !no_plan(phase.reason()) {
        let mut next = plan("prod-b", "Prepared", &[Entry::Opened(2, 'b')]);
        if before != Before::Nothing {
            let owned = plans[0]["spec"]["ledger"][2]["claimed"]["stacks"][0].clone();
            next["spec"]["ledger"][0]["opened"]["owned"] = json!([{ "account": owned["account"], "region": owned["region"],
                "stackName": owned["stackName"], "stackID": owned["stackID"], "input": owned["input"],
                "updatedTime": "2026-11-23T00:00:00.000000Z" }]);
        }
        plans.push(next);
    }
    let looked_for = match before {
        Before::LookedFor(drift) => Some(drift),
        Before::Nothing | Before::Deployed | Before::Gone => None,
    };
    if looked_for.is_some() {
        object["spec"]["driftDetection"] = json!({});
    }
    let cluster = Cluster {
        accounts: looked_for.iter().map(|_| Arc::new(account())).collect(),
        stage: Some(Arc::new(serde_json::from_value(object.clone()).unwrap())),
        plans: plans.into_iter().map(written).collect(),
        enforcement: enforced(phase.reason()),
        ..Cluster::default()
    };
    let mut facts = Facts::default();
    if before == Before::Gone {
        facts.stacks.insert(stack_key(), Seen::Absent(now()));
    }
    if let Some(drift) = looked_for {
        let row = row(drift);
        let found = match drift {
            DriftStatus::Unknown => Drift::Failed("no right to read Table".to_owned()),
            status => Drift::Detected { status, resources: differing(status) },
        };
        facts.drifts.insert(row.id.clone(), (found, now()));
        facts.stacks.insert(stack_key(), Seen::Present(row, now()));
    }
    let installation = installation();
    let snapshot = observe(&cluster, "shop", "prod", &facts, &installation).unwrap();
    let message = match phase.reason() {
        Reason::AwaitingApproval => "read it: kubectl -n shop describe plan prod-b; let it run: kubectl -n shop annotate plan prod-b gate.stackgate.dev/approve=c1-…".to_owned(),
        reason => format!("what is to be said of {}", kebab(reason.as_str())),
    };
    let verdict = Verdict::rest(phase, message);
    recorded(object, name, status(&snapshot, &verdict, now()))
}

/// Whether there cannot be a plan yet.
fn no_plan(reason: Reason) -> bool {
    [Reason::AwaitingUpstream, Reason::AwaitingAssembly, Reason::Planning].contains(&reason)
}

pub fn stages() -> Vec<Recorded> {
    let mut list = vec![
        new("Stage", &stage_spec()),
        stage(Before::Deployed, Phase::Done(Reason::Deployed), "up-to-date"),
    ];
    for (drift, name) in [
        (DriftStatus::Drifted, "up-to-date-drifted"),
        (DriftStatus::InSync, "up-to-date-in-sync"),
        (DriftStatus::Unknown, "up-to-date-drift-unknown"),
    ] {
        list.push(stage(Before::LookedFor(drift), Phase::Done(Reason::Deployed), name));
    }
    for (before, prefix) in [(Before::Nothing, "first"), (Before::Deployed, "deployed")] {
        let mut add = |how: &str, phase: Phase| {
            list.push(stage(before, phase, &format!("{prefix}-{how}-{}", kebab(phase.reason().as_str()))));
        };
        WORKING.into_iter().for_each(|r| add("working", Phase::Working(r)));
        WAITING.into_iter().for_each(|r| add("waiting", Phase::Waiting(r)));
        STALLED.into_iter().for_each(|r| add("stalled", Phase::Stalled(r)));
    }
    list.push(stage(
        Before::Gone,
        Phase::Waiting(Reason::AwaitingApproval),
        "amiss-waiting-awaiting-approval",
    ));
    list.push(stage(Before::Nothing, Phase::Working(Reason::Deleting), "deleted-first"));
    list.push(stage(Before::Deployed, Phase::Working(Reason::Deleting), "deleted-deployed"));
    let names = [
        "up-to-date",
        "first-waiting-awaiting-approval",
        "deployed-waiting-awaiting-approval",
        "deployed-stalled-rolled-back",
    ];
    let behind: Vec<_> =
        list.iter().filter(|o| names.iter().any(|n| o["metadata"]["name"] == *n)).map(behind).collect();
    list.extend(behind);
    list
}
