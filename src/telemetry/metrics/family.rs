//! All series of one metric.
//!
//! The library's own vectors keep the name, the help and the names of the labels with each series; for a worker with a
//! thousand queues that is more than the values are.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Deref,
    sync::{Arc, Mutex},
};

use prometheus::{
    core::{Collector, Desc},
    proto::{LabelPair, Metric as ReadMetric, MetricFamily, MetricType},
};

use super::{
    definition::{LabelDefinition, MetricDefinition, MetricKind},
    lock,
};

/// A metric with all its labels set; clones are the same metric.
pub trait Metric: Clone + Send + Sync + 'static {
    /// The kind of the metric.
    const KIND: MetricKind;

    /// A metric at zero.
    fn new(kind: MetricKind, options: MetricOptions) -> Self;

    /// Its value now, without labels; `None` while it is absent.
    fn read(&self) -> Option<ReadMetric>;
}

/// The options of all metrics of a registry.
#[derive(Clone, Copy, Debug, Default)]
pub struct MetricOptions {
    /// Histograms have exponential buckets, too.
    pub(super) exponential_histograms: bool,
}

/// The metrics of one name that differ in their labels; clones are the same family.
#[derive(Clone)]
pub(super) struct Family<M>(Arc<FamilyInner<M>>);

struct FamilyInner<M> {
    definition: &'static MetricDefinition,
    options: MetricOptions,
    description: Desc,
    /// By the values of the labels, in the order of the definition.
    series: Mutex<BTreeMap<Box<[LabelValue]>, M>>,
}

impl<M: Metric> Family<M> {
    /// A family without series.
    pub(super) fn new(
        definition: &'static MetricDefinition,
        options: MetricOptions,
    ) -> prometheus::Result<Self> {
        let labels = definition.labels.iter().map(|label| label.name.to_owned()).collect();
        let description =
            Desc::new(definition.name.to_owned(), definition.help.to_owned(), labels, HashMap::new())?;
        Ok(Self(Arc::new(FamilyInner { definition, options, description, series: Mutex::default() })))
    }

    /// The series with these values of the labels, created if there is none.
    pub(super) fn series(&self, values: Box<[LabelValue]>) -> M {
        let new = || M::new(self.0.definition.kind, self.0.options);
        lock(&self.0.series).entry(values).or_insert_with(new).clone()
    }

    /// The series with these labels, as the registry returns them.
    pub(super) fn find(&self, labels: &[LabelPair]) -> Option<M> {
        let value_of = |name: &str| labels.iter().find(|label| label.name() == name);
        let values = self.0.definition.labels.iter().map(|label| Some(value_of(label.name)?.value().into()));
        lock(&self.0.series).get(&*values.collect::<Option<Box<[LabelValue]>>>()?).cloned()
    }

    fn labels(&self, values: &[LabelValue]) -> Vec<LabelPair> {
        let mut labels: Vec<_> = self.0.definition.labels.iter().zip(values).collect();
        labels.sort_unstable_by_key(|(label, _)| label.name);
        let pair = |(label, value): (&LabelDefinition, &LabelValue)| {
            let mut pair = LabelPair::default();
            pair.set_name(label.name.to_owned());
            pair.set_value((**value).to_owned());
            pair
        };
        labels.into_iter().map(pair).collect()
    }
}

impl<M: Metric> Collector for Family<M> {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.0.description]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let definition = self.0.definition;
        let with_labels = |values: &[LabelValue], metric: &M| {
            let mut read = metric.read()?;
            read.set_label(self.labels(values));
            Some(read)
        };
        let mut family = MetricFamily::default();
        family.set_name(definition.name.to_owned());
        family.set_help(definition.help.to_owned());
        family.set_field_type(match definition.kind {
            MetricKind::Counter => MetricType::COUNTER,
            MetricKind::Gauge => MetricType::GAUGE,
            MetricKind::Histogram(_) => MetricType::HISTOGRAM,
        });
        family.set_metric(
            lock(&self.0.series).iter().filter_map(|(values, metric)| with_labels(values, metric)).collect(),
        );
        vec![family]
    }
}

/// The value of a label.
#[derive(Clone, Debug)]
pub(super) enum LabelValue {
    /// One of a closed set.
    Static(&'static str),
    /// A queue's, which many series share.
    Shared(Arc<str>),
}

impl Deref for LabelValue {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Static(value) => value,
            Self::Shared(value) => value,
        }
    }
}

impl From<&str> for LabelValue {
    fn from(value: &str) -> Self {
        Self::Shared(value.into())
    }
}

impl PartialEq for LabelValue {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for LabelValue {}

impl PartialOrd for LabelValue {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for LabelValue {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (**self).cmp(&**other)
    }
}

#[cfg(test)]
mod tests {
    use crate::telemetry::{
        ByLabel, Each, FailureCause, IntCounter, MetricGroup as _, Metrics, PauseCause, metric_group,
    };

    metric_group! {
        struct Shapes {
            /// Things.
            things: IntCounter = "longshore_things_total" ["queue", "messaging_destination_name"];
            /// Failures.
            failures: ByLabel<FailureCause, Each<PauseCause, IntCounter>> = "longshore_shapes_total" ["reason", "queue", "cause"];
        }
    }

    #[test]
    fn series_differ_by_each_label_and_not_by_all_values_in_a_row() {
        let metrics = Metrics::new();
        for (queue, in_sqs) in [("ab", "c"), ("a", "bc")] {
            metrics.queue(queue, in_sqs).group::<Shapes>().things.inc();
        }
        let text = metrics.text();
        for labels in
            ["messaging_destination_name=\"c\",queue=\"ab\"", "messaging_destination_name=\"bc\",queue=\"a\""]
        {
            assert!(text.contains(&format!("longshore_things_total{{{labels}}} 1\n")), "{text}");
        }
    }

    #[test]
    fn labels_are_in_the_order_of_their_names_and_two_handles_count_together() {
        let metrics = Metrics::new();
        let scope = metrics.queue("orders", "orders");
        for _ in 0..2 {
            let failures = Shapes::register(&scope).failures;
            failures.of(FailureCause::Error).of(PauseCause::Operator).inc();
        }
        let line = "longshore_shapes_total{cause=\"error\",queue=\"orders\",reason=\"operator\"} 2\n";
        let text = metrics.text();
        assert!(text.contains(line), "{text}");
    }
}
