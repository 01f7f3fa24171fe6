//! The flusher: sends batches of settlements to SQS, and handles the result of each entry.

use std::{
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    SettleMetrics,
    batcher::{SettleAction, Settlement},
    dead_letter::DeadLetterSender,
    pending::{PendingLease, PendingSettlements, SentSettlement, settled},
};
use crate::{
    consumer::lease::MessageStage,
    health::{Condition, FAILURE_SHOWN, Pulse},
    queue::metrics::CallMetrics,
    queue::{BatchResult, EntryError, Queue, QueueError, RetryClass, all_entries, within},
    tasks,
    telemetry::{Action, CallResult, events, spans::QueueTraces},
};

/// The most calls in flight.
const CALLS_AT_ONCE: usize = 32;
/// The time limit of a call, in case the queue keeps none: the messages are held until the call ends.
pub(super) const WATCHDOG: Duration = Duration::from_secs(20);
/// The longest time between two rounds of the loop.
const TICK: Duration = Duration::from_secs(10);

/// The loop that settles messages in batches.
pub(super) struct Flusher {
    pub(super) name: Arc<str>,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) pending: Arc<PendingSettlements>,
    /// The sender of copies to the DLQ.
    pub(super) dead_letters: Arc<DeadLetterSender>,
    pub(super) metrics: Arc<SettleMetrics>,
    pub(super) calls: Arc<CallMetrics>,
    pub(super) traces: Option<QueueTraces>,
    /// Unready while SQS refuses settlements.
    pub(super) ready: Condition,
    /// The error for which it refuses them, until it confirms one.
    pub(super) last_error: Mutex<Option<String>>,
}

impl Flusher {
    /// Sends due batches until `stop`, which must be cancelled only when nothing is pending.
    pub(super) async fn run(self: Arc<Self>, pulse: Pulse, stop: CancellationToken) {
        let calls = Arc::new(Semaphore::new(CALLS_AT_ONCE));
        loop {
            pulse.beat();
            self.send_due(&calls).await;
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.pending.due(Instant::now() + TICK) => {}
            }
        }
    }

    async fn send_due(self: &Arc<Self>, calls: &Arc<Semaphore>) {
        loop {
            let batch = self.pending.take_due(Instant::now());
            let Some(first) = batch.first() else { return };
            if matches!(first.action, SettleAction::Copy(_)) {
                let dead_letters = self.dead_letters.clone();
                tasks::detach("copy", async move { dead_letters.send(batch).await });
                continue;
            }
            // The semaphore is never closed.
            let Ok(permit) = calls.clone().acquire_owned().await else { return };
            let flusher = self.clone();
            tasks::detach("flush", async move {
                flusher.send(batch).await;
                drop(permit);
            });
        }
    }

    async fn send(&self, batch: Vec<Settlement<PendingLease>>) {
        let Some(action) = batch.first().map(|settlement| settlement.action.label()) else { return };
        let batch = self.pending.with_receipts(batch);
        if batch.is_empty() {
            return;
        }
        let began = Instant::now();
        let answer = within(WATCHDOG, "a call", self.call(action, &batch, began)).await;
        self.calls.called(action, CallResult::of(&answer), began);
        if let Some(traces) = &self.traces {
            traces.settled(&settled(action, began, &batch), &answer);
        }
        self.handle_answer(action, batch, answer);
    }

    async fn call(&self, action: Action, batch: &[SentSettlement], now: Instant) -> BatchResult<()> {
        if action == Action::Delete {
            let receipts: Vec<_> = batch.iter().map(|sent| sent.receipt.clone()).collect();
            return self.queue.delete(&receipts).await;
        }
        let changes: Vec<_> = batch.iter().map(|sent| sent.visibility_change(now)).collect();
        self.queue.change_visibility(&changes).await
    }

    fn handle_answer(&self, action: Action, batch: Vec<SentSettlement>, answer: BatchResult<()>) {
        match answer {
            Ok(entries) => {
                let results: Vec<_> = batch.into_iter().zip(all_entries(entries)).collect();
                self.note_readiness(&results);
                for (sent, entry) in results {
                    self.handle_entry(sent, entry);
                }
            }
            Err(error) => self.handle_call_error(action, batch, &error),
        }
    }

    /// Notes whether SQS settles messages, by the results of a batch: it does if it confirmed one, and does not if it refused
    /// all for another reason than a lost lease.
    fn note_readiness(&self, results: &[(SentSettlement, Result<(), EntryError>)]) {
        if results.iter().any(|(_, entry)| entry.is_ok()) {
            self.ready.ready();
            return *self.error() = None;
        }
        let refused = results.iter().find_map(|(sent, entry)| {
            let (error, attempt) = (entry.as_ref().err()?, sent.settlement.attempt);
            let is_lost = error.retry_class == RetryClass::LeaseLost;
            (!is_lost && error.retry_class.is_outage_after(attempt)).then_some(error)
        });
        if let Some(error) = refused {
            self.cannot_settle(error);
        }
    }

    fn cannot_settle(&self, error: &impl Display) {
        self.ready.unready_for(FAILURE_SHOWN, format!("messages cannot be settled: {error}"));
        *self.error() = Some(error.to_string());
    }

    /// The error for which SQS refuses settlements, until it confirms one.
    pub(super) fn error(&self) -> MutexGuard<'_, Option<String>> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle_call_error(&self, action: Action, batch: Vec<SentSettlement>, error: &QueueError) {
        let attempt = batch.iter().map(|sent| sent.settlement.attempt).max().unwrap_or(1);
        let retry_in = error.retry_class().pauses().random_delay(attempt);
        events::CallFailed { queue: &self.name, action, error, attempt, retry_in }.emit();
        if error.retry_class().is_outage_after(attempt) {
            self.cannot_settle(error);
        }
        let reason = error.to_string();
        for sent in batch {
            self.pending.retry_after(sent.settlement, &reason, retry_in);
        }
    }

    fn handle_entry(&self, sent: SentSettlement, entry: Result<(), EntryError>) {
        match entry {
            Ok(()) if sent.is_superseded() => self.pending.retry(sent.settlement, Duration::ZERO),
            Ok(()) => self.record_settled(sent.settlement),
            Err(error) if error.retry_class == RetryClass::LeaseLost && !sent.is_superseded() => {
                self.pending.give_up(sent.settlement, &error.to_string());
            }
            Err(error) => {
                let settlement = sent.settlement;
                let _trace = settlement.lease.enter_trace();
                let (queue, message_id) = (&*self.name, settlement.lease.id());
                let action = settlement.action.label();
                events::EntryFailed { queue, message_id, action, error: &error }.emit();
                let delay = error.retry_class.pauses().random_delay(settlement.attempt);
                self.pending.retry_after(settlement, &error.to_string(), delay);
            }
        }
    }

    fn record_settled(&self, mut settlement: Settlement<PendingLease>) {
        let action = settlement.action.label();
        self.metrics.settled.of(action).inc();
        settlement.lease.note(MessageStage::Settled(action));
        if matches!(settlement.action, SettleAction::Delete) {
            settlement.lease.mark_deleted();
        }
    }
}
