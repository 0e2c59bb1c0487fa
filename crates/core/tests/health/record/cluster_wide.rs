//! Accounts, bootstraps, assemblies and freezes.

use std::sync::Arc;

use serde_json::{Value, json};
use stackgate_core::{
    account::{self, Accounts},
    api::{EnvironmentStatus, Reason},
    assembly, bootstrap,
    facts::Facts,
    freeze,
    verdict::{Phase, Verdict},
};

use super::{Recorded, behind, deleted, new, recorded};
use crate::world::{
    Cluster, Entry, bootstrap_plan, enforced, installation, kebab, now, object, release, written,
};

fn say(phase: Phase) -> Verdict {
    Verdict::rest(phase, format!("what is to be said of {}", kebab(phase.reason().as_str())))
}

/// The list, with the ready one seen late and being deleted.
fn with_variants(mut list: Vec<Recorded>) -> Vec<Recorded> {
    let ready: Vec<_> = list
        .iter()
        .filter(|o| ["ready", "active"].iter().any(|n| o["metadata"]["name"] == *n))
        .flat_map(|o| [behind(o), deleted(o)])
        .collect();
    list.extend(ready);
    list
}

pub fn accounts() -> Vec<Recorded> {
    let spec = json!({ "accountID": "333333333333", "regions": ["ap-southeast-2"] });
    let case = |name: &str, twin: bool| {
        let object = object("AwsAccount", "shop-prod", &spec);
        let account = Arc::new(serde_json::from_value(object.clone()).unwrap());
        let mut all = vec![Arc::clone(&account)];
        if twin {
            all.push(Arc::new(
                serde_json::from_value(crate::world::object("AwsAccount", "shop-live", &spec)).unwrap(),
            ));
        }
        recorded(object, name, account::status(&account, &Accounts::new(all), now()))
    };
    with_variants(vec![
        new("AwsAccount", &spec),
        case("ready", false),
        case("stalled-duplicate-account-id", true),
    ])
}

pub fn bootstraps() -> Vec<Recorded> {
    let spec = json!({ "qualifier": "acme", "toolkitStackName": "CDKToolkit-acme", "version": 33,
        "accounts": { "names": ["shop-prod"] }, "trustedAccounts": ["999999999999"],
        "cloudFormationExecutionPolicies": ["arn:aws:iam::aws:policy/AdministratorAccess"] });
    let case = |name: &str, phase: Phase| {
        let mut object = object("Bootstrap", "acme", &spec);
        if phase.reason() == Reason::Deleting {
            object["metadata"]["deletionTimestamp"] = json!(crate::world::NOW);
            object["metadata"]["finalizers"] = json!(["foregroundDeletion"]);
        }
        let cluster = Cluster {
            bootstrap: Some(Arc::new(serde_json::from_value(object.clone()).unwrap())),
            plans: vec![written(bootstrap_plan("acme-b", &[Entry::Opened(1, 'b')]))],
            enforcement: enforced(phase.reason()),
            ..Cluster::default()
        };
        let (facts, installation) = (Facts::default(), installation());
        let snapshot = bootstrap::observe(&cluster, "acme", &facts, &installation).unwrap();
        let done = matches!(phase, Phase::Done(_));
        let row: EnvironmentStatus =
            serde_json::from_value(json!({ "account": "333333333333", "region": "ap-southeast-2",
            "version": done.then_some(33), "state": if done { "Ready" } else { phase.reason().as_str() } }))
            .unwrap();
        recorded(object, name, bootstrap::status(&snapshot, &say(phase), vec![row], now()))
    };
    let mut list = vec![new("Bootstrap", &spec), case("ready", Phase::Done(Reason::Bootstrapped))];
    let mut add = |how: &str, phase: Phase| {
        list.push(case(&format!("{how}-{}", kebab(phase.reason().as_str())), phase))
    };
    for reason in [Reason::Planning, Reason::Executing, Reason::Withdrawing, Reason::Retrying] {
        add("working", Phase::Working(reason));
    }
    for reason in [
        Reason::AwaitingApproval,
        Reason::Soaking,
        Reason::Frozen,
        Reason::Suspended,
        Reason::Rejected,
        Reason::Expired,
        Reason::StackBusy,
        Reason::PoliciesNotInForce,
    ] {
        add("waiting", Phase::Waiting(reason));
    }
    for reason in [
        Reason::InvalidSpec,
        Reason::AccountNotAllowed,
        Reason::StackNotOurs,
        Reason::StackStuck,
        Reason::AccessDenied,
        Reason::CallRefused,
        Reason::RolledBack,
        Reason::RollbackFailed,
        Reason::PlanFailed,
        Reason::LedgerFull,
    ] {
        add("stalled", Phase::Stalled(reason));
    }
    list.push(case("deleted", Phase::Working(Reason::Deleting)));
    with_variants(list)
}

pub fn assemblies() -> Vec<Recorded> {
    let spec = json!({ "source": { "s3": {
        "account": "shop-build", "bucket": "shop-cdk-out", "key": "shop.tar.gz", "region": "ap-southeast-2" } } });
    let case = |name: &str, before: Option<Value>, phase: Phase| {
        let mut object = object("CloudAssembly", "shop", &spec);
        if let Some(release) = before {
            object["status"] = json!({ "release": release, "releaseTime": "2026-11-22T00:00:00Z" });
        }
        let cluster = Cluster {
            assembly: Some(Arc::new(serde_json::from_value(object.clone()).unwrap())),
            ..Cluster::default()
        };
        let facts = Facts::default();
        let snapshot = assembly::observe(&cluster, "shop", "shop", &facts).unwrap();
        let read = matches!(phase, Phase::Done(_)).then(|| serde_json::from_value(release('b')).unwrap());
        recorded(object, name, assembly::status(&snapshot, &say(phase), read, now()))
    };
    let mut list = vec![new("CloudAssembly", &spec), case("ready", None, Phase::Done(Reason::Released))];
    for (before, prefix) in [(None, "first"), (Some(release('a')), "released")] {
        let mut add = |how: &str, phase: Phase| {
            list.push(case(
                &format!("{prefix}-{how}-{}", kebab(phase.reason().as_str())),
                before.clone(),
                phase,
            ));
        };
        for reason in [Reason::Fetching, Reason::Retrying] {
            add("working", Phase::Working(reason));
        }
        for reason in [
            Reason::SourceFailed,
            Reason::BucketNotVersioned,
            Reason::InvalidAssembly,
            Reason::AccountNotAllowed,
            Reason::AccessDenied,
            Reason::CallRefused,
            Reason::InvalidSpec,
        ] {
            add("stalled", Phase::Stalled(reason));
        }
    }
    with_variants(list)
}

pub fn freezes() -> Vec<Recorded> {
    let case = |name: &str, more: Value| {
        let mut spec = json!({ "reason": "INC-4711" });
        if let (Some(spec), Value::Object(more)) = (spec.as_object_mut(), more) {
            spec.extend(more);
        }
        let object = object("Freeze", name, &spec);
        let freeze = serde_json::from_value(object.clone()).unwrap();
        recorded(object, name, freeze::status(&freeze, &Accounts::new(Vec::new()), now()).0)
    };
    let weekend = |cron: &str| json!({ "schedule": { "cron": cron, "duration": "62h" } });
    with_variants(vec![
        new("Freeze", &json!({ "reason": "INC-4711" })),
        case("active", json!({})),
        case("stalled-for-nobody", json!({ "accounts": { "names": ["shop-prd"] } })),
        case("active-until", json!({ "endTime": "2026-11-25T06:00:00Z" })),
        case("inactive-scheduled", weekend("0 18 * * FRI")),
        case("inactive-over", json!({ "endTime": "2026-11-23T06:00:00Z" })),
        case("stalled-invalid-spec", weekend("0 99 * * FRI")),
    ])
}
