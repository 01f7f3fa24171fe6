//! A collector of other makers, Rotel, takes what a worker exports, and hands on all of it.

use std::net::TcpListener;

use opentelemetry_proto::tonic::metrics::v1::metric::Data;

use super::{
    collector::{Collector, Protocol},
    metrics::{ended, metrics},
    spans::SETTINGS,
    support::{Dev, Handler, Process, Worker, python::python_with, until},
};

const RUN: &str = "import importlib.util, os, sys
directory = os.path.dirname(importlib.util.find_spec('rotel').origin)
os.execv(os.path.join(directory, 'rotel-agent'), ['rotel-agent', *sys.argv[1:]])";

/// Rotel in front of a collector, with its addresses for gRPC and HTTP; `None` if Python is skipped.
async fn rotel(behind: &Collector) -> Option<(Process, String, String)> {
    let (grpc, http) = (free_address(), free_address());
    let endpoint = format!("http://{}", behind.address);
    let process = python_with("rotel")?
        .arguments(&["-c", RUN, "start", "--pid-file", "rotel.pid", "--disable-batching"])
        .arguments(&["--otlp-grpc-endpoint", &grpc, "--otlp-http-endpoint", &http])
        .arguments(&["--exporter", "otlp", "--otlp-exporter-endpoint", &endpoint])
        .arguments(&["--otlp-exporter-protocol", "http"])
        .start();
    until("rotel listens", async || {
        let connected = [&grpc, &http].map(std::net::TcpStream::connect);
        connected.iter().all(Result::is_ok)
    })
    .await;
    Some((process, grpc, http))
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[tokio::test]
async fn a_real_collector_takes_metrics_and_spans_over_both_protocols() {
    let (behind, handler, dev) =
        (Collector::start(Protocol::Http).await, Handler::willing(), Dev::start().await);
    let Some((_rotel, grpc, http)) = rotel(&behind).await else { return };
    for (protocol, address, histograms) in [
        ("grpc", grpc, "explicit_bucket_histogram"),
        ("http/protobuf", http, "base2_exponential_bucket_histogram"),
    ] {
        let name = protocol.split('/').next().unwrap();
        let pair = dev.sqs.pair(name, 3).await;
        let launch = Worker::launch(&pair.queue, &handler, SETTINGS)
            .variable("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}"))
            .variable("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .variable("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", histograms)
            .variable("OTEL_METRIC_EXPORT_INTERVAL", "200")
            .variable("OTEL_BSP_SCHEDULE_DELAY", "50");
        let _worker = Worker::launched(launch).await;
        dev.sqs.send_all(&pair.queue, &["1", "2", "3"].map(str::to_owned)).await;
        let is_of_histograms = |data: &Option<Data>| match data {
            Some(Data::Histogram(_)) => histograms.starts_with("explicit"),
            Some(Data::ExponentialHistogram(_)) => histograms.starts_with("base2"),
            _ => false,
        };
        until("the totals behind the real collector", async || {
            let last = behind.metrics().pop();
            last.is_some_and(|last| {
                let of_calls =
                    metrics(&last).into_iter().find(|metric| metric.name == "messaging.process.duration");
                ended(&last, "done") == Some(3.0)
                    && of_calls.is_some_and(|metric| is_of_histograms(&metric.data))
            })
        })
        .await;
        behind.span(&format!("process {name}")).await;
    }
}
