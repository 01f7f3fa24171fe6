//! The pending settlements of one queue: those that SQS has not confirmed yet.

use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::{
    SettleMetrics,
    batcher::{Batcher, SettleAction, Settlement},
};
use crate::{
    consumer::lease::{Lease, MessageStage, VisibilityReceipt},
    in_progress::{InProgress, InProgressEntry},
    message::{MessageId, Receipt},
    queue::VisibilityChange,
    telemetry::{Action, events, spans::Settled},
};

/// The longest delay before a retry while the worker drains.
const DRAINING_DELAY: Duration = Duration::from_secs(1);
/// The delay of a visibility change while an extension of the same lease is in flight.
const EXTENSION_DELAY: Duration = Duration::from_millis(20);

/// The settlements of one queue, from the end of the handler to the answer of SQS.
///
/// The [`Settler`](super::Settler) adds settlements; the flusher and the dead-letter sender take them, and return those
/// that must be retried.
pub(super) struct PendingSettlements {
    queue: Arc<str>,
    batcher: Mutex<Batcher<PendingLease>>,
    /// Notified when the due time of the next batch may have changed.
    changed: Notify,
    unsettled: InProgress<Unsettled>,
    undeleted: AtomicUsize,
    metrics: Arc<SettleMetrics>,
}

impl PendingSettlements {
    pub(super) fn new(queue: Arc<str>, linger: Duration, metrics: Arc<SettleMetrics>) -> Self {
        let unsettled = InProgress::default();
        metrics.show(&unsettled);
        Self {
            queue,
            batcher: Mutex::new(Batcher::new(linger)),
            changed: Notify::new(),
            unsettled,
            undeleted: AtomicUsize::new(0),
            metrics,
        }
    }

    fn batcher(&self) -> MutexGuard<'_, Batcher<PendingLease>> {
        self.batcher.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, action: SettleAction, lease: Lease) {
        let now = Instant::now();
        let unsettled =
            Unsettled { id: lease.id().clone(), action: action.label(), since: now, report_at: None };
        let lease = PendingLease { _unsettled: self.unsettled.enter(unsettled), lease };
        lease.note_at(MessageStage::Settling { action: action.label(), delay: action.delay() }, now);
        if self.batcher().push(Settlement::new(action, lease, now)) {
            self.changed.notify_one();
        }
    }

    /// Ends the linger of everything pushed so far.
    pub(super) fn flush_now(&self) {
        if self.batcher().flush() {
            self.changed.notify_one();
        }
    }

    /// The number of messages that are not settled yet.
    pub(super) fn count(&self) -> usize {
        self.unsettled.len()
    }

    /// The time for which the oldest of them has been pending.
    pub(super) fn oldest(&self, now: Instant) -> Option<Duration> {
        self.unsettled.oldest(|message| message.since, now)
    }

    /// Calls the function with each message that is not settled yet.
    pub(super) fn each(&self, visit: impl FnMut(&mut Unsettled)) {
        self.unsettled.each(visit);
    }

    /// The number of done or copied messages whose delete was given up.
    pub(super) fn undeleted(&self) -> usize {
        self.undeleted.load(Ordering::Acquire)
    }

    /// Ends every linger and delay, and waits until nothing is pending.
    pub(super) async fn drained(&self) {
        self.batcher().drain(DRAINING_DELAY);
        self.changed.notify_one();
        self.unsettled.emptied().await;
    }

    /// Takes the batch that was due first; empty when none is due.
    pub(super) fn take_due(&self, now: Instant) -> Vec<Settlement<PendingLease>> {
        self.batcher().take_due(now)
    }

    /// Waits until a batch may be due, at most until `latest`.
    pub(super) async fn due(&self, latest: Instant) {
        let next = self.batcher().next_due().map_or(latest, |due| due.min(latest));
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(next) => {}
            () = self.changed.notified() => {}
        }
    }

    /// Puts a settlement back, due after a delay.
    pub(super) fn delay(&self, settlement: Settlement<PendingLease>, delay: Duration) {
        self.batcher().push_delayed(settlement, Instant::now(), delay);
        self.changed.notify_one();
    }

    /// Retries a failed settlement after a delay. Attempts are not limited while the lease lasts, because a done message
    /// that is given up runs once more elsewhere.
    pub(super) fn retry(&self, mut settlement: Settlement<PendingLease>, delay: Duration) {
        self.metrics.settle_retries.of(settlement.action.label()).inc();
        settlement.attempt += 1;
        self.delay(settlement, delay);
    }

    /// Retries a settlement that SQS has not done for this reason.
    pub(super) fn retry_after(&self, settlement: Settlement<PendingLease>, reason: &str, delay: Duration) {
        let action = settlement.action.label();
        settlement.lease.note(MessageStage::NotSettled { action, reason });
        self.retry(settlement, delay);
    }

    /// Gives a settlement up: the message is visible again after its visibility timeout. A message that was to be deleted
    /// is remembered as done, so that this worker does not run it again.
    pub(super) fn give_up(&self, mut settlement: Settlement<PendingLease>, reason: &str) {
        if matches!(settlement.action, SettleAction::Delete) {
            settlement.lease.mark_done();
            self.undeleted.fetch_add(1, Ordering::AcqRel);
        }
        let (queue, message_id) = (&*self.queue, settlement.lease.id());
        let _trace = settlement.lease.enter_trace();
        let action = settlement.action.label();
        settlement.lease.note(MessageStage::NotSettled { action, reason });
        events::SettleFailed { queue, message_id, action, reason }.emit(&self.metrics.settle_failures);
    }

    /// Adds the receipts to a batch that is sent now. Settlements whose lease is lost are dropped.
    pub(super) fn with_receipts(&self, batch: Vec<Settlement<PendingLease>>) -> Vec<SentSettlement> {
        let now = Instant::now();
        batch.into_iter().filter_map(|settlement| self.with_receipt(settlement, now)).collect()
    }

    fn with_receipt(&self, settlement: Settlement<PendingLease>, now: Instant) -> Option<SentSettlement> {
        let lease = &settlement.lease;
        let receipt = match settlement.action {
            SettleAction::Copy(_) => lease.receipt(now),
            SettleAction::Delete => lease.begin_delete(now),
            SettleAction::ChangeVisibility(_) => match lease.begin_visibility_change(now) {
                VisibilityReceipt::Ready(receipt) => Some(receipt),
                VisibilityReceipt::ExtensionInFlight => {
                    self.delay(settlement, EXTENSION_DELAY);
                    return None;
                }
                // The message is visible again, or will be when its visibility timeout ends.
                VisibilityReceipt::Lost => return None,
            },
        };
        let Some(receipt) = receipt else {
            self.give_up(settlement, "the lease was lost first");
            return None;
        };
        Some(SentSettlement { settlement, receipt })
    }
}

/// The lease of a pending message; unsettled until its drop, also during a panic.
pub(super) struct PendingLease {
    // Dropped first: the message does not count any more when its permit is free.
    _unsettled: InProgressEntry<Unsettled>,
    lease: Lease,
}

/// A message whose settlement SQS has not confirmed.
#[derive(Clone, Debug)]
pub struct Unsettled {
    pub(crate) id: MessageId,
    /// The action that was to settle it first.
    pub(crate) action: Action,
    /// The end of its call, or of its wait.
    pub(crate) since: Instant,
    /// The age at which it is reported next, once it was.
    pub(crate) report_at: Option<Duration>,
}

impl Deref for PendingLease {
    type Target = Lease;

    fn deref(&self) -> &Lease {
        &self.lease
    }
}

impl DerefMut for PendingLease {
    fn deref_mut(&mut self) -> &mut Lease {
        &mut self.lease
    }
}

/// A settlement with the receipt that its call uses.
pub(super) struct SentSettlement {
    pub(super) settlement: Settlement<PendingLease>,
    pub(super) receipt: Receipt,
}

impl SentSettlement {
    /// Returns true when the message was received again since the call, which may then have had no effect.
    pub(super) fn is_superseded(&self) -> bool {
        self.settlement.lease.is_superseded(&self.receipt)
    }

    pub(super) fn visibility_change(&self, now: Instant) -> VisibilityChange {
        let wanted = self.settlement.action.delay();
        let left =
            self.settlement.lease.deadlines().map_or(Duration::ZERO, |deadlines| deadlines.limit - now);
        // SQS refuses a visibility beyond the twelve hours, so the remaining time is rounded down.
        let visibility = wanted.min(Duration::from_secs(left.as_secs()));
        VisibilityChange { receipt: self.receipt.clone(), visibility }
    }
}

/// Describes a call about these messages, for its span.
pub(super) fn settled(action: Action, began: Instant, batch: &[SentSettlement]) -> Settled<'_> {
    let leases = batch.iter().map(|sent| &sent.settlement.lease);
    let messages = leases.map(|lease| (lease.id(), lease.trace().map(Arc::as_ref))).collect();
    Settled { action, began, messages }
}
