//! Everything noteworthy: one struct an event, one log line and one count each.

use std::time::Duration;

use tokio::time::Instant;

use super::{Action, Ending, Label as _, Occasion, QueueMetrics};
use crate::{
    message::MessageId,
    queue::{EntryError, QueueError, Verdict},
};

/// Warns of something that may happen to every message: the first few a minute, so that a failing handler is seen
/// and does not flood the log; the others at `debug`.
macro_rules! sampled {
    ($metrics:expr, $($fields:tt)*) => {
        if $metrics.warnings.admits(Instant::now()) {
            tracing::warn!($($fields)*);
        } else {
            tracing::debug!($($fields)*);
        }
    };
}

/// A handler ended, in whatever way.
#[derive(Debug)]
pub struct MessageEnded<'a> {
    /// The queue's configured name.
    pub queue: &'a str,
    /// Which message.
    pub id: &'a MessageId,
    /// How the handler ended.
    pub ending: Ending,
    /// The handler's words, if it had any.
    pub reason: &'a str,
    /// How long it ran.
    pub took: Duration,
    /// The message's receive count.
    pub receive_count: u32,
}

impl MessageEnded<'_> {
    /// Logs and counts the event.
    pub fn emit(&self, metrics: &QueueMetrics) {
        metrics.ended.of(self.ending).inc();
        metrics.process_time.of(self.ending).observe(self.took.as_secs_f64());
        let Self { queue, id, reason, receive_count, .. } = self;
        let (ending, seconds) = (self.ending.as_str(), self.took.as_secs_f64());
        match self.ending {
            Ending::Done => {
                tracing::debug!(queue, message_id = %id, ending, seconds, receive_count, "message done");
            }
            Ending::Reject => {
                sampled!(metrics, queue, message_id = %id, ending, reason, seconds, receive_count, "message rejected");
            }
            _ => {
                sampled!(metrics, queue, message_id = %id, ending, reason, seconds, receive_count, "message not done");
            }
        }
    }
}

/// A message came again that this worker runs already or is done with.
#[derive(Debug)]
pub struct DuplicateReceived<'a> {
    /// The queue's configured name.
    pub queue: &'a str,
    /// Which message.
    pub id: &'a MessageId,
}

impl DuplicateReceived<'_> {
    /// Logs and counts the event.
    pub fn emit(&self, metrics: &QueueMetrics) {
        metrics.duplicates.inc();
        sampled!(metrics, queue = self.queue, message_id = %self.id, "message received again and not run again");
    }
}

/// A server answered a receive with more messages than it was asked for; this one is left to its visibility.
#[derive(Debug)]
pub struct ExcessReceived<'a> {
    /// The queue's configured name.
    pub queue: &'a str,
    /// Which message.
    pub id: &'a MessageId,
}

impl ExcessReceived<'_> {
    /// Logs the event.
    pub fn emit(&self) {
        tracing::warn!(queue = self.queue, message_id = %self.id, "message received that was not asked for, and left alone");
    }
}

/// A lease was lost before its message was settled.
#[derive(Debug)]
pub struct LeaseLost<'a> {
    /// The queue's configured name.
    pub queue: &'a str,
    /// Which message.
    pub id: &'a MessageId,
    /// How it was found out.
    pub reason: &'a str,
}

impl LeaseLost<'_> {
    /// Logs and counts the event.
    pub fn emit(&self, metrics: &QueueMetrics) {
        metrics.lost.inc();
        tracing::error!(queue = self.queue, message_id = %self.id, reason = self.reason, "lease lost");
    }
}

/// A call to SQS failed as a whole.
#[derive(Debug)]
pub struct CallFailed<'a> {
    /// The queue's configured name.
    pub queue: &'a str,
    /// What the call was for.
    pub action: Action,
    /// What went wrong.
    pub error: &'a QueueError,
    /// How many calls in a row have failed.
    pub attempt: u32,
    /// When it is tried again.
    pub retry_in: Duration,
}

impl CallFailed<'_> {
    /// Logs the event; the call itself is counted where it is made.
    pub fn emit(&self) {
        let Self { queue, error, attempt, retry_in, .. } = self;
        let action = self.action.as_str();
        if error.verdict() == Verdict::GiveUp {
            tracing::error!(queue, action, %error, attempt, ?retry_in, "sqs refuses, and someone must act");
        } else {
            tracing::warn!(queue, action, %error, attempt, ?retry_in, "call to sqs failed");
        }
    }
}

/// One entry of a batch failed and is tried again.
#[derive(Debug)]
pub struct EntryFailed<'a> {
    /// The queue's configured name.
    pub queue: &'a str,
    /// Which message.
    pub id: &'a MessageId,
    /// What the call was for.
    pub action: Action,
    /// What went wrong.
    pub error: &'a EntryError,
}

impl EntryFailed<'_> {
    /// Logs the event; the retry is counted where it is made.
    pub fn emit(&self) {
        let Self { queue, id, error, .. } = self;
        let action = self.action.as_str();
        tracing::warn!(queue, message_id = %id, action, %error, "entry of a batch failed");
    }
}

/// The copy of a rejected message has no room for the reason, which is told here alone.
#[derive(Debug)]
pub struct ReasonLeftOut<'a> {
    /// The queue's configured name.
    pub queue: &'a str,
    /// Which message.
    pub id: &'a MessageId,
    /// Why it was rejected.
    pub reason: &'a str,
}

impl ReasonLeftOut<'_> {
    /// Logs the event.
    pub fn emit(&self) {
        tracing::warn!(queue = self.queue, message_id = %self.id, reason = self.reason, "message rejected, and its copy has no room for the reason");
    }
}

/// The DLQ refused the copies of rejected messages, which are retried instead; nothing of them is deleted.
#[derive(Debug)]
pub struct CopyRefused<'a> {
    /// The queue's configured name.
    pub queue: &'a str,
    /// How many messages.
    pub messages: usize,
    /// The first of them.
    pub id: &'a MessageId,
    /// Why.
    pub error: &'a str,
}

impl CopyRefused<'_> {
    /// Logs and counts the event.
    pub fn emit(&self, metrics: &QueueMetrics) {
        metrics.settle_failures.of(Action::Copy).inc_by(self.messages as u64);
        let Self { queue, messages, id, error } = self;
        // Each of them is rejected again at each of its receives.
        if metrics.warnings.admits(Instant::now()) {
            tracing::error!(queue, messages, message_id = %id, error, "dlq refuses rejected messages, they are retried and someone must act");
        } else {
            tracing::debug!(queue, messages, message_id = %id, error, "dlq refuses rejected messages");
        }
    }
}

/// A copy, a delete or a give-back was given up.
#[derive(Debug)]
pub struct SettleFailed<'a> {
    /// The queue's configured name.
    pub queue: &'a str,
    /// Which message.
    pub id: &'a MessageId,
    /// What could not be done.
    pub action: Action,
    /// Why.
    pub reason: &'a str,
}

impl SettleFailed<'_> {
    /// Logs and counts the event.
    pub fn emit(&self, metrics: &QueueMetrics) {
        metrics.settle_failures.of(self.action).inc();
        let action = self.action.as_str();
        tracing::error!(queue = self.queue, message_id = %self.id, action, reason = self.reason, "message not settled");
    }
}

/// A notification was not taken in, because too many wait.
#[derive(Debug)]
pub struct NotificationDropped<'a> {
    /// The queue's configured name.
    pub queue: &'a str,
    /// Which message it was about.
    pub id: &'a MessageId,
    /// What it was about.
    pub occasion: Occasion,
}

impl NotificationDropped<'_> {
    /// Logs the event; it is counted where it happens.
    pub fn emit(&self, metrics: &QueueMetrics) {
        let occasion = self.occasion.as_str();
        sampled!(metrics, queue = self.queue, message_id = %self.id, occasion, "notification dropped, too many wait");
    }
}

/// A notification was given up.
#[derive(Debug)]
pub struct NotificationFailed<'a> {
    /// The queue's configured name.
    pub queue: &'a str,
    /// The topic's ARN.
    pub topic: &'a str,
    /// What it was about.
    pub occasion: Occasion,
    /// Why.
    pub reason: &'a str,
}

impl NotificationFailed<'_> {
    /// Logs the event; it is counted where it happens.
    pub fn emit(&self, metrics: &QueueMetrics) {
        let Self { queue, topic, reason, .. } = self;
        let occasion = self.occasion.as_str();
        sampled!(metrics, queue, topic, occasion, reason, "notification given up");
    }
}

/// Notifications were left over at the end.
#[derive(Debug)]
pub struct NotificationsAbandoned<'a> {
    /// The queue's configured name.
    pub queue: &'a str,
    /// How many.
    pub count: u64,
}

impl NotificationsAbandoned<'_> {
    /// Logs the event; they are counted where it happens.
    pub fn emit(&self) {
        tracing::warn!(queue = self.queue, count = self.count, "notifications dropped at the stop");
    }
}

/// The handler cannot be reached, and polling is paused.
#[derive(Debug)]
pub struct HandlerDown<'a> {
    /// The queue's configured name.
    pub queue: &'a str,
    /// Why it cannot be reached.
    pub reason: &'a str,
}

impl HandlerDown<'_> {
    /// Logs the event and sets the gauge.
    pub fn emit(&self, metrics: &QueueMetrics) {
        metrics.paused.set(1);
        tracing::error!(queue = self.queue, reason = self.reason, "handler is down, polling is paused");
    }
}

/// The handler can be reached again.
#[derive(Debug)]
pub struct HandlerUp<'a> {
    /// The queue's configured name.
    pub queue: &'a str,
}

impl HandlerUp<'_> {
    /// Logs the event and sets the gauge.
    pub fn emit(&self, metrics: &QueueMetrics) {
        metrics.paused.set(0);
        tracing::info!(queue = self.queue, "handler is up, polling goes on");
    }
}
