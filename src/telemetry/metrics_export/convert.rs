//! Converts the metrics of the registry to OTLP; pure.
//!
//! Names stay as they are served to Prometheus, but for those that OpenTelemetry defines, which get its names and
//! attributes back. Prometheus's own translation of OTLP makes both into the names that are scraped.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    metrics::v1::{
        AggregationTemporality, Exemplar as OtlpExemplar, ExponentialHistogram,
        ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
        ResourceMetrics, ScopeMetrics, Sum, exemplar::Value as Observed,
        exponential_histogram_data_point::Buckets, metric::Data, number_data_point::Value as Number,
    },
    resource::v1::Resource,
};
use prometheus::proto::{Bucket, LabelPair, Metric as Series, MetricFamily, MetricType};

use crate::telemetry::{
    metrics::{Exemplar, ExponentialBuckets, Histogram as OwnHistogram},
    otlp::SCOPE,
    spans::SCHEMA_URL,
};

/// The metrics that OpenTelemetry defines: the name in the registry, OpenTelemetry's, and its unit.
const DEFINED: &[(&str, &str, &str)] = &[
    ("messaging_client_consumed_messages_total", "messaging.client.consumed.messages", "{message}"),
    ("messaging_process_duration_seconds", "messaging.process.duration", "s"),
    ("messaging_client_operation_duration_seconds", "messaging.client.operation.duration", "s"),
];

/// The units that the ends of other names stand for; a unit of `1` would add `_ratio` to the name in Prometheus.
const UNITS: &[(&str, &str)] = &[("_seconds", "s"), ("_seconds_total", "s"), ("_bytes", "By")];

/// The most data points of one request: a collector accepts 4 MiB over gRPC by default.
const MOST_POINTS: usize = 4_000;

/// The time that totals cover.
#[derive(Clone, Copy, Debug)]
pub(super) struct Period {
    pub(super) start: SystemTime,
    pub(super) end: SystemTime,
}

/// Converts families to requests of limited size; `find` finds a histogram.
pub(super) fn requests(
    families: &[MetricFamily],
    find: impl Fn(&str, &[LabelPair]) -> Option<OwnHistogram>,
    resource: &Resource,
    period: Period,
) -> Vec<ExportMetricsServiceRequest> {
    let mut requests = vec![Vec::new()];
    let mut room = MOST_POINTS;
    for family in families {
        let mut series = family.get_metric();
        while !series.is_empty() {
            if room == 0 {
                requests.push(Vec::new());
                room = MOST_POINTS;
            }
            let (now, later) = series.split_at(room.min(series.len()));
            room -= now.len();
            series = later;
            if let (Some(metric), Some(request)) = (metric(family, now, &find, period), requests.last_mut()) {
                request.push(metric);
            }
        }
    }
    requests.into_iter().map(|metrics| request(metrics, resource)).collect()
}

fn request(metrics: Vec<Metric>, resource: &Resource) -> ExportMetricsServiceRequest {
    let scope = InstrumentationScope {
        name: SCOPE.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope), metrics, schema_url: SCHEMA_URL.to_owned() }];
    let of_resource =
        ResourceMetrics { resource: Some(resource.clone()), scope_metrics, schema_url: String::new() };
    ExportMetricsServiceRequest { resource_metrics: vec![of_resource] }
}

/// One metric with these of its series; `None` for a summary, which the registry cannot hold.
fn metric(
    family: &MetricFamily,
    series: &[Series],
    find: impl Fn(&str, &[LabelPair]) -> Option<OwnHistogram>,
    period: Period,
) -> Option<Metric> {
    let numbers = |value: fn(&Series) -> f64| {
        series.iter().map(|series| number(series, value(series), period)).collect()
    };
    let temporality = AggregationTemporality::Cumulative.into();
    let data = match family.get_field_type() {
        MetricType::COUNTER => Data::Sum(Sum {
            data_points: numbers(|series| series.get_counter().get_value()),
            aggregation_temporality: temporality,
            is_monotonic: true,
        }),
        MetricType::GAUGE => {
            Data::Gauge(Gauge { data_points: numbers(|series| series.get_gauge().get_value()) })
        }
        MetricType::HISTOGRAM => {
            let found = |one| (one, find(family.name(), Series::get_label(one)));
            histograms(series.iter().map(found).collect(), period)
        }
        MetricType::SUMMARY | MetricType::UNTYPED => return None,
    };
    let (name, unit) = name_and_unit(family.name());
    Some(Metric {
        name: name.to_owned(),
        description: family.help().to_owned(),
        unit: unit.to_owned(),
        metadata: Vec::new(),
        data: Some(data),
    })
}

fn name_and_unit(name: &str) -> (&str, &str) {
    if let Some((_, otel, unit)) = DEFINED.iter().find(|(own, ..)| *own == name) {
        return (otel, unit);
    }
    (name, UNITS.iter().find(|(end, _)| name.ends_with(end)).map_or("", |(_, unit)| unit))
}

fn number(series: &Series, value: f64, period: Period) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(series.get_label()),
        start_time_unix_nano: nanoseconds(period.start),
        time_unix_nano: nanoseconds(period.end),
        value: Some(Number::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

/// Histograms of one name, which all have exponential buckets or none.
fn histograms(series: Vec<(&Series, Option<OwnHistogram>)>, period: Period) -> Data {
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    let exponential: Vec<_> = series
        .iter()
        .filter_map(|(series, own)| {
            let own = own.as_ref()?;
            Some(exponential_histogram(series, &own.exponential()?, exemplars(own), period))
        })
        .collect();
    if !exponential.is_empty() {
        let data_points = exponential;
        return Data::ExponentialHistogram(ExponentialHistogram { data_points, aggregation_temporality });
    }
    let point = |(series, own): (&Series, Option<OwnHistogram>)| {
        histogram(series, own.as_ref().map(exemplars).unwrap_or_default(), period)
    };
    Data::Histogram(Histogram {
        data_points: series.into_iter().map(point).collect(),
        aggregation_temporality,
    })
}

fn exponential_histogram(
    series: &Series,
    buckets: &ExponentialBuckets,
    exemplars: Vec<OtlpExemplar>,
    period: Period,
) -> ExponentialHistogramDataPoint {
    // The count is of the buckets: the registry's may have grown since.
    let count = buckets.zero_count + buckets.counts.iter().sum::<u64>();
    ExponentialHistogramDataPoint {
        attributes: attributes(series.get_label()),
        start_time_unix_nano: nanoseconds(period.start),
        time_unix_nano: nanoseconds(period.end),
        count,
        sum: Some(series.get_histogram().get_sample_sum()),
        scale: buckets.scale,
        zero_count: buckets.zero_count,
        positive: Some(Buckets { offset: buckets.offset, bucket_counts: buckets.counts.clone() }),
        exemplars,
        ..ExponentialHistogramDataPoint::default()
    }
}

fn exemplars(histogram: &OwnHistogram) -> Vec<OtlpExemplar> {
    let exemplar = |Exemplar { value, at, trace }| OtlpExemplar {
        time_unix_nano: nanoseconds(at),
        span_id: trace.span_id().to_bytes().to_vec(),
        trace_id: trace.trace_id().to_bytes().to_vec(),
        value: Some(Observed::AsDouble(value)),
        ..OtlpExemplar::default()
    };
    histogram.exemplars().into_values().map(exemplar).collect()
}

/// Prometheus counts all observations up to a bound, OTLP those between two bounds.
fn histogram(series: &Series, exemplars: Vec<OtlpExemplar>, period: Period) -> HistogramDataPoint {
    let histogram = series.get_histogram();
    let finite = || histogram.get_bucket().iter().filter(|bucket| bucket.upper_bound().is_finite());
    let count = histogram.get_sample_count();
    let totals: Vec<u64> = finite().map(Bucket::cumulative_count).chain([count]).collect();
    let before = [0].into_iter().chain(totals.iter().copied());
    HistogramDataPoint {
        attributes: attributes(series.get_label()),
        start_time_unix_nano: nanoseconds(period.start),
        time_unix_nano: nanoseconds(period.end),
        count,
        sum: Some(histogram.get_sample_sum()),
        bucket_counts: totals
            .iter()
            .zip(before)
            .map(|(total, before)| total.saturating_sub(before))
            .collect(),
        explicit_bounds: finite().map(Bucket::upper_bound).collect(),
        exemplars,
        ..HistogramDataPoint::default()
    }
}

/// The labels as attributes; an empty label is an absent one, as in Prometheus.
fn attributes(labels: &[LabelPair]) -> Vec<KeyValue> {
    labels.iter().filter(|label| !label.value().is_empty()).map(attribute).collect()
}

fn attribute(label: &LabelPair) -> KeyValue {
    let name = label.name();
    let is_defined = name.starts_with("messaging_") || name == "error_type";
    text(if is_defined { name.replace('_', ".") } else { name.to_owned() }, label.value())
}

/// An attribute with a text.
pub(super) fn text(key: impl Into<String>, value: impl Into<String>) -> KeyValue {
    let value = AnyValue { value: Some(Value::StringValue(value.into())) };
    KeyValue { key: key.into(), value: Some(value), ..KeyValue::default() }
}

/// Nanoseconds since 1970; there are enough of them until 2554.
fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};

    use super::*;

    fn period() -> Period {
        Period { start: UNIX_EPOCH, end: UNIX_EPOCH + Duration::from_secs(5) }
    }

    fn converted(registry: &Registry) -> Vec<Vec<Metric>> {
        let requests = requests(&registry.gather(), |_, _| None, &Resource::default(), period());
        let metrics = |request: ExportMetricsServiceRequest| {
            let resources = request.resource_metrics.into_iter();
            let scopes = resources.flat_map(|resource| resource.scope_metrics);
            scopes.flat_map(|scope| scope.metrics).collect()
        };
        requests.into_iter().map(metrics).collect()
    }

    fn counters(name: &str, labels: &[&str], series: &[&[&str]]) -> Registry {
        let registry = Registry::new();
        let counters = IntCounterVec::new(Opts::new(name, "Help."), labels).unwrap();
        for (number, values) in (1..).zip(series) {
            counters.with_label_values(values).inc_by(number);
        }
        registry.register(Box::new(counters)).unwrap();
        registry
    }

    fn pairs(attributes: &[KeyValue]) -> Vec<(&str, &str)> {
        let value = |attribute: &KeyValue| match &attribute.value {
            Some(AnyValue { value: Some(Value::StringValue(value)) }) => value.clone(),
            other => panic!("{other:?}"),
        };
        attributes.iter().map(|attribute| (&*attribute.key, &*value(attribute).leak())).collect()
    }

    #[test]
    fn a_counter_is_a_monotonic_sum_since_the_start() {
        let registry =
            counters("longshore_messages_ended_total", &["ending", "queue"], &[&["done", "orders"]]);
        let [metric] = &converted(&registry)[0][..] else { panic!() };
        assert_eq!(
            (&*metric.name, &*metric.unit, &*metric.description),
            ("longshore_messages_ended_total", "", "Help.")
        );
        let Some(Data::Sum(sum)) = &metric.data else { panic!("{metric:?}") };
        assert!(sum.is_monotonic && sum.aggregation_temporality() == AggregationTemporality::Cumulative);
        let [point] = &sum.data_points[..] else { panic!() };
        assert_eq!(pairs(&point.attributes), [("ending", "done"), ("queue", "orders")]);
        assert_eq!(point.value, Some(Number::AsDouble(1.0)));
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (0, 5_000_000_000));
    }

    #[test]
    fn a_gauge_is_a_gauge_with_the_unit_of_its_name() {
        let registry = Registry::new();
        let gauge = IntGauge::new("longshore_backlog_seconds", "Help.").unwrap();
        gauge.set(-3);
        registry.register(Box::new(gauge)).unwrap();
        let [metric] = &converted(&registry)[0][..] else { panic!() };
        let Some(Data::Gauge(gauge)) = &metric.data else { panic!("{metric:?}") };
        assert_eq!((&*metric.unit, gauge.data_points[0].value), ("s", Some(Number::AsDouble(-3.0))));
    }

    #[test]
    fn a_histogram_keeps_its_buckets_and_metrics_of_opentelemetry_have_its_names() {
        let registry = Registry::new();
        let options =
            HistogramOpts::new("messaging_process_duration_seconds", "Help.").buckets(vec![1.0, 5.0]);
        let labels = ["messaging_operation_name", "error_type", "queue"];
        let histograms = HistogramVec::new(options, &labels).unwrap();
        for seconds in [0.5, 1.0, 3.0, 9.0] {
            histograms.with_label_values(&["process", "", "orders"]).observe(seconds);
        }
        histograms.with_label_values(&["process", "timeout", "orders"]).observe(1.0);
        registry.register(Box::new(histograms)).unwrap();
        let [metric] = &converted(&registry)[0][..] else { panic!() };
        assert_eq!((&*metric.name, &*metric.unit), ("messaging.process.duration", "s"));
        let Some(Data::Histogram(histogram)) = &metric.data else { panic!("{metric:?}") };
        assert_eq!(histogram.aggregation_temporality(), AggregationTemporality::Cumulative);
        let [good, failed] = &histogram.data_points[..] else { panic!() };
        assert_eq!((good.count, good.sum, &*good.explicit_bounds), (4, Some(13.5), &[1.0, 5.0][..]));
        assert_eq!(good.bucket_counts, [2, 1, 1]);
        assert_eq!(pairs(&good.attributes), [("messaging.operation.name", "process"), ("queue", "orders")]);
        assert!(pairs(&failed.attributes).contains(&("error.type", "timeout")));
    }

    #[test]
    fn many_series_are_split_into_several_requests() {
        let names: Vec<String> = (0..=MOST_POINTS).map(|number| number.to_string()).collect();
        let series: Vec<Vec<&str>> = names.iter().map(|name| vec![name.as_str()]).collect();
        let series: Vec<&[&str]> = series.iter().map(Vec::as_slice).collect();
        let requests = converted(&counters("many_total", &["queue"], &series));
        let points = |metrics: &Vec<Metric>| match &metrics[0].data {
            Some(Data::Sum(sum)) => sum.data_points.len(),
            other => panic!("{other:?}"),
        };
        assert_eq!(requests.iter().map(points).collect::<Vec<_>>(), [MOST_POINTS, 1]);
        assert!(requests.iter().all(|metrics| metrics.len() == 1));
    }
}
