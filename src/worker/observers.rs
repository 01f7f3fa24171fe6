//! Observers of a consumer's calls: for messages that use up their receives, for notifications over SNS, and for the
//! protection of the ECS task.

use std::sync::Arc;
#[cfg(feature = "ecs")]
use std::time::Duration;

#[cfg(feature = "sns")]
use futures_util::future::{BoxFuture, FutureExt as _};

#[cfg(feature = "sns")]
use crate::sns::notifications::{Notification, Notifier};
#[cfg(feature = "ecs")]
use crate::{consumer::CallGuard, ecs::CallsInFlight};
use crate::{
    consumer::{CallObserver, MessageEnd},
    telemetry::{IntCounter, MetricScope, context::TraceContext, events, metric_group, spans::Trace},
};

metric_group! {
    /// Metrics of one queue's messages that have used up their receives.
    pub(super) struct ExhaustedMetrics {
        /// Messages that have used up their receives and were not done: SQS moves them to the DLQ at their next receive, or the worker copies them there.
        exhausted: IntCounter = "longshore_messages_exhausted_total" ["queue"];
    }
}

/// Logs and counts the messages of one queue that have used up their receives.
///
/// The redrive policy moves a message without a word: the line has the reason of its last failure, and is never sampled.
pub(super) struct ExhaustedMessages {
    queue: Arc<str>,
    metrics: Arc<ExhaustedMetrics>,
}

impl ExhaustedMessages {
    pub(super) fn new(queue: Arc<str>, scope: &MetricScope) -> Self {
        Self { queue, metrics: scope.group() }
    }
}

impl CallObserver for ExhaustedMessages {
    fn message_exhausted(&self, end: &MessageEnd<'_>) {
        let MessageEnd { message, ending, reason, trace, .. } = *end;
        let (queue, message_id, receive_count) = (&*self.queue, &message.id, message.receive_count);
        let context = Trace::log_context(trace.map(Arc::as_ref), message);
        let _trace = context.as_ref().map(TraceContext::enter);
        events::MessageExhausted { queue, message_id, ending, reason, receive_count }
            .emit(&self.metrics.exhausted);
    }
}

/// Publishes a notification when a message's call has ended.
#[cfg(feature = "sns")]
pub(super) struct NotifyEnds(pub(super) Notifier);

#[cfg(feature = "sns")]
impl CallObserver for NotifyEnds {
    fn message_ended(&self, end: &MessageEnd<'_>) {
        self.0.ended(&notification(end));
    }

    fn message_exhausted(&self, end: &MessageEnd<'_>) {
        self.0.exhausted(&notification(end));
    }

    fn flushed(&self) -> BoxFuture<'_, ()> {
        self.0.flushed().boxed()
    }

    fn close(&self) {
        self.0.close();
    }
}

#[cfg(feature = "sns")]
fn notification<'a>(end: &MessageEnd<'a>) -> Notification<'a> {
    let MessageEnd { message, ending, reason, took, trace } = *end;
    Notification { message, ending, reason, took, trace }
}

/// Counts the calls in flight that may outlast a stop, for which the task is protected.
#[cfg(feature = "ecs")]
pub(super) struct CountCalls {
    pub(super) calls: CallsInFlight,
    /// The time limit of each.
    pub(super) timeout: Option<Duration>,
}

#[cfg(feature = "ecs")]
impl CallObserver for CountCalls {
    fn call_started(&self) -> Option<CallGuard> {
        Some(Box::new(self.calls.begin(self.timeout)))
    }
}
