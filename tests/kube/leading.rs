use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use k8s_openapi::api::{coordination::v1::Lease, events::v1::Event};
use kube::{Api, Resource, api::ListParams};
use stackgate::{
    clock::SystemClock,
    kube::{
        events::{Events, Severity},
        lease::{Election, LEASE, Timing},
    },
};
use tokio::time::timeout;

use crate::{OURS, World, objects::make_stage};

pub async fn one_leads_and_hands_over(w: &World) -> Result<()> {
    let timing = Timing { retry: Duration::from_millis(100), ..Timing::default() };
    let candidate = |me| Election::new(&w.controller, OURS, me, timing, Arc::new(SystemClock));
    let (one, two) = (candidate("one"), candidate("two"));
    let held = timeout(Duration::from_secs(5), one.acquire()).await?;
    ensure!(timeout(Duration::from_millis(500), two.acquire()).await.is_err(), "two leaders");
    ensure!(timeout(Duration::from_secs(1), one.keep(held)).await.is_err(), "lost for no reason");
    let leases: Api<Lease> = Api::namespaced(w.admin.calls.clone(), OURS);
    let spec = leases.get(LEASE).await?.spec.unwrap_or_default();
    ensure!(spec.holder_identity.as_deref() == Some("one") && spec.lease_transitions == Some(1));
    one.release().await;
    let held = timeout(Duration::from_secs(2), two.acquire()).await?;
    // Somebody takes it by force: the leader notices.
    let mut lease = leases.get(LEASE).await?;
    lease.spec.get_or_insert_default().holder_identity = Some("three".to_owned());
    leases.replace(LEASE, &Default::default(), &lease).await?;
    timeout(Duration::from_secs(2), two.keep(held)).await?;
    two.release().await;
    let spec = leases.get(LEASE).await?.spec.unwrap_or_default();
    ensure!(spec.holder_identity.as_deref() == Some("three"), "released what is somebody else's");
    Ok(())
}

pub async fn an_event_is_recorded_and_repeated(w: &World) -> Result<()> {
    let stage = make_stage(w, "told").await?;
    let events = Events::new(&w.controller, "one");
    for _ in 0..2 {
        events
            .emit(&stage.object_ref(&()), Severity::Warning, "RolledBack", "Execute", &"é".repeat(2000))
            .await;
    }
    let stored: Api<Event> = Api::namespaced(w.admin.calls.clone(), "default");
    // The API server tells of itself in this namespace, too.
    let ours = ListParams::default().fields("reportingController=stackgate.dev/controller");
    let stored = stored.list(&ours).await?.items;
    ensure!(stored.len() == 1, "{stored:?}");
    ensure!(stored.iter().all(
        |e| e.reason.as_deref() == Some("RolledBack") && e.series.as_ref().is_some_and(|s| s.count == 2)
    ));
    // Something else about the same is no repetition.
    events.emit(&stage.object_ref(&()), Severity::Warning, "RolledBack", "Execute", "another plan").await;
    let all: Api<Event> = Api::namespaced(w.admin.calls.clone(), "default");
    let all = all.list(&ours).await?.items;
    ensure!(all.len() == 2, "{all:?}");
    ensure!(all.iter().any(|e| e.note.as_deref() == Some("another plan")), "{all:?}");
    Ok(())
}
