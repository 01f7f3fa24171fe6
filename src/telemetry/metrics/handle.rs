//! Handles on series: resolved once, so that counting looks up no label.

use std::{
    marker::PhantomData,
    ops::Deref,
    sync::{Arc, OnceLock},
};

use super::{
    definition::LabelDefinition,
    family::{Family, LabelValue, Metric},
};
use crate::telemetry::Label;

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
    family: Family<M>,
    labels: &'static [LabelDefinition],
    values: Arc<[Option<LabelValue>]>,
}

impl<M: Metric> Series<M> {
    pub(super) fn new(
        family: Family<M>,
        labels: &'static [LabelDefinition],
        value: impl Fn(&str) -> Option<Arc<str>>,
    ) -> Self {
        let values = labels.iter().map(|label| match label.constant {
            Some(constant) => Some(LabelValue::Static(constant)),
            None => value(label.name).map(LabelValue::Shared),
        });
        Self { family, labels, values: values.collect() }
    }

    fn with(&self, label: impl Label) -> Self {
        let values = self.labels.iter().zip(&*self.values).map(|(definition, value)| {
            value.clone().or_else(|| label.value_of(definition.name).map(LabelValue::Static))
        });
        Self { values: values.collect(), ..self.clone() }
    }

    fn metric(&self) -> M {
        let values = self.values.iter().map(|value| value.clone().unwrap_or(LabelValue::Static("")));
        self.family.series(values.collect())
    }
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
