//! One call of the handler, ended when its time is over or no lease is left.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Engine, disposition::Called, prepare::HeldMessage};
use crate::{
    handler::{Batch, BatchItem, Context, LeaseTime},
    telemetry::traces::Trace,
};

/// How long a handler that was told to stop may still take to tidy up.
const GRACE: Duration = Duration::from_secs(1);

impl Engine {
    fn context_of(
        &self,
        HeldMessage { message, lease, .. }: &HeldMessage,
        deadline: Option<Instant>,
    ) -> Context {
        Context::of_lease(self.0.name.clone(), Arc::new(lease.time()), lease.cancellation().clone())
            .with_attempt(message.receive_count)
            .with_last_attempt(self.0.traits.max_receive_count)
            .with_deadline(deadline)
    }

    /// Calls the handler, and ends the call when its time is over or no lease is left.
    pub(super) async fn call(&self, messages: &[HeldMessage], trace: Option<Arc<Trace>>) -> Called {
        let limit = self.0.options.timeout.duration();
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let items = messages.iter().map(|waiting| {
            let context = self.context_of(waiting, deadline).with_trace(trace.clone());
            BatchItem { message: waiting.message.clone(), context }
        });
        let Some(batch) = Batch::new(items.collect()) else { return Called::Answered(Vec::new()) };
        let cancellation = Cancellation::of(messages);
        let context = cancellation.context(&batch);
        let handler = &self.0.handler;
        let call = AssertUnwindSafe(async { handler.call(batch, context).await }).catch_unwind();
        tokio::pin!(call);
        let answer = tokio::select! {
            answer = &mut call => answer,
            limit = passed(limit) => {
                // What the handler has spawned hears of it, too.
                cancellation.cancel();
                return Called::TimedOut(limit);
            }
            () = cancellation.fires() => match tokio::time::timeout(GRACE, &mut call).await {
                Ok(answer) => answer,
                Err(_) => return Called::Cancelled,
            },
        };
        match answer {
            Ok(outcomes) => Called::Answered(outcomes.spread(messages.len())),
            Err(panic) => Called::Panicked(panic),
        }
    }
}

/// The end of a call before its time: that of its only message's lease, or of all of them.
struct Cancellation<'a> {
    batch: &'a [HeldMessage],
    call: CancellationToken,
}

impl<'a> Cancellation<'a> {
    fn of(batch: &'a [HeldMessage]) -> Self {
        let call = match batch {
            [only] => only.lease.cancellation().clone(),
            _ => CancellationToken::new(),
        };
        Self { batch, call }
    }

    /// The circumstances of the call as a whole.
    fn context(&self, batch: &Batch) -> Context {
        let first = &batch[0].context;
        if batch.len() == 1 {
            return first.clone();
        }
        let attempt = batch.iter().map(|item| item.context.attempt).max().unwrap_or(1);
        let contexts = batch.iter().map(|item| item.context.clone()).collect();
        Context::of_lease(first.queue.clone(), Arc::new(Soonest(contexts)), self.call.clone())
            .with_attempt(attempt)
            .with_last_attempt(first.last_attempt)
            .with_deadline(first.deadline)
            .with_trace(first.shared_trace())
    }

    /// Waits until every lease is lost, or all handlers are told to stop.
    async fn fires(&self) {
        for waiting in self.batch {
            waiting.lease.cancellation().cancelled().await;
        }
        self.call.cancel();
    }

    fn cancel(&self) {
        self.call.cancel();
        for waiting in self.batch {
            waiting.lease.cancellation().cancel();
        }
    }
}

/// The lease of a batch: the one that ends first of those that are left.
struct Soonest(Vec<Context>);

impl LeaseTime for Soonest {
    fn deadline(&self) -> Option<Instant> {
        self.0.iter().filter_map(Context::lease_deadline).min()
    }
}

/// Waits until a time limit passes; for ever without one.
async fn passed(limit: Option<Duration>) -> Duration {
    match limit {
        Some(limit) => {
            tokio::time::sleep(limit).await;
            limit
        }
        None => std::future::pending().await,
    }
}
