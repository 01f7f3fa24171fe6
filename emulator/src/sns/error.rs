//! The errors of SNS.

use std::fmt;

use crate::storage::StorageFull;

/// An error as SNS returns it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct SnsApiError {
    /// The error code.
    pub code: SnsErrorCode,
    /// The message.
    pub message: String,
}

impl SnsApiError {
    /// An error with a code and a message.
    pub fn new(code: SnsErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// `InvalidParameter` with the message `Invalid parameter: …`.
    pub fn invalid(reason: impl fmt::Display) -> Self {
        Self::new(SnsErrorCode::InvalidParameter, format!("Invalid parameter: {reason}"))
    }

    /// A message for a FIFO topic without a group.
    pub(crate) fn no_group() -> Self {
        Self::invalid("The MessageGroupId parameter is required for FIFO topics")
    }

    /// A message for a FIFO topic without a deduplication id.
    pub(crate) fn no_deduplication_id() -> Self {
        Self::invalid(
            "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
        )
    }

    /// A missing topic.
    pub(super) fn no_topic() -> Self {
        Self::new(SnsErrorCode::NotFound, "Topic does not exist")
    }

    /// A missing subscription.
    pub(super) fn no_subscription() -> Self {
        Self::new(SnsErrorCode::NotFound, "Subscription does not exist")
    }
}

impl From<StorageFull> for SnsApiError {
    fn from(full: StorageFull) -> Self {
        Self::new(SnsErrorCode::Throttled, full.to_string())
    }
}

/// The error codes of SNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SnsErrorCode {
    /// A batch holds the same entry id twice.
    BatchEntryIdsNotDistinct,
    /// The entries of a batch are together larger than the topic accepts.
    BatchRequestTooLong,
    /// A batch holds no entry.
    EmptyBatchRequest,
    /// The id of a batch entry is empty, too long or has characters that are not allowed.
    InvalidBatchEntryId,
    /// A parameter is missing or cannot have that value.
    InvalidParameter,
    /// A message attribute cannot have that value.
    InvalidParameterValue,
    /// There is no such topic or subscription.
    NotFound,
    /// The emulator holds too many bytes.
    Throttled,
    /// A required member of a structure is missing.
    ValidationError,
    /// A batch holds more than ten entries.
    TooManyEntriesInBatchRequest,
}

impl SnsErrorCode {
    /// The code in responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BatchEntryIdsNotDistinct => "BatchEntryIdsNotDistinct",
            Self::BatchRequestTooLong => "BatchRequestTooLong",
            Self::EmptyBatchRequest => "EmptyBatchRequest",
            Self::InvalidBatchEntryId => "InvalidBatchEntryId",
            Self::InvalidParameter => "InvalidParameter",
            Self::InvalidParameterValue => "ParameterValueInvalid",
            Self::NotFound => "NotFound",
            Self::Throttled => "Throttled",
            Self::ValidationError => "ValidationError",
            Self::TooManyEntriesInBatchRequest => "TooManyEntriesInBatchRequest",
        }
    }
}

impl fmt::Display for SnsErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
