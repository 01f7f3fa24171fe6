//! What the topics in memory do, fact by fact.

use std::time::Duration;

use super::*;
use crate::{message::AttributeValue, queue::memory::Receive};

fn names(pairs: &[(&str, &str)]) -> Names {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const FIFO: [(&str, &str); 1] = [("FifoTopic", "true")];

/// Topics beside an account with a queue of this name, and one topic with a raw subscription.
struct Scene {
    topics: Topics,
    topic: TopicArn,
    queue: &'static str,
}

impl Scene {
    fn new(topic: &str, queue: &'static str) -> Self {
        let account = Account::default();
        let fifo: &[_] = if queue.strip_suffix(".fifo").is_some() { &[("FifoQueue", "true")] } else { &[] };
        account.create_queue(queue, &names(fifo), &Names::new()).unwrap();
        let topics = Topics::beside(account);
        let fifo: &[_] = if topic.strip_suffix(".fifo").is_some() { &FIFO } else { &[] };
        let topic = topics.create(topic, &names(fifo), &Names::new()).unwrap();
        Self { topics, topic, queue }
    }

    fn subscribed(self, attributes: &[(&str, &str)]) -> Self {
        let endpoint = self.topics.account().arn(self.queue).unwrap();
        self.topics.subscribe(self.topic.as_str(), &endpoint, &names(attributes)).unwrap();
        self
    }

    fn publication(&self, body: &str) -> Publication {
        Publication::new(Target::Topic(self.topic.clone()), body)
    }

    fn publish(&self, publication: Publication) -> Result<Published, Fault> {
        self.topics.send(publication, Structure::Plain)
    }

    async fn bodies(&self) -> Vec<String> {
        let receive = Receive { max: 10, wait: Some(Duration::ZERO), ..Receive::default() };
        let received = self.topics.account().receive(self.queue, receive).await.unwrap();
        received.into_iter().map(|received| received.content.body.clone()).collect()
    }
}

#[tokio::test]
async fn a_raw_subscription_gets_body_and_attributes_as_they_are() {
    let scene = Scene::new("t", "q").subscribed(&[("RawMessageDelivery", "true")]);
    let mut publication = scene.publication("a & b");
    publication.attributes.insert("n".to_owned(), AttributeValue::number("7"));
    scene.publish(publication).unwrap();
    let receive = Receive { wait: Some(Duration::ZERO), ..Receive::default() };
    let received = scene.topics.account().receive("q", receive).await.unwrap().remove(0);
    assert_eq!(received.content.body, "a & b");
    assert_eq!(received.content.attributes["n"], AttributeValue::number("7"));
}

#[tokio::test]
async fn any_other_subscription_gets_the_envelope() {
    let scene = Scene::new("t", "q").subscribed(&[]);
    let mut publication = scene.publication("hello");
    publication.subject = Some("greeting".to_owned());
    publication.attributes.insert("b".to_owned(), AttributeValue::binary([0, 255]));
    let id = scene.publish(publication).unwrap().id;
    let envelope: serde_json::Value = serde_json::from_str(&scene.bodies().await[0]).unwrap();
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
    let scene = Scene::new("t", "q").subscribed(&[("FilterPolicy", policy), ("RawMessageDelivery", "true")]);
    for outcome in ["done", "reject"] {
        let mut publication = scene.publication(outcome);
        publication.attributes.insert("outcome".to_owned(), AttributeValue::string(outcome));
        scene.publish(publication).unwrap();
    }
    assert_eq!(scene.bodies().await, ["reject"]);
}

#[tokio::test(start_paused = true)]
async fn a_fifo_topic_takes_a_message_once_in_five_minutes() {
    let scene = Scene::new("t.fifo", "q.fifo").subscribed(&[("RawMessageDelivery", "true")]);
    let publication = Publication {
        group_id: Some("g".to_owned()),
        deduplication_id: Some("d".to_owned()),
        ..scene.publication("once")
    };
    let first = scene.publish(publication.clone()).unwrap();
    assert!(first.sequence_number.is_some());
    assert_eq!(scene.publish(publication.clone()).unwrap(), first);
    assert_eq!(scene.bodies().await, ["once"]);
    tokio::time::advance(Duration::from_mins(5)).await;
    assert_ne!(scene.publish(publication).unwrap(), first);
}

#[test]
fn each_wrong_publication_is_refused_in_snss_words() {
    let standard = Scene::new("t", "q");
    let fifo = Scene::new("t.fifo", "q.fifo");
    let grouped = Publication { group_id: Some("g".to_owned()), ..fifo.publication("x") };
    let with_id = Publication { deduplication_id: Some("d".to_owned()), ..standard.publication("x") };
    let subject = Publication { subject: Some("a\nb".to_owned()), ..standard.publication("x") };
    let large = standard.publication(&"x".repeat(262_145));
    let gone: TopicArn = "arn:aws:sns:us-east-1:000000000000:gone".parse().unwrap();
    for (publication, code, words) in [
        (standard.publication(""), Code::InvalidParameter, "Empty message"),
        (large, Code::InvalidParameter, "Message too long"),
        (subject, Code::InvalidParameter, "Subject"),
        (with_id, Code::InvalidParameter, "MessageDeduplicationId"),
        (Publication::new(Target::Topic(gone), "x"), Code::NotFound, "Topic does not exist"),
    ] {
        let fault = standard.publish(publication).unwrap_err();
        assert!(fault.code == code && fault.message.contains(words), "{fault}");
    }
    for (publication, words) in
        [(fifo.publication("x"), "MessageGroupId"), (grouped, "ContentBasedDeduplication")]
    {
        let fault = fifo.publish(publication).unwrap_err();
        assert!(fault.message.contains(words), "{fault}");
    }
}

#[test]
fn a_topic_may_take_up_to_a_mebibyte() {
    let scene = Scene::new("t", "q");
    scene.topics.set_attribute(scene.topic.as_str(), "MaximumMessageSize", "1048576").unwrap();
    scene.publish(scene.publication(&"x".repeat(1_048_576))).unwrap();
    let fault = scene.publish(scene.publication(&"x".repeat(1_048_577))).unwrap_err();
    assert_eq!(fault, Fault::invalid("Message too long"));
}

#[test]
fn an_sms_is_remembered_and_heard() {
    let (sender, heard) = std::sync::mpsc::channel();
    let listener = move |one: &Heard| sender.send(one.publication.body.clone()).unwrap();
    let topics = Topics::heard_by(Account::default(), listener);
    let target = Target::Phone("+15550100123".parse().unwrap());
    topics.send(Publication::new(target.clone(), "ahoy"), Structure::Plain).unwrap();
    assert_eq!(heard.recv().unwrap(), "ahoy");
    assert_eq!(topics.published()[0].publication.target, target);
    let long = Publication::new(target, "x".repeat(1_601));
    assert_eq!(topics.send(long, Structure::Plain), Err(Fault::invalid("Message too long")));
}

#[test]
fn a_fifo_queue_does_not_go_with_a_standard_topic() {
    let scene = Scene::new("t", "q.fifo");
    let endpoint = scene.topics.account().arn("q.fifo").unwrap();
    let fault = scene.topics.subscribe(scene.topic.as_str(), &endpoint, &Names::new()).unwrap_err();
    assert!(fault.message.contains("FIFO SQS Queues can not be subscribed"), "{fault}");
}

#[test]
fn a_structured_message_gives_sqs_its_own_text() {
    for (body, delivered) in
        [(r#"{"default": "d", "sqs": "s"}"#, true), (r#"{"sqs": "s"}"#, false), ("s", false)]
    {
        let scene = Scene::new("t", "q").subscribed(&[]);
        assert_eq!(scene.topics.send(scene.publication(body), Structure::Json).is_ok(), delivered, "{body}");
    }
}
