//! The actions that move messages out of a dead-letter queue.

use std::{num::NonZeroU32, time::UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::required;
use crate::{
    dev::sqs_server::{
        call::{Action, Answer, Call},
        refusal::Refusal,
        xml::Xml,
    },
    queue::memory::{Fault, MoveStatus, MoveTask, StartMove},
};

/// `StartMessageMoveTask`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StartMessageMoveTask {
    source_arn: Option<String>,
    destination_arn: Option<String>,
    max_number_of_messages_per_second: Option<i64>,
}

/// The handle of a move that was started.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Started {
    task_handle: String,
}

impl Answer for Started {
    fn xml(&self, xml: &mut Xml) {
        xml.text("TaskHandle", &self.task_handle);
    }
}

impl Action for StartMessageMoveTask {
    const NAME: &'static str = "StartMessageMoveTask";
    type Answer = Started;

    async fn run(self, call: &Call<'_>) -> Result<Started, Refusal> {
        let start = StartMove {
            source_arn: required(self.source_arn, "SourceArn")?,
            destination_arn: self.destination_arn,
            rate: self.max_number_of_messages_per_second.map(rate).transpose()?,
        };
        Ok(Started { task_handle: call.account.start_move(&start)? })
    }
}

fn rate(value: i64) -> Result<NonZeroU32, Fault> {
    let rate = u32::try_from(value).ok().and_then(NonZeroU32::new);
    rate.ok_or_else(|| {
        let reason = "Must be between 1 and 500, if provided.";
        Fault::invalid_parameter("MaxNumberOfMessagesPerSecond", value, reason)
    })
}

/// `CancelMessageMoveTask`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CancelMessageMoveTask {
    task_handle: Option<String>,
}

/// How many messages a move had moved when it was cancelled.
#[derive(Debug, Serialize)]
pub(super) struct Cancelled {
    #[serde(rename = "ApproximateNumberOfMessagesMoved")]
    moved: u64,
}

impl Answer for Cancelled {
    fn xml(&self, xml: &mut Xml) {
        xml.text("ApproximateNumberOfMessagesMoved", &self.moved.to_string());
    }
}

impl Action for CancelMessageMoveTask {
    const NAME: &'static str = "CancelMessageMoveTask";
    type Answer = Cancelled;

    async fn run(self, call: &Call<'_>) -> Result<Cancelled, Refusal> {
        let moved = call.account.cancel_move(&required(self.task_handle, "TaskHandle")?)?;
        Ok(Cancelled { moved })
    }
}

/// `ListMessageMoveTasks`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListMessageMoveTasks {
    source_arn: Option<String>,
    max_results: Option<i64>,
}

/// Some moves, the youngest first.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Moves {
    results: Vec<Listed>,
}

/// A move as it is listed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
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

impl From<MoveTask> for Listed {
    fn from(task: MoveTask) -> Self {
        let is_running = task.status == MoveStatus::Running;
        Self {
            task_handle: is_running.then_some(task.handle),
            status: task.status.as_str(),
            source_arn: task.asked.source_arn,
            destination_arn: task.asked.destination_arn,
            rate: task.asked.rate,
            moved: task.moved,
            to_move: task.to_move,
            failure_reason: task.failure,
            started_timestamp: task.started_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis(),
        }
    }
}

impl Listed {
    fn xml(&self, xml: &mut Xml) {
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

impl Answer for Moves {
    fn xml(&self, xml: &mut Xml) {
        for result in &self.results {
            xml.element("ListMessageMoveTasksResultEntry", |xml| result.xml(xml));
        }
    }
}

impl Action for ListMessageMoveTasks {
    const NAME: &'static str = "ListMessageMoveTasks";
    type Answer = Moves;

    async fn run(self, call: &Call<'_>) -> Result<Moves, Refusal> {
        let source_arn = required(self.source_arn, "SourceArn")?;
        let max = self.max_results.unwrap_or(1);
        let max = usize::try_from(max).map_err(|_| {
            Fault::invalid_parameter("MaxResults", max, "Must be between 1 and 10, if provided.")
        })?;
        let tasks = call.account.move_tasks(&source_arn, max)?;
        Ok(Moves { results: tasks.into_iter().map(Listed::from).collect() })
    }
}
