//! Metrics in the Prometheus text format. Labels come from enums, so the number of series is bounded.

use std::{
    fmt::{self, Write as _},
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::queue::Kind;

impl EncodeLabelValue for Kind {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(self.as_str())
    }
}

/// How a pass ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PassOutcome {
    /// To its end.
    Done,
    /// With an error; it is tried again.
    Failed,
}

impl EncodeLabelValue for PassOutcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(match self {
            Self::Done => "done",
            Self::Failed => "failed",
        })
    }
}

/// The labels of `stackgate_passes_total`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct PassLabels {
    /// The kind of the object.
    pub kind: Kind,
    /// How it ended.
    pub outcome: PassOutcome,
}

/// All metrics of the process; clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    passes: Family<PassLabels, Counter>,
    queue_depth: Gauge,
    leader: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics that all begin at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("stackgate");
        let (passes, queue_depth, leader) = (Family::default(), Gauge::default(), Gauge::default());
        registry.register("passes", "Passes that ended, by kind of object and outcome", passes.clone());
        registry.register(
            "queue_depth",
            "Objects that are ready for a pass and wait for a worker",
            queue_depth.clone(),
        );
        registry.register("leader", "1 while this replica leads", leader.clone());
        Self { registry: Arc::new(Mutex::new(registry)), passes, queue_depth, leader }
    }

    /// Adds metrics of another part; names get the prefix `stackgate_`.
    pub fn register<T>(&self, add: impl FnOnce(&mut Registry) -> T) -> T {
        add(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts a pass.
    pub fn pass_ended(&self, kind: Kind, outcome: PassOutcome) {
        self.passes.get_or_create(&PassLabels { kind, outcome }).inc();
    }

    /// Notes how many objects wait for a worker.
    pub fn queue_depth(&self, depth: usize) {
        self.queue_depth.set(i64::try_from(depth).unwrap_or(i64::MAX));
    }

    /// Notes whether this replica leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    /// The page that Prometheus reads.
    ///
    /// # Errors
    /// When a metric cannot be written as text.
    pub fn page(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        encode(&mut page, &self.registry.lock().unwrap_or_else(PoisonError::into_inner))?;
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_passes_by_kind_and_outcome() {
        let metrics = Metrics::new();
        metrics.pass_ended(Kind::Stage, PassOutcome::Done);
        metrics.pass_ended(Kind::Stage, PassOutcome::Done);
        metrics.pass_ended(Kind::AwsAccount, PassOutcome::Failed);
        metrics.leads(true);
        let page = metrics.page().unwrap();
        assert!(page.contains("stackgate_passes_total{kind=\"Stage\",outcome=\"done\"} 2\n"), "{page}");
        assert!(
            page.contains("stackgate_passes_total{kind=\"AwsAccount\",outcome=\"failed\"} 1\n"),
            "{page}"
        );
        assert!(page.contains("stackgate_leader 1\n"), "{page}");
    }
}
