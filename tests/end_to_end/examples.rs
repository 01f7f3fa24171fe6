//! The examples, each built and run as a reader would.

#[path = "../support/example.rs"]
mod example;

use std::path::PathBuf;

use super::support::{Dev, Launch, Process, Signal, until};

const EXAMPLES: [&str; 5] =
    ["minimal", "typed_json", "custom_handler", "lambda_function", "lambda_test_function"];

/// The directory of an example.
pub(crate) fn example(name: &str) -> PathBuf {
    example::built(&EXAMPLES).join(name)
}

async fn running(name: &str, dev: &Dev) -> (Process, String) {
    let pair = dev.sqs.pair("example", 3).await;
    (Launch::program(&example(name)).arguments(&[&pair.queue]).start(), pair.queue)
}

async fn stops(mut process: Process) {
    process.signal(Signal::Terminate);
    let ended = process.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
}

#[tokio::test]
async fn the_minimal_example_prints_each_message() {
    let dev = Dev::start().await;
    let (process, queue) = running("minimal", &dev).await;
    dev.sqs.send(&queue, "ahoy").await;
    process.says("ahoy").await;
    dev.sqs.becomes_empty(&queue).await;
    stops(process).await;
}

#[tokio::test]
async fn the_json_example_ships_orders_and_retries_the_rest() {
    let dev = Dev::start().await;
    let (process, queue) = running("typed_json", &dev).await;
    dev.sqs.send(&queue, r#"{"id": 1, "items": []}"#).await;
    dev.sqs.send(&queue, r#"{"id": 2, "items": ["rope", "tar"]}"#).await;
    process.says("shipped order 2: rope, tar").await;
    until("the empty order alone is left, to come again", async || {
        let counts = dev.sqs.counts(&queue).await;
        counts.visible + counts.in_flight + counts.delayed == 1
    })
    .await;
    stops(process).await;
}

#[tokio::test]
async fn the_custom_handler_counts_words_and_retries_when_asked() {
    let dev = Dev::start().await;
    let (process, queue) = running("custom_handler", &dev).await;
    let arguments = ["send", "--queue-url", &queue, "one two", "--attribute", "not-yet=1"];
    assert_eq!(Launch::of(&arguments).run().await.code, Some(0));
    process.says("2 words").await;
    dev.sqs.becomes_empty(&queue).await;
    stops(process).await;
}
