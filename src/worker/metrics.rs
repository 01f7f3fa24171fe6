//! Metrics of the worker as a whole, and the list of every part's metrics.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use prometheus::{Gauge, IntGauge};
use tokio::time::Instant;

use crate::{
    consumer::{depth::DepthMetrics, lease::LeaseMetrics, metrics::ConsumerMetrics, settle::SettleMetrics},
    ecs::ProtectionMetrics,
    handler::{HandlerMetrics, ProcessMetrics},
    queue::metrics::CallMetrics,
    sns::metrics::{NotificationMetrics, PublishMetrics},
    telemetry::{
        self, Computed, MetricDefinition, MetricGroup, MetricScope, ProcessUsageMetrics, metric_group,
    },
};

/// The metrics of every part, in the order of the reference page.
const GROUPS: &[&[MetricDefinition]] = &[
    ConsumerMetrics::DEFINITIONS,
    LeaseMetrics::DEFINITIONS,
    SettleMetrics::DEFINITIONS,
    CallMetrics::DEFINITIONS,
    PublishMetrics::DEFINITIONS,
    NotificationMetrics::DEFINITIONS,
    DepthMetrics::DEFINITIONS,
    HandlerMetrics::DEFINITIONS,
    ProcessMetrics::DEFINITIONS,
    ProtectionMetrics::DEFINITIONS,
    WorkerMetrics::DEFINITIONS,
    ProcessUsageMetrics::DEFINITIONS,
];

/// Every metric of the worker.
pub fn all_metrics() -> Vec<MetricDefinition> {
    GROUPS.concat()
}

/// The reference page of all metrics, in Markdown.
pub fn metrics_reference() -> String {
    telemetry::metrics_page(&all_metrics())
}

metric_group! {
    /// Metrics of the worker as a whole.
    pub(super) struct WorkerMetrics {
        /// Seconds since the stop was asked for; 0 before.
        drain_seconds: Computed = "longshore_drain_seconds" [];
        /// How long a stop may take.
        drain_limit: Gauge = "longshore_drain_limit_seconds" [];
        /// Always 1; the label is the version.
        info: IntGauge = "longshore_build_info" ["version" = env!("CARGO_PKG_VERSION")];
    }
}

/// Shows the limit of the stop and the seconds since it was asked for.
pub(super) struct DrainMetrics {
    metrics: Arc<WorkerMetrics>,
    began: Arc<OnceLock<Instant>>,
}

impl DrainMetrics {
    pub(super) fn in_scope(scope: &MetricScope) -> Self {
        let (metrics, began) = (scope.group::<WorkerMetrics>(), Arc::new(OnceLock::new()));
        metrics.info.set(1);
        let read = began.clone();
        metrics
            .drain_seconds
            .by(move || Some(read.get().map_or(0.0, |began: &Instant| began.elapsed().as_secs_f64())));
        Self { metrics, began }
    }

    pub(super) fn limit(&self, limit: Duration) {
        self.metrics.drain_limit.set(limit.as_secs_f64());
    }

    /// Notes that the stop is asked for; only the first call has an effect.
    pub(super) fn draining(&self) {
        self.began.get_or_init(Instant::now);
    }
}

#[cfg(test)]
mod tests;
