//! Telemetry: events, metrics, logs and traces.

pub mod context;
pub mod events;
mod label;
#[cfg(feature = "cli")]
pub mod logs;
mod metrics;
mod sampler;
mod span_input;
#[cfg(feature = "otel")]
pub mod traces;
#[cfg(not(feature = "otel"))]
#[path = "no_traces.rs"]
pub mod traces;

pub use self::{
    label::{
        Action, CallResult, Ending, FailureCause, HandlerKind, Label, MessageState, Notified, Occasion,
        ProcessExit, ProcessState,
    },
    metrics::{
        ByLabel, Computed, ComputedFamily, Each, Handle, LabelDefinition, Lazily, Metric, MetricDefinition,
        MetricGroup, MetricKind, MetricScope, Metrics, OPERATION_SECONDS, ProcessUsageMetrics, SecondsSince,
        Series, Settable, reference as metrics_page,
    },
    sampler::WarningSampler,
};

pub(crate) use self::metrics::{metric_constant, metric_definition, metric_group};
