//! The requests to workers, each on a thread of its own, so that a worker that hangs delays no other and not the end.

use std::{io, sync::Arc, thread};

use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use super::{
    Input,
    status::{WorkerReport, WorkerText},
};
use crate::{
    cli::{admin_client::AdminClient, output::Failure, pause, resume, scale, trace},
    telemetry::logs::one_line,
};

/// The reason of a pause.
const PAUSE_REASON: &str = "in longshore top";

/// A request to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) worker: usize,
    pub(super) question: Question,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Its status.
    Status,
    /// The report of the message with this id.
    Message(WorkerText),
    /// A change of this queue.
    Control(WorkerText, QueueChange),
}

/// A change of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueueChange {
    Pause,
    Resume,
    /// The most calls at once.
    Scale(u64),
}

/// The answer of a worker, or the reason why there is none.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) worker: usize,
    pub(super) content: AnswerContent,
}

#[derive(Clone, Debug)]
pub(super) enum AnswerContent {
    Status(Result<WorkerReport, String>),
    Message(WorkerText, Result<MessageReport, String>),
    /// The state of this queue in a few words, or the refusal.
    Control(WorkerText, Result<String, String>),
}

/// A worker's report of a message, in the lines of `longshore trace`.
#[derive(Clone, Debug)]
pub(super) struct MessageReport {
    pub(super) lines: Vec<String>,
    /// True if the worker holds the message, so that more is to come.
    pub(super) is_held: bool,
}

/// Sends requests, and their answers as inputs.
pub(super) struct Requests {
    clients: Vec<Arc<AdminClient>>,
    inputs: UnboundedSender<Input>,
}

impl Requests {
    pub(super) fn new(clients: Vec<AdminClient>, inputs: UnboundedSender<Input>) -> Self {
        Self { clients: clients.into_iter().map(Arc::new).collect(), inputs }
    }

    /// Sends a request; its answer is an input later.
    pub(super) fn send(&self, request: Request) -> io::Result<()> {
        let (client, inputs) = (self.clients[request.worker].clone(), self.inputs.clone());
        let work = move || {
            let answer = Answer { worker: request.worker, content: content(&client, request.question) };
            // Fails at the end of the program only.
            drop(inputs.send(Input::Answer(answer)));
        };
        thread::Builder::new().name("request".to_owned()).spawn(work).map(drop)
    }
}

fn content(client: &AdminClient, question: Question) -> AnswerContent {
    match question {
        Question::Status => AnswerContent::Status(plain(client.status().and_then(WorkerReport::of))),
        Question::Message(id) => {
            let report = plain(client.message(id.raw())).map(|answer| MessageReport::of(&answer.report));
            AnswerContent::Message(id, report)
        }
        Question::Control(queue, change) => {
            let outcome = plain(control(client, &queue, change)).map(|state| one_line(&state).into_owned());
            AnswerContent::Control(queue, outcome)
        }
    }
}

/// The result with a reason in one line, which may quote the worker.
fn plain<T>(result: Result<T, impl ToString>) -> Result<T, String> {
    result.map_err(|reason| one_line(&reason.to_string()).into_owned())
}

impl MessageReport {
    fn of(body: &Value) -> Self {
        let lines = trace::text_of(body).lines().map(str::to_owned).collect();
        let held = ["waiting", "running", "settling"].map(Value::from);
        let is_held =
            body["receives"].as_array().into_iter().flatten().any(|receive| held.contains(&receive["state"]));
        Self { lines, is_held }
    }
}

fn control(client: &AdminClient, queue: &WorkerText, change: QueueChange) -> Result<String, Failure> {
    let queue = queue.raw();
    Ok(match change {
        QueueChange::Pause => pause::shown(&client.pause(queue, Some(PAUSE_REASON))?),
        QueueChange::Resume => resume::shown(&client.resume(queue)?),
        QueueChange::Scale(concurrency) => scale::shown(&client.scale(queue, concurrency)?),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_message_is_asked_for_again_only_while_the_worker_holds_it() {
        let report = |states: &[&str]| {
            let receives: Vec<_> = states
                .iter()
                .map(|state| json!({ "queue": "orders", "attempt": 1, "state": state, "steps": [] }))
                .collect();
            MessageReport::of(&json!({ "receives": receives }))
        };
        assert!(report(&["given_back", "running"]).is_held);
        let over = report(&["given_back", "deleted"]);
        assert!(!over.is_held);
        assert_eq!(over.lines, ["orders, attempt 1: given back", "orders, attempt 1: deleted"]);
    }
}
