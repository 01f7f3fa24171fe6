//! A handler that is killed during its calls, and one behind a load balancer that has no target.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use tokio::time::sleep;

use super::support::{Call, Dev, Handler, Pair, Worker, until};

/// A worker of four slots, whose handler takes a moment for each of forty messages.
async fn at_work(dev: &Dev) -> (Handler, Worker, Pair) {
    let handler = Handler::start(async |_| {
        sleep(Duration::from_millis(100)).await;
        200
    });
    let pair = dev.sqs.pair("orders", 5).await;
    let settings = "concurrency = 4\nretry = { initial = \"1s\", jitter = \"none\", factor = 1.0 }";
    let worker = Worker::start(&pair.queue, &handler, settings).await;
    let bodies: Vec<_> = (0..40).map(|number| number.to_string()).collect();
    dev.sqs.send_all(&pair.queue, &bodies).await;
    (handler, worker, pair)
}

#[tokio::test]
async fn polling_pauses_while_the_handler_is_down_and_nothing_is_lost() {
    let dev = Dev::start().await;
    let (mut handler, worker, pair) = at_work(&dev).await;
    handler.has_ended(8).await;
    assert!(worker.admin.is_ready().await);

    handler.kill();
    until("polling is paused", async || {
        worker.admin.queue("orders").await["paused"][0]["reason"] == "handler_down"
    })
    .await;
    let (status, body) = worker.admin.json("/readyz").await;
    assert_eq!(status, 503);
    assert!(body["unready"]["orders handler"].as_str().unwrap().contains("handler is down"), "{body}");
    assert_eq!(worker.admin.get("/livez").await.0, 200, "a pause is no silence");
    assert!(
        (worker.admin.sample(r#"polling_paused{queue="orders",reason="handler_down"}"#).await - 1.0).abs()
            < 0.1
    );
    until("nothing is held", async || worker.admin.queue("orders").await["held"] == 0).await;
    let receives = worker.admin.sample(r#"messages_received_total{queue="orders"}"#).await;

    handler.restart();
    worker.admin.becomes_ready().await;
    dev.sqs.becomes_empty(&pair.queue).await;
    assert!(dev.sqs.take_all(&pair.dlq).await.is_empty(), "nothing is given up for a handler that is down");
    let mut done = handler.ended_bodies();
    done.sort_unstable();
    done.dedup();
    assert_eq!(done.len(), 40, "every message ran to its end");
    let worst = handler.started().iter().map(Call::receive_count).max().unwrap();
    assert!(worst <= 3, "a message was received {worst} times");
    let all = worker.admin.sample(r#"messages_received_total{queue="orders"}"#).await;
    assert!(receives < 40.0 && all <= 40.0 + 16.0, "{receives} receives before, {all} in all");
}

#[tokio::test]
async fn behind_a_load_balancer_without_a_target_no_message_reaches_the_dlq() {
    let status = Arc::new(AtomicU16::new(502));
    let answered = Arc::clone(&status);
    let handler = Handler::start(move |_| {
        let status = answered.load(Ordering::SeqCst);
        async move { status }
    });
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 2).await;
    let settings = "concurrency = 4\nretry = { initial = \"1s\", jitter = \"none\", factor = 1.0 }";
    let worker = Worker::start(&pair.queue, &handler, settings).await;
    let bodies: Vec<_> = (0..30).map(|number| number.to_string()).collect();
    dev.sqs.send_all(&pair.queue, &bodies).await;

    until("the breaker is open", async || {
        worker.admin.queue("orders").await["paused"][0]["reason"] == "breaker_open"
    })
    .await;
    let (code, body) = worker.admin.json("/readyz").await;
    assert_eq!(code, 503);
    assert!(body["unready"]["orders handler"].as_str().unwrap().contains("502 Bad Gateway"), "{body}");
    // So many trials that every receive would be spent if each trial spent one.
    handler.has_ended(12).await;

    status.store(200, Ordering::SeqCst);
    worker.admin.becomes_ready().await;
    dev.sqs.becomes_empty(&pair.queue).await;
    assert!(dev.sqs.take_all(&pair.dlq).await.is_empty(), "nothing is given up");
    let worst = handler.started().iter().map(Call::receive_count).max().unwrap();
    assert!(worst <= 2, "a message was received {worst} times");
}
