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

const NULL: serde_json::Value = serde_json::Value::Null;
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

#[tokio::test]
async fn an_envelope_is_signed_over_its_fields_unless_the_topic_is_fifo() {
    for (version, topic, queue) in [("1", "t", "q"), ("2", "t", "q"), ("1", "t.fifo", "q.fifo")] {
        let harness = Harness::new(topic, queue).subscribed(&[]);
        harness.topics.set_topic_attribute(harness.topic.as_str(), "SignatureVersion", version).unwrap();
        let publication = PublishRequest {
            subject: Some("new".to_owned()),
            endpoint: Some("http://emulator:9324".to_owned()),
            group_id: harness.topic.is_fifo().then(|| "g".to_owned()),
            deduplication_id: harness.topic.is_fifo().then(|| "d".to_owned()),
            ..harness.publication("ahoy")
        };
        harness.publish(publication).unwrap();
        let envelope: serde_json::Value = serde_json::from_str(&harness.bodies().await[0]).unwrap();
        if harness.topic.is_fifo() {
            assert_eq!((&envelope["Signature"], &envelope["SigningCertURL"]), (&NULL, &NULL));
            continue;
        }
        let fields = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"];
        let text = signature::signed_text(fields.map(|name| (name, envelope[name].as_str())));
        let signed = signature::SignatureVersion::parse(version).unwrap().sign(&text);
        assert_eq!(
            (&envelope["SignatureVersion"], &envelope["Signature"]),
            (&version.into(), &signed.into())
        );
        assert_eq!(envelope["SigningCertURL"], format!("http://emulator:9324{CERTIFICATE_PATH}"));
        let unsubscribe = "http://emulator:9324/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:us-east-1:";
        assert!(envelope["UnsubscribeURL"].as_str().unwrap().starts_with(unsubscribe), "{envelope}");
    }
}

#[test]
fn an_sms_goes_to_numbers_and_subscribed_numbers_that_want_it() {
    let harness = Harness::new("t", "q");
    let number = |text: &str| text.parse::<SmsNumber>().unwrap();
    for endpoint in ["+15550100123", "15550100124"] {
        harness.topics.subscribe_by(harness.topic.as_str(), "sms", endpoint, &StringMap::new()).unwrap();
    }
    harness.topics.opt_out(number("+15550100124")).unwrap();
    let body = r#"{"default": "d", "sms": "to phones", "sqs": "s"}"#;
    harness.topics.publish(harness.publication(body), MessageStructure::Json).unwrap();
    let direct = |text: &str| {
        let request = PublishRequest::new(PublishTarget::Phone(number(text)), "direct");
        harness.topics.publish(request, MessageStructure::Plain).unwrap();
    };
    direct("+15550100124");
    harness.topics.opt_in(&number("+15550100124"));
    direct("+15550100124");
    let sent = harness.topics.sent_sms();
    let shown: Vec<_> = sent.iter().map(|sms| (sms.number.as_str(), sms.text.as_str())).collect();
    assert_eq!(shown, [("+15550100123", "to phones"), ("+15550100124", "direct")]);
    assert_eq!(sent.iter().map(|sms| sms.topic_arn.is_some()).collect::<Vec<_>>(), [true, false]);
    let delivered: Vec<_> = harness.topics.published().iter().map(|message| message.delivered).collect();
    assert_eq!(delivered, [1, 0, 1]);
}

#[test]
fn sms_attributes_are_those_of_a_region() {
    let topics = SnsAccount::new(SqsAccount::default());
    let default = names(&[("MonthlySpendLimit", "1")]);
    let set = names(&[("DefaultSMSType", "Promotional"), ("DefaultSenderID", "Shop1")]);
    topics.set_sms_attributes(&set).unwrap();
    assert_eq!(topics.sms_attributes(), default.clone().into_iter().chain(set).collect());
    assert_eq!(topics.in_region("eu-west-1").sms_attributes(), default);
    for (name, value, message) in [
        ("InvalidAttribute", "x", "InvalidAttribute is not a valid attribute"),
        ("DefaultSMSType", "invalid", "DefaultSMSType is invalid"),
        ("DefaultSenderID", "123456789", "DefaultSenderID is invalid"),
        ("DefaultSenderID", "aaaaaaaaaaaa", "DefaultSenderID is invalid"),
        ("DeliveryStatusSuccessSamplingRate", "101", "DeliveryStatusSuccessSamplingRate is invalid"),
    ] {
        let error = topics.set_sms_attributes(&names(&[(name, value)])).unwrap_err();
        assert_eq!(error, SnsApiError::new(SnsErrorCode::InvalidParameter, message));
    }
}

#[test]
fn a_topic_is_for_clients_of_its_region_only() {
    let here = SnsAccount::new(SqsAccount::default());
    let there = here.in_region("eu-west-1");
    let create =
        |topics: &SnsAccount| topics.create_topic("t", &StringMap::new(), &StringMap::new()).unwrap();
    let (mine, theirs) = (create(&here), create(&there));
    assert_eq!((mine.region(), theirs.region()), ("us-east-1", "eu-west-1"));
    assert_eq!((here.topic_arns(), there.topic_arns()), (vec![mine.to_string()], vec![theirs.to_string()]));
    let elsewhere = SnsApiError::invalid("TopicArn");
    let request = PublishRequest::new(PublishTarget::Topic(mine.clone()), "x");
    assert_eq!(there.publish(request, MessageStructure::Plain), Err(elsewhere.clone()));
    assert_eq!(there.topic_attributes(mine.as_str()), Err(elsewhere.clone()));
    assert_eq!(there.delete_topic(mine.as_str()), Err(elsewhere));
    here.subscribe_by(mine.as_str(), "sms", "+15550100123", &StringMap::new()).unwrap();
    let count = |topics: &SnsAccount| topics.subscriptions(None).unwrap().len();
    assert_eq!((count(&here), count(&there)), (1, 0));
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
