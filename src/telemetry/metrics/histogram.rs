//! Histograms: their fixed buckets are on the registry; exemplars and exponential buckets, which it has not, stand beside it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::SystemTime,
};

use prometheus::{
    HistogramOpts, HistogramVec,
    core::{Collector, Desc},
    proto::{LabelPair, MetricFamily},
};

use super::{
    definition::{MetricDefinition, MetricKind},
    exponential::ExponentialBuckets,
    handle::{Metric, MetricOptions},
    lock,
};
use crate::telemetry::context::TraceContext;

/// A histogram with all its labels set; clones are the same histogram.
#[derive(Clone, Debug)]
pub struct Histogram {
    fixed: prometheus::Histogram,
    details: Arc<HistogramDetails>,
}

/// The details of a histogram beside its fixed buckets.
#[derive(Debug)]
pub(crate) struct HistogramDetails {
    bounds: Arc<[f64]>,
    exponential: Option<Mutex<ExponentialBuckets>>,
    exemplars: Mutex<BTreeMap<usize, Exemplar>>,
}

/// An observation, and the trace in which it was made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Exemplar {
    pub(crate) value: f64,
    pub(crate) at: SystemTime,
    pub(crate) trace: TraceContext,
}

impl Histogram {
    /// Counts a value.
    pub fn observe(&self, value: f64) {
        self.fixed.observe(value);
        if let Some(exponential) = &self.details.exponential {
            lock(exponential).add(value);
        }
    }

    /// Counts a value, and keeps it as the exemplar of its bucket if its trace is sampled.
    pub(crate) fn observe_in(&self, trace: Option<&TraceContext>, value: f64) {
        self.observe(value);
        if let Some(trace) = trace.filter(|trace| trace.span_context().is_sampled()) {
            self.details.keep(Exemplar { value, at: SystemTime::now(), trace: trace.clone() });
        }
    }
}

impl HistogramDetails {
    fn keep(&self, exemplar: Exemplar) {
        let bucket = self.bounds.partition_point(|bound| *bound < exemplar.value);
        lock(&self.exemplars).insert(bucket, exemplar);
    }

    /// The last exemplar of each fixed bucket, by the bucket's position.
    pub(crate) fn exemplars(&self) -> BTreeMap<usize, Exemplar> {
        lock(&self.exemplars).clone()
    }

    /// The exponential buckets, if they are counted.
    #[cfg(feature = "otel")]
    pub(crate) fn exponential(&self) -> Option<ExponentialBuckets> {
        self.exponential.as_ref().map(|buckets| lock(buckets).clone())
    }
}

/// The histograms of one name.
#[derive(Clone, Debug)]
pub struct HistogramFamily {
    fixed: HistogramVec,
    bounds: Arc<[f64]>,
    has_exponential: bool,
    /// The positions of the labels in the order of their names.
    order: Arc<[usize]>,
    /// By the values of the labels in that order, which is the registry's, too.
    details: Arc<Mutex<HashMap<Vec<String>, Arc<HistogramDetails>>>>,
}

impl HistogramFamily {
    /// The details of the histogram with these labels, as the registry returns them.
    pub(super) fn details(&self, labels: &[LabelPair]) -> Option<Arc<HistogramDetails>> {
        let key: Vec<_> = labels.iter().map(|label| label.value().to_owned()).collect();
        lock(&self.details).get(&key).cloned()
    }

    fn new_details(&self) -> HistogramDetails {
        let exponential = self.has_exponential.then(Mutex::default);
        HistogramDetails { bounds: self.bounds.clone(), exponential, exemplars: Mutex::default() }
    }
}

impl Metric for Histogram {
    const KIND: MetricKind = MetricKind::Histogram(&[]);

    type Family = HistogramFamily;

    fn family(definition: &MetricDefinition, options: MetricOptions) -> prometheus::Result<HistogramFamily> {
        let bounds = match definition.kind {
            MetricKind::Histogram(bounds) => bounds,
            MetricKind::Counter | MetricKind::Gauge => &[],
        };
        let fixed = HistogramOpts::new(definition.name, definition.help).buckets(bounds.to_vec());
        let fixed = HistogramVec::new(fixed, &definition.label_names())?;
        let mut order: Vec<usize> = (0..definition.labels.len()).collect();
        order.sort_unstable_by_key(|position| definition.labels[*position].name);
        Ok(HistogramFamily {
            fixed,
            bounds: bounds.into(),
            has_exponential: options.exponential_histograms,
            order: order.into(),
            details: Arc::default(),
        })
    }

    fn series(family: &HistogramFamily, values: &[&str]) -> Self {
        let key = family.order.iter().map(|position| values[*position].to_owned()).collect();
        let mut details = lock(&family.details);
        let details = details.entry(key).or_insert_with(|| Arc::new(family.new_details())).clone();
        Self { fixed: family.fixed.with_label_values(values), details }
    }
}

impl Collector for HistogramFamily {
    fn desc(&self) -> Vec<&Desc> {
        self.fixed.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.fixed.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Lazily, Metrics, metric_group};

    metric_group! {
        struct Waits {
            /// Waits.
            wait: Lazily<Histogram> = "longshore_wait_seconds" ["queue", "constant" = "a"] buckets &[1.0, 2.0];
        }
    }

    fn lines_with_exemplars(metrics: &Metrics) -> Vec<String> {
        let text = metrics.open_metrics();
        text.lines().filter(|line| line.contains(" # ")).map(str::to_owned).collect()
    }

    #[test]
    fn the_last_traced_observation_of_a_bucket_is_its_exemplar() {
        let metrics = Metrics::new();
        let waits = metrics.queue("orders", "orders").group::<Waits>();
        let (first, last) = (TraceContext::fresh(), TraceContext::fresh());
        waits.wait.observe_in(Some(&first), 1.5);
        waits.wait.observe_in(Some(&last), 2.0);
        waits.wait.observe_in(None, 1.7);
        waits.wait.observe(9.0);
        let lines = lines_with_exemplars(&metrics);
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        let (trace_id, span_id) = (last.trace_id(), last.span_id());
        let start = "longshore_wait_seconds_bucket{constant=\"a\",queue=\"orders\",le=\"2.0\"} 3 # ";
        let exemplar = format!("{start}{{trace_id=\"{trace_id}\",span_id=\"{span_id}\"}} 2 ");
        let at = line.strip_prefix(&exemplar).unwrap_or_else(|| panic!("{line}"));
        assert!(at.parse::<f64>().unwrap() > 1.6e9, "{at}");
        assert!(!metrics.text().contains(" # {"), "Prometheus's own format has none");
    }

    #[test]
    fn a_trace_that_is_not_sampled_is_no_exemplar() {
        let metrics = Metrics::new();
        let waits = metrics.queue("orders", "orders").group::<Waits>();
        let unsampled =
            TraceContext::from_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", None);
        waits.wait.observe_in(unsampled.as_ref(), 1.5);
        assert_eq!(lines_with_exemplars(&metrics), [""; 0]);
    }

    #[test]
    fn exponential_buckets_are_counted_only_where_they_are_asked_for() {
        for is_asked in [false, true] {
            let metrics = Metrics::new();
            if is_asked {
                metrics.count_exponential_buckets();
            }
            metrics.queue("orders", "orders").group::<Waits>().wait.observe(1.5);
            let families = metrics.families();
            let family = families.iter().find(|family| family.name() == "longshore_wait_seconds").unwrap();
            let details = metrics.details(family.name(), family.get_metric()[0].get_label()).unwrap();
            let counts = details.exponential().map(|buckets| buckets.counts);
            assert_eq!(counts, is_asked.then(|| vec![1]));
        }
    }
}
