//! Message move tasks, which return the messages of a dead-letter queue to their sources as time passes.

use std::{
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use tokio::time::Instant;

use super::{
    MessageContent, SqsApiError, SqsErrorCode,
    message::StoredMessage,
    send,
    store::{Now, SqsStore},
};

/// The highest rate of a move, in messages a second.
const MAX_RATE: u32 = 500;
/// The most tasks of a source that a list shows.
const MOST_LISTED: usize = 10;

/// The parameters of `StartMessageMoveTask`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartMoveTask {
    /// `SourceArn`: a dead-letter queue.
    pub source_arn: String,
    /// `DestinationArn`; absent, each message returns to the queue it came from.
    pub destination_arn: Option<String>,
    /// `MaxNumberOfMessagesPerSecond`, 1 to 500; absent, all at once.
    pub rate: Option<NonZeroU32>,
}

/// A move task as `ListMessageMoveTasks` returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveTask {
    /// `TaskHandle`; SQS returns it for running tasks only.
    pub handle: String,
    /// `Status`.
    pub status: MoveStatus,
    /// The parameters of its start.
    pub parameters: StartMoveTask,
    /// `ApproximateNumberOfMessagesMoved`.
    pub moved: u64,
    /// `ApproximateNumberOfMessagesToMove`, counted at the start.
    pub to_move: u64,
    /// `FailureReason`, of failed tasks.
    pub failure: Option<String>,
    /// `StartedTimestamp`.
    pub started_at: SystemTime,
}

/// The status of a move task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveStatus {
    /// It moves messages.
    Running,
    /// It has moved all messages.
    Completed,
    /// It was cancelled.
    Cancelled,
    /// It found a message that it could not move.
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

/// The content of a task handle: JSON in base64, as AWS has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaskHandleJson {
    source_arn: String,
}

/// The move tasks of the account, the oldest first.
#[derive(Debug, Default)]
pub(super) struct MoveTasks(Vec<MoveProgress>);

/// A task and the time of its next move.
#[derive(Debug)]
struct MoveProgress {
    task: MoveTask,
    next: Instant,
}

/// The result of moving one message.
enum MoveResult {
    Moved,
    NothingLeft,
    Failed(&'static str),
}

impl MoveTasks {
    /// The time of the next move.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.0.iter().filter(|progress| progress.is_running()).map(|progress| progress.next).min()
    }
}

impl MoveProgress {
    fn new(start: &StartMoveTask, to_move: u64, now: Now) -> Self {
        let task_id = send::new_id();
        let handle = serde_json::json!({ "taskId": &*task_id, "sourceArn": start.source_arn });
        let task = MoveTask {
            handle: STANDARD.encode(handle.to_string()),
            status: MoveStatus::Running,
            parameters: start.clone(),
            moved: 0,
            to_move,
            failure: None,
            started_at: now.wall,
        };
        Self { task, next: now.at }
    }

    fn is_running(&self) -> bool {
        self.task.status == MoveStatus::Running
    }

    fn record(&mut self, result: &MoveResult) {
        match result {
            MoveResult::Moved => {
                self.task.moved += 1;
                let rate = self.task.parameters.rate;
                self.next += rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.get());
            }
            MoveResult::NothingLeft => self.task.status = MoveStatus::Completed,
            MoveResult::Failed(reason) => {
                self.task.status = MoveStatus::Failed;
                self.task.failure = Some((*reason).to_owned());
            }
        }
    }
}

/// Starts to move the messages of a dead-letter queue, all at once if there is no rate; returns the task's handle.
pub(super) fn start(store: &mut SqsStore, start: &StartMoveTask, now: Now) -> Result<String, SqsApiError> {
    let source = store.name_of(&start.source_arn).ok_or_else(|| no_such_resource("SourceArn"))?;
    if store.sources_of(&start.source_arn).next().is_none() {
        return Err(invalid("Source queue must be configured as a Dead Letter Queue."));
    }
    if let Some(arn) = &start.destination_arn
        && store.name_of(arn).is_none()
    {
        return Err(no_such_resource("DestinationArn"));
    }
    if let Some(rate) = start.rate.filter(|rate| rate.get() > MAX_RATE) {
        let reason = "Must be between 1 and 500, if provided.";
        return Err(SqsApiError::invalid_parameter("MaxNumberOfMessagesPerSecond", rate, reason));
    }
    let to_move = store.open(&source, now)?.messages.counts().visible as u64;
    let is_same = |progress: &MoveProgress| progress.task.parameters.source_arn == start.source_arn;
    if store.moves.0.iter().any(|progress| progress.is_running() && is_same(progress)) {
        return Err(invalid(
            "There is already a task running. Only one active task is allowed for a source queue arn at a \
             given time.",
        ));
    }
    forget_old(store, &start.source_arn);
    let progress = MoveProgress::new(start, to_move, now);
    let handle = progress.task.handle.clone();
    store.moves.0.push(progress);
    advance(store, now); // Waiting receives of all queues must set their timers by the next moves.
    store.queues.values().for_each(|queue| queue.waiting.wake_first());
    Ok(handle)
}

/// Forgets ended tasks that no list shows any more: of deleted queues, and the oldest of this source.
fn forget_old(store: &mut SqsStore, source_arn: &str) {
    let mut tasks = std::mem::take(&mut store.moves.0);
    let source_exists = |task: &MoveTask| store.name_of(&task.parameters.source_arn).is_some();
    tasks.retain(|progress| progress.is_running() || source_exists(&progress.task));
    let of_source = |progress: &MoveProgress| progress.task.parameters.source_arn == source_arn;
    if tasks.iter().filter(|progress| of_source(progress)).count() >= MOST_LISTED
        && let Some(oldest) = tasks.iter().position(of_source)
    {
        tasks.remove(oldest);
    }
    store.moves.0 = tasks;
}

/// The latest tasks of a source queue, the youngest first.
pub(super) fn list(
    store: &mut SqsStore,
    source_arn: &str,
    max: usize,
    now: Now,
) -> Result<Vec<MoveTask>, SqsApiError> {
    if store.name_of(source_arn).is_none() {
        return Err(no_such_resource("SourceArn"));
    }
    if !(1..=MOST_LISTED).contains(&max) {
        let reason = "Must be between 1 and 10, if provided.";
        return Err(SqsApiError::invalid_parameter("MaxResults", max, reason));
    }
    advance(store, now);
    let tasks = store.moves.0.iter().rev().map(|progress| &progress.task);
    Ok(tasks.filter(|task| task.parameters.source_arn == source_arn).take(max).cloned().collect())
}

/// Cancels a task; returns the number of messages it has moved.
pub(super) fn cancel(store: &mut SqsStore, handle: &str, now: Now) -> Result<u64, SqsApiError> {
    let source_arn = source_of(handle)?;
    if store.name_of(&source_arn).is_none() {
        return Err(no_such_resource("SourceArn"));
    }
    advance(store, now);
    let mut tasks = store.moves.0.iter_mut();
    let progress = tasks
        .find(|progress| progress.task.handle == handle && progress.is_running())
        .ok_or_else(|| SqsApiError::new(SqsErrorCode::ResourceNotFound, "Task does not exist."))?;
    progress.task.status = MoveStatus::Cancelled;
    Ok(progress.task.moved)
}

/// Moves the messages that are due by now.
pub(super) fn advance(store: &mut SqsStore, now: Now) {
    if store.moves.next_due().is_none_or(|due| due > now.at) {
        return;
    }
    let mut tasks = std::mem::take(&mut store.moves.0);
    for progress in &mut tasks {
        while progress.is_running() && progress.next <= now.at {
            let result = move_one(store, &progress.task, now);
            progress.record(&result);
        }
    }
    store.moves.0 = tasks;
}

/// Moves the oldest visible message; at its destination it is new, with an id of its own.
fn move_one(store: &mut SqsStore, task: &MoveTask, now: Now) -> MoveResult {
    let Some(source_name) = store.name_of(&task.parameters.source_arn) else {
        return MoveResult::Failed("AWS.SimpleQueueService.NonExistentQueue");
    };
    let Some(source) = store.queues.get_mut(&source_name) else { return MoveResult::NothingLeft };
    source.advance(now);
    let next = source.messages.next(None).filter(|_| task.moved < task.to_move);
    let Some((key, message)) = next.and_then(|key| Some((key, source.messages.get(key)?.0))) else {
        return MoveResult::NothingLeft;
    };
    let origin = message.source_arn.clone();
    let destination = task.parameters.destination_arn.clone();
    let Some(target_arn) = destination.or(origin.map(|arn| arn.as_ref().to_owned())) else {
        return MoveResult::Failed("CouldNotDetermineMessageSource");
    };
    let Some(target_name) = store.name_of(&target_arn) else {
        return MoveResult::Failed("AWS.SimpleQueueService.NonExistentQueue");
    };
    let Some(moved) = store.queues.get_mut(&source_name).and_then(|source| source.messages.remove(key))
    else {
        return MoveResult::NothingLeft;
    };
    send_again(store, moved, &target_name, now);
    MoveResult::Moved
}

fn send_again(store: &mut SqsStore, moved: StoredMessage, target: &str, now: Now) {
    let (key, content) = (store.next_serial(), moved.content);
    let Some(queue) = store.queues.get_mut(target) else { return };
    let sequence_number = content.sequence_number.as_ref().map(|_| send::sequence_number(key));
    let content =
        MessageContent { id: send::new_id(), sent_at: now.wall, sequence_number, ..(*content).clone() };
    queue.advance(now);
    let message = StoredMessage::new(Arc::new(content), now.at, moved.stored);
    queue.insert(key, message, Duration::ZERO, now);
    queue.wake_receives();
}

/// The ARN of the source queue in a task handle.
fn source_of(handle: &str) -> Result<String, SqsApiError> {
    let json = STANDARD.decode(handle).unwrap_or_default();
    let parsed = serde_json::from_slice(&json).map(|handle: TaskHandleJson| handle.source_arn);
    parsed.map_err(|_| invalid("Value for parameter TaskHandle is invalid."))
}

fn invalid(message: &str) -> SqsApiError {
    SqsApiError::new(SqsErrorCode::InvalidParameterValue, message)
}

fn no_such_resource(parameter: &str) -> SqsApiError {
    let message = format!("The resource that you specified for the {parameter} parameter doesn't exist.");
    SqsApiError::new(SqsErrorCode::ResourceNotFound, message)
}
