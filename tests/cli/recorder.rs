//! Does with decisions what the controller does: records them. It believes everybody.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use serde_json::json;
use stackgate_core::{
    api::{DecisionSource, Identity},
    gate::PlanView,
};
use tokio::{task::JoinHandle, time::sleep};

use crate::world::World;

/// Records what stands on plans, and approvals on Stages, until it is aborted.
pub fn start(world: Arc<World>, identity: Identity) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            // Where somebody else was quicker it is seen again.
            let _ = pass(&world, identity).await;
            sleep(Duration::from_millis(100)).await; // a turn of the recorder; tests wait for what it writes, not for this
        }
    })
}

async fn pass(world: &World, identity: Identity) -> Result<()> {
    let stages = world.stages().list(&Default::default()).await?;
    for plan in world.plans().list(&Default::default()).await? {
        let Some(view) = PlanView::new(Arc::new(plan.clone())) else { continue };
        let stage =
            stages.iter().find(|s| s.metadata.uid.as_deref() == Some(plan.spec.proposal.uid.as_str()));
        let sources = [
            (DecisionSource::ChangePlan, plan.metadata.annotations.as_ref()),
            (DecisionSource::Stage, stage.and_then(|s| s.metadata.annotations.as_ref())),
        ];
        for (source, annotations) in sources {
            for (_, _, decision) in &view.marks(annotations).decisions {
                let decided = decision.recorded(source, identity, view.id());
                if !view.has_recorded(&decided) {
                    world.append(&view.name, json!({ "decided": decided })).await?;
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}
