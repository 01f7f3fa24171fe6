//! What SNS answers when it refuses a request.

use std::fmt;

/// A refusal in SNS's own code and words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Fault {
    /// SNS's error code.
    pub code: Code,
    /// SNS's words.
    pub message: String,
}

impl Fault {
    /// A refusal of this code in these words.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// `InvalidParameter` in the words `Invalid parameter: …`.
    pub fn invalid(what: impl fmt::Display) -> Self {
        Self::new(Code::InvalidParameter, format!("Invalid parameter: {what}"))
    }

    /// A message for a FIFO topic that names no group.
    pub(crate) fn no_group() -> Self {
        Self::invalid("The MessageGroupId parameter is required for FIFO topics")
    }

    /// A message for a FIFO topic that nothing tells from another.
    pub(crate) fn no_deduplication_id() -> Self {
        Self::invalid(
            "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
        )
    }

    /// A topic that is not there.
    pub(super) fn no_topic() -> Self {
        Self::new(Code::NotFound, "Topic does not exist")
    }

    /// A subscription that is not there.
    pub(super) fn no_subscription() -> Self {
        Self::new(Code::NotFound, "Subscription does not exist")
    }
}

/// SNS's error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// A batch holds the same entry id twice.
    BatchEntryIdsNotDistinct,
    /// A batch is larger in all than the topic takes.
    BatchRequestTooLong,
    /// A batch holds no entry.
    EmptyBatchRequest,
    /// The id of a batch entry is empty, too long or has strange characters.
    InvalidBatchEntryId,
    /// A parameter is missing or cannot have that value.
    InvalidParameter,
    /// A message attribute cannot have that value.
    InvalidParameterValue,
    /// There is no such topic or subscription.
    NotFound,
    /// A batch holds more than ten entries.
    TooManyEntriesInBatchRequest,
}

impl Code {
    /// The code as it stands in an answer.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BatchEntryIdsNotDistinct => "BatchEntryIdsNotDistinct",
            Self::BatchRequestTooLong => "BatchRequestTooLong",
            Self::EmptyBatchRequest => "EmptyBatchRequest",
            Self::InvalidBatchEntryId => "InvalidBatchEntryId",
            Self::InvalidParameter => "InvalidParameter",
            Self::InvalidParameterValue => "ParameterValueInvalid",
            Self::NotFound => "NotFound",
            Self::TooManyEntriesInBatchRequest => "TooManyEntriesInBatchRequest",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
