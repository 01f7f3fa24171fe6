//! Copies of rejected messages in the DLQ, with the embedded server and with an independent one.

use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};

use super::support::{
    Dev, Ended, Handler, Launch, Pair, Process, Sqs, Worker,
    python::{python_with, script},
    until,
    worker::section,
};

fn rejecting() -> Handler {
    Handler::start(async |call| if call.text().starts_with('{') { 200 } else { 422 })
}

/// A worker whose handler answers 422 to a body that is not JSON.
async fn worker_on(queue: &str, handler: &Handler, settings: &str) -> Worker {
    let url = handler.url();
    let file = format!(
        "[queues.orders]\nurl = \"{queue}\"\nreceive = {{ wait = \"1s\" }}\n{settings}\n\
         [queues.orders.handler]\nkind = \"http\"\nurl = \"{url}\"\nreject = [422]\n"
    );
    Worker::launched(Launch::of(&["run", "--admin-listen", "127.0.0.1:0"]).file(&file)).await
}

async fn send_with_attribute(sqs: &Sqs, queue: &str, body: &str) -> String {
    let tenant = MessageAttributeValue::builder().data_type("String").string_value("acme").build().unwrap();
    let send =
        sqs.client.send_message().queue_url(queue).message_body(body).message_attributes("tenant", tenant);
    send.send().await.unwrap().message_id.unwrap()
}

/// The only message of a queue, with all attributes.
async fn only(sqs: &Sqs, queue: &str) -> Message {
    let mut found = Vec::new();
    until("a message is in the dlq", async || {
        let receive = sqs.client.receive_message().queue_url(queue).max_number_of_messages(10);
        let receive = receive.message_system_attribute_names("All".into()).message_attribute_names("All");
        found.extend(receive.send().await.unwrap().messages.unwrap_or_default());
        !found.is_empty()
    })
    .await;
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn text<'a>(message: &'a Message, name: &str) -> &'a str {
    let attribute = message.message_attributes.as_ref().and_then(|all| all.get(name));
    attribute.and_then(|attribute| attribute.string_value.as_deref()).unwrap_or_default()
}

fn assert_copy_of(copy: &Message, id: &str, body: &str) {
    assert_eq!(copy.body.as_deref(), Some(body));
    assert_eq!(text(copy, "tenant"), "acme");
    assert!(text(copy, "longshore.reject.reason").contains("422"), "{copy:?}");
    assert_eq!(text(copy, "longshore.reject.kind"), "http");
    assert_eq!(text(copy, "longshore.reject.attempt"), "1");
    assert!(text(copy, "longshore.reject.time").ends_with('Z'), "{copy:?}");
    assert_eq!(text(copy, "longshore.reject.message-id"), id);
}

#[tokio::test]
async fn a_python_handler_that_answers_422_puts_the_message_into_the_dlq_with_the_reason() {
    let Some(python) = python_with("http.server") else { return };
    let python: Process = python.arguments(&[&script("rejecting_handler.py")]).start();
    let url = python.says("http://").await;
    let launch = Dev::launch()
        .arguments(&["--handler", &url])
        .variable("LONGSHORE__QUEUES__LONGSHORE_DEV_QUEUE__HANDLER__REJECT", "422");
    let dev = Dev::launched(launch).await;
    let id = send_with_attribute(&dev.sqs, &dev.queue, "no json").await;
    dev.post("{}").await;
    assert_copy_of(&only(&dev.sqs, &dev.dlq).await, &id, "no json");
    dev.sqs.becomes_empty(&dev.queue).await;
    let copies =
        dev.admin.sample(r#"messages_settled_total{action="copy",queue="longshore-dev-queue"}"#).await;
    assert!((copies - 1.0).abs() < 0.1, "{copies} copies are counted");
}

#[tokio::test]
async fn dev_sends_no_reject_to_a_configured_dlq_that_may_be_real() {
    let handler = rejecting();
    let elsewhere = "http://127.0.0.1:9/000000000000/real-dlq";
    let launch = Dev::launch()
        .arguments(&["--handler", &handler.url()])
        .variable("LONGSHORE__QUEUES__LONGSHORE_DEV_QUEUE__DLQ__URL", elsewhere)
        .variable("LONGSHORE__QUEUES__LONGSHORE_DEV_QUEUE__HANDLER__REJECT", "422");
    let dev = Dev::launched(launch).await;
    dev.post("bad").await;
    assert_eq!(only(&dev.sqs, &dev.dlq).await.body.as_deref(), Some("bad"));
}

#[tokio::test]
async fn a_dlq_is_configured_by_its_url_or_its_name() {
    let (dev, handler) = (Dev::start().await, rejecting());
    for (number, by) in ["url", "name"].into_iter().enumerate() {
        let queue = dev.sqs.queue(&format!("orders-{number}"), &[]).await;
        let dlq = dev.sqs.queue(&format!("graveyard-{number}"), &[]).await;
        let address = if by == "url" { dlq.as_str() } else { dlq.rsplit('/').next().unwrap() };
        let worker = worker_on(&queue, &handler, &format!("dlq.{by} = \"{address}\"")).await;
        let id = send_with_attribute(&dev.sqs, &queue, "bad").await;
        assert_copy_of(&only(&dev.sqs, &dlq).await, &id, "bad");
        dev.sqs.becomes_empty(&queue).await;
        assert!(worker.admin.is_ready().await);
    }
}

#[tokio::test]
async fn a_configured_dlq_that_does_not_exist_exits_with_69() {
    let dev = Dev::start().await;
    let queue = dev.sqs.queue("orders", &[]).await;
    let url = format!("{}/000000000000/nowhere", dev.endpoint);
    for dlq in [format!("dlq.url = \"{url}\""), "dlq.name = \"nowhere\"".to_owned()] {
        let ended = run(&section("orders", &queue, "http://127.0.0.1:9/", &dlq)).await;
        assert_ended(
            &ended,
            69,
            &["queue orders: dlq", "nowhere", "does not exist", "hint: check the dlq's url"],
        );
    }
}

#[tokio::test]
async fn a_dlq_that_is_the_queue_itself_or_of_another_kind_exits_with_64() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders.fifo", 3).await;
    let standard = dev.sqs.queue("orders", &[]).await;
    for (queue, dlq, text) in [
        (&standard, format!("dlq.url = \"{standard}\""), "the queue itself"),
        (&standard, "dlq.name = \"orders\"".to_owned(), "the queue itself"),
        (&standard, format!("dlq.url = \"{}\"", pair.dlq), "not of the queue's type"),
        (&pair.queue, format!("dlq.url = \"{standard}\""), "not of the queue's type"),
    ] {
        let ended = run(&section("orders", queue, "http://127.0.0.1:9/", &dlq)).await;
        assert_ended(&ended, 64, &[text]);
    }
}

#[tokio::test]
async fn a_queue_without_a_dlq_logs_at_its_start_that_rejects_are_retried() {
    let (dev, handler) = (Dev::start().await, rejecting());
    let queue = dev.sqs.queue("orders", &[]).await;
    let worker = worker_on(&queue, &handler, "retry = { initial = \"1s\", max = \"1s\" }").await;
    worker.process.complains("failing and rejected messages come back").await;
    dev.sqs.send(&queue, "bad").await;
    handler.has_ended(2).await;
}

#[tokio::test]
async fn a_reject_on_a_fifo_queue_keeps_its_group_in_the_dlq() {
    let (dev, handler) = (Dev::start().await, rejecting());
    assert_fifo_copy(&dev.sqs, &handler).await;
}

#[tokio::test]
async fn rejects_are_copied_on_an_independent_sqs() {
    let Some(python) = python_with("moto.server") else { return };
    let server = python.arguments(&["-m", "moto.server", "--host", "127.0.0.1", "--port", "0"]).start();
    let line = server.complains("Running on http://").await;
    let sqs = Sqs::at(line.split_whitespace().find(|part| part.starts_with("http://")).unwrap());
    let handler = rejecting();
    let Pair { queue, dlq } = sqs.pair("orders", 5).await;
    let worker = worker_on(&queue, &handler, "").await;
    let id = send_with_attribute(&sqs, &queue, "bad").await;
    assert_copy_of(&only(&sqs, &dlq).await, &id, "bad");
    sqs.becomes_empty(&queue).await;
    assert!(worker.admin.is_ready().await);
    assert_fifo_copy(&sqs, &handler).await;
}

async fn assert_fifo_copy(sqs: &Sqs, handler: &Handler) {
    let Pair { queue, dlq } = sqs.pair("invoices.fifo", 5).await;
    let _worker = worker_on(&queue, handler, "").await;
    let send = sqs.client.send_message().queue_url(&queue).message_body("bad").message_group_id("acme");
    let id = send.message_deduplication_id("of-the-sender").send().await.unwrap().message_id.unwrap();
    let copy = only(sqs, &dlq).await;
    let system = copy.attributes.as_ref().unwrap();
    assert_eq!(system[&MessageSystemAttributeName::MessageGroupId], "acme");
    assert_eq!(system[&MessageSystemAttributeName::MessageDeduplicationId], id);
    assert_eq!(text(&copy, "longshore.reject.message-id"), id);
    sqs.becomes_empty(&queue).await;
}

async fn run(file: &str) -> Ended {
    Launch::of(&["run", "--admin-listen", "127.0.0.1:0"]).file(file).run().await
}

fn assert_ended(ended: &Ended, code: i32, texts: &[&str]) {
    assert_eq!(ended.code, Some(code), "{}", ended.errors);
    for text in texts {
        assert!(ended.errors.contains(text), "{text:?} is not in {}", ended.errors);
    }
}
