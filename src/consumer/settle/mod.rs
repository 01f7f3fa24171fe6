//! Settling messages: deletes, visibility changes and copies to the DLQ, batched and retried.

mod batcher;
mod dead_letter;
mod flusher;
mod metrics;
mod pending;
mod settings;

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use self::{
    batcher::SettleAction,
    dead_letter::{DeadLetterSender, DeadLetterSenderParts},
    flusher::Flusher,
    pending::PendingSettlements,
};
pub use self::{
    dead_letter::{DeadLetterQueue, Rejection},
    metrics::SettleMetrics,
    settings::{DlqSettings, Settings},
};
use crate::{
    consumer::lease::Lease,
    health::{Condition, Pulse},
    message::{Message, Wanted},
    queue::Queue,
    telemetry::{MetricScope, events, traces::QueueTraces},
};

/// The settler of one queue's messages. Clones share their state.
#[derive(Clone)]
pub struct Settler {
    name: Arc<str>,
    pending: Arc<PendingSettlements>,
    flusher: Arc<Flusher>,
    dead_letters: Option<Arc<DeadLetterSender>>,
}

/// The parts of a [`Settler`].
pub struct SettlerParts {
    /// The queue's configured name.
    pub name: Arc<str>,
    /// The queue itself.
    pub queue: Arc<dyn Queue>,
    /// The queue that rejected messages are copied to; `None` makes a reject a retry.
    pub dead_letters: Option<DeadLetterQueue>,
    /// The settings of the batches.
    pub settings: Settings,
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
    pub fn new(parts: SettlerParts) -> Self {
        let SettlerParts { name, queue, dead_letters, settings, metrics: scope, traces, ready, dlq_ready } =
            parts;
        ready.ready();
        let pending = Arc::new(PendingSettlements::new(name.clone(), settings.linger.0, scope.group()));
        let dead_letters = dead_letters.map(|dlq| {
            Arc::new(DeadLetterSender::new(DeadLetterSenderParts {
                name: name.clone(),
                traces: traces.as_ref().map(|traces| dlq.traces(traces)),
                dlq,
                pending: pending.clone(),
                metrics: scope.group(),
                calls: scope.group(),
                scope: scope.clone(),
                ready: dlq_ready,
            }))
        });
        let flusher = Flusher {
            name: name.clone(),
            queue,
            pending: pending.clone(),
            dead_letters: dead_letters.clone(),
            metrics: scope.group(),
            calls: scope.group(),
            traces,
            ready,
        };
        Self { name, pending, flusher: Arc::new(flusher), dead_letters }
    }

    /// Sends settlements until `stop`, which must come only when nothing is pending.
    pub async fn run(self, pulse: Pulse, stop: CancellationToken) {
        self.flusher.run(pulse, stop).await;
    }

    /// Deletes the message, at the latest after the linger.
    pub fn delete(&self, lease: Lease) {
        self.pending.push(SettleAction::Delete, lease);
    }

    /// Makes the message visible again after `delay`, which is cut to the twelve hours that SQS allows in all.
    pub fn change_visibility(&self, lease: Lease, delay: Duration) {
        self.pending.push(SettleAction::ChangeVisibility(delay), lease);
    }

    /// Copies the message to the DLQ and then deletes it. Without a DLQ it becomes visible again.
    pub fn reject(&self, lease: Lease, message: Arc<Message>, rejection: Rejection) {
        let Rejection { reason, retry_in } = rejection;
        let Some(dead_letters) = &self.dead_letters else { return self.change_visibility(lease, retry_in) };
        let dead_letter = dead_letters.dead_letter(Arc::unwrap_or_clone(message), &reason, retry_in);
        if !dead_letter.has_reason() {
            let _lines = lease.enter_trace();
            events::ReasonLeftOut { queue: &self.name, message_id: lease.id(), reason: &reason }.emit();
        }
        self.pending.push(SettleAction::Copy(Box::new(dead_letter)), lease);
    }

    /// Returns true when rejected messages are copied to a DLQ.
    pub fn copies_rejects(&self) -> bool {
        self.dead_letters.is_some()
    }

    /// The parts of each message to receive, so that a rejected one can be copied whole.
    pub fn wanted(&self, by_handler: Wanted) -> Wanted {
        if self.copies_rejects() { Wanted::Everything } else { by_handler }
    }

    /// Sends everything handed over so far without lingering.
    pub fn flush_now(&self) {
        self.pending.flush_now();
    }

    /// The number of messages handed over and not settled yet.
    pub fn pending(&self) -> usize {
        self.pending.count()
    }

    /// The number of done or copied messages that could not be deleted so far: they will run again elsewhere.
    pub fn undeleted(&self) -> usize {
        self.pending.undeleted()
    }

    /// Waits until everything handed over is settled or given up, with short delays between retries from now on.
    pub async fn flushed(&self) {
        self.pending.drained().await;
    }
}
