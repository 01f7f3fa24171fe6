//! Envelopes: takes the message out of an SNS notification or an EventBridge event before its handler is called.

mod forms;
#[cfg(feature = "cli")]
mod signature;

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::{BoxFuture, FutureExt as _, ready};
use serde::{Deserialize, Serialize};

use crate::{
    consumer::{Preparation, PreparedMessage, Unprepared},
    message::{AttributeValue, Message},
};

#[cfg(feature = "cli")]
pub(crate) use self::signature::SignatureCheck;

/// The most envelopes around each other that are taken off.
const MOST_NESTED: usize = 4;

/// The envelopes that are taken off a message before its handler is called.
///
/// A message that is no such envelope reaches its handler as it is. Copies in the DLQ have the message as it was received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Unwrap {
    /// None: the handler receives the body that SQS received.
    #[default]
    None,
    /// The notification of an SNS topic without raw message delivery: the body is the published message, its attributes
    /// are those of the message, and `sns.topic_arn`, `sns.message_id`, `sns.timestamp` and `sns.subject` are added.
    Sns,
    /// An event of EventBridge: the body is its `detail`, and the attributes `eventbridge.detail_type`,
    /// `eventbridge.source`, `eventbridge.id`, `eventbridge.time`, `eventbridge.account` and `eventbridge.region` are added.
    EventBridge,
    /// Both, also one in the other: an event that reached the queue through a topic.
    Auto,
}

/// The treatment of the signatures of SNS notifications.
#[cfg(feature = "cli")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SnsSignature {
    /// They are not read.
    #[default]
    Ignore,
    /// A message that is no notification with a valid signature of SNS is rejected.
    Check,
}

/// The content of an envelope.
#[derive(Debug, PartialEq, Eq)]
struct Content {
    body: String,
    attributes: BTreeMap<String, AttributeValue>,
}

impl Unwrap {
    /// The preparation that takes the envelopes off; `None` if there is nothing to take off.
    pub(crate) fn preparation(self) -> Option<Arc<dyn Preparation>> {
        (self != Self::None).then(|| Arc::new(Unwrapping(self)) as Arc<dyn Preparation>)
    }

    /// Takes one envelope off.
    fn open(self, body: &str) -> Option<Content> {
        match self {
            Self::None => None,
            Self::Sns => forms::of_notification(body),
            Self::EventBridge => forms::of_event(body),
            Self::Auto => forms::of_notification(body).or_else(|| forms::of_event(body)),
        }
    }

    /// Takes all envelopes off a message.
    fn unwrap(self, message: Arc<Message>) -> Arc<Message> {
        let most = if self == Self::Auto { MOST_NESTED } else { 1 };
        (0..most)
            .try_fold(message, |message, _| self.unwrap_one(&message).ok_or(message))
            .unwrap_or_else(|last| last)
    }

    fn unwrap_one(self, message: &Message) -> Option<Arc<Message>> {
        let Content { body, mut attributes } = self.open(&message.body)?;
        let mut unwrapped = Message { body, ..message.clone() };
        unwrapped.attributes.append(&mut attributes);
        Some(Arc::new(unwrapped))
    }
}

/// Takes the envelopes off each message.
struct Unwrapping(Unwrap);

impl Preparation for Unwrapping {
    fn prepare(&self, message: Arc<Message>) -> BoxFuture<'_, Result<PreparedMessage, Unprepared>> {
        ready(Ok(PreparedMessage { message: self.0.unwrap(message), claim: None })).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unwrapped(unwrap: Unwrap, body: &str) -> Arc<Message> {
        unwrap.unwrap(Arc::new(Message::new("m-1", body)))
    }

    fn text<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
        message.attributes.get(name)?.text()
    }

    const NOTIFICATION: &str = r#"{"Type": "Notification", "MessageId": "n-1",
        "TopicArn": "arn:aws:sns:eu-west-1:1:orders", "Subject": "new", "Message": "{\"order\": 1.0}",
        "Timestamp": "2026-11-29T15:00:00.000Z", "SignatureVersion": "1", "Signature": "x",
        "MessageAttributes": {"tenant": {"Type": "String", "Value": "a"}, "count": {"Type": "Number", "Value": "3"},
            "raw": {"Type": "Binary", "Value": "AAEC"}, "list": {"Type": "String.Array", "Value": "[\"b\"]"}}}"#;
    const EVENT: &str = r#"{"version": "0", "id": "e-1", "detail-type": "Order Placed", "source": "shop",
        "account": "1", "time": "2026-11-29T15:00:00Z", "region": "eu-west-1", "resources": [],
        "detail": {"b": 1.0, "a": "é"}}"#;

    #[test]
    fn a_notification_becomes_the_published_message_with_its_attributes() {
        let message = unwrapped(Unwrap::Sns, NOTIFICATION);
        assert_eq!(message.body, r#"{"order": 1.0}"#);
        assert_eq!((message.id.as_str(), message.receive_count), ("m-1", 1));
        assert_eq!(message.attributes["tenant"], AttributeValue::string("a"));
        assert_eq!(message.attributes["count"], AttributeValue::number("3"));
        assert_eq!(message.attributes["raw"], AttributeValue::binary([0, 1, 2]));
        assert_eq!(message.attributes["list"].data_type, "String.Array");
        assert_eq!(text(&message, "sns.topic_arn"), Some("arn:aws:sns:eu-west-1:1:orders"));
        assert_eq!(text(&message, "sns.message_id"), Some("n-1"));
        assert_eq!(text(&message, "sns.subject"), Some("new"));
        assert_eq!(text(&message, "sns.timestamp"), Some("2026-11-29T15:00:00.000Z"));
    }

    #[test]
    fn an_event_becomes_its_detail_as_it_was_written() {
        let message = unwrapped(Unwrap::EventBridge, EVENT);
        assert_eq!(message.body, r#"{"b": 1.0, "a": "é"}"#);
        let values = ["detail_type", "source", "id", "time", "account", "region"]
            .map(|name| text(&message, &format!("eventbridge.{name}")).unwrap());
        assert_eq!(values, ["Order Placed", "shop", "e-1", "2026-11-29T15:00:00Z", "1", "eu-west-1"]);
    }

    #[test]
    fn an_event_within_a_notification_is_taken_out_of_both_by_auto_only() {
        let mut notification: serde_json::Value = serde_json::from_str(NOTIFICATION).unwrap();
        notification["Message"] = EVENT.into();
        let nested = notification.to_string();
        let message = unwrapped(Unwrap::Auto, &nested);
        assert_eq!(message.body, r#"{"b": 1.0, "a": "é"}"#);
        assert_eq!(
            (text(&message, "sns.subject"), text(&message, "eventbridge.source")),
            (Some("new"), Some("shop"))
        );
        assert_eq!(unwrapped(Unwrap::Sns, &nested).body, EVENT);
        assert_eq!(unwrapped(Unwrap::EventBridge, &nested).body, nested);
    }

    #[test]
    fn an_s3_event_stays_whole_and_comes_out_of_its_notification() {
        let s3 = r#"{"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "b"}}}]}"#;
        let mut notification: serde_json::Value = serde_json::from_str(NOTIFICATION).unwrap();
        notification["Message"] = s3.into();
        assert_eq!(unwrapped(Unwrap::Auto, &notification.to_string()).body, s3);
        assert_eq!(unwrapped(Unwrap::Auto, s3).body, s3);
    }

    #[test]
    fn what_is_no_such_envelope_passes_untouched() {
        let almost = [
            "",
            "{",
            "[]",
            "plain text",
            r#"{"Type": "Notification"}"#,
            r#"{"Type": "Notification", "MessageId": "1", "TopicArn": "orders", "Message": "m"}"#,
            r#"{"Type": "SubscriptionConfirmation", "MessageId": "1", "TopicArn": "arn:aws:sns:r:1:t", "Message": "m", "Token": "t"}"#,
            r#"{"detail": {}, "source": "shop"}"#,
            r#"{"id": 1, "detail-type": "x", "source": "shop", "detail": {}}"#,
            r#"{"specversion": "1.0", "id": "1", "type": "x", "source": "shop", "data": {}}"#,
        ];
        for body in almost {
            let before = Arc::new(Message::new("m", body));
            assert!(Arc::ptr_eq(&Unwrap::Auto.unwrap(before.clone()), &before), "{body}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let mut body = "innermost".to_owned();
        for _ in 0..6 {
            let mut notification: serde_json::Value = serde_json::from_str(NOTIFICATION).unwrap();
            notification["Message"] = body.into();
            body = notification.to_string();
        }
        let message = unwrapped(Unwrap::Auto, &body);
        assert!(
            forms::of_notification(&message.body)
                .is_some_and(|last| forms::of_notification(&last.body).is_some())
        );
    }
}
