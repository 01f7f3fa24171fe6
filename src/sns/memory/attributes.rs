//! The attributes of a topic: which there are, and what they may be.

use super::fault::Fault;
use crate::{queue::memory::Names, sns::limits};

/// What a topic's attributes decide here.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes(Names);

/// Those that a client may set and that are only kept.
const KEPT: [&str; 8] = [
    "ArchivePolicy",
    "DataProtectionPolicy",
    "DeliveryPolicy",
    "DisplayName",
    "KmsMasterKeyId",
    "Policy",
    "SignatureVersion",
    "TracingConfig",
];
/// Those that log deliveries, such as `SQSSuccessFeedbackRoleArn`.
const FEEDBACK: &str = "Feedback";

impl Attributes {
    /// The attributes of a new topic.
    pub(super) fn create(name: &str, given: &Names) -> Result<Self, Fault> {
        let mut attributes = Self::default();
        for (name, value) in given {
            attributes.take(name, value)?;
        }
        let is_fifo_by_name = name.strip_suffix(".fifo").is_some();
        if attributes.is("FifoTopic") == is_fifo_by_name {
            return Ok(attributes);
        }
        let what = if is_fifo_by_name {
            "Topic Name"
        } else {
            "Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII letters, \
             numbers, underscores, and hyphens, and must be between 1 and 256 characters long."
        };
        Err(Fault::invalid(what))
    }

    /// Sets one attribute of a topic that is there.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        if name == "FifoTopic" {
            return Err(Fault::invalid("AttributeName"));
        }
        self.take(name, value)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        let is_allowed = match name {
            "FifoTopic" | "ContentBasedDeduplication" => matches!(value, "true" | "false"),
            "FifoThroughputScope" => matches!(value, "Topic" | "MessageGroup"),
            "MaximumMessageSize" => {
                value.parse().is_ok_and(|bytes| (1_024..=limits::LARGEST_MESSAGE_BYTES).contains(&bytes))
            }
            other if KEPT.contains(&other) || other.contains(FEEDBACK) => true,
            _ => return Err(Fault::invalid("AttributeName")),
        };
        if !is_allowed {
            return Err(Fault::invalid(format!("Attributes Reason: {name}: {value} is not a valid value")));
        }
        self.0.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// Whether a repeated creation asks for what is there.
    pub(super) fn agrees_with(&self, asked: &Self) -> bool {
        asked.0.iter().all(|(name, value)| self.0.get(name) == Some(value))
    }

    pub(super) fn is_fifo(&self) -> bool {
        self.is("FifoTopic")
    }

    pub(super) fn deduplicates_by_content(&self) -> bool {
        self.is("ContentBasedDeduplication")
    }

    /// Whether a deduplication id counts within its group only.
    pub(super) fn deduplicates_by_group(&self) -> bool {
        self.0.get("FifoThroughputScope").is_some_and(|scope| scope == "MessageGroup")
    }

    /// The largest message.
    pub(super) fn message_bytes(&self) -> usize {
        let set = self.0.get("MaximumMessageSize").and_then(|bytes| bytes.parse().ok());
        set.unwrap_or(limits::MESSAGE_BYTES)
    }

    /// The attributes as they are shown, with those of a FIFO topic that SNS always shows.
    pub(super) fn show(&self) -> Names {
        let mut shown = self.0.clone();
        shown.entry("DisplayName".to_owned()).or_default();
        if self.is_fifo() {
            shown.entry("ContentBasedDeduplication".to_owned()).or_insert_with(|| "false".to_owned());
            shown.entry("FifoThroughputScope".to_owned()).or_insert_with(|| "Topic".to_owned());
        } else {
            shown.remove("FifoTopic");
        }
        shown
    }

    fn is(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| value == "true")
    }
}
