use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Result, ensure};
use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;
use stackgate::kube::stores::Stores;
use stackgate_core::cluster::ClusterView;
use tokio::time::{sleep, timeout};

use crate::{
    OURS, World,
    objects::{make_stage, stages},
};

pub async fn changes_are_seen_and_wake(w: &mut World) -> Result<()> {
    make_stage(w, "before").await?;
    let (stores, writers) = Stores::new(OURS);
    let woken = Arc::new(Mutex::new(BTreeSet::new()));
    let _watching = {
        let (clients, stores, woken) = (w.controller.clone(), stores.clone(), Arc::clone(&woken));
        let task = tokio::spawn(async move {
            stores
                .watch(&clients, writers, |key| {
                    woken.lock().unwrap().insert(key.to_string());
                })
                .await;
        });
        AbortOnDrop(task)
    };
    let take = || std::mem::take(&mut *woken.lock().unwrap());
    timeout(Duration::from_secs(10), stores.wait_synced()).await??;
    ensure!(stores.stage("default", "before").is_some());
    until(|| woken.lock().unwrap().contains("Stage default/before")).await?;
    take();

    make_stage(w, "after").await?;
    until(|| stores.stage("default", "after").is_some_and(|s| s.managed_fields().is_empty())).await?;
    until(|| woken.lock().unwrap().contains("Stage default/after")).await?;
    take();

    let patch = |body| {
        let api = stages(w);
        async move { api.patch("after", &PatchParams::default(), &Patch::Merge(body)).await }
    };
    let status = json!({ "status": { "state": "UpToDate" } });
    stages(w).patch_status("after", &PatchParams::default(), &Patch::Merge(status)).await?;
    until(|| stores.stage("default", "after").is_some_and(|s| s.status.is_some())).await?;
    until(|| woken.lock().unwrap().contains("Stage default/after")).await?;
    let woken_by_status = take();
    ensure!(woken_by_status.len() == 1, "woken by a status: {woken_by_status:?}");

    patch(json!({ "metadata": { "finalizers": null } })).await?;
    until(|| woken.lock().unwrap().contains("Stage default/after")).await?;
    take();
    stages(w).delete("after", &Default::default()).await?;
    until(|| woken.lock().unwrap().contains("Stage default/after")).await?;
    ensure!(stores.stage("default", "after").is_none());

    // The watches find their way back by themselves.
    w.cluster.stop_apiserver();
    w.cluster.start_apiserver()?;
    make_stage(w, "later").await?;
    until(|| woken.lock().unwrap().contains("Stage default/later")).await?;
    ensure!(stores.stage("default", "before").is_some());
    Ok(())
}

async fn until(holds: impl Fn() -> bool) -> Result<()> {
    timeout(Duration::from_secs(10), async {
        while !holds() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .map_err(|_| anyhow::anyhow!("it was not seen within 10 s"))
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
