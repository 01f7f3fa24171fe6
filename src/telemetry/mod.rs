//! Telemetry: events, metrics, logs and traces.

pub mod context;
pub mod events;
mod label;
#[cfg(feature = "cli")]
pub mod logs;
mod metrics;
pub mod spans;
#[cfg(feature = "otel")]
pub mod traces;

pub(crate) use self::metrics::{metric_constant, metric_definition, metric_group};
pub use self::{
    events::WarningSampler,
    label::{
        Action, CallResult, Ending, FailureCause, HandlerKind, Label, MessageState, Notified, Occasion,
        ProcessExit, ProcessState,
    },
    metrics::{
        ByLabel, Computed, ComputedFamily, Each, Handle, LabelDefinition, Lazily, Metric, MetricDefinition,
        MetricGroup, MetricKind, MetricScope, Metrics, OPERATION_SECONDS, ProcessUsageMetrics, SecondsSince,
        Series, Settable, reference as metrics_page,
    },
};
