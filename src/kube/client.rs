//! The connections to the API server.

use std::time::Duration;

use axum::http::{HeaderValue, header::USER_AGENT};
use kube::{Client, Config};

/// How long any call waits for its reply.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// One connection pool for each way of talking.
#[derive(Clone)]
pub struct Clients {
    /// For calls: each has to be answered within [`CALL_TIMEOUT`], and none is repeated behind the caller's back.
    pub calls: Client,
    /// For watches, which may be silent for long: they end themselves when nothing comes, not even a bookmark.
    pub watches: Client,
}

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clients")
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Neither a kubeconfig nor a service account was found.
    #[error("no way to reach Kubernetes: set KUBECONFIG, or run in a pod with a service account: {0}")]
    NoConfig(#[source] Box<kube::config::InferConfigError>),
    /// What was found cannot be used.
    #[error("the Kubernetes configuration cannot be used: {0}")]
    BadConfig(#[source] Box<kube::Error>),
}

/// Connects as `KUBECONFIG` or `~/.kube/config` says, else as the service account of the pod. Sends nothing yet.
///
/// # Errors
/// When neither is there, or cannot be used.
pub async fn connect() -> Result<Clients, ConnectError> {
    from_config(Config::infer().await.map_err(|e| ConnectError::NoConfig(Box::new(e)))?)
}

/// Connects as this configuration says. Sends nothing yet.
///
/// # Errors
/// When it cannot be used.
pub fn from_config(mut config: Config) -> Result<Clients, ConnectError> {
    // The name before the slash is the field manager of what we write. It is not that of the command line, whose fields are a person's.
    let agent = concat!("stackgate-controller/", env!("CARGO_PKG_VERSION"));
    config.headers.push((USER_AGENT, HeaderValue::from_static(agent)));
    // A repeated write would hide a lost reply: whoever made the call decides what follows.
    config.default_retry = false;
    let client = |config| Client::try_from(config).map_err(|e| ConnectError::BadConfig(Box::new(e)));
    let watches = client(config.clone())?;
    config.read_timeout = Some(CALL_TIMEOUT);
    // Counts from the request, not from when the connection fell idle.
    config.reset_reader_on_write = true;
    Ok(Clients { calls: client(config)?, watches })
}
