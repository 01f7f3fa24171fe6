//! What the worker tells of itself: events, metrics, logs and traces.

mod average;
mod catalog;
pub mod context;
mod embedded;
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
    average::{Work, WorkAverage},
    catalog::{CATALOG, Definition, Kind, reference},
    embedded::{Meter, Scope},
    label::{
        Action, CallResult, Ending, FailureCause, HandlerKind, Label, MessageState, Notified, Occasion,
        ProcessExit, ProcessState,
    },
    metrics::{
        ByLabel, Counts, Depth, Described, GroupTally, HeldGroup, Lazily, Metrics, QueueMetrics, Sighting,
    },
};
