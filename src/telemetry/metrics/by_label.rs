//! One metric for each value of a label, looked up without hashing.

use std::{
    marker::PhantomData,
    sync::{LazyLock, OnceLock},
};

use crate::telemetry::Label;

/// One metric for each value of a label, looked up without hashing.
///
/// Most begin at zero, so that the first event is seen as an increase. Those of which a queue would otherwise have
/// dozens that never count anything, histograms above all, begin with what they count first.
pub struct ByLabel<L, M> {
    metrics: Box<[OnceLock<M>]>,
    make: Box<dyn Fn(L) -> M + Send + Sync>,
    label: PhantomData<fn(L)>,
}

impl<L: Label, M> ByLabel<L, M> {
    /// Metrics that begin with their first use, or when they are told to.
    pub(super) fn new(make: impl Fn(L) -> M + Send + Sync + 'static) -> Self {
        let metrics = L::ALL.iter().map(|_| OnceLock::new()).collect();
        Self { metrics, make: Box::new(make), label: PhantomData }
    }

    /// The metric of this label value.
    pub fn of(&self, label: L) -> &M {
        self.metrics[label.index()].get_or_init(|| (self.make)(label))
    }

    /// Makes these appear, at zero.
    pub fn begin(&self, labels: &[L]) {
        for label in labels {
            self.of(*label);
        }
    }
}

/// A metric that is there from its first use.
pub struct Lazily<M>(LazyLock<M, Box<dyn FnOnce() -> M + Send>>);

impl<M> Lazily<M> {
    pub(super) fn new(make: impl FnOnce() -> M + Send + 'static) -> Self {
        Self(LazyLock::new(Box::new(make)))
    }
}

impl<M> std::ops::Deref for Lazily<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.0
    }
}
