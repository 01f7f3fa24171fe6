//! Counters and gauges, by the library's atomic numbers.

use std::sync::Arc;

use prometheus::{
    core::{Atomic, AtomicF64, AtomicI64, AtomicU64, Number as _},
    proto,
};

use super::{
    definition::MetricKind,
    family::{Metric, MetricOptions},
};

/// A number that only grows; clones are the same counter.
#[derive(Debug)]
pub struct GenericCounter<N>(Arc<N>);

/// A counter.
pub(crate) type Counter = GenericCounter<AtomicF64>;

/// A counter of whole numbers.
pub(crate) type IntCounter = GenericCounter<AtomicU64>;

/// A number that goes up and down; clones are the same gauge.
#[derive(Debug)]
pub struct GenericGauge<N>(Arc<N>);

/// A gauge.
pub(crate) type Gauge = GenericGauge<AtomicF64>;

/// A gauge of whole numbers.
pub(crate) type IntGauge = GenericGauge<AtomicI64>;

// Derived, it would ask of the number to be `Clone`, too.
impl<N> Clone for GenericCounter<N> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<N> Clone for GenericGauge<N> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<N: Atomic> GenericCounter<N> {
    /// Adds a number.
    pub fn inc_by(&self, number: N::T) {
        self.0.inc_by(number);
    }

    /// Adds one.
    pub fn inc(&self) {
        self.inc_by(N::T::from_i64(1));
    }

    /// The value.
    pub fn get(&self) -> N::T {
        self.0.get()
    }
}

impl<N: Atomic> GenericGauge<N> {
    /// Sets the value.
    pub fn set(&self, value: N::T) {
        self.0.set(value);
    }

    /// Adds a number.
    pub fn add(&self, number: N::T) {
        self.0.inc_by(number);
    }

    /// Subtracts a number.
    pub fn sub(&self, number: N::T) {
        self.0.dec_by(number);
    }

    /// Adds one.
    pub fn inc(&self) {
        self.add(N::T::from_i64(1));
    }

    /// Subtracts one.
    pub fn dec(&self) {
        self.sub(N::T::from_i64(1));
    }

    /// The value.
    pub fn get(&self) -> N::T {
        self.0.get()
    }
}

impl<N: Atomic + 'static> Metric for GenericCounter<N> {
    const KIND: MetricKind = MetricKind::Counter;

    fn new(_: MetricKind, _: MetricOptions) -> Self {
        Self(Arc::new(N::new(N::T::from_i64(0))))
    }

    fn read(&self) -> Option<proto::Metric> {
        Some(counter(self.get().into_f64()))
    }
}

impl<N: Atomic + 'static> Metric for GenericGauge<N> {
    const KIND: MetricKind = MetricKind::Gauge;

    fn new(_: MetricKind, _: MetricOptions) -> Self {
        Self(Arc::new(N::new(N::T::from_i64(0))))
    }

    fn read(&self) -> Option<proto::Metric> {
        Some(gauge(self.get().into_f64()))
    }
}

/// A counter's value in the library's model.
pub(super) fn counter(value: f64) -> proto::Metric {
    let mut counter = proto::Counter::default();
    counter.set_value(value);
    let mut metric = proto::Metric::default();
    metric.set_counter(counter);
    metric
}

/// A gauge's value in the library's model.
pub(super) fn gauge(value: f64) -> proto::Metric {
    let mut gauge = proto::Gauge::default();
    gauge.set_value(value);
    proto::Metric::from_gauge(gauge)
}
