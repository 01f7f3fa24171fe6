//! The time and the room for which a message is held: counted, extended, lost.
//!
//! A [`Lease`] is this worker's claim on one received message. It begins with the receive, is extended by the
//! keeper for as long as it exists, and ends when it is dropped, which also frees its [`Permit`] in the [`Permits`].

mod finished;
mod heartbeat;
mod ledger;
mod permits;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use opentelemetry::ContextGuard;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::ledger::{Claim, Granted, Held, Ledger};
pub use self::{
    ledger::LeaseTerms,
    permits::{Permit, Permits, Reservation},
};
use crate::{
    handler::LeaseTime,
    health::Condition,
    message::{Message, MessageId, Receipt},
    telemetry::{HeldGroup, QueueMetrics, context::TraceContext, events, traces::Trace},
};

/// The leases of one queue.
#[derive(Clone)]
pub struct Leases(Arc<Inner>);

struct Inner {
    queue: Arc<str>,
    ledger: Mutex<Ledger>,
    /// Leases lost so far.
    losses: AtomicU64,
    metrics: Arc<QueueMetrics>,
    ready: Condition,
}

/// What became of a received message.
pub enum Acquired {
    /// It is held and may run.
    New(Lease),
    /// It is held, and its handler said done before: it must be deleted, not run.
    AlreadyDone(Lease),
    /// This worker holds the same message already; that lease now has the newer receipt.
    Duplicate,
}

impl Leases {
    /// No leases yet, on these terms; `ready` ceases to hold while SQS refuses to extend them.
    pub fn new(queue: Arc<str>, terms: LeaseTerms, metrics: Arc<QueueMetrics>, ready: Condition) -> Self {
        ready.ready();
        let ledger = Mutex::new(Ledger::new(terms));
        Self(Arc::new(Inner { queue, ledger, losses: AtomicU64::new(0), metrics, ready }))
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a lease on a message whose receive was sent at `sent` and answered now.
    pub fn acquire(&self, message: &Message, permit: Permit, sent: Instant) -> Acquired {
        let held = self.ledger().hold(&message.id, &message.receipt, (sent, Instant::now()), fastrand::f64());
        let lease = |Granted { claim, cancellation, deadline }: Granted| {
            self.0.metrics.held.inc();
            if let Some(producer) = TraceContext::of_message(message) {
                self.ledger().set_trace_context(&claim, producer);
            }
            let (leases, first_deadline, successors) = (self.clone(), deadline, Vec::new());
            let group = message.system.group_id.as_deref();
            let group = group.map(|group| HeldGroup::begin(&self.0.metrics, group));
            let trace = None;
            Lease {
                leases,
                claim,
                cancellation,
                first_deadline,
                successors,
                trace,
                _group: group,
                _permit: permit,
            }
        };
        let holding = match held {
            Held::Fresh(granted) => return Acquired::New(lease(granted)),
            Held::Finished(granted) => Acquired::AlreadyDone(lease(granted)),
            Held::Duplicate => Acquired::Duplicate,
        };
        self.report_duplicate(&message.id);
        holding
    }

    fn report_duplicate(&self, id: &MessageId) {
        let _lines = self.enter_trace(id);
        events::DuplicateReceived { queue: &self.0.queue, message_id: id }.emit(&self.0.metrics);
    }

    /// Tells every handler to stop, because the drain limit is over; the leases stay.
    pub fn cancel_all(&self) {
        self.ledger().cancel_all();
    }

    /// How many leases there are.
    pub fn len(&self) -> usize {
        self.ledger().len()
    }

    /// Whether there is no lease.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many leases were lost so far.
    pub fn losses(&self) -> u64 {
        self.0.losses.load(Ordering::Relaxed)
    }

    /// Has log lines name the trace of a message that is held, if it has one, for as long as the answer lives.
    fn enter_trace(&self, id: &MessageId) -> Option<ContextGuard> {
        let trace = self.ledger().trace_context(id);
        trace.as_ref().map(TraceContext::enter)
    }

    fn report_lost(&self, id: &MessageId, reason: &str) {
        self.0.losses.fetch_add(1, Ordering::Relaxed);
        let _lines = self.enter_trace(id);
        events::LeaseLost { queue: &self.0.queue, message_id: id, reason }.emit(&self.0.metrics);
    }
}

/// The claim on one message; dropping it ends the claim and frees the room.
pub struct Lease {
    leases: Leases,
    claim: Claim,
    cancellation: CancellationToken,
    /// When the lease would have ended had it never been extended.
    first_deadline: Instant,
    successors: Vec<Box<dyn Dependent>>,
    /// That of the call in which the message is handled.
    trace: Option<Arc<Trace>>,
    _group: Option<HeldGroup>,
    _permit: Permit,
}

/// Those who wait for a message to be settled; dropped when the message may run again.
pub trait Dependent: Send + Sync + 'static {
    /// Called when the message will not run again.
    fn proceed(self: Box<Self>);

    /// Called when the message is to come again after this delay, and before it is given back.
    fn postpone(&mut self, delay: Duration);
}

/// What is left of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseDeadlines {
    /// When it ends unless it is extended.
    pub deadline: Instant,
    /// When it ends for good: twelve hours after the receive.
    pub limit: Instant,
}

impl Lease {
    /// Which message.
    pub fn id(&self) -> &MessageId {
        &self.claim.id
    }

    /// Fires when the lease is lost, or when the drain limit is over.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.cancellation
    }

    /// What is left of the lease; `None` when it is lost.
    pub fn deadlines(&self) -> Option<LeaseDeadlines> {
        self.leases.ledger().deadlines(&self.claim, Instant::now())
    }

    /// Whether the lease still stands, without a look into the ledger where none is needed.
    pub fn is_held(&self) -> bool {
        // A lease is never lost before its first deadline without its handler being told.
        let is_young = !self.cancellation.is_cancelled() && Instant::now() < self.first_deadline;
        is_young || self.deadlines().is_some()
    }

    /// The newest receipt, unless an extension under way could undo what is done with it.
    pub fn begin_visibility_change(&self) -> VisibilityReceipt {
        self.leases.ledger().freeze(&self.claim)
    }

    /// The newest receipt; `None` when the lease is lost.
    pub fn receipt(&self) -> Option<Receipt> {
        self.leases.ledger().receipt(&self.claim, Instant::now())
    }

    /// The newest receipt, for a delete that is sent now; `None` when the lease is lost.
    pub fn receipt_to_delete(&self) -> Option<Receipt> {
        self.leases.ledger().begin_delete(&self.claim, Instant::now())
    }

    /// Remembers that the message is done, so that it is not run again should it come back.
    pub fn remember_done(&self) {
        self.leases.ledger().remember_done(&self.claim.id);
    }

    /// Remembers that the message is done and was deleted, which its successors waited for.
    pub fn deleted(&mut self) {
        self.leases.ledger().remember_deleted(&self.claim.id);
        self.release_dependents();
    }

    /// Lets these, too, wait for the message to be settled.
    pub fn add_dependent(&mut self, successors: Box<dyn Dependent>) {
        self.successors.push(successors);
    }

    /// Lets those who wait for the message go on before it is settled: it will not run again.
    pub fn release_dependents(&mut self) {
        for successors in std::mem::take(&mut self.successors) {
            successors.proceed();
        }
    }

    /// Tells those who wait for the message that it is to come again, after this delay.
    pub fn postpone_dependents(&mut self, delay: Duration) {
        for successors in &mut self.successors {
            successors.postpone(delay);
        }
    }

    /// Remembers the trace of the call in which the message is handled, for all that is told of it from now on.
    pub fn set_trace(&mut self, trace: Arc<Trace>) {
        self.leases.ledger().set_trace_context(&self.claim, trace.context().clone());
        self.trace = Some(trace);
    }

    /// Has log lines name the message's trace for as long as the answer lives: that of its call, or of its producer.
    pub fn enter_trace(&self) -> Option<ContextGuard> {
        self.leases.enter_trace(&self.claim.id)
    }

    /// The trace of the call in which the message is handled, if it was begun and has one.
    pub fn trace(&self) -> Option<&Arc<Trace>> {
        self.trace.as_ref()
    }

    /// A view of the time that the lease still has, which does not keep it.
    pub fn time(&self) -> impl LeaseTime + use<> {
        Watch { leases: self.leases.clone(), claim: self.claim.clone() }
    }

    /// Whether a newer receive has replaced this receipt since.
    pub fn is_superseded(&self, receipt: &Receipt) -> bool {
        self.leases.ledger().is_superseded(&self.claim, receipt)
    }
}

/// See [`Lease::time`].
struct Watch {
    leases: Leases,
    claim: Claim,
}

impl LeaseTime for Watch {
    fn deadline(&self) -> Option<Instant> {
        let standing = self.leases.ledger().deadlines(&self.claim, Instant::now());
        standing.map(|deadlines| deadlines.deadline)
    }
}

/// Whether a message can be given back now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VisibilityReceipt {
    /// Yes, with this receipt; the keeper leaves the lease alone from now on.
    Ready(Receipt),
    /// An extension is under way, whose answer must be awaited: the two could overtake each other.
    ExtensionInFlight,
    /// The lease is lost, so there is nothing to give back.
    Lost,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leases.ledger().release(&self.claim);
        self.leases.0.metrics.held.dec();
    }
}
