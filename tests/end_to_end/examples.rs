//! The examples, each built and run as a reader would.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::support::{Dev, Launch, Process, Signal, until};

const EXAMPLES: [&str; 3] = ["minimal", "typed_json", "custom_handler"];

/// Builds the examples, which is done already where all targets are built; answers where one of them is.
#[expect(clippy::disallowed_methods, reason = "it is cargo that reads it")]
fn example(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_BIN_EXE_longshore")).parent().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    // What cargo tells a test of its package would have dependencies built anew that look at it, such as ring.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--locked"]);
    cargo.args(EXAMPLES.iter().flat_map(|example| ["--example", example]));
    if directory.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success(), "the examples do not build");
    directory.join("examples").join(name)
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
