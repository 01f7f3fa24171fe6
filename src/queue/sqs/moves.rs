//! The move tasks of SQS through the AWS SDK.

use aws_sdk_sqs::types::ListMessageMoveTasksResultEntry;
use futures_util::future::{BoxFuture, FutureExt as _};

use super::SqsQueue;
use crate::queue::{
    QueueError,
    moves::{MessageMoves, MoveReport, MoveRequest, MoveState},
};

/// The most tasks of a list.
const LISTED: i32 = 10;

impl MessageMoves for SqsQueue {
    fn start<'a>(&'a self, request: &'a MoveRequest) -> BoxFuture<'a, Result<String, QueueError>> {
        let per_second = request.per_second.map(|rate| i32::try_from(rate.get()).unwrap_or(i32::MAX));
        let call = self.client.sdk().start_message_move_task().source_arn(&request.dlq_arn);
        let call = call.set_destination_arn(request.destination_arn.clone());
        let call = call.set_max_number_of_messages_per_second(per_second);
        async move {
            let answer = self.client.answered(call.send()).await?;
            Ok(answer.task_handle.unwrap_or_default())
        }
        .boxed()
    }

    fn latest<'a>(&'a self, dlq_arn: &'a str) -> BoxFuture<'a, Result<Vec<MoveReport>, QueueError>> {
        let call = self.client.sdk().list_message_move_tasks().source_arn(dlq_arn).max_results(LISTED);
        async move {
            let answer = self.client.answered(call.send()).await?;
            Ok(answer.results.unwrap_or_default().into_iter().map(report).collect())
        }
        .boxed()
    }

    fn cancel<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, Result<u64, QueueError>> {
        let call = self.client.sdk().cancel_message_move_task().task_handle(handle);
        async move {
            let answer = self.client.answered(call.send()).await?;
            Ok(count(answer.approximate_number_of_messages_moved))
        }
        .boxed()
    }
}

fn report(entry: ListMessageMoveTasksResultEntry) -> MoveReport {
    MoveReport {
        handle: entry.task_handle,
        state: MoveState::of(entry.status.as_deref().unwrap_or_default()),
        destination_arn: entry.destination_arn,
        moved: count(entry.approximate_number_of_messages_moved),
        to_move: entry.approximate_number_of_messages_to_move.map(count),
        failure: entry.failure_reason,
        started_millis: count(entry.started_timestamp),
    }
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
