//! The control of a running worker: pauses, resumes and scales its queues.

#[cfg(feature = "admin")]
use serde_json::{Value, json};

use super::{PollingChange, WorkerStatus};
#[cfg(feature = "admin")]
use crate::admin::{ControlRefusal, ControlRequest, DlqAccess};
use crate::{consumer::Engine, settings::Problems};

/// Pauses, resumes and scales the queues of a worker while it runs; clones share it.
///
/// Queues go by their configured names. A change lasts until the next one or until the end of the worker.
///
/// ```no_run
/// use longshore::{Consumer, Worker, handler};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let worker = Worker::new().consumer(Consumer::new("orders", handler::from_fn(async |_| ())));
/// let control = worker.control();
/// // From anywhere in the program, while the worker runs:
/// control.pause("orders", "the database is being moved")?;
/// control.set_concurrency("orders", 4)?;
/// control.resume("orders")?;
/// # worker.run().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct WorkerControl(WorkerStatus);

/// An error in controlling a worker.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The worker has no queue of this name.
    #[error("no such queue: {queue}, there is {}", queues.join(", "))]
    NoSuchQueue {
        /// The name.
        queue: String,
        /// The names of the worker's queues.
        queues: Vec<String>,
    },
    /// The queue is not open yet, and only an open one can be scaled.
    #[error("the queue is not open yet: {queue}")]
    NotOpen {
        /// The queue's configured name.
        queue: String,
    },
    /// The queue's settings do not allow this.
    #[error("queue {queue}: the settings have {problems}")]
    Settings {
        /// The queue's configured name.
        queue: String,
        /// Every problem.
        problems: Problems,
    },
}

impl WorkerControl {
    pub(super) fn of(status: WorkerStatus) -> Self {
        Self(status)
    }

    /// Pauses a queue, with a reason that logs and status show; a queue that is not open yet opens paused.
    ///
    /// Nothing is received any more, waiting messages are given back, and running calls finish. A message that waits at its
    /// last receive stays hidden here until the end of the pause, because SQS would move it to the DLQ unrun. The worker
    /// stays ready.
    pub fn pause(&self, queue: &str, reason: &str) -> Result<(), ControlError> {
        self.change_polling(queue, PollingChange::Pause(reason.into()))
    }

    /// Pauses every queue.
    pub fn pause_all(&self, reason: &str) {
        self.change_all_polling(&PollingChange::Pause(reason.into()));
    }

    /// Ends the pause of a queue; polling goes on unless there is another reason to pause, such as a handler that is down.
    pub fn resume(&self, queue: &str) -> Result<(), ControlError> {
        self.change_polling(queue, PollingChange::Resume)
    }

    /// Ends the pause of every queue.
    pub fn resume_all(&self) {
        self.change_all_polling(&PollingChange::Resume);
    }

    /// Changes the most calls of a queue's handler that run at once; the prefetch follows.
    ///
    /// Further calls start at once. No call is dropped: where more run than may, none starts until enough have ended. A
    /// handler that hosts a Lambda function has as many processes from then on, unless `processes` is set.
    pub fn set_concurrency(&self, queue: &str, concurrency: usize) -> Result<(), ControlError> {
        match self.engine(queue)? {
            None => Err(ControlError::NotOpen { queue: queue.to_owned() }),
            Some(engine) => engine
                .set_concurrency(concurrency)
                .map_err(|problems| ControlError::Settings { queue: queue.to_owned(), problems }),
        }
    }

    /// Carries out a request of the admin server; answers the queue's state as the status shows it.
    #[cfg(feature = "admin")]
    pub(super) fn carry_out(&self, queue: &str, request: ControlRequest) -> Result<Value, ControlRefusal> {
        match request {
            ControlRequest::Pause { reason } => self.pause(queue, &reason)?,
            ControlRequest::Resume => self.resume(queue)?,
            ControlRequest::Scale { concurrency } => self.set_concurrency(queue, concurrency)?,
        }
        let open = self.engine(queue)?.and_then(|engine| serde_json::to_value(engine.status()).ok());
        Ok(open.unwrap_or_else(|| json!({ "queue": queue })))
    }

    /// The queue with its DLQ, for requests of the admin server.
    #[cfg(feature = "admin")]
    pub(super) fn dlq_access(&self, queue: &str) -> Result<DlqAccess, ControlRefusal> {
        let not_open = || ControlError::NotOpen { queue: queue.to_owned() };
        let engine = self.engine(queue)?.ok_or_else(not_open)?;
        let stop = self.0.0.stop.get().cloned().unwrap_or_default();
        Ok(DlqAccess { queue: engine.queue(), dlq: engine.dead_letter_queue(), stop })
    }

    /// The engine of a queue; `None` if the queue is not open yet.
    fn engine(&self, queue: &str) -> Result<Option<Engine>, ControlError> {
        let queues = self.0.queues();
        if queues.opening.contains_key(queue) {
            return Ok(None);
        }
        let engine = queues.open.iter().find(|engine| engine.name() == queue);
        let names = || queues.open.iter().map(Engine::name).chain(queues.opening.keys().map(|name| &**name));
        let missing = || ControlError::NoSuchQueue {
            queue: queue.to_owned(),
            queues: names().map(str::to_owned).collect(),
        };
        engine.cloned().map(Some).ok_or_else(missing)
    }

    fn change_polling(&self, queue: &str, change: PollingChange) -> Result<(), ControlError> {
        if let Some(opening) = self.0.queues().opening.get_mut(queue) {
            opening.asked = Some(change);
            return Ok(());
        }
        if let Some(engine) = self.engine(queue)? {
            change.apply(&engine);
        }
        Ok(())
    }

    fn change_all_polling(&self, change: &PollingChange) {
        let mut queues = self.0.queues();
        for opening in queues.opening.values_mut() {
            opening.asked = Some(change.clone());
        }
        for engine in &queues.open {
            change.apply(engine);
        }
    }
}

#[cfg(feature = "admin")]
impl From<ControlError> for ControlRefusal {
    fn from(error: ControlError) -> Self {
        match &error {
            ControlError::NoSuchQueue { .. } => Self::NotFound(error.to_string()),
            ControlError::NotOpen { .. } => Self::Conflict(error.to_string()),
            ControlError::Settings { queue, problems } => {
                Self::Invalid(format!("queue {queue}: {}", problems.in_one_line()))
            }
        }
    }
}
