//! Calls the handler, ends the call at its time limit or when all leases are lost, and defines observers of calls.

use std::{
    collections::BTreeMap,
    future::Future,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
    thread,
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, CatchUnwind, Either, join_all, ready},
};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{disposition::CallEnd, prepare::HeldMessage};
use crate::{
    consumer::depth::RedriveView,
    handler::{
        AnyHandler, Batch, BatchItem, CallClock, CallContext, Context, LeaseTime, Outcomes, Placement,
    },
    message::Message,
    queue::limits,
    telemetry::{Ending, spans::Trace},
};

/// The time that a cancelled handler has to return before its call is dropped.
const GRACE: Duration = Duration::from_secs(1);

/// The end of one message's call, as observers see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MessageEnd<'a> {
    /// The message as its handler saw it.
    pub(crate) message: &'a Message,
    /// The ending of its call.
    pub(crate) ending: Ending,
    /// The handler's reason, if it gave one.
    pub(crate) reason: &'a str,
    /// The duration of the call.
    pub(crate) took: Duration,
    /// The trace of the call, while traces are on.
    pub(crate) trace: Option<&'a Arc<Trace>>,
}

/// Lasts as long as a call; dropped at its end, a panic included.
pub(crate) type CallGuard = Box<dyn Send>;

/// Observes the calls of one queue's handler. No method waits, so that no observer delays a message.
pub(crate) trait CallObserver: Send + Sync + 'static {
    /// Notes that a call starts; the guard is dropped when it ends.
    fn call_started(&self) -> Option<CallGuard> {
        None
    }

    /// Notes how a message ended, before it is settled.
    fn message_ended(&self, end: &MessageEnd<'_>) {
        let _ = end;
    }

    /// Notes that a message has used up its receives: SQS moves it to the dead-letter queue, or it is copied there.
    ///
    /// Follows [`Self::message_ended`], and comes alone for a message that was given back before it ran.
    fn message_exhausted(&self, end: &MessageEnd<'_>) {
        let _ = end;
    }

    /// Waits until everything that was noted is sent or given up; a stop limits the wait.
    fn flushed(&self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }

    /// Ends the observer's work, at the end of a stop.
    fn close(&self) {}
}

/// Calls the handler of one queue within its limits.
pub(super) struct HandlerCaller {
    pub(super) queue: Arc<str>,
    pub(super) handler: AnyHandler,
    /// The most messages a call.
    pub(super) batch_size: usize,
    pub(super) time_limit: Option<Duration>,
    pub(super) redrive: RedriveView,
    /// Cancelled when a drain waits for cancelled handlers no longer.
    pub(super) end_of_grace: CancellationToken,
}

impl HandlerCaller {
    /// The runtime on which the handler is called.
    pub(super) fn placement(&self) -> Placement {
        self.handler.placement()
    }

    /// The bytes that a message adds to a batch; zero where each call has one message.
    pub(super) fn weigh(&self, message: &Message) -> usize {
        if self.batch_size == 1 { 0 } else { self.handler.weigh(message) }
    }

    /// Calls the handler, and ends the call at its time limit or when all leases are lost.
    ///
    /// No `async fn`: its future has room for its arguments twice.
    pub(super) fn call<'a>(
        &'a self,
        messages: &'a [HeldMessage],
        began: Instant,
        trace: Option<Arc<Trace>>,
    ) -> impl Future<Output = CallEnd> + 'a {
        let limit = self.limit(began);
        async move {
            let cancellation = CallCancellation::of(messages);
            let mut answer = match self.start(messages, &cancellation, &limit, trace.as_ref()) {
                Ok(answer) => answer,
                Err(end) => return end,
            };
            // The call is polled first, so that no timer is set for a handler that returns at once.
            let answer = tokio::select! {
                biased;
                answer = &mut answer => Some(answer),
                () = limit.passes(), if needs_timer(self.time_limit) => {
                    // Cancels the tasks that the handler has spawned, too.
                    cancellation.cancel(messages);
                    return CallEnd::TimedOut(self.time_limit.unwrap_or_default());
                }
                // In a box: few calls are cancelled, and the others need no room for it.
                () = cancellation.fires(messages) => Box::pin(self.within_grace(&mut answer)).await,
            };
            match answer {
                Some(Ok(outcomes)) => CallEnd::Answered(outcomes.spread(messages.len())),
                Some(Err(panic)) => CallEnd::Panicked(panic),
                None => CallEnd::Cancelled,
            }
        }
    }

    /// Starts a call, unless the handler panics at once.
    ///
    /// No `async fn`: its future would have room for what the handler's future has taken.
    fn start(
        &self,
        messages: &[HeldMessage],
        cancellation: &CallCancellation,
        limit: &CallLimit,
        trace: Option<&Arc<Trace>>,
    ) -> Result<HandlerAnswer<'_>, CallEnd> {
        let item = |held: &HeldMessage| BatchItem {
            message: held.message.clone(),
            context: self.context_of(held, limit, trace.cloned()),
        };
        let Some(batch) = Batch::new(messages.iter().map(item).collect()) else {
            return Err(CallEnd::Answered(Vec::new()));
        };
        let context = cancellation.context(&batch);
        let answer = panic::catch_unwind(AssertUnwindSafe(|| self.handler.call(batch, context)));
        Ok(AssertUnwindSafe(answer.map_err(CallEnd::Panicked)?).catch_unwind())
    }

    /// The limit of a call that began at this time.
    fn limit(&self, began: Instant) -> CallLimit {
        match self.time_limit {
            Some(limit) if self.handler.starts_late() => CallLimit::Clock(Arc::new(CallClock::new(limit))),
            limit => limit.and_then(|limit| began.checked_add(limit)).map_or(CallLimit::None, CallLimit::At),
        }
    }

    /// Waits for the answer of a cancelled handler; `None` at the end of its grace.
    async fn within_grace(&self, answer: &mut HandlerAnswer<'_>) -> Option<thread::Result<Outcomes>> {
        tokio::select! {
            biased;
            answer = answer => Some(answer),
            () = sleep(GRACE) => None,
            () = self.end_of_grace.cancelled() => None,
        }
    }

    fn context_of(
        &self,
        HeldMessage { message, lease, .. }: &HeldMessage,
        limit: &CallLimit,
        trace: Option<Arc<Trace>>,
    ) -> Context {
        let (cancellation, lease) = (lease.cancellation().clone(), lease.time());
        let call = CallContext { cancellation, trace, clock: limit.clock(), lease };
        Context::of_call(self.queue.clone(), call)
            .with_attempt(message.receive_count)
            .with_last_attempt(self.redrive.max_receive_count())
            .with_deadline(limit.deadline())
    }
}

/// The handler's answer, or its panic.
type HandlerAnswer<'a> = CatchUnwind<AssertUnwindSafe<BoxFuture<'a, Outcomes>>>;

/// False for a limit of twelve hours or more, before which the lease ends: SQS hides no message for longer, and the loss of the
/// lease cancels the call.
fn needs_timer(limit: Option<Duration>) -> bool {
    limit.is_some_and(|limit| limit < limits::VISIBILITY)
}

/// The time limit of a call.
enum CallLimit {
    None,
    At(Instant),
    /// By a clock that the handler starts.
    Clock(Arc<CallClock>),
}

impl CallLimit {
    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::At(deadline) => Some(*deadline),
            Self::None | Self::Clock(_) => None,
        }
    }

    fn clock(&self) -> Option<Arc<CallClock>> {
        match self {
            Self::Clock(clock) => Some(clock.clone()),
            Self::None | Self::At(_) => None,
        }
    }

    /// Waits until the limit has passed.
    ///
    /// In a box: a call without a time limit, of which there may be very many, needs no room for a timer.
    async fn passes(&self) {
        match self {
            Self::None => std::future::pending().await,
            Self::At(deadline) => Box::pin(sleep_until(*deadline)).await,
            Self::Clock(clock) => {
                Box::pin(async { sleep_until(clock.deadline().await).await }).await;
            }
        }
    }
}

/// Cancels a call when all of its messages have lost their leases.
struct CallCancellation(CancellationToken);

impl CallCancellation {
    fn of(messages: &[HeldMessage]) -> Self {
        Self(match messages {
            [only] => only.lease.cancellation().clone(),
            _ => CancellationToken::new(),
        })
    }

    /// The context of the call as a whole.
    fn context(&self, batch: &Batch) -> Context {
        let first = &batch[0].context;
        if batch.len() == 1 {
            return first.clone();
        }
        let attempt = batch.iter().map(|item| item.context.attempt).max().unwrap_or(1);
        let contexts = batch.iter().map(|item| item.context.clone()).collect();
        let call = CallContext {
            cancellation: self.0.clone(),
            trace: first.shared_trace(),
            clock: first.clock(),
            lease: EarliestLease(contexts),
        };
        Context::of_call(first.queue.clone(), call)
            .with_attempt(attempt)
            .with_last_attempt(first.last_attempt)
            .with_deadline(first.deadline)
    }

    /// Waits until every lease is lost or cancelled.
    ///
    /// Those behind a lost one of their group are cancelled with it: SQS hands the lost message out although they are held,
    /// and their outcomes no longer count.
    fn fires<'a>(&'a self, messages: &'a [HeldMessage]) -> impl Future<Output = ()> + 'a {
        match messages {
            [only] => Either::Left(only.lease.cancellation().cancelled()),
            // In a box: a call of one message, of which there may be very many, needs no room for it.
            _ => Either::Right(Box::pin(self.all_fire(messages))),
        }
    }

    async fn all_fire(&self, messages: &[HeldMessage]) {
        join_all(followed(messages).into_iter().map(async |(held, next)| {
            held.lease.cancellation().cancelled().await;
            next.lease.cancellation().cancel();
        }))
        .await;
        for held in messages {
            held.lease.cancellation().cancelled().await;
        }
        self.0.cancel();
    }

    fn cancel(&self, messages: &[HeldMessage]) {
        self.0.cancel();
        for held in messages {
            held.lease.cancellation().cancel();
        }
    }
}

/// Each message that has another of its group behind it, with the next one.
fn followed(messages: &[HeldMessage]) -> Vec<(&HeldMessage, &HeldMessage)> {
    let mut next_of = BTreeMap::new();
    let mut followed = Vec::new();
    for held in messages.iter().rev() {
        let next = held.group.as_ref().and_then(|group| next_of.insert(group, held));
        followed.extend(next.map(|next| (held, next)));
    }
    followed
}

/// The lease of a batch, which ends with the first of the leases that are held.
struct EarliestLease(Vec<Context>);

impl LeaseTime for EarliestLease {
    fn deadline(&self) -> Option<Instant> {
        self.0.iter().filter_map(Context::lease_deadline).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_no_lease_reaches_takes_no_timer() {
        assert!(needs_timer(Some(limits::VISIBILITY.saturating_sub(Duration::from_secs(1)))));
        assert!(!needs_timer(Some(limits::VISIBILITY)) && !needs_timer(None));
    }
}
