//! How one queue is worked.

use std::time::Duration;

use super::{BatchSettings, Prefetch, ReceiveSettings};
use crate::{backoff::Backoff, consumer::depth, consumer::settle};

/// How one queue is worked: its settings, checked and ready for use.
#[derive(Clone, Debug)]
pub struct Options {
    /// Calls of the handler running at once.
    pub concurrency: usize,
    /// How many messages each call is given.
    pub batch: BatchSettings,
    /// Messages held beyond those running.
    pub prefetch: Prefetch,
    /// The lease a receive begins with.
    pub visibility: Duration,
    /// The longest lease: each extension doubles the one before up to this.
    pub visibility_max: Duration,
    /// The time limit of a handler.
    pub timeout: Option<Duration>,
    /// How messages are received.
    pub receive: ReceiveSettings,
    /// When a failed message is visible again, by its receive count.
    pub retry: Backoff,
    /// How outcomes are told to SQS.
    pub settle: settle::Settings,
    /// How often SQS is asked how many messages there are.
    pub depth: depth::Settings,
}

impl Options {
    /// The most messages running at once.
    pub(super) fn running(&self) -> usize {
        self.concurrency.saturating_mul(self.batch.size)
    }

    /// How long a receive waits: two thirds of the visibility at the most, because a lease counts from the sending of
    /// its receive, and a third of it should be left when a message comes at the very end of the wait.
    pub(super) fn wait(&self) -> Duration {
        self.receive.wait.0.min(Duration::from_secs(self.visibility.as_secs() * 2 / 3))
    }
}

impl Default for Options {
    fn default() -> Self {
        let visibility = Duration::from_secs(30);
        Self {
            concurrency: 16,
            batch: BatchSettings::default(),
            prefetch: Prefetch::Auto,
            visibility,
            visibility_max: visibility,
            timeout: Some(Duration::from_hours(12)),
            receive: ReceiveSettings::default(),
            retry: crate::backoff::Settings::default().into(),
            settle: settle::Settings::default(),
            depth: depth::Settings::default(),
        }
    }
}
