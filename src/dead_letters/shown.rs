//! Dead letters as they are shown: a line for a person, or JSON for a program.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;

use crate::{
    consumer::settle::{StoredRejection, remove_record},
    duration::Span,
    message::{AttributeContent, Message},
    settings::shortened,
};

/// The most characters of a text that are in a line.
const TEXT_CHARS: usize = 60;

/// A dead letter as JSON; the attributes with the reason of a reject are fields of their own.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShownMessage {
    /// The id.
    pub(crate) id: String,
    /// When it was sent.
    pub(crate) sent_at: Option<String>,
    /// The time since then.
    pub(crate) age_seconds: Option<u64>,
    /// The number of receives, the one that showed it included.
    pub(crate) receives: u32,
    /// The group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group_id: Option<String>,
    /// The queue from which the redrive policy moved it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source_arn: Option<String>,
    /// The reject that brought it here, if a worker has copied it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rejected: Option<StoredRejection>,
    /// The sender's attributes.
    pub(crate) attributes: BTreeMap<String, ShownAttribute>,
    /// The body.
    pub(crate) body: String,
}

/// An attribute as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShownAttribute {
    /// Its data type.
    #[serde(rename = "type")]
    data_type: String,
    /// Its text, or its bytes in base64.
    value: String,
}

impl ShownMessage {
    /// Shows a message at this time.
    pub(crate) fn of(message: &Message, now: SystemTime) -> Self {
        let rejected = StoredRejection::of(message);
        let mut message = message.clone();
        remove_record(&mut message);
        let age = message.age_at(now);
        let system = message.system.into_inner();
        let attributes = message.attributes.into_iter().map(|(name, attribute)| {
            let value = match attribute.content {
                AttributeContent::Text(text) => text,
                AttributeContent::Bytes(bytes) => BASE64_STANDARD.encode(bytes),
            };
            (name, ShownAttribute { data_type: attribute.data_type, value })
        });
        Self {
            id: message.id.to_string(),
            sent_at: message.sent_at.map(|at| humantime::format_rfc3339_millis(at).to_string()),
            age_seconds: age.map(|age| age.as_secs()),
            receives: message.receive_count,
            group_id: system.group_id,
            source_arn: system.dead_letter_source_arn,
            rejected,
            attributes: attributes.collect(),
            body: message.body,
        }
    }
}

/// A message in one line: its id, its age, its receives, the reason of its reject and the beginning of its body.
pub(crate) fn summary(message: &ShownMessage) -> String {
    let ShownMessage { id, age_seconds, receives, rejected, body, .. } = message;
    let age = age_seconds.map_or_else(|| "?".to_owned(), |seconds| rough(Duration::from_secs(seconds)));
    let reason = rejected.as_ref().map_or("-", |rejected| rejected.reason.as_str());
    format!("{id}  {age:>4}  {receives:>3}  {:<TEXT_CHARS$}  {}", one_line(reason), one_line(body))
}

/// A time in its largest unit.
fn rough(time: Duration) -> String {
    let seconds = time.as_secs();
    let unit = [86_400, 3_600, 60, 1].into_iter().find(|unit| seconds >= *unit).unwrap_or(1);
    Span::secs(seconds - seconds % unit).to_string()
}

/// The beginning of a text, without line breaks and other control characters.
fn one_line(text: &str) -> String {
    shortened(text, TEXT_CHARS).replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::AttributeValue;

    fn message() -> Message {
        let mut message = Message::new("m-1", "first\nsecond");
        message.sent_at = Some(SystemTime::UNIX_EPOCH);
        message.receive_count = 2;
        message.attributes.insert("raw".to_owned(), AttributeValue::binary([1, 2]));
        for (name, value) in [("reason", "no such order"), ("kind", "http"), ("message-id", "m-0")] {
            message.attributes.insert(format!("longshore.reject.{name}"), AttributeValue::string(value));
        }
        message
    }

    #[test]
    fn a_message_is_shown_with_its_reason_apart_from_its_attributes() {
        let shown = ShownMessage::of(&message(), SystemTime::UNIX_EPOCH + Duration::from_mins(121));
        let json = serde_json::to_value(&shown).unwrap();
        let expected = serde_json::json!({
            "id": "m-1", "sentAt": "1970-01-01T00:00:00.000Z", "ageSeconds": 7_260, "receives": 2,
            "rejected": {"reason": "no such order", "kind": "http", "messageId": "m-0"},
            "attributes": {"raw": {"type": "Binary", "value": "AQI="}}, "body": "first\nsecond",
        });
        assert_eq!(json, expected);
        let line = summary(&shown);
        assert!(
            line.starts_with("m-1    2h    2  no such order ") && line.ends_with("first second"),
            "{line}"
        );
    }

    #[test]
    fn a_long_text_is_cut_and_has_no_control_characters() {
        let line = one_line(&"é\u{1b}".repeat(100));
        assert_eq!((line.chars().count(), line.chars().last()), (TEXT_CHARS + 1, Some('…')));
        assert!(!line.contains('\u{1b}'));
    }
}
