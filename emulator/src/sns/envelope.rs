//! The JSON envelope in which a subscription that is not raw delivers a message.

use std::time::SystemTime;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Map, Value, json};

use super::{PublishRequest, PublishResult, SnsTopicArn};
use crate::message::{AttributeData, MessageAttributeValue};

/// A message on its way from a topic to its subscriptions.
pub(super) struct TopicNotification<'a> {
    pub(super) topic: &'a SnsTopicArn,
    pub(super) request: &'a PublishRequest,
    /// The body for SQS.
    pub(super) body: &'a str,
    pub(super) result: &'a PublishResult,
}

impl TopicNotification<'_> {
    /// The body that the queue of an enveloped subscription receives; its signature is a placeholder.
    pub(super) fn envelope(&self, subscription_arn: &str) -> String {
        let Self { topic, request, body, result } = self;
        let host = format!("https://sns.{}.amazonaws.com", topic.region());
        let mut envelope = json!({
            "Type": "Notification",
            "MessageId": result.id,
            "TopicArn": topic.as_str(),
            "Message": body,
            "Timestamp": humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            "SignatureVersion": "1",
            "Signature": "unsigned",
            "SigningCertURL": format!("{host}/SimpleNotificationService-0000000000000000000000.pem"),
            "UnsubscribeURL": format!("{host}/?Action=Unsubscribe&SubscriptionArn={subscription_arn}"),
        });
        if let Some(subject) = &request.subject {
            envelope["Subject"] = json!(subject);
        }
        if let Some(number) = &result.sequence_number {
            envelope["SequenceNumber"] = json!(number);
        }
        if !request.attributes.is_empty() {
            let attributes = request.attributes.iter();
            let attributes: Map<_, _> =
                attributes.map(|(name, value)| (name.clone(), attribute(value))).collect();
            envelope["MessageAttributes"] = attributes.into();
        }
        envelope.to_string()
    }
}

fn attribute(value: &MessageAttributeValue) -> Value {
    let text = match &value.content {
        AttributeData::Text(text) => text.clone(),
        AttributeData::Bytes(bytes) => BASE64_STANDARD.encode(bytes),
    };
    json!({ "Type": value.data_type, "Value": text })
}
