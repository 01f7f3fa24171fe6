//! The trace of a call as each kind of handler gets it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    collector::{Collector, Protocol, ReceivedSpan},
    example,
    spans::{PARENT, SETTINGS, producer, send_traced},
    support::{Call, Dev, Handler, Launch, Pair, Process, Signal, Sns, until},
};

/// A `dev`, and a `run` of its queue with this handler.
async fn working(collector: &Collector, handler: &str) -> (Dev, Pair, Process) {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 3).await;
    let process = collector.configure(running(&pair, handler)).start();
    (dev, pair, process)
}

fn running(pair: &Pair, handler: &str) -> Launch {
    let file = format!(
        "[queues.orders]\nurl = \"{}\"\n{SETTINGS}\n[queues.orders.handler]\n{handler}\n",
        pair.queue
    );
    Launch::of(&["run", "--admin-listen", "127.0.0.1:0"]).file(&file)
}

const PROGRAM: &str = r#"kind = "exec"
command = ["sh", "-c", "cat > /dev/null; echo trace $TRACEPARENT $_X_AMZN_TRACE_ID"]"#;

#[tokio::test]
async fn a_program_gets_the_trace_in_its_environment_and_its_lines_name_it() {
    let collector = Collector::start(Protocol::Http).await;
    let (dev, pair, process) = working(&collector, PROGRAM).await;
    send_traced(&dev, &pair.queue, PARENT).await;
    let line: Value = serde_json::from_str(&process.complains("trace 00-").await).unwrap();
    let span = collector.span("process orders").await;
    let text = line["line"].as_str().unwrap();
    assert_eq!(text, format!("trace {} {}", span.traceparent(), span.xray()));
    assert_eq!((line["trace_id"].as_str(), line["queue"].as_str()), (Some(&*span.trace), Some("orders")));
    assert_eq!(line["message_id"].as_str(), Some(span.attribute("messaging.message.id")));
    assert_eq!(span.links, [producer()]);
}

#[tokio::test]
async fn a_function_gets_the_trace_from_the_runtime_api_and_its_lines_name_it() {
    let collector = Collector::start(Protocol::Http).await;
    let function = example::built(&["lambda_test_function"]).join("lambda_test_function");
    let handler = format!(
        "kind = \"lambda\"\nenv = {{ JOURNAL = \"/dev/null\" }}\ncommand = [\"{}\"]",
        function.display()
    );
    let (dev, pair, process) = working(&collector, &handler).await;
    dev.sqs.send(&pair.queue, "trace").await;
    let line: Value = serde_json::from_str(&process.complains("traced by").await).unwrap();
    let span = collector.span("process orders").await;
    assert!(line["line"].as_str().unwrap().contains(&span.xray()), "{line}");
    assert_eq!(line["trace_id"], *span.trace);
}

#[tokio::test]
async fn a_function_behind_an_emulator_gets_the_trace_in_a_header() {
    let (collector, emulator) = (Collector::start(Protocol::Http).await, Handler::willing());
    let (dev, pair, _process) =
        working(&collector, &format!("kind = \"lambda\"\nurl = \"{}\"", emulator.url())).await;
    dev.sqs.send(&pair.queue, "x").await;
    let call: Call = emulator.has_ended(1).await.remove(0);
    assert_eq!(call.header("x-amzn-trace-id"), collector.span("process orders").await.xray());
}

/// Waits for a message in a queue; returns its attributes.
async fn attributes(dev: &Dev, url: &str) -> BTreeMap<String, String> {
    let mut received = Vec::new();
    until("a message is published", async || {
        let receive = dev.sqs.client.receive_message().queue_url(url).message_attribute_names("All");
        received = receive.send().await.unwrap().messages.unwrap_or_default();
        !received.is_empty()
    })
    .await;
    let attributes = received.remove(0).message_attributes.unwrap_or_default();
    attributes.into_iter().map(|(name, value)| (name, value.string_value.unwrap_or_default())).collect()
}

async fn publishing(collector: &Collector) -> (Dev, Pair, Process, String, String) {
    let dev = Dev::start().await;
    let (sns, pair) = (Sns::at(&dev.endpoint), dev.sqs.pair("orders", 3).await);
    let topic = sns.topic("shipped").await;
    let listener = sns.listener(&topic, "listener").await;
    let handler = format!("kind = \"sns\"\ntopic_arn = \"{topic}\"");
    let process = collector.configure(running(&pair, &handler)).start();
    (dev, pair, process, topic, listener)
}

#[tokio::test]
async fn subscribers_of_a_topic_continue_the_trace_of_the_publication() {
    let collector = Collector::start(Protocol::Http).await;
    let (dev, pair, _process, topic, listener) = publishing(&collector).await;
    send_traced(&dev, &pair.queue, PARENT).await;
    let received = attributes(&dev, &listener).await;
    let (process, publish) =
        (collector.span("process orders").await, collector.span("publish shipped").await);
    assert_eq!(received["traceparent"], publish.traceparent());
    assert_eq!((&publish.trace, &publish.parent), (&process.trace, &process.id));
    assert_eq!(publish.attribute("aws.sns.topic.arn"), topic);
    assert_eq!(publish.attribute("messaging.system"), "aws.sns");
    assert!(!publish.attribute("messaging.message.id").is_empty());
}

#[tokio::test]
async fn a_message_with_ten_attributes_is_published_with_those_ten() {
    let collector = Collector::start(Protocol::Http).await;
    let (dev, pair, _process, _, listener) = publishing(&collector).await;
    let value = aws_sdk_sqs::types::MessageAttributeValue::builder().data_type("String").string_value("x");
    let mut send = dev.sqs.client.send_message().queue_url(&pair.queue).message_body("full");
    for number in 0..10 {
        send = send.message_attributes(format!("own{number}"), value.clone().build().unwrap());
    }
    send.send().await.unwrap();
    let received = attributes(&dev, &listener).await;
    assert_eq!(received.len(), 10, "{received:?}");
    assert!(!received.contains_key("traceparent"));
    collector.span("publish shipped").await;
}

#[tokio::test]
async fn a_notification_is_part_of_the_trace_of_its_call() {
    let (collector, handler) = (Collector::start(Protocol::Http).await, Handler::willing());
    let dev = Dev::start().await;
    let (sns, pair) = (Sns::at(&dev.endpoint), dev.sqs.pair("orders", 3).await);
    let topic = sns.topic("done").await;
    let listener = sns.listener(&topic, "listener").await;
    let notify = format!("[queues.orders.notify]\non_done = \"{topic}\"");
    let settings = format!("kind = \"http\"\nurl = \"{}\"\n{notify}", handler.url());
    let _process = collector.configure(running(&pair, &settings)).start();
    dev.sqs.send(&pair.queue, "x").await;
    let received = attributes(&dev, &listener).await;
    let (process, publish) = (collector.span("process orders").await, collector.span("publish done").await);
    assert_eq!((&publish.trace, &publish.parent), (&process.trace, &process.id));
    assert_eq!((&*received["traceparent"], &*received["outcome"]), (&*publish.traceparent(), "done"));
}

#[tokio::test]
async fn while_traces_are_off_a_program_and_its_lines_have_the_messages_own_trace() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 3).await;
    let mut process = running(&pair, PROGRAM).start();
    send_traced(&dev, &pair.queue, PARENT).await;
    let line: Value = serde_json::from_str(&process.complains("trace 00-").await).unwrap();
    assert_eq!(line["line"].as_str().unwrap().trim_end(), format!("trace {PARENT}"));
    assert_eq!(
        (line["trace_id"].as_str(), line["span_id"].as_str()),
        (Some(&*producer().0), Some(&*producer().1))
    );
    process.signal(Signal::Terminate);
    assert_eq!(process.ended().await.code, Some(0));
}

#[tokio::test]
async fn a_copy_in_the_dlq_keeps_the_messages_own_trace() {
    let (collector, handler) = (Collector::start(Protocol::Http).await, Handler::start(async |_| 422));
    let settings = format!("kind = \"http\"\nurl = \"{}\"\nreject = [422]", handler.url());
    let (dev, pair, _process) = working(&collector, &settings).await;
    send_traced(&dev, &pair.queue, PARENT).await;
    assert_eq!(attributes(&dev, &pair.dlq).await["traceparent"], PARENT);
    let copy: ReceivedSpan = collector.span("copy orders-dead").await;
    let process = collector.span("process orders").await;
    assert_eq!((copy.trace, copy.parent), (process.trace, process.id));
    assert_eq!((process.attributes["error.type"].as_str(), copy.failure), ("reject", None));
}
