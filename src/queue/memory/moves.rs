//! The move tasks of the account, which advance with the time.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use tokio::time::Instant;

use super::{
    clock::Now,
    content::Content,
    fault::{Code, Fault},
    move_task::{MoveStatus, MoveTask, StartMove},
    send,
    store::Store,
};

/// The most messages a second that a move may be limited to.
const MAX_RATE: u32 = 500;

/// The move tasks of the account, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Moves {
    tasks: Vec<Running>,
}

/// A task and when it moves its next message.
#[derive(Debug)]
struct Running {
    task: MoveTask,
    next: Instant,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Handle {
    task_id: String,
    source_arn: String,
}

impl Moves {
    /// When the next message is moved.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.tasks.iter().filter(|running| running.is_running()).map(|running| running.next).min()
    }
}

impl Running {
    fn is_running(&self) -> bool {
        self.task.status == MoveStatus::Running
    }
}

/// What became of one step of a move.
enum Step {
    Moved,
    Finished,
    Failed(&'static str),
}

impl Store {
    /// Starts moving the messages of a dead-letter queue; without a rate they are all moved at once.
    pub(super) fn start_move(&mut self, start: &StartMove, now: Now) -> Result<String, Fault> {
        let source = self.name_of(&start.source_arn).ok_or_else(|| no_such_resource("SourceArn"))?;
        if self.sources_of(&start.source_arn).next().is_none() {
            return Err(invalid("Source queue must be configured as a Dead Letter Queue."));
        }
        if let Some(arn) = &start.destination_arn
            && self.name_of(arn).is_none()
        {
            return Err(no_such_resource("DestinationArn"));
        }
        if let Some(rate) = start.rate.filter(|rate| rate.get() > MAX_RATE) {
            let reason = "Must be between 1 and 500, if provided.";
            return Err(Fault::invalid_parameter("MaxNumberOfMessagesPerSecond", rate, reason));
        }
        let to_move = self.open(&source, now)?.shelf.counts().visible as u64;
        let is_same = |running: &Running| running.task.asked.source_arn == start.source_arn;
        if self.moves.tasks.iter().any(|running| running.is_running() && is_same(running)) {
            return Err(invalid(
                "There is already a task running. Only one active task is allowed for a source queue arn at a \
                 given time.",
            ));
        }
        let task = new_task(start, to_move, now);
        let handle = task.handle.clone();
        self.moves.tasks.push(Running { task, next: now.at });
        self.run_moves(now);
        // Whoever waits at any queue may now hear of the moves that are still to come.
        self.queues.values().for_each(|queue| queue.line.wake_first());
        Ok(handle)
    }

    /// The latest tasks of a source queue, the youngest first.
    pub(super) fn move_tasks(
        &mut self,
        source_arn: &str,
        max: usize,
        now: Now,
    ) -> Result<Vec<MoveTask>, Fault> {
        if self.name_of(source_arn).is_none() {
            return Err(no_such_resource("SourceArn"));
        }
        if !(1..=10).contains(&max) {
            return Err(Fault::invalid_parameter(
                "MaxResults",
                max,
                "Must be between 1 and 10, if provided.",
            ));
        }
        self.run_moves(now);
        let tasks = self.moves.tasks.iter().rev().map(|running| &running.task);
        Ok(tasks.filter(|task| task.asked.source_arn == source_arn).take(max).cloned().collect())
    }

    /// Cancels a task; answers how many messages it has moved.
    pub(super) fn cancel_move(&mut self, handle: &str, now: Now) -> Result<u64, Fault> {
        let source_arn = read_handle(handle)?.source_arn;
        if self.name_of(&source_arn).is_none() {
            return Err(no_such_resource("SourceArn"));
        }
        self.run_moves(now);
        let mut tasks = self.moves.tasks.iter_mut();
        let running = tasks
            .find(|running| running.task.handle == handle && running.is_running())
            .ok_or_else(|| Fault::new(Code::ResourceNotFound, "Task does not exist."))?;
        running.task.status = MoveStatus::Cancelled;
        Ok(running.task.moved)
    }

    /// Moves what the running tasks owe by now.
    pub(super) fn run_moves(&mut self, now: Now) {
        if self.moves.next_due().is_none_or(|due| due > now.at) {
            return;
        }
        let mut tasks = std::mem::take(&mut self.moves.tasks);
        for running in &mut tasks {
            while running.is_running() && running.next <= now.at {
                let step = self.move_one(&running.task, now);
                running.note(&step);
            }
        }
        self.moves.tasks = tasks;
    }

    /// Moves the oldest visible message; at its destination it is new, with an id of its own.
    fn move_one(&mut self, task: &MoveTask, now: Now) -> Step {
        let Some(source_name) = self.name_of(&task.asked.source_arn) else {
            return Step::Failed("AWS.SimpleQueueService.NonExistentQueue");
        };
        let Some(source) = self.queues.get_mut(&source_name) else { return Step::Finished };
        source.advance(now);
        let next = source.shelf.next(None).filter(|_| task.moved < task.to_move);
        let Some((key, message)) = next.and_then(|key| Some((key, source.shelf.get(key)?.0))) else {
            return Step::Finished;
        };
        let (content, origin) = (Arc::clone(&message.content), message.source_arn.clone());
        let Some(target_arn) =
            task.asked.destination_arn.clone().or(origin.map(|arn| arn.as_ref().to_owned()))
        else {
            return Step::Failed("CouldNotDetermineMessageSource");
        };
        let Some(target_name) = self.name_of(&target_arn) else {
            return Step::Failed("AWS.SimpleQueueService.NonExistentQueue");
        };
        if let Some(source) = self.queues.get_mut(&source_name) {
            source.shelf.remove(key);
        }
        self.resend(&content, &target_name, now);
        Step::Moved
    }

    fn resend(&mut self, content: &Content, target: &str, now: Now) {
        let key = self.next_serial();
        let Some(queue) = self.queues.get_mut(target) else { return };
        let sequence_number = content.sequence_number.as_ref().map(|_| send::sequence_number(key));
        let content = Content { id: send::new_id(), sent_at: now.wall, sequence_number, ..content.clone() };
        queue.advance(now);
        queue.put(key, Arc::new(content), Duration::ZERO, now);
        queue.announce();
    }
}

impl Running {
    fn note(&mut self, step: &Step) {
        match step {
            Step::Moved => {
                self.task.moved += 1;
                let pause =
                    self.task.asked.rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.get());
                self.next += pause;
            }
            Step::Finished => self.task.status = MoveStatus::Completed,
            Step::Failed(reason) => {
                self.task.status = MoveStatus::Failed;
                self.task.failure = Some((*reason).to_owned());
            }
        }
    }
}

fn new_task(start: &StartMove, to_move: u64, now: Now) -> MoveTask {
    let task_id = send::new_id().to_string();
    MoveTask {
        handle: write_handle(&Handle { task_id, source_arn: start.source_arn.clone() }),
        status: MoveStatus::Running,
        asked: start.clone(),
        moved: 0,
        to_move,
        failure: None,
        started_at: now.wall,
    }
}

fn write_handle(handle: &Handle) -> String {
    let json = serde_json::json!({ "taskId": handle.task_id, "sourceArn": handle.source_arn });
    STANDARD.encode(json.to_string())
}

fn read_handle(handle: &str) -> Result<Handle, Fault> {
    let json = STANDARD.decode(handle).unwrap_or_default();
    serde_json::from_slice(&json).map_err(|_| invalid("Value for parameter TaskHandle is invalid."))
}

fn invalid(message: &str) -> Fault {
    Fault::new(Code::InvalidParameterValue, message)
}

fn no_such_resource(parameter: &str) -> Fault {
    let message = format!("The resource that you specified for the {parameter} parameter doesn't exist.");
    Fault::new(Code::ResourceNotFound, message)
}
