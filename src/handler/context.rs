//! The context of a call: attempt, deadlines, cancellation.

use std::{fmt, num::NonZeroU32, sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use super::CallClock;
use crate::telemetry::spans::Trace;

/// The context of one call of a handler.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Context {
    /// The configured name of the queue.
    pub queue: Arc<str>,
    /// The number of this attempt, 1 for the first: how often the message was received (`ApproximateReceiveCount`).
    pub attempt: u32,
    /// The number of the last attempt, after which SQS moves the message to the dead-letter queue.
    ///
    /// From the queue's redrive policy when the worker started; `None` if there is none, or if it is unknown.
    pub last_attempt: Option<NonZeroU32>,
    /// When the call is ended, if it has a time limit.
    pub deadline: Option<Instant>,
    lease: ContextLease,
    cancellation: CancellationToken,
    trace: Option<Arc<Trace>>,
    /// Starts the time limit, if the call may wait before it runs.
    clock: Option<Arc<CallClock>>,
}

/// The lease of a message, as its handler sees it.
pub(crate) trait LeaseTime: Send + Sync + 'static {
    /// When the lease ends unless it is extended; `None` when it is lost.
    fn deadline(&self) -> Option<Instant>;
}

#[derive(Clone)]
enum ContextLease {
    Fixed(Instant),
    Extended(Arc<dyn LeaseTime>),
}

impl fmt::Debug for ContextLease {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(deadline) => formatter.debug_tuple("Fixed").field(deadline).finish(),
            Self::Extended(lease) => formatter.debug_tuple("Extended").field(&lease.deadline()).finish(),
        }
    }
}

impl Context {
    /// The context of a first attempt; the worker fires `cancellation` to stop the handler.
    pub fn new(queue: Arc<str>, lease_deadline: Instant, cancellation: CancellationToken) -> Self {
        Self::with(queue, ContextLease::Fixed(lease_deadline), cancellation)
    }

    /// The context of a first attempt whose lease is extended.
    pub(crate) fn of_lease(
        queue: Arc<str>,
        lease: Arc<dyn LeaseTime>,
        cancellation: CancellationToken,
    ) -> Self {
        Self::with(queue, ContextLease::Extended(lease), cancellation)
    }

    fn with(queue: Arc<str>, lease: ContextLease, cancellation: CancellationToken) -> Self {
        Self {
            queue,
            attempt: 1,
            last_attempt: None,
            deadline: None,
            lease,
            cancellation,
            trace: None,
            clock: None,
        }
    }

    /// Sets when the call is ended.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets the number of the attempt.
    #[must_use]
    pub fn with_attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// Sets the number of the last attempt.
    #[must_use]
    pub fn with_last_attempt(mut self, last_attempt: Option<NonZeroU32>) -> Self {
        self.last_attempt = last_attempt;
        self
    }

    /// Sets the trace that the call is part of.
    #[must_use]
    pub(crate) fn with_trace(mut self, trace: Option<Arc<Trace>>) -> Self {
        self.trace = trace;
        self
    }

    /// Sets the clock that starts once the call has an instance to run on.
    #[must_use]
    pub(crate) fn with_clock(mut self, clock: Option<Arc<CallClock>>) -> Self {
        self.clock = clock;
        self
    }

    /// The clock that starts once the call has an instance to run on.
    pub(crate) fn clock(&self) -> Option<Arc<CallClock>> {
        self.clock.clone()
    }

    /// Starts the clock, for a call that waits for nothing.
    pub(super) fn start_clock(&mut self) {
        if let Some(clock) = &self.clock {
            self.deadline = clock.start();
        }
    }

    /// The trace that the call is part of; `None` while traces are off.
    ///
    /// The span of the call is also the current one, of `tracing` and of OpenTelemetry.
    pub(crate) fn trace(&self) -> Option<&Trace> {
        self.trace.as_deref()
    }

    /// The trace of the call, to share with the context of a batch.
    pub(crate) fn shared_trace(&self) -> Option<Arc<Trace>> {
        self.trace.clone()
    }

    /// The call's span as a W3C `traceparent`, to pass on with requests; `None` while traces are off.
    pub fn traceparent(&self) -> Option<String> {
        self.trace().map(|trace| trace.context().traceparent())
    }

    /// True if the message goes to the dead-letter queue when this attempt fails.
    pub fn is_last_attempt(&self) -> bool {
        self.last_attempt.is_some_and(|last| self.attempt >= last.get())
    }

    /// When the lease ends unless the worker extends it, which it does by itself; `None` once it is lost.
    pub fn lease_deadline(&self) -> Option<Instant> {
        match &self.lease {
            ContextLease::Fixed(deadline) => Some(*deadline),
            ContextLease::Extended(lease) => lease.deadline(),
        }
    }

    /// The time until the lease ends unless it is extended; zero once it is lost.
    pub fn lease_left(&self) -> Duration {
        let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
        self.lease_deadline().map_or(Duration::ZERO, left)
    }

    /// The time until the call is ended; `None` without a time limit.
    pub fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Waits until the lease is lost, or the drain limit is near; the call is dropped a second later.
    pub fn cancelled(&self) -> WaitForCancellationFuture<'_> {
        self.cancellation.cancelled()
    }

    /// True once the call is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.cancellation.is_cancelled()
    }

    /// The token that fires with [`cancelled`](Self::cancelled), for work that the call has spawned.
    ///
    /// It fires at the call's time limit too, but not at any other end of the call. Cancelling it has no effect on the
    /// message.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use longshore::{
    ///     Message,
    ///     handler::{self, Context},
    /// };
    ///
    /// let handler = handler::from_fn_with(async |message: Arc<Message>, context: Context| {
    ///     let token = context.cancellation_token();
    ///     let lines = tokio::task::spawn_blocking(move || {
    ///         let lines = message.body.lines().take_while(|_| !token.is_cancelled());
    ///         lines.count()
    ///     });
    ///     lines.await.map(|count| println!("{count} lines"))
    /// });
    /// # let _ = longshore::handler::AnyHandler::from(handler);
    /// ```
    pub fn cancellation_token(&self) -> CancellationToken {
        self.cancellation.child_token()
    }
}
