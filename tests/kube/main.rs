//! The Kubernetes side against a real API server, with the rights of `deploy/rbac.yaml` and no others.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

mod leading;
mod objects;
mod watching;
mod writing;

use anyhow::Result;
use kube::{
    Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use stackgate::kube::client::{Clients, from_config};
use stackgate_testbed::{Cluster, User, fresh_dir};

/// The namespace of the controller in `deploy/rbac.yaml`.
const OURS: &str = "stackgate-system";

/// A cluster with our definitions and roles, and connections as the controller and as an administrator.
struct World {
    cluster: Cluster,
    controller: Clients,
    admin: Clients,
}

async fn world() -> Result<World> {
    let cluster = Cluster::start(&fresh_dir("kube")?)?;
    let kubectl = cluster.kubectl(User::Admin);
    kubectl.apply(&stackgate::crds::stream()?)?;
    kubectl.apply(include_str!("../../deploy/rbac.yaml"))?;
    kubectl.wait_for_kinds()?;
    Ok(World {
        controller: clients(&cluster, User::Controller).await?,
        admin: clients(&cluster, User::Admin).await?,
        cluster,
    })
}

async fn clients(cluster: &Cluster, user: User) -> Result<Clients> {
    let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig(user))?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(from_config(config)?)
}

/// One server for all: each part uses names of its own.
#[tokio::test(flavor = "multi_thread")]
async fn the_kubernetes_side_works_with_the_rights_of_the_controller() -> Result<()> {
    let mut w = world().await?;
    writing::the_key_is_made_once(&w).await?;
    writing::a_plan_is_opened_once_and_only_grows(&w).await?;
    writing::what_others_wrote_into_a_ledger_is_not_printed_anew(&w).await?;
    writing::finalizers_of_others_stay(&w).await?;
    writing::a_status_is_written_only_when_it_differs(&w).await?;
    writing::the_gate_is_read_live(&w).await?;
    writing::what_is_not_allowed_is_denied(&w).await?;
    leading::one_leads_and_hands_over(&w).await?;
    leading::an_event_is_recorded_and_repeated(&w).await?;
    watching::changes_are_seen_and_wake(&mut w).await
}
