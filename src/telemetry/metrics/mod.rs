//! The metrics themselves, on a registry of their own.

mod by_label;
mod depth;
mod estimate;
mod groups;
mod process;
mod queue;
mod series;
mod stop;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus::{Registry, TextEncoder};
use tokio::time::Instant;

pub use self::{
    by_label::{ByLabel, Lazily},
    depth::Depth,
    estimate::{Counts, Sighting},
    groups::{GroupTally, HeldGroup},
    queue::{Described, QueueMetrics},
};
use self::{process::Usage, stop::StopMetrics};
use super::catalog::Families;

/// All metrics of a process.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    families: Families,
    queues: Mutex<BTreeMap<String, Arc<QueueMetrics>>>,
    stop: StopMetrics,
    usage: Usage,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A fresh registry with every metric of the catalogue.
    pub fn new() -> Self {
        Self::on(Registry::new())
    }

    /// Metrics on a registry that may hold others, too; use one `Metrics` for each registry.
    pub fn on(registry: Registry) -> Self {
        let families = Families::new(&registry);
        families.info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let (stop, usage) = (StopMetrics::new(&families), Usage::new(&families));
        Self(Arc::new(Inner { registry, families, queues: Mutex::default(), stop, usage }))
    }

    /// The metrics of one queue, by its configured name; the same ones for the same name.
    pub fn queue(&self, name: &str) -> Arc<QueueMetrics> {
        let make = || Arc::new(QueueMetrics::new(&self.0.families, name));
        self.queues().entry(name.to_owned()).or_insert_with(make).clone()
    }

    fn queues(&self) -> MutexGuard<'_, BTreeMap<String, Arc<QueueMetrics>>> {
        self.0.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how long a stop may take.
    pub fn drain_limit(&self, limit: Duration) {
        self.0.stop.limit(limit);
    }

    /// Notes that the stop was asked for; the first time counts.
    pub fn draining(&self) {
        self.0.stop.asked_for(Instant::now());
    }

    /// Says who knows whether the task is protected from scale-in; asked at each look at the metrics.
    pub fn protection(&self, is_protected: impl Fn() -> bool + Send + Sync + 'static) {
        self.0.stop.protection(Box::new(is_protected));
    }

    /// Everything, in Prometheus's text format.
    pub fn text(&self) -> String {
        let (queues, now) = (self.queues().clone(), Instant::now());
        for queue in queues.values() {
            queue.refresh(now);
        }
        self.0.stop.refresh(&self.0.families, now);
        self.0.usage.refresh(&self.0.families);
        // Encoding fails only for names that the registry would have refused.
        TextEncoder::new().encode_to_string(&self.0.registry.gather()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
