//! The leases of one queue, their deadlines, and the extensions that are due: pure.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use rustc_hash::{FxHashMap, FxHashSet};
use tokio::{sync::oneshot, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{LeaseDeadlines, ReceiveTimes, VisibilityReceipt};
use crate::{
    message::{MessageId, Receipt},
    queue::limits,
    telemetry::context::TraceContext,
};

/// The number of remembered messages whose delete SQS has confirmed. Only a duplicate delivery returns them.
const CONFIRMED: usize = 1_000;
/// The number of remembered messages whose delete SQS has not confirmed. They will be received again.
const UNCONFIRMED: usize = 100_000;

/// The visibility of receives and extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaseTerms {
    /// The visibility of a receive; the first extension is for twice as long.
    pub visibility: Duration,
    /// The longest visibility of an extension: each doubles the one before up to this.
    pub longest: Duration,
}

/// The ledger of one queue's leases.
///
/// SQS generates the message ids, so the maps need no hash that resists chosen keys.
#[derive(Debug)]
pub(super) struct Ledger {
    terms: LeaseTerms,
    /// In boxes: a map that grows has all of its places twice for a while.
    entries: FxHashMap<LeaseId, Box<LedgerEntry>>,
    by_message: FxHashMap<MessageId, LeaseId>,
    /// The next time to check each lease: to extend it, or to find it lost.
    agenda: BTreeSet<(Instant, LeaseId)>,
    confirmed: DoneMessages,
    unconfirmed: DoneMessages,
    last_id: LeaseId,
}

/// The id of one lease. A message that is received again after it was given back gets a new lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LeaseId(u64);

#[cfg(test)]
impl LeaseId {
    /// The id of a lease that no ledger has granted.
    pub(crate) fn of(number: u64) -> Self {
        Self(number)
    }
}

/// The properties of a received message that the ledger needs.
#[derive(Debug)]
pub(super) struct ReceivedMessage<'a> {
    pub(super) id: &'a MessageId,
    pub(super) receipt: &'a Receipt,
    /// `ApproximateReceiveCount`: it grows from receive to receive.
    pub(super) receive_count: u32,
    pub(super) times: ReceiveTimes,
    /// The producer's trace.
    pub(super) trace: Option<Box<TraceContext>>,
}

/// The result of [`Ledger::acquire`].
#[derive(Debug)]
pub(super) enum LeaseGrant {
    New(GrantedLease),
    AlreadyDone(GrantedLease),
    /// The lease before was lost, and its run has not ended.
    Overlapping(GrantedLease, oneshot::Receiver<()>),
    Duplicate,
}

/// A new lease.
#[derive(Debug)]
pub(super) struct GrantedLease {
    pub(super) lease: LeaseId,
    pub(super) cancellation: CancellationToken,
    pub(super) deadline: Instant,
}

/// The settlement of a message at the end of its lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum LeaseEnd {
    /// The message may run again.
    #[default]
    Released,
    /// The message is done, and could not be deleted.
    Done,
    /// The message is done and deleted.
    Deleted,
}

/// The extension of one lease.
#[derive(Clone, Debug)]
pub(super) struct Extension {
    pub(super) lease: LeaseId,
    pub(super) id: MessageId,
    pub(super) receipt: Receipt,
    pub(super) visibility: Duration,
    /// The number of this attempt; the first is 1.
    pub(super) attempt: u32,
}

/// The effect of an extension that SQS granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExtensionEffect {
    /// The lease has a new deadline.
    Extended,
    /// The deadline had passed before the answer came: the lease is lost.
    TooLate,
    /// The lease has ended or changed since the call.
    None,
}

#[derive(Debug)]
struct LedgerEntry {
    id: MessageId,
    receipt: Receipt,
    /// The receive count of that receipt.
    receive_count: u32,
    deadline: Instant,
    limit: Instant,
    visibility: Duration,
    /// The number of extensions that failed in a row.
    failures: u32,
    state: LeaseState,
    /// Dropped with the entry, which lets the next run of the message begin.
    next_run: Option<oneshot::Sender<()>>,
    /// True once a delete was sent: an extension that fails later does not mean that the lease was lost.
    is_deleting: bool,
    /// The entry's time in the agenda.
    check_at: Instant,
    cancellation: CancellationToken,
    /// The trace for log lines about the message.
    trace: Option<Box<TraceContext>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LeaseState {
    /// Extended when due.
    Held,
    /// An extension is in flight.
    Extending,
    /// The message is being given back, and its lease is not extended any more.
    Frozen,
    /// Lost. The entry stays until the handler has ended, so that the message does not run twice at once.
    Lost,
}

impl LedgerEntry {
    fn is_held(&self, now: Instant) -> bool {
        self.state != LeaseState::Lost && now < self.deadline
    }
}

impl Ledger {
    pub(super) fn new(terms: LeaseTerms) -> Self {
        Self {
            terms,
            entries: FxHashMap::default(),
            by_message: FxHashMap::default(),
            agenda: BTreeSet::new(),
            confirmed: DoneMessages::new(CONFIRMED),
            unconfirmed: DoneMessages::new(UNCONFIRMED),
            last_id: LeaseId::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes a lease on a received message; `chance` in 0..1 spreads the extensions.
    ///
    /// The lease counts from the sending of the receive: SQS hid the message between the sending and the answer, and
    /// does not say when.
    pub(super) fn acquire(&mut self, received: ReceivedMessage<'_>, chance: f64) -> LeaseGrant {
        let ReceiveTimes { sent, answered } = received.times;
        let deadline = sent + self.terms.visibility;
        let check_at = due(answered, deadline.saturating_duration_since(answered), chance);
        if let Some(&older) = self.by_message.get(received.id) {
            match self.entries.get_mut(&older).map(|entry| (entry.state, entry)) {
                Some((LeaseState::Lost, entry)) if entry.receive_count <= received.receive_count => {
                    let (next_run, ended) = oneshot::channel();
                    entry.next_run = Some(next_run);
                    return LeaseGrant::Overlapping(self.enter(received, deadline, check_at), ended);
                }
                Some((LeaseState::Held | LeaseState::Extending | LeaseState::Lost, _)) => {
                    self.renew(older, &received, (check_at, deadline));
                    return LeaseGrant::Duplicate;
                }
                // It was received again because it was given back, even if that call has not been answered yet.
                Some((LeaseState::Frozen, _)) | None => self.remove(older),
            }
        }
        let is_done = self.is_done(received.id);
        let granted = self.enter(received, deadline, check_at);
        if is_done { LeaseGrant::AlreadyDone(granted) } else { LeaseGrant::New(granted) }
    }

    /// Returns true for a remembered message whose handler was done.
    pub(super) fn is_done(&self, id: &MessageId) -> bool {
        self.unconfirmed.contains(id) || self.confirmed.contains(id)
    }

    fn enter(&mut self, received: ReceivedMessage<'_>, deadline: Instant, check_at: Instant) -> GrantedLease {
        self.last_id.0 += 1;
        let (lease, cancellation) = (self.last_id, CancellationToken::new());
        let entry = LedgerEntry {
            id: received.id.clone(),
            receipt: received.receipt.clone(),
            receive_count: received.receive_count,
            deadline,
            limit: received.times.sent + limits::VISIBILITY,
            visibility: self.terms.visibility,
            failures: 0,
            state: LeaseState::Held,
            next_run: None,
            is_deleting: false,
            check_at,
            cancellation: cancellation.clone(),
            trace: received.trace,
        };
        self.agenda.insert((check_at, lease));
        self.by_message.insert(received.id.clone(), lease);
        self.entries.insert(lease, Box::new(entry));
        GrantedLease { lease, cancellation, deadline }
    }

    /// Replaces the receipt by that of a newer receive, which invalidates the older one and an extension in flight.
    ///
    /// An older receive, whose answer was late, changes nothing.
    fn renew(
        &mut self,
        lease: LeaseId,
        received: &ReceivedMessage<'_>,
        (check_at, deadline): (Instant, Instant),
    ) {
        let Some(entry) = self.entries.get_mut(&lease) else { return };
        if received.receive_count < entry.receive_count {
            return;
        }
        entry.receipt = received.receipt.clone();
        entry.receive_count = received.receive_count;
        if matches!(entry.state, LeaseState::Held | LeaseState::Extending) {
            entry.state = LeaseState::Held;
            entry.deadline = deadline;
            self.check_at(lease, check_at);
        }
    }

    fn remove(&mut self, lease: LeaseId) {
        if let Some(entry) = self.entries.remove(&lease) {
            self.agenda.remove(&(entry.check_at, lease));
            // A newer lease on the same message may have replaced it.
            if self.by_message.get(&entry.id) == Some(&lease) {
                self.by_message.remove(&entry.id);
            }
        }
    }

    /// Ends a lease, and remembers its message if it is done.
    pub(super) fn release(&mut self, lease: LeaseId, id: &MessageId, end: LeaseEnd) {
        self.remove(lease);
        match end {
            LeaseEnd::Released => {}
            LeaseEnd::Done => self.unconfirmed.insert(id),
            LeaseEnd::Deleted => self.confirmed.insert(id),
        }
    }

    fn held(&self, lease: LeaseId, now: Instant) -> Option<&LedgerEntry> {
        self.entries.get(&lease).map(Box::as_ref).filter(|entry| entry.is_held(now))
    }

    /// The deadlines of a lease; `None` when it is lost.
    pub(super) fn deadlines(&self, lease: LeaseId, now: Instant) -> Option<LeaseDeadlines> {
        let entry = self.held(lease, now)?;
        Some(LeaseDeadlines { deadline: entry.deadline, limit: entry.limit })
    }

    /// The newest receipt; `None` when the lease is lost.
    pub(super) fn receipt(&self, lease: LeaseId, now: Instant) -> Option<Receipt> {
        self.held(lease, now).map(|entry| entry.receipt.clone())
    }

    /// The newest receipt of a message whose delete is sent now; `None` when the lease is lost.
    pub(super) fn begin_delete(&mut self, lease: LeaseId, now: Instant) -> Option<Receipt> {
        let entry = self.entries.get_mut(&lease).filter(|entry| entry.is_held(now))?;
        entry.is_deleting = true;
        Some(entry.receipt.clone())
    }

    /// Returns true when a newer receive has replaced this receipt.
    pub(super) fn is_superseded(&self, lease: LeaseId, receipt: &Receipt) -> bool {
        self.entries.get(&lease).is_some_and(|entry| entry.receipt != *receipt)
    }

    /// Stops the extensions of a lease, so that its message can be given back.
    ///
    /// Not once the lease is over: a standard queue would take the receipt, and show a message that another worker holds.
    pub(super) fn freeze(&mut self, lease: LeaseId, now: Instant) -> VisibilityReceipt {
        let entry = self.entries.get_mut(&lease).filter(|entry| entry.is_held(now));
        let Some(entry) = entry else { return VisibilityReceipt::Lost };
        if entry.state == LeaseState::Extending {
            return VisibilityReceipt::ExtensionInFlight;
        }
        entry.state = LeaseState::Frozen;
        let (deadline, receipt) = (entry.deadline, entry.receipt.clone());
        self.check_at(lease, deadline);
        VisibilityReceipt::Ready(receipt)
    }

    /// Sets the trace for log lines about the message.
    pub(super) fn set_trace(&mut self, lease: LeaseId, trace: TraceContext) {
        if let Some(entry) = self.entries.get_mut(&lease) {
            entry.trace = Some(Box::new(trace));
        }
    }

    /// The trace for log lines about a lease.
    pub(super) fn trace(&self, lease: LeaseId) -> Option<TraceContext> {
        self.entries.get(&lease)?.trace.as_deref().cloned()
    }

    /// The trace for log lines about a held message.
    pub(super) fn trace_of_message(&self, id: &MessageId) -> Option<TraceContext> {
        self.trace(*self.by_message.get(id)?)
    }

    /// Cancels every handler.
    pub(super) fn cancel_all(&self) {
        for entry in self.entries.values() {
            entry.cancellation.cancel();
        }
    }

    /// The visibility that new leases begin with.
    pub(super) fn shortest_visibility(&self) -> Duration {
        self.terms.visibility
    }

    /// The time of the next check.
    pub(super) fn next_check(&self) -> Option<Instant> {
        self.agenda.first().map(|(time, _)| *time)
    }

    /// Marks the leases whose deadline has passed as lost; returns those that were still needed.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<(LeaseId, MessageId)> {
        let passed = self.agenda.iter().take_while(|(time, _)| *time <= now);
        let over: Vec<_> = passed
            .filter_map(|(_, lease)| Some((*lease, self.entries.get(lease)?)))
            .filter(|(_, entry)| entry.deadline <= now)
            .map(|(lease, entry)| (lease, entry.id.clone()))
            .collect();
        over.into_iter().filter(|(lease, _)| self.lose(*lease)).collect()
    }

    /// Marks a lease as lost; returns false if it was no longer needed.
    fn lose(&mut self, lease: LeaseId) -> bool {
        let Some(entry) = self.entries.get_mut(&lease) else { return false };
        let was_needed =
            matches!(entry.state, LeaseState::Held | LeaseState::Extending) && !entry.is_deleting;
        let is_given_back = entry.state == LeaseState::Frozen;
        entry.state = LeaseState::Lost;
        entry.cancellation.cancel();
        self.agenda.remove(&(entry.check_at, lease));
        if is_given_back {
            // Its handler has ended, so the message may run again.
            self.remove(lease);
        }
        was_needed
    }

    /// Begins the extensions of the next call: of the leases that are due, and of those due next.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Extension> {
        if self.next_check().is_none_or(|time| time > now) {
            return Vec::new();
        }
        let candidates: Vec<_> =
            self.agenda.iter().map(|(_, lease)| *lease).take(4 * limits::BATCH_ENTRIES).collect();
        let extensions = candidates.into_iter().filter_map(|lease| self.begin_extension(lease, now));
        extensions.take(limits::BATCH_ENTRIES).collect()
    }

    fn begin_extension(&mut self, lease: LeaseId, now: Instant) -> Option<Extension> {
        let LeaseTerms { visibility, longest } = self.terms;
        let entry = self.entries.get_mut(&lease).filter(|entry| entry.state == LeaseState::Held)?;
        let deadline = entry.deadline;
        let grown = (entry.visibility * 2).min(longest).max(visibility);
        // SQS refuses an extension beyond the twelve hours, so the last one is cut to the remaining time.
        let left = Duration::from_secs(entry.limit.saturating_duration_since(now).as_secs());
        let visibility = grown.min(left);
        if now + visibility <= deadline {
            let is_last = left < grown;
            if is_last {
                self.check_at(lease, deadline);
            }
            return None;
        }
        entry.state = LeaseState::Extending;
        let (id, receipt, attempt) = (entry.id.clone(), entry.receipt.clone(), entry.failures + 1);
        self.check_at(lease, deadline);
        Some(Extension { lease, id, receipt, visibility, attempt })
    }

    /// The entry of an extension in flight, unless it has changed since.
    fn extending(&mut self, extension: &Extension) -> Option<&mut LedgerEntry> {
        let is_current = |entry: &&mut LedgerEntry| {
            entry.state == LeaseState::Extending && entry.receipt == extension.receipt
        };
        self.entries.get_mut(&extension.lease).map(Box::as_mut).filter(is_current)
    }

    /// Applies an extension that was sent at `sent` and granted.
    pub(super) fn extended(
        &mut self,
        extension: &Extension,
        (sent, now): (Instant, Instant),
        chance: f64,
    ) -> ExtensionEffect {
        let Some(entry) = self.extending(extension) else { return ExtensionEffect::None };
        // For a message whose visibility has ended SQS answers 200 and does nothing, so a late answer proves nothing.
        if now >= entry.deadline {
            let was_needed = self.lose(extension.lease);
            return if was_needed { ExtensionEffect::TooLate } else { ExtensionEffect::None };
        }
        entry.state = LeaseState::Held;
        entry.failures = 0;
        entry.visibility = extension.visibility;
        entry.deadline = sent + extension.visibility;
        let check_at = due(sent, extension.visibility, chance).min(entry.deadline);
        self.check_at(extension.lease, check_at);
        ExtensionEffect::Extended
    }

    /// Notes that an extension failed for now; it is due again after `pause`.
    pub(super) fn not_extended(&mut self, extension: &Extension, now: Instant, pause: Duration) {
        if let Some(entry) = self.extending(extension) {
            entry.state = LeaseState::Held;
            entry.failures += 1;
            let check_at = (now + pause).min(entry.deadline);
            self.check_at(extension.lease, check_at);
        }
    }

    /// Notes that SQS refused an extension because the lease is lost; returns false if it was no longer needed.
    pub(super) fn refused(&mut self, extension: &Extension) -> bool {
        self.extending(extension).is_some() && self.lose(extension.lease)
    }

    fn check_at(&mut self, lease: LeaseId, time: Instant) {
        if let Some(entry) = self.entries.get_mut(&lease) {
            self.agenda.remove(&(entry.check_at, lease));
            entry.check_at = time;
            self.agenda.insert((time, lease));
        }
    }
}

/// The due time of an extension: after 45 % to 55 % of the visibility, which spreads the extensions.
fn due(from: Instant, visibility: Duration, chance: f64) -> Instant {
    from + visibility.mul_f64(0.45 + chance / 10.0)
}

/// The newest done messages, remembered so that none runs again.
#[derive(Debug)]
struct DoneMessages {
    ids: FxHashSet<MessageId>,
    /// The oldest first.
    order: VecDeque<MessageId>,
    capacity: usize,
}

impl DoneMessages {
    /// Remembers up to `capacity` messages, at about 100 bytes each.
    fn new(capacity: usize) -> Self {
        Self { ids: FxHashSet::default(), order: VecDeque::new(), capacity }
    }

    /// Remembers a message, and forgets the oldest beyond the capacity.
    fn insert(&mut self, id: &MessageId) {
        if !self.ids.insert(id.clone()) {
            return;
        }
        self.order.push_back(id.clone());
        if self.order.len() > self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    fn contains(&self, id: &MessageId) -> bool {
        self.ids.contains(id)
    }
}

#[cfg(test)]
mod tests;
