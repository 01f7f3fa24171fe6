//! OTLP: what the exports of traces and of metrics share, by the standard variables of OpenTelemetry.

mod collector;
mod resource;
mod variables;

use std::time::Duration;

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

pub use self::collector::OtlpError;
pub(crate) use self::{
    collector::{Collector, Compression, Protocol, Reason, RecordingClient},
    resource::ResourcePlan,
    variables::{Fault, Signal, Variables},
};

/// The name of the instrumentation scope of spans and metrics.
pub(crate) const SCOPE: &str = "longshore";

/// The result of the last export of a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ExportState {
    #[default]
    Good,
    Failing,
}

/// Requests flushes of the thread of an export, which ends when they are dropped.
#[derive(Clone, Debug)]
pub(crate) struct FlushRequests(mpsc::UnboundedSender<oneshot::Sender<()>>);

/// The requests for flushes; each is answered when all is sent or given up.
pub(crate) type RequestedFlushes = mpsc::UnboundedReceiver<oneshot::Sender<()>>;

impl FlushRequests {
    pub(crate) fn new() -> (Self, RequestedFlushes) {
        let (requests, requested) = mpsc::unbounded_channel();
        (Self(requests), requested)
    }

    /// Flushes; false if that takes longer than `limit`.
    pub(crate) async fn flush(&self, limit: Duration) -> bool {
        let (sender, flushed) = oneshot::channel();
        // Without the thread nothing can be sent, and its end was reported.
        self.0.send(sender).is_err() || timeout(limit, flushed).await.is_ok()
    }
}

/// Every variable that is read, for commands that show them.
pub(crate) const VARIABLES: &[&str] = &[
    "OTEL_SDK_DISABLED",
    "OTEL_TRACES_EXPORTER",
    "OTEL_METRICS_EXPORTER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT",
    "OTEL_EXPORTER_OTLP_COMPRESSION",
    "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
    "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION",
    "OTEL_SERVICE_NAME",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BSP_EXPORT_TIMEOUT",
    "OTEL_METRIC_EXPORT_INTERVAL",
    "OTEL_METRIC_EXPORT_TIMEOUT",
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
];
