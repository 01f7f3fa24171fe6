//! The state of the program: what workers have answered, and what the terminal shows of it; pure.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::{
    rates::{QueueRates, RateWindow},
    requests::{Answer, AnswerContent, MessageReport, Question, QueueChange, Request},
    rows::{Level, QueueRow, RowKey, SortKey, rows},
    status::{QueueReport, WorkerReport, WorkerText},
};
use crate::duration::Span;

/// The time after which a worker whose answer is not complete counts as unreachable.
const LATE: Duration = Duration::from_secs(10);

/// A worker.
#[derive(Clone, Debug)]
pub(super) struct WorkerState {
    /// Its address.
    pub(super) label: String,
    pub(super) reach: Reach,
    /// The time of the request for its status that has no answer yet.
    asked: Option<Instant>,
    rates: HashMap<WorkerText, RateWindow>,
}

/// The last that is known of a worker.
#[derive(Clone, Debug)]
pub(super) enum Reach {
    /// It has not answered yet.
    Awaited,
    Live(WorkerReport),
    Unreachable {
        since: Instant,
        reason: String,
    },
}

/// The state of the program.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) workers: Vec<WorkerState>,
    pub(super) sort: SortKey,
    /// The chosen row; another one is shown as chosen while that is not there.
    pub(super) chosen: Option<RowKey>,
    /// The queue that is open.
    pub(super) queue: Option<QueueView>,
    /// The message that is open, above everything else.
    pub(super) message: Option<MessageView>,
    pub(super) prompt: Option<Prompt>,
    pub(super) note: Option<Note>,
    pub(super) shows_help: bool,
}

/// A queue whose calls and failures are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct QueueView {
    pub(super) row: RowKey,
    /// The chosen call or failure; the first one while that is not there.
    pub(super) chosen: Option<Item>,
}

/// A call that runs or a failure, by its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Call(WorkerText),
    Failure(WorkerText),
}

/// A message whose report is shown.
#[derive(Clone, Debug)]
pub(super) struct MessageView {
    pub(super) worker: usize,
    pub(super) id: WorkerText,
    /// Absent until the worker has answered.
    pub(super) report: Option<Result<MessageReport, String>>,
    /// The first line that is shown.
    pub(super) scroll: usize,
    is_asked: bool,
}

/// A change that waits for its confirmation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prompt {
    pub(super) worker: usize,
    pub(super) queue: WorkerText,
    pub(super) change: QueueChange,
}

/// The outcome of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) text: String,
    pub(super) level: Level,
}

impl Item {
    pub(super) fn message_id(&self) -> &WorkerText {
        match self {
            Self::Call(id) | Self::Failure(id) => id,
        }
    }

    /// The calls and then the failures of a queue, in the order in which they are shown.
    pub(super) fn of(queue: &QueueReport) -> Vec<Self> {
        let calls = queue.calls.iter().map(|call| Self::Call(call.message_id.clone()));
        let failures = queue.latest_failures().into_iter();
        calls.chain(failures.map(|failure| Self::Failure(failure.message_id.clone()))).collect()
    }
}

impl WorkerState {
    fn new(label: String) -> Self {
        Self { label, reach: Reach::Awaited, asked: None, rates: HashMap::new() }
    }

    /// The request for its status, unless it still owes an answer.
    fn due(&mut self, worker: usize, now: Instant) -> Option<Request> {
        if self.asked.is_some() {
            return None;
        }
        self.asked = Some(now);
        Some(Request { worker, question: Question::Status })
    }

    pub(super) fn rates(&self, queue: &QueueReport) -> Option<QueueRates> {
        self.rates.get(&queue.queue)?.rates()
    }

    fn answered(&mut self, answer: Result<WorkerReport, String>, now: Instant) {
        self.asked = None;
        match answer {
            Ok(report) => {
                self.rates.retain(|name, _| report.queue(name).is_some());
                for queue in &report.queues {
                    self.rates.entry(queue.queue.clone()).or_default().note(now, queue.totals);
                }
                self.reach = Reach::Live(report);
            }
            Err(reason) => self.unreachable(reason, now),
        }
    }

    fn unreachable(&mut self, reason: String, now: Instant) {
        let since = match self.reach {
            Reach::Unreachable { since, .. } => since,
            _ => now,
        };
        self.reach = Reach::Unreachable { since, reason };
    }
}

impl Model {
    pub(super) fn new(labels: Vec<String>) -> Self {
        Self {
            workers: labels.into_iter().map(WorkerState::new).collect(),
            sort: SortKey::Name,
            chosen: None,
            queue: None,
            message: None,
            prompt: None,
            note: None,
            shows_help: false,
        }
    }

    /// The requests that are due: each worker's status, unless it still owes an answer, and the message that is open.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Request> {
        let mut due = Vec::new();
        for (worker, state) in self.workers.iter_mut().enumerate() {
            if state.asked.is_some_and(|asked| now - asked >= LATE) {
                state.unreachable(format!("no complete answer within {}", Span(LATE)), now);
            }
            due.extend(state.due(worker, now));
        }
        due.extend(self.message.as_mut().and_then(MessageView::due));
        due
    }

    /// Takes an answer in; returns what it makes due.
    pub(super) fn answered(&mut self, answer: Answer, now: Instant) -> Option<Request> {
        let worker = answer.worker;
        match answer.content {
            AnswerContent::Status(status) => self.workers[worker].answered(status, now),
            AnswerContent::Message(id, report) => {
                let open = self.message.as_mut().filter(|open| open.worker == worker && open.id == id);
                if let Some(open) = open {
                    open.is_asked = false;
                    open.report = Some(report);
                }
            }
            AnswerContent::Control(queue, outcome) => {
                let (text, level) = match outcome {
                    Ok(state) => (state, Level::Good),
                    Err(refusal) => (refusal, Level::Bad),
                };
                self.note = Some(Note { text: format!("{queue}: {text}"), level });
                return self.workers[worker].due(worker, now);
            }
        }
        None
    }

    pub(super) fn rows(&self) -> Vec<QueueRow<'_>> {
        rows(&self.workers, self.sort)
    }

    /// The row that is shown as chosen: the chosen one, or else one of its worker, or else the first.
    pub(super) fn chosen_in(&self, rows: &[QueueRow<'_>]) -> Option<usize> {
        let chosen = self.chosen.as_ref();
        let exact = rows.iter().position(|row| Some(&row.key) == chosen);
        let of_worker =
            || rows.iter().position(|row| chosen.is_some_and(|chosen| chosen.worker == row.key.worker));
        exact.or_else(of_worker).or((!rows.is_empty()).then_some(0))
    }

    /// The row of the queue that is open or chosen.
    pub(super) fn current<'a>(&self, rows: &'a [QueueRow<'a>]) -> Option<&'a QueueRow<'a>> {
        match &self.queue {
            Some(open) => rows.iter().find(|row| row.key == open.row),
            None => self.chosen_in(rows).map(|at| &rows[at]),
        }
    }

    /// The queue that is open, unless its worker is unreachable just now.
    pub(super) fn open_queue(&self) -> Option<(&QueueView, &QueueReport)> {
        let open = self.queue.as_ref()?;
        match &self.workers[open.row.worker].reach {
            Reach::Live(report) => Some((open, report.queue(open.row.queue.as_ref()?)?)),
            _ => None,
        }
    }

    /// Opens the report of a message.
    pub(super) fn open_message(&mut self, worker: usize, id: WorkerText) -> Option<Request> {
        let view = MessageView { worker, id, report: None, scroll: 0, is_asked: false };
        self.message.insert(view).due()
    }
}

impl QueueView {
    /// The call or failure that is shown as chosen.
    pub(super) fn chosen_in(&self, items: &[Item]) -> Option<usize> {
        let chosen = items.iter().position(|item| Some(item) == self.chosen.as_ref());
        chosen.or((!items.is_empty()).then_some(0))
    }
}

impl MessageView {
    /// The request for the report, unless it is under way or no more is to come.
    fn due(&mut self) -> Option<Request> {
        let is_over = matches!(&self.report, Some(Ok(report)) if !report.is_held);
        if self.is_asked || is_over {
            return None;
        }
        self.is_asked = true;
        Some(Request { worker: self.worker, question: Question::Message(self.id.clone()) })
    }
}

#[cfg(test)]
mod tests;
