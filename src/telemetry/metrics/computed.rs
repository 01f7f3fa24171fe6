//! Gauges and counters whose value is computed when the metrics are read.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use prometheus::{
    Counter, Gauge,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use tokio::time::Instant;

use super::{
    definition::{MetricDefinition, MetricKind},
    handle::{Metric, MetricOptions},
};

type ValueFunction = Box<dyn Fn() -> Option<f64> + Send + Sync>;

/// A series whose value is computed when the metrics are read; absent while there is none.
#[derive(Clone)]
pub(crate) struct Computed<M: Settable = Gauge> {
    family: ComputedFamily<M>,
    values: Arc<[String]>,
}

impl<M: Settable> Computed<M> {
    /// Sets the function that computes the value, and replaces an earlier one.
    ///
    /// It must not register metrics, and should return at once.
    pub(crate) fn by(&self, value: impl Fn() -> Option<f64> + Send + Sync + 'static) {
        self.family.functions().insert(self.values.clone(), Box::new(value));
    }
}

impl<M: Settable> Metric for Computed<M> {
    const KIND: MetricKind = M::KIND;

    type Family = ComputedFamily<M>;

    fn family(definition: &MetricDefinition, options: MetricOptions) -> prometheus::Result<Self::Family> {
        Ok(ComputedFamily { inner: M::family(definition, options)?, functions: Arc::default() })
    }

    fn series(family: &Self::Family, values: &[&str]) -> Self {
        Self { family: family.clone(), values: values.iter().map(|value| (*value).to_owned()).collect() }
    }
}

/// A metric that can be set when it is read.
pub trait Settable: Metric {
    /// Sets the value.
    fn set_to(&self, value: f64);

    /// Removes a series, if there is one.
    fn remove(family: &Self::Family, values: &[&str]);
}

impl Settable for Gauge {
    fn set_to(&self, value: f64) {
        self.set(value);
    }

    fn remove(family: &Self::Family, values: &[&str]) {
        // Fails where there is none.
        drop(family.remove_label_values(values));
    }
}

impl Settable for Counter {
    fn set_to(&self, value: f64) {
        self.inc_by((value - self.get()).max(0.0));
    }

    fn remove(family: &Self::Family, values: &[&str]) {
        drop(family.remove_label_values(values));
    }
}

/// The computed series of one metric.
#[derive(Clone)]
pub struct ComputedFamily<M: Settable> {
    inner: M::Family,
    functions: Arc<Mutex<BTreeMap<Arc<[String]>, ValueFunction>>>,
}

impl<M: Settable> ComputedFamily<M> {
    fn functions(&self) -> MutexGuard<'_, BTreeMap<Arc<[String]>, ValueFunction>> {
        self.functions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Settable> Collector for ComputedFamily<M> {
    fn desc(&self) -> Vec<&Desc> {
        self.inner.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        for (values, function) in &*self.functions() {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            match function() {
                Some(value) => M::series(&self.inner, &values).set_to(value),
                None => M::remove(&self.inner, &values),
            }
        }
        self.inner.collect()
    }
}

/// The whole seconds since the last reset, or since the start.
#[derive(Clone)]
pub struct SecondsSince(Arc<Mutex<Instant>>);

impl SecondsSince {
    /// Starts again at zero.
    pub fn reset(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// The whole seconds.
    pub fn get(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).elapsed().as_secs()
    }
}

impl Metric for SecondsSince {
    const KIND: MetricKind = MetricKind::Gauge;

    type Family = ComputedFamily<Gauge>;

    fn family(definition: &MetricDefinition, options: MetricOptions) -> prometheus::Result<Self::Family> {
        <Computed as Metric>::family(definition, options)
    }

    fn series(family: &Self::Family, values: &[&str]) -> Self {
        let since = Self(Arc::new(Mutex::new(Instant::now())));
        let read = since.clone();
        #[expect(clippy::cast_precision_loss, reason = "2^53 seconds are longer than any process runs")]
        <Computed as Metric>::series(family, values).by(move || Some(read.get() as f64));
        since
    }
}
