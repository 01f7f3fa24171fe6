//! Sends the notifications for one topic, with retries, a time limit and a bound on how many wait.

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::Notification;
use crate::{
    message::MessageId,
    sns::{
        Publication, PublishRetryClass, Publisher, TopicArn, TopicError,
        metrics::{NotificationMetrics, PublishMetrics, publish},
    },
    telemetry::{Label as _, MetricScope, Notified, Occasion, context::TraceContext, events, spans::Trace},
};

/// The most notifications sent at once to a standard topic.
const CONCURRENCY: usize = 16;
/// The most notifications of a queue that wait.
pub(super) const MAX_PENDING: u64 = 1_000;
/// The most bytes of them.
const MAX_PENDING_BYTES: usize = 16 * 1024 * 1024;

/// One topic, and the way to publish to it.
pub(super) struct TopicRoute {
    pub(super) queue: Arc<str>,
    pub(super) topic: TopicArn,
    pub(super) publisher: Arc<dyn Publisher>,
    pub(super) give_up_after: Duration,
    pub(super) pending: PendingNotifications,
    pub(super) metrics: Arc<NotificationMetrics>,
    pub(super) publications: Arc<PublishMetrics>,
    pub(super) scope: MetricScope,
}

/// Queues notifications for one topic.
pub(super) struct TopicSender {
    queue: mpsc::UnboundedSender<QueuedNotification>,
    pending: PendingNotifications,
}

/// A notification that waits or is sent.
struct QueuedNotification {
    message_id: MessageId,
    occasion: Occasion,
    publication: Publication,
    bytes: usize,
    since: Instant,
    /// The trace of the call whose outcome it reports.
    trace: Option<Arc<Trace>>,
    /// The trace context of log lines about it.
    trace_context: Option<TraceContext>,
}

impl TopicSender {
    /// A sender, and the future that sends until `end`.
    pub(super) fn new(route: TopicRoute, end: CancellationToken) -> (Self, impl Future<Output = ()> + use<>) {
        // Unbounded, because `PendingNotifications` is the bound.
        let (queue, waiting) = mpsc::unbounded_channel();
        let sender = Self { queue, pending: route.pending.clone() };
        let run = async move {
            tokio::select! {
                biased;
                () = route.send_all(waiting) => {}
                () = end.cancelled() => {}
            }
        };
        (sender, run)
    }

    /// Queues a notification, unless too many wait.
    pub(super) fn enqueue(
        &self,
        notification: &Notification<'_>,
        occasion: Occasion,
        publication: Publication,
    ) -> Result<(), TooManyPending> {
        let bytes = publication.size_bytes();
        self.pending.add(occasion, bytes)?;
        let queued = QueuedNotification {
            message_id: notification.message.id.clone(),
            occasion,
            publication,
            bytes,
            since: Instant::now(),
            trace: notification.trace.cloned(),
            trace_context: notification.trace_context(),
        };
        self.queue.send(queued).map_err(|unsent| {
            self.pending.remove(unsent.0.occasion, unsent.0.bytes);
            TooManyPending
        })
    }
}

impl TopicRoute {
    /// Sends to a FIFO topic one at a time, so that no notification overtakes one that is retried.
    async fn send_all(&self, waiting: mpsc::UnboundedReceiver<QueuedNotification>) {
        let concurrency = if self.topic.is_fifo() { 1 } else { CONCURRENCY };
        let notifications = stream::unfold(waiting, async |mut waiting| {
            let queued = waiting.recv().await?;
            Some((queued, waiting))
        });
        notifications.for_each_concurrent(concurrency, |queued| self.send(queued)).await;
    }

    async fn send(&self, mut queued: QueuedNotification) {
        let sent = self.publish_with_retries(&mut queued).await;
        let QueuedNotification { message_id, occasion, bytes, trace_context, .. } = queued;
        if !self.pending.remove(occasion, bytes) {
            return;
        }
        if let Err(error) = sent {
            let (queue, topic, reason) = (&*self.queue, self.topic.as_str(), &*error.to_string());
            let _lines = trace_context.as_ref().map(TraceContext::enter);
            events::NotificationFailed { queue, message_id: &message_id, topic, occasion, reason }
                .emit(&self.metrics.notifications, self.scope.warnings());
        } else {
            self.metrics.notifications.of(occasion).of(Notified::Sent).inc();
        }
    }

    async fn publish_with_retries(&self, queued: &mut QueuedNotification) -> Result<(), TopicError> {
        for attempt in 1.. {
            let QueuedNotification { publication, trace, .. } = queued;
            let (publisher, metrics) = (&*self.publisher, Some(&*self.publications));
            let answer = publish(publisher, publication, trace.as_deref(), metrics).await;
            let Err(error) = answer else { break };
            let retry = error.retry_class();
            let pause = retry.pauses().random_delay(attempt);
            let is_too_late = queued.since.elapsed() + pause > self.give_up_after;
            if retry == PublishRetryClass::BadMessage || is_too_late {
                return Err(error);
            }
            self.log_delay(queued, &error, attempt);
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    fn log_delay(
        &self,
        QueuedNotification { message_id, trace_context, .. }: &QueuedNotification,
        error: &TopicError,
        attempt: u32,
    ) {
        let (queue, topic) = (&*self.queue, self.topic.as_str());
        let _lines = trace_context.as_ref().map(TraceContext::enter);
        events::NotificationDelayed { queue, message_id, topic, error, attempt }.emit();
    }
}

/// A number of notifications for each occasion.
pub(super) type OccasionCounts = [(Occasion, u64); Occasion::ALL.len()];

/// The bounded count of a queue's unsent notifications; clones share it.
#[derive(Clone, Debug)]
pub(super) struct PendingNotifications(Arc<watch::Sender<PendingLoad>>);

#[derive(Clone, Copy, Debug)]
struct PendingLoad {
    counts: OccasionCounts,
    bytes: usize,
    is_closed: bool,
}

impl PendingLoad {
    fn count(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }

    fn change(&mut self, occasion: Occasion, change: impl Fn(u64) -> u64) {
        for (_, count) in self.counts.iter_mut().filter(|(other, _)| *other == occasion) {
            *count = change(*count);
        }
    }
}

impl Default for PendingNotifications {
    fn default() -> Self {
        let counts = std::array::from_fn(|index| (Occasion::ALL[index], 0));
        Self(Arc::new(watch::Sender::new(PendingLoad { counts, bytes: 0, is_closed: false })))
    }
}

/// The error when one more notification would exceed the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooManyPending;

impl PendingNotifications {
    /// Counts one more, until it is removed.
    fn add(&self, occasion: Occasion, bytes: usize) -> Result<(), TooManyPending> {
        let mut added = Err(TooManyPending);
        self.0.send_modify(|load| {
            let has_capacity = load.count() < MAX_PENDING && load.bytes + bytes <= MAX_PENDING_BYTES;
            if !load.is_closed && has_capacity {
                load.bytes += bytes;
                load.change(occasion, |count| count + 1);
                added = Ok(());
            }
        });
        added
    }

    /// Removes one; returns false when the count was closed before.
    fn remove(&self, occasion: Occasion, bytes: usize) -> bool {
        let mut was_counted = false;
        self.0.send_modify(|load| {
            was_counted = !load.is_closed;
            if was_counted {
                load.bytes = load.bytes.saturating_sub(bytes);
                load.change(occasion, |count| count.saturating_sub(1));
            }
        });
        was_counted
    }

    /// Waits until none is left.
    pub(super) async fn none(&self) {
        // The channel cannot close while this holds its sender.
        drop(self.0.subscribe().wait_for(|load| load.count() == 0).await);
    }

    /// Closes the count; returns the numbers that were left.
    pub(super) fn close(&self) -> OccasionCounts {
        let mut left = self.0.borrow().counts;
        self.0.send_modify(|load| {
            left = load.counts;
            load.counts = load.counts.map(|(occasion, _)| (occasion, 0));
            load.is_closed = true;
        });
        left
    }
}
