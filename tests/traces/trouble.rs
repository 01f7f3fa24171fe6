//! A collector in trouble costs a warning, and no message anything.

use std::{net::TcpListener, time::Duration};

use super::support::tasks;
use tokio::{io::AsyncReadExt as _, task::JoinHandle};

use super::{
    collector::{Collector, Mood, Protocol},
    spans::{SETTINGS, working},
    support::{Dev, Ended, Handler, Launch, Pair, Process, Signal, Worker},
};

const WARNING: &str = "traces are lost on their way to the collector";

async fn sends(dev: &Dev, pair: &Pair, count: usize) {
    let bodies: Vec<_> = (0..count).map(|number| number.to_string()).collect();
    dev.sqs.send_all(&pair.queue, &bodies).await;
}

async fn stopped(mut process: Process) -> Ended {
    process.signal(Signal::Terminate);
    let ended = process.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    ended
}

fn warnings(ended: &Ended) -> usize {
    ended.errors.matches(WARNING).count()
}

#[tokio::test]
async fn a_collector_that_is_not_there_costs_one_warning_and_no_message() {
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
        sends(&dev, &pair, 20).await;
        dev.sqs.becomes_empty(&pair.queue).await;
        let told = worker.process.complains(WARNING).await;
        assert!(told.contains("OTEL_EXPORTER_OTLP_ENDPOINT") && told.contains("\"spans\":"), "{told}");
        assert!(told.contains("Connection refused"), "{told}");
        sends(&dev, &pair, 20).await;
        dev.sqs.becomes_empty(&pair.queue).await;
        let ended = stopped(worker.process).await;
        assert_eq!(warnings(&ended), 1, "{}", ended.errors);
        assert!(ended.after < Duration::from_secs(10), "{:?}", ended.after);
    }
}

#[tokio::test]
async fn a_collector_that_hangs_holds_up_no_message_and_the_stop_for_seconds_only() {
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let (collector, handler) = (Collector::start(protocol).await, Handler::willing());
        collector.turn(Mood::Hanging);
        let (dev, pair, worker) = working(&collector, &handler, "").await;
        sends(&dev, &pair, 1).await;
        collector.is_asked(1).await;
        sends(&dev, &pair, 50).await;
        dev.sqs.becomes_empty(&pair.queue).await;
        let ended = stopped(worker.process).await;
        assert!(ended.errors.contains("the collector took too long at the stop"), "{}", ended.errors);
        assert!(ended.after < Duration::from_secs(10), "{:?}", ended.after);
    }
}

#[tokio::test]
async fn a_collector_that_fails_and_recovers_gets_what_ends_after_that() {
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let (collector, handler) = (Collector::start(protocol).await, Handler::willing());
        collector.turn(Mood::Failing);
        let (dev, pair, worker) = working(&collector, &handler, "").await;
        sends(&dev, &pair, 1).await;
        let told = worker.process.complains(WARNING).await;
        assert!(!told.contains("broken on purpose") || told.contains("reason"), "{told}");
        collector.turn(Mood::Taking);
        sends(&dev, &pair, 1).await;
        collector.span("process orders").await;
        worker.process.complains("traces reach the collector again").await;
        stopped(worker.process).await;
    }
}

/// Something that hears a few bytes of every request, and then resets its connection.
async fn resetting() -> (String, JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let resetting = tasks::detach("resetting collector", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // What is left unread makes the end of the connection a reset.
            drop(stream.read_exact(&mut [0; 8]).await);
        }
    });
    (address, resetting)
}

#[tokio::test]
async fn a_collector_that_resets_every_request_costs_one_warning_and_no_message() {
    for protocol in ["http/protobuf", "grpc"] {
        let (address, resetting) = resetting().await;
        let (dev, handler) = (Dev::start().await, Handler::willing());
        let pair = dev.sqs.pair("orders", 3).await;
        let launch = Worker::launch(&pair.queue, &handler, SETTINGS)
            .variable("OTEL_EXPORTER_OTLP_ENDPOINT", &address)
            .variable("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .variable("OTEL_EXPORTER_OTLP_TIMEOUT", "500")
            .variable("OTEL_BSP_SCHEDULE_DELAY", "20");
        let worker = Worker::launched(launch).await;
        sends(&dev, &pair, 20).await;
        dev.sqs.becomes_empty(&pair.queue).await;
        worker.process.complains(WARNING).await;
        let ended = stopped(worker.process).await;
        assert_eq!(warnings(&ended), 1, "{}", ended.errors);
        assert!(ended.after < Duration::from_secs(10), "{:?}", ended.after);
        resetting.abort();
    }
}

#[tokio::test]
async fn a_collector_that_goes_away_midway_takes_no_message_with_it() {
    let (collector, handler) = (Collector::start(Protocol::Grpc).await, Handler::willing());
    let (dev, pair, worker) = working(&collector, &handler, "").await;
    sends(&dev, &pair, 1).await;
    collector.span("process orders").await;
    drop(collector);
    sends(&dev, &pair, 20).await;
    dev.sqs.becomes_empty(&pair.queue).await;
    worker.process.complains(WARNING).await;
    stopped(worker.process).await;
}

#[tokio::test]
async fn more_spans_than_can_wait_are_dropped_and_counted() {
    let (collector, handler) = (Collector::start(Protocol::Http).await, Handler::willing());
    collector.turn(Mood::Hanging);
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 3).await;
    let launch = collector
        .told_by(Worker::launch(&pair.queue, &handler, SETTINGS))
        .variable("OTEL_BSP_MAX_QUEUE_SIZE", "5")
        .variable("OTEL_BSP_EXPORT_TIMEOUT", "3000");
    let worker = Worker::launched(launch).await;
    sends(&dev, &pair, 1).await;
    collector.is_asked(1).await;
    sends(&dev, &pair, 50).await;
    dev.sqs.becomes_empty(&pair.queue).await;
    let told = worker.process.complains(WARNING).await;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert!(told["spans"].as_u64().unwrap() > 20, "{told}");
}

#[tokio::test]
async fn what_waits_at_the_stop_is_sent_before_the_end() {
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let (collector, handler) = (Collector::start(protocol).await, Handler::willing());
        let dev = Dev::start().await;
        let pair = dev.sqs.pair("orders", 3).await;
        let launch = Worker::launch(&pair.queue, &handler, SETTINGS);
        let launch = collector.told_by(launch).variable("OTEL_BSP_SCHEDULE_DELAY", "3600000");
        let worker = Worker::launched(launch).await;
        sends(&dev, &pair, 3).await;
        dev.sqs.becomes_empty(&pair.queue).await;
        assert!(collector.spans().is_empty());
        stopped(worker.process).await;
        let names: Vec<_> = collector.spans().into_iter().map(|span| span.name).collect();
        assert_eq!(names.iter().filter(|name| *name == "process orders").count(), 3, "{names:?}");
        assert!(names.contains(&"delete orders".to_owned()));
    }
}

#[tokio::test]
async fn spans_are_sent_compressed_where_that_is_asked_for() {
    let (collector, handler) = (Collector::start(Protocol::Grpc).await, Handler::willing());
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 3).await;
    let launch: Launch = Worker::launch(&pair.queue, &handler, SETTINGS);
    let launch = collector.told_by(launch).variable("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    let _worker = Worker::launched(launch).await;
    sends(&dev, &pair, 1).await;
    collector.span("process orders").await;
}
