//! Metrics that real processes push over OTLP to a collector.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value::Value},
    metrics::v1::{AggregationTemporality, Metric, metric::Data, number_data_point::Value as Number},
};

use super::{
    collector::{Collector, CollectorMode, MetricsExport, Protocol, hex},
    spans::SETTINGS,
    support::{Dev, Handler, Launch, Pair, Signal, Worker, http, until},
};

const WARNING: &str = "metrics do not reach the collector";
const ENDED: &str = "longshore_messages_ended_total";

/// The labels of a series, or of a data point by their names in Prometheus.
type Labels = BTreeMap<String, String>;

/// A worker that exports nothing by itself within the time of a test.
fn launch(collector: &Collector, handler: &Handler, pair: &Pair) -> Launch {
    collector
        .configure(Worker::launch(&pair.queue, handler, SETTINGS))
        .variable("OTEL_METRIC_EXPORT_INTERVAL", "3600000")
}

pub(super) fn metrics(export: &MetricsExport) -> Vec<Metric> {
    let resources = export.request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    resources.flat_map(|scope| scope.metrics.clone()).collect()
}

fn text(attribute: &KeyValue) -> (String, String) {
    match &attribute.value {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => (attribute.key.clone(), text.clone()),
        other => panic!("{other:?}"),
    }
}

/// Every counter and gauge by name and labels in Prometheus's form.
fn numbers(export: &MetricsExport) -> BTreeMap<(String, Labels), f64> {
    let mut numbers = BTreeMap::new();
    for metric in metrics(export) {
        let (name, points) = match metric.data.unwrap() {
            Data::Sum(sum) => {
                assert!(
                    sum.is_monotonic && sum.aggregation_temporality() == AggregationTemporality::Cumulative
                );
                (prometheus_name(&metric.name, &metric.unit, true), sum.data_points)
            }
            Data::Gauge(gauge) => (prometheus_name(&metric.name, &metric.unit, false), gauge.data_points),
            _ => continue,
        };
        for point in points {
            let Some(Number::AsDouble(value)) = point.value else { panic!("{point:?}") };
            numbers.insert((name.clone(), labels(&point.attributes)), value);
        }
    }
    numbers
}

fn labels(attributes: &[KeyValue]) -> Labels {
    attributes.iter().map(text).map(|(name, value)| (name.replace('.', "_"), value)).collect()
}

/// The name that Prometheus's translation of OTLP makes: dots, the unit and `_total`.
fn prometheus_name(name: &str, unit: &str, is_monotonic: bool) -> String {
    let mut parts: Vec<_> = name.split(['.', '_']).filter(|part| !is_monotonic || *part != "total").collect();
    let unit = match unit {
        "s" => Some("seconds"),
        "By" => Some("bytes"),
        _ => None,
    };
    parts.extend(unit.filter(|unit| !parts.contains(unit)));
    parts.extend(is_monotonic.then_some("total"));
    parts.join("_")
}

/// The counters and gauges of a scrape, without empty labels.
fn scraped(samples: BTreeMap<String, f64>) -> BTreeMap<(String, Labels), f64> {
    let read = |(series, value): (String, f64)| {
        let (name, labels) = series.split_once('{').unwrap_or((&series, ""));
        let pairs = labels.trim_end_matches('}').split("\",").filter_map(|pair| pair.split_once("=\""));
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.trim_end_matches('"').to_owned()));
        let labels: Labels = pairs.filter(|(_, value)| !value.is_empty()).collect();
        let is_number = !["_bucket", "_sum", "_count"].iter().any(|end| name.ends_with(end));
        is_number.then(|| ((name.to_owned(), labels), value))
    };
    samples.into_iter().filter_map(read).collect()
}

/// The total of the only queue's messages that ended so; `None` without such a series.
pub(super) fn ended(export: &MetricsExport, ending: &str) -> Option<f64> {
    let is_own = |(name, labels): &(String, Labels)| name == ENDED && labels["ending"] == ending;
    numbers(export).into_iter().find(|(series, _)| is_own(series)).map(|(_, total)| total)
}

async fn send_messages(dev: &Dev, pair: &Pair, count: usize) {
    let bodies: Vec<_> = (0..count).map(|number| number.to_string()).collect();
    dev.sqs.send_all(&pair.queue, &bodies).await;
    dev.sqs.becomes_empty(&pair.queue).await;
}

#[tokio::test]
async fn the_last_totals_are_exported_at_the_end_of_a_stop() {
    for protocol in [Protocol::Http, Protocol::Grpc] {
        for compression in ["none", "gzip"] {
            let (collector, handler) = (Collector::start(protocol).await, Handler::willing());
            let dev = Dev::start().await;
            let pair = dev.sqs.pair("orders", 3).await;
            let launch = launch(&collector, &handler, &pair)
                .variable("OTEL_EXPORTER_OTLP_COMPRESSION", compression)
                .variable("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "authorization=Bearer%20key");
            let mut worker = Worker::launched(launch).await;
            send_messages(&dev, &pair, 7).await;
            assert!(collector.metrics().is_empty(), "not due yet");
            worker.process.signal(Signal::Terminate);
            let process = worker.process.ended().await;
            assert_eq!(process.code, Some(0), "{}", process.errors);
            let exports = collector.metrics();
            let [last] = exports.as_slice() else { panic!("{} exports", exports.len()) };
            assert_eq!(ended(last, "done"), Some(7.0), "{protocol:?} {compression}");
            assert_eq!(last.headers.get("authorization").unwrap(), "Bearer key");
            let numbers = numbers(last);
            let drain: Vec<_> =
                numbers.iter().filter(|((name, _), _)| name == "longshore_messages_held").collect();
            assert!(matches!(drain.as_slice(), [(_, 0.0)]), "all is settled before: {drain:?}");
        }
    }
}

#[tokio::test]
async fn a_worker_that_a_change_starts_anew_exports_its_spans_and_metrics_too() {
    let collector = Collector::start(Protocol::Http).await;
    let launch = Dev::launch_as_usual().arguments(&["--watch", "--exec", "/bin/sh job.sh"]);
    let launch = launch.script("job.sh", "exit 0\n").variable("OTEL_METRIC_EXPORT_INTERVAL", "200");
    let directory = launch.directory().to_owned();
    let dev = Dev::launched(collector.configure(launch)).await;
    let spans = || collector.spans().iter().filter(|span| span.name == "process longshore-dev-queue").count();
    let done = || collector.metrics().last().and_then(|last| ended(last, "done"));
    dev.post("one").await;
    dev.post("two").await;
    until("the exports of the first worker", async || (spans(), done()) == (2, Some(2.0))).await;
    std::fs::write(directory.join("job.sh"), "echo second\n").unwrap();
    dev.process.says("job.sh changed, the worker starts anew").await;
    dev.post("three").await;
    until("the exports of the second worker", async || (spans(), done()) == (3, Some(1.0))).await;
}

#[tokio::test]
async fn the_metrics_that_are_exported_are_those_that_are_served() {
    let (collector, handler) = (Collector::start(Protocol::Http).await, Handler::willing());
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 3).await;
    let launch = launch(&collector, &handler, &pair).variable("OTEL_METRIC_EXPORT_INTERVAL", "200");
    let worker = Worker::launched(launch).await;
    send_messages(&dev, &pair, 3).await;
    until("the totals at the collector", async || {
        collector.metrics().last().is_some_and(|last| ended(last, "done") == Some(3.0))
    })
    .await;
    let served = scraped(worker.admin.samples().await);
    let exports = collector.metrics();
    let exported = numbers(exports.last().unwrap());
    let names = |numbers: &BTreeMap<(String, Labels), f64>| numbers.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&exported), names(&served));
    for counter in [ENDED, "messaging_client_consumed_messages_total", "longshore_messages_started_total"] {
        let of = |numbers: &BTreeMap<(String, Labels), f64>| -> f64 {
            numbers.iter().filter(|((name, _), _)| name == counter).map(|(_, value)| value).sum()
        };
        assert_eq!((of(&exported), of(&served)), (3.0, 3.0), "{counter}");
    }
    let resource = exports[0].request.resource_metrics[0].resource.clone().unwrap();
    let resource: BTreeMap<_, _> = resource.attributes.iter().map(text).collect();
    let span = collector.span("process orders").await;
    assert_eq!(resource["service.name"], "longshore");
    assert_eq!(resource["service.instance.id"], span.resource["service.instance.id"]);
    let metrics = metrics(exports.last().unwrap());
    let duration = metrics.iter().find(|metric| metric.name == "messaging.process.duration").unwrap();
    let Some(Data::Histogram(histogram)) = &duration.data else { panic!("{duration:?}") };
    let [point] = histogram.data_points.as_slice() else { panic!("{histogram:?}") };
    assert_eq!((point.count, point.bucket_counts.iter().sum::<u64>()), (3, 3));
    assert!(point.start_time_unix_nano > 0 && point.start_time_unix_nano < point.time_unix_nano);
}

#[tokio::test]
async fn histograms_are_exponential_where_that_is_configured_and_their_exemplars_name_traces() {
    let (collector, handler) = (Collector::start(Protocol::Http).await, Handler::willing());
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 3).await;
    let exponential = "base2_exponential_bucket_histogram";
    let launch = launch(&collector, &handler, &pair)
        .variable("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", exponential)
        .variable("OTEL_METRIC_EXPORT_INTERVAL", "200");
    let worker = Worker::launched(launch).await;
    send_messages(&dev, &pair, 3).await;
    collector.span("process orders").await;
    until("the totals at the collector", async || {
        collector.metrics().last().is_some_and(|last| ended(last, "done") == Some(3.0))
    })
    .await;
    let exported = metrics(collector.metrics().last().unwrap());
    assert!(!exported.iter().any(|metric| matches!(metric.data, Some(Data::Histogram(_)))));
    let duration = exported.iter().find(|metric| metric.name == "messaging.process.duration").unwrap();
    let Some(Data::ExponentialHistogram(histogram)) = &duration.data else { panic!("{duration:?}") };
    assert_eq!(histogram.aggregation_temporality(), AggregationTemporality::Cumulative);
    let [point] = histogram.data_points.as_slice() else { panic!("{histogram:?}") };
    let counts = &point.positive.as_ref().unwrap().bucket_counts;
    assert_eq!((point.count, point.zero_count, counts.iter().sum::<u64>()), (3, 0, 3));
    assert!(point.sum.unwrap() > 0.0);

    let traces: BTreeSet<_> = collector.spans().into_iter().map(|span| span.trace).collect();
    let named = point.exemplars.iter().map(|exemplar| hex(&exemplar.trace_id));
    assert!(!point.exemplars.is_empty() && named.into_iter().all(|trace| traces.contains(&trace)));
    let accept = [("accept", "application/openmetrics-text")];
    let (_, scraped) = http::get_with(&worker.admin.address, "/metrics", &accept).await;
    let served: Vec<_> = scraped.lines().filter(|line| line.contains(" # {trace_id=\"")).collect();
    assert_eq!(served.len(), point.exemplars.len(), "{scraped}");
    for line in served {
        assert!(line.starts_with("messaging_process_duration_seconds_bucket{"), "{line}");
        assert!(traces.iter().any(|trace| line.contains(trace)), "{line}");
    }
}

#[tokio::test]
async fn metrics_are_only_served_where_the_exporter_is_none() {
    let (collector, handler) = (Collector::start(Protocol::Http).await, Handler::willing());
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 3).await;
    let launch = launch(&collector, &handler, &pair).variable("OTEL_METRICS_EXPORTER", "none");
    let mut worker = Worker::launched(launch).await;
    send_messages(&dev, &pair, 1).await;
    collector.span("process orders").await;
    worker.process.signal(Signal::Terminate);
    assert_eq!(worker.process.ended().await.code, Some(0));
    assert!(collector.metrics().is_empty());
}

/// A worker that exports its metrics every 50 ms, and nothing else.
async fn exporting_often(collector: &Collector, handler: &Handler) -> (Dev, Pair, Worker) {
    exporting_within("10000", collector, handler).await
}

/// The same, with a time limit of each export, in milliseconds.
async fn exporting_within(limit: &str, collector: &Collector, handler: &Handler) -> (Dev, Pair, Worker) {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 3).await;
    let launch = launch(collector, handler, &pair)
        .variable("OTEL_TRACES_EXPORTER", "none")
        .variable("OTEL_METRIC_EXPORT_INTERVAL", "50")
        .variable("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", limit);
    let worker = Worker::launched(launch).await;
    (dev, pair, worker)
}

#[tokio::test]
async fn a_collector_that_fails_costs_one_warning_and_its_end_is_logged() {
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let (collector, handler) = (Collector::start(protocol).await, Handler::willing());
        collector.set_mode(CollectorMode::Failing);
        let (dev, pair, mut worker) = exporting_often(&collector, &handler).await;
        let line = worker.process.complains(WARNING).await;
        assert!(line.contains("OTEL_METRICS_EXPORTER=none"), "{line}");
        send_messages(&dev, &pair, 5).await;
        collector.has_metrics(5).await;
        collector.set_mode(CollectorMode::Accepting);
        worker.process.complains("metrics reach the collector again").await;
        worker.process.signal(Signal::Terminate);
        let process = worker.process.ended().await;
        assert_eq!(process.errors.matches(WARNING).count(), 1, "{}", process.errors);
        assert_eq!(process.code, Some(0));
        assert_eq!(ended(collector.metrics().last().unwrap(), "done"), Some(5.0), "totals miss nothing");
    }
}

#[tokio::test]
async fn a_collector_that_hangs_delays_no_export_of_the_stop() {
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let (collector, handler) = (Collector::start(protocol).await, Handler::willing());
        collector.set_mode(CollectorMode::Hanging);
        let (dev, pair, mut worker) = exporting_often(&collector, &handler).await;
        collector.has_metrics(1).await;
        send_messages(&dev, &pair, 20).await;
        worker.process.signal(Signal::Terminate);
        let process = worker.process.ended().await;
        assert_eq!(process.code, Some(0), "{}", process.errors);
        assert!(process.after < Duration::from_secs(10), "{:?}", process.after);
        assert!(process.errors.contains("the last metrics are lost"), "{}", process.errors);
        assert_eq!(collector.metrics().len(), 2, "the stop does not wait for the export that hangs");
    }
}

#[tokio::test]
async fn an_export_that_hangs_is_given_up_after_its_time_limit_and_the_next_ones_arrive() {
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let (collector, handler) = (Collector::start(protocol).await, Handler::willing());
        collector.set_mode(CollectorMode::Hanging);
        let (_dev, _pair, worker) = exporting_within("200", &collector, &handler).await;
        worker.process.complains(WARNING).await;
        collector.set_mode(CollectorMode::Accepting);
        worker.process.complains("metrics reach the collector again").await;
    }
}
