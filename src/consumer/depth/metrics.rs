//! Metrics of the number of messages in a queue, shown only while polls renew them.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::estimate::{Counts, Estimate, QueueAgeSample};
use crate::{
    consumer::running::RunningCalls,
    telemetry::{ByLabel, Computed, Label as _, MessageState, MetricScope, metric_group},
};

metric_group! {
    /// Metrics of how many messages one queue and its DLQ have.
    pub(crate) struct DepthMetrics {
        /// Messages in the queue as SQS counts them, of all workers, by state.
        messages: ByLabel<MessageState, Computed> = "longshore_queue_messages" ["queue", "state"];
        /// Messages visible in the queue's DLQ.
        dlq: Computed = "longshore_dlq_messages" ["queue"];
        /// Estimated age of the oldest message that waits in the queue.
        oldest_age: Computed = "longshore_queue_oldest_message_age_seconds" ["queue"];
        /// Seconds that this worker alone would need for the messages visible and in flight; calls that run for longer than usual count as what they have taken so far.
        backlog: Computed = "longshore_backlog_seconds" ["queue"];
        /// Seconds for which SQS keeps a message of the queue before it deletes it.
        retention: Computed = "longshore_queue_retention_seconds" ["queue"];
        /// Seconds since SQS last answered how many messages the queue has; since the start when it never did.
        age: Computed = "longshore_queue_depth_age_seconds" ["queue"];
    }
}

/// The number of messages in a queue, if known; clones share it.
///
/// Nothing is shown before polls have begun, nor values that they could not renew: a stale gauge looks like a correct
/// one.
#[derive(Clone)]
pub struct QueueDepth {
    /// `None` before polls have begun.
    estimate: Arc<Mutex<Option<Estimate>>>,
    /// The concurrency of the handler.
    slots: Arc<AtomicUsize>,
    /// The calls of the handler.
    running: RunningCalls,
}

impl QueueDepth {
    /// Creates the depth that the gauges of the scope show, for a worker with this concurrency.
    pub fn in_scope(scope: &MetricScope, concurrency: usize, running: RunningCalls) -> Self {
        let metrics = scope.group::<DepthMetrics>();
        let depth = Self { estimate: Arc::default(), slots: Arc::new(concurrency.into()), running };
        for state in MessageState::ALL {
            depth.show(metrics.messages.of(*state), |depth| {
                depth.counts().map(|counts| number(counts.of(*state)))
            });
        }
        depth.show(&metrics.dlq, |depth| depth.dlq().map(number));
        depth.show(&metrics.oldest_age, Self::oldest_age_seconds);
        depth.show(&metrics.backlog, Self::backlog_seconds);
        depth.show(&metrics.retention, |depth| depth.retention().map(|retention| retention.as_secs_f64()));
        depth.show(&metrics.age, |depth| Some(depth.estimate().as_ref()?.age(Instant::now()).as_secs_f64()));
        depth
    }

    fn show(&self, gauge: &Computed, value: impl Fn(&Self) -> Option<f64> + Send + Sync + 'static) {
        let depth = self.clone();
        gauge.by(move || value(&depth));
    }

    fn estimate(&self) -> MutexGuard<'_, Option<Estimate>> {
        self.estimate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, note: impl FnOnce(&mut Estimate, Instant)) {
        if let Some(estimate) = &mut *self.estimate() {
            note(estimate, Instant::now());
        }
    }

    /// Sets the interval between polls; the first call begins the estimate.
    pub fn polls_every(&self, gap: Duration) {
        self.estimate().get_or_insert_with(|| Estimate::new(gap, Instant::now())).polls_every(gap);
    }

    /// Changes the concurrency of the handler.
    pub fn set_concurrency(&self, concurrency: usize) {
        self.slots.store(concurrency, Ordering::Relaxed);
    }

    /// Notes the counts of the queue.
    pub fn polled(&self, counts: Counts) {
        self.note(|estimate, now| estimate.polled(counts, now));
    }

    /// Notes the time for which SQS keeps a message; zero if it is not known.
    pub fn kept_for(&self, retention: Duration) {
        self.note(|estimate, _| estimate.kept_for(retention));
    }

    /// The time for which SQS keeps a message, if it is known.
    pub fn retention(&self) -> Option<Duration> {
        self.estimate().as_ref()?.retention()
    }

    /// Notes the number of visible messages in the DLQ.
    pub fn dlq_polled(&self, visible: u64) {
        self.note(|estimate, now| estimate.dlq_polled(visible, now));
    }

    /// Notes the sample of a receive.
    pub fn received(&self, sample: QueueAgeSample) {
        self.note(|estimate, now| estimate.received(sample, now));
    }

    /// Notes the time for which a message occupies a slot.
    pub fn worked(&self, seconds_per_message: Option<f64>) {
        self.note(|estimate, _| estimate.worked(seconds_per_message));
    }

    /// True while receives return nothing.
    pub fn is_quiet(&self) -> bool {
        self.estimate().as_ref().is_some_and(|estimate| estimate.is_quiet(Instant::now()))
    }

    /// The number of messages, if known.
    pub fn counts(&self) -> Option<Counts> {
        self.estimate().as_ref()?.counts(Instant::now())
    }

    /// True if receives have brought messages since they were counted.
    pub fn is_outrun(&self) -> bool {
        self.estimate().as_ref().is_some_and(Estimate::is_outrun)
    }

    /// The number of visible messages in the DLQ, if known.
    pub fn dlq(&self) -> Option<u64> {
        self.estimate().as_ref()?.dlq(Instant::now())
    }

    /// The estimated age of the oldest message that waits, in seconds, if known.
    pub fn oldest_age_seconds(&self) -> Option<f64> {
        Some(self.estimate().as_ref()?.oldest_age(Instant::now())?.as_secs_f64())
    }

    /// The seconds that this worker alone would need for the messages visible and in flight, if known.
    pub fn backlog_seconds(&self) -> Option<f64> {
        let now = Instant::now();
        #[expect(clippy::cast_precision_loss, reason = "no worker has 2^53 slots")]
        let slots = self.slots.load(Ordering::Relaxed) as f64;
        let seconds = |usual| self.running.seconds_per_message(usual, now);
        self.estimate().as_ref()?.backlog_seconds(slots, seconds, now)
    }
}

impl Counts {
    fn of(self, state: MessageState) -> u64 {
        match state {
            MessageState::Visible => self.visible,
            MessageState::InFlight => self.in_flight,
            MessageState::Delayed => self.delayed,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "no queue has 2^53 messages")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    #[tokio::test(start_paused = true)]
    async fn a_depth_that_polls_could_not_renew_disappears_and_its_age_grows() {
        let metrics = Metrics::new();
        let scope = metrics.queue("orders", "orders");
        let depth = QueueDepth::in_scope(&scope, 1, RunningCalls::in_scope(&scope));
        assert!(!metrics.text().contains("queue_depth_age"), "no polls have begun");
        depth.polls_every(Duration::from_secs(30));
        depth.polled(Counts { visible: 7, ..Counts::default() });
        let shown = "longshore_queue_messages{queue=\"orders\",state=\"visible\"} 7";
        assert!(metrics.text().contains(shown), "{}", metrics.text());
        tokio::time::advance(Duration::from_secs(91)).await;
        let text = metrics.text();
        assert!(
            !text.contains("longshore_queue_messages{") && !text.contains("oldest_message_age"),
            "{text}"
        );
        assert!(text.contains("longshore_queue_depth_age_seconds{queue=\"orders\"} 91"), "{text}");
    }
}
