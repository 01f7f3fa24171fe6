//! Histograms: fixed buckets, exemplars and exponential buckets, which the library's have not.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use prometheus::proto;

use super::{
    definition::MetricKind,
    exponential::ExponentialBuckets,
    family::{Metric, MetricOptions},
    lock,
};
use crate::telemetry::context::TraceContext;

/// A histogram with all its labels set; clones are the same histogram.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<HistogramInner>);

#[derive(Debug)]
struct HistogramInner {
    /// The upper bounds of all buckets but the last, which has none.
    bounds: &'static [f64],
    observed: Mutex<Observed>,
}

#[derive(Debug)]
struct Observed {
    /// The observations of each bucket.
    counts: Box<[u64]>,
    sum: f64,
    exponential: Option<ExponentialBuckets>,
    /// The last traced observation of each bucket.
    exemplars: BTreeMap<usize, Exemplar>,
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
        self.observe_in(None, value);
    }

    /// Counts a value, and keeps it as the exemplar of its bucket if its trace is sampled.
    pub(crate) fn observe_in(&self, trace: Option<&TraceContext>, value: f64) {
        let bucket = self.0.bounds.partition_point(|bound| *bound < value);
        let mut observed = lock(&self.0.observed);
        observed.counts[bucket] += 1;
        observed.sum += value;
        if let Some(exponential) = &mut observed.exponential {
            exponential.add(value);
        }
        if let Some(trace) = trace.filter(|trace| trace.span_context().is_sampled()) {
            let exemplar = Exemplar { value, at: SystemTime::now(), trace: trace.clone() };
            observed.exemplars.insert(bucket, exemplar);
        }
    }

    /// The last exemplar of each bucket, by the bucket's position.
    pub(crate) fn exemplars(&self) -> BTreeMap<usize, Exemplar> {
        lock(&self.0.observed).exemplars.clone()
    }

    /// The exponential buckets, if they are counted.
    #[cfg(feature = "otel")]
    pub(crate) fn exponential(&self) -> Option<ExponentialBuckets> {
        lock(&self.0.observed).exponential.clone()
    }
}

impl Metric for Histogram {
    const KIND: MetricKind = MetricKind::Histogram(&[]);

    fn new(kind: MetricKind, options: MetricOptions) -> Self {
        let bounds = match kind {
            MetricKind::Histogram(bounds) => bounds,
            MetricKind::Counter | MetricKind::Gauge => &[],
        };
        let observed = Observed {
            counts: vec![0; bounds.len() + 1].into(),
            sum: 0.0,
            exponential: options.exponential_histograms.then(ExponentialBuckets::default),
            exemplars: BTreeMap::new(),
        };
        Self(Arc::new(HistogramInner { bounds, observed: Mutex::new(observed) }))
    }

    fn read(&self) -> Option<proto::Metric> {
        let observed = lock(&self.0.observed);
        let mut cumulative = 0;
        let buckets = self.0.bounds.iter().zip(&observed.counts).map(|(bound, count)| {
            cumulative += count;
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(cumulative);
            bucket
        });
        let mut histogram = proto::Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(observed.counts.iter().sum());
        histogram.set_sample_sum(observed.sum);
        let mut metric = proto::Metric::default();
        metric.set_histogram(histogram);
        Some(metric)
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
            let histogram = metrics.histogram(family.name(), family.get_metric()[0].get_label()).unwrap();
            let counts = histogram.exponential().map(|buckets| buckets.counts);
            assert_eq!(counts, is_asked.then(|| vec![1]));
        }
    }
}
