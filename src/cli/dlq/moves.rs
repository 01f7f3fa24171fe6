//! The move tasks of SQS: `longshore dlq redrive --by-sqs` starts one, `longshore dlq moves` shows and cancels them.

use std::time::{Duration, UNIX_EPOCH};

use clap::Args;
use serde_json::{Value, json};

use super::{options::DlqOptions, unavailable};
use crate::{
    cli::output::{self, Exit, Failure, ProgressLine},
    dead_letters::{StartedMove, cancel_running},
    queue::{MessageMoves, MoveReport, MoveRequest, MoveState, Queue, QueueError},
    stop::Stop,
    telemetry::logs::one_line,
};

/// Shows the latest move tasks of SQS on a DLQ, the youngest first: state, messages moved, destination
#[derive(Args, Debug)]
pub(super) struct DlqMoves {
    #[command(flatten)]
    dlq: DlqOptions,
    /// Cancel the one that runs; what it has moved stays where it is
    #[arg(long)]
    cancel: bool,
    /// Print JSON, an object a line
    #[arg(long)]
    json: bool,
}

impl DlqMoves {
    pub(super) async fn execute(self) -> Result<(), Failure> {
        let location = self.dlq.open().await?.location;
        let moves = moves_of(&*location.dlq)?;
        let (arn, shown) = (&location.attributes.arn, ShownMoves { is_json: self.json });
        if !self.cancel {
            let tasks = moves.latest(arn).await.map_err(|error| failed(&error))?;
            return tasks.iter().try_for_each(|task| shown.print(task));
        }
        match cancel_running(moves, arn).await.map_err(|error| failed(&error))? {
            Some(task) => shown.print(&task),
            None => Err(Failure::new(Exit::NotKnown, format!("no move task of {} runs", location.name()))),
        }
    }
}

/// Starts a move task, and follows it to its end unless there is no stop that would cancel it.
pub(super) async fn start(
    dlq: &dyn Queue,
    request: &MoveRequest,
    shown: ShownMoves,
    stop: Option<Stop>,
) -> Result<(), Failure> {
    let moves = moves_of(dlq)?;
    let started = StartedMove::start(moves, request).await.map_err(|error| failed(&error))?;
    let Some(stop) = stop else {
        output::print_error("sqs moves the messages; `longshore dlq moves` shows and cancels the task");
        return Ok(());
    };
    output::print_error(
        "sqs moves the messages; Ctrl-C cancels the task, and it goes on if this command is killed",
    );
    let mut progress = ProgressLine::new();
    let followed = started.follow(moves, &stop, |task| progress.show(&in_words(task))).await;
    progress.clear();
    let ended = followed.map_err(|error| {
        let text = format!("the task is not followed any more: {error}");
        Failure::new(Exit::Unavailable, text).hint("it may go on: see `longshore dlq moves`")
    })?;
    shown.print(&ended)?;
    result(&ended, request)
}

fn moves_of(queue: &dyn Queue) -> Result<&dyn MessageMoves, Failure> {
    queue.moves().ok_or_else(|| Failure::new(Exit::Usage, "the queue has no move tasks"))
}

/// The failure of a call about tasks: a refused one is one of usage where SQS names a parameter.
fn failed(error: &QueueError) -> Failure {
    match error.plain_code() {
        Some("InvalidParameterValue" | "InvalidParameterValueException" | "UnsupportedOperation") => {
            Failure::new(Exit::Usage, error.to_string())
                .hint("sqs runs one task of a queue at a time, and only of the dlq of another queue")
        }
        _ => unavailable(error),
    }
}

fn result(ended: &MoveReport, request: &MoveRequest) -> Result<(), Failure> {
    match ended.state {
        MoveState::Completed => Ok(()),
        MoveState::Failed if request.destination_arn.is_none() => {
            Err(Failure::new(Exit::Unfinished, "sqs could not move every message")
                .hint("give --to, or the name of the source: of copies of rejected messages sqs knows none"))
        }
        MoveState::Failed => Err(Failure::new(Exit::Unfinished, "sqs could not move every message")),
        _ => Err(Failure::new(Exit::Unfinished, "cancelled: what was moved stays where it is")),
    }
}

/// The lines about move tasks.
#[derive(Clone, Copy)]
pub(super) struct ShownMoves {
    pub(super) is_json: bool,
}

impl ShownMoves {
    fn print(self, task: &MoveReport) -> Result<(), Failure> {
        if self.is_json { output::print_json(&json_of(task)) } else { output::print_line(&line_of(task)) }
    }
}

fn started_at(task: &MoveReport) -> String {
    let started = UNIX_EPOCH.checked_add(Duration::from_millis(task.started_millis)).unwrap_or(UNIX_EPOCH);
    humantime::format_rfc3339_millis(started).to_string()
}

fn line_of(task: &MoveReport) -> String {
    let destination = task.destination_arn.as_deref().unwrap_or("the queues they came from");
    format!("{}  {}, to {}", started_at(task), in_words(task), one_line(destination))
}

/// The state and the numbers of a task, which are approximate, and the reason of its failure.
fn in_words(task: &MoveReport) -> String {
    let of = task.to_move.map_or_else(String::new, |to_move| format!(" of about {to_move}"));
    let reason = task.failure.as_ref().map_or_else(String::new, |reason| format!(": {}", one_line(reason)));
    format!("{}{reason}, {}{of} moved", one_line(task.state.as_str()), task.moved)
}

fn json_of(task: &MoveReport) -> Value {
    json!({
        "startedAt": started_at(task), "state": task.state.as_str(), "moved": task.moved, "toMove": task.to_move,
        "destinationArn": task.destination_arn, "failure": task.failure, "handle": task.handle,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_one_line_with_its_state_its_numbers_and_its_failure() {
        let task = MoveReport {
            handle: None,
            state: MoveState::Failed,
            destination_arn: None,
            moved: 3,
            to_move: Some(7),
            failure: Some("CouldNotDetermineMessageSource".to_owned()),
            started_millis: 1_000,
        };
        assert_eq!(
            line_of(&task),
            "1970-01-01T00:00:01.000Z  failed: CouldNotDetermineMessageSource, 3 of about 7 moved, to the queues they came from"
        );
    }
}
