//! Handles on series: resolved once, so that counting looks up no label.

use std::{
    marker::PhantomData,
    ops::Deref,
    sync::{Arc, OnceLock},
};

use prometheus::{
    Counter, CounterVec, Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    core::Collector,
};

use super::definition::{LabelDefinition, MetricDefinition, MetricKind};
use crate::telemetry::Label;

/// A metric with all its labels set.
pub trait Metric: Clone + Send + Sync + 'static {
    /// The kind of the metric.
    const KIND: MetricKind;

    /// The metrics of one name that differ in their labels.
    type Family: Collector + Clone + Send + Sync + 'static;

    /// Creates a family without series.
    fn family(definition: &MetricDefinition, options: MetricOptions) -> prometheus::Result<Self::Family>;

    /// The series with these label values, created if there is none.
    fn series(family: &Self::Family, values: &[&str]) -> Self;
}

/// The options of all metrics of a registry.
#[derive(Clone, Copy, Debug, Default)]
pub struct MetricOptions {
    /// Histograms have exponential buckets, too.
    pub(super) exponential_histograms: bool,
}

/// Resolved series of one metric.
pub trait Handle: Sized + Send + Sync + 'static {
    /// The metric with all labels set.
    type Metric: Metric;

    /// Resolves the series.
    fn resolve(series: Series<Self::Metric>) -> Self;

    /// The values that the label of this name can have; `None` if the handle does not fix them.
    fn label_values(_label: &str) -> Option<Vec<&'static str>> {
        None
    }
}

/// A family, and the label values that are known so far.
#[derive(Clone)]
pub struct Series<M: Metric> {
    family: M::Family,
    labels: &'static [LabelDefinition],
    values: Arc<[Option<Arc<str>>]>,
}

impl<M: Metric> Series<M> {
    pub(super) fn new(
        family: M::Family,
        labels: &'static [LabelDefinition],
        value: impl Fn(&str) -> Option<Arc<str>>,
    ) -> Self {
        let values = labels.iter().map(|label| label.constant.map(Into::into).or_else(|| value(label.name)));
        Self { family, labels, values: values.collect() }
    }

    fn with(&self, label: impl Label) -> Self {
        let values = self.labels.iter().zip(&*self.values).map(|(definition, value)| {
            value.clone().or_else(|| label.value_of(definition.name).map(Into::into))
        });
        Self { values: values.collect(), ..self.clone() }
    }

    fn metric(&self) -> M {
        let values: Vec<&str> =
            self.values.iter().map(|value| value.as_deref().unwrap_or_default()).collect();
        M::series(&self.family, &values)
    }
}

macro_rules! metrics {
    ($($metric:ty: $kind:expr, $family:ty;)*) => {
        $(
            impl Metric for $metric {
                const KIND: MetricKind = $kind;

                type Family = $family;

                fn family(definition: &MetricDefinition, _: MetricOptions) -> prometheus::Result<$family> {
                    <$family>::new(Opts::new(definition.name, definition.help), &definition.label_names())
                }

                fn series(family: &$family, values: &[&str]) -> Self {
                    family.with_label_values(values)
                }
            }
        )*
    };
}

metrics! {
    IntCounter: MetricKind::Counter, IntCounterVec;
    Counter: MetricKind::Counter, CounterVec;
    IntGauge: MetricKind::Gauge, IntGaugeVec;
    Gauge: MetricKind::Gauge, GaugeVec;
}

/// A metric is its own handle: its series exists from the start.
impl<M: Metric> Handle for M {
    type Metric = M;

    fn resolve(series: Series<M>) -> Self {
        series.metric()
    }
}

/// A metric whose series appears at its first use.
pub struct Lazily<M: Metric> {
    series: Series<M>,
    metric: OnceLock<M>,
}

impl<M: Metric> Handle for Lazily<M> {
    type Metric = M;

    fn resolve(series: Series<M>) -> Self {
        Self { series, metric: OnceLock::new() }
    }
}

impl<M: Metric> Deref for Lazily<M> {
    type Target = M;

    fn deref(&self) -> &M {
        self.metric.get_or_init(|| self.series.metric())
    }
}

/// A handle for each value of a label, all of which exist from the start.
///
/// Counters that every queue has begin at zero, so that the first event is seen as an increase.
pub struct Each<L, H> {
    handles: Box<[H]>,
    label: PhantomData<fn(L)>,
}

impl<L: Label, H: Handle> Handle for Each<L, H> {
    type Metric = H::Metric;

    fn resolve(series: Series<H::Metric>) -> Self {
        let handles = L::ALL.iter().map(|label| H::resolve(series.with(*label))).collect();
        Self { handles, label: PhantomData }
    }

    fn label_values(label: &str) -> Option<Vec<&'static str>> {
        values_of::<L>(label).or_else(|| H::label_values(label))
    }
}

impl<L: Label, H> Each<L, H> {
    /// The handle of this label value.
    pub fn of(&self, label: L) -> &H {
        &self.handles[label.index()]
    }
}

/// A handle for each value of a label, whose series appears at its first use.
///
/// For metrics of which a queue would otherwise have dozens of unused series, histograms above all.
pub struct ByLabel<L, H: Handle> {
    series: Series<H::Metric>,
    handles: Box<[OnceLock<H>]>,
    label: PhantomData<fn(L)>,
}

impl<L: Label, H: Handle> Handle for ByLabel<L, H> {
    type Metric = H::Metric;

    fn resolve(series: Series<H::Metric>) -> Self {
        Self { series, handles: L::ALL.iter().map(|_| OnceLock::new()).collect(), label: PhantomData }
    }

    fn label_values(label: &str) -> Option<Vec<&'static str>> {
        values_of::<L>(label).or_else(|| H::label_values(label))
    }
}

impl<L: Label, H: Handle> ByLabel<L, H> {
    /// The handle of this label value.
    pub fn of(&self, label: L) -> &H {
        self.handles[label.index()].get_or_init(|| H::resolve(self.series.with(label)))
    }

    /// Creates the series of these label values, at zero.
    pub fn begin(&self, labels: &[L]) {
        for label in labels {
            self.of(*label);
        }
    }
}

fn values_of<L: Label>(label: &str) -> Option<Vec<&'static str>> {
    let mut values = Vec::new();
    for value in L::ALL.iter().map(|value| value.value_of(label)) {
        let value = value?;
        if !values.contains(&value) {
            values.push(value);
        }
    }
    Some(values)
}

impl MetricDefinition {
    pub(super) fn label_names(&self) -> Vec<&'static str> {
        self.labels.iter().map(|label| label.name).collect()
    }
}
