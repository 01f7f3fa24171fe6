//! The forms of envelopes: notifications of SNS and events of EventBridge.
//!
//! SNS documents its form under "Amazon SNS HTTP/HTTPS notification JSON format"; a subscription of SQS without raw message
//! delivery gets the same object, in which `Value` of a binary attribute is base64. EventBridge documents its own under "AWS
//! service event metadata"; a rule with an input transformer sends another object, which is no such envelope.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Content;
use crate::message::{AttributeContent, AttributeValue};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SnsNotification {
    r#type: String,
    message_id: String,
    topic_arn: String,
    subject: Option<String>,
    message: String,
    timestamp: Option<String>,
    #[serde(default)]
    message_attributes: BTreeMap<String, NotificationAttribute>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NotificationAttribute {
    r#type: String,
    value: String,
}

/// The message in a notification; `None` for any other body.
pub(super) fn of_notification(body: &str) -> Option<Content> {
    let notification: SnsNotification = serde_json::from_str(body).ok()?;
    if notification.r#type != "Notification" || !notification.topic_arn.starts_with("arn:") {
        return None;
    }
    let SnsNotification { message_id, topic_arn, subject, message, timestamp, message_attributes, .. } =
        notification;
    let mut attributes: BTreeMap<_, _> =
        message_attributes.into_iter().map(|(name, value)| (name, attribute(value))).collect();
    let own = [
        ("sns.message_id", Some(message_id)),
        ("sns.topic_arn", Some(topic_arn)),
        ("sns.subject", subject),
        ("sns.timestamp", timestamp),
    ];
    for (name, value) in own {
        if let Some(value) = value {
            attributes.insert(name.to_owned(), AttributeValue::string(value));
        }
    }
    Some(Content { body: message, attributes })
}

fn attribute(NotificationAttribute { r#type, value }: NotificationAttribute) -> AttributeValue {
    let bytes = r#type.starts_with("Binary").then(|| BASE64_STANDARD.decode(&value).ok()).flatten();
    let content = bytes.map_or(AttributeContent::Text(value), AttributeContent::Bytes);
    AttributeValue { data_type: r#type, content }
}

#[derive(Deserialize)]
struct EventBridgeEvent<'a> {
    id: String,
    #[serde(rename = "detail-type")]
    detail_type: String,
    source: String,
    account: String,
    time: String,
    region: String,
    /// As it was written, so that no number and no order of keys changes.
    #[serde(borrow)]
    detail: &'a RawValue,
}

/// The detail of an event; `None` for any other body.
pub(super) fn of_event(body: &str) -> Option<Content> {
    let EventBridgeEvent { id, detail_type, source, account, time, region, detail } =
        serde_json::from_str(body).ok()?;
    let attributes: BTreeMap<_, _> = [
        ("eventbridge.id", id),
        ("eventbridge.detail_type", detail_type),
        ("eventbridge.source", source),
        ("eventbridge.account", account),
        ("eventbridge.time", time),
        ("eventbridge.region", region),
    ]
    .map(|(name, value)| (name.to_owned(), AttributeValue::string(value)))
    .into();
    Some(Content { body: detail.get().to_owned(), attributes })
}
