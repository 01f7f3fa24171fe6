//! Gauges and counters whose value is computed when the metrics are read.

use std::{
    marker::PhantomData,
    sync::{Arc, Mutex},
};

use prometheus::proto;
use tokio::time::Instant;

use super::{
    definition::MetricKind,
    family::{Metric, MetricOptions},
    lock, value,
    value::Gauge,
};

/// A series whose value is computed when the metrics are read; absent while there is none.
#[derive(Clone)]
pub(crate) struct Computed<M = Gauge> {
    function: Arc<Mutex<Option<ValueFunction>>>,
    kind: PhantomData<fn(M)>,
}

type ValueFunction = Box<dyn FnMut() -> Option<f64> + Send>;

impl<M: Metric> Computed<M> {
    /// Sets the function that computes the value, and replaces an earlier one.
    ///
    /// It must not register metrics, and should return at once.
    pub(crate) fn by(&self, value: impl Fn() -> Option<f64> + Send + 'static) {
        let mut highest = 0.0_f64;
        *lock(&self.function) = Some(Box::new(move || {
            let value = value()?;
            if M::KIND != MetricKind::Counter {
                return Some(value);
            }
            // A counter that falls would be taken for one that began anew.
            highest = highest.max(value);
            Some(highest)
        }));
    }
}

impl<M: Metric> Metric for Computed<M> {
    const KIND: MetricKind = M::KIND;

    fn new(_: MetricKind, _: MetricOptions) -> Self {
        Self { function: Arc::default(), kind: PhantomData }
    }

    fn read(&self) -> Option<proto::Metric> {
        let value = lock(&self.function).as_mut()?()?;
        Some(if M::KIND == MetricKind::Counter { value::counter(value) } else { value::gauge(value) })
    }
}

/// The whole seconds since the last reset, or since the start.
#[derive(Clone, Debug)]
pub struct SecondsSince(Arc<Mutex<Instant>>);

impl SecondsSince {
    /// Starts again at zero.
    pub fn reset(&self) {
        *lock(&self.0) = Instant::now();
    }

    /// The whole seconds.
    pub fn get(&self) -> u64 {
        lock(&self.0).elapsed().as_secs()
    }
}

impl Metric for SecondsSince {
    const KIND: MetricKind = MetricKind::Gauge;

    fn new(_: MetricKind, _: MetricOptions) -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    #[expect(clippy::cast_precision_loss, reason = "2^53 seconds are longer than any process runs")]
    fn read(&self) -> Option<proto::Metric> {
        Some(value::gauge(self.get() as f64))
    }
}
