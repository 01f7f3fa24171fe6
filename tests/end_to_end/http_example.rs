//! The example of the `http` kind, as a reader would run it: a worker in plain Python, one message a post and many.

use std::path::Path;

use super::support::{Dev, Process, python::python_with, until};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/http");

/// The example's worker, and a `dev` with the example's settings that posts to it.
async fn started() -> Option<(Process, Dev)> {
    let python = python_with("http.server")?;
    let worker = python.arguments(&[&format!("{EXAMPLE}/worker.py"), "0"]).start();
    let line = worker.says("listening on ").await;
    let url = line.trim_start_matches("listening on ");
    let mut launch = Dev::launch().copies_of(&[&Path::new(EXAMPLE).join("longshore.toml")]);
    for (queue, path) in [("ORDERS", "orders"), ("READINGS", "readings")] {
        launch = launch
            .variable(&format!("LONGSHORE__QUEUES__{queue}__HANDLER__URL"), &format!("{url}{path}"))
            .variable(&format!("LONGSHORE__QUEUES__{queue}__RETRY__INITIAL"), "1s")
            .variable(&format!("LONGSHORE__QUEUES__{queue}__RETRY__MAX"), "1s");
    }
    Some((worker, Dev::launched(launch).await))
}

#[tokio::test]
async fn the_example_in_python_ships_orders_one_by_one() {
    let Some((worker, dev)) = started().await else { return };
    for body in [r#"{"id": 1}"#, r#"{"id": 2, "fragile": true}"#, "not json"] {
        dev.sqs.send(&dev.queue, body).await;
    }
    worker.says("shipped order 1").await;
    worker.says("shipped order 2").await;
    dev.sqs.becomes_empty(&dev.queue).await;
    let dead = dev.sqs.take_all(&dev.dlq).await;
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert_eq!(dead[0].0, "not json");
}

#[tokio::test]
async fn the_example_in_python_stores_readings_in_batches_and_only_bad_ones_come_again() {
    let Some((worker, dev)) = started().await else { return };
    let queue = format!("{}/000000000000/readings", dev.endpoint);
    let dlq = format!("{queue}-dlq");
    let reading = |celsius: usize| format!(r#"{{"celsius": {celsius}}}"#);
    let bad = [r#"{"celsius": null}"#.to_owned(), reading(500), "not json".to_owned()];
    let all: Vec<_> = (0..17).map(reading).chain(bad.clone()).collect();
    dev.sqs.send_all(&queue, &all).await;
    let line = worker.says("stored ").await;
    let in_one_post: usize = line.split_whitespace().nth(3).unwrap().parse().unwrap();
    assert!(in_one_post > 1, "{line}");
    dev.sqs.becomes_empty(&queue).await;
    until("the bad readings are in the dlq", async || dev.sqs.counts(&dlq).await.visible == 3).await;
    let mut dead: Vec<_> = dev.sqs.take_all(&dlq).await.into_iter().map(|(body, _)| body).collect();
    dead.sort_unstable();
    let mut bad = bad.to_vec();
    bad.sort_unstable();
    assert_eq!(dead, bad);
}
