//! The key of messages that are the same: the message id, the deduplication id, or a field of the body.

use std::{borrow::Cow, collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::message::Message;

/// The longest key in bytes, which leaves room for the queue's name in a partition key of DynamoDB.
const LONGEST: usize = 1_900;
const JSON: &str = "json:";

/// The key of messages that are the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum OnceKey {
    /// The message's id: a message runs once, however often SQS delivers it.
    #[default]
    MessageId,
    /// The deduplication id, which FIFO queues have: beyond the five minutes in which SQS itself drops a second one.
    DeduplicationId,
    /// A string or number in the body, by its JSON Pointer (RFC 6901): also for a message that was sent twice.
    #[non_exhaustive]
    Json {
        /// The pointer, such as `/order/id`.
        pointer: String,
    },
}

/// A text that names no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key: {0:?}, allowed: message-id, deduplication-id, json:/order/id")]
pub struct NotAKey(String);

impl OnceKey {
    /// A field of the body, by its JSON Pointer, such as `/order/id`.
    ///
    /// # Errors
    ///
    /// If the pointer does not begin with `/`.
    pub fn json(pointer: impl Into<String>) -> Result<Self, NotAKey> {
        let pointer = pointer.into();
        if pointer.starts_with('/') { Ok(Self::Json { pointer }) } else { Err(NotAKey(pointer)) }
    }

    /// The key of a message; the error says why it has none.
    pub(super) fn of<'a>(&self, message: &'a Message) -> Result<Cow<'a, str>, String> {
        let key = match self {
            Self::MessageId => Cow::Borrowed(message.id.as_str()),
            Self::DeduplicationId => {
                let id = message.system.deduplication_id.as_deref();
                Cow::Borrowed(id.ok_or("the message has no deduplication id, which is its key for once")?)
            }
            Self::Json { pointer } => Cow::Owned(field(&message.body, pointer)?),
        };
        match key.len() {
            0 => Err(format!("the key for once is empty: {self}")),
            1..=LONGEST => Ok(key),
            bytes => Err(format!("the key for once has {bytes} bytes, at most {LONGEST}: {self}")),
        }
    }
}

/// The text of a field of the body; reasons do not quote the body.
fn field(text: &str, pointer: &str) -> Result<String, String> {
    let body: Value = serde_json::from_str(text)
        .map_err(|_| format!("the body is no JSON, and {pointer} is its key for once"))?;
    match body.pointer(pointer) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) if number.is_f64() => {
            Ok(number_as_written(text, pointer).unwrap_or_else(|| number.to_string()))
        }
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(_) => Err(format!("{pointer} of the body, its key for once, is neither a string nor a number")),
        None => Err(format!("the body has no {pointer}, which is its key for once")),
    }
}

/// The number at a pointer, digit by digit: two that differ beyond a float's precision are no duplicates.
fn number_as_written(body: &str, pointer: &str) -> Option<String> {
    let mut value: &RawValue = serde_json::from_str(body).ok()?;
    for token in pointer.split('/').skip(1) {
        let name = token.replace("~1", "/").replace("~0", "~");
        value = if value.get().starts_with('{') {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(value.get()).ok()?;
            members.get(&name).copied()?
        } else {
            let items: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
            items.get(name.parse::<usize>().ok()?).copied()?
        };
    }
    Some(value.get().to_owned())
}

impl FromStr for OnceKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        match text {
            "message-id" => Ok(Self::MessageId),
            "deduplication-id" => Ok(Self::DeduplicationId),
            _ => {
                let unknown = || NotAKey(text.to_owned());
                Self::json(text.strip_prefix(JSON).ok_or_else(unknown)?).map_err(|_| unknown())
            }
        }
    }
}

impl TryFrom<String> for OnceKey {
    type Error = NotAKey;

    fn try_from(text: String) -> Result<Self, NotAKey> {
        text.parse()
    }
}

impl fmt::Display for OnceKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MessageId => formatter.write_str("message-id"),
            Self::DeduplicationId => formatter.write_str("deduplication-id"),
            Self::Json { pointer } => write!(formatter, "{JSON}{pointer}"),
        }
    }
}

impl From<OnceKey> for String {
    fn from(key: OnceKey) -> Self {
        key.to_string()
    }
}

#[cfg(feature = "cli")]
impl schemars::JsonSchema for OnceKey {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "OnceKey".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^(message-id|deduplication-id|json:/.*)$",
            "examples": ["message-id", "deduplication-id", "json:/order/id"],
            "x-hint": "write \"message-id\", \"deduplication-id\", or \"json:\" and a JSON Pointer, such as \"json:/order/id\"",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(key: &str, body: &str) -> Result<String, String> {
        let mut message = Message::new("m-1", body);
        message.system.deduplication_id = Some("d-1".to_owned());
        key.parse::<OnceKey>().unwrap().of(&message).map(Cow::into_owned)
    }

    #[test]
    fn a_key_is_written_as_it_is_read() {
        for text in ["message-id", "deduplication-id", "json:/order/id", "json:/"] {
            assert_eq!(text.parse::<OnceKey>().unwrap().to_string(), text);
        }
        for text in ["", "id", "json:", "json:order", "Message-Id"] {
            assert!(text.parse::<OnceKey>().is_err(), "{text}");
        }
        assert!(OnceKey::json("order").is_err());
    }

    #[test]
    fn each_kind_of_key_is_found() {
        assert_eq!(of("message-id", ""), Ok("m-1".to_owned()));
        assert_eq!(of("deduplication-id", ""), Ok("d-1".to_owned()));
        assert_eq!(of("json:/order/id", r#"{"order": {"id": "a"}}"#), Ok("a".to_owned()));
        assert_eq!(of("json:/0", "[125]"), Ok("125".to_owned()));
        assert_eq!(of("json:/a~1b", r#"{"a/b": 7}"#), Ok("7".to_owned()));
    }

    #[test]
    fn numbers_that_differ_in_one_digit_are_two_keys() {
        for digits in [
            "12345678901234567890123",
            "12345678901234567890124",
            "0.12345678901234567891",
            "18446744073709551615",
        ] {
            assert_eq!(
                of("json:/order/1/a~1b", &format!(r#"{{"order": [0, {{"a/b": {digits} }}]}}"#)),
                Ok(digits.to_owned())
            );
        }
    }

    #[test]
    fn a_message_without_the_key_has_a_reason_that_does_not_quote_it() {
        for body in ["secret", "{}", r#"{"id": null}"#, r#"{"id": {"secret": 1}}"#, r#"{"id": ""}"#] {
            let reason = of("json:/id", body).unwrap_err();
            assert!(reason.contains("/id") && !reason.contains("secret"), "{reason}");
        }
        let long = format!(r#"{{"id": "{}"}}"#, "x".repeat(1_901));
        assert!(of("json:/id", &long).unwrap_err().contains("1901 bytes"));
        assert!(OnceKey::DeduplicationId.of(&Message::new("m", "")).is_err());
    }
}
