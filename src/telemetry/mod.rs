//! What the worker tells of itself: events, metrics, logs and traces.

mod catalog;
pub mod context;
mod embedded;
pub mod events;
mod label;
pub mod logs;
mod metrics;
mod sampler;
pub mod traces;

pub use self::{
    catalog::{CATALOG, Definition, Kind, reference},
    embedded::{Meter, Scope},
    label::{Action, CallResult, Ending, Label, Notified, Occasion},
    metrics::{Metrics, QueueMetrics},
};
