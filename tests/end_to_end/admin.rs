//! The admin server's metrics and status of a running worker, compared with its work.

use serde_json::json;

use super::support::{Call, Dev, Handler, Launch, Signal, Worker, until};

/// A handler that fails the first receive of a message whose body requests it.
fn failing_once() -> Handler {
    Handler::start(async |call: Call| match (call.text().as_str(), call.receive_count()) {
        ("once", 1) => 500,
        _ => 200,
    })
}

#[tokio::test]
async fn the_metrics_agree_with_the_work_done() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 5).await;
    let handler = failing_once();
    let settings = "retry = { initial = \"1s\", jitter = \"none\" }";
    let worker = Worker::start(&pair.queue, &handler, settings).await;
    let bodies: Vec<_> = (0..30).map(|number| number.to_string()).chain(["once".to_owned()]).collect();
    dev.sqs.send_all(&pair.queue, &bodies).await;
    handler.has_ended(32).await;
    dev.sqs.becomes_empty(&pair.queue).await;

    let admin = &worker.admin;
    until("everything is counted", async || {
        admin.sample(r#"messages_settled_total{action="delete",queue="orders"}"#).await > 30.5
    })
    .await;
    for (sample, number) in [
        (r#"messages_started_total{queue="orders"}"#, 32),
        (r#"messages_ended_total{ending="done",queue="orders"}"#, 31),
        (r#"messages_ended_total{ending="retry",queue="orders"}"#, 1),
        (r#"messages_settled_total{action="delete",queue="orders"}"#, 31),
        (r#"messages_settled_total{action="give_back",queue="orders"}"#, 1),
        (r#"messages_duplicate_total{queue="orders"}"#, 0),
        (r#"leases_lost_total{queue="orders"}"#, 0),
        (r#"settle_failures_total{action="delete",queue="orders"}"#, 0),
        (r#"messages_running{queue="orders"}"#, 0),
        (r#"messages_held{queue="orders"}"#, 0),
        (r#"polling_paused{queue="orders",reason="handler_down"}"#, 0),
        (r#"polling_paused{queue="orders",reason="short_of_resources"}"#, 0),
        (r#"concurrency{queue="orders"}"#, 16),
    ] {
        assert!((admin.sample(sample).await - f64::from(number)).abs() < 0.1, "{sample} is not {number}");
    }
    let name = pair.queue.rsplit('/').next().unwrap();
    let consumed =
        format!("messaging_client_consumed_messages_total{{messaging_destination_name=\"{name}\",");
    for (start, number) in [
        (&*consumed, 32),
        (r#"messaging_process_duration_seconds_count{error_type="","#, 31),
        (r#"messaging_process_duration_seconds_count{error_type="retry","#, 1),
        (r#"longshore_handler_failures_total{cause="status_5xx","#, 1),
        (r#"longshore_handler_info{kind="http","#, 1),
    ] {
        assert!((admin.total(start).await - f64::from(number)).abs() < 0.1, "{start} is not {number}");
    }
}

#[tokio::test]
async fn the_status_page_shows_what_runs() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 5).await;
    let handler = Handler::start(async |_| std::future::pending().await);
    let worker = Worker::start(&pair.queue, &handler, "concurrency = 2\nprefetch = 3").await;
    dev.sqs.send_all(&pair.queue, &["1", "2", "3", "4"].map(str::to_owned)).await;
    handler.has_started(2).await;
    until("all four are held", async || worker.admin.queue("orders").await["held"] == 4).await;
    let status = worker.admin.queue("orders").await;
    for (key, number) in [("concurrency", 2), ("running", 2), ("waiting", 2), ("held", 4), ("settling", 0)] {
        assert_eq!(status[key], number, "{key} in {status}");
    }
    assert!(status["paused"] == json!([]) && status["lastError"].is_null(), "{status}");
    assert_eq!(worker.admin.json("/status").await.1["draining"], false);
}

#[tokio::test]
async fn a_worker_is_ready_from_its_first_receive_to_its_stop() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 5).await;
    let mut handler = Handler::start(async |_| std::future::pending().await);
    handler.kill();
    let mut worker = Worker::start(&pair.queue, &handler, "receive = { wait = \"1s\" }").await;
    worker.admin.queue("orders").await;
    let (status, body) = worker.admin.json("/readyz").await;
    assert_eq!(status, 503);
    assert!(body["unready"]["orders receive"].is_string(), "no receive has succeeded yet: {body}");
    assert!(body["unready"]["orders handler"].is_string(), "the handler is down: {body}");

    handler.restart();
    worker.admin.becomes_ready().await;
    dev.sqs.send(&pair.queue, "for ever").await;
    handler.has_started(1).await;
    worker.process.signal(Signal::Terminate);
    until("a draining worker is not ready", async || !worker.admin.is_ready().await).await;
    assert_eq!(worker.admin.get("/livez").await.0, 200, "draining is no silence");
}

#[tokio::test]
async fn the_health_check_asks_the_worker() {
    let dev = Dev::start().await;
    let url = format!("http://{}/livez", dev.admin.address);
    let healthy = Launch::of(&["healthcheck", "--url", &url]).run().await;
    assert_eq!((healthy.code, healthy.output.as_str()), (Some(0), "healthy\n"), "{}", healthy.errors);
    let listen = &dev.admin.address;
    let configured = Launch::of(&["healthcheck"]).variable("LONGSHORE__ADMIN__LISTEN", listen).run().await;
    assert_eq!(configured.code, Some(0), "{}", configured.errors);
    drop(dev.process);
    until("nobody answers", async || {
        Launch::of(&["healthcheck", "--url", &url]).run().await.code == Some(69)
    })
    .await;
}
