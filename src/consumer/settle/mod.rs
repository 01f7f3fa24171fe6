//! Settles messages: deletes, visibility changes and copies to the DLQ, batched and retried.

mod batcher;
mod dead_letter;
mod flusher;
mod pending;
#[cfg(feature = "admin")]
mod rejection;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::{
    batcher::SettleAction,
    dead_letter::{DeadLetterSender, DeadLetterSenderParts},
    flusher::Flusher,
    pending::PendingSettlements,
};
use super::lease::Lease;
use crate::{
    duration::Span,
    health::{Condition, Pulse},
    in_progress::InProgress,
    message::{Message, Wanted},
    queue::Queue,
    settings::{Problem, at_most},
    telemetry::{
        Action, ByLabel, Computed, IntCounter, MetricScope, events, metric_group, spans::QueueTraces,
    },
};

#[cfg(feature = "admin")]
pub(crate) use self::rejection::StoredRejection;
pub(crate) use self::{
    dead_letter::{DeadLetterQueue, Rejection, original, remove_record},
    pending::Unsettled,
};

/// The settler of one queue's messages. Clones share their state.
#[derive(Clone)]
pub(crate) struct Settler {
    name: Arc<str>,
    pending: Arc<PendingSettlements>,
    flusher: Arc<Flusher>,
    dead_letters: Arc<DeadLetterSender>,
}

/// The parts of a [`Settler`].
pub(crate) struct SettlerParts {
    /// The queue's configured name.
    pub name: Arc<str>,
    /// The queue itself.
    pub queue: Arc<dyn Queue>,
    /// The queue that rejected messages are copied to; `None` makes a reject a retry.
    pub dead_letters: Option<DeadLetterQueue>,
    /// The longest time that a settlement waits for others.
    pub longest_linger: Duration,
    /// The queue's metrics.
    pub metrics: MetricScope,
    /// The queue's spans; `None` while traces are off.
    pub traces: Option<QueueTraces>,
    /// Unready while SQS refuses settlements.
    pub ready: Condition,
    /// Unready while the DLQ refuses copies.
    pub dlq_ready: Condition,
}

impl Settler {
    /// Creates a settler with nothing to settle.
    pub(crate) fn new(parts: SettlerParts) -> Self {
        let SettlerParts {
            name,
            queue,
            dead_letters,
            longest_linger,
            metrics: scope,
            traces,
            ready,
            dlq_ready,
        } = parts;
        ready.ready();
        let pending = Arc::new(PendingSettlements::new(name.clone(), longest_linger, scope.group()));
        let sender = DeadLetterSender::new(DeadLetterSenderParts {
            name: name.clone(),
            traces_of_source: traces.clone(),
            pending: pending.clone(),
            metrics: scope.group(),
            calls: scope.group(),
            scope: scope.clone(),
            ready: dlq_ready,
        });
        sender.send_to(dead_letters);
        let dead_letters = Arc::new(sender);
        let flusher = Flusher {
            name: name.clone(),
            queue,
            pending: pending.clone(),
            dead_letters: dead_letters.clone(),
            metrics: scope.group(),
            calls: scope.group(),
            traces,
            ready,
            last_error: Mutex::default(),
        };
        Self { name, pending, flusher: Arc::new(flusher), dead_letters }
    }

    /// Sends settlements until `stop`, which must be cancelled only when nothing is pending.
    pub(crate) async fn run(self, pulse: Pulse, stop: CancellationToken) {
        self.flusher.run(pulse, stop).await;
    }

    /// Deletes the message, with a batch that waits at most for the linger.
    pub(crate) fn delete(&self, lease: Lease) {
        self.pending.push(SettleAction::Delete, lease);
    }

    /// Makes the message visible again after `delay`, cut to the twelve hours that SQS allows in all.
    pub(crate) fn change_visibility(&self, lease: Lease, delay: Duration) {
        self.pending.push(SettleAction::ChangeVisibility(delay), lease);
    }

    /// Copies the message to the DLQ and then deletes it. Without a DLQ it becomes visible again.
    pub(crate) fn reject(&self, lease: Lease, message: Arc<Message>, rejection: Rejection) {
        let Rejection { reason, retry_in } = rejection;
        let Some(target) = self.dead_letters.target() else { return self.change_visibility(lease, retry_in) };
        let dead_letter = target.dead_letter(Arc::unwrap_or_clone(message), &reason, retry_in);
        if !dead_letter.has_reason() {
            let _trace = lease.enter_trace();
            events::ReasonLeftOut { queue: &self.name, message_id: lease.id(), reason: &reason }.emit();
        }
        self.pending.push(SettleAction::Copy(Box::new(dead_letter)), lease);
    }

    /// Takes the attributes of an earlier reject off a message that came back from the DLQ, so that its handler receives
    /// it as it was sent.
    ///
    /// If nothing is copied they are not the worker's own: the handler of a DLQ's messages receives them.
    pub(crate) fn restore(&self, message: &mut Message) {
        if dead_letter::has_record(message) && self.copies_rejects() {
            remove_record(message);
        }
    }

    /// Returns true when rejected messages are copied to a DLQ.
    pub(crate) fn copies_rejects(&self) -> bool {
        self.dead_letters.target().is_some()
    }

    /// Copies rejected messages to this DLQ from now on; without one a reject is a retry.
    pub(crate) fn copy_rejects_to(&self, dlq: Option<DeadLetterQueue>) {
        self.dead_letters.send_to(dlq);
    }

    /// The DLQ that rejected messages are copied to, if there is one.
    pub(crate) fn dead_letter_queue(&self) -> Option<Arc<dyn Queue>> {
        self.dead_letters.target().map(|target| target.queue())
    }

    /// The parts of each message to receive: all of them where rejected messages are copied.
    pub(crate) fn wanted(&self, by_handler: Wanted) -> Wanted {
        if self.copies_rejects() { Wanted::Everything } else { by_handler }
    }

    /// Sends all pending settlements without lingering.
    pub(crate) fn flush_now(&self) {
        self.pending.flush_now();
    }

    /// The number of messages that are not settled yet.
    pub(crate) fn pending(&self) -> usize {
        self.pending.count()
    }

    /// The time for which the oldest of them has waited for its settlement.
    pub(crate) fn oldest_pending(&self) -> Option<Duration> {
        self.pending.oldest(Instant::now())
    }

    /// The error for which SQS refuses to settle messages, until it settles one.
    pub(crate) fn error(&self) -> Option<String> {
        self.flusher.error().clone()
    }

    /// Calls the function with each message that is not settled yet.
    pub(crate) fn each_unsettled(&self, visit: impl FnMut(&mut Unsettled)) {
        self.pending.each(visit);
    }

    /// The number of done or copied messages whose delete was given up: they will be received again.
    pub(crate) fn undeleted(&self) -> usize {
        self.pending.undeleted()
    }

    /// Waits until every message is settled or given up, with short delays between retries from now on.
    pub(crate) async fn flushed(&self) {
        self.pending.drained().await;
    }
}

/// Settings of deletes and changes of visibility.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The longest time that a delete waits for others to share its request, at most a quarter of `visibility`; absent, 300ms, and 20ms on a FIFO queue, where the next message of the group may wait for it. It waits until ten should have come at the rate of late, and not at all when nothing else runs, or when a message that was received waits for it.
    pub linger: Option<Span>,
}

impl Settings {
    /// Finds every value that cannot work beside this visibility.
    ///
    /// A lease has at least 45 % of the visibility left while its extensions succeed. A delete that waits for a quarter
    /// is sent before the lease ends even if no further extension succeeds, and seldom costs an extension.
    pub fn validate(&self, visibility: Span) -> Vec<Problem> {
        self.linger.and_then(|linger| at_most("linger", linger, Span(visibility.0 / 4))).into_iter().collect()
    }

    /// The longest linger beside this visibility; `usual` where nothing is set.
    pub(crate) fn longest_linger(&self, visibility: Span, usual: Duration) -> Duration {
        self.linger.map_or(usual.min(visibility.0 / 4), |Span(linger)| linger)
    }
}

/// The DLQ that rejected messages are copied to; absent, the one of the queue's redrive policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DlqSettings {
    /// The DLQ's URL or ARN, when it is not the one that the queue's redrive policy names.
    pub url: Option<String>,
    /// The DLQ's name in SQS, instead of a `url`; looked up where the queue is.
    pub name: Option<String>,
    /// `true` copies rejected messages to the DLQ and deletes them; with `false` a reject is a retry.
    pub copy_rejects: bool,
}

impl Default for DlqSettings {
    fn default() -> Self {
        Self { url: None, name: None, copy_rejects: true }
    }
}

impl DlqSettings {
    /// The DLQ's URL, or else its name in SQS; `None` for the DLQ of the redrive policy.
    pub(crate) fn address(&self) -> Option<&str> {
        self.url.as_deref().or(self.name.as_deref())
    }
}

/// The actions that settle a message.
const SETTLING: &[Action] = &[Action::Delete, Action::GiveBack, Action::Copy];

metric_group! {
    /// Metrics of one queue's settled messages.
    pub struct SettleMetrics {
        /// Messages copied to the DLQ, deleted or given back, as confirmed by SQS; a rejected message that was copied counts twice, as a copy and as a delete.
        pub settled: ByLabel<Action, IntCounter> = "longshore_messages_settled_total" ["queue", "action"],
            starting with SETTLING;
        /// Entries of copy, delete and give-back batches that failed and were retried.
        pub settle_retries: ByLabel<Action, IntCounter> = "longshore_settle_retries_total" ["queue", "action"],
            starting with SETTLING;
        /// Copies, deletes and give-backs that were given up: because the lease was lost first, or because the DLQ refused the copy.
        pub settle_failures: ByLabel<Action, IntCounter> = "longshore_settle_failures_total" ["queue", "action"],
            starting with SETTLING;
        /// Messages whose delete, give-back or copy to the DLQ SQS has not confirmed yet.
        settling: Computed = "longshore_settling" ["queue"];
        /// Seconds for which the oldest of these messages has waited for the confirmation; 0 while there is none.
        oldest_settling: Computed = "longshore_oldest_settling_seconds" ["queue"];
    }
}

impl SettleMetrics {
    /// Shows the number of these messages, and the age of the oldest settlement.
    pub fn show(&self, unsettled: &InProgress<Unsettled>) {
        let shown = unsettled.clone();
        #[expect(clippy::cast_precision_loss, reason = "no worker holds 2^53 messages")]
        self.settling.by(move || Some(shown.len() as f64));
        let shown = unsettled.clone();
        self.oldest_settling.by(move || {
            let oldest = shown.oldest(|message| message.since, Instant::now());
            Some(oldest.unwrap_or_default().as_secs_f64())
        });
    }
}
