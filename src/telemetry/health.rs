//! The pages for probes and Prometheus.

use std::{
    net::SocketAddr,
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;

use super::metrics::Metrics;
use crate::shutdown::Shutdown;

/// The content type that Prometheus expects of this format.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the pages tell; clones share it.
#[derive(Clone, Debug)]
pub struct Health {
    synced: Arc<AtomicBool>,
    metrics: Metrics,
}

/// Why the pages cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("health pages cannot be served at {address}: {error}")]
pub struct HealthError {
    /// The address as given.
    pub address: SocketAddr,
    /// What the system said.
    #[source]
    pub error: std::io::Error,
}

impl Health {
    /// Not ready yet.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        Self { synced: Arc::default(), metrics }
    }

    /// Everything was listed: from here on this replica leads or could.
    pub fn synced(&self) {
        self.synced.store(true, Ordering::Release);
    }

    /// Takes the address; the returned future serves `/healthz` (alive), `/readyz` (leads or could) and `/metrics` until
    /// the end is asked for.
    ///
    /// # Errors
    /// When the address cannot be taken.
    pub async fn serve(
        self,
        address: SocketAddr,
        shutdown: Shutdown,
    ) -> Result<impl Future<Output = std::io::Result<()>> + Send, HealthError> {
        let listener = TcpListener::bind(address).await.map_err(|error| HealthError { address, error })?;
        let ended = async move { shutdown.requested().await };
        Ok(async move { axum::serve(listener, self.pages()).with_graceful_shutdown(ended).await })
    }

    fn pages(self) -> Router {
        Router::new()
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(self)
    }
}

async fn ready(State(health): State<Health>) -> (StatusCode, &'static str) {
    if health.synced.load(Ordering::Acquire) {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the objects in Kubernetes have not been listed yet\n")
    }
}

async fn metrics(State(health): State<Health>) -> Response {
    match health.metrics.page() {
        Ok(page) => ([(CONTENT_TYPE, OPENMETRICS)], page).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
