//! Leases on received messages: permits, deadlines and extensions.
//!
//! A [`Lease`] is this worker's claim on one received message. It begins with the receive, is extended by the heartbeat
//! while it exists, and ends with its drop, which also frees its [`Permit`].

mod heartbeat;
mod ledger;
mod metrics;
mod permits;
mod stages;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use opentelemetry::ContextGuard;
use rustc_hash::FxHashMap;
use tokio::{sync::oneshot, time::Instant};
use tokio_util::sync::CancellationToken;

pub use self::metrics::{GroupTally, LeaseMetrics};
#[cfg(feature = "cli")]
pub(crate) use self::stages::StageObserverOf;
use self::{
    heartbeat::Heartbeat,
    ledger::{GrantedLease, LeaseEnd, LeaseGrant, Ledger, ReceivedMessage},
};
pub(crate) use self::{
    ledger::{LeaseId, LeaseTerms},
    metrics::HeldGroup,
    permits::{Permit, Permits, Reservation},
    stages::{MessageStage, StageObserver, joined},
};
use crate::{
    handler::LeaseTime,
    health::{Condition, FAILURE_SHOWN, Pulse},
    message::{Message, MessageId, Receipt},
    queue::{Queue, QueueError},
    telemetry::{MetricScope, context::TraceContext, events, spans::Trace},
};

/// The leases of one queue.
#[derive(Clone)]
pub(crate) struct Leases(Arc<Inner>);

struct Inner {
    queue: Arc<str>,
    ledger: Mutex<Ledger>,
    losses: AtomicU64,
    /// The followers of each lease that has any.
    followers: Mutex<FxHashMap<LeaseId, Vec<Arc<dyn LeaseFollower>>>>,
    /// Records the stages of the messages, if anything does.
    stages: Option<Arc<dyn StageObserver>>,
    metrics: Arc<LeaseMetrics>,
    groups: GroupTally,
    scope: MetricScope,
    /// Unready while SQS refuses extensions.
    ready: Condition,
}

/// The times of one receive, for the leases on its messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiveTimes {
    /// The time at which the request was sent. Leases count from it.
    pub sent: Instant,
    /// The time at which the response arrived.
    pub answered: Instant,
}

/// The result of [`Leases::acquire`].
pub(crate) enum Acquired {
    /// The message may run.
    New(Lease),
    /// The handler has completed this message before: it must be deleted, not run.
    AlreadyDone(Lease),
    /// An earlier lease was lost, and its run has not ended: the message may run once the receiver returns.
    Overlapping(Lease, oneshot::Receiver<()>),
    /// This worker holds the message already; that lease now has the newer receipt.
    Duplicate,
}

impl Leases {
    /// Creates an empty set of leases; `ready` is unready while SQS refuses extensions.
    ///
    /// The stages of the messages are noted by `stages`, if there is one.
    pub(crate) fn new(
        queue: Arc<str>,
        terms: LeaseTerms,
        (scope, ready): (MetricScope, Condition),
        stages: Option<Arc<dyn StageObserver>>,
    ) -> Self {
        ready.ready();
        let (metrics, groups) = (scope.group(), GroupTally::in_scope(&scope));
        let ledger = Mutex::new(Ledger::new(terms));
        let (losses, followers) = (AtomicU64::new(0), Mutex::default());
        Self(Arc::new(Inner { queue, ledger, losses, followers, stages, metrics, groups, scope, ready }))
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a lease on a message that was just received.
    pub(crate) fn acquire(&self, message: &Message, permit: Permit, times: ReceiveTimes) -> Acquired {
        let id = &message.id;
        let received = ReceivedMessage {
            id,
            receipt: &message.receipt,
            receive_count: message.receive_count,
            times,
            trace: TraceContext::of_message(message).map(Box::new),
        };
        let grant = self.ledger().acquire(received, fastrand::f64());
        let lease = |granted| self.lease(message, permit, granted, times.answered);
        let acquired = match grant {
            LeaseGrant::New(granted) => return Acquired::New(lease(granted)),
            LeaseGrant::AlreadyDone(granted) => Acquired::AlreadyDone(lease(granted)),
            LeaseGrant::Overlapping(granted, ended) => {
                return Acquired::Overlapping(lease(granted), ended);
            }
            LeaseGrant::Duplicate => Acquired::Duplicate,
        };
        self.report_duplicate(id);
        acquired
    }

    fn lease(&self, message: &Message, permit: Permit, granted: GrantedLease, at: Instant) -> Lease {
        let GrantedLease { lease, cancellation, deadline } = granted;
        self.0.metrics.held.inc();
        if let Some(stages) = &self.0.stages {
            stages.received(lease, message, at);
        }
        let group = message.system.group_id.as_deref();
        Lease {
            leases: self.clone(),
            lease,
            id: message.id.clone(),
            cancellation,
            first_deadline: deadline,
            dependents: Vec::new(),
            is_followed: false,
            trace: None,
            end: LeaseEnd::Released,
            _group: group.map(|group| self.0.groups.hold(group)),
            _permit: permit,
        }
    }

    /// Notes a message that was received again and does not run again.
    pub(crate) fn report_duplicate(&self, id: &MessageId) {
        let _trace = self.enter_trace_of(id);
        events::DuplicateReceived { queue: &self.0.queue, message_id: id }
            .emit(&self.0.metrics.duplicates, self.0.scope.warnings());
    }

    /// Extends the leases until `stop`, which must be cancelled only after the last message is settled.
    pub(crate) async fn run_heartbeat(self, queue: Arc<dyn Queue>, pulse: Pulse, stop: CancellationToken) {
        Heartbeat::new(self, queue).run(pulse, stop).await;
    }

    /// Cancels every handler, and keeps the leases.
    pub(crate) fn cancel_all(&self) {
        self.ledger().cancel_all();
    }

    /// The number of leases.
    pub(crate) fn len(&self) -> usize {
        self.ledger().len()
    }

    /// The number of leases lost so far.
    pub(crate) fn losses(&self) -> u64 {
        self.0.losses.load(Ordering::Relaxed)
    }

    /// Adds the lease's trace to log lines until the guard is dropped; `None` if it has no trace.
    fn enter_trace(&self, lease: LeaseId) -> Option<ContextGuard> {
        let trace = self.ledger().trace(lease);
        trace.as_ref().map(TraceContext::enter)
    }

    /// Adds the trace of a held message to log lines until the guard is dropped; `None` if it has no trace.
    pub(crate) fn enter_trace_of(&self, id: &MessageId) -> Option<ContextGuard> {
        let trace = self.ledger().trace_of_message(id);
        trace.as_ref().map(TraceContext::enter)
    }

    fn report_lost(&self, lease: LeaseId, id: &MessageId, reason: &str) {
        self.0.losses.fetch_add(1, Ordering::Relaxed);
        let _trace = self.enter_trace(lease);
        events::LeaseLost { queue: &self.0.queue, message_id: id, reason }.emit(&self.0.metrics.lost);
        if let Some(stages) = &self.0.stages {
            stages.passed(lease, MessageStage::Lost { reason }, Instant::now());
        }
    }

    fn followers(&self) -> MutexGuard<'_, FxHashMap<LeaseId, Vec<Arc<dyn LeaseFollower>>>> {
        self.0.followers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes the deadline that an extension gave a lease to its followers.
    fn note_extended(&self, lease: LeaseId, deadline: Instant) {
        let followers = self.followers().get(&lease).cloned().unwrap_or_default();
        for follower in followers {
            follower.extended(deadline);
        }
    }

    fn report_extensions_failing(&self, error: &QueueError) {
        self.0.ready.unready_for(FAILURE_SHOWN, format!("leases cannot be extended: {error}"));
    }

    fn report_extensions_answered(&self) {
        self.0.ready.ready();
    }
}

/// The claim on one message. Its drop ends the claim and frees the permit.
#[expect(clippy::struct_field_names, reason = "the number of the lease in the ledger")]
pub(crate) struct Lease {
    leases: Leases,
    lease: LeaseId,
    id: MessageId,
    cancellation: CancellationToken,
    /// The deadline before the first extension.
    first_deadline: Instant,
    dependents: Vec<Box<dyn Dependent>>,
    is_followed: bool,
    /// The trace of the call that handles the message.
    trace: Option<Arc<Trace>>,
    end: LeaseEnd,
    _group: Option<HeldGroup>,
    _permit: Permit,
}

/// Work that waits until a message is settled. It is dropped if the message may run again.
pub(crate) trait Dependent: Send + Sync + 'static {
    /// Proceeds: the message will not run again.
    fn proceed(self: Box<Self>);

    /// Postpones the work, because the message is given back and visible again after `delay`.
    ///
    /// The message is given back after this call, and after the returned future, if any, has ended.
    fn postpone(&mut self, delay: Duration) -> Option<BoxFuture<'static, ()>>;
}

/// Work elsewhere that lasts as long as a lease.
pub(crate) trait LeaseFollower: Send + Sync + 'static {
    /// Notes the deadline that an extension gave the lease. It must not block.
    fn extended(&self, deadline: Instant);
}

/// The deadlines of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaseDeadlines {
    /// The end of the lease unless it is extended.
    pub deadline: Instant,
    /// The end that no extension can move: twelve hours after the receive.
    pub limit: Instant,
}

/// The receipt with which a message can be given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum VisibilityReceipt {
    /// The newest receipt. The heartbeat does not extend the lease any more.
    Ready(Receipt),
    /// An extension is in flight. Its answer must come first, since the two calls could overtake each other.
    ExtensionInFlight,
    /// The lease is lost, so there is nothing to give back.
    Lost,
}

impl Lease {
    /// The id of the message.
    pub(crate) fn id(&self) -> &MessageId {
        &self.id
    }

    /// Notes that the message passes a stage at this time, for what records its stages.
    pub(crate) fn note_at(&self, stage: MessageStage<'_>, at: Instant) {
        if let Some(stages) = &self.leases.0.stages {
            stages.passed(self.lease, stage, at);
        }
    }

    /// Notes that the message passes a stage now.
    pub(crate) fn note(&self, stage: MessageStage<'_>) {
        if self.leases.0.stages.is_some() {
            self.note_at(stage, Instant::now());
        }
    }

    /// Cancelled when the lease is lost, or when the drain limit is over.
    pub(crate) fn cancellation(&self) -> &CancellationToken {
        &self.cancellation
    }

    /// The deadlines of the lease; `None` when it is lost.
    pub(crate) fn deadlines(&self) -> Option<LeaseDeadlines> {
        self.leases.ledger().deadlines(self.lease, Instant::now())
    }

    /// Returns true while the lease is neither lost nor over.
    pub(crate) fn is_held(&self) -> bool {
        // A lease that is lost before its first deadline is cancelled, so a young lease needs no look into the ledger.
        let is_young = !self.cancellation.is_cancelled() && Instant::now() < self.first_deadline;
        is_young || self.deadlines().is_some()
    }

    /// Waits until the lease is lost.
    pub(crate) async fn lost(&self) {
        self.cancellation.cancelled().await;
        // A stop cancels it, too, and keeps it.
        while let Some(LeaseDeadlines { deadline, .. }) = self.deadlines() {
            tokio::time::sleep_until(deadline).await;
        }
    }

    /// Adds a follower, which learns of each extension from now on, and at once of those before.
    pub(crate) fn add_follower(&mut self, follower: &Arc<dyn LeaseFollower>) {
        self.is_followed = true;
        self.leases.followers().entry(self.lease).or_default().push(follower.clone());
        if let Some(LeaseDeadlines { deadline, .. }) = self.deadlines()
            && deadline > self.first_deadline
        {
            follower.extended(deadline);
        }
    }

    /// Returns true if the message was done in an earlier run of this worker.
    pub(crate) fn is_done_before(&self) -> bool {
        self.leases.ledger().is_done(&self.id)
    }

    /// Stops the extensions, and returns the newest receipt for giving the message back.
    pub(crate) fn begin_visibility_change(&self, now: Instant) -> VisibilityReceipt {
        self.leases.ledger().freeze(self.lease, now)
    }

    /// The newest receipt; `None` when the lease is lost at `now`.
    pub(crate) fn receipt(&self, now: Instant) -> Option<Receipt> {
        self.leases.ledger().receipt(self.lease, now)
    }

    /// Notes that a delete is sent at `now`, and returns the newest receipt for it; `None` when the lease is lost.
    pub(crate) fn begin_delete(&self, now: Instant) -> Option<Receipt> {
        self.leases.ledger().begin_delete(self.lease, now)
    }

    /// Remembers the message as done but not deleted, so that it is deleted and not run when it is received again.
    pub(crate) fn mark_done(&mut self) {
        self.end = LeaseEnd::Done;
    }

    /// Remembers the message as done and deleted, and lets its dependents proceed.
    pub(crate) fn mark_deleted(&mut self) {
        self.end = LeaseEnd::Deleted;
        self.release_dependents();
    }

    /// Adds work that waits until the message is settled.
    pub(crate) fn add_dependent(&mut self, dependent: Box<dyn Dependent>) {
        self.dependents.push(dependent);
    }

    /// Lets the dependents proceed before the message is settled: it will not run again.
    pub(crate) fn release_dependents(&mut self) {
        for dependent in self.take_dependents() {
            dependent.proceed();
        }
    }

    /// Takes the dependents of a message that waits for its call once more.
    pub(crate) fn take_dependents(&mut self) -> Vec<Box<dyn Dependent>> {
        std::mem::take(&mut self.dependents)
    }

    /// Postpones the dependents: the message is given back with `delay` once the returned futures have ended.
    pub(crate) fn postpone_dependents(&mut self, delay: Duration) -> Vec<BoxFuture<'static, ()>> {
        self.dependents.iter_mut().filter_map(|dependent| dependent.postpone(delay)).collect()
    }

    /// Sets the trace of the call that handles the message, for log lines about the message from now on.
    pub(crate) fn set_trace(&mut self, trace: Arc<Trace>) {
        self.leases.ledger().set_trace(self.lease, trace.context().clone());
        self.trace = Some(trace);
    }

    /// Adds the trace of the call, or else of the producer, to log lines until the guard is dropped.
    pub(crate) fn enter_trace(&self) -> Option<ContextGuard> {
        self.leases.enter_trace(self.lease)
    }

    /// The trace of the call that handles the message, once there is one.
    pub(crate) fn trace(&self) -> Option<&Arc<Trace>> {
        self.trace.as_ref()
    }

    /// A view of the lease's deadline that does not extend the lease.
    pub(crate) fn time(&self) -> impl LeaseTime + use<> {
        DeadlineView { leases: self.leases.clone(), lease: self.lease }
    }

    /// Returns true when a newer receive has replaced this receipt.
    pub(crate) fn is_superseded(&self, receipt: &Receipt) -> bool {
        self.leases.ledger().is_superseded(self.lease, receipt)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // The next run of the message may begin once the lease is released.
        self.dependents.clear();
        if self.is_followed {
            self.leases.followers().remove(&self.lease);
        }
        self.leases.ledger().release(self.lease, &self.id, self.end);
        self.leases.0.metrics.held.dec();
        self.note(MessageStage::Released);
    }
}

struct DeadlineView {
    leases: Leases,
    lease: LeaseId,
}

impl LeaseTime for DeadlineView {
    fn deadline(&self) -> Option<Instant> {
        let deadlines = self.leases.ledger().deadlines(self.lease, Instant::now());
        deadlines.map(|deadlines| deadlines.deadline)
    }
}
