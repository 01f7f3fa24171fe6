//! What a handler may know of the call it is in.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// The circumstances of one call of a handler.
#[derive(Clone, Debug)]
pub struct Context {
    /// The configured name of the queue.
    pub queue: Arc<str>,
    /// When the call is ended, if it has a time limit.
    pub deadline: Option<Instant>,
    /// When the lease ends unless it is extended, which happens without the handler's doing.
    pub lease_deadline: Instant,
    cancellation: CancellationToken,
}

impl Context {
    /// The circumstances of a call; `cancellation` is how the worker tells the handler to stop.
    pub fn new(queue: Arc<str>, lease_deadline: Instant, cancellation: CancellationToken) -> Self {
        Self { queue, deadline: None, lease_deadline, cancellation }
    }

    /// Sets when the call is ended.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline;
        self
    }

    /// How long the call may still run; `None` without a time limit.
    pub fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Waits until the lease is lost or the drain limit is over; the call is dropped a moment later.
    pub fn cancelled(&self) -> WaitForCancellationFuture<'_> {
        self.cancellation.cancelled()
    }

    /// Whether the worker has told the call to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancellation.is_cancelled()
    }
}
