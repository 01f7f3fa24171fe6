//! Publishing: the `sns` kind and notifications, over the topics of `longshore dev`.

use super::support::{Dev, Handler, Launch, Process, Signal, Sns, Worker, until, worker::section};

const RETRY: &str = "retry = { initial = \"1s\", max = \"1s\" }\nreceive = { wait = \"1s\" }";

/// A `longshore run` of one queue of the `sns` kind.
fn worker(queue: &str, target: &str) -> Process {
    let file =
        format!("[queues.orders]\nurl = \"{queue}\"\n{RETRY}\nhandler = {{ kind = \"sns\", {target} }}\n");
    Launch::of(&["run", "--admin-listen", "127.0.0.1:0"]).file(&file).start()
}

fn to(topic: &str) -> String {
    format!("topic_arn = \"{topic}\"")
}

async fn stops(mut process: Process) {
    process.signal(Signal::Terminate);
    let ended = process.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
}

#[tokio::test]
async fn a_worker_publishes_every_message_with_its_attributes() {
    let dev = Dev::start().await;
    let (sns, pair) = (Sns::at(&dev.endpoint), dev.sqs.pair("orders", 3).await);
    let topic = sns.topic("shipped").await;
    let listener = sns.listener(&topic, "listener").await;
    let process = worker(&pair.queue, &to(&topic));
    let arguments = ["send", "--queue-url", &pair.queue, "a & b", "--attribute", "colour=red"];
    assert_eq!(Launch::of(&arguments).run().await.code, Some(0));
    let mut received = Vec::new();
    until("it is published", async || {
        let receive = dev.sqs.client.receive_message().queue_url(&listener).message_attribute_names("All");
        received = receive.send().await.unwrap().messages.unwrap_or_default();
        !received.is_empty()
    })
    .await;
    assert_eq!(received[0].body.as_deref(), Some("a & b"));
    let attributes = received[0].message_attributes.as_ref().unwrap();
    assert_eq!(attributes["colour"].string_value.as_deref(), Some("red"));
    dev.sqs.becomes_empty(&pair.queue).await;
    stops(process).await;
}

#[tokio::test]
async fn a_fifo_queue_is_published_in_order_to_a_fifo_topic() {
    let dev = Dev::start().await;
    let (sns, pair) = (Sns::at(&dev.endpoint), dev.sqs.pair("orders.fifo", 3).await);
    let topic = sns.topic("shipped.fifo").await;
    let listener = sns.listener(&topic, "listener.fifo").await;
    let process = worker(&pair.queue, &to(&topic));
    let bodies: Vec<_> = (0..12).map(|number| number.to_string()).collect();
    for body in &bodies {
        dev.sqs.send_to_group(&pair.queue, "group", body).await;
    }
    assert_eq!(sns.received(&listener, 12).await, bodies);
    stops(process).await;
}

#[tokio::test]
async fn a_missing_topic_costs_no_receives_and_its_creation_ends_the_pause() {
    let dev = Dev::start().await;
    let (sns, pair) = (Sns::at(&dev.endpoint), dev.sqs.pair("orders", 1).await);
    let process = worker(&pair.queue, &to("arn:aws:sns:us-east-1:000000000000:shipped"));
    process.complains("handler is down").await;
    dev.sqs.send(&pair.queue, "ahoy").await;
    let topic = sns.topic("shipped").await;
    let listener = sns.listener(&topic, "listener").await;
    assert_eq!(sns.received(&listener, 1).await, ["ahoy"]);
    dev.sqs.becomes_empty(&pair.queue).await;
    assert_eq!(dev.sqs.take_all(&pair.dlq).await, []);
    stops(process).await;
}

#[tokio::test]
async fn a_message_too_large_for_its_topic_is_no_success() {
    let dev = Dev::start().await;
    let (sns, pair) = (Sns::at(&dev.endpoint), dev.sqs.pair("orders", 2).await);
    let topic = sns.topic("shipped").await;
    let process = worker(&pair.queue, &to(&topic));
    dev.sqs.send(&pair.queue, &"x".repeat(300_000)).await;
    process.complains("MaximumMessageSize").await;
    until("it is in the dlq", async || dev.sqs.counts(&pair.dlq).await.visible == 1).await;
    stops(process).await;
}

#[tokio::test]
async fn a_worker_sends_sms_and_those_over_the_limit_wait() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("texts", 3).await;
    let process = worker(&pair.queue, "phone_number = \"+15550100123\", limit_per_hour = 2");
    for number in 1..=3 {
        dev.sqs.send(&pair.queue, &format!("code {number}")).await;
    }
    process.complains("the limit of publications an hour is reached").await;
    dev.process.says("sms to +15550100123: code").await;
    until("one waits", async || dev.sqs.counts(&pair.queue).await.in_flight == 1).await;
    stops(process).await;
}

#[tokio::test]
async fn each_outcome_is_published_to_its_topic() {
    let dev = Dev::start().await;
    let (sns, pair) = (Sns::at(&dev.endpoint), dev.sqs.pair("orders", 2).await);
    let topic = sns.topic("audit").await;
    let listener = sns.listener(&topic, "listener").await;
    let handler = Handler::start(async |call| match call.text().as_str() {
        "good" => 200,
        "bad" => 422,
        _ => 500,
    });
    let topics = ["on_done", "on_failure", "on_reject"].map(|key| format!("{key} = \"{topic}\""));
    let settings = format!("{RETRY}\nnotify = {{ {} }}", topics.join(", "));
    let mut file = section("orders", &pair.queue, &handler.url(), &settings);
    file = file.replace("kind = \"http\"", "kind = \"http\", reject = [422]");
    let worker = Worker::launched(Launch::of(&["run", "--admin-listen", "127.0.0.1:0"]).file(&file)).await;
    for body in ["good", "bad", "broken"] {
        dev.sqs.send(&pair.queue, body).await;
    }
    let notifications = sns.notified(&listener, 3).await;
    for outcome in ["done", "reject", "failure"] {
        let notification = notifications.iter().find(|notification| notification["outcome"] == outcome);
        let notification = notification.unwrap_or_else(|| panic!("{outcome}: {notifications:?}"));
        assert_eq!(notification["queue"], "orders");
        assert_eq!(notification["attempt"], 1);
        assert!(notification["durationSeconds"].as_f64().unwrap() >= 0.0);
    }
    until("it is counted", async || {
        worker.admin.sample("notifications_total{occasion=\"done\",queue=\"orders\",result=\"sent\"}").await
            >= 1.0
    })
    .await;
    stops(worker.process).await;
}

#[tokio::test]
async fn a_topic_that_is_gone_changes_no_outcome_and_the_stop_does_not_wait_for_it() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 2).await;
    let handler = Handler::start(async |_| 200);
    let settings = format!("{RETRY}\nnotify = {{ on_done = \"arn:aws:sns:us-east-1:000000000000:gone\" }}");
    let worker = Worker::start(&pair.queue, &handler, &settings).await;
    for number in 0..20 {
        dev.sqs.send(&pair.queue, &number.to_string()).await;
    }
    handler.has_ended(20).await;
    dev.sqs.becomes_empty(&pair.queue).await;
    let mut process = worker.process;
    process.signal(Signal::Terminate);
    let ended = process.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(ended.errors.contains("notifications dropped at the stop"), "{}", ended.errors);
}

#[tokio::test]
async fn the_example_runs_in_dev_as_its_page_says() {
    let example = include_str!("../../examples/sns/longshore.toml");
    let dev = Dev::launched(Dev::launch().file(example)).await;
    let sns = Sns::at(&dev.endpoint);
    let listener = sns.listener("arn:aws:sns:us-east-1:000000000000:shipped", "warehouse").await;
    dev.post("{\"order\": 7}").await;
    assert_eq!(sns.received(&listener, 1).await, ["{\"order\": 7}"]);
    dev.process.says("⇢ published to shipped for 1 subscriptions: {\"order\": 7}").await;
    let notifications = dev.process.says("published to audit").await;
    assert!(notifications.contains(r#""outcome":"done""#), "{notifications}");
    let texts = dev.queue.replace("/orders", "/texts");
    for number in 1..=3 {
        let text = format!("code {number}");
        let arguments = ["send", "--queue-url", &texts, &text, "--attribute", "phone=+15550100123"];
        assert_eq!(Launch::of(&arguments).run().await.code, Some(0));
    }
    dev.process.says("sms to +15550100123: code").await;
    dev.process.complains("the limit of publications an hour is reached").await;
}
