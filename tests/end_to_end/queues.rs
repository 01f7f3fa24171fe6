//! Several queues in one process, and the order of a FIFO queue.

use std::time::Duration;

use tokio::time::sleep;

use super::support::{Call, Dev, Handler, Launch, Worker, until, worker::section};

#[tokio::test]
async fn a_dead_handler_stops_its_own_queue_alone() {
    let dev = Dev::start().await;
    let (orders, mail) = (dev.sqs.pair("orders", 5).await, dev.sqs.pair("mail", 5).await);
    let (living, mut dead) = (Handler::willing(), Handler::willing());
    dead.kill();
    let queues =
        section("orders", &orders.queue, &living.url(), "") + &section("mail", &mail.queue, &dead.url(), "");
    let worker = Worker::launched(Launch::of(&["run", "--admin-listen", "127.0.0.1:0"]).file(&queues)).await;
    let bodies: Vec<_> = (0..50).map(|number| number.to_string()).collect();
    dev.sqs.send_all(&mail.queue, &bodies).await;
    dev.sqs.send_all(&orders.queue, &bodies).await;
    living.has_ended(50).await;
    dev.sqs.becomes_empty(&orders.queue).await;
    until("the other queue is paused", async || {
        worker.admin.queue("mail").await["paused"][0]["reason"] == "handler_down"
    })
    .await;
    assert_eq!(worker.admin.queue("orders").await["paused"], serde_json::json!([]));
    assert_eq!(dev.sqs.counts(&mail.queue).await.visible, 50, "none is received for a dead handler");

    dead.restart();
    let calls = dead.has_ended(50).await;
    assert!(calls.iter().all(|call| call.receive_count() == 1), "no receive was spent on the wait");
    dev.sqs.becomes_empty(&mail.queue).await;
}

#[tokio::test]
async fn a_fifo_queue_keeps_the_order_of_each_group() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders.fifo", 5).await;
    let groups = ["a", "b", "c", "d"];
    for number in 0..10 {
        for group in groups {
            dev.sqs.send_to_group(&pair.queue, group, &format!("{group} {number}")).await;
        }
    }
    // One message fails once: its group waits for it, the others do not.
    let handler = Handler::start(async |call: Call| {
        sleep(Duration::from_millis(20)).await;
        if call.text() == "b 3" && call.receive_count() == 1 { 500 } else { 200 }
    });
    let settings = "retry = { initial = \"1s\", jitter = \"none\" }";
    let _worker = Worker::start(&pair.queue, &handler, settings).await;
    let calls = handler.has_ended(41).await;
    dev.sqs.becomes_empty(&pair.queue).await;
    for group in groups {
        let of_group = calls.iter().map(Call::text).filter(|body| body.starts_with(group));
        let mut order: Vec<_> = of_group.collect();
        order.dedup();
        let expected: Vec<_> = (0..10).map(|number| format!("{group} {number}")).collect();
        assert_eq!(order, expected);
    }
    assert!(handler.most_running() > 1, "groups run beside each other");
}
