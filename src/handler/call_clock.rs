//! The time limit of a call that may wait for an instance before it runs.

use std::time::Duration;

use tokio::{sync::SetOnce, time::Instant};

/// Starts when an instance takes the call: one that waits does not use up its time limit, and with it a receive.
#[derive(Debug)]
pub(crate) struct CallClock {
    limit: Duration,
    deadline: SetOnce<Instant>,
}

impl CallClock {
    /// A clock that has not started.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, deadline: SetOnce::new() }
    }

    /// Starts the clock, if it has not started, and returns when the call is ended.
    pub(crate) fn start(&self) -> Option<Instant> {
        let deadline = Instant::now().checked_add(self.limit)?;
        // Fails if it has started.
        drop(self.deadline.set(deadline));
        self.deadline.get().copied()
    }

    /// Waits until the clock has started, and returns when the call is ended.
    pub(crate) async fn deadline(&self) -> Instant {
        *self.deadline.wait().await
    }
}
