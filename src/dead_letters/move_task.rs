//! Follows a move task of SQS, from its start to its end.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    queue::{MessageMoves, MoveReport, MoveRequest, MoveState, QueueError, RetryClass},
    stop::Stop,
};

/// The interval of looks at a task.
const LOOKS: Duration = Duration::from_secs(1);
/// The most attempts to cancel a task.
const ATTEMPTS: u32 = 5;
/// The most looks in a row without an answer, or without the task in it.
const BLIND_LOOKS: u32 = 10;

/// A move task that was started here.
#[derive(Debug)]
pub(crate) struct StartedMove {
    handle: String,
    dlq_arn: String,
    /// The start of the task before it, in milliseconds since 1970.
    previous_millis: Option<u64>,
}

impl StartedMove {
    /// Starts a task.
    pub(crate) async fn start(moves: &dyn MessageMoves, request: &MoveRequest) -> Result<Self, QueueError> {
        let before = moves.latest(&request.dlq_arn).await?;
        let previous_millis = before.iter().map(|task| task.started_millis).max();
        let handle = moves.start(request).await?;
        Ok(Self { handle, dlq_arn: request.dlq_arn.clone(), previous_millis })
    }

    /// Looks at the task until its end; cancels it when a stop is requested.
    pub(crate) async fn follow(
        &self,
        moves: &dyn MessageMoves,
        stop: &Stop,
        mut observe: impl FnMut(&MoveReport),
    ) -> Result<MoveReport, QueueError> {
        let (mut blind, mut is_cancelled) = (0, false);
        loop {
            match moves.latest(&self.dlq_arn).await {
                Err(error) if error.retry_class() != RetryClass::Transient || blind >= BLIND_LOOKS => {
                    return Err(error);
                }
                Ok(tasks) => match self.find(tasks) {
                    Some(report) if report.state.is_end() => return Ok(report),
                    Some(report) => {
                        blind = 0;
                        observe(&report);
                    }
                    None if blind >= BLIND_LOOKS => return Err(unlisted()),
                    None => blind += 1,
                },
                Err(_) => blind += 1,
            }
            if is_cancelled {
                sleep(LOOKS).await;
                continue;
            }
            tokio::select! {
                biased;
                () = stop.draining() => {
                    self.cancel(moves).await?;
                    is_cancelled = true;
                }
                () = sleep(LOOKS) => {}
            }
        }
    }

    /// Cancels it; one that has just ended cannot be cancelled, and the next look shows its end.
    async fn cancel(&self, moves: &dyn MessageMoves) -> Result<(), QueueError> {
        let mut attempt = 1;
        loop {
            match moves.cancel(&self.handle).await {
                Ok(_) => return Ok(()),
                Err(error) if error.plain_code() == Some("ResourceNotFoundException") => return Ok(()),
                Err(error) if error.retry_class() != RetryClass::Transient || attempt >= ATTEMPTS => {
                    return Err(error);
                }
                Err(error) => sleep(error.retry_class().pauses().random_delay(attempt)).await,
            }
            attempt += 1;
        }
    }

    /// The task among the latest ones. SQS names the handles of running tasks only, and runs one task of a queue at a time,
    /// so that it is the first one after the one before it.
    fn find(&self, tasks: Vec<MoveReport>) -> Option<MoveReport> {
        let is_later =
            |task: &MoveReport| self.previous_millis.is_none_or(|before| task.started_millis > before);
        tasks.into_iter().filter(is_later).min_by_key(|task| task.started_millis)
    }
}

/// Cancels the running task of a DLQ; `None` if none runs.
pub(crate) async fn cancel_running(
    moves: &dyn MessageMoves,
    dlq_arn: &str,
) -> Result<Option<MoveReport>, QueueError> {
    let running = moves.latest(dlq_arn).await?.into_iter().find(|task| task.state == MoveState::Running);
    let Some(MoveReport { handle: Some(handle), .. }) = &running else { return Ok(None) };
    let total = moves.cancel(handle).await?;
    Ok(running.map(|task| MoveReport { state: MoveState::Cancelled, moved: total, ..task }))
}

fn unlisted() -> QueueError {
    QueueError::new(RetryClass::Transient, "sqs has started the task, and does not list it")
}
