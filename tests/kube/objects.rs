use anyhow::Result;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Api, api::PostParams};
use serde_json::json;
use stackgate_core::{
    api::{LABEL_STAGE, LedgerEntry, Stage},
    effect::NewPlan,
};

use crate::World;

pub fn stages(w: &World) -> Api<Stage> {
    Api::namespaced(w.admin.calls.clone(), "default")
}

pub async fn make_stage(w: &World, name: &str) -> Result<Stage> {
    let stage = serde_json::from_value(json!({
        "apiVersion": "stackgate.dev/v1alpha1", "kind": "Stage", "metadata": { "name": name, "finalizers": ["example.com/theirs"] },
        "spec": { "assemblyRef": { "name": "shop" }, "accounts": ["shop-prod"] },
    }))?;
    Ok(stages(w).create(&PostParams::default(), &stage).await?)
}

pub fn entry(seq: u32, order: u64) -> LedgerEntry {
    serde_json::from_value::<LedgerEntry>(json!({
        "seq": seq, "time": Time(Timestamp::UNIX_EPOCH), "opened": { "order": order },
    }))
    .unwrap()
}

pub fn new_plan(name: &str, id: char, owner: &Stage) -> Result<NewPlan> {
    let uid = owner.metadata.uid.clone().unwrap_or_default();
    Ok(NewPlan {
        namespace: "default".to_owned(),
        name: name.to_owned(),
        proposal: serde_json::from_value(json!({
            "kind": "Stage", "name": "prod", "uid": uid, "operation": "Deploy",
            "id": format!("c1-{}", id.to_string().repeat(40)),
        }))?,
        ledger: vec![entry(0, 1)],
        owner: ("Stage", owner.metadata.name.clone().unwrap_or_default(), uid.parse()?),
        label: (LABEL_STAGE, "prod".to_owned()),
    })
}
