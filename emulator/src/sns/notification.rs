//! A published message as queues receive it: raw, or in the JSON envelope of SNS with its signature.

use std::{cell::OnceCell, collections::BTreeMap, time::SystemTime};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Map, Value, json};

use super::{
    PublishRequest, PublishResult, SnsTopicArn,
    signature::{self, CERTIFICATE_PATH, SignatureVersion},
    subscription::Subscription,
};
use crate::{
    message::{AttributeData, MessageAttributeValue, NewMessage},
    sqs::SqsAccount,
};

/// A published message on its way to the queues of a topic.
pub(super) struct TopicNotification<'a> {
    topic: &'a SnsTopicArn,
    request: &'a PublishRequest,
    result: &'a PublishResult,
    /// The body for SQS.
    body: &'a str,
    timestamp: String,
    version: SignatureVersion,
    /// Made for the first envelope, because it takes milliseconds.
    signature: OnceCell<String>,
}

impl<'a> TopicNotification<'a> {
    /// A message that is published now.
    pub(super) fn new(
        (topic, version): (&'a SnsTopicArn, SignatureVersion),
        request: &'a PublishRequest,
        body: &'a str,
        result: &'a PublishResult,
    ) -> Self {
        let timestamp = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        Self { topic, request, result, body, timestamp, version, signature: OnceCell::new() }
    }

    /// Sends it to one queue; what it cannot take goes to the dead-letter queue of the subscription, or is dropped.
    pub(super) fn deliver(&self, subscription: &Subscription, sqs: &SqsAccount) -> bool {
        let Some(queue) = subscription.queue_name() else { return false };
        let Err(error) = sqs.send(queue, self.for_queue(subscription, queue)) else { return true };
        tracing::warn!(topic = %self.topic, queue, %error, "delivery failed");
        if let Some(dead_letters) = subscription.dead_letter_queue()
            && let Err(error) = sqs.send(&dead_letters, self.for_queue(subscription, &dead_letters))
        {
            tracing::warn!(topic = %self.topic, dead_letters, %error, "dead letter failed");
        }
        false
    }

    /// The message for a queue; a FIFO topic passes no group to a standard queue (recorded against AWS).
    fn for_queue(&self, subscription: &Subscription, queue: &str) -> NewMessage {
        let Self { topic, request, body, .. } = self;
        let (body, attributes) = if subscription.is_raw() {
            ((*body).to_owned(), request.attributes.clone())
        } else {
            (self.envelope(&subscription.arn), BTreeMap::new())
        };
        let is_fifo = queue.strip_suffix(".fifo").is_some();
        NewMessage {
            body,
            attributes,
            group_id: request.group_id.clone().filter(|_| is_fifo || !topic.is_fifo()),
            deduplication_id: request.deduplication_id.clone().filter(|_| is_fifo),
            trace_header: request.trace_header.clone(),
            ..NewMessage::default()
        }
    }

    /// The body with the JSON envelope of a subscription that is not raw; that of a FIFO topic is not signed.
    fn envelope(&self, subscription_arn: &str) -> String {
        let Self { topic, request, body, result, timestamp, .. } = self;
        let of_sns = || format!("https://sns.{}.amazonaws.com", topic.region());
        let endpoint = request.endpoint.clone().unwrap_or_else(of_sns);
        let mut envelope = json!({
            "Type": "Notification",
            "MessageId": result.id,
            "TopicArn": topic.as_str(),
            "Message": body,
            "Timestamp": timestamp,
            "UnsubscribeURL": format!("{endpoint}/?Action=Unsubscribe&SubscriptionArn={subscription_arn}"),
        });
        if let Some(subject) = &request.subject {
            envelope["Subject"] = json!(subject);
        }
        if let Some(number) = &result.sequence_number {
            envelope["SequenceNumber"] = json!(number);
        } else {
            envelope["SignatureVersion"] = json!(self.version.as_str());
            envelope["Signature"] = json!(self.signature.get_or_init(|| self.sign()));
            envelope["SigningCertURL"] = json!(format!("{endpoint}{CERTIFICATE_PATH}"));
        }
        if !request.attributes.is_empty() {
            let attributes = request.attributes.iter();
            let attributes: Map<_, _> =
                attributes.map(|(name, value)| (name.clone(), attribute(value))).collect();
            envelope["MessageAttributes"] = attributes.into();
        }
        envelope.to_string()
    }

    fn sign(&self) -> String {
        let text = signature::signed_text([
            ("Message", Some(self.body)),
            ("MessageId", Some(&self.result.id)),
            ("Subject", self.request.subject.as_deref()),
            ("Timestamp", Some(&self.timestamp)),
            ("TopicArn", Some(self.topic.as_str())),
            ("Type", Some("Notification")),
        ]);
        self.version.sign(&text)
    }
}

fn attribute(value: &MessageAttributeValue) -> Value {
    let text = match &value.content {
        AttributeData::Text(text) => text.clone(),
        AttributeData::Bytes(bytes) => BASE64_STANDARD.encode(bytes),
    };
    json!({ "Type": value.data_type, "Value": text })
}
