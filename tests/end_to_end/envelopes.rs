//! Messages that reach their queue through a topic, and their handler without its envelope.

use aws_sdk_sns::types::MessageAttributeValue;

use super::support::{Dev, Handler, Sns, Worker};

const EVENT: &str = r#"{"version": "0", "id": "e-1", "detail-type": "Order Placed", "source": "shop", "account": "1",
    "time": "2026-11-29T15:00:00Z", "region": "eu-west-1", "resources": [], "detail": {"order": 1.0}}"#;

/// Publishes to a topic to which the queue of a worker is subscribed; returns the handler that was called once.
async fn published(message: &str, settings: &str) -> Handler {
    let dev = Dev::start().await;
    let (sns, pair, handler) = (Sns::at(&dev.endpoint), dev.sqs.pair("orders", 3).await, Handler::willing());
    let topic = sns.topic("placed").await;
    sns.subscribe(&topic, &pair.queue, false).await;
    let worker = Worker::start(&pair.queue, &handler, settings).await;
    let tenant = MessageAttributeValue::builder().data_type("String").string_value("acme").build().unwrap();
    let publish = sns.client.publish().topic_arn(&topic).message(message).subject("placed");
    publish.message_attributes("tenant", tenant).send().await.unwrap();
    handler.has_ended(1).await;
    dev.sqs.becomes_empty(&pair.queue).await;
    drop(worker);
    handler
}

#[tokio::test]
async fn a_handler_receives_the_published_message_and_its_attributes() {
    let handler = published("ahoy", "unwrap = \"sns\"").await;
    let call = &handler.ended()[0];
    assert_eq!(call.text(), "ahoy");
    assert_eq!(call.header("x-aws-sqsd-attr-tenant"), "acme");
    assert_eq!(call.header("x-aws-sqsd-attr-sns.subject"), "placed");
    assert!(call.header("x-aws-sqsd-attr-sns.topic_arn").ends_with(":placed"), "{:?}", call.headers);
}

#[tokio::test]
async fn a_handler_receives_the_detail_of_an_event_that_came_through_a_topic() {
    let handler = published(EVENT, "unwrap = \"auto\"").await;
    let call = &handler.ended()[0];
    assert_eq!(call.text(), r#"{"order": 1.0}"#);
    assert_eq!(call.header("x-aws-sqsd-attr-eventbridge.detail_type"), "Order Placed");
}

#[tokio::test]
async fn a_handler_receives_the_envelope_where_nothing_is_set() {
    let handler = published("ahoy", "").await;
    let envelope: serde_json::Value = serde_json::from_str(&handler.ended()[0].text()).unwrap();
    assert_eq!((&envelope["Type"], &envelope["Message"]), (&"Notification".into(), &"ahoy".into()));
}
