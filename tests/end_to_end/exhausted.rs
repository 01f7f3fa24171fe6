//! Messages that use up their receives in a whole worker: their trace, their copies, and their way back.

use aws_sdk_sqs::types::{Message, MessageAttributeValue, QueueAttributeName as Name};
use serde_json::{Value, json};

use super::support::{
    Call, Dev, Handler, Launch, Pair, Signal, Sns, Sqs, Worker, guarded::DenyingProxy, until, worker::section,
};

/// Two receives, a second apart.
const RETRY: &str =
    "receive = { wait = \"1s\" }\nretry = { initial = \"1s\", max = \"1s\", jitter = \"none\" }";

async fn send_with_tenant(sqs: &Sqs, queue: &str, body: &str) -> String {
    let tenant = MessageAttributeValue::builder().data_type("String").string_value("acme").build().unwrap();
    let send = sqs.client.send_message().queue_url(queue).message_body(body);
    send.message_attributes("tenant", tenant).send().await.unwrap().message_id.unwrap()
}

/// Waits for this many messages in a queue, and returns them with their attributes.
async fn taken(sqs: &Sqs, queue: &str, count: usize) -> Vec<Message> {
    let mut found = Vec::new();
    until("the messages are in the queue", async || {
        let receive = sqs.client.receive_message().queue_url(queue).max_number_of_messages(10);
        let received = receive.message_attribute_names("All").send().await.unwrap();
        found.extend(received.messages.unwrap_or_default());
        found.len() >= count
    })
    .await;
    found
}

/// The String and Number attributes of a message, without the time of a reject.
fn attributes(message: &Message) -> Vec<(String, String)> {
    let all = message.message_attributes.clone().unwrap_or_default();
    let texts = all.into_iter().filter_map(|(name, value)| Some((name, value.string_value?)));
    let mut texts: Vec<_> = texts.filter(|(name, _)| name != "longshore.reject.time").collect();
    texts.sort_unstable();
    texts
}

#[tokio::test]
async fn a_message_that_uses_up_its_receives_is_logged_counted_and_notified_and_moved_by_its_policy() {
    let dev = Dev::start().await;
    let Pair { queue, dlq } = dev.sqs.pair("orders", 2).await;
    let sns = Sns::at(&dev.endpoint);
    let topic = sns.topic("audit").await;
    let listener = sns.listener(&topic, "listener").await;
    let handler = Handler::start(async |_| 500);
    let settings = format!("{RETRY}\nnotify = {{ on_reject = \"{topic}\" }}");
    let mut worker = Worker::start(&queue, &handler, &settings).await;
    // More than the lines about single messages that a log has in a minute.
    let ids: Vec<_> = {
        let mut ids = Vec::new();
        for number in 0..15 {
            ids.push(send_with_tenant(&dev.sqs, &queue, &number.to_string()).await);
        }
        ids
    };
    let dead = taken(&dev.sqs, &dlq, 15).await;
    assert!(dead.iter().all(|message| attributes(message) == [("tenant".to_owned(), "acme".to_owned())]));
    let exhausted = worker.admin.sample(r#"messages_exhausted_total{queue="orders"}"#).await;
    assert!((exhausted - 15.0).abs() < 0.1, "{exhausted} are counted");
    for notification in sns.notified(&listener, 15).await {
        assert_eq!(notification["outcome"], "exhausted", "{notification}");
        assert_eq!((&notification["attempt"], &notification["ending"]), (&json!(2), &json!("retry")));
        assert!(notification["reason"].as_str().unwrap().contains("500"), "{notification}");
    }
    worker.process.signal(Signal::Terminate);
    let log = worker.process.ended().await.errors;
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let lines: Vec<_> = lines.filter(|line| line["message"] == "message has used up its receives").collect();
    for id in &ids {
        let line = lines.iter().find(|line| line["message_id"] == id.as_str());
        let line = line.unwrap_or_else(|| panic!("{id} has no line: {log}"));
        assert_eq!((&line["level"], &line["receive_count"]), (&json!("WARN"), &json!(2)), "{line}");
        assert_eq!(line["reason"], "the handler answered 500 Internal Server Error");
    }
    assert_eq!(lines.len(), 15);
}

#[tokio::test]
async fn a_message_that_uses_up_its_receives_is_copied_and_comes_back_as_it_was_sent() {
    let dev = Dev::start().await;
    let Pair { queue, dlq } = dev.sqs.pair("orders", 2).await;
    let handler = Handler::start(async |_| 500);
    let worker = Worker::start(&queue, &handler, &format!("{RETRY}\non_exhausted = \"copy\"")).await;
    let id = send_with_tenant(&dev.sqs, &queue, "a").await;
    dev.sqs.becomes_empty(&queue).await;
    let reason = "the handler answered 500 Internal Server Error";
    let expected = [
        ("longshore.reject.attempt", "2"),
        ("longshore.reject.kind", "http"),
        ("longshore.reject.message-id", id.as_str()),
        ("longshore.reject.reason", reason),
        ("tenant", "acme"),
    ];
    let dead = taken(&dev.sqs, &dlq, 1).await.remove(0);
    let pairs = attributes(&dead);
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(pairs, expected);
    let exhausted = worker.admin.sample(r#"messages_exhausted_total{queue="orders"}"#).await;
    let copied = worker.admin.sample(r#"messages_settled_total{action="copy",queue="orders"}"#).await;
    assert!((exhausted - 1.0).abs() < 0.1 && (copied - 1.0).abs() < 0.1, "{exhausted} {copied}");

    let visible = dev.sqs.client.change_message_visibility().queue_url(&dlq).visibility_timeout(0);
    visible.receipt_handle(dead.receipt_handle.unwrap()).send().await.unwrap();
    let start = dev.sqs.client.start_message_move_task();
    let start = start.source_arn(dev.sqs.attribute(&dlq, Name::QueueArn).await);
    start.destination_arn(dev.sqs.attribute(&queue, Name::QueueArn).await).send().await.unwrap();
    let calls = handler.has_ended(4).await;
    let prefix = "x-aws-sqsd-attr-";
    let headers = |call: &Call| -> Vec<(String, String)> {
        let of_attributes = call.headers.iter().filter_map(|(name, value)| {
            Some((name.as_str().strip_prefix(prefix)?.to_owned(), value.to_str().unwrap().to_owned()))
        });
        of_attributes.collect()
    };
    for call in &calls {
        assert_eq!(headers(call), [("tenant".to_owned(), "acme".to_owned())]);
    }
    assert_eq!(calls[2].receive_count(), 1, "it is a message of its own");
}

#[tokio::test]
async fn check_finds_that_nothing_would_be_copied() {
    let (dev, handler) = (Dev::start().await, Handler::willing());
    let unpoliced = dev.sqs.queue("unpoliced", &[]).await;
    let Pair { queue, .. } = dev.sqs.pair("orders", 3).await;
    let guarded = |refused: (&'static str, &'static str)| {
        let endpoint = dev.endpoint.clone();
        async move { DenyingProxy::before(&endpoint, &[refused]).await }
    };
    let without_dlq = guarded(("GetQueueUrl", "orders-dead")).await;
    let without_attributes = guarded(("GetQueueAttributes", "orders\"")).await;
    for (url, reason) in [
        (unpoliced.clone(), Some("without a redrive policy no receive is the last one")),
        (without_dlq.url("orders"), Some("the dlq cannot be opened")),
        (without_attributes.url("orders"), Some("the worker does not know maxReceiveCount")),
        (queue.clone(), None),
    ] {
        for (setting, is_wanted) in [("on_exhausted = \"copy\"", true), ("", false)] {
            let file = section("orders", &url, &handler.url(), setting);
            let ended = Launch::of(&["check"]).file(&file).run().await;
            let text = format!(
                "warning  exhausted-not-copied\n  queue orders: on_exhausted is \"copy\", and {}",
                reason.unwrap_or_default()
            );
            assert_eq!(ended.output.contains(&text), is_wanted && reason.is_some(), "{}", ended.output);
            assert_eq!(ended.output.contains("exhausted-not-copied"), is_wanted && reason.is_some());
            assert_eq!(ended.code, Some(0), "{}", ended.output);
        }
    }
    let contradictory =
        section("orders", &queue, &handler.url(), "on_exhausted = \"copy\"\ndlq.copy_rejects = false");
    let ended = Launch::of(&["check"]).file(&contradictory).run().await;
    assert_eq!(ended.code, Some(64), "{}", ended.output);
    assert!(
        ended
            .output
            .contains("on_exhausted = \"copy\": nothing is copied, because dlq.copy_rejects is false")
    );
}
