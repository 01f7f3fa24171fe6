//! Telemetry: events, metrics, logs, spans and traces.

pub(crate) mod context;
pub(crate) mod events;
mod label;
#[cfg(feature = "cli")]
pub(crate) mod logs;
mod metrics;
#[cfg(feature = "otel")]
pub(crate) mod metrics_export;
#[cfg(feature = "otel")]
pub(crate) mod otlp;
pub(crate) mod spans;
#[cfg(feature = "otel")]
pub(crate) mod traces;

#[cfg(test)]
pub(crate) use self::metrics::{MetricKind, ProcessUsageMetrics, reference as metrics_page};
#[cfg(feature = "otel")]
pub use self::metrics_export::MetricsExport;
pub(crate) use self::{
    events::WarningSampler,
    label::{ConnectionFault, GiveBackCause, MessageState, PauseCause, ProcessExit},
    metrics::{
        ByLabel, Computed, Counter, Each, Gauge, Handle, Histogram, IntCounter, IntGauge, LabelDefinition,
        Lazily, Metric, MetricDefinition, MetricGroup, MetricsFormat, OPERATION_SECONDS, SecondsSince,
        metric_constant, metric_definition, metric_group,
    },
};
pub use self::{
    label::{Action, CallResult, Ending, FailureCause, HandlerKind, Label, Notified, Occasion, ProcessState},
    metrics::{MetricScope, Metrics},
};
