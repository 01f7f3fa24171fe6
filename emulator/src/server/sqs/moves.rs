//! The actions that move messages out of a dead-letter queue.

use std::{num::NonZeroU32, time::UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::required;
use crate::{
    server::{
        action::{ActionContext, SqsAction, SqsResult},
        error::RequestError,
        xml::XmlWriter,
    },
    sqs::{MoveStatus, MoveTask, SqsApiError, StartMoveTask},
};

/// `StartMessageMoveTask`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StartMessageMoveTask {
    source_arn: Option<String>,
    destination_arn: Option<String>,
    max_number_of_messages_per_second: Option<i64>,
}

/// The handle of a started task.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StartMoveResult {
    task_handle: String,
}

impl SqsResult for StartMoveResult {
    fn xml(&self, xml: &mut XmlWriter) {
        xml.text("TaskHandle", &self.task_handle);
    }
}

impl SqsAction for StartMessageMoveTask {
    const NAME: &'static str = "StartMessageMoveTask";
    type Output = StartMoveResult;

    async fn run(self, context: &ActionContext<'_>) -> Result<StartMoveResult, RequestError> {
        let start = StartMoveTask {
            source_arn: required(self.source_arn, "SourceArn")?,
            destination_arn: self.destination_arn,
            rate: self.max_number_of_messages_per_second.map(rate).transpose()?,
        };
        Ok(StartMoveResult { task_handle: context.sqs.start_move(&start)? })
    }
}

fn rate(value: i64) -> Result<NonZeroU32, SqsApiError> {
    let rate = u32::try_from(value).ok().and_then(NonZeroU32::new);
    rate.ok_or_else(|| {
        let reason = "Must be between 1 and 500, if provided.";
        SqsApiError::invalid_parameter("MaxNumberOfMessagesPerSecond", value, reason)
    })
}

/// `CancelMessageMoveTask`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CancelMessageMoveTask {
    task_handle: Option<String>,
}

/// The number of messages that a cancelled task has moved.
#[derive(Debug, Serialize)]
pub(super) struct CancelMoveResult {
    #[serde(rename = "ApproximateNumberOfMessagesMoved")]
    moved: u64,
}

impl SqsResult for CancelMoveResult {
    fn xml(&self, xml: &mut XmlWriter) {
        xml.text("ApproximateNumberOfMessagesMoved", &self.moved.to_string());
    }
}

impl SqsAction for CancelMessageMoveTask {
    const NAME: &'static str = "CancelMessageMoveTask";
    type Output = CancelMoveResult;

    async fn run(self, context: &ActionContext<'_>) -> Result<CancelMoveResult, RequestError> {
        let moved = context.sqs.cancel_move(&required(self.task_handle, "TaskHandle")?)?;
        Ok(CancelMoveResult { moved })
    }
}

/// `ListMessageMoveTasks`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListMessageMoveTasks {
    source_arn: Option<String>,
    max_results: Option<i64>,
}

/// The tasks, the youngest first.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListMovesResult {
    results: Vec<ListMovesEntry>,
}

/// One task.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListMovesEntry {
    #[serde(skip_serializing_if = "Option::is_none")]
    task_handle: Option<String>,
    status: &'static str,
    source_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_arn: Option<String>,
    #[serde(rename = "MaxNumberOfMessagesPerSecond", skip_serializing_if = "Option::is_none")]
    rate: Option<NonZeroU32>,
    #[serde(rename = "ApproximateNumberOfMessagesMoved")]
    moved: u64,
    #[serde(rename = "ApproximateNumberOfMessagesToMove")]
    to_move: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<String>,
    started_timestamp: u128,
}

impl From<MoveTask> for ListMovesEntry {
    fn from(task: MoveTask) -> Self {
        let is_running = task.status == MoveStatus::Running;
        Self {
            task_handle: is_running.then_some(task.handle),
            status: task.status.as_str(),
            source_arn: task.parameters.source_arn,
            destination_arn: task.parameters.destination_arn,
            rate: task.parameters.rate,
            moved: task.moved,
            to_move: task.to_move,
            failure_reason: task.failure,
            started_timestamp: task.started_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis(),
        }
    }
}

impl ListMovesEntry {
    fn xml(&self, xml: &mut XmlWriter) {
        let rate = self.rate.map(|rate| rate.to_string());
        xml.optional("TaskHandle", self.task_handle.as_deref());
        xml.text("Status", self.status);
        xml.text("SourceArn", &self.source_arn);
        xml.optional("DestinationArn", self.destination_arn.as_deref());
        xml.optional("MaxNumberOfMessagesPerSecond", rate.as_deref());
        xml.text("ApproximateNumberOfMessagesMoved", &self.moved.to_string());
        xml.text("ApproximateNumberOfMessagesToMove", &self.to_move.to_string());
        xml.optional("FailureReason", self.failure_reason.as_deref());
        xml.text("StartedTimestamp", &self.started_timestamp.to_string());
    }
}

impl SqsResult for ListMovesResult {
    fn xml(&self, xml: &mut XmlWriter) {
        for result in &self.results {
            xml.element("ListMessageMoveTasksResultEntry", |xml| result.xml(xml));
        }
    }
}

impl SqsAction for ListMessageMoveTasks {
    const NAME: &'static str = "ListMessageMoveTasks";
    type Output = ListMovesResult;

    async fn run(self, context: &ActionContext<'_>) -> Result<ListMovesResult, RequestError> {
        let source_arn = required(self.source_arn, "SourceArn")?;
        let max = self.max_results.unwrap_or(1);
        let max = usize::try_from(max).map_err(|_| {
            SqsApiError::invalid_parameter("MaxResults", max, "Must be between 1 and 10, if provided.")
        })?;
        let tasks = context.sqs.move_tasks(&source_arn, max)?;
        Ok(ListMovesResult { results: tasks.into_iter().map(ListMovesEntry::from).collect() })
    }
}
