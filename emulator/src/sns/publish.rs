//! Publishing: the rules for a message, and its delivery to the subscriptions of a topic.

use std::borrow::Cow;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::{
    PublishRequest, SentSms, SmsNumber, SnsApiError, SnsErrorCode,
    notification::TopicNotification,
    sms::SmsState,
    subscription::Subscription,
    topic::{DeduplicationKey, TopicState},
};
use crate::{
    checksum, limits,
    message::{AttributeData, MessageAttributeValue},
    sqs::SqsAccount,
};

/// The interpretation of a published body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessageStructure {
    /// The body itself.
    #[default]
    Plain,
    /// `MessageStructure=json`: an object with a text for each protocol, and one under `default`.
    Json,
}

impl MessageStructure {
    /// Checks that a structured text has a text for every protocol.
    pub(crate) fn check(self, text: &str) -> Result<(), SnsApiError> {
        self.text_for("sqs", text).map(drop)
    }

    /// The text for a protocol.
    fn text_for<'a>(self, protocol: &str, body: &'a str) -> Result<Cow<'a, str>, SnsApiError> {
        if self == Self::Plain {
            return Ok(body.into());
        }
        let invalid = |reason: &str| SnsApiError::invalid(format!("Message Structure - {reason}"));
        let texts: Map<String, Value> =
            serde_json::from_str(body).map_err(|_| invalid("JSON message body failed to parse"))?;
        // Keys with other values than texts are ignored (recorded against AWS).
        let text = |key: &str| texts.get(key).and_then(Value::as_str).map(str::to_owned);
        let default = text("default").ok_or_else(|| invalid("No default entry in JSON message body"))?;
        Ok(text(protocol).unwrap_or(default).into())
    }
}

/// The response to a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishResult {
    /// `MessageId`; of a duplicate that of the first message.
    pub id: String,
    /// `SequenceNumber`, FIFO topics only.
    pub sequence_number: Option<String>,
}

/// Publishes to a topic; returns the number of deliveries too.
pub(super) fn publish_to_topic(
    topic: &mut TopicState,
    (sqs, sms): (&SqsAccount, &mut SmsState),
    request: &PublishRequest,
    structure: MessageStructure,
) -> Result<(PublishResult, usize), SnsApiError> {
    if request.size_bytes() > topic.attributes.message_bytes() {
        return Err(SnsApiError::invalid("Message too long"));
    }
    let body = structure.text_for("sqs", &request.body)?;
    let sms_text = structure.text_for("sms", &request.body)?;
    let mut request = request.clone();
    let now = Instant::now();
    let deduplication = deduplicate(topic, &mut request)?;
    if let Some(first) = deduplication.as_ref().and_then(|key| topic.fifo.get(key, now)) {
        return Ok((first, 0));
    }
    let sequence_number = topic.attributes.is_fifo().then(|| topic.fifo.next_number());
    let result = PublishResult { id: new_id(), sequence_number };
    if let Some(key) = deduplication {
        topic.fifo.insert(key, result.clone(), (now, topic.storage.store(0)?));
    }
    let signed_as = (&topic.arn, topic.attributes.signature_version());
    let notification = TopicNotification::new(signed_as, &request, &body, &result);
    let matches = |subscription: &&Subscription| {
        subscription.filter.as_ref().is_none_or(|filter| filter.matches(&request.attributes, &body))
    };
    let deliver = |subscription: &&Subscription| match subscription.phone_number() {
        Some(number) => sms.send(SentSms {
            topic_arn: Some(topic.arn.to_string()),
            subscription_arn: Some(subscription.arn.clone()),
            ..sent_sms(number, &sms_text, &request, &result)
        }),
        None => notification.deliver(subscription, sqs),
    };
    let delivered = topic.subscriptions.iter().filter(matches).filter(deliver).count();
    Ok((result, delivered))
}

/// Sends an SMS; returns the number of deliveries too, which is none if the number wants no SMS.
pub(super) fn publish_to_phone(
    number: &SmsNumber,
    sms: &mut SmsState,
    request: &PublishRequest,
    structure: MessageStructure,
) -> Result<(PublishResult, usize), SnsApiError> {
    if request.body.chars().count() > limits::SMS_CHARS {
        return Err(SnsApiError::invalid("Message too long"));
    }
    let text = structure.text_for("sms", &request.body)?;
    let result = PublishResult { id: new_id(), sequence_number: None };
    let is_sent = sms.send(sent_sms(number.clone(), &text, request, &result));
    Ok((result, usize::from(is_sent)))
}

fn sent_sms(number: SmsNumber, text: &str, request: &PublishRequest, result: &PublishResult) -> SentSms {
    SentSms {
        number,
        text: text.to_owned(),
        message_id: result.id.clone(),
        topic_arn: None,
        subscription_arn: None,
        subject: request.subject.clone(),
    }
}

/// The deduplication key of a message for a FIFO topic; sets the id that the topic derives from the body.
fn deduplicate(
    topic: &TopicState,
    request: &mut PublishRequest,
) -> Result<Option<DeduplicationKey>, SnsApiError> {
    if !topic.attributes.is_fifo() {
        let reason = "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is \
                      not valid for this topic type";
        let is_given = request.deduplication_id.is_some();
        return if is_given { Err(SnsApiError::invalid(reason)) } else { Ok(None) };
    }
    let group = request.group_id.clone().ok_or_else(SnsApiError::no_group)?;
    if request.deduplication_id.is_none() && topic.attributes.deduplicates_by_content() {
        let sum = Sha256::digest(request.body.as_bytes());
        request.deduplication_id = Some(checksum::hexadecimal(&sum));
    }
    let id = request.deduplication_id.clone().ok_or_else(SnsApiError::no_deduplication_id)?;
    Ok(Some((topic.attributes.deduplicates_by_group().then_some(group), id)))
}

/// Checks the rules for every message, whatever its destination.
pub(super) fn check_request(request: &PublishRequest) -> Result<(), SnsApiError> {
    if request.body.is_empty() {
        return Err(SnsApiError::invalid("Empty message"));
    }
    if !request.body.chars().all(limits::is_allowed) {
        return Err(SnsApiError::invalid("Message Reason: a character that is not allowed"));
    }
    if request.subject.as_deref().is_some_and(|subject| !limits::is_subject(subject)) {
        return Err(SnsApiError::invalid("Subject"));
    }
    for (parameter, id) in
        [("MessageGroupId", &request.group_id), ("MessageDeduplicationId", &request.deduplication_id)]
    {
        let is_id = |id: &str| {
            (1..=limits::GROUP_ID_CHARS).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if id.as_deref().is_some_and(|id| !is_id(id)) {
            let reason = "can only include alphanumeric and punctuation characters. 1 to 128 in length";
            return Err(SnsApiError::invalid(format!("{parameter} Reason: {parameter} {reason}")));
        }
    }
    request.attributes.iter().try_for_each(|(name, value)| check_attribute(name, value))
}

fn check_attribute(name: &str, value: &MessageAttributeValue) -> Result<(), SnsApiError> {
    let invalid = |message: String| Err(SnsApiError::new(SnsErrorCode::InvalidParameterValue, message));
    let is_empty = match &value.content {
        AttributeData::Text(text) => text.is_empty(),
        AttributeData::Bytes(bytes) => bytes.is_empty(),
    };
    if is_empty {
        return invalid(format!(
            "The message attribute '{name}' must contain non-empty message attribute value for message attribute \
             type '{}'.",
            value.data_type
        ));
    }
    check_attribute_name(name)?;
    let prefix = value.data_type.split('.').next().unwrap_or_default();
    if !matches!(prefix, "String" | "Number" | "Binary") {
        return invalid(format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported type \
             prefixes is Binary, Number, and String."
        ));
    }
    let is_array = |text: &str| serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_array());
    if value.data_type == "String.Array" && !value.text().is_some_and(is_array) {
        return invalid(format!(
            "The message attribute '{name}' of type String.Array is not an array in JSON."
        ));
    }
    Ok(())
}

/// Checks the name of an attribute; the messages are those recorded against AWS.
pub(crate) fn check_attribute_name(name: &str) -> Result<(), SnsApiError> {
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || "_-.".contains(character);
    let message = if name.len() > 256 {
        "Length of message attribute name must be less than 256 bytes.".to_owned()
    } else if name.starts_with('.') {
        "Invalid message attribute name starting with character '.' was found.".to_owned()
    } else if name.ends_with('.') {
        "Invalid message attribute name ending with character '.' was found.".to_owned()
    } else if let Some(character) = name.chars().find(|character| !is_allowed(*character)) {
        format!(
            "Invalid non-alphanumeric character '#x{:X}' was found in the message attribute name. Can only include \
             alphanumeric characters, hyphens, underscores, or dots.",
            u32::from(character)
        )
    } else if name.contains("..") {
        "Message attribute name can not have successive '.' character.".to_owned()
    } else {
        return Ok(());
    };
    Err(SnsApiError::new(SnsErrorCode::InvalidParameterValue, message))
}

fn new_id() -> String {
    let id = uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid();
    id.hyphenated().to_string()
}
