//! How many messages a queue has, as far as that is known, and for how long it was not heard.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus::{GaugeVec, IntGaugeVec};
use tokio::time::Instant;

use super::estimate::{Counts, Estimate, Sighting};
use crate::telemetry::{Label as _, MessageState, catalog::Families};

/// How many messages a queue has, as far as that is known.
///
/// Nothing of it is shown before polls have begun, and nothing that they could not renew: a gauge that is stale
/// looks like one that is right.
pub struct Depth {
    /// There once polls have begun.
    estimate: Mutex<Option<Estimate>>,
    queue: String,
    messages: IntGaugeVec,
    dlq: IntGaugeVec,
    oldest_age: GaugeVec,
    backlog: GaugeVec,
    age: GaugeVec,
}

impl Depth {
    pub(super) fn new(families: &Families, queue: &str) -> Self {
        Self {
            estimate: Mutex::new(None),
            queue: queue.to_owned(),
            messages: families.queue_messages.clone(),
            dlq: families.dlq_messages.clone(),
            oldest_age: families.oldest_age.clone(),
            backlog: families.backlog_seconds.clone(),
            age: families.depth_age.clone(),
        }
    }

    fn estimate(&self) -> MutexGuard<'_, Option<Estimate>> {
        self.estimate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, note: impl FnOnce(&mut Estimate, Instant)) {
        if let Some(estimate) = &mut *self.estimate() {
            note(estimate, Instant::now());
        }
    }

    /// Notes how far polls are apart from now on; the first time, that they have begun.
    pub fn polls_every(&self, gap: Duration) {
        self.estimate().get_or_insert_with(|| Estimate::new(gap, Instant::now())).polls_every(gap);
    }

    /// Notes what SQS said of the queue.
    pub fn polled(&self, counts: Counts) {
        self.note(|estimate, now| estimate.polled(counts, now));
    }

    /// Notes how many messages SQS said are visible in the DLQ.
    pub fn dlq_polled(&self, visible: u64) {
        self.note(|estimate, now| estimate.dlq_polled(visible, now));
    }

    /// Notes what a receive brought.
    pub fn received(&self, sighting: Sighting) {
        self.note(|estimate, now| estimate.received(sighting, now));
    }

    /// Notes how long a message keeps a slot.
    pub fn worked(&self, seconds_per_message: Option<f64>) {
        self.note(|estimate, _| estimate.worked(seconds_per_message));
    }

    /// Whether receives come back empty.
    pub fn is_quiet(&self) -> bool {
        self.estimate().as_ref().is_some_and(|estimate| estimate.is_quiet(Instant::now()))
    }

    /// How many messages there are, where that is known.
    pub fn counts(&self) -> Option<Counts> {
        self.estimate().as_ref()?.counts(Instant::now())
    }

    /// How many messages are visible in the DLQ, where that is known.
    pub fn dlq(&self) -> Option<u64> {
        self.estimate().as_ref()?.dlq(Instant::now())
    }

    /// How long so many slots would need for what is there, where that is known.
    pub fn backlog_seconds(&self, slots: f64) -> Option<f64> {
        self.estimate().as_ref()?.backlog_seconds(slots, Instant::now())
    }

    /// Brings the gauges up to now, and takes away those of which nothing is known.
    pub(super) fn refresh(&self, slots: f64, now: Instant) {
        let Some(estimate) = self.estimate().clone() else { return };
        let queue = [self.queue.as_str()];
        self.age.with_label_values(&queue).set(estimate.age(now).as_secs_f64());
        let counts = estimate.counts(now);
        for state in MessageState::ALL {
            let labels = [self.queue.as_str(), state.as_str()];
            show_count(&self.messages, &labels, counts.map(|counts| counts.of(*state)));
        }
        show_count(&self.dlq, &queue, estimate.dlq(now));
        show(&self.oldest_age, &queue, estimate.oldest_age(now).map(|age| age.as_secs_f64()));
        show(&self.backlog, &queue, estimate.backlog_seconds(slots, now));
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

fn show_count(gauges: &IntGaugeVec, labels: &[&str], value: Option<u64>) {
    match value {
        Some(value) => gauges.with_label_values(labels).set(i64::try_from(value).unwrap_or(i64::MAX)),
        // It fails where there is none, which is what is wanted.
        None => drop(gauges.remove_label_values(labels)),
    }
}

fn show(gauges: &GaugeVec, labels: &[&str], value: Option<f64>) {
    match value {
        Some(value) => gauges.with_label_values(labels).set(value),
        None => drop(gauges.remove_label_values(labels)),
    }
}
