//! Opens the queues of a start, all at once, for as long as its patience lasts.

use futures_util::future::try_join_all;

use super::{
    Consumer, WorkerError, WorkerStatus,
    attempts::{AttemptLimit, Attempts, LoggedCauses},
    open::{Opened, open},
};
use crate::{
    health::{Condition, Health},
    queue::QueueError,
    start::Patience,
};

/// The reason for which a worker is not ready during its start.
const UNOPENED: &str = "the queues are not open yet";

/// A queue that is open, or else the error of one that does not exist and is waited for.
pub(super) type OpenedOrMissing = Result<Opened, WorkerError>;

/// The opening of a worker's queues.
pub(super) struct Opening {
    patience: Patience,
    /// The readiness of the worker as a whole.
    readiness: Condition,
    status: WorkerStatus,
    causes: LoggedCauses,
}

impl Opening {
    /// Begins an opening with nothing open.
    pub(super) fn new(patience: Patience, health: &Health, status: WorkerStatus) -> Self {
        let readiness = health.condition("worker", UNOPENED);
        Self { patience, readiness, status, causes: LoggedCauses::default() }
    }

    /// Opens the queue of each consumer, in their order; the first failure that cannot pass ends it.
    pub(super) async fn open_all(&self, consumers: &[Consumer]) -> Result<Vec<OpenedOrMissing>, WorkerError> {
        for consumer in consumers {
            self.status.opening(&consumer.name, None);
        }
        let limit = AttemptLimit::of(self.patience);
        try_join_all(consumers.iter().map(|consumer| self.open(consumer, limit))).await
    }

    async fn open(&self, consumer: &Consumer, limit: AttemptLimit) -> Result<OpenedOrMissing, WorkerError> {
        let on_delay = |queue: &str, error: &QueueError| self.delayed(queue, error);
        match open(consumer, &Attempts::new(&consumer.name, limit, &on_delay)).await {
            Ok(opened) => {
                self.status.opening(&consumer.name, None);
                Ok(Ok(opened))
            }
            Err(error) if error.is_waited_for(consumer.missing) => Ok(Err(error)),
            Err(error) => Err(error.after(self.patience)),
        }
    }

    fn delayed(&self, queue: &str, error: &QueueError) {
        self.causes.log_delay(queue, error);
        self.readiness.unready(format!("{UNOPENED}, queue {queue}: {error}"));
        self.status.opening(queue, Some(error.to_string()));
    }

    /// Ends the opening, and hands on the readiness of the worker.
    pub(super) fn into_readiness(self) -> Condition {
        self.readiness
    }
}
