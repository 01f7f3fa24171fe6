//! Lambda's event for a batch of SQS messages, and the response that names those that failed.
//!
//! Lambda functions and HTTP handlers of batches receive the same event, so that one program can serve as either.

mod response;

use std::{
    collections::BTreeMap,
    io,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Serialize;

use crate::{
    md5,
    message::{AttributeContent, AttributeValue, Message},
};

pub(super) use self::response::{
    BatchOutcome, FailureAction, ItemFailure, ItemOutcome, has_failures, mentions_failures, parse_response,
};

/// The queue that events come from, by its ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// `arn:aws:sqs:eu-west-1:123456789012:orders`.
    pub(super) arn: Box<str>,
}

impl Source {
    /// The queue of this ARN.
    pub fn of_arn(arn: impl Into<Box<str>>) -> Self {
        Self { arn: arn.into() }
    }

    /// The queue's name.
    pub fn name(&self) -> &str {
        self.arn.rsplit(':').next().unwrap_or_default()
    }

    /// The region it is in.
    pub fn region(&self) -> &str {
        self.part(3)
    }

    /// The ARN of a function of this name in the queue's account and region.
    pub(in crate::handler) fn function_arn(&self, name: &str) -> String {
        format!("arn:{}:lambda:{}:{}:function:{name}", self.part(1), self.region(), self.part(4))
    }

    fn part(&self, position: usize) -> &str {
        self.arn.split(':').nth(position).unwrap_or_default()
    }
}

/// The bytes of an event around and between its records.
const FRAME: &str = r#"{"Records":[]}"#;
const COMMA_BYTES: usize = 1;

/// The event for these messages, in their order, as JSON.
pub(in crate::handler) fn of<'a>(
    messages: impl IntoIterator<Item = &'a Message>,
    source: &Source,
) -> serde_json::Result<Bytes> {
    let record = |message| Record::of(message, source, Sums::of(message));
    let event = Event { records: messages.into_iter().map(record).collect() };
    serde_json::to_vec(&event).map(Bytes::from)
}

/// The bytes that a message adds to an event, with its comma and the whole frame.
///
/// The frame is counted with every message, so that the sum for a batch is never less than the size of its event.
pub(in crate::handler) fn weight(message: &Message, source: &Source) -> usize {
    let mut count = ByteCounter(FRAME.len() + COMMA_BYTES);
    let record = Record::of(message, source, Sums::placeholders(message));
    match serde_json::to_writer(&mut count, &record) {
        Ok(()) => count.0,
        // A writer that only counts never fails.
        Err(_) => usize::MAX,
    }
}

/// A writer that counts bytes.
struct ByteCounter(usize);

impl io::Write for ByteCounter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "Records")]
    records: Vec<Record<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    message_id: &'a str,
    receipt_handle: &'a str,
    body: &'a str,
    attributes: EventAttributes<'a>,
    message_attributes: BTreeMap<&'a str, MessageAttribute<'a>>,
    #[serde(flatten)]
    sums: Sums,
    event_source: &'static str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
    aws_region: &'a str,
}

impl<'a> Record<'a> {
    fn of(message: &'a Message, source: &'a Source, sums: Sums) -> Self {
        let attributes = message.attributes.iter();
        Self {
            message_id: message.id.as_str(),
            receipt_handle: message.receipt.as_str(),
            body: &message.body,
            attributes: EventAttributes::of(message),
            message_attributes: attributes
                .map(|(name, value)| (name.as_str(), MessageAttribute::of(value)))
                .collect(),
            sums,
            event_source: "aws:sqs",
            event_source_arn: &source.arn,
            aws_region: source.region(),
        }
    }
}

/// The system attributes: each is a string, and present only if SQS sent it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EventAttributes<'a> {
    approximate_receive_count: String,
    #[serde(rename = "AWSTraceHeader", skip_serializing_if = "Option::is_none")]
    trace_header: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_group_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_deduplication_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approximate_first_receive_timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter_queue_source_arn: Option<&'a str>,
}

impl<'a> EventAttributes<'a> {
    fn of(message: &'a Message) -> Self {
        let system = &message.system;
        Self {
            approximate_receive_count: message.receive_count.to_string(),
            trace_header: system.trace_header.as_deref(),
            sent_timestamp: message.sent_at.map(millis),
            sequence_number: system.sequence_number.as_deref(),
            message_group_id: system.group_id.as_deref(),
            sender_id: system.sender_id.as_deref(),
            message_deduplication_id: system.deduplication_id.as_deref(),
            approximate_first_receive_timestamp: system.first_received_at.map(millis),
            dead_letter_queue_source_arn: system.dead_letter_source_arn.as_deref(),
        }
    }
}

/// Milliseconds since 1970, as SQS writes its times.
fn millis(at: SystemTime) -> String {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().to_string()
}

/// One of the user's attributes; the two lists are empty, as in AWS's events.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageAttribute<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_value: Option<String>,
    string_list_values: [(); 0],
    binary_list_values: [(); 0],
    data_type: &'a str,
}

impl<'a> MessageAttribute<'a> {
    fn of(value: &'a AttributeValue) -> Self {
        let (string_value, binary_value) = match &value.content {
            AttributeContent::Text(text) => (Some(text.as_str()), None),
            AttributeContent::Bytes(bytes) => (None, Some(STANDARD.encode(bytes))),
        };
        let (string_list_values, binary_list_values) = ([], []);
        let data_type = &value.data_type;
        Self { string_value, binary_value, string_list_values, binary_list_values, data_type }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sums {
    md5_of_body: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    md5_of_message_attributes: Option<String>,
}

impl Sums {
    fn of(message: &Message) -> Self {
        let attributes = message.attributes.iter().map(|(name, value)| (name.as_str(), value));
        Self {
            md5_of_body: md5::of_body(&message.body),
            md5_of_message_attributes: md5::of_attributes(attributes),
        }
    }

    /// Text as long as the sums, without computing them: a message is weighed even if it does not run.
    fn placeholders(message: &Message) -> Self {
        let sum = || "0".repeat(32);
        let has_attributes = !message.attributes.is_empty();
        Self { md5_of_body: sum(), md5_of_message_attributes: has_attributes.then(sum) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn an_arn_has_the_name_the_region_and_the_functions_arn() {
        let source = Source::of_arn("arn:aws-cn:sqs:cn-north-1:123456789012:orders.fifo");
        assert_eq!((source.name(), source.region()), ("orders.fifo", "cn-north-1"));
        assert_eq!(source.function_arn("ship"), "arn:aws-cn:lambda:cn-north-1:123456789012:function:ship");
    }

    #[test]
    fn a_source_that_is_no_arn_is_a_name_without_a_region() {
        let source = Source::of_arn("orders");
        assert_eq!((source.name(), source.region()), ("orders", ""));
    }

    fn source() -> Source {
        Source::of_arn("arn:aws:sqs:us-east-2:123456789012:my-queue")
    }

    fn value_of(messages: &[Message]) -> Value {
        serde_json::from_slice(&of(messages, &source()).unwrap()).unwrap()
    }

    fn at(millis: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(millis)
    }

    fn full() -> Message {
        let mut message = Message::new("059f36b4-87a3-44ab-83d2-661975830a7d", "Test message.");
        message.receipt = crate::message::Receipt::new("AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...");
        message.sent_at = Some(at(1_545_082_649_183));
        message.receive_count = 2;
        message.attributes.insert("Title".to_owned(), AttributeValue::string("The \"Whistler\""));
        message.attributes.insert("Weight".to_owned(), AttributeValue::number("7.5"));
        message.attributes.insert("Seal".to_owned(), AttributeValue::binary([0, 255, 16]));
        message.system.sender_id = Some("AIDAIENQZJOLO23YVJ4VO".to_owned());
        message.system.first_received_at = Some(at(1_545_082_649_185));
        message.system.group_id = Some("tenant-7".to_owned());
        message.system.deduplication_id = Some("d-1".to_owned());
        message.system.sequence_number = Some("18849496460467696128".to_owned());
        message.system.trace_header = Some("Root=1-5759e988-bd862e3fe1be46a994272793".to_owned());
        message.system.dead_letter_source_arn = Some("arn:aws:sqs:us-east-2:123456789012:first".to_owned());
        message
    }

    #[test]
    fn a_message_with_everything_is_the_record_that_aws_documents() {
        let expected = json!({"Records": [{
            "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
            "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...",
            "body": "Test message.",
            "attributes": {
                "ApproximateReceiveCount": "2",
                "SentTimestamp": "1545082649183",
                "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                "ApproximateFirstReceiveTimestamp": "1545082649185",
                "AWSTraceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793",
                "MessageGroupId": "tenant-7",
                "MessageDeduplicationId": "d-1",
                "SequenceNumber": "18849496460467696128",
                "DeadLetterQueueSourceArn": "arn:aws:sqs:us-east-2:123456789012:first"
            },
            "messageAttributes": {
                "Title": {
                    "stringValue": "The \"Whistler\"", "stringListValues": [], "binaryListValues": [],
                    "dataType": "String"
                },
                "Weight": {
                    "stringValue": "7.5", "stringListValues": [], "binaryListValues": [], "dataType": "Number"
                },
                "Seal": {
                    "binaryValue": "AP8Q", "stringListValues": [], "binaryListValues": [],
                    "dataType": "Binary"
                }
            },
            "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
            "md5OfMessageAttributes": md5::of_attributes(
                full().attributes.iter().map(|(name, value)| (name.as_str(), value))
            ),
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-2:123456789012:my-queue",
            "awsRegion": "us-east-2"
        }]});
        assert_eq!(value_of(&[full()]), expected);
    }

    #[test]
    fn a_bare_message_has_these_bytes() {
        let mut message = Message::new("m-1", "Test message.");
        message.sent_at = Some(at(1_545_082_649_183));
        let golden = concat!(
            r#"{"Records":[{"messageId":"m-1","receiptHandle":"receipt of m-1","body":"Test message.","#,
            r#""attributes":{"ApproximateReceiveCount":"1","SentTimestamp":"1545082649183"},"#,
            r#""messageAttributes":{},"md5OfBody":"e4e68fb7bd0e697a0ae8f1bb342846b3","#,
            r#""eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-2:123456789012:my-queue","#,
            r#""awsRegion":"us-east-2"}]}"#,
        );
        assert_eq!(of([&message], &source()).unwrap(), golden);
    }

    #[test]
    fn records_keep_the_order_of_their_messages() {
        let messages = ["c", "a", "b"].map(|id| Message::new(id, id));
        let event = value_of(&messages);
        let bodies: Vec<_> =
            event["Records"].as_array().unwrap().iter().map(|record| &record["body"]).collect();
        assert_eq!(bodies, ["c", "a", "b"]);
    }

    proptest! {
        #[test]
        fn the_weights_are_the_bytes_of_the_event_and_a_frame_for_each_message_but_one(
            bodies in prop::collection::vec("\\PC{0,40}|[\t\r\n\"\\\\]{0,20}", 1..5),
            attribute in prop::option::of(("[a-z]{1,5}", prop::collection::vec(any::<u8>(), 0..9))),
        ) {
            let message = |body: &String| {
                let mut message = Message { body: body.clone(), ..full() };
                message.attributes.clear();
                if let Some((name, bytes)) = &attribute {
                    message.attributes.insert(name.clone(), AttributeValue::binary(bytes.clone()));
                }
                message
            };
            let messages: Vec<_> = bodies.iter().map(message).collect();
            let weights: usize = messages.iter().map(|message| weight(message, &source())).sum();
            let frames = FRAME.len() * (messages.len() - 1) + COMMA_BYTES;
            prop_assert_eq!(of(&messages, &source()).unwrap().len(), weights - frames);
            let event = value_of(&messages);
            prop_assert_eq!(event["Records"][0]["body"].as_str(), Some(bodies[0].as_str()));
        }
    }
}
