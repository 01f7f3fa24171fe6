//! Moving the messages of a dead-letter queue, at a rate.

use std::{num::NonZeroU32, time::SystemTime};

/// A move of messages as a client asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartMove {
    /// `SourceArn`: a dead-letter queue.
    pub source_arn: String,
    /// `DestinationArn`; absent, each message goes back to the queue it came from.
    pub destination_arn: Option<String>,
    /// `MaxNumberOfMessagesPerSecond`, 1 to 500; absent, all at once.
    pub rate: Option<NonZeroU32>,
}

/// A move task as `ListMessageMoveTasks` tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveTask {
    /// `TaskHandle`; SQS shows it of running tasks only.
    pub handle: String,
    /// `Status`.
    pub status: MoveStatus,
    /// What was asked for.
    pub asked: StartMove,
    /// `ApproximateNumberOfMessagesMoved`.
    pub moved: u64,
    /// `ApproximateNumberOfMessagesToMove`, counted at the start.
    pub to_move: u64,
    /// `FailureReason`, of failed tasks.
    pub failure: Option<String>,
    /// `StartedTimestamp`.
    pub started_at: SystemTime,
}

/// How far a move task has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveStatus {
    /// It moves messages.
    Running,
    /// It moved all there were.
    Completed,
    /// It was cancelled.
    Cancelled,
    /// It met a message that it could not move.
    Failed,
}

impl MoveStatus {
    /// SQS's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
        }
    }
}
