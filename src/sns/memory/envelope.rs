//! The JSON in which a queue gets a message whose subscription is not raw.

use std::time::SystemTime;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Map, Value, json};

use super::publish::Published;
use crate::{
    message::{AttributeContent, AttributeValue},
    sns::{Publication, TopicArn},
};

/// Wraps a message as SNS does.
///
/// The signature is one in form only: nobody could have signed it.
pub(super) fn wrap(
    topic: &TopicArn,
    subscription_arn: &str,
    publication: &Publication,
    body: &str,
    published: &Published,
) -> String {
    let host = format!("https://sns.{}.amazonaws.com", topic.region());
    let mut envelope = json!({
        "Type": "Notification",
        "MessageId": published.id,
        "TopicArn": topic.as_str(),
        "Message": body,
        "Timestamp": humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
        "SignatureVersion": "1",
        "Signature": "unsigned",
        "SigningCertURL": format!("{host}/SimpleNotificationService-0000000000000000000000.pem"),
        "UnsubscribeURL": format!("{host}/?Action=Unsubscribe&SubscriptionArn={subscription_arn}"),
    });
    if let Some(subject) = &publication.subject {
        envelope["Subject"] = json!(subject);
    }
    if let Some(number) = &published.sequence_number {
        envelope["SequenceNumber"] = json!(number);
    }
    if !publication.attributes.is_empty() {
        let attributes = publication.attributes.iter();
        envelope["MessageAttributes"] =
            attributes.map(|(name, value)| (name.clone(), attribute(value))).collect::<Map<_, _>>().into();
    }
    envelope.to_string()
}

fn attribute(value: &AttributeValue) -> Value {
    let text = match &value.content {
        AttributeContent::Text(text) => text.clone(),
        AttributeContent::Bytes(bytes) => BASE64_STANDARD.encode(bytes),
    };
    json!({ "Type": value.data_type, "Value": text })
}
