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
    call: Arc<CallContext<dyn LeaseTime>>,
}

/// The part of a context that never changes.
///
/// Its clones share it, because the future of an `async fn` has room for its context twice.
pub(crate) struct CallContext<L: ?Sized> {
    /// Cancels the handler.
    pub(crate) cancellation: CancellationToken,
    /// The trace that the call is part of.
    pub(crate) trace: Option<Arc<Trace>>,
    /// Starts the time limit, if the call may wait before it runs.
    pub(crate) clock: Option<Arc<CallClock>>,
    /// The lease of the message.
    pub(crate) lease: L,
}

/// The lease of a message, as its handler sees it.
pub(crate) trait LeaseTime: Send + Sync + 'static {
    /// When the lease ends unless it is extended; `None` when it is lost.
    fn deadline(&self) -> Option<Instant>;
}

/// A lease that is not extended.
impl LeaseTime for Instant {
    fn deadline(&self) -> Option<Instant> {
        Some(*self)
    }
}

impl<L: LeaseTime + ?Sized> fmt::Debug for CallContext<L> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cancellation, trace, clock, lease } = self;
        let mut shown = formatter.debug_struct("CallContext");
        shown.field("cancellation", cancellation).field("trace", trace).field("clock", clock);
        shown.field("lease", &lease.deadline()).finish()
    }
}

impl Context {
    /// The context of a first attempt; the worker fires `cancellation` to stop the handler.
    pub fn new(queue: Arc<str>, lease_deadline: Instant, cancellation: CancellationToken) -> Self {
        Self::of_call(queue, CallContext { cancellation, trace: None, clock: None, lease: lease_deadline })
    }

    /// The context of a first attempt in this call.
    pub(crate) fn of_call(queue: Arc<str>, call: CallContext<impl LeaseTime>) -> Self {
        Self { queue, attempt: 1, last_attempt: None, deadline: None, call: Arc::new(call) }
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

    /// The clock that starts once the call has an instance to run on.
    pub(crate) fn clock(&self) -> Option<Arc<CallClock>> {
        self.call.clock.clone()
    }

    /// Starts the clock, for a call that waits for nothing.
    pub(super) fn start_clock(&mut self) {
        if let Some(clock) = &self.call.clock {
            self.deadline = clock.start();
        }
    }

    /// The trace that the call is part of; `None` while traces are off.
    ///
    /// The span of the call is also the current one, of `tracing` and of OpenTelemetry.
    pub(crate) fn trace(&self) -> Option<&Trace> {
        self.call.trace.as_deref()
    }

    /// The trace of the call, to share with the context of a batch.
    pub(crate) fn shared_trace(&self) -> Option<Arc<Trace>> {
        self.call.trace.clone()
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
        self.call.lease.deadline()
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
        self.call.cancellation.cancelled()
    }

    /// True once the call is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.call.cancellation.is_cancelled()
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
        self.call.cancellation.child_token()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_small_because_futures_hold_it_twice() {
        assert!(size_of::<Context>() <= 56, "{}", size_of::<Context>());
    }
}
