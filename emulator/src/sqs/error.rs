//! The errors of SQS and their codes in both protocols.

use std::fmt;

use crate::storage::StorageFull;

/// An error as SQS returns it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct SqsApiError {
    /// The error code.
    pub code: SqsErrorCode,
    /// The message.
    pub message: String,
}

impl SqsApiError {
    /// An error with a code and a message.
    pub fn new(code: SqsErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// `InvalidParameterValue` with the message `Value … for parameter … is invalid. Reason: …`.
    pub fn invalid_parameter(parameter: &str, value: impl fmt::Display, reason: &str) -> Self {
        let message = format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}");
        Self::new(SqsErrorCode::InvalidParameterValue, message)
    }

    /// `MissingParameter` with the message of SQS.
    pub fn missing_parameter(parameter: &str) -> Self {
        Self::new(
            SqsErrorCode::MissingParameter,
            format!("The request must contain the parameter {parameter}."),
        )
    }
}

impl From<StorageFull> for SqsApiError {
    fn from(full: StorageFull) -> Self {
        Self::new(SqsErrorCode::OverLimit, full.to_string())
    }
}

/// The error codes of SQS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SqsErrorCode {
    /// A batch holds the same entry id twice.
    BatchEntryIdsNotDistinct,
    /// The entries of a batch are together larger than 1 MiB.
    BatchRequestTooLong,
    /// A batch holds no entry.
    EmptyBatchRequest,
    /// The emulator failed.
    InternalError,
    /// There is no attribute of that name.
    InvalidAttributeName,
    /// An attribute cannot have that value.
    InvalidAttributeValue,
    /// The id of a batch entry is empty, too long or has characters that are not allowed.
    InvalidBatchEntryId,
    /// A body has characters that SQS does not accept.
    InvalidMessageContents,
    /// A parameter cannot have that value.
    InvalidParameterValue,
    /// A required parameter is missing.
    MissingParameter,
    /// Too many messages are in flight, or the emulator holds too many bytes.
    OverLimit,
    /// The queue was purged less than a minute ago.
    PurgeQueueInProgress,
    /// A queue of that name was deleted a short time ago.
    QueueDeletedRecently,
    /// There is no such queue.
    QueueDoesNotExist,
    /// A queue of that name exists with other attributes.
    QueueAlreadyExists,
    /// The receipt handle is none of this queue.
    ReceiptHandleIsInvalid,
    /// There is no such queue, or no such move task.
    ResourceNotFound,
    /// A batch holds more than ten entries.
    TooManyEntriesInBatchRequest,
    /// The request is not supported.
    UnsupportedOperation,
}

impl SqsErrorCode {
    /// The name of the shape in the JSON protocol, without the prefix `com.amazonaws.sqs#`.
    pub const fn shape(self) -> &'static str {
        match self {
            Self::BatchEntryIdsNotDistinct => "BatchEntryIdsNotDistinct",
            Self::BatchRequestTooLong => "BatchRequestTooLong",
            Self::EmptyBatchRequest => "EmptyBatchRequest",
            Self::InternalError => "InternalFailure",
            Self::InvalidAttributeName => "InvalidAttributeName",
            Self::InvalidAttributeValue => "InvalidAttributeValue",
            Self::InvalidBatchEntryId => "InvalidBatchEntryId",
            Self::InvalidMessageContents => "InvalidMessageContents",
            Self::InvalidParameterValue => "InvalidParameterValueException",
            Self::MissingParameter => "MissingRequiredParameterException",
            Self::OverLimit => "OverLimit",
            Self::PurgeQueueInProgress => "PurgeQueueInProgress",
            Self::QueueDeletedRecently => "QueueDeletedRecently",
            Self::QueueDoesNotExist => "QueueDoesNotExist",
            Self::QueueAlreadyExists => "QueueNameExists",
            Self::ReceiptHandleIsInvalid => "ReceiptHandleIsInvalid",
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::TooManyEntriesInBatchRequest => "TooManyEntriesInBatchRequest",
            Self::UnsupportedOperation => "UnsupportedOperation",
        }
    }

    /// The code of the query protocol, also in `x-amzn-query-error` and in the failed entries of batches.
    pub const fn query(self) -> &'static str {
        match self {
            Self::BatchEntryIdsNotDistinct => "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
            Self::BatchRequestTooLong => "AWS.SimpleQueueService.BatchRequestTooLong",
            Self::EmptyBatchRequest => "AWS.SimpleQueueService.EmptyBatchRequest",
            Self::InvalidBatchEntryId => "AWS.SimpleQueueService.InvalidBatchEntryId",
            Self::InvalidParameterValue => "InvalidParameterValue",
            Self::MissingParameter => "MissingParameter",
            Self::PurgeQueueInProgress => "AWS.SimpleQueueService.PurgeQueueInProgress",
            Self::QueueDeletedRecently => "AWS.SimpleQueueService.QueueDeletedRecently",
            Self::QueueDoesNotExist => "AWS.SimpleQueueService.NonExistentQueue",
            Self::QueueAlreadyExists => "QueueAlreadyExists",
            Self::TooManyEntriesInBatchRequest => "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            Self::UnsupportedOperation => "AWS.SimpleQueueService.UnsupportedOperation",
            other => other.shape(),
        }
    }
}

impl fmt::Display for SqsErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.query())
    }
}
