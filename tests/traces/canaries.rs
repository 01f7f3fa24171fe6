//! No log line has a secret, whatever the handler and the level.

use std::collections::BTreeSet;

use aws_sdk_sqs::types::{MessageAttributeValue, QueueAttributeName};

use super::{
    collector::{Collector, Protocol},
    example,
    logs::lines,
    spans::{PARENT, SETTINGS},
    support::{Call, Dev, Ended, Handler, Launch, Pair, Process, Signal, Sns},
};

/// The secrets in messages and settings, which must be in no line.
const CANARIES: [&str; 7] = [
    "canary-body",
    "canary-value",
    "canary-credential",
    "canary-header",
    "canary-group",
    "canary-deduplication",
    "15550142042",
];

/// A running worker, its queue and its collector.
struct Scene {
    dev: Dev,
    pair: Pair,
    process: Process,
    _collector: Collector,
}

impl Scene {
    /// A worker with canaries in its settings, which logs at the lowest level.
    async fn start(queue: &str, handler: &str, settings: &str) -> Self {
        Self::start_on(Dev::start().await, queue, handler, settings).await
    }

    async fn start_on(dev: Dev, queue: &str, handler: &str, settings: &str) -> Self {
        let collector = Collector::start(Protocol::Http).await;
        let pair = dev.sqs.pair(queue, 5).await;
        let file = format!(
            "[queues.orders]\nurl = \"{}\"\n{SETTINGS}\n{settings}\n[queues.orders.handler]\n{handler}\n",
            pair.queue
        );
        let launch = Launch::of(&["run", "--admin-listen", "127.0.0.1:0", "--log", "trace,longshore=trace"])
            .file(&file)
            .variable("OTEL_EXPORTER_OTLP_HEADERS", "authorization=canary-header")
            .variable("AWS_SESSION_TOKEN", "canary-credential")
            .variable("AWS_ACCESS_KEY_ID", "canary-credential")
            .variable("AWS_SECRET_ACCESS_KEY", "canary-credential");
        let process = collector.configure(launch).start();
        process.complains("admin server listens").await;
        Self { dev, pair, process, _collector: collector }
    }

    async fn send(&self, body: &str) {
        let value = |text: &str| {
            let value = MessageAttributeValue::builder().data_type("String").string_value(text);
            value.build().unwrap()
        };
        let send = self.dev.sqs.client.send_message().queue_url(&self.pair.queue).message_body(body);
        let send = send.message_attributes("own", value("canary-value")).message_group_id("canary-group");
        let is_fifo = self.pair.queue.strip_suffix(".fifo").is_some();
        let send = send.set_message_deduplication_id(is_fifo.then(|| "canary-deduplication".to_owned()));
        send.message_attributes("traceparent", value(PARENT)).send().await.unwrap();
    }

    /// Waits for these lines, and asserts that no line has a canary.
    async fn logs_no_canary(mut self, expected: &[&str]) {
        for message in expected {
            self.process.complains(message).await;
        }
        self.process.signal(Signal::Terminate);
        assert_no_canary(&self.process.ended().await);
    }
}

fn assert_no_canary(ended: &Ended) {
    let messages: BTreeSet<_> = lines(ended).iter().map(|line| line["message"].to_string()).collect();
    assert!(messages.len() > 5, "the log has many lines: {messages:?}");
    for canary in CANARIES {
        assert!(!ended.errors.contains(canary), "{canary} is in {}", ended.errors);
    }
}

fn http(handler: &Handler) -> String {
    format!("kind = \"http\"\nurl = \"{}\"", handler.url())
}

#[tokio::test]
async fn no_secret_is_logged_at_any_level() {
    let handler = Handler::start(async |call: Call| match call.receive_count() {
        1 => 500,
        2 => 429,
        _ => 422,
    });
    let scene = Scene::start("orders", &http(&handler), "").await;
    scene.send("canary-body").await;
    handler.has_ended(3).await;
    scene.logs_no_canary(&["message not done"]).await;
}

#[tokio::test]
async fn no_secret_is_logged_for_a_fifo_group_with_a_time_out() {
    let handler = Handler::start(async |_| std::future::pending().await);
    let scene = Scene::start("orders.fifo", &http(&handler), "timeout = \"1s\"").await;
    scene.send("canary-body").await;
    scene.logs_no_canary(&["message not done"]).await;
}

#[tokio::test]
async fn no_secret_is_logged_for_a_program_whose_rejects_the_dlq_refuses() {
    let program = "kind = \"exec\"\ncommand = [\"sh\", \"-c\", \"cat > /dev/null; exit 65\"]";
    let scene = Scene::start("orders", program, "").await;
    // Smaller than the limit that the worker has read.
    let set = scene.dev.sqs.client.set_queue_attributes().queue_url(&scene.pair.dlq);
    set.attributes(QueueAttributeName::MaximumMessageSize, "1024").send().await.unwrap();
    scene.send(&"canary-body".repeat(100)).await;
    scene.logs_no_canary(&["program ended", "dlq refuses rejected messages"]).await;
}

#[tokio::test]
async fn no_secret_is_logged_for_a_function() {
    let function = example::built(&["lambda_test_function"]).join("lambda_test_function");
    let handler = format!(
        "kind = \"lambda\"\nenv = {{ JOURNAL = \"/dev/null\", SECRET = \"canary-credential\" }}\ncommand = [\"{}\"]",
        function.display()
    );
    let scene = Scene::start("orders", &handler, "").await;
    scene.send("canary-body").await;
    scene.logs_no_canary(&["function invoked", "message done"]).await;
}

#[tokio::test]
async fn no_secret_is_logged_for_publications_that_sns_accepts_or_refuses() {
    let dev = Dev::start().await;
    let sns = Sns::at(&dev.endpoint);
    let topic = sns.topic("shipped").await;
    let scene = Scene::start_on(dev, "orders", &format!("kind = \"sns\"\ntopic_arn = \"{topic}\""), "").await;
    scene.send("canary-body").await;
    scene.process.complains("message done").await;
    sns.client.delete_topic().topic_arn(&topic).send().await.unwrap();
    scene.send("canary-body").await;
    scene.logs_no_canary(&["message not done"]).await;
}

#[tokio::test]
async fn no_secret_is_logged_for_an_sms() {
    let phone = "kind = \"sns\"\nphone_number = \"+15550142042\"";
    let scene = Scene::start("orders", phone, "").await;
    scene.send("canary-body").await;
    scene.logs_no_canary(&["message done"]).await;
}
