//! What SQS answers when it refuses a request.

use std::fmt;

/// A refusal in SQS's own code and words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Fault {
    /// SQS's error code.
    pub code: Code,
    /// SQS's words.
    pub message: String,
}

impl Fault {
    /// A refusal of this code in these words.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// `InvalidParameterValue` in the words `Value … for parameter … is invalid. Reason: …`.
    pub fn invalid_parameter(parameter: &str, value: impl fmt::Display, reason: &str) -> Self {
        let message = format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}");
        Self::new(Code::InvalidParameterValue, message)
    }

    /// `MissingParameter` in SQS's words.
    pub fn missing_parameter(parameter: &str) -> Self {
        Self::new(Code::MissingParameter, format!("The request must contain the parameter {parameter}."))
    }
}

/// SQS's error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// A batch holds the same entry id twice.
    BatchEntryIdsNotDistinct,
    /// A batch is larger than 1 MiB in all.
    BatchRequestTooLong,
    /// A batch holds no entry.
    EmptyBatchRequest,
    /// The account itself failed.
    InternalError,
    /// There is no attribute of that name.
    InvalidAttributeName,
    /// An attribute cannot have that value.
    InvalidAttributeValue,
    /// The id of a batch entry is empty, too long or has strange characters.
    InvalidBatchEntryId,
    /// A body holds characters that SQS does not take.
    InvalidMessageContents,
    /// A parameter cannot have that value.
    InvalidParameterValue,
    /// A required parameter is missing.
    MissingParameter,
    /// Too many messages are in flight.
    OverLimit,
    /// The queue was purged less than a minute ago.
    PurgeQueueInProgress,
    /// There is no such queue.
    QueueDoesNotExist,
    /// A queue of that name exists with other attributes.
    QueueAlreadyExists,
    /// The receipt handle was never one of this queue.
    ReceiptHandleIsInvalid,
    /// There is no such resource, or no such task.
    ResourceNotFound,
    /// A batch holds more than ten entries.
    TooManyEntriesInBatchRequest,
    /// The queue is of a kind that cannot do this.
    UnsupportedOperation,
}

impl Code {
    /// The shape's name in the JSON protocol (`com.amazonaws.sqs#` goes before it).
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
            Self::QueueDoesNotExist => "QueueDoesNotExist",
            Self::QueueAlreadyExists => "QueueNameExists",
            Self::ReceiptHandleIsInvalid => "ReceiptHandleIsInvalid",
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::TooManyEntriesInBatchRequest => "TooManyEntriesInBatchRequest",
            Self::UnsupportedOperation => "UnsupportedOperation",
        }
    }

    /// The code of the query protocol, which `x-amzn-query-error` and the entries of batches carry too.
    pub const fn query(self) -> &'static str {
        match self {
            Self::BatchEntryIdsNotDistinct => "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
            Self::BatchRequestTooLong => "AWS.SimpleQueueService.BatchRequestTooLong",
            Self::EmptyBatchRequest => "AWS.SimpleQueueService.EmptyBatchRequest",
            Self::InvalidBatchEntryId => "AWS.SimpleQueueService.InvalidBatchEntryId",
            Self::InvalidParameterValue => "InvalidParameterValue",
            Self::MissingParameter => "MissingParameter",
            Self::PurgeQueueInProgress => "AWS.SimpleQueueService.PurgeQueueInProgress",
            Self::QueueDoesNotExist => "AWS.SimpleQueueService.NonExistentQueue",
            Self::QueueAlreadyExists => "QueueAlreadyExists",
            Self::TooManyEntriesInBatchRequest => "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            Self::UnsupportedOperation => "AWS.SimpleQueueService.UnsupportedOperation",
            other => other.shape(),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.query())
    }
}
