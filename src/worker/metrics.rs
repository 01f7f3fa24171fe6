//! Metrics of the worker as a whole, and the list of every part's metrics.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::time::Instant;

#[cfg(test)]
use super::observers::ExhaustedMetrics;
use super::{Consumer, open::Opened};
#[cfg(test)]
use crate::{
    admin::AdminMetrics,
    consumer::{depth::DepthMetrics, lease::LeaseMetrics, running::RunningMetrics, settle::SettleMetrics},
    ecs::ProtectionMetrics,
    handler::metrics::{HandlerMetrics, HttpMetrics, ProcessMetrics},
    queue::metrics::CallMetrics,
    sns::metrics::{NotificationMetrics, PublishMetrics},
    telemetry::{self, MetricDefinition, MetricGroup, ProcessUsageMetrics},
};
use crate::{
    consumer::{
        depth::{QueueDepth, WorkAverage},
        metrics::ConsumerMetrics,
        running::RunningCalls,
    },
    handler::FailureCounter,
    telemetry::{Computed, Gauge, IntGauge, MetricScope, Metrics, metric_group},
};

/// The metrics of every part, in the order of the reference page.
#[cfg(test)]
const GROUPS: &[&[MetricDefinition]] = &[
    ConsumerMetrics::DEFINITIONS,
    RunningMetrics::DEFINITIONS,
    ExhaustedMetrics::DEFINITIONS,
    LeaseMetrics::DEFINITIONS,
    SettleMetrics::DEFINITIONS,
    CallMetrics::DEFINITIONS,
    PublishMetrics::DEFINITIONS,
    NotificationMetrics::DEFINITIONS,
    DepthMetrics::DEFINITIONS,
    HandlerMetrics::DEFINITIONS,
    ProcessMetrics::DEFINITIONS,
    HttpMetrics::DEFINITIONS,
    ProtectionMetrics::DEFINITIONS,
    WorkerMetrics::DEFINITIONS,
    AdminMetrics::DEFINITIONS,
    ProcessUsageMetrics::DEFINITIONS,
];

/// Every metric of the worker.
#[cfg(test)]
pub(crate) fn all_metrics() -> Vec<MetricDefinition> {
    GROUPS.concat()
}

/// The reference page of all metrics, in Markdown.
#[cfg(test)]
pub(crate) fn metrics_reference() -> String {
    telemetry::metrics_page(&all_metrics())
}

metric_group! {
    /// Metrics of the worker as a whole.
    pub(super) struct WorkerMetrics {
        /// Seconds since the stop was requested; 0 before.
        drain_seconds: Computed = "longshore_drain_seconds" [];
        /// Configured queues that are not open: the start still waits for SQS, or for a queue that does not exist yet.
        unopened: Computed = "longshore_queues_unopened" [];
        /// Time limit of a stop, in seconds.
        drain_limit: Gauge = "longshore_drain_limit_seconds" [];
        /// Always 1; the label is the version.
        info: IntGauge = "longshore_build_info" ["version" = env!("CARGO_PKG_VERSION")];
    }
}

/// Shows the limit of the stop and the seconds since its request.
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

    /// Shows the number of queues that are not open.
    pub(super) fn unopened(&self, count: impl Fn() -> usize + Send + Sync + 'static) {
        #[expect(clippy::cast_precision_loss, reason = "no worker has 2^53 queues")]
        self.metrics.unopened.by(move || Some(count() as f64));
    }

    /// Notes that the stop was requested; only the first call has an effect.
    pub(super) fn draining(&self) {
        self.began.get_or_init(Instant::now);
    }
}

/// The metrics of one consumer's queue.
pub(super) struct QueueMeasurements {
    /// The scope in which the parts register their metrics.
    pub(super) scope: MetricScope,
    /// Counts the failed calls of the handler.
    pub(super) failures: FailureCounter,
    /// The number of messages in the queue.
    pub(super) depth: QueueDepth,
    /// The calls of the handler, and the messages that wait for theirs.
    pub(super) running: RunningCalls,
}

impl QueueMeasurements {
    /// Registers the metrics of an open queue, and those of its handler.
    pub(super) fn new(metrics: &Metrics, consumer: &Consumer, opened: &Opened) -> Self {
        let scope = metrics.queue(&consumer.name, &consumer.name_in_sqs(&opened.arn));
        let failures = consumer.handler.register_metrics(&scope);
        let running = RunningCalls::in_scope(&scope);
        let depth = QueueDepth::in_scope(&scope, consumer.settings.concurrency, running.clone());
        Self { scope, failures, depth, running }
    }

    /// The average time that a message keeps a slot, from the work done since the start.
    pub(super) fn work(&self) -> WorkAverage {
        let (metrics, running) = (self.scope.group::<ConsumerMetrics>(), self.running.clone());
        WorkAverage::new(move || running.work_done(metrics.messages_worked(), Instant::now()))
    }
}

#[cfg(test)]
mod tests;
