//! The log of a process that exports traces.

use std::time::Duration;

use serde_json::Value;

use super::{
    collector::{Collector, Protocol},
    spans::{PARENT, SETTINGS, send_traced, working},
    support::{Dev, Ended, Handler, Signal, Worker, until},
};

/// Messages that the worker holds.
const HELD: &str = r#"messages_held{queue="orders"}"#;

/// The log lines of a process.
pub(crate) fn lines(ended: &Ended) -> Vec<Value> {
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
    ended.errors.lines().map(read).collect()
}

#[tokio::test]
async fn every_line_of_a_message_names_it_its_queue_and_its_trace() {
    let (collector, handler) = (Collector::start(Protocol::Http).await, Handler::start(async |_| 500));
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 1).await;
    let launch = collector.configure(Worker::launch(&pair.queue, &handler, SETTINGS));
    let mut worker = Worker::launched(launch.arguments(&["--log", "trace"])).await;
    dev.sqs.send(&pair.queue, "x").await;
    let process = collector.span("process orders").await;
    worker.process.complains("message not done").await;
    worker.process.signal(Signal::Terminate);
    let lines = lines(&worker.process.ended().await);
    let of_message: Vec<_> = lines.iter().filter(|line| line["message"] == "message not done").collect();
    assert!(!of_message.is_empty());
    for line in of_message {
        assert_eq!(line["message_id"], *process.attribute("messaging.message.id"), "{line}");
        assert_eq!(
            (&line["queue"], &line["trace_id"]),
            (&"orders".into(), &(*process.trace).into()),
            "{line}"
        );
        assert_eq!(line["span_id"], *process.id, "{line}");
    }
    for line in &lines {
        let is_flat = line.as_object().unwrap().values().all(|value| !value.is_object() && !value.is_array());
        assert!(is_flat && line["timestamp"].is_string() && line["target"].is_string(), "{line}");
    }
}

#[tokio::test]
async fn a_message_that_is_given_back_unrun_is_a_line_with_the_cause() {
    let collector = Collector::start(Protocol::Http).await;
    let handler = Handler::start(async |_| {
        tokio::time::sleep(Duration::from_secs(3)).await;
        200
    });
    let (dev, pair, mut worker) = working(&collector, &handler, "concurrency = 1\nprefetch = 2").await;
    for _ in 0..3 {
        send_traced(&dev, &pair.queue, PARENT).await;
    }
    until("three messages held", async || worker.admin.sample(HELD).await >= 3.0).await;
    worker.process.signal(Signal::Terminate);
    let lines = lines(&worker.process.ended().await);
    let given_back: Vec<_> =
        lines.iter().filter(|line| line["message"] == "message given back unrun").collect();
    assert_eq!(given_back.len(), 2, "one runs: {lines:?}");
    for line in given_back {
        assert_eq!((&line["level"], &line["cause"]), (&"INFO".into(), &"stop".into()), "{line}");
        assert_eq!(line["retry_in_seconds"], 0.0, "{line}");
        assert_eq!((&line["receive_count"], &line["max_receive_count"]), (&1.into(), &3.into()));
        assert!(line["message_id"].is_string() && line["trace_id"] == PARENT[3..35], "{line}");
    }
}

#[tokio::test]
async fn a_lost_lease_is_logged_with_the_trace_of_its_call() {
    let collector = Collector::start(Protocol::Http).await;
    let handler = Handler::start(async |_| std::future::pending().await);
    let settings = "visibility = \"4s\"\nvisibility_max = \"4s\"";
    let (dev, pair, worker) = working(&collector, &handler, settings).await;
    send_traced(&dev, &pair.queue, PARENT).await;
    handler.has_started(1).await;
    dev.sqs.client.purge_queue().queue_url(&pair.queue).send().await.unwrap();
    let line: Value = serde_json::from_str(&worker.process.complains("lease lost").await).unwrap();
    let process = collector.span("process orders").await;
    assert_eq!(
        (line["trace_id"].as_str(), line["span_id"].as_str()),
        (Some(&*process.trace), Some(&*process.id))
    );
    assert_eq!(line["message_id"], *process.attribute("messaging.message.id"));
}

#[tokio::test]
async fn the_log_filter_does_not_affect_spans() {
    let (collector, handler) = (Collector::start(Protocol::Http).await, Handler::willing());
    let (dev, pair, _worker) =
        working(&collector, &handler, "[log]\nfilter = \"info,longshore::consumer=off\"").await;
    dev.sqs.send(&pair.queue, "x").await;
    collector.span("process orders").await;
}
