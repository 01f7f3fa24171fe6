//! Events of calls to SQS, which are counted where they are made.

use std::{fmt, time::Duration};

use super::events;
use crate::{
    message::MessageId,
    queue::{EntryError, QueueError, RetryClass},
    telemetry::Action,
};

events! {
    CALLS = "Calls to SQS";

    /// A call failed as a whole, and trying again cannot help until someone acts.
    error CallRefused<'a>: "sqs refuses, and someone must act" {
        /// The queue's configured name.
        queue: &'a str,
        /// What the call was for.
        action: Action as %,
        /// What went wrong.
        error: &'a QueueError as %,
        /// How many calls in a row have failed.
        attempt: u32,
        /// When it is tried again.
        retry_in: Duration as ?,
    }

    /// A call failed as a whole, and is tried again.
    warn CallBroken<'a>: "call to sqs failed" {
        /// The queue's configured name.
        queue: &'a str,
        /// What the call was for.
        action: Action as %,
        /// What went wrong.
        error: &'a QueueError as %,
        /// How many calls in a row have failed.
        attempt: u32,
        /// When it is tried again.
        retry_in: Duration as ?,
    }

    /// One entry of a batch failed, and is tried again.
    warn EntryFailed<'a>: "entry of a batch failed" {
        /// The queue's configured name.
        queue: &'a str,
        /// Which message.
        message_id: &'a MessageId as %,
        /// What the call was for.
        action: Action as %,
        /// What went wrong.
        error: &'a EntryError as %,
    }

    /// SQS did not say how many messages there are, for the first time in a row: the metrics of it disappear.
    warn DepthUnknown<'a>: "sqs does not tell how many messages there are, hint: grant sqs:GetQueueAttributes, or set depth.interval to off" {
        /// The queue's configured name.
        queue: &'a str,
        /// Whether the queue itself or its DLQ.
        of: DepthOf as %,
        /// What went wrong.
        error: &'a QueueError as %,
    }

    /// SQS says again how many messages there are.
    info DepthKnown<'a>: "sqs tells again how many messages there are" {
        /// The queue's configured name.
        queue: &'a str,
        /// Whether the queue itself or its DLQ.
        of: DepthOf as %,
    }
}

/// Which queue's messages are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DepthOf {
    /// The queue's own.
    Queue,
    /// Those of its DLQ.
    Dlq,
}

impl fmt::Display for DepthOf {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Queue => "queue",
            Self::Dlq => "dlq",
        })
    }
}

/// A call failed as a whole: one of two events.
#[derive(Debug)]
pub struct CallFailed<'a> {
    /// The queue's configured name.
    pub queue: &'a str,
    /// What the call was for.
    pub action: Action,
    /// What went wrong.
    pub error: &'a QueueError,
    /// How many calls in a row have failed.
    pub attempt: u32,
    /// When it is tried again.
    pub retry_in: Duration,
}

impl CallFailed<'_> {
    /// Logs the event.
    pub fn emit(&self) {
        let Self { queue, action, error, attempt, retry_in } = *self;
        match error.retry_class() {
            RetryClass::Refused => CallRefused { queue, action, error, attempt, retry_in }.emit(),
            RetryClass::Transient | RetryClass::LeaseLost => {
                CallBroken { queue, action, error, attempt, retry_in }.emit();
            }
        }
    }
}
