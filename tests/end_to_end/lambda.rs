//! The examples of the `lambda` kind, as a reader would run them, and functions under the real `longshore run`.

use std::path::Path;

use super::{
    examples::example,
    support::{
        Dev, Launch, Signal, alive::is_running, python::python_path_with, secrets::inherits_no_secret, until,
    },
};

/// A file of an example.
fn file(path: &str) -> String {
    format!("{}/examples/lambda/{path}", env!("CARGO_MANIFEST_DIR"))
}

async fn send(dev: &Dev, body: &str) {
    let sent = Launch::of(&["send", "--queue-url", &dev.queue, body]).run().await;
    assert_eq!(sent.code, Some(0), "{}", sent.errors);
}

#[tokio::test]
async fn the_python_example_ships_orders_and_leaves_bad_ones_to_the_dlq() {
    let Some(python) = python_path_with("awslambdaric") else { return };
    let files = [file("python/longshore.toml"), file("python/app.py")];
    let launch = Dev::launch()
        .copies_of(&files.each_ref().map(Path::new))
        .variable(
            "LONGSHORE__QUEUES__ORDERS__HANDLER__COMMAND",
            &format!("{python},-m,awslambdaric,app.handler"),
        )
        .variable("LONGSHORE__QUEUES__ORDERS__RETRY__INITIAL", "1s")
        .variable("LONGSHORE__QUEUES__ORDERS__RETRY__MAX", "1s");
    let dev = Dev::launched(launch).await;
    send(&dev, r#"{"id": 1, "items": []}"#).await;
    send(&dev, r#"{"id": 2, "items": ["rope", "tar"]}"#).await;
    let line = dev.process.complains("shipped order 2: rope, tar").await;
    assert!(line.contains("request_id") && line.contains("message_id"), "{line}");
    until("the bad order is in the dlq", async || dev.sqs.counts(&dev.dlq).await.visible == 1).await;
    dev.sqs.becomes_empty(&dev.queue).await;
    assert_eq!(dev.sqs.take_all(&dev.dlq).await[0].0, r#"{"id": 1, "items": []}"#);
}

#[tokio::test]
async fn the_rust_example_counts_words() {
    let launch = Dev::launch()
        .copies_of(&[Path::new(&file("rust/longshore.toml"))])
        .variable("LONGSHORE__QUEUES__WORDS__HANDLER__COMMAND", example("lambda_function").to_str().unwrap());
    let dev = Dev::launched(launch).await;
    send(&dev, "three more words").await;
    dev.process.complains("3 words in ").await;
    dev.sqs.becomes_empty(&dev.queue).await;
}

/// A `run` with a function that sleeps in the midst of its message, and the id of its process.
async fn asleep(dev: &Dev, drain_limit: &str) -> (super::support::Process, u32) {
    let pair = dev.sqs.pair("asleep", 3).await;
    let file = format!(
        "admin.listen = '127.0.0.1:0'\ndrain.limit = '{drain_limit}'\n[queues.asleep]\nurl = '{}'\nconcurrency = 1\n\
         [queues.asleep.handler]\nkind = 'lambda'\nenv = {{ JOURNAL = '/dev/stdout' }}\ncommand = ['{}']\n",
        pair.queue,
        example("lambda_test_function").display()
    );
    let worker = Launch::of(&["run"]).file(&file).start();
    dev.sqs.send(&pair.queue, "sleep:600").await;
    let line = worker.complains("sleep:600 1 ").await;
    let digits = line.split("sleep:600 1 ").nth(1).unwrap().chars().take_while(char::is_ascii_digit);
    let process = digits.collect::<String>().parse().unwrap();
    assert!(is_running(process), "{line}");
    (worker, process)
}

#[tokio::test]
async fn a_stopped_worker_leaves_no_runtime_running() {
    let dev = Dev::start().await;
    let (mut worker, process) = asleep(&dev, "1s").await;
    worker.signal(Signal::Terminate);
    let ended = worker.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(!is_running(process));
}

#[tokio::test]
async fn a_second_signal_ends_the_runtimes_too() {
    let dev = Dev::start().await;
    let (mut worker, process) = asleep(&dev, "60s").await;
    worker.signal(Signal::Terminate);
    worker.complains("draining").await;
    worker.signal(Signal::Terminate);
    worker.ended().await;
    until("the runtime is gone", async || !is_running(process)).await;
}

#[tokio::test]
async fn a_runtime_that_waits_for_work_ends_when_longshore_is_killed() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("killed", 3).await;
    let file = format!(
        "admin.listen = '127.0.0.1:0'\n[queues.killed]\nurl = '{}'\nconcurrency = 1\n\
         [queues.killed.handler]\nkind = 'lambda'\nenv = {{ JOURNAL = '/dev/stdout' }}\ncommand = ['{}']\n",
        pair.queue,
        example("lambda_test_function").display()
    );
    let mut worker = Launch::of(&["run"]).file(&file).start();
    dev.sqs.send(&pair.queue, "done").await;
    let line = worker.complains("done 1 ").await;
    let digits = line.split("done 1 ").nth(1).unwrap().chars().take_while(char::is_ascii_digit);
    let process: u32 = digits.collect::<String>().parse().unwrap();
    dev.sqs.becomes_empty(&pair.queue).await;
    worker.signal(Signal::Kill);
    until("the runtime is gone", async || !is_running(process)).await;
}

#[tokio::test]
async fn a_function_does_not_inherit_the_workers_secrets_unless_it_is_allowed_to() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("secrets", 3).await;
    let program = "kind = 'lambda'\ncommand = ['sh', '-c', 'env; echo whole environment; sleep 60']";
    inherits_no_secret(&pair.queue, program).await;
}
