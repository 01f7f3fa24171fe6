//! The flusher: sends the slips to SQS and reads every entry of every answer.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Owed, Settler, Slip, Verb};
use crate::{
    consumer::lease::VisibilityReceipt,
    health::Pulse,
    message::Receipt,
    queue::{BatchAnswer, EntryError, QueueError, RetryClass, VisibilityChange, all_entries, within},
    tasks,
    telemetry::{Action, CallResult, events, traces::Settled},
};

/// Batches under way at once.
const CALLS_AT_ONCE: usize = 32;
/// Copies under way at once; counted apart, so that a DLQ that hangs holds up no delete.
const COPIES_AT_ONCE: usize = 8;
/// How much time a call has, whatever the queue promises: what it settles is held until it ends.
pub(super) const WATCHDOG: Duration = Duration::from_secs(20);
/// How often the flusher looks up when nothing happens.
const TICK: Duration = Duration::from_secs(10);
/// How soon to look again at a lease that cannot be given back while its extension is under way.
const EXTENSION_PAUSE: Duration = Duration::from_millis(20);

/// A slip with the receipt it is sent with.
pub(super) struct Sent {
    pub(super) slip: Slip<Owed>,
    receipt: Receipt,
}

/// How many calls there may still be at once.
struct Calls {
    settling: Arc<Semaphore>,
    copying: Arc<Semaphore>,
}

impl Settler {
    /// Sends what is handed over until `stop`; to be stopped only when nothing is pending.
    pub async fn run(self, pulse: Pulse, stop: CancellationToken) {
        let permits = |count| Arc::new(Semaphore::new(count));
        let calls = Calls { settling: permits(CALLS_AT_ONCE), copying: permits(COPIES_AT_ONCE) };
        loop {
            pulse.beat();
            self.0.refusals.forget_old();
            self.send_due(&calls).await;
            tokio::select! {
                () = self.next_due() => {}
                () = self.0.due.notified() => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn next_due(&self) {
        let latest = Instant::now() + TICK;
        let due = self.slips().next_due().unwrap_or(latest);
        tokio::time::sleep_until(due.min(latest)).await;
    }

    async fn send_due(&self, calls: &Calls) {
        loop {
            let batch = self.slips().take(Instant::now());
            let Some(first) = batch.first() else { return };
            let settle = self.clone();
            if matches!(first.verb, Verb::Copy(_)) {
                let copying = calls.copying.clone();
                tasks::detach("copy", async move {
                    // Waited for in the task, so that nothing else waits for the DLQ.
                    let _permit = copying.acquire_owned().await;
                    settle.copy(batch).await;
                });
                continue;
            }
            // Closed never: the semaphore lives as long as this loop.
            let Ok(permit) = calls.settling.clone().acquire_owned().await else { return };
            tasks::detach("flush", async move {
                settle.send(batch).await;
                drop(permit);
            });
        }
    }

    async fn send(&self, batch: Vec<Slip<Owed>>) {
        let Some(action) = batch.first().map(|slip| slip.verb.action()) else { return };
        let batch: Vec<_> = batch.into_iter().filter_map(|slip| self.address(slip, Instant::now())).collect();
        if batch.is_empty() {
            return;
        }
        let began = Instant::now();
        let answer = within(WATCHDOG, "a call", self.call(action, &batch, began)).await;
        self.0.metrics.called(action, CallResult::of(&answer), began);
        if let Some(traces) = &self.0.traces {
            traces.settled(&settled(action, began, &batch), &answer);
        }
        self.note(batch, answer);
    }

    /// Finds the receipt to send a slip with; a slip whose lease is lost goes no further.
    pub(super) fn address(&self, slip: Slip<Owed>, now: Instant) -> Option<Sent> {
        let found = match slip.verb {
            Verb::Copy(_) => slip.lease.receipt(now),
            Verb::Delete => slip.lease.begin_delete(now),
            Verb::GiveBack(_) => match slip.lease.begin_visibility_change() {
                VisibilityReceipt::Ready(receipt) => Some(receipt),
                VisibilityReceipt::ExtensionInFlight => {
                    self.put_aside(slip, EXTENSION_PAUSE);
                    return None;
                }
                // It is visible again already, or will be without our doing.
                VisibilityReceipt::Lost => return None,
            },
        };
        if let Some(receipt) = found {
            return Some(Sent { slip, receipt });
        }
        self.give_up(slip, "the lease was lost first");
        None
    }

    async fn call(&self, action: Action, batch: &[Sent], now: Instant) -> BatchAnswer<()> {
        if action == Action::Delete {
            let receipts: Vec<_> = batch.iter().map(|sent| sent.receipt.clone()).collect();
            return self.0.queue.delete(&receipts).await;
        }
        let changes: Vec<_> = batch.iter().map(|sent| sent.visibility_change(now)).collect();
        self.0.queue.change_visibility(&changes).await
    }

    fn note(&self, batch: Vec<Sent>, answer: BatchAnswer<()>) {
        match answer {
            Ok(entries) => {
                self.0.ready.ready();
                for (sent, entry) in batch.into_iter().zip(all_entries(entries)) {
                    self.note_entry(sent, entry);
                }
            }
            Err(error) => self.note_failure(batch, &error),
        }
    }

    fn note_failure(&self, batch: Vec<Sent>, error: &QueueError) {
        let Some(action) = batch.first().map(|sent| sent.slip.verb.action()) else { return };
        let attempt = batch.iter().map(|sent| sent.slip.attempt).max().unwrap_or(1);
        let retry_in = error.retry_class().pauses().random_delay(attempt);
        events::CallFailed { queue: &self.0.name, action, error, attempt, retry_in }.emit();
        if error.retry_class() == RetryClass::Refused {
            self.0.ready.unready(format!("sqs refuses to be told of outcomes: {error}"));
        }
        for sent in batch {
            self.try_again(sent.slip, retry_in);
        }
    }

    fn note_entry(&self, sent: Sent, entry: Result<(), EntryError>) {
        let Sent { slip, receipt } = sent;
        match entry {
            // The message was received again meanwhile: the older receipt may have changed nothing.
            Ok(()) if slip.lease.is_superseded(&receipt) => self.try_again(slip, Duration::ZERO),
            Ok(()) => self.settled(slip),
            Err(error)
                if error.retry_class == RetryClass::LeaseLost && !slip.lease.is_superseded(&receipt) =>
            {
                self.give_up(slip, &error.to_string());
            }
            Err(error) => {
                let (queue, message_id, action) = (&*self.0.name, slip.lease.id(), slip.verb.action());
                let _lines = slip.lease.enter_trace();
                events::EntryFailed { queue, message_id, action, error: &error }.emit();
                let pause = error.retry_class.pauses().random_delay(slip.attempt);
                self.try_again(slip, pause);
            }
        }
    }

    fn settled(&self, mut slip: Slip<Owed>) {
        self.0.metrics.settled.of(slip.verb.action()).inc();
        if matches!(slip.verb, Verb::Delete) {
            slip.lease.mark_deleted();
        }
    }

    /// Tries again for as long as the lease lasts: given up sooner, a done message would run once more elsewhere.
    pub(super) fn try_again(&self, mut slip: Slip<Owed>, pause: Duration) {
        self.0.metrics.settle_retries.of(slip.verb.action()).inc();
        slip.attempt += 1;
        self.put_aside(slip, pause);
    }

    pub(super) fn put_aside(&self, slip: Slip<Owed>, pause: Duration) {
        self.slips().push_later(slip, Instant::now(), pause);
        self.0.due.notify_one();
    }

    /// Leaves the message to its visibility; if it was to be deleted, it is not run again when it comes back here.
    fn give_up(&self, mut slip: Slip<Owed>, reason: &str) {
        if matches!(slip.verb, Verb::Delete) {
            slip.lease.mark_done();
            self.0.undeleted.fetch_add(1, Ordering::AcqRel);
        }
        let (queue, message_id, action) = (&*self.0.name, slip.lease.id(), slip.verb.action());
        let _lines = slip.lease.enter_trace();
        events::SettleFailed { queue, message_id, action, reason }.emit(&self.0.metrics);
    }
}

/// A call about these messages, as its span tells of it.
pub(super) fn settled(action: Action, began: Instant, batch: &[Sent]) -> Settled<'_> {
    let messages =
        batch.iter().map(|sent| (sent.slip.lease.id(), sent.slip.lease.trace().map(Arc::as_ref))).collect();
    Settled { action, began, messages }
}

impl Sent {
    fn visibility_change(&self, now: Instant) -> VisibilityChange {
        let wanted = match self.slip.verb {
            Verb::GiveBack(delay) => delay,
            Verb::Copy(_) | Verb::Delete => Duration::ZERO,
        };
        let left = self.slip.lease.deadlines().map_or(Duration::ZERO, |deadlines| deadlines.limit - now);
        // SQS refuses what reaches past the twelve hours, so round the rest down.
        let visibility = wanted.min(Duration::from_secs(left.as_secs()));
        VisibilityChange { receipt: self.receipt.clone(), visibility }
    }
}
