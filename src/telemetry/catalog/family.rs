//! How a definition becomes a family of metrics on a registry.

use prometheus::{
    CounterVec, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
    core::Collector,
};

use super::{Definition, Kind};

/// Metrics of one name that differ in their labels.
pub(super) trait Family: Collector + Clone + Sized + 'static {
    /// Makes the family, with nothing in it.
    fn build(definition: &Definition) -> prometheus::Result<Self>;
}

macro_rules! plain {
    ($($family:ty),*) => {
        $(impl Family for $family {
            fn build(definition: &Definition) -> prometheus::Result<Self> {
                Self::new(Opts::new(definition.name, definition.help), definition.labels)
            }
        })*
    };
}

plain!(CounterVec, GaugeVec, IntCounterVec, IntGaugeVec);

impl Family for HistogramVec {
    fn build(definition: &Definition) -> prometheus::Result<Self> {
        let buckets = match definition.kind {
            Kind::Histogram(buckets) => buckets,
            Kind::Counter | Kind::Gauge => prometheus::DEFAULT_BUCKETS,
        };
        let options = HistogramOpts::new(definition.name, definition.help).buckets(buckets.to_vec());
        Self::new(options, definition.labels)
    }
}

#[expect(clippy::expect_used, reason = "definitions are constants, and a test makes every one of them")]
pub(super) fn registered<F: Family>(registry: &Registry, definition: &Definition) -> F {
    let family = F::build(definition).expect("the definition is valid");
    registry.register(Box::new(family.clone())).expect("the name is new");
    family
}
