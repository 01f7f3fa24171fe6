//! What stands still is seen over HTTP and in the log: a handler that hangs, deletes that are refused, warnings left out.

use super::support::{Call, Dev, Handler, Signal, Worker, guarded::DenyingProxy, until};

fn bodies(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

#[tokio::test]
async fn a_handler_that_hangs_shows_in_the_metrics_and_in_the_status() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 5).await;
    let handler = Handler::start(async |call: Call| {
        if call.text() != "quick" {
            std::future::pending::<()>().await;
        }
        200
    });
    let settings = "concurrency = 2\nprefetch = 3\ndepth = { interval = \"5s\" }";
    let worker = Worker::start(&pair.queue, &handler, settings).await;
    dev.sqs.send(&pair.queue, "quick").await;
    dev.sqs.becomes_empty(&pair.queue).await;
    dev.sqs.send_all(&pair.queue, &bodies(20)).await;
    handler.has_started(3).await;
    let admin = &worker.admin;
    until("the calls and what waits behind them are seen to be old", async || {
        admin.sample(r#"oldest_running_seconds{queue="orders"}"#).await >= 4.0
            && admin.sample(r#"oldest_waiting_seconds{queue="orders"}"#).await >= 4.0
    })
    .await;
    assert!(admin.sample(r#"work_seconds_total{queue="orders"}"#).await >= 8.0, "the calls have not ended");
    until("the backlog is that of calls that hang", async || {
        admin.sample(r#"backlog_seconds{queue="orders"}"#).await >= 20.0 * 6.0 / 2.0
    })
    .await;
    let retention = admin.sample(r#"queue_retention_seconds{queue="orders"}"#).await;
    assert!((retention - 345_600.0).abs() < 0.1, "{retention}");
    let status = admin.queue("orders").await;
    for key in ["oldestRunningSeconds", "oldestWaitingSeconds"] {
        assert!(status[key].as_f64().unwrap() >= 4.0, "{key} in {status}");
    }
    assert_eq!((&status["retentionSeconds"], &status["settling"]), (&345_600.into(), &0.into()), "{status}");
    assert!(status["oldestSettlingSeconds"].is_null() && status["settlingError"].is_null(), "{status}");
}

#[tokio::test]
async fn deletes_that_are_refused_show_in_the_metrics_the_status_and_the_readiness() {
    let (dev, handler) = (Dev::start().await, Handler::willing());
    dev.sqs.pair("orders", 5).await;
    let guarded = DenyingProxy::before(&dev.endpoint, &[("DeleteMessageBatch", "orders")]).await;
    let worker = Worker::start(&guarded.url("orders"), &handler, "").await;
    dev.sqs.send_all(&format!("{}/000000000000/orders", dev.endpoint), &bodies(5)).await;
    handler.has_ended(5).await;
    let admin = &worker.admin;
    until("the settlements are seen to be old", async || {
        admin.sample(r#"settling{queue="orders"}"#).await > 4.5
            && admin.sample(r#"oldest_settling_seconds{queue="orders"}"#).await >= 3.0
    })
    .await;
    let status = admin.queue("orders").await;
    assert_eq!(status["settling"], 5, "{status}");
    assert!(status["oldestSettlingSeconds"].as_f64().unwrap() >= 3.0, "{status}");
    assert!(status["settlingError"].as_str().unwrap().contains("AccessDenied"), "{status}");
    let (code, ready) = admin.json("/readyz").await;
    let reason = ready["unready"]["orders settle"].as_str().unwrap_or_default();
    assert!(code == 503 && reason.contains("AccessDenied"), "{ready}");
}

#[tokio::test]
async fn warnings_left_out_are_counted_at_a_stop() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 1).await;
    let handler = Handler::start(async |_| 500);
    let mut worker = Worker::start(&pair.queue, &handler, "").await;
    dev.sqs.send_all(&pair.queue, &bodies(60)).await;
    handler.has_ended(60).await;
    until("all have failed", async || {
        worker.admin.sample(r#"messages_ended_total{ending="retry",queue="orders"}"#).await > 59.5
    })
    .await;
    worker.process.signal(Signal::Terminate);
    let line = worker.process.complains("more like this in the last minute").await;
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["count"], &line["queue"]), (&50.into(), &"orders".into()), "{line}");
    assert_eq!(line["like"], "message not done", "{line}");
    assert!(line["reason"].as_str().unwrap().contains("500"), "{line}");
}
