//! One moment on two clocks: the one that deadlines use, and the one that timestamps use.

use std::time::SystemTime;

use tokio::time::Instant;

/// One moment, read once per call of the account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// What deadlines are compared with; a paused clock moves it.
    pub(super) at: Instant,
    /// What timestamps show.
    pub(super) wall: SystemTime,
}

/// Ties the two clocks together, so that timestamps follow a paused clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    origin: Now,
}

impl Clock {
    /// A clock that agrees with the machine's now.
    pub(super) fn start() -> Self {
        Self { origin: Now { at: Instant::now(), wall: SystemTime::now() } }
    }

    /// The moment of this call.
    pub(super) fn now(&self) -> Now {
        let at = Instant::now();
        Now { at, wall: self.origin.wall + at.saturating_duration_since(self.origin.at) }
    }
}
