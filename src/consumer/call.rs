//! Calls the handler, ends the call at its time limit or when all leases are lost, and defines observers of calls.

use std::{collections::BTreeMap, future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, join_all, ready},
};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{disposition::CallEnd, prepare::HeldMessage};
use crate::{
    consumer::depth::RedriveView,
    handler::{AnyHandler, Batch, BatchItem, CallClock, Context, LeaseTime, Placement},
    message::Message,
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
    #[expect(clippy::manual_async_fn, reason = "the future of an async fn has room for its arguments twice")]
    pub(super) fn call<'a>(
        &'a self,
        messages: &'a [HeldMessage],
        began: Instant,
        trace: Option<Arc<Trace>>,
    ) -> impl Future<Output = CallEnd> + 'a {
        async move {
            let clock = self.clock();
            let deadline = match &clock {
                Some(_) => None,
                None => self.time_limit.and_then(|limit| began.checked_add(limit)),
            };
            let item = |held: &HeldMessage| {
                let context = self.context_of(held, deadline);
                let context = context.with_trace(trace.clone()).with_clock(clock.clone());
                BatchItem { message: held.message.clone(), context }
            };
            let Some(batch) = Batch::new(messages.iter().map(item).collect()) else {
                return CallEnd::Answered(Vec::new());
            };
            let cancellation = CallCancellation::of(messages);
            let context = cancellation.context(&batch);
            let call = AssertUnwindSafe(async { self.handler.call(batch, context).await }).catch_unwind();
            tokio::pin!(call);
            // The call is polled first, so that no timer is set for a handler that returns at once.
            let answer = tokio::select! {
                biased;
                answer = &mut call => answer,
                () = passed(deadline, clock.as_deref()) => {
                    // Cancels the tasks that the handler has spawned, too.
                    cancellation.cancel();
                    return CallEnd::TimedOut(self.time_limit.unwrap_or_default());
                }
                () = cancellation.fires() => tokio::select! {
                    biased;
                    answer = &mut call => answer,
                    () = self.grace_ended() => return CallEnd::Cancelled,
                },
            };
            match answer {
                Ok(outcomes) => CallEnd::Answered(outcomes.spread(messages.len())),
                Err(panic) => CallEnd::Panicked(panic),
            }
        }
    }

    /// The clock of a call whose handler starts it.
    fn clock(&self) -> Option<Arc<CallClock>> {
        let limit = self.time_limit.filter(|_| self.handler.starts_late())?;
        Some(Arc::new(CallClock::new(limit)))
    }

    /// Waits for the end of a cancelled handler's grace.
    async fn grace_ended(&self) {
        tokio::select! {
            biased;
            () = sleep(GRACE) => {}
            () = self.end_of_grace.cancelled() => {}
        }
    }

    fn context_of(
        &self,
        HeldMessage { message, lease, .. }: &HeldMessage,
        deadline: Option<Instant>,
    ) -> Context {
        Context::of_lease(self.queue.clone(), Arc::new(lease.time()), lease.cancellation().clone())
            .with_attempt(message.receive_count)
            .with_last_attempt(self.redrive.max_receive_count())
            .with_deadline(deadline)
    }
}

/// Cancels a call when all of its messages have lost their leases.
struct CallCancellation<'a> {
    messages: &'a [HeldMessage],
    call: CancellationToken,
}

impl<'a> CallCancellation<'a> {
    fn of(messages: &'a [HeldMessage]) -> Self {
        let call = match messages {
            [only] => only.lease.cancellation().clone(),
            _ => CancellationToken::new(),
        };
        Self { messages, call }
    }

    /// The context of the call as a whole.
    fn context(&self, batch: &Batch) -> Context {
        let first = &batch[0].context;
        if batch.len() == 1 {
            return first.clone();
        }
        let attempt = batch.iter().map(|item| item.context.attempt).max().unwrap_or(1);
        let contexts = batch.iter().map(|item| item.context.clone()).collect();
        Context::of_lease(first.queue.clone(), Arc::new(EarliestLease(contexts)), self.call.clone())
            .with_attempt(attempt)
            .with_last_attempt(first.last_attempt)
            .with_deadline(first.deadline)
            .with_trace(first.shared_trace())
            .with_clock(first.clock())
    }

    /// Waits until every lease is lost or cancelled.
    ///
    /// Those behind a lost one of their group are cancelled with it: SQS hands the lost message out although they are held,
    /// and their outcomes no longer count.
    async fn fires(&self) {
        match self.messages {
            [only] => only.lease.cancellation().cancelled().await,
            // In a box: a call of one message, of which there may be very many, needs no room for it.
            _ => Box::pin(self.all_fire()).await,
        }
    }

    async fn all_fire(&self) {
        join_all(self.followed().into_iter().map(async |(held, next)| {
            held.lease.cancellation().cancelled().await;
            next.lease.cancellation().cancel();
        }))
        .await;
        for held in self.messages {
            held.lease.cancellation().cancelled().await;
        }
        self.call.cancel();
    }

    /// Each message that has another of its group behind it, with the next one.
    fn followed(&self) -> Vec<(&HeldMessage, &HeldMessage)> {
        let mut next_of = BTreeMap::new();
        let with_next = |held: &'a HeldMessage| Some((held, next_of.insert(held.group.as_ref()?, held)?));
        self.messages.iter().rev().filter_map(with_next).collect()
    }

    fn cancel(&self) {
        self.call.cancel();
        for held in self.messages {
            held.lease.cancellation().cancel();
        }
    }
}

/// The lease of a batch, which ends with the first of the leases that are held.
struct EarliestLease(Vec<Context>);

impl LeaseTime for EarliestLease {
    fn deadline(&self) -> Option<Instant> {
        self.0.iter().filter_map(Context::lease_deadline).min()
    }
}

/// Waits until the time limit has passed, by the clock if there is one; for ever without a limit.
///
/// In a box: a call without a time limit, of which there may be very many, needs no room for a timer.
async fn passed(deadline: Option<Instant>, clock: Option<&CallClock>) {
    match (clock, deadline) {
        (Some(clock), _) => Box::pin(async { sleep_until(clock.deadline().await).await }).await,
        (None, Some(deadline)) => Box::pin(sleep_until(deadline)).await,
        (None, None) => std::future::pending().await,
    }
}
