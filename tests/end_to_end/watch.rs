//! What operators see of running workers: one message, and the sentence about a queue.

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use super::support::{Call, Dev, Handler, Launch, Worker, until};

/// A handler that fails the first receive of each message.
fn failing_once() -> Handler {
    Handler::start(async |call: Call| if call.receive_count() == 1 { 404 } else { 200 })
}

#[tokio::test]
async fn a_message_is_traced_through_its_attempts() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 5).await;
    let handler = failing_once();
    let worker =
        Worker::start(&pair.queue, &handler, "retry = { initial = \"1s\", jitter = \"none\" }").await;
    dev.sqs.send(&pair.queue, "once").await;
    handler.has_ended(2).await;
    let id = handler.ended()[0].header("x-aws-sqsd-msgid").to_owned();
    let trace = async |id: &str, extra: &[&str]| {
        let arguments = [&["trace", id, "--admin", &worker.admin.address], extra].concat();
        Launch::of(&arguments).run().await
    };
    until("its delete is confirmed", async || trace(&id, &[]).await.output.contains("attempt 2: deleted"))
        .await;
    let known = trace(&id, &[]).await;
    assert_eq!(known.code, Some(0), "{}", known.errors);
    let mut lines = known.output.lines();
    for part in [
        "orders, attempt 1: given back",
        "received, attempt 1",
        "the call of the handler started",
        "ended retry after ",
        "given back, visible again after 1s, next try not before ",
        "orders, attempt 2: deleted",
        "received, attempt 2",
        "the call of the handler started",
        "ended done after ",
        "deleted",
    ] {
        assert!(lines.next().is_some_and(|line| line.contains(part)), "{part} in {}", known.output);
    }
    let json = trace(&id, &["--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json.output).unwrap();
    assert_eq!(json["receives"][0]["ending"], "retry");
    assert!(json["receives"][0]["reason"].as_str().unwrap().contains("404"), "{json}");
    let unknown = trace("of-nobody", &[]).await;
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.errors.contains("this worker knows nothing of of-nobody"), "{}", unknown.errors);
    assert!(unknown.errors.contains("orders: what it holds, was done since 2"), "{}", unknown.errors);
    let nobody = Launch::of(&["trace", &id, "--admin", "127.0.0.1:1"]).run().await;
    assert_eq!(nobody.code, Some(69), "{}", nobody.errors);
    assert!(nobody.errors.contains("no answer from http://127.0.0.1:1/"), "{}", nobody.errors);
}

#[tokio::test]
async fn the_trace_of_a_message_at_its_last_receive_leads_to_the_dlq() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 1).await;
    let handler = Handler::start(async |_| 404);
    let worker = Worker::start(&pair.queue, &handler, "retry = { initial = \"1s\" }").await;
    dev.sqs.send(&pair.queue, "never").await;
    let mut failure = serde_json::Value::Null;
    until("it is given back", async || {
        failure = worker.admin.queue("orders").await["failures"][0].clone();
        failure["state"] == "given_back"
    })
    .await;
    assert_eq!((&failure["exhausted"], failure.get("nextTryAt")), (&true.into(), None), "{failure}");
    let id = failure["messageId"].as_str().unwrap();
    let known = Launch::of(&["trace", id, "--admin", &worker.admin.address]).run().await;
    assert!(known.output.contains("its receives are used up: sqs moves it to the dlq"), "{}", known.output);
}

#[tokio::test]
async fn the_status_says_in_a_sentence_why_messages_are_received_or_not() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 5).await;
    let mut handler = Handler::start(async |_| std::future::pending().await);
    let settings = "concurrency = 2\nprefetch = 1\nreceive = { wait = \"1s\" }";
    let worker = Worker::start(&pair.queue, &handler, settings).await;
    let shows = async |state: &str, part: &str| {
        until(part, async || {
            let queue = worker.admin.queue("orders").await;
            queue["state"] == state && queue["why"].as_str().is_some_and(|why| why.contains(part))
        })
        .await;
    };
    shows("empty", "The queue is empty").await;
    dev.sqs.send_all(&pair.queue, &["1", "2", "3", "4"].map(str::to_owned)).await;
    shows("full", "All 2 slots run calls, and 1 more message waits").await;
    let queue = worker.admin.queue("orders").await;
    assert_eq!(queue["calls"].as_array().unwrap().len(), 2, "{queue}");
    assert_eq!((queue["calls"][0]["attempt"].as_u64(), queue["totals"]["done"].as_u64()), (Some(1), Some(0)));
    handler.kill();
    shows("paused", "Polling is paused because the handler is down").await;
    until("the calls that were cut off are failures", async || {
        worker.admin.queue("orders").await["failures"].as_array().is_some_and(|failures| failures.len() >= 2)
    })
    .await;
}

#[tokio::test]
async fn the_live_page_gets_the_status_of_a_worker_as_events() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 5).await;
    let worker = Worker::start(&pair.queue, &Handler::willing(), "").await;
    worker.admin.queue("orders").await;
    let mut stream = TcpStream::connect(&worker.admin.address).await.unwrap();
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    for _ in 0..2 {
        let data = loop {
            let line = lines.next_line().await.unwrap().unwrap();
            if let Some(data) = line.strip_prefix("data: ") {
                break data.to_owned();
            }
        };
        let status: serde_json::Value = serde_json::from_str(&data).unwrap();
        assert_eq!(status["queues"][0]["queue"], "orders", "{status}");
    }
}
