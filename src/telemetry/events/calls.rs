//! Events of calls to SQS; the caller counts them.

use std::{fmt, time::Duration};

use super::events;
use crate::{
    message::MessageId,
    queue::{EntryError, QueueError, RetryClass},
    telemetry::Action,
};

events! {
    CALLS = "Calls to SQS";

    /// A call failed as a whole, and retries cannot succeed until someone acts.
    error CallRefused<'a>: "sqs refuses, and someone must act" {
        /// The queue's configured name.
        queue: &'a str,
        /// The purpose of the call.
        action: Action as %,
        /// The error.
        error: &'a QueueError as %,
        /// The fix, where it is known.
        hint: Option<&'a str>,
        /// The number of calls in a row that failed.
        attempt: u32,
        /// The delay before the next attempt.
        retry_in_seconds: f64,
    }

    /// A call failed as a whole, and is retried.
    warn CallBroken<'a>: "call to sqs failed" {
        /// The queue's configured name.
        queue: &'a str,
        /// The purpose of the call.
        action: Action as %,
        /// The error.
        error: &'a QueueError as %,
        /// The fix, where it is known.
        hint: Option<&'a str>,
        /// The number of calls in a row that failed.
        attempt: u32,
        /// The delay before the next attempt.
        retry_in_seconds: f64,
    }

    /// One entry of a batch failed, and is retried.
    warn EntryFailed<'a>: "entry of a batch failed" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// The purpose of the call.
        action: Action as %,
        /// The error.
        error: &'a EntryError as %,
    }

    /// SQS did not report the number of messages, for the first time in a row: its metrics disappear.
    warn DepthUnknown<'a>: "sqs does not report the number of messages, hint: grant sqs:GetQueueAttributes, or set depth.interval to off" {
        /// The queue's configured name.
        queue: &'a str,
        /// The queue itself or its DLQ.
        of: DepthOf as %,
        /// The error.
        error: &'a QueueError as %,
    }

    /// SQS reports the number of messages again.
    info DepthKnown<'a>: "sqs reports the number of messages again" {
        /// The queue's configured name.
        queue: &'a str,
        /// The queue itself or its DLQ.
        of: DepthOf as %,
    }
}

/// The queue whose messages are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DepthOf {
    /// The queue itself.
    Queue,
    /// Its DLQ.
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

/// A call failed as a whole; logs one of two events.
#[derive(Debug)]
pub(crate) struct CallFailed<'a> {
    /// The queue's configured name.
    pub queue: &'a str,
    /// The purpose of the call.
    pub action: Action,
    /// The error.
    pub error: &'a QueueError,
    /// The number of calls in a row that failed.
    pub attempt: u32,
    /// The delay before the next attempt.
    pub retry_in: Duration,
}

impl CallFailed<'_> {
    /// Logs the event.
    pub(crate) fn emit(&self) {
        let Self { queue, action, error, attempt, retry_in } = *self;
        let (hint, retry_in_seconds) = (error.hint(), retry_in.as_secs_f64());
        match error.retry_class() {
            RetryClass::Refused => {
                CallRefused { queue, action, error, hint, attempt, retry_in_seconds }.emit();
            }
            RetryClass::Transient | RetryClass::LeaseLost => {
                CallBroken { queue, action, error, hint, attempt, retry_in_seconds }.emit();
            }
        }
    }
}
