//! What a move of messages is asked for, and what is told of it.

use std::{num::NonZeroU32, time::SystemTime};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

use super::{
    clock::Now,
    fault::{Code, Fault},
    send,
};

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

/// What a task's handle holds, as AWS's does: base64 of JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Handle {
    source_arn: String,
}

impl MoveTask {
    /// A task that has moved nothing yet.
    pub(super) fn new(asked: &StartMove, to_move: u64, now: Now) -> Self {
        let task_id = send::new_id();
        let handle = serde_json::json!({ "taskId": task_id.as_str(), "sourceArn": asked.source_arn });
        Self {
            handle: STANDARD.encode(handle.to_string()),
            status: MoveStatus::Running,
            asked: asked.clone(),
            moved: 0,
            to_move,
            failure: None,
            started_at: now.wall,
        }
    }
}

/// The ARN of the queue whose messages the task of this handle moves.
pub(super) fn source_of(handle: &str) -> Result<String, Fault> {
    let json = STANDARD.decode(handle).unwrap_or_default();
    let read = serde_json::from_slice(&json).map(|handle: Handle| handle.source_arn);
    read.map_err(|_| Fault::new(Code::InvalidParameterValue, "Value for parameter TaskHandle is invalid."))
}
