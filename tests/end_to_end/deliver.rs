//! From the ingest API through the queue and the worker to an HTTP handler, with `longshore dev` alone.

use std::time::Duration;

use tokio::time::sleep;

use super::support::{
    Call, Dev, Handler, Launch, http,
    python::{python_with, script},
    until,
};

/// Bodies that careless templates, decoders and encoders change.
const HOSTILE: [&str; 8] = [
    r#"{"quoted": "\"'`\\"}"#,
    "a&b=c&Action=DeleteQueue&DelaySeconds=900",
    "100% %20 %2B %zz",
    "one+two + three",
    "🚢 über 日本語 \u{10FFFD}",
    "line one\nline two\r\nline three\r\n",
    "\t padded \t",
    "<xml>&amp;</xml>]]> $input.body ${y}",
];

fn dev_for(handler: &str) -> Launch {
    Dev::launch().arguments(&["--handler", handler])
}

/// Every body, the largest that SQS takes included.
fn bodies() -> Vec<String> {
    let mut bodies = HOSTILE.map(str::to_owned).to_vec();
    bodies.push("ß🚢".repeat(174_000));
    assert!(bodies.iter().all(|body| body.len() < 1_048_576));
    bodies.sort_unstable();
    bodies
}

#[tokio::test]
async fn bodies_come_out_byte_for_byte_and_are_deleted() {
    let handler = Handler::willing();
    let dev = Dev::launched(dev_for(&handler.url())).await;
    for body in bodies() {
        dev.post(&body).await;
    }
    let mut seen: Vec<_> = handler.has_ended(bodies().len()).await.iter().map(Call::text).collect();
    seen.sort_unstable();
    assert!(seen == bodies(), "{:?}", seen.iter().map(String::len).collect::<Vec<_>>());
    dev.sqs.becomes_empty(&dev.queue).await;
    assert_eq!(handler.started().len(), bodies().len(), "each ran once");
}

#[tokio::test]
async fn a_handler_in_python_gets_the_bodies_byte_for_byte() {
    let Some(python) = python_with("http.server") else { return };
    let python = python.arguments(&[&script("echo_handler.py")]).start();
    let url = python.says("http://").await;
    let dev = Dev::launched(dev_for(&url)).await;
    for body in bodies() {
        dev.post(&body).await;
    }
    dev.sqs.becomes_empty(&dev.queue).await;
    let (_, seen) = http::get(http::authority(&url), "/").await;
    let mut seen: Vec<String> = serde_json::from_str(&seen).unwrap();
    seen.sort_unstable();
    assert!(seen == bodies(), "{:?}", seen.iter().map(String::len).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_call_looks_like_one_of_sqsd() {
    let handler = Handler::willing();
    let dev = Dev::launched(dev_for(&handler.url())).await;
    dev.post("hello").await;
    let call = handler.has_ended(1).await.remove(0);
    assert!(call.header("user-agent").starts_with("aws-sqsd/"), "{:?}", call.headers);
    assert_eq!(call.header("x-aws-sqsd-queue"), "longshore-dev-queue");
    assert_eq!(call.receive_count(), 1);
    assert_eq!(call.header("x-aws-sqsd-msgid").len(), 36, "{:?}", call.headers);
    assert!(call.header("x-aws-sqsd-first-received-at").ends_with('Z'), "{:?}", call.headers);
    assert!(!call.header("x-aws-sqsd-sender-id").is_empty(), "{:?}", call.headers);
    assert_eq!(call.header("content-type"), "application/json");
}

#[tokio::test]
async fn a_message_that_always_fails_is_in_the_dlq_after_three_receives() {
    let handler = Handler::start(async |_| 500);
    let launch = dev_for(&handler.url())
        .variable("LONGSHORE__QUEUES__LONGSHORE_DEV_QUEUE__RETRY__INITIAL", "1s")
        .variable("LONGSHORE__QUEUES__LONGSHORE_DEV_QUEUE__RETRY__MAX", "1s");
    let dev = Dev::launched(launch).await;
    dev.post("doomed").await;
    until("the message is in the dlq", async || dev.sqs.counts(&dev.dlq).await.visible == 1).await;
    assert_eq!(dev.sqs.take_all(&dev.dlq).await[0].0, "doomed");
    let counts: Vec<_> = handler.started().iter().map(Call::receive_count).collect();
    assert_eq!(counts, [1, 2, 3]);
}

#[tokio::test]
async fn a_failure_waits_longer_from_receive_to_receive() {
    let began = tokio::time::Instant::now();
    let handler = Handler::start(async |call: Call| if call.receive_count() < 3 { 500 } else { 200 });
    let launch = dev_for(&handler.url())
        .variable("LONGSHORE__QUEUES__LONGSHORE_DEV_QUEUE__RETRY__INITIAL", "1s")
        .variable("LONGSHORE__QUEUES__LONGSHORE_DEV_QUEUE__RETRY__JITTER", "none");
    let dev = Dev::launched(launch).await;
    dev.post("twice").await;
    handler.has_ended(3).await;
    assert!(began.elapsed() >= Duration::from_secs(3), "1 s and then 2 s, not {:?}", began.elapsed());
    dev.sqs.becomes_empty(&dev.queue).await;
    let retried =
        dev.admin.sample(r#"messages_ended_total{ending="retry",queue="longshore-dev-queue"}"#).await;
    assert!((retried - 2.0).abs() < 0.1, "{retried} retries are counted");
}

#[tokio::test]
async fn a_handler_that_outlasts_its_visibility_runs_once() {
    let handler = Handler::start(async |_| {
        sleep(Duration::from_secs(7)).await;
        200
    });
    let dev = Dev::launched(dev_for(&handler.url()).arguments(&["--visibility", "2s"])).await;
    dev.post("slow").await;
    handler.has_started(1).await;
    until("the handler ended", async || {
        let counts = dev.sqs.counts(&dev.queue).await;
        assert_eq!(counts.visible, 0, "the message is visible while its handler runs");
        !handler.ended().is_empty()
    })
    .await;
    dev.sqs.becomes_empty(&dev.queue).await;
    assert_eq!(handler.started().len(), 1);
    assert!(dev.admin.sample(r#"lease_extensions_total{queue="longshore-dev-queue"}"#).await >= 3.0);
}
