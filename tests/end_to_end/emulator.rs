//! `longshore emulator`: SQS and SNS without a worker.

use std::path::Path;

use aws_sdk_sqs::{error::ProvideErrorMetadata as _, types::QueueAttributeName::QueueArn};

use super::support::{Launch, Signal, Sqs, python::python_with, sqs::Counts};

#[tokio::test]
async fn the_emulator_serves_the_queues_it_was_started_with_until_sigterm() {
    let arguments = ["emulator", "--listen", "127.0.0.1:0", "--queue", "orders", "--queue", "mail.fifo"];
    let mut emulator = Launch::of(&arguments).start();
    let line = emulator.says("endpoint ").await;
    let endpoint = line.split_whitespace().next_back().unwrap().to_owned();
    emulator.says(&format!("{endpoint}/000000000000/mail.fifo")).await;
    let sqs = Sqs::at(&endpoint);
    let url = format!("{endpoint}/000000000000/orders");
    sqs.send(&url, "hello").await;
    assert_eq!(sqs.counts(&url).await, Counts { visible: 1, ..Counts::default() });
    emulator.signal(Signal::Terminate);
    let ended = emulator.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
}

#[tokio::test]
async fn a_queue_of_the_emulator_has_a_dlq_on_request() {
    let arguments = ["emulator", "--listen", "127.0.0.1:0", "--queue", "orders", "--max-receives", "3"];
    let emulator = Launch::of(&arguments).start();
    emulator.says("/orders-dlq").await;
}

#[tokio::test]
async fn queues_of_the_emulator_share_no_dlq() {
    let queues = ["--queue", "orders", "--queue", "orders-queue"];
    let arguments = ["emulator", "--listen", "127.0.0.1:0", "--max-receives", "3"];
    let emulator = Launch::of(&[arguments.as_slice(), &queues].concat()).start();
    emulator.says("/orders-queue-dlq").await;
    emulator.says("/orders-dlq").await;
}

#[tokio::test]
async fn the_examples_of_pytest_pass() {
    let Some(python) = python_with("pytest") else { return };
    let program = Path::new(env!("CARGO_BIN_EXE_longshore")).parent().unwrap();
    let examples = format!("{}/examples/emulator", env!("CARGO_MANIFEST_DIR"));
    let ended = python
        .variable("PATH", program.to_str().unwrap())
        .arguments(&["-m", "pytest", "-q", "-p", "no:cacheprovider", &examples])
        .run()
        .await;
    assert!(ended.code == Some(0) && ended.output.contains("2 passed"), "{}{}", ended.output, ended.errors);
}

#[tokio::test]
async fn the_emulator_holds_no_more_bytes_than_it_may() {
    let arguments = ["emulator", "--listen", "127.0.0.1:0", "--queue", "orders", "--stored-bytes", "3000"];
    let emulator = Launch::of(&arguments).start();
    let line = emulator.says("endpoint ").await;
    let endpoint = line.split_whitespace().next_back().unwrap().to_owned();
    let (sqs, url) = (Sqs::at(&endpoint), format!("{endpoint}/000000000000/orders"));
    sqs.send(&url, "hello").await;
    let refused = sqs.client.send_message().queue_url(&url).message_body("x".repeat(2000)).send().await;
    assert_eq!(refused.unwrap_err().into_service_error().code(), Some("OverLimit"));
}

#[tokio::test]
async fn region_and_delete_delay_are_those_of_the_flags() {
    let flags = ["--region", "eu-west-1", "--delete-delay", "60s"];
    let arguments = ["emulator", "--listen", "127.0.0.1:0", "--queue", "orders"];
    let emulator = Launch::of(&[arguments.as_slice(), &flags].concat()).start();
    let line = emulator.says("endpoint ").await;
    let endpoint = line.split_whitespace().next_back().unwrap().to_owned();
    let (sqs, url) = (Sqs::at(&endpoint), format!("{endpoint}/000000000000/orders"));
    let arn =
        sqs.client.get_queue_attributes().queue_url(&url).attribute_names(QueueArn).send().await.unwrap();
    assert_eq!(arn.attributes.unwrap()[&QueueArn], "arn:aws:sqs:eu-west-1:000000000000:orders");
    sqs.client.delete_queue().queue_url(&url).send().await.unwrap();
    let refused = sqs.client.create_queue().queue_name("orders").send().await.unwrap_err();
    let code = refused.into_service_error().code().map(str::to_owned);
    assert_eq!(code.as_deref(), Some("AWS.SimpleQueueService.QueueDeletedRecently"));
}

#[tokio::test]
async fn a_name_that_sqs_refuses_is_bad_usage() {
    let ended = Launch::of(&["emulator", "--listen", "127.0.0.1:0", "--queue", "or ders"]).run().await;
    assert_eq!(ended.code, Some(64), "{}", ended.errors);
    assert!(ended.errors.contains("cannot create the queue or ders"), "{}", ended.errors);
}
