//! The labels of calls to SQS and SNS.

use super::{Label, label};
use crate::{
    queue::{QueueError, RetryClass},
    sns::{TopicError, Verdict as TopicVerdict},
};

label! {
    /// A call to SQS, by what it is made for.
    Action {
        /// `ReceiveMessage`.
        Receive = "receive",
        /// `DeleteMessageBatch`.
        Delete = "delete",
        /// `ChangeMessageVisibilityBatch` that extends leases.
        Extend = "extend",
        /// `ChangeMessageVisibilityBatch` that gives messages back.
        GiveBack = "give_back",
        /// `SendMessageBatch` that copies rejected messages to the DLQ.
        Copy = "copy",
        /// `GetQueueAttributes` that asks how many messages there are, of the queue and of its DLQ.
        Attributes = "attributes",
    }
}

label! {
    /// How a call to SQS or SNS ended.
    CallResult {
        /// It was answered; for a batch, each entry has its own result.
        Ok = "ok",
        /// It failed, and trying again may help.
        Retryable = "retryable",
        /// It was refused, and trying again cannot help.
        Refused = "refused",
        /// It was dropped without an answer.
        Hung = "hung",
    }
}

impl CallResult {
    /// How a call with this answer ended.
    pub fn of<T>(answer: &Result<T, QueueError>) -> Self {
        match answer {
            Ok(_) => Self::Ok,
            Err(error) if error.is_hung() => Self::Hung,
            Err(error) if error.retry_class() == RetryClass::Transient => Self::Retryable,
            Err(_) => Self::Refused,
        }
    }

    /// How a call to SNS with this answer ended; one that was never answered counts as retryable.
    pub fn of_publish<T>(answer: &Result<T, TopicError>) -> Self {
        match answer.as_ref().map_err(TopicError::verdict) {
            Ok(_) => Self::Ok,
            Err(TopicVerdict::Wait | TopicVerdict::Unsent) => Self::Retryable,
            Err(TopicVerdict::GiveUp | TopicVerdict::Refuse) => Self::Refused,
        }
    }

    /// What OpenTelemetry calls the kind of error: empty where there was none.
    pub(in crate::telemetry) fn error_type(self) -> &'static str {
        match self {
            Self::Ok => "",
            Self::Retryable | Self::Refused | Self::Hung => self.as_str(),
        }
    }
}

impl Action {
    /// `messaging.operation.type` of OpenTelemetry; empty for what it has no type for.
    pub(in crate::telemetry) fn operation_type(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Delete | Self::GiveBack => "settle",
            Self::Copy => "send",
            Self::Extend | Self::Attributes => "",
        }
    }
}
