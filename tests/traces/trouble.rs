//! A failing collector costs a warning, and delays no message.

use std::{net::TcpListener, time::Duration};

use super::support::tasks;
use tokio::{io::AsyncReadExt as _, task::JoinHandle};

use super::{
    collector::{Collector, CollectorMode, Protocol},
    spans::{SETTINGS, working},
    support::{Dev, Ended, Handler, Launch, Pair, Process, Signal, Worker},
};

const WARNING: &str = "traces are lost on their way to the collector";

async fn send_messages(dev: &Dev, pair: &Pair, count: usize) {
    let bodies: Vec<_> = (0..count).map(|number| number.to_string()).collect();
    dev.sqs.send_all(&pair.queue, &bodies).await;
}

async fn stop(mut process: Process) -> Ended {
    process.signal(Signal::Terminate);
    let ended = process.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    ended
}

fn warnings(ended: &Ended) -> usize {
    ended.errors.matches(WARNING).count()
}

#[tokio::test]
async fn an_unreachable_collector_costs_one_warning_and_no_message() {
    for protocol in ["http/protobuf", "grpc"] {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let dev = Dev::start().await;
        let pair = dev.sqs.pair("orders", 3).await;
        let handler = Handler::willing();
        let launch = Worker::launch(&pair.queue, &handler, SETTINGS)
            .variable("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}"))
            .variable("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .variable("OTEL_EXPORTER_OTLP_TIMEOUT", "200")
            .variable("OTEL_BSP_SCHEDULE_DELAY", "20");
        let worker = Worker::launched(launch).await;
        send_messages(&dev, &pair, 20).await;
        dev.sqs.becomes_empty(&pair.queue).await;
        let line = worker.process.complains(WARNING).await;
        assert!(line.contains("OTEL_EXPORTER_OTLP_ENDPOINT") && line.contains("\"spans\":"), "{line}");
        assert!(line.contains("Connection refused"), "{line}");
        send_messages(&dev, &pair, 20).await;
        dev.sqs.becomes_empty(&pair.queue).await;
        let ended = stop(worker.process).await;
        assert_eq!(warnings(&ended), 1, "{}", ended.errors);
        assert!(ended.after < Duration::from_secs(10), "{:?}", ended.after);
    }
}

#[tokio::test]
async fn a_collector_that_hangs_delays_no_message_and_the_stop_only_for_seconds() {
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let (collector, handler) = (Collector::start(protocol).await, Handler::willing());
        collector.set_mode(CollectorMode::Hanging);
        let (dev, pair, worker) = working(&collector, &handler, "").await;
        send_messages(&dev, &pair, 1).await;
        collector.has_requests(1).await;
        send_messages(&dev, &pair, 50).await;
        dev.sqs.becomes_empty(&pair.queue).await;
        let ended = stop(worker.process).await;
        assert!(ended.errors.contains("the collector took too long at the stop"), "{}", ended.errors);
        assert!(ended.after < Duration::from_secs(10), "{:?}", ended.after);
    }
}

#[tokio::test]
async fn a_collector_that_fails_and_recovers_gets_what_ends_after_that() {
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let (collector, handler) = (Collector::start(protocol).await, Handler::willing());
        collector.set_mode(CollectorMode::Failing);
        let (dev, pair, worker) = working(&collector, &handler, "").await;
        send_messages(&dev, &pair, 1).await;
        let line = worker.process.complains(WARNING).await;
        assert!(!line.contains("broken on purpose") || line.contains("reason"), "{line}");
        collector.set_mode(CollectorMode::Accepting);
        send_messages(&dev, &pair, 1).await;
        collector.span("process orders").await;
        worker.process.complains("traces reach the collector again").await;
        stop(worker.process).await;
    }
}

/// A server that reads a few bytes of every request, and then resets its connection.
async fn resetting_collector() -> (String, JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let resetting = tasks::detach("resetting collector", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // Unread bytes turn the end of the connection into a reset.
            drop(stream.read_exact(&mut [0; 8]).await);
        }
    });
    (address, resetting)
}

#[tokio::test]
async fn a_collector_that_resets_every_request_costs_one_warning_and_no_message() {
    for protocol in ["http/protobuf", "grpc"] {
        let (address, resetting) = resetting_collector().await;
        let (dev, handler) = (Dev::start().await, Handler::willing());
        let pair = dev.sqs.pair("orders", 3).await;
        let launch = Worker::launch(&pair.queue, &handler, SETTINGS)
            .variable("OTEL_EXPORTER_OTLP_ENDPOINT", &address)
            .variable("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .variable("OTEL_EXPORTER_OTLP_TIMEOUT", "500")
            .variable("OTEL_BSP_SCHEDULE_DELAY", "20");
        let worker = Worker::launched(launch).await;
        send_messages(&dev, &pair, 20).await;
        dev.sqs.becomes_empty(&pair.queue).await;
        worker.process.complains(WARNING).await;
        let ended = stop(worker.process).await;
        assert_eq!(warnings(&ended), 1, "{}", ended.errors);
        assert!(ended.after < Duration::from_secs(10), "{:?}", ended.after);
        resetting.abort();
    }
}

#[tokio::test]
async fn a_collector_that_ends_while_spans_are_sent_costs_no_message() {
    let (collector, handler) = (Collector::start(Protocol::Grpc).await, Handler::willing());
    let (dev, pair, worker) = working(&collector, &handler, "").await;
    send_messages(&dev, &pair, 1).await;
    collector.span("process orders").await;
    drop(collector);
    send_messages(&dev, &pair, 20).await;
    dev.sqs.becomes_empty(&pair.queue).await;
    worker.process.complains(WARNING).await;
    stop(worker.process).await;
}

#[tokio::test]
async fn more_spans_than_can_wait_are_dropped_and_counted() {
    let (collector, handler) = (Collector::start(Protocol::Http).await, Handler::willing());
    collector.set_mode(CollectorMode::Hanging);
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 3).await;
    let launch = collector
        .configure(Worker::launch(&pair.queue, &handler, SETTINGS))
        .variable("OTEL_BSP_MAX_QUEUE_SIZE", "5")
        .variable("OTEL_BSP_EXPORT_TIMEOUT", "3000");
    let worker = Worker::launched(launch).await;
    send_messages(&dev, &pair, 1).await;
    collector.has_requests(1).await;
    send_messages(&dev, &pair, 50).await;
    dev.sqs.becomes_empty(&pair.queue).await;
    let line = worker.process.complains(WARNING).await;
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert!(line["spans"].as_u64().unwrap() > 20, "{line}");
}

#[tokio::test]
async fn queued_spans_are_sent_at_the_stop() {
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let (collector, handler) = (Collector::start(protocol).await, Handler::willing());
        let dev = Dev::start().await;
        let pair = dev.sqs.pair("orders", 3).await;
        let launch = Worker::launch(&pair.queue, &handler, SETTINGS);
        let launch = collector.configure(launch).variable("OTEL_BSP_SCHEDULE_DELAY", "3600000");
        let worker = Worker::launched(launch).await;
        send_messages(&dev, &pair, 3).await;
        dev.sqs.becomes_empty(&pair.queue).await;
        assert!(collector.spans().is_empty());
        stop(worker.process).await;
        let names: Vec<_> = collector.spans().into_iter().map(|span| span.name).collect();
        assert_eq!(names.iter().filter(|name| *name == "process orders").count(), 3, "{names:?}");
        assert!(names.contains(&"delete orders".to_owned()));
    }
}

#[tokio::test]
async fn spans_are_compressed_on_request() {
    let (collector, handler) = (Collector::start(Protocol::Grpc).await, Handler::willing());
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 3).await;
    let launch: Launch = Worker::launch(&pair.queue, &handler, SETTINGS);
    let launch = collector.configure(launch).variable("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    let _worker = Worker::launched(launch).await;
    send_messages(&dev, &pair, 1).await;
    collector.span("process orders").await;
}
