//! Publications, subscriptions, filters and deduplication of topics.

use super::*;
use crate::{
    message::{MessageAttributeValue, StringMap},
    sqs::{ReceiveOptions, SqsAccount},
};
use std::time::Duration;

fn names(pairs: &[(&str, &str)]) -> StringMap {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const FIFO: [(&str, &str); 1] = [("FifoTopic", "true")];

/// A topic beside an SQS account with one queue.
struct Harness {
    topics: SnsAccount,
    topic: SnsTopicArn,
    queue: &'static str,
}

impl Harness {
    fn new(topic: &str, queue: &'static str) -> Self {
        let account = SqsAccount::default();
        let fifo: &[_] = if queue.strip_suffix(".fifo").is_some() { &[("FifoQueue", "true")] } else { &[] };
        account.create_queue(queue, &names(fifo), &StringMap::new()).unwrap();
        let topics = SnsAccount::new(account);
        let fifo: &[_] = if topic.strip_suffix(".fifo").is_some() { &FIFO } else { &[] };
        let topic = topics.create_topic(topic, &names(fifo), &StringMap::new()).unwrap();
        Self { topics, topic, queue }
    }

    fn subscribed(self, attributes: &[(&str, &str)]) -> Self {
        let endpoint = self.topics.sqs().arn(self.queue).unwrap();
        self.topics.subscribe(self.topic.as_str(), &endpoint, &names(attributes)).unwrap();
        self
    }

    fn publication(&self, body: &str) -> PublishRequest {
        PublishRequest::new(PublishTarget::Topic(self.topic.clone()), body)
    }

    fn publish(&self, publication: PublishRequest) -> Result<PublishResult, SnsApiError> {
        self.topics.publish(publication, MessageStructure::Plain)
    }

    async fn bodies(&self) -> Vec<String> {
        let receive = ReceiveOptions { max: 10, wait: Some(Duration::ZERO), ..ReceiveOptions::default() };
        let received = self.topics.sqs().receive(self.queue, receive).await.unwrap();
        received.into_iter().map(|received| received.content.body.clone()).collect()
    }
}

#[tokio::test]
async fn a_raw_subscription_gets_body_and_attributes_as_they_are() {
    let harness = Harness::new("t", "q").subscribed(&[("RawMessageDelivery", "true")]);
    let mut publication = harness.publication("a & b");
    publication.attributes.insert("n".to_owned(), MessageAttributeValue::number("7"));
    harness.publish(publication).unwrap();
    let receive = ReceiveOptions { wait: Some(Duration::ZERO), ..ReceiveOptions::default() };
    let received = harness.topics.sqs().receive("q", receive).await.unwrap().remove(0);
    assert_eq!(received.content.body, "a & b");
    assert_eq!(received.content.attributes["n"], MessageAttributeValue::number("7"));
}

#[tokio::test]
async fn any_other_subscription_gets_the_envelope() {
    let harness = Harness::new("t", "q").subscribed(&[]);
    let mut publication = harness.publication("hello");
    publication.subject = Some("greeting".to_owned());
    publication.attributes.insert("b".to_owned(), MessageAttributeValue::binary([0, 255]));
    let id = harness.publish(publication).unwrap().id;
    let envelope: serde_json::Value = serde_json::from_str(&harness.bodies().await[0]).unwrap();
    for (key, value) in
        [("Type", "Notification"), ("Message", "hello"), ("Subject", "greeting"), ("MessageId", &id)]
    {
        assert_eq!(envelope[key], value);
    }
    assert_eq!(envelope["MessageAttributes"]["b"], serde_json::json!({ "Type": "Binary", "Value": "AP8=" }));
}

#[tokio::test]
async fn a_filter_keeps_messages_from_a_subscription() {
    let policy = r#"{"outcome": ["reject"]}"#;
    let harness =
        Harness::new("t", "q").subscribed(&[("FilterPolicy", policy), ("RawMessageDelivery", "true")]);
    for outcome in ["done", "reject"] {
        let mut publication = harness.publication(outcome);
        publication.attributes.insert("outcome".to_owned(), MessageAttributeValue::string(outcome));
        harness.publish(publication).unwrap();
    }
    assert_eq!(harness.bodies().await, ["reject"]);
}

#[tokio::test(start_paused = true)]
async fn a_fifo_topic_takes_a_message_once_in_five_minutes() {
    let harness = Harness::new("t.fifo", "q.fifo").subscribed(&[("RawMessageDelivery", "true")]);
    let publication = PublishRequest {
        group_id: Some("g".to_owned()),
        deduplication_id: Some("d".to_owned()),
        ..harness.publication("once")
    };
    let first = harness.publish(publication.clone()).unwrap();
    assert!(first.sequence_number.is_some());
    assert_eq!(harness.publish(publication.clone()).unwrap(), first);
    assert_eq!(harness.bodies().await, ["once"]);
    tokio::time::advance(Duration::from_mins(5)).await;
    assert_ne!(harness.publish(publication).unwrap(), first);
}

#[test]
fn each_invalid_publication_has_the_error_of_sns() {
    let standard = Harness::new("t", "q");
    let fifo = Harness::new("t.fifo", "q.fifo");
    let grouped = PublishRequest { group_id: Some("g".to_owned()), ..fifo.publication("x") };
    let with_id = PublishRequest { deduplication_id: Some("d".to_owned()), ..standard.publication("x") };
    let subject = PublishRequest { subject: Some("a\nb".to_owned()), ..standard.publication("x") };
    let large = standard.publication(&"x".repeat(262_145));
    let gone: SnsTopicArn = "arn:aws:sns:us-east-1:000000000000:gone".parse().unwrap();
    for (publication, code, message) in [
        (standard.publication(""), SnsErrorCode::InvalidParameter, "Empty message"),
        (large, SnsErrorCode::InvalidParameter, "Message too long"),
        (subject, SnsErrorCode::InvalidParameter, "Subject"),
        (with_id, SnsErrorCode::InvalidParameter, "MessageDeduplicationId"),
        (
            PublishRequest::new(PublishTarget::Topic(gone), "x"),
            SnsErrorCode::NotFound,
            "Topic does not exist",
        ),
    ] {
        let error = standard.publish(publication).unwrap_err();
        assert!(error.code == code && error.message.contains(message), "{error}");
    }
    for (publication, message) in
        [(fifo.publication("x"), "MessageGroupId"), (grouped, "ContentBasedDeduplication")]
    {
        let error = fifo.publish(publication).unwrap_err();
        assert!(error.message.contains(message), "{error}");
    }
}

#[test]
fn a_topic_may_accept_up_to_a_mebibyte() {
    let harness = Harness::new("t", "q");
    harness.topics.set_topic_attribute(harness.topic.as_str(), "MaximumMessageSize", "1048576").unwrap();
    harness.publish(harness.publication(&"x".repeat(1_048_576))).unwrap();
    let error = harness.publish(harness.publication(&"x".repeat(1_048_577))).unwrap_err();
    assert_eq!(error, SnsApiError::invalid("Message too long"));
}

#[test]
fn an_sms_is_remembered_and_passed_to_the_listener() {
    let (sender, published) = std::sync::mpsc::channel();
    let listener = move |one: &PublishedMessage| sender.send(one.request.body.clone()).unwrap();
    let topics = SnsAccount::with_listener(SqsAccount::default(), listener);
    let target = PublishTarget::Phone("+15550100123".parse().unwrap());
    topics.publish(PublishRequest::new(target.clone(), "ahoy"), MessageStructure::Plain).unwrap();
    assert_eq!(published.recv().unwrap(), "ahoy");
    assert_eq!(topics.published()[0].request.target, target);
    let long = PublishRequest::new(target, "x".repeat(1_601));
    assert_eq!(topics.publish(long, MessageStructure::Plain), Err(SnsApiError::invalid("Message too long")));
}

#[test]
fn a_fifo_queue_cannot_subscribe_to_a_standard_topic() {
    let harness = Harness::new("t", "q.fifo");
    let endpoint = harness.topics.sqs().arn("q.fifo").unwrap();
    let error = harness.topics.subscribe(harness.topic.as_str(), &endpoint, &StringMap::new()).unwrap_err();
    assert!(error.message.contains("FIFO SQS Queues can not be subscribed"), "{error}");
}

#[test]
fn a_structured_message_gives_sqs_its_own_text() {
    for (body, delivered) in
        [(r#"{"default": "d", "sqs": "s"}"#, true), (r#"{"sqs": "s"}"#, false), ("s", false)]
    {
        let harness = Harness::new("t", "q").subscribed(&[]);
        assert_eq!(
            harness.topics.publish(harness.publication(body), MessageStructure::Json).is_ok(),
            delivered,
            "{body}"
        );
    }
}
