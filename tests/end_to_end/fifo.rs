//! A FIFO queue over real sockets, on the embedded server and on an independent one.

use super::support::{Call, Dev, Handler, Sqs, Worker, python::python_with};

const GROUPS: [&str; 3] = ["a", "b", "c"];
const MESSAGES: usize = 8;

/// Works a queue of three groups: `a` runs well, `b3` fails once, and `c2` fails whenever it runs.
async fn groups_are_worked_in_order(sqs: &Sqs) {
    let pair = sqs.pair("orders.fifo", 3).await;
    for number in 0..MESSAGES {
        for group in GROUPS {
            sqs.send_to_group(&pair.queue, group, &format!("{group}{number}")).await;
        }
    }
    let handler = Handler::start(async |call| match (call.text().as_str(), call.receive_count()) {
        ("b3", 1) | ("c2", _) => 500,
        _ => 200,
    });
    let settings = "retry = { initial = \"1s\", max = \"1s\" }\nreceive = { wait = \"1s\" }";
    let worker = Worker::start(&pair.queue, &handler, settings).await;
    // Every message once, one of them twice, and one three times.
    handler.has_ended(GROUPS.len() * MESSAGES + 1 + 2).await;
    sqs.becomes_empty(&pair.queue).await;
    let calls = handler.ended();
    assert_eq!(group(&calls, "a"), ["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7"]);
    assert_eq!(group(&calls, "b"), ["b0", "b1", "b2", "b3", "b3", "b4", "b5", "b6", "b7"]);
    assert_eq!(group(&calls, "c"), ["c0", "c1", "c2", "c2", "c2", "c3", "c4", "c5", "c6", "c7"]);
    assert!(handler.most_running() <= GROUPS.len(), "one of a group at a time");
    let dead: Vec<_> = sqs.take_all(&pair.dlq).await.into_iter().map(|(body, _)| body).collect();
    assert_eq!(dead, ["c2"]);
    assert!(worker.admin.is_ready().await);
}

fn group(calls: &[Call], group: &str) -> Vec<String> {
    calls.iter().map(Call::text).filter(|body| body.starts_with(group)).collect()
}

#[tokio::test]
async fn groups_are_worked_in_order_on_the_embedded_server() {
    let dev = Dev::start().await;
    groups_are_worked_in_order(&dev.sqs).await;
}

#[tokio::test]
async fn groups_are_worked_in_order_on_an_independent_server() {
    let Some(python) = python_with("moto.server") else { return };
    let server = python.arguments(&["-m", "moto.server", "--host", "127.0.0.1", "--port", "0"]).start();
    let line = server.complains("Running on http://").await;
    let endpoint = line.split_whitespace().find(|part| part.starts_with("http://")).unwrap();
    groups_are_worked_in_order(&Sqs::at(endpoint)).await;
}
