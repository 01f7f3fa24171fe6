//! What the worker tells of itself: events, metrics and logs.

mod average;
mod catalog;
mod embedded;
pub mod events;
mod label;
pub mod logs;
mod metrics;
mod sampler;

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
