//! Reads the record of a reject, which is in the attributes of a copy in the DLQ.

use serde::{Deserialize, Serialize};

use super::dead_letter::NAMESPACE;
use crate::message::{AttributeValue, Message};

/// The reject of a message, as its copy in the DLQ has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all(serialize = "camelCase", deserialize = "kebab-case"), default)]
pub(crate) struct StoredRejection {
    /// The handler's reason.
    pub(crate) reason: String,
    /// The kind of the handler.
    pub(crate) kind: String,
    /// The number of the attempt that rejected it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attempt: Option<u32>,
    /// When that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) time: Option<String>,
    /// The id of the rejected message, of which this one is a copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_id: Option<String>,
}

impl StoredRejection {
    /// The reject of a message; `None` for one that a redrive policy has moved, or whose copy had no space for the record.
    pub(crate) fn of(message: &Message) -> Option<Self> {
        let text = |name: &str| message.attributes.get(name).and_then(AttributeValue::text);
        if let Some(combined) = text(NAMESPACE) {
            return serde_json::from_str(combined).ok();
        }
        let field = |name: &str| text(&format!("{NAMESPACE}.{name}")).map(str::to_owned);
        Some(Self {
            reason: field("reason")?,
            kind: field("kind").unwrap_or_default(),
            attempt: field("attempt").and_then(|attempt| attempt.parse().ok()),
            time: field("time"),
            message_id: field("message-id"),
        })
    }
}
