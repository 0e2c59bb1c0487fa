//! How the controller is started.

use std::net::SocketAddr;

use crate::{kube::policies::Expected, telemetry::logs::LogFormat};
use clap::Args;

/// How the controller runs. The cluster is that of KUBECONFIG, else the one that the pod runs in.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// The controller's own namespace: Lease, key and the plans of Bootstraps live there.
    #[arg(long, env = "POD_NAMESPACE", default_value = "stackgate-system")]
    pub namespace: String,
    /// Tells this replica from the others, in the Lease and in Events. Default: host name and process id.
    #[arg(long, env = "POD_NAME")]
    pub identity: Option<String>,
    /// Where /healthz, /readyz and /metrics are served.
    #[arg(
        long,
        env = "STACKGATE_HEALTH_ADDRESS",
        value_name = "ADDRESS:PORT",
        default_value = "0.0.0.0:8080"
    )]
    pub health_address: SocketAddr,
    /// How log lines look.
    #[arg(long, env = "STACKGATE_LOG_FORMAT", value_enum, default_value = "json")]
    pub log_format: LogFormat,
    /// Which log lines are shown, such as `info,stackgate=debug`.
    #[arg(long, env = "RUST_LOG", value_name = "FILTER", default_value = "info")]
    pub log_filter: String,
    /// How many objects are worked on at once.
    #[arg(long, env = "STACKGATE_WORKERS", value_name = "N", default_value_t = 8)]
    pub workers: u16,
    /// How many steps one pass takes before others get their turn.
    #[arg(long, env = "STACKGATE_STEPS", value_name = "N", default_value_t = 64,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub steps: u32,
    /// The digests of the admission policies that the chart installs, a line for each as in deploy/policies.sha256. Without
    /// them, or where the policies are others, nothing proves who decides, and gates that ask for verified identities stay shut.
    #[arg(long, env = "STACKGATE_POLICIES_DIGESTS", value_name = "LINES")]
    pub policies_digests: Option<Expected>,
    /// Leads at once, without a Lease. For tests: two such controllers do everything twice.
    #[arg(long)]
    pub no_leader_election: bool,
}

impl RunArgs {
    /// The identity that was given, else one made of host name and process id.
    #[must_use]
    pub fn identity(&self) -> String {
        self.identity.clone().filter(|i| !i.is_empty()).unwrap_or_else(|| {
            let host = std::env::var("HOSTNAME").ok().filter(|h| !h.is_empty());
            format!("{}-{}", host.as_deref().unwrap_or("stackgate"), std::process::id())
        })
    }
}
