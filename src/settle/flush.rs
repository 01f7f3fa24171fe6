//! The flusher: sends the slips to SQS and reads every entry of every answer.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Settle, Slip, Verb};
use crate::{
    backoff::Backoff,
    lease::{GiveBack, Lease},
    message::Receipt,
    queue::{BatchAnswer, EntryError, QueueError, Verdict, VisibilityChange},
    tasks,
    telemetry::{CallResult, events},
};

/// Batches under way at once.
const CALLS_AT_ONCE: usize = 32;
/// How much time a call has, whatever the queue promises: what it settles is held until it ends.
const WATCHDOG: Duration = Duration::from_secs(20);
/// How soon to look again at a lease that cannot be given back while its extension is under way.
const EXTENSION_PAUSE: Duration = Duration::from_millis(20);

/// A slip with the receipt it is sent with.
struct Sent {
    slip: Slip<Lease>,
    receipt: Receipt,
}

impl Settle {
    /// Sends what is handed over until `stop`; to be stopped only when nothing is pending.
    pub async fn run(self, stop: CancellationToken) {
        let calls = Arc::new(Semaphore::new(CALLS_AT_ONCE));
        loop {
            self.send_due(&calls).await;
            tokio::select! {
                () = self.next_due() => {}
                () = self.0.due.notified() => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn next_due(&self) {
        let due = self.slips().next_due();
        match due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    async fn send_due(&self, calls: &Arc<Semaphore>) {
        loop {
            let batch = self.slips().take(Instant::now());
            if batch.is_empty() {
                return;
            }
            // Closed never: the semaphore lives as long as this loop.
            let Ok(permit) = calls.clone().acquire_owned().await else { return };
            let settle = self.clone();
            tasks::detach("flush", async move {
                settle.send(batch).await;
                drop(permit);
            });
        }
    }

    async fn send(&self, batch: Vec<Slip<Lease>>) {
        let Some(verb) = batch.first().map(|slip| slip.verb) else { return };
        let batch: Vec<_> = batch.into_iter().filter_map(|slip| self.address(slip)).collect();
        if batch.is_empty() {
            return;
        }
        let began = Instant::now();
        let answer = match timeout(WATCHDOG, self.call(verb, &batch, began)).await {
            Ok(answer) => answer,
            Err(_) => Err(QueueError::hung(format!("a call was silent for {WATCHDOG:?} and was dropped"))),
        };
        self.0.metrics.called(verb.action(), CallResult::of(&answer), began);
        self.note(batch, answer);
    }

    /// Finds the receipt to send a slip with; a slip whose lease is lost goes no further.
    fn address(&self, slip: Slip<Lease>) -> Option<Sent> {
        let found = match slip.verb {
            Verb::Delete => slip.lease.receipt_to_delete(),
            Verb::GiveBack(_) => match slip.lease.receipt_to_give_back() {
                GiveBack::Now(receipt) => Some(receipt),
                GiveBack::Later => {
                    self.slips().push_later(slip, Instant::now() + EXTENSION_PAUSE);
                    self.0.due.notify_one();
                    return None;
                }
                GiveBack::Lost => None,
            },
        };
        if let Some(receipt) = found {
            return Some(Sent { slip, receipt });
        }
        self.give_up(slip, "the lease was lost first");
        None
    }

    async fn call(&self, verb: Verb, batch: &[Sent], now: Instant) -> BatchAnswer<()> {
        if verb == Verb::Delete {
            let receipts: Vec<_> = batch.iter().map(|sent| sent.receipt.clone()).collect();
            return self.0.queue.delete(&receipts).await;
        }
        let changes: Vec<_> = batch.iter().map(|sent| sent.visibility_change(now)).collect();
        self.0.queue.change_visibility(&changes).await
    }

    fn note(&self, batch: Vec<Sent>, answer: BatchAnswer<()>) {
        match answer {
            Ok(entries) => {
                for (sent, entry) in batch.into_iter().zip(entries) {
                    self.note_entry(sent, entry);
                }
            }
            Err(error) => {
                let attempt = batch.first().map_or(1, |sent| sent.slip.attempt);
                let retry_in = Backoff::CALLS.random_delay(attempt);
                if let Some(sent) = batch.first() {
                    let (queue, action) = (&*self.0.name, sent.slip.verb.action());
                    events::CallFailed { queue, action, error: &error, attempt, retry_in }.emit();
                }
                for sent in batch {
                    self.try_again(sent.slip, retry_in);
                }
            }
        }
    }

    fn note_entry(&self, sent: Sent, entry: Result<(), EntryError>) {
        let Sent { slip, receipt } = sent;
        match entry {
            // The message was received again meanwhile: the older receipt may have changed nothing.
            Ok(()) if slip.lease.has_moved_on(&receipt) => {
                self.try_again(slip, Duration::ZERO);
            }
            Ok(()) => self.settled(slip),
            Err(error) if error.verdict == Verdict::LeaseLost && !slip.lease.has_moved_on(&receipt) => {
                self.give_up(slip, &error.to_string());
            }
            Err(_) => {
                let pause = Backoff::CALLS.random_delay(slip.attempt);
                self.try_again(slip, pause);
            }
        }
    }

    fn settled(&self, slip: Slip<Lease>) {
        self.0.metrics.settled.of(slip.verb.action()).inc();
        if slip.verb == Verb::Delete {
            slip.lease.remember_deleted();
        }
        self.end(slip);
    }

    /// Tries again for as long as the lease lasts: given up sooner, a done message would run once more elsewhere.
    fn try_again(&self, mut slip: Slip<Lease>, pause: Duration) {
        self.0.metrics.settle_retries.of(slip.verb.action()).inc();
        slip.attempt += 1;
        self.slips().push_later(slip, Instant::now() + pause);
        self.0.due.notify_one();
    }

    /// Leaves the message to its visibility; if it was to be deleted, it is not run again when it comes back here.
    fn give_up(&self, slip: Slip<Lease>, reason: &str) {
        if slip.verb == Verb::Delete {
            slip.lease.remember_done();
        }
        let (queue, id, action) = (&*self.0.name, slip.lease.id(), slip.verb.action());
        events::SettleFailed { queue, id, action, reason }.emit(&self.0.metrics);
        self.end(slip);
    }

    fn end(&self, slip: Slip<Lease>) {
        drop(slip);
        if self.0.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.settled.notify_waiters();
        }
    }
}

impl Sent {
    fn visibility_change(&self, now: Instant) -> VisibilityChange {
        let wanted = match self.slip.verb {
            Verb::GiveBack(delay) => delay,
            Verb::Delete => Duration::ZERO,
        };
        let left = self.slip.lease.standing().map_or(Duration::ZERO, |standing| standing.limit - now);
        // SQS refuses what reaches past the twelve hours, so round the rest down.
        let visibility = wanted.min(Duration::from_secs(left.as_secs()));
        VisibilityChange { receipt: self.receipt.clone(), visibility }
    }
}
