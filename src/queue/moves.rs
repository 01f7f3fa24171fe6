//! The move tasks of SQS, which move all messages of a DLQ to another queue without a client.

use std::num::NonZeroU32;

use futures_util::future::BoxFuture;

use super::QueueError;

/// The move tasks of DLQs, in the account and region of one queue.
///
/// No call retries by itself, and each ends within its own time limit.
pub trait MessageMoves: Send + Sync {
    /// Starts a task, and returns its handle.
    ///
    /// SQS refuses a queue that is no queue's DLQ, and one of which a task runs already.
    fn start<'a>(&'a self, request: &'a MoveRequest) -> BoxFuture<'a, Result<String, QueueError>>;

    /// The latest tasks of the DLQ with this ARN, at most ten, the youngest first.
    fn latest<'a>(&'a self, dlq_arn: &'a str) -> BoxFuture<'a, Result<Vec<MoveReport>, QueueError>>;

    /// Cancels the running task of this handle; returns the number of messages that it has moved.
    fn cancel<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, Result<u64, QueueError>>;
}

/// The parameters of a move task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveRequest {
    /// `SourceArn`: the DLQ.
    pub dlq_arn: String,
    /// `DestinationArn`; absent, each message goes to the queue from which the redrive policy has moved it.
    pub destination_arn: Option<String>,
    /// `MaxNumberOfMessagesPerSecond`, at most [`MOVES_A_SECOND`]; absent, SQS chooses.
    pub per_second: Option<NonZeroU32>,
}

/// The highest rate of a move task, in messages a second.
pub(crate) const MOVES_A_SECOND: u32 = 500;

/// A move task, as SQS reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveReport {
    /// `TaskHandle`, of a running task only.
    pub handle: Option<String>,
    /// `Status`.
    pub state: MoveState,
    /// `DestinationArn`, if it was started with one.
    pub destination_arn: Option<String>,
    /// `ApproximateNumberOfMessagesMoved`.
    pub moved: u64,
    /// `ApproximateNumberOfMessagesToMove`, as counted at the start.
    pub to_move: Option<u64>,
    /// `FailureReason`, of a failed task.
    pub failure: Option<String>,
    /// `StartedTimestamp`, in milliseconds since 1970.
    pub started_millis: u64,
}

/// The state of a move task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoveState {
    /// It moves messages.
    Running,
    /// It is being cancelled.
    Cancelling,
    /// It has moved all messages.
    Completed,
    /// It was cancelled.
    Cancelled,
    /// It has ended at a message that it could not move.
    Failed,
    /// One that this version does not know.
    Other(String),
}

impl MoveState {
    /// The state that SQS spells so.
    pub(crate) fn of(status: &str) -> Self {
        match status {
            "RUNNING" => Self::Running,
            "CANCELLING" => Self::Cancelling,
            "COMPLETED" => Self::Completed,
            "CANCELLED" => Self::Cancelled,
            "FAILED" => Self::Failed,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The state in lowercase words.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Running => "running",
            Self::Cancelling => "cancelling",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Other(other) => other,
        }
    }

    /// True if the task moves nothing any more.
    pub(crate) fn is_end(&self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Failed)
    }
}
